"""The summary's numbers, checked by hand, by other ways of counting, and against what really happens."""

from __future__ import annotations

import json
import math
from collections import namedtuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_cnn as tg
from tinygrad_cnn import models, nn
from tinygrad_cnn.errors import ArgumentError, DtypeError, ShapeError
from tinygrad_cnn.graph.forward import kept
from tinygrad_cnn.nn import functional as F
from tinygrad_cnn.tape import walk


def rows(model, *args, **options):
    return {row.name: row for row in tg.summary(model, *args, **options).rows}


# --- numbers by hand ------------------------------------------------------------------------------


def test_lenet_as_its_paper_counts():
    """LeCun et al. 1998 give C1 156 parameters and 122,304 connections."""
    found = tg.summary(models.LeNet5(), (1, 1, 28, 28))
    model, conv1, pool1, conv2, pool2, fc1, fc2, fc3 = found.rows
    assert (conv1.params, conv1.connections) == (156, 122_304)
    assert conv1.mult_adds == 6 * 28 * 28 * 5 * 5
    assert conv1.dense_params == 28 * 28 * (6 * 28 * 28) + 6 * 28 * 28
    assert conv2.mult_adds == 16 * 10 * 10 * 6 * 5 * 5
    assert conv2.connections == 16 * 10 * 10 * (6 * 5 * 5 + 1)
    assert pool1.connections == 6 * 14 * 14 * 4
    assert [row.mult_adds for row in (fc1, fc2, fc3)] == [400 * 120, 120 * 84, 84 * 10]
    assert fc1.connections == fc1.params == 401 * 120
    assert [row.receptive_field for row in (conv1, pool1, conv2, pool2)] == [
        (5, 5),
        (6, 6),
        (14, 14),
        (16, 16),
    ]
    assert [row.jump for row in (conv1, pool1, conv2, pool2)] == [(1, 1), (2, 2), (2, 2), (4, 4)]
    assert fc1.receptive_field is None
    assert (found.total_params, found.trainable_params) == (61_706, 61_706)
    assert found.total_mult_adds == sum(row.mult_adds for row in found.rows[1:]) == model.mult_adds
    assert (conv1.kernel, pool1.kernel) == ("5×5 · padding 2", "2×2 · stride 2")


def test_resnet18_as_known():
    found = tg.summary(models.resnet18(), (1, 3, 224, 224))
    assert found.total_params == 11_689_512
    assert found.total_mult_adds == 1_814_073_344
    by_name = {row.name: row for row in found.rows if row.depth == 1}
    fields = [by_name[name].receptive_field[0] for name in ("conv1", "maxpool", "layer1", "layer4")]
    assert fields == [7, 11, 43, 435]
    assert by_name["layer4"].jump == (32, 32)


def test_a_dense_layer_in_the_place_of_a_small_convolution():
    """The convolution is a 9 by 25 matrix with 81 entries that are not forced to 0."""
    conv = nn.Conv2d(1, 1, 3)
    row = rows(conv, (1, 1, 5, 5))["Conv2d"]
    x = tg.ones(1, 1, 5, 5, requires_grad=True)
    matrix = np.stack([tg.autograd.grad(y, x, retain_graph=True)[0].numpy().ravel() for y in conv(x).ravel()])
    assert row.mult_adds == np.count_nonzero(matrix) == 81
    assert row.connections == 81 + 9
    assert row.dense_params == matrix.size + 9 == 234
    assert row.params == 10


def test_groups_strides_and_batches():
    row = rows(nn.Conv2d(4, 6, 3, stride=2, groups=2, bias=False), (5, 4, 9, 9))["Conv2d"]
    assert row.mult_adds == 5 * (6 * 4 * 4) * (2 * 9)
    assert row.connections == (6 * 4 * 4) * (2 * 9)
    assert row.dense_params == (4 * 9 * 9) * (6 * 4 * 4)


