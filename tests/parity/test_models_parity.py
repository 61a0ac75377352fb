"""The models against themselves under PyTorch: their source is run a second time with torch's layers.

That makes torch's `nn` check every shape, key, output and gradient.  That the architectures are torchvision's
is checked by what is known of those: their numbers of parameters and keys, in tests/test_models.py.
"""

from __future__ import annotations

import inspect
import re
import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from parity.both import ours, same, theirs  # noqa: E402

import tinygrad_cnn as tg  # noqa: E402

COVERED: dict[str, set[str]] = {}
FILES = ("common", "lenet", "alexnet", "vgg", "resnet", "mobilenet", "squeezenet", "densenet", "unet", "fcn")
IMPORTS = {
    "from .. import nn": "from torch import nn",
    "from ..creation import cat": "from torch import cat",
    "from ..errors import": "from tinygrad_cnn.errors import",
    "from ..nn import functional as F": "from torch.nn import functional as F",
    "from ..tensor import Tensor": "from torch import Tensor",
}


@pytest.fixture(scope="module")
def twins():
    """What the files of tinygrad_cnn/models define when their imports are torch's."""
    names: dict[str, Any] = {}
    for file in FILES:
        source = inspect.getsource(sys.modules[f"{tg.models.__name__}.{file}"])
        for mine, wanted in IMPORTS.items():
            source = source.replace(mine, wanted)
        source = re.sub(r"^from \.(\w+) import", r"from torch_models.\1 import", source, flags=re.M)
        assert "from ." not in source
        module = sys.modules[f"torch_models.{file}"] = ModuleType(f"torch_models.{file}")
        exec(compile(source, f"torch_models/{file}.py", "exec"), vars(module))
        names |= {name: getattr(module, name) for name in module.__all__}
    yield names
    for file in FILES:
        del sys.modules[f"torch_models.{file}"]


@pytest.fixture
def undrawn(monkeypatch):
    """Nothing is drawn: of some models only the shapes are looked at, and they are large."""
    for name in ("normal_", "uniform_"):
        monkeypatch.setattr(tg.nn.init, name, lambda tensor, *args: tensor)


FUNCTIONS = [name for name in tg.models.__all__ if name[0].islower()]


@pytest.mark.parametrize("name", [*FUNCTIONS, "LeNet5", "UNet"])
def test_the_state_has_the_same_keys_and_shapes(name, twins, undrawn):
    options = {"aux_loss": True} if name.startswith("fcn") else {}
    mine = getattr(tg.models, name)(**options).state_dict()
    with torch.device("meta"):
        wanted = twins[name](**options).state_dict()
    assert [(key, tuple(value.shape), str(value.dtype)) for key, value in mine.items()] == [
        (key, tuple(value.shape), str(value.dtype).removeprefix("torch.")) for key, value in wanted.items()
    ]


# name: (options, shape of the input, its size being odd where that is allowed)
SMALL: dict[str, tuple[dict[str, Any], tuple[int, ...]]] = {
    "LeNet5": ({}, (3, 1, 28, 28)),
    "alexnet": ({}, (2, 3, 63, 67)),
    "vgg11": ({"init_weights": False}, (2, 3, 32, 45)),
    "vgg16_bn": ({"init_weights": False}, (2, 3, 32, 45)),
    "resnet18": ({"num_classes": 5}, (4, 3, 33, 40)),
    "resnet34": ({"num_classes": 5, "zero_init_residual": True}, (4, 3, 33, 33)),
    "resnet50": ({"num_classes": 5, "replace_stride_with_dilation": [False, True, True]}, (2, 3, 33, 33)),
    "resnext50_32x4d": ({"num_classes": 5}, (4, 3, 33, 33)),
    "mobilenet_v2": ({"num_classes": 5, "dropout": 0.0, "width_mult": 0.5}, (4, 3, 33, 33)),
    "squeezenet1_0": ({"num_classes": 5, "dropout": 0.0}, (2, 3, 45, 37)),
    "squeezenet1_1": ({"num_classes": 5, "dropout": 0.0}, (2, 3, 45, 37)),
    "densenet121": ({"num_classes": 5}, (4, 3, 33, 33)),
    "UNet": ({"in_channels": 2, "num_classes": 3, "width": 8}, (2, 2, 37, 50)),
    "fcn_resnet50": ({"num_classes": 3, "aux_loss": True}, (2, 3, 33, 33)),
}


def pair(name: str, twins: dict[str, Any]) -> tuple[Any, Any]:
    """The same model in both libraries, in double precision, with PyTorch's weights."""
    options, _ = SMALL[name]
    torch.manual_seed(0)
    wanted = twins[name](**options)
    mine = getattr(tg.models, name)(**options)
    if name.startswith(
        ("alexnet", "vgg")
    ):  # a hundred million numbers in dense layers prove no more than a few
        for library, model in ((tg, mine), (torch, wanted)):
            model.classifier = library.nn.Linear(9216 if name == "alexnet" else 25088, 5)
    mine, wanted = mine.double(), wanted.double()
    mine.load_state_dict({key: value.numpy() for key, value in wanted.state_dict().items()})
    return mine, wanted


def outputs(out: Any) -> list[Any]:
    return list(out.values()) if isinstance(out, dict) else [out]


@pytest.mark.parametrize("name", SMALL)
def test_outputs_gradients_and_statistics_agree(name, twins, undrawn):
    mine, wanted = pair(name, twins)
    if name.startswith("fcn"):  # no two libraries drop the same
        for model in (mine, wanted):
            model.classifier[3].p = model.aux_classifier[3].p = 0.0
    rng = np.random.default_rng(0)
    x = rng.normal(size=SMALL[name][1])
    for training in (True, False):
        out, expected = (
            outputs(model.train(training)(make(x, True))) for model, make in ((mine, ours), (wanted, theirs))
        )
        # Rounding errors grow from layer to layer: those of the sums in the largest layer, times the depth.
        terms = 10_000
        for a, b in zip(out, expected, strict=True):
            same(a, b, terms, f"output, {training=}")
            g = rng.normal(size=a.shape)
            a.backward(ours(g), retain_graph=True)
            b.backward(theirs(g), retain_graph=True)
    names = dict(wanted.named_parameters())
    for key, parameter in mine.named_parameters():
        assert (parameter.grad is None) == (names[key].grad is None), key
        if parameter.grad is not None:
            same(parameter.grad, names[key].grad, terms, key)
    for key, buffer in mine.named_buffers():
        same(buffer, dict(wanted.named_buffers())[key], terms, key)
