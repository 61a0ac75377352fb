"""diagnose finds each fault that was put into a healthy training, and nothing in the healthy one."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import nn, optim
from tinygrad_cnn.errors import ArgumentError
from tinygrad_cnn.training import diagnose

CE = nn.CrossEntropyLoss()
LABELS = tg.tensor([0, 1, 2, 3] * 4)


def images() -> tg.Tensor:
    return tg.randn(16, 1, 8, 8)


def network(*last: nn.Module, act: type = nn.ReLU) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 6, 3),
        act(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(54, 16),
        act(),
        nn.Linear(16, 4),
        *last,
    )


def symptoms(model=None, x=None, y=None, loss=CE, lr=0.01, opt=None):
    model = network() if model is None else model
    opt = optim.SGD(model.parameters(), lr=lr) if opt is None else opt
    batch = images() if x is None else x, LABELS if y is None else y
    return [finding.symptom for finding in diagnose(model, loss, batch, opt)]


class Forgetful(nn.Module):
    def __init__(self):
        super().__init__()
        self.used, self.unused = network(), nn.Linear(2, 2)

    def forward(self, x):
        return self.used(x)


def spoilt(change) -> nn.Module:
    model = network()
    with tg.no_grad():
        change(model)
    return model


def deep() -> nn.Module:
    layers = [layer for _ in range(12) for layer in (nn.Linear(16, 16), nn.Sigmoid())]
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 16), *layers, nn.Linear(16, 4))


def bce() -> list[str]:
    y = (LABELS < 2).float().reshape(16, 1)
    return symptoms(network(nn.Linear(4, 1), nn.Sigmoid()), y=y, loss=nn.BCEWithLogitsLoss())


FAULTS = {
    "evaluation mode": lambda: symptoms(network().eval()),
    "bad inputs": lambda: symptoms(x=tg.full((16, 1, 8, 8), tg.nan)),
    "raw pixels": lambda: symptoms(x=images().abs() * 100),
    "inputs not normalized": lambda: symptoms(x=images() - 30),
    "one class": lambda: symptoms(y=tg.zeros(16).long()),
    "softmax twice": lambda: symptoms(network(nn.Softmax(1))),
    "sigmoid twice": bce,
    "relu at the end": lambda: symptoms(network(nn.ReLU())),
    "dead relus": lambda: symptoms(spoilt(lambda m: m[0].bias.fill_(-100.0))),
    "no gradient": lambda: symptoms(Forgetful()),
    "zero gradient": lambda: symptoms(spoilt(lambda m: m[6].weight.zero_())),
    "NaN": lambda: symptoms(spoilt(lambda m: m[4].weight.fill_(tg.nan))),
    "exploding gradients": lambda: symptoms(loss=lambda x, y: CE(x, y) * 1e5),
    "vanishing gradients": lambda: symptoms(deep()),
    "learning rate too large": lambda: symptoms(lr=100.0),
    "steps too small": lambda: symptoms(lr=1e-9),
    "not in the optimizer": lambda: symptoms(m := network(), opt=optim.SGD(m[0].parameters(), lr=0.1)),
    "optimizer of another model": lambda: symptoms(opt=optim.SGD(network().parameters(), lr=0.1)),
}


@pytest.mark.parametrize("symptom", FAULTS)
def test_a_fault_is_found(symptom):
    assert symptom in FAULTS[symptom]()


@pytest.mark.parametrize("seed", range(5))
def test_nothing_is_found_in_a_healthy_training(seed):
    tg.manual_seed(seed)
    model = network()
    assert symptoms(model) == []
    assert symptoms(model, opt=optim.Adam(model.parameters())) == []
    assert symptoms(deep_enough := network(act=nn.Tanh), lr=0.1) == [] and deep_enough.training
    assert repr(diagnose(model, CE, (images(), LABELS))) == "nothing found"


def own_step(*skip):
    def step(model, optimizer, batch):
        for name in ("zero_grad", "backward", "step"):
            if name == "backward" and name not in skip:
                CE(model(batch[0]), batch[1]).backward()
            elif name != "backward" and name not in skip:
                getattr(optimizer, name)()

    return step


@pytest.mark.parametrize("skip", ["zero_grad", "backward", "step"])
def test_a_step_of_ones_own_that_forgets(skip):
    model = network()
    batch, optimizer = (images(), LABELS), optim.SGD(model.parameters(), lr=0.01)
    assert diagnose(model, CE, batch, optimizer, train_step=own_step()) == []
    [finding] = diagnose(model, CE, batch, optimizer, train_step=own_step(skip))
    assert finding.symptom == f"no {skip}"


def test_two_backwards_before_a_step_are_no_fault():
    def step(model, optimizer, batch):
        for _ in range(2):
            CE(model(batch[0]), batch[1]).backward()
        optimizer.step()
        model.zero_grad()

    model = network()
    assert (
        diagnose(model, CE, (images(), LABELS), optim.SGD(model.parameters(), lr=0.01), train_step=step) == []
    )


def test_nothing_is_touched():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Dropout(), nn.Linear(72, 4))
    optimizer = optim.Adam(model.parameters())
    batch = images(), LABELS
    model[0].weight.grad = tg.ones(2, 1, 3, 3)
    before = {name: x.numpy().copy() for name, x in model.state_dict().items()}
    dice = tg.get_rng_state()
    diagnose(model, CE, batch, optimizer)
    for name, x in model.state_dict().items():
        np.testing.assert_array_equal(x, before[name])
    assert not optimizer.state and model[0].weight.grad.tolist() == tg.ones(2, 1, 3, 3).tolist()
    assert model[4].weight.grad is None and str(tg.get_rng_state()) == str(dice)


def test_how_it_is_said():
    text = repr(diagnose(network(nn.Softmax(1)), CE, (images() * 0 + 200, LABELS)))
    assert "- raw pixels: the inputs run from 200 to 200; divide by 255" in text
    assert "- softmax twice: cross_entropy takes logits" in text


def test_steps():
    with pytest.raises(ArgumentError, match="steps is 0"):
        diagnose(network(), CE, (images(), LABELS), steps=0)
    with pytest.raises(ArgumentError, match="needs an optimizer"):
        diagnose(network(), CE, (images(), LABELS), train_step=own_step())