def test_a_transposed_convolution_takes_what_its_convolution_takes():
    up = rows(nn.ConvTranspose2d(4, 2, 3, stride=2, bias=False), (1, 4, 5, 5))["ConvTranspose2d"]
    down = rows(nn.Conv2d(2, 4, 3, stride=2, bias=False), (1, 2, 11, 11))["Conv2d"]
    assert (up.mult_adds, up.dense_params) == (down.mult_adds, down.dense_params)


def test_matrix_products_are_counted_with_and_without_gradients():
    linear = nn.Linear(7, 3)
    for frozen in (False, True):
        row = rows(linear.requires_grad_(not frozen), (4, 7))["Linear"]
        assert (row.mult_adds, row.connections) == (4 * 7 * 3, 7 * 3 + 3)
    attention = tg.summary(
        nn.MultiheadAttention(8, 2), input=dict.fromkeys(("query", "key", "value"), tg.ones(5, 1, 8))
    )
    projections, scores = 4 * 5 * 8 * 8, 2 * 2 * 5 * 5 * 4
    assert attention.total_mult_adds == projections + scores
    assert attention.total_params == 4 * 8 * 8 + 4 * 8


# --- receptive fields: against the pixels that a gradient reaches -----------------------------------------


class Ways(nn.Module):
    """Two ways side by side, added up."""

    def __init__(self, *ways):
        super().__init__()
        self.ways = nn.ModuleList(ways)

    def forward(self, x):
        a, b = (way(x) for way in self.ways)
        return a + b


def reached(model, size):
    """How many pixels of one axis the middle result depends on."""
    for parameter in model.parameters():
        nn.init.constant_(parameter, 1.0)
    x = tg.rand(1, 1, size) + 1
    y = model(x.requires_grad_())
    (g,) = tg.autograd.grad(y[0, 0, y.shape[2] // 2], x)
    pixels = np.flatnonzero(g.numpy())
    return int(pixels[-1] - pixels[0]) + 1


@st.composite
def stacks(draw):
    """Layers on one axis whose windows all count: sums, so that the gradient is 0 nowhere in the field."""
    layers = []
    for _ in range(draw(st.integers(1, 4))):
        k, s, d = draw(st.integers(1, 4)), draw(st.integers(1, 2)), draw(st.integers(1, 2))
        kind = draw(st.sampled_from(["conv", "pool", "ways", "pad"]))
        if kind == "pool":
            layers.append(nn.AvgPool1d(k, s))
        elif kind == "pad":
            layers.append(nn.ZeroPad1d(k))
        elif kind == "ways":  # the same size either way
            wide, narrow = nn.Conv1d(1, 1, 2 * k + 1, s, padding=k), nn.Conv1d(1, 1, 1, s)
            layers.append(Ways(wide, narrow))
        else:
            layers.append(nn.Conv1d(1, 1, k, s, dilation=d))
    return nn.Sequential(*layers)


@given(stacks())
def test_the_receptive_field_is_what_a_gradient_reaches(model):
    found = tg.summary(model, (1, 1, 200)).rows[0]
    assert found.receptive_field == (reached(model, 200),)


@pytest.mark.parametrize(
    ("layers", "field", "jump"),
    [
        ([nn.Conv1d(1, 1, 2, 2), nn.ConvTranspose1d(1, 1, 2, stride=2)], 2, 1),
        ([nn.Conv1d(1, 1, 3, 2), nn.ConvTranspose1d(1, 1, 4, stride=2)], 5, 1),
        ([nn.Conv1d(1, 1, 2, 2), nn.Upsample(scale_factor=2)], 2, 1),
        ([nn.Upsample(scale_factor=2), nn.Conv1d(1, 1, 3)], 2, 0.5),
        ([nn.Upsample(scale_factor=2, mode="linear")], 2, 0.5),
        ([nn.AdaptiveAvgPool1d(1)], 40, 40),
        ([nn.AdaptiveAvgPool1d(4)], 10, 10),
        ([nn.Conv1d(1, 4, 3, padding=1), nn.GroupNorm(2, 4), nn.GELU(), nn.Conv1d(4, 1, 3)], 5, 1),
    ],
)  # fmt: skip
def test_up_and_down_and_through(layers, field, jump):
    found = tg.summary(nn.Sequential(*layers), (1, 1, 40)).rows[0]
    assert (found.receptive_field, found.jump) == ((field,), (jump,))


def test_the_bound_of_a_transposed_convolution_is_reached():
    model = nn.Sequential(nn.Conv1d(1, 1, 3, 2), nn.ConvTranspose1d(1, 1, 4, stride=2))
    assert reached(model, 40) == 5


def test_where_an_image_is_no_longer_one_there_is_no_field():
    found = rows(
        nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(18, 18), nn.Unflatten(1, (2, 3, 3))),
        (1, 1, 5, 5),
    )
    assert [found[name].receptive_field for name in "0123"] == [(3, 3), None, None, None]


def test_axes_of_their_own():
    row = rows(nn.Conv2d(1, 1, (3, 1), stride=(1, 2)), (1, 1, 9, 9))["Conv2d"]
    assert (row.receptive_field, row.jump) == ((3, 1), (1, 2))
    assert "3×1" in str(tg.summary(nn.Conv2d(1, 1, (3, 1)), (1, 1, 9, 9)))


# --- memory: against the tape of a training -------------------------------------------------------


def really_kept(model, x):
    arrays = {}
    known = {id(t.array) for t in (*model.parameters(), *model.buffers())}
    tg.manual_seed(0)
    for node in walk(model(x).node):
        if node.op is not None:
            for array in kept(node).values():
                base = array if array.base is None else array.base
                if id(base) not in known:
                    arrays[id(base)] = base
    return sum(array.nbytes for array in arrays.values())


def test_what_is_kept_is_what_a_training_keeps():
    model = models.LeNet5()
    assert tg.summary(model, (2, 1, 28, 28)).rows[0].kept == really_kept(model, tg.randn(2, 1, 28, 28))


def test_a_frozen_beginning_keeps_nothing():
    model = nn.Sequential(nn.Linear(8, 8), nn.Sigmoid(), nn.Linear(8, 2))
    model[0].requires_grad_(False)
    found = tg.summary(model, (4, 8))
    assert [row.kept for row in found.rows] == [128, 0, 0, 128]
    assert found.rows[0].kept == really_kept(model, tg.ones(4, 8))
    assert (found.total_params, found.trainable_params) == (90, 18)
    x = tg.ones(4, 8, requires_grad=True)  # then backward has to go through it
    assert tg.summary(model, input=x).rows[0].kept == really_kept(model, x) == 128  # one array, kept twice


# --- the model stays as it is ---------------------------------------------------------------------


def test_nothing_changes():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Dropout(), nn.ReLU(inplace=True))
    model[2].eval()
    x = tg.ones(2, 1, 5, 5)
    loss = model(x).sum()
    loss.backward()
    grads = [p.grad for p in model.parameters()]
    before = {name: tensor.numpy().copy() for name, tensor in model.state_dict().items()}
    objects, state = dict(model.named_buffers()), tg.get_rng_state()
    pending = model.eval()(x).sum()  # keeps the running statistics
    model.train()
    model[2].eval()
    tg.summary(model, (2, 1, 5, 5), time=True)
    assert json.dumps(tg.get_rng_state()) == json.dumps(state)
    assert all((tensor.numpy() == before[name]).all() for name, tensor in model.state_dict().items())
    assert all(buffer is objects[name] for name, buffer in model.named_buffers())
    assert [module.training for module in model] == [True, True, False, True]
    assert all(p.grad is g for p, g in zip(model.parameters(), grads, strict=True))
    assert all("_hooks" not in vars(module) for module in model.modules())
    pending.backward()  # nothing that it kept was changed


def test_nothing_changes_where_the_model_fails():
    class Breaks(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = nn.BatchNorm1d(3)
            self.fc = nn.Linear(4, 1)

        def forward(self, x):
            return self.fc(self.norm(x))

    model = Breaks()
    with pytest.raises(ShapeError, match="fc"):
        tg.summary(model, (5, 3))
    assert int(model.norm.num_batches_tracked) == 0
    assert all(not module._hooks for module in model.modules())
    assert type((tg.ones(1, requires_grad=True) * 2).node).__name__ == "Node"  # nobody watches any more


def test_the_user_s_hooks_still_run():
    model, seen = nn.Linear(2, 2), []
    hook = model.register_forward_hook(lambda module, args, out: seen.append(out.shape))
    tg.summary(model, (3, 2))
    assert seen == [(3, 2)]
    model(tg.ones(1, 2))
    hook.remove()
    assert seen == [(3, 2), (1, 2)]


# --- rows -----------------------------------------------------------------------------------------


class Siamese(nn.Module):
    def __init__(self):
        super().__init__()
        self.twin = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU())

    def forward(self, a, b):
        return (self.twin(a) - self.twin(b)).abs()


def test_what_is_shared_counts_once():
    found = tg.summary(Siamese(), [(1, 1, 5, 5), (1, 1, 5, 5)])
    first, second = (row for row in found.rows if row.kind == "Conv2d")
    assert found.total_params == first.params == 20
    assert (first.shared, second.shared, second.params) == (False, True, 0)
    assert second.mult_adds == first.mult_adds == found.total_mult_adds // 2
    assert found.rows[0].dense_params == first.dense_params
    assert str(found).count("shared") == 2  # the twin and its convolution; a ReLU has nothing to share


def test_a_tied_weight_counts_where_it_comes_first():
    a, b = nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False)
    b.weight = a.weight
    found = tg.summary(nn.Sequential(a, b), (1, 3))
    assert [row.params for row in found.rows] == [9, 9, 0]


def test_modules_that_are_not_called_count_for_who_holds_them():
    class Holds(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Linear(3, 2)
            self.unused = nn.Conv2d(1, 1, 3)

        def forward(self, x):
            return F.linear(x, self.inner.weight)

    found = tg.summary(Holds(), (1, 3))
    assert [(row.name, row.params) for row in found.rows] == [("Holds", 18)]
    assert found.total_mult_adds == 6
    assert found.unreached == (("inner.bias", 2), ("unused.weight", 9), ("unused.bias", 1))
    assert "no gradient    12, unused by the outputs: inner.bias, unused.weight, unused.bias" in str(found)
    assert tg.summary(nn.Linear(3, 2), (1, 3)).unreached == ()


def test_functions_have_rows_beside_modules():
    class Mixed(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(1, 2, 3)
            self.weight, self.bias = nn.Parameter(tg.ones(3, 2, 3, 3)), nn.Parameter(tg.ones(3))

        def forward(self, x):
            return F.avg_pool2d(F.conv2d(self.conv(x).relu(), self.weight, self.bias), 2)

    found = tg.summary(Mixed(), (1, 1, 8, 8))
    assert [(row.name, row.depth) for row in found.rows] == [
        ("Mixed", 0), ("conv", 1), ("conv2d", 1), ("window_sum", 1),
    ]  # fmt: skip
    alone = tg.summary(nn.Conv2d(2, 3, 3), (1, 2, 6, 6)).rows[0]
    conv2d = found.rows[2]
    assert (conv2d.connections, conv2d.dense_params) == (alone.connections, alone.dense_params)


@pytest.mark.parametrize("make", [models.densenet121, models.mobilenet_v2, models.squeezenet1_1, models.UNet])
def test_sums_and_widths(make):
    model = make()
    found = tg.summary(model, (1, 3, 64, 64), depth=None)
    assert found.total_params == sum(p.numel() for p in model.parameters())
    inner = zip(found.rows, (*found.rows[1:], None), strict=True)
    leaves = [row for row, after in inner if after is None or after.depth <= row.depth]
    assert sum(row.mult_adds for row in leaves) == found.total_mult_adds
    assert sum(row.connections for row in leaves) == found.rows[0].connections
    assert max(map(len, str(found).splitlines())) <= 100
    assert {row.receptive_field for row in leaves if row.kind == "Conv2d"} > {None} - {None}
    assert all(row.receptive_field for row in leaves if row.kind == "Conv2d")


def test_the_table():
    net = nn.Sequential(nn.Conv2d(1, 6, 5), nn.Sequential(nn.ReLU(), nn.MaxPool2d(2)))
    found = tg.summary(net, (1, 1, 28, 28), columns=["params", "receptive_field", "jump"])
    assert str(found).splitlines()[:7] == [
        "                              receptive",
        "layer             parameters      field  jump",
        "─────────────────────────────────────────────",
        "Sequential               156          6     2",
        "├ 0: Conv2d              156          5     1",
        "└ 1: Sequential                       6     2",
        "  ├ 0: ReLU                           5     1",
    ]
    shallow = tg.summary(net, (1, 1, 28, 28), depth=1)
    assert len(str(shallow).splitlines()) == len(str(found).splitlines()) - 2
    assert len(shallow.rows) == len(found.rows) == 5


def test_html_shows_the_same_and_trusts_no_name():
    class Odd(nn.Module):
        def forward(self, x):
            return x

    Odd.__name__ = "<script>alert(1)</script>"
    text = tg.summary(nn.Sequential(nn.Conv2d(1, 6, 5), Odd()), (1, 1, 28, 28))._repr_html_()
    assert "<script>" not in text and "&lt;script&gt;" in text
    assert "<td>2,712,960</td>" in text


def test_time_is_measured():
    found = tg.summary(models.LeNet5(), (8, 1, 28, 28), time=True)
    model, *layers = found.rows
    assert all(row.forward_ms > 0 for row in layers)
    assert model.backward_ms > sum(row.backward_ms for row in layers) > 0
    assert math.isclose(model.forward_ms, sum(r.forward_ms for r in layers), rel_tol=0.9)
    assert "measured       forward" in str(found)
    assert tg.summary(models.LeNet5(), (1, 1, 28, 28)).rows[0].forward_ms is None


def test_integers_several_results_and_lazy_layers():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Embedding(5, 3)
            self.fc = nn.LazyLinear(2)

        def forward(self, index, *, scale):
            h = self.embed(index)
            return {"out": self.fc(h), "h": (h * scale, None)}

    found = tg.summary(Two(), input={"index": tg.tensor([1, 2]), "scale": tg.ones(1)})
    assert [row.params for row in found.rows] == [23, 15, 8]
    assert found.rows[0].output_shape == (2, 2)


def test_float64_models_get_float64():
    class Takes(nn.Linear):
        def forward(self, x):
            self.seen = x.dtype
            return super().forward(x)

    model = Takes(2, 2).double()
    tg.summary(model, (1, 2))
    assert model.seen == tg.float64


def test_integers_are_zeros():
    assert tg.summary(nn.Embedding(5, 3), (2, 4), dtype=tg.int64).rows[0].output_shape == (2, 4, 3)


def test_inputs_may_be_named_tuples():
    Pair = namedtuple("Pair", "x y")

    class Adds(nn.Module):
        def forward(self, pair):
            return pair.x + pair.y

    found = tg.summary(Adds(), input=[Pair(tg.ones(2), tg.ones(2))])
    assert found.rows[0].output_shape == (2,)


@pytest.mark.parametrize(
    ("args", "options", "error", "match"),
    [
        ((), {}, ArgumentError, "needed once"),
        (((1, 2),), {"input": tg.ones(1, 2)}, ArgumentError, "needed once"),
        (((1, -2),), {}, ArgumentError, "is no shape"),
        ((2,), {}, ArgumentError, "is no shape"),
        ((["a"],), {}, ArgumentError, "is no shape"),
        (
            ((1, 2),),
            {"columns": ["bytes"]},
            ArgumentError,
            "there is no column 'bytes'; there are input_shape",
        ),
        (((1, 2),), {"columns": "params"}, ArgumentError, "give a list, such as ..params"),
        (((1, 2),), {"depth": -1}, ArgumentError, "depth is -1"),
        (((1, 3),), {}, ShapeError, "Linear: x has 3 features"),
    ],
)
def test_errors(args, options, error, match):
    with pytest.raises(error, match=match):
        tg.summary(nn.Linear(2, 2), *args, **options)


def test_a_model_comes_first():
    with pytest.raises(DtypeError, match="tuple is no Module"):
        tg.summary((1, 2), nn.Linear(2, 2))
