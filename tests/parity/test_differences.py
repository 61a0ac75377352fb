"""Where we differ from PyTorch on purpose: each test says its row of the table in docs/pytorch.md."""

from __future__ import annotations

import copy
import pickle
import re
import warnings
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from io import BytesIO
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch.utils.checkpoint import checkpoint as torch_checkpoint  # noqa: E402

import tinygrad_cnn as tg  # noqa: E402
from tinygrad_cnn.errors import ArgumentError, DtypeError, GraphError, ShapeError, StateDictError  # noqa: E402

F, TF = tg.nn.functional, torch.nn.functional
nan, inf = float("nan"), float("inf")


@dataclass(frozen=True)
class Difference:
    """A row of the table: what is so here, in PyTorch, why, and the test that shows both."""

    here: str
    there: str
    why: str
    test: Callable[[], None]


DIFFERENCES: dict[str, Difference] = {}


def differs(what: str, *, here: str, there: str, why: str) -> Callable[[Callable[[], None]], None]:
    """Say what a test shows; docs/pytorch.md is made of it."""

    def note(test: Callable[[], None]) -> None:
        assert what not in DIFFERENCES
        DIFFERENCES[what] = Difference(here, there, why, test)

    return note


@differs(
    "Devices",
    here='the CPU: `cuda.is_available()` is false, `device=` and `.to()` refuse all but "cpu"; no `.cuda()`',
    there="many",
    why="NumPy has one",
)
def one_device() -> None:
    assert not tg.cuda.is_available() and tg.cuda.device_count() == 0 and not hasattr(tg.Tensor, "cuda")
    assert tg.device("cpu") == "cpu" == tg.zeros(1).device and torch.device("cpu") != "cpu"
    assert tg.device("cpu").type == torch.device("cpu").type
    with pytest.raises(ArgumentError, match="CPU"):
        tg.device("cuda")
    with pytest.raises(ArgumentError, match="CPU"):
        tg.zeros(1).to("cuda")
    with pytest.raises(ArgumentError, match="CPU"):
        tg.zeros(1, device="cuda:0")
    with pytest.raises(TypeError):
        tg.nn.Linear(1, 1, device="cpu")


@differs(
    "Dtypes and shapes",
    here="`tg.float32` is NumPy's dtype, a shape is a tuple: `x.is_floating_point()`, `x.numel()`",
    there="`torch.dtype`, `torch.Size`, with `dtype.is_floating_point`, `shape.numel()`",
    why="one vocabulary with NumPy",
)
def numpys_dtypes() -> None:
    assert tg.float32 == np.float32 and tg.zeros(2).dtype == np.float32
    assert type(tg.zeros(2, 3).shape) is tuple and type(torch.zeros(2, 3).shape) is torch.Size
    assert not hasattr(tg.float32, "is_floating_point") and torch.float32.is_floating_point
    assert not hasattr(tg.zeros(2, 3).shape, "numel") and torch.zeros(2, 3).shape.numel() == 6
    assert repr(tg.zeros(1, dtype=tg.float64)) == "tensor([0.], dtype=float64)"
    assert repr(torch.zeros(1, dtype=torch.float64)) == "tensor([0.], dtype=torch.float64)"


@differs(
    "Orders in memory",
    here="`memory_format=` is accepted, and changes nothing; `contiguous()` is row-major order",
    there="moved",
    why="each kernel chooses the order of its result, and the next keeps it",
)
def nothing_is_moved() -> None:
    for t in (tg, torch):
        x = t.zeros(1, 4, 3, 3)
        moved = x.contiguous(memory_format=t.channels_last)
        assert moved.stride() == ((36, 9, 3, 1) if t is tg else (36, 1, 12, 4))


@differs(
    "Kinds of errors",
    here="`ShapeError` is a `ValueError`, `DtypeError` a `TypeError`, `GraphError` a `RuntimeError`",
    there="nearly all are `RuntimeError`",
    why="they can be told apart; see [Errors](errors.md)",
)
def errors_by_kind() -> None:
    with pytest.raises(ValueError, match="axis"):
        tg.ones(2) + tg.ones(3)
    with pytest.raises(RuntimeError):
        torch.ones(2) + torch.ones(3)
    with pytest.raises(TypeError):
        tg.nn.Linear(2, 2)(tg.ones(1, 2, dtype=tg.float64))
    with pytest.raises(RuntimeError):
        torch.nn.Linear(2, 2)(torch.ones(1, 2, dtype=torch.float64))


@differs(
    "`grad_fn`",
    here="named after the op: `MulBackward0`, `ConvBackward0`; `grad_fn.op` is the op",
    there="its own names: `MulBackward0`, `ConvolutionBackward0`",
    why="the name leads to the rule that you can read",
)
def names_of_nodes() -> None:
    def shown(t: Any, call: Callable[[Any, Any], Any]) -> str:
        return re.findall(r"<(\w+)>", repr(call(t, t.ones(1, 1, 3, requires_grad=True))))[0]

    assert shown(tg, lambda t, x: x * 2) == shown(torch, lambda t, x: x * 2) == "MulBackward0"
    assert shown(tg, lambda t, x: t.nn.functional.conv1d(x, x)) == "ConvBackward0"
    assert shown(torch, lambda t, x: t.nn.functional.conv1d(x, x)) == "ConvolutionBackward0"
    assert (tg.ones(1, requires_grad=True) * 2).grad_fn.op.name == "mul"


@differs(
    "`from_numpy`, `.numpy()`",
    here="memory is shared, but NumPy's side becomes read-only; `.numpy()` needs no `detach()`",
    there="shared, writable",
    why="a write behind the tape's back gives wrong gradients",
)
def arrays_are_guarded() -> None:
    array = np.zeros(2)
    tg.from_numpy(array)
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 1
    x = tg.ones(2, requires_grad=True)
    with pytest.raises(ValueError, match="read-only"):
        x.numpy()[0] = 1
    with pytest.raises(RuntimeError):  # PyTorch asks for detach(), and then lets you write
        torch.ones(2, requires_grad=True).numpy()


@differs(
    "Writing to a view",
    here="refused while the tape records, and so is writing to what has views in use; "
    "`x[i] = ...` works once they are gone",
    there="becomes part of the graph of the whole",
    why="a write under `no_grad()` works; else compute a new tensor",
)
def views_are_not_written_on_the_tape() -> None:
    for t in (tg, torch):
        x = t.ones(3, requires_grad=True) * 2
        row = x[:1]
        for part in (row, x):
            with pytest.raises(GraphError, match="shares memory") if t is tg else nullcontext():
                part.mul_(3)
        assert x.tolist() == ([2, 2, 2] if t is tg else [18, 6, 6])
        del row, part
        x[0] = x[1] * 2
        assert x.tolist() == ([4, 2, 2] if t is tg else [12, 6, 6])


@differs(
    "`view`",
    here="is `reshape`: it copies where it must",
    there="refuses",
    why="",
)
def view_may_copy() -> None:
    assert tg.arange(6).reshape(2, 3).T.view(6).tolist() == [0, 3, 1, 4, 2, 5]
    with pytest.raises(RuntimeError):
        torch.arange(6).reshape(2, 3).T.view(6)


@differs(
    "`empty`",
    here="zeros",
    there="whatever was there",
    why="nothing depends on the past",
)
def empty_is_zeros() -> None:
    assert not tg.empty(1000).array.any()


@differs(
    "Random numbers",
    here="NumPy's generator: the same seed gives other numbers",
    there="Mersenne Twister",
    why="distributions are the same",
)
def other_random_numbers() -> None:
    tg.manual_seed(0)
    torch.manual_seed(0)
    assert tg.rand(5).tolist() != torch.rand(5).tolist()


@differs(
    "`x[::-1]`",
    here="works, as in NumPy",
    there="refuses negative steps",
    why="",
)
def negative_steps() -> None:
    assert tg.arange(4)[::-1].tolist() == [3, 2, 1, 0]
    with pytest.raises(ValueError):
        torch.arange(4)[::-1]


@differs(
    "`uint8` as an index",
    here="integers",
    there="a mask, deprecated",
    why="",
)
def bytes_are_integers() -> None:
    assert tg.arange(4)[tg.tensor([1, 0], dtype=tg.uint8)].tolist() == [1, 0]
    with pytest.raises(IndexError), pytest.warns(UserWarning, match=r"uint8|byte"):
        torch.arange(4)[torch.tensor([1, 0], dtype=torch.uint8)]


@differs(
    "A list of lists as an index",
    here="one index of two axes, as in NumPy",
    there="a tuple of indices, with a warning that this will change",
    why="",
)
def lists_of_lists_are_arrays() -> None:
    index = [[0, 1], [1, 0]]
    assert tg.arange(6).reshape(2, 3)[index].shape == np.arange(6).reshape(2, 3)[index].shape == (2, 2, 3)
    with pytest.warns(UserWarning, match="non-tuple sequence"):
        assert torch.arange(6).reshape(2, 3)[index].shape == (2,)


@differs(
    "Softmax before `cross_entropy` or `nll_loss`",
    here="warns, as does a sigmoid before `binary_cross_entropy_with_logits`",
    there="silent",
    why="the model learns, but badly, and no number says why",
)
def losses_warn_of_what_they_do_themselves() -> None:
    for t in (tg, torch):
        f, x, y = t.nn.functional, t.zeros(2, 3, requires_grad=True), t.tensor([0, 2])
        for what, loss, p, target in (
            ("softmax of its own", f.cross_entropy, x.softmax(1), y),
            ("use log_softmax", f.nll_loss, x.softmax(1), y),
            ("sigmoid of its own", f.binary_cross_entropy_with_logits, x.sigmoid(), t.ones(2, 3)),
        ):
            with pytest.warns(UserWarning, match=what) if t is tg else nullcontext():
                loss(p, target)
        f.cross_entropy(x.log_softmax(1), y)  # which changes nothing
        f.nll_loss(x.log_softmax(1), y)


@differs(
    "Labels and indices",
    here="of any integer dtype; BCE takes integer targets",
    there="`int64`; BCE wants floats",
    why="a label is a label",
)
def any_integers_are_indices() -> None:
    logits, small = np.zeros((2, 3), np.float32), np.array([0, 2])
    for dtype in ("uint8", "int16", "int32"):
        labels = tg.tensor(small).to(dtype)
        assert F.cross_entropy(tg.tensor(logits), labels).item() == pytest.approx(np.log(3))
        assert tg.arange(3.0).gather(0, labels).tolist() == [0, 2]
    with pytest.raises((RuntimeError, IndexError)):
        TF.cross_entropy(torch.tensor(logits), torch.tensor(small, dtype=torch.int16))
    with pytest.raises(RuntimeError):
        torch.arange(3.0).gather(0, torch.tensor(small, dtype=torch.int16))
    x = np.array([0.5, 0.5], np.float32)
    assert F.binary_cross_entropy(tg.tensor(x), tg.tensor([0, 1])).item() == pytest.approx(np.log(2))
    with pytest.raises(RuntimeError):
        TF.binary_cross_entropy(torch.tensor(x), torch.tensor([0, 1]))


@differs(
    "Numbers for tensors",
    here="`maximum(x, 0)`, `logical_and(m, True)`",
    there="tensors only",
    why="",
)
def numbers_for_tensors() -> None:
    assert tg.maximum(tg.tensor([-1.0, 2.0]), 0).tolist() == [0, 2]
    assert tg.logical_and(tg.tensor([True, False]), True).tolist() == [True, False]
    with pytest.raises(TypeError):
        torch.maximum(torch.tensor([-1.0, 2.0]), 0)


@differs(
    "Integers beyond their dtype",
    here="refused: `uint8` and -1, `int8` + 128",
    there="wrap around, so that `x == -1` is true of 255; some are refused",
    why="a number is not silently another one",
)
def integers_fit() -> None:
    for t in (tg, torch):
        x = t.tensor([1, 255], dtype=t.uint8)
        calls: list[tuple[Callable[[], Any], Any]] = [
            (lambda t=t: t.tensor(-1, dtype=t.uint8), 255),
            (lambda t=t: t.full((1,), -1, dtype=t.uint8), [255]),
            (lambda x=x: x == -1, [False, True]),
            (lambda x=x: x < 300, [True, False]),
            (lambda x=x: x * -1, [255, 1]),
            (lambda x=x: x.fill_(-1), [255, 255]),
            (lambda t=t: t.tensor(3, dtype=t.int8) + 128, -125),
        ]
        for call, wrapped in calls:
            with pytest.raises(ArgumentError, match="does not fit into") if t is tg else nullcontext():
                assert call().tolist() == wrapped


@differs(
    "A number before a tensor",
    here="`x.add_(y, alpha=2)`, `x.addcmul_(y, z, value=2)`",
    there="also `x.add_(2, y)`, `x.addcmul_(2, y, z)`, with a warning",
    why="deprecated",
)
def factors_have_names() -> None:
    for t in (tg, torch):
        x, y = t.ones(1), t.ones(1)
        with warnings.catch_warnings(action="ignore"):
            for call in (lambda x=x, y=y: x.add_(2, y), lambda x=x, y=y: x.addcmul_(2, y, y)):
                with pytest.raises(TypeError) if t is tg else nullcontext():
                    call()
        assert x.add_(y, alpha=2).addcmul_(y, y, value=2).item() == (5 if t is tg else 9)


@differs(
    "NumPy's scalars",
    here="a list of `np.float64` becomes float32, like Python's floats",
    there="float64",
    why="they are weak everywhere",
)
def numpy_scalars_are_weak_everywhere() -> None:
    assert tg.tensor([np.float64(1), np.float64(2)]).dtype == tg.float32
    assert torch.tensor([np.float64(1), np.float64(2)]).dtype == torch.float64


@differs(
    "Second spellings",
    here="`axis=` and `keepdims=` as there, but for `size`, `stride` and the function `unflatten`",
    there="these, too",
    why="the first two are too short for a second call; the third is strict as a method there",
)
def few_without_second_spellings() -> None:
    x, y = tg.ones(2, 3), torch.ones(2, 3)
    assert x.sum(axis=1, keepdims=True).shape == y.sum(axis=1, keepdims=True).shape == (2, 1)
    for call in (
        lambda t, x: x.size(axis=1),
        lambda t, x: x.stride(axis=1),
        lambda t, x: t.unflatten(x, axis=1, sizes=(3, 1)),
    ):
        call(torch, y)
        with pytest.raises(TypeError):
            call(tg, x)


@differs(
    "Bools and bytes",
    here="`any` and `all` are always bool",
    there="uint8 stays uint8",
    why="a truth is a bool",
)
def truth_is_bool() -> None:
    assert tg.tensor([1, 0], dtype=tg.uint8).any().dtype == tg.bool
    assert torch.tensor([1, 0], dtype=torch.uint8).any().dtype == torch.uint8


@differs(
    "`dim=()`",
    here="all axes, for every reduction",
    there="all axes for `sum`, none for `any` and `all`",
    why="",
)
def no_axes_are_all_axes() -> None:
    x = np.array([[True, False]])
    assert tg.tensor(x).any(dim=()).shape == tg.tensor(x).sum(dim=()).shape == ()
    assert torch.tensor(x).any(dim=()).shape == (1, 2) and torch.tensor(x).sum(dim=()).shape == ()


@differs(
    "`softmax` without `dim`",
    here="refuses; `nn.Softmax()` takes the last axis, as do `Softmin` and `LogSoftmax`",
    there="guesses an axis, and warns",
    why="",
)
def dim_is_asked_for() -> None:
    with pytest.raises(TypeError):
        F.softmax(tg.ones(2, 3))
    with pytest.warns(UserWarning, match="Implicit dimension"):
        TF.softmax(torch.ones(2, 3))
    for name in ("Softmax", "Softmin", "LogSoftmax"):
        assert getattr(tg.nn, name)().dim == -1 and getattr(torch.nn, name)().dim is None


@differs(
    "`relu` of nan and -0",
    here="slope 1 at nan, 0 at -nan; relu(-0.) may be 0.",
    there="slope 1; -0.",
    why="bits are compared",
)
def relu_of_odd_numbers() -> None:
    nans = [nan, -nan]  # there are two, and they differ in their sign
    x, y = tg.tensor(nans, requires_grad=True), torch.tensor(nans, requires_grad=True)
    x.relu().sum().backward()
    y.relu().sum().backward()
    assert x.grad.tolist() == [1, 0] and y.grad.tolist() == [1, 1]
    assert np.isnan(x.relu().array).all()
    assert tg.tensor([-0.0]).relu().tolist() == [0]  # the sign of the 0 depends on the processor
    assert np.signbit(torch.tensor([-0.0]).relu().numpy()).all()


@differs(
    "`floor_divide`, `heaviside`",
    here="the slope of the first is 0, the second is off the tape",
    there="refuse in backward",
    why="as `floor` and `>` there",
)
def steps_are_flat() -> None:
    for t in (tg, torch):
        x = t.tensor([3.0, 5.0], requires_grad=True)
        with nullcontext() if t is tg else pytest.raises(RuntimeError, match="not implemented"):
            (x // 2).sum().backward()
            assert x.grad.tolist() == [0, 0]
        assert t.heaviside(x, t.tensor(0.5)).requires_grad == (t is torch)


@differs(
    "`normal(mean)`",
    here="cuts the tape",
    there="a gradient of zeros for mean and std",
    why="`mean + std * randn_like(mean)` has the true one",
)
def drawn_numbers_are_off_the_tape() -> None:
    for t in (tg, torch):
        mean = t.zeros(2, requires_grad=True)
        drawn = t.normal(mean, 1.0)
        assert drawn.requires_grad == (t is torch)
        (drawn if t is torch else mean + t.randn_like(mean)).sum().backward()
        assert mean.grad.tolist() == [float(t is tg)] * 2


@differs(
    "`take_along_dim` beyond the axis",
    here="refused",
    there="starts again from the front",
    why="an index is a place",
)
def indices_are_places() -> None:
    for t in (tg, torch):
        x, index = t.arange(3.0), t.tensor([-1, 4])
        with pytest.raises(ArgumentError, match="the axis has 0 to 2") if t is tg else nullcontext():
            assert x.take_along_dim(index, 0).tolist() == [2, 1]


@differs(
    "`amax`, `amin` of nan",
    here="the nans share the gradient, as in `max()`",
    there="nan for every element",
    why="it shows where the nan is",
)
def nan_takes_the_gradient_of_extremes() -> None:
    x, y = tg.tensor([1.0, nan], requires_grad=True), torch.tensor([1.0, nan], requires_grad=True)
    x.amax(0).backward()
    y.amax(0).backward()
    assert x.grad.tolist() == [0, 1] and torch.isnan(y.grad).all()


@differs(
    "`prod`, `nanmean` of nan",
    here="a nan's slope is the product of the others; nothing but nans has slope 0",
    there="nan",
    why="the rule does not divide",
)
def slopes_at_nan() -> None:
    for call, values, mine, wanted in (
        (lambda x: x.prod(), [2.0, np.nan, 3.0], [np.nan, 6.0, np.nan], [np.nan] * 3),
        (lambda x: x.nanmean(), [np.nan, np.nan], [0.0, 0.0], [np.nan, np.nan]),
    ):
        for t, expected in ((tg, mine), (torch, wanted)):
            x = t.tensor(values, requires_grad=True)
            call(x).backward()
            np.testing.assert_array_equal(x.grad.tolist(), expected)


@differs(
    "`scatter`, `scatter_reduce`",
    here="a `src` larger than the index has a gradient; what `include_self=False` leaves out takes no share",
    there="refuses in backward; they take a share, which is lost",
    why="it is the derivative of what was computed",
)
def gradients_of_scatter() -> None:
    src = tg.ones(3, requires_grad=True)
    tg.zeros(3).scatter(0, tg.tensor([2, 1]), src).sum().backward()
    assert src.grad.tolist() == [1, 1, 0]
    theirs = torch.ones(3, requires_grad=True)
    with pytest.raises(RuntimeError):
        torch.zeros(3).scatter(0, torch.tensor([2, 1]), theirs).sum().backward()
    for t, share in ((tg, 1.0), (torch, 0.5)):
        x, src = t.ones(1), t.ones(1, requires_grad=True)
        x.scatter_reduce(0, t.tensor([0]), src, "amax", include_self=False).sum().backward()
        assert src.grad.tolist() == [share]


@differs(
    "`det` of a singular matrix",
    here="no gradient: refuses in backward",
    there="zeros, which are wrong",
    why="the rule needs the inverse",
)
def singular_matrices_have_no_gradient() -> None:
    x, y = (t.tensor([[1.0, 2.0], [2.0, 4.0]], requires_grad=True) for t in (tg, torch))
    with pytest.raises(tg.errors.ArgumentError, match="singular"):
        x.det().backward()
    y.det().backward()
    assert not y.grad.numpy().any()  # the derivative is [[4, -2], [-2, 1]]


@differs(
    "`hardsigmoid`, `celu` in float64",
    here="slopes are exact",
    there="slopes with 1/6 and 1/alpha in float32",
    why="",
)
def slopes_are_exact() -> None:
    for name, options, slope in (("hardsigmoid", {}, 1 / 6), ("celu", {"alpha": 0.3}, np.exp(-1 / 0.3))):
        found = []
        for t in (tg, torch):
            x = t.tensor([-1.0], dtype=t.float64, requires_grad=True)
            getattr(t.nn.functional, name)(x, **options).backward()
            found.append(abs(x.grad.item() / slope - 1))
        assert found[0] < 1e-15 and 1e-9 < found[1] < 1e-6


@differs(
    "`binary_cross_entropy`",
    here="the slope by the target stays within ±100, like the loss",
    there="infinite at 0 and 1",
    why="it is the derivative of what was computed",
)
def slope_of_bce_by_the_target() -> None:
    grads = []
    for t in (tg, torch):
        target = t.tensor([0.5, 0.5], requires_grad=True)
        t.nn.functional.binary_cross_entropy(t.tensor([0.0, 1.0]), target, reduction="sum").backward()
        grads.append(target.grad.tolist())
    assert grads == [[100, -100], [inf, -inf]]


@differs(
    "`detect_anomaly`",
    here="looks at forward as well, names inputs and cure, raises `AnomalyError` (a `RuntimeError`); "
    "`check_inf=True`",
    there="looks at backward, and warns that it is on",
    why="a NaN is met where it is born",
)
def anomalies_in_forward() -> None:
    with tg.autograd.detect_anomaly(), pytest.raises(RuntimeError, match="clamp"):
        tg.tensor([-1.0]).log()
    with pytest.warns(UserWarning, match="debugging"), torch.autograd.detect_anomaly():
        assert torch.tensor([-1.0]).log().isnan().all()
    for t in (tg, torch):  # in backward both do
        with warnings.catch_warnings(action="ignore"), t.autograd.detect_anomaly():
            assert t.is_anomaly_enabled() and t.is_anomaly_check_nan_enabled()
            with pytest.raises(RuntimeError, match=r"[sS]qrt.*[nN]a[nN]"):
                (t.zeros(1, requires_grad=True).sqrt() * 0).sum().backward()
        assert not t.is_anomaly_enabled()


@differs(
    "`detect_anomaly` in backward",
    here="looks at what was computed inside",
    there="at any graph",
    why="who does not look pays nothing",
)
def anomalies_of_graphs_from_before() -> None:
    for t in (tg, torch):
        y = t.zeros(1, requires_grad=True).sqrt() * 0
        seen: Any = nullcontext() if t is tg else pytest.raises(RuntimeError, match="nan")
        with warnings.catch_warnings(action="ignore"), t.autograd.detect_anomaly(), seen:
            y.backward()


@differs(
    "`gradcheck`",
    here="at a kink or a tie the generalized gradient counts; tolerances are derived; "
    "`check_grad_dtypes=True`; `GradcheckError` is an `AssertionError` as well",
    there="right rules fail there; `eps=1e-6`, `atol=1e-5`, `rtol=1e-3`; False; a `RuntimeError`",
    why="see [Kinks and ties](kinks.md)",
)
def gradients_are_checked_at_kinks() -> None:
    from torch.autograd.gradcheck import GradcheckError as Theirs

    for t, error in ((tg, tg.testing.GradcheckError), (torch, Theirs)):
        check, x = t.autograd.gradcheck, t.zeros(2, dtype=t.float64, requires_grad=True)
        assert check(t.relu, x, raise_exception=False) == (t is tg)
        with pytest.raises(RuntimeError) as caught:
            check(lambda x: x * x.detach(), x + 1)
        assert type(caught.value) is error and issubclass(error, AssertionError) == (t is tg)
        # single precision, with the defaults
        x = t.tensor([0.5, 3.0], requires_grad=True)
        with warnings.catch_warnings(action="ignore"):
            assert check(t.exp, x, raise_exception=False) == (t is tg)


@differs(
    "`gradcheck` of batches, and forward",
    here="`check_batched_grad`, `check_forward_ad` and their like are refused",
    there="checked",
    why="there is no `vmap`, and no forward mode",
)
def no_batches_of_gradients() -> None:
    for name in ("check_batched_grad", "check_forward_ad"):
        for t in (tg, torch):
            x = t.ones(2, dtype=t.float64, requires_grad=True)
            refused: Any = pytest.raises(ArgumentError, match=name) if t is tg else nullcontext()
            with refused, warnings.catch_warnings(action="ignore"):
                assert t.autograd.gradcheck(t.exp, x, **{name: True})


@differs(
    "`checkpoint`",
    here="`use_reentrant` changes nothing; the two runs must call the same ops",
    there="True has a backward of its own, which refuses `grad` and inputs that need no gradient; False "
    "compares shapes and dtypes",
    why="one way, which can do everything",
)
def checkpoints_are_of_one_kind() -> None:
    for t, checkpoint in ((tg, tg.utils.checkpoint.checkpoint), (torch, torch_checkpoint)):
        x, w = t.ones(2), t.full((2,), 3.0, requires_grad=True)
        with warnings.catch_warnings(action="ignore"):
            y = checkpoint(lambda x, w=w: (x * w * w).sum(), x, use_reentrant=True)
        with nullcontext() if t is tg else pytest.raises(RuntimeError, match="does not require grad"):
            assert t.autograd.grad(y, w)[0].tolist() == [6, 6]

        ways = iter([t.tanh, t.exp])
        y = checkpoint(lambda w, ways=ways: next(ways)(w).sum(), w, use_reentrant=False)
        with pytest.raises(GraphError, match="second run") if t is tg else nullcontext():
            y.backward()
            assert w.grad[0] < -100  # the rule of tanh, given what exp has computed


@differs(
    "`group_norm` of no pixels",
    here="the weight's gradient is 0",
    there="nan",
    why="a sum of nothing",
)
def groups_of_nothing() -> None:
    for t in (tg, torch):
        w = t.ones(4, requires_grad=True)
        t.nn.functional.group_norm(t.zeros(2, 4, 0), 2, w, t.zeros(4)).sum().backward()
        assert w.grad.isnan().all() == (t is torch)
        assert t is torch or w.grad.tolist() == [0, 0, 0, 0]


@differs(
    "Losses of pairs",
    here="shapes must be equal",
    there="broadcast, and most warn",
    why="nearly always a mistake",
)
def losses_do_not_broadcast() -> None:
    for name in ("mse_loss", "l1_loss", "smooth_l1_loss"):
        with pytest.raises(ShapeError, match="mistake"):
            getattr(F, name)(tg.ones(2, 1), tg.ones(2))
        with pytest.warns(UserWarning, match="broadcasting"):
            getattr(TF, name)(torch.ones(2, 1), torch.ones(2))
    for name in ("kl_div", "poisson_nll_loss", "hinge_embedding_loss"):
        with pytest.raises(ShapeError, match="mistake"):
            getattr(F, name)(tg.ones(2, 1), tg.ones(2))
        assert getattr(TF, name)(torch.ones(2, 1), torch.ones(2), reduction="none").shape == (2, 2)


@differs(
    "`soft_margin_loss` far out",
    here="goes on in a straight line",
    there="infinite",
    why="it is that of `softplus`",
)
def soft_margin_is_stable() -> None:
    assert F.soft_margin_loss(tg.tensor([-200.0]), tg.tensor([1.0])).item() == 200
    assert TF.soft_margin_loss(torch.tensor([-200.0]), torch.tensor([1.0])).item() == inf


@differs(
    "`ctc_loss` by `log_probs`",
    here="its derivative, of any order",
    there="that by what went into `log_softmax`, once",
    why="after `log_softmax` they are the same",
)
def ctc_is_differentiated_as_it_is() -> None:
    grads = []
    for t in (tg, torch):
        x = t.full((1, 2), np.log(0.5), requires_grad=True)  # one step: the loss is -x[0, 1]
        t.nn.functional.ctc_loss(x, t.tensor([1]), t.tensor(1), t.tensor(1)).backward()
        grads.append(x.grad.tolist())
    assert grads[0] == [[0, -1]] and grads[1] == [[pytest.approx(0.5), pytest.approx(-0.5)]]


@differs(
    "Losses of segmentation",
    here="`dice_loss`, `focal_loss` and others, and their modules",
    there="in other packages",
    why="they are needed",
)
def losses_of_segmentation() -> None:
    for name in ("dice_loss", "focal_loss", "generalized_dice_loss", "jaccard_loss", "tversky_loss"):
        module = "".join(word.capitalize() for word in name.split("_"))
        assert hasattr(F, name) and hasattr(tg.nn, module)
        assert not hasattr(TF, name) and not hasattr(torch.nn, module)


@differs(
    "`dropout2d` of 3 axes",
    here="one image (c, height, width)",
    there="(n, c, length), and warns of the change",
    why="as for 1-D and 3-D",
)
def dropout2d_knows_one_image() -> None:
    kept = F.dropout2d(tg.ones(100, 2, 2)).array != 0
    assert (kept == kept[:, :1, :1]).all()
    with pytest.warns(UserWarning, match=r"interpreted as shape \(N, C, L\)"):
        other = TF.dropout2d(torch.ones(100, 2, 2)).numpy() != 0
    assert not (other == other[:, :1, :1]).all()


@differs(
    "Padding of convolutions",
    here='also "full", (before, after) pairs, and "same" with any stride, by Keras\' rule',
    there='"same" refuses strides',
    why="",
)
def padding_words() -> None:
    x, w = np.ones((1, 1, 7), np.float32), np.ones((1, 1, 3), np.float32)

    def shape(padding: Any, stride: int = 1) -> Any:
        return F.conv1d(tg.tensor(x), tg.tensor(w), padding=padding, stride=stride).shape[2]

    assert [shape("same", s) for s in (1, 2, 3)] == [7, 4, 3]
    assert shape("full") == 9 and shape(((0, 2),)) == 7
    with pytest.raises(RuntimeError):
        TF.conv1d(torch.tensor(x), torch.tensor(w), padding="same", stride=2)
    with pytest.raises(RuntimeError):
        TF.conv1d(torch.tensor(x), torch.tensor(w), padding="full")


@differs(
    "Padding of `max_pool`",
    here="at most half of what a window spans; a window of padding only is refused",
    there="at most half of its taps; -inf",
    why="dilated windows can be padded, and there is no -inf",
)
def padding_of_pools() -> None:
    x = np.arange(1.0, 6.0).reshape(1, 1, 5)
    # 2 <= half of what the window spans, though more than half of its taps
    assert F.max_pool1d(tg.tensor(x), 2, 1, padding=2, dilation=3).tolist() == [[[2, 3, 4, 5, 3, 4]]]
    with pytest.raises(RuntimeError, match="at most half of kernel size"):
        TF.max_pool1d(torch.tensor(x), 2, 1, padding=2, dilation=3)
    # a window that sees nothing but padding
    with pytest.raises(ShapeError, match="only padding"):
        F.max_pool1d(tg.tensor(x[..., :1]), 2, 1, padding=1, dilation=2)
    assert TF.max_pool1d(torch.tensor(x[..., :1]), 2, 1, padding=1, dilation=2).tolist() == [[[-inf]]]


@differs(
    "`interpolate` where a size stays",
    here='"nearest" takes each pixel, there and back, whatever the `scale_factor`',
    there="shifts there, not back",
    why="the gradient is that of the result",
)
def nearest_goes_back_the_way_it_came() -> None:
    """PyTorch's forward shifts by the factor that was asked for, its backward thinks that nothing moved."""
    results = []
    for t in (tg, torch):
        x = t.tensor([[[1.0, 2.0]]], requires_grad=True)
        y = t.nn.functional.interpolate(x, scale_factor=1.1)
        y.sum().backward()
        results.append((y.tolist(), x.grad.tolist()))
    assert results == [([[[1, 2]]], [[[1, 1]]]), ([[[1, 1]]], [[[1, 1]]])]


@differs(
    "`interpolate`, `antialias`, width 1",
    here="heights are resampled",
    there="the first row, repeated",
    why="looks like an oversight",
)
def smooth_to_one_column() -> None:
    x = [[[[1.0], [2.0]]]]
    mine, wanted = (
        t.nn.functional.interpolate(t.tensor(x), (3, 1), mode="bilinear", antialias=True) for t in (tg, torch)
    )
    assert mine.flatten().tolist() == [1, 1.5, 2] and wanted.flatten().tolist() == [1, 1, 1]


@differs(
    "`inplace=True`",
    here="accepted, changes nothing; `relu_(x)` and the like write",
    there="writes over the input",
    why="saved values stay what they were",
)
def inplace_changes_nothing() -> None:
    x, y = tg.tensor([-1.0]), torch.tensor([-1.0])
    tg.nn.ReLU(inplace=True)(x)
    torch.nn.ReLU(inplace=True)(y)
    assert x.tolist() == [-1] and y.tolist() == [0]
    assert F.relu_(x) is x and x.tolist() == [0]


@differs(
    "Modules in lists",
    here="lists, tuples and dicts of modules and parameters are found",
    there="only `ModuleList` and the like",
    why="parts are found by looking",
)
def lists_hold_modules() -> None:
    def keys(t: Any) -> list[str]:
        class Net(t.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.layers = [t.nn.Linear(1, 1)]

        return list(Net().state_dict())

    assert keys(tg) == ["layers.0.weight", "layers.0.bias"] and keys(torch) == []


@differs(
    "`super().__init__()`",
    here="may be left out of a module's `__init__`",
    there="asked for",
    why="there is nothing to prepare",
)
def modules_begin_by_themselves() -> None:
    for t in (tg, torch):

        class Net(t.nn.Module):
            def __init__(self, layer: Any) -> None:
                self.layer = layer

        if t is tg:
            assert list(Net(t.nn.Linear(1, 1)).state_dict()) == ["layer.weight", "layer.bias"]
        else:
            with pytest.raises(AttributeError, match="before Module"):
                Net(t.nn.Linear(1, 1))


@differs(
    "Lazy layers",
    here="know their channels after `load_state_dict`; can all be copied",
    there="only `LazyLinear`; not `LazyBatchNorm`",
    why="",
)
def lazy_layers_know_what_was_loaded() -> None:
    channels, copied = [], []
    for t in (tg, torch):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            layer, norm = t.nn.LazyConv2d(2, 1), t.nn.LazyBatchNorm2d()
        layer.load_state_dict(t.nn.Conv2d(3, 2, 1).state_dict())
        layer(t.ones(1, 3, 2, 2))
        channels.append(layer.in_channels)
        try:
            copied.append(type(copy.deepcopy(norm)) is type(norm))
        except ValueError:
            copied.append(False)
    assert channels == [3, 0] and copied == [True, False]


@differs(
    "Parametrized modules",
    here="can be pickled",
    there="refuse",
    why="",
)
def parametrized_modules_are_pickled() -> None:
    for t in (tg, torch):
        layer = t.nn.utils.parametrizations.weight_norm(t.nn.Linear(2, 2))
        if t is tg:
            twin = pickle.loads(pickle.dumps(layer))
            assert (twin.weight == layer.weight).all() and twin.weight is not layer.weight
        else:
            with pytest.raises(RuntimeError, match="only supported through state_dict"):
                pickle.dumps(layer)


@differs(
    "`TransformerEncoder` with padding",
    here="computes what stands in the padding",
    there="zeros there in evaluation without gradients",
    why="one way to compute it",
)
def padding_is_computed() -> None:
    ends = []
    for t in (tg, torch):
        with warnings.catch_warnings(), t.no_grad():
            warnings.simplefilter("ignore")
            layer = t.nn.TransformerEncoderLayer(4, 2, 8, batch_first=True)
            encoder = t.nn.TransformerEncoder(layer, 1).eval()
            out = encoder(t.ones(1, 3, 4), src_key_padding_mask=t.tensor([[False, False, True]]))
        ends.append(bool((out[0, 2:] == 0).all()))
    assert ends == [False, True]


@differs(
    "`load` and `weights_only`",
    here="nothing but weights is ever loaded",
    there="`weights_only=False` runs what is in the file",
    why="a file of weights is no program",
)
def files_do_not_run() -> None:
    file = BytesIO()
    torch.save({"weight": torch.ones(1), "kind": Difference}, file)
    for t in (tg, torch):
        file.seek(0)
        if t is torch:
            assert t.load(file, weights_only=False)["kind"] is Difference
        else:
            with pytest.raises(tg.errors.FileFormatError, match="Difference"):
                t.load(file, weights_only=False)


@differs(
    "Whole models in files",
    here="refused; save `model.state_dict()`",
    there="`save(model)` pickles it",
    why="a pickle is a program",
)
def models_are_not_pickled() -> None:
    for t in (tg, torch):
        file = BytesIO()
        if t is torch:
            t.save(t.nn.Linear(1, 1), file)
        else:
            with pytest.raises(DtypeError, match=r"save its state_dict\(\)"):
                t.save(t.nn.Linear(1, 1), file)


@differs(
    "Names of files",
    here="`.npz` and `.safetensors` are files of these formats; all others are PyTorch's",
    there="all are PyTorch's",
    why="NumPy and the safetensors library read them",
)
def suffixes_say_the_format() -> None:
    with TemporaryDirectory() as folder:
        for t in (tg, torch):
            t.save({"x": t.ones(1)}, f"{folder}/x.npz")
            with np.load(f"{folder}/x.npz") as read:
                assert ("x" in read) == (t is tg)
            t.save({"x": t.ones(1)}, f"{folder}/x.pt")
            assert torch.load(f"{folder}/x.pt")["x"] == 1


@differs(
    "bfloat16 in files",
    here="widened to float32",
    there="bfloat16",
    why="NumPy lacks it",
)
def bfloat16_is_widened() -> None:
    for t in (tg, torch):
        file = BytesIO()
        torch.save(torch.ones(1, dtype=torch.bfloat16), file)
        file.seek(0)
        assert (t.load(file).dtype == t.float32) == (t is tg)


@differs(
    "Tensors of a GPU in files",
    here="are loaded",
    there="ask for `map_location` where there is no GPU",
    why="there is one device",
)
def any_device_in_files() -> None:
    file = BytesIO()
    with pytest.MonkeyPatch.context() as there_is_one:
        there_is_one.setattr(torch.serialization, "location_tag", lambda storage: "cuda:0")
        torch.save({"weight": torch.ones(2)}, file)
    for t in (tg, torch):
        file.seek(0)
        with nullcontext() if t is tg else pytest.raises(RuntimeError, match="map_location"):
            assert t.load(file)["weight"].tolist() == [1, 1]
        file.seek(0)
        assert t.load(file, map_location="cpu")["weight"].tolist() == [1, 1]


@differs(
    "Views in files",
    here="views of whole memory share it again; parts and repeated places are stored by themselves",
    there="all share their whole memory, which is stored",
    why="a slice does not drag along what it was cut from",
)
def parts_are_stored_by_themselves() -> None:
    lengths, shared = [], []
    for t in (tg, torch):
        file = BytesIO()
        x = t.zeros(100, 100)
        t.save(x[0], file)
        lengths.append(len(file.getvalue()) > 40_000)
        file = BytesIO()
        t.save([x, x.t()], file)
        file.seek(0)
        a, b = t.load(file)
        a.fill_(1.0)
        shared.append(bool((b == 1).all()))
    assert lengths == [False, True] and shared == [True, True]


@differs(
    "`load_state_dict`",
    here="all or nothing",
    there="loads what fits, then raises",
    why="a model is never half loaded",
)
def loading_is_all_or_nothing() -> None:
    left = []
    for t in (tg, torch):
        model = t.nn.Linear(1, 1)
        with pytest.raises(RuntimeError):
            model.load_state_dict({"weight": t.full((1, 1), 7.0), "bias": t.ones(2)})
        left.append(model.weight.item() == 7)
    assert left == [False, True]
    assert issubclass(StateDictError, RuntimeError)


@differs(
    "A Tensor as `lr`",
    here="its number is taken",
    there="the Tensor is kept, and may be changed",
    why="numbers are weak and fast",
)
def the_number_of_a_rate() -> None:
    rates = []
    for t in (tg, torch):
        lr, x = t.tensor(0.5), t.zeros(1)
        x.grad = t.ones(1)
        optimizer = t.optim.SGD([x], lr=lr)
        lr.fill_(0.25)
        optimizer.step()
        rates.append(-x.item())
    assert rates == [0.5, 0.25]


@differs(
    "`capturable`, `differentiable`",
    here="refused; `foreach` and `fused` change nothing",
    there="other loops",
    why="nothing to capture; a step is not recorded",
)
def other_loops() -> None:
    for options in ({"foreach": True}, {"fused": True}):
        tg.optim.Adam([tg.zeros(1)], **options)
    for option in ("capturable", "differentiable"):
        torch.optim.Adam([torch.zeros(1)], **{option: True})
        with pytest.raises(ArgumentError, match=option):
            tg.optim.Adam([tg.zeros(1)], **{option: True})


@differs(
    "Numbers in an optimizer's state",
    here="Python's",
    there="float32, unless the default dtype is float64",
    why="float64 parameters keep their precision",
)
def numbers_of_the_state() -> None:
    states = []
    for t in (tg, torch):
        x = t.zeros(1, dtype=t.float64)
        x.grad = t.ones(1, dtype=t.float64)
        optimizer = t.optim.NAdam([x])
        optimizer.step()
        states.append(optimizer.state[x]["mu_product"])
    exact = 0.9 * (1 - 0.5 * 0.96**0.004)
    assert states[0] == exact and states[1].dtype == torch.float32 and states[1].item() != exact


@differs(
    "`Muon`",
    here="computes in the parameter's dtype",
    there="in bfloat16",
    why="NumPy has none, and it is more exact",
)
def muons_precision() -> None:
    gradient, steps = np.random.default_rng(0).standard_normal((4, 6)).astype(np.float32), []
    for t in (tg, torch):
        x = t.zeros(4, 6)
        x.grad = t.tensor(gradient)
        t.optim.Muon([x], lr=1.0).step()
        steps.append(np.asarray(x.numpy()))
    error = np.abs(steps[0] - steps[1]).max()
    assert 1e-4 < error < 0.03  # bfloat16 has eight bits, a float32 24


@differs(
    "Learning rates below 0",
    here="a schedule refuses to set one",
    there="goes uphill",
    why="found at `OneCycleLR`'s end, and in chains of a cosine with `eta_min`",
)
def uphill_is_refused() -> None:
    for t in (tg, torch):
        optimizer, schedules = t.optim.SGD([t.zeros(1)], lr=0.1), t.optim.lr_scheduler
        chain = [schedules.CosineAnnealingLR(optimizer, 5, 0.05), schedules.ExponentialLR(optimizer, 0.8)]
        schedule, lowest = schedules.ChainedScheduler(chain), 0.1
        with pytest.raises(ArgumentError, match="the rate at epoch 7 is -") if t is tg else nullcontext():
            for _ in range(10):
                optimizer.step()
                schedule.step()
                lowest = min(lowest, *schedule.get_last_lr())
        assert (lowest < -0.01) == (t is torch)


@differs(
    "`OneCycleLR` at `total_steps`",
    here="stays at the end of the cycle",
    there="goes up again, or below 0, for one step",
    why="the cycle is over; both refuse to go on",
)
def cycles_end() -> None:
    for t in (tg, torch):
        optimizer = t.optim.SGD([t.zeros(1)], lr=0.1)
        schedule, rates = t.optim.lr_scheduler.OneCycleLR(optimizer, 1.0, total_steps=4), []
        for _ in range(4):
            optimizer.step()
            schedule.step()
            rates += schedule.get_last_lr()
        assert rates[2:] == pytest.approx([4e-6, 4e-6 if t is tg else 0.28306], 1e-3)
        with pytest.raises(ValueError, match=r"4 steps|5 times"):
            schedule.step()


@differs(
    "`CosineAnnealingWarmRestarts.step(epoch)`",
    here="starts a cycle where it starts",
    there="may still be in the one before, by rounding",
    why="counted, without logarithms",
)
def restarts_in_time() -> None:
    ends = []
    for t in (tg, torch):
        schedule = t.optim.lr_scheduler.CosineAnnealingWarmRestarts(t.optim.SGD([t.zeros(1)], lr=1.0), 1, 3)
        schedule.step(121)  # 1 + 3 + 9 + 27 + 81
        ends.append(schedule.get_last_lr()[0])
    assert ends == pytest.approx([1.0, 0.0])


@differs(
    "Schedules within `SequentialLR`",
    here="chains and sequences begin at their epoch 0",
    there="begin a step late, or fail",
    why="they can be nested",
)
def nested_schedules() -> None:
    rows = []
    for t in (tg, torch):
        optimizer, s = t.optim.SGD([t.zeros(1)], lr=1.0), t.optim.lr_scheduler
        chain = s.ChainedScheduler([s.ExponentialLR(optimizer, 0.5)])
        optimizer.step()  # which PyTorch wants to see before it makes the sequence
        last = s.ChainedScheduler([s.ConstantLR(optimizer, 0.5, 9), s.StepLR(optimizer, 1, 0.5)])
        schedule = s.SequentialLR(optimizer, [chain, last], [2])
        rows.append([*schedule.get_last_lr()])
        optimizer.step()
        schedule.step()
        rows[-1] += schedule.get_last_lr()
        if t is torch:
            with pytest.raises(NotImplementedError):
                schedule.step()
            continue
        for _ in range(3):
            optimizer.step()
            schedule.step()
            rows[-1] += schedule.get_last_lr()
    assert rows == [[1.0, 0.5, 0.5, 0.25, 0.125], [0.5, 0.25]]


@differs(
    "Workers of a `DataLoader`",
    here="threads: the same batches for any number of them; a stream is read once",
    there="processes; a stream is read by each",
    why="nothing is pickled, and seeds decide alone",
)
def workers_are_threads() -> None:
    def epoch(t: Any) -> list[int]:
        class Stream(t.IterableDataset):
            def __iter__(self) -> Any:
                return iter([1, 2])

        return sorted(batch.item() for batch in t.DataLoader(Stream(), num_workers=2))

    assert epoch(tg.data) == [1, 2]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of forks beside threads, and of more workers than processors
        assert epoch(torch.utils.data) == [1, 1, 2, 2]


@differs(
    "`module._modules` and its like",
    here="are looked up when asked: what is None is found by name, but not listed; wrong kinds are refused",
    there="dicts that the module lives in",
    why="what a module has are its attributes, and nothing beside them",
)
def dicts_are_looked_up() -> None:
    for t in (tg, torch):
        bare = t.nn.Linear(1, 1, bias=False)
        assert bare._parameters["bias"] is None
        assert list(bare._parameters) == (["weight"] if t is tg else ["weight", "bias"])
        if t is tg:
            with pytest.raises(ArgumentError, match="no Module"):
                bare._modules["act"] = "relu"
            with pytest.raises(DtypeError, match="Parameter"):
                bare._parameters["weight"] = t.ones(1, 1)
        else:
            bare._modules["act"] = "relu"


@differs(
    "`ModuleList.insert` below 0, or beyond the end",
    here="as of a Python list",
    there="a `KeyError` below 0; beyond the end a number is left out",
    why="the paths in a state dict are numbered in order",
)
def modules_put_in() -> None:
    for t in (tg, torch):
        layers = t.nn.ModuleList([t.nn.ReLU()])
        layers.insert(5, t.nn.ELU())
        assert [name for name, _ in layers.named_children()] == (["0", "1"] if t is tg else ["0", "5"])
        if t is torch:
            with pytest.raises(KeyError):
                layers.insert(-1, t.nn.Tanh())
        else:
            layers.insert(-1, t.nn.Tanh())
            assert isinstance(layers[1], t.nn.Tanh)


@differs(
    "None among modules",
    here="only in a `ModuleList`",
    there="also in a `Sequential`, which cannot be called then, and in a `ModuleDict`",
    why="found where it was put in",
)
def none_for_a_module() -> None:
    for t in (tg, torch):
        assert t.nn.ModuleList([None])[0] is None
        for call in (lambda t=t: t.nn.Sequential(None), lambda t=t: t.nn.ModuleDict({"a": None})):
            with pytest.raises(ArgumentError, match="None is no Module") if t is tg else nullcontext():
                assert len(call()) == 1


@differs(
    "`register_backward_hook`",
    here="`register_full_backward_hook`",
    there="the gradients of the last function that ran in forward, with a warning",
    why="grad_output is the same, which is what is looked at; grad_input is that of the arguments",
)
def the_old_backward_hook() -> None:
    found: dict[Any, Any] = {}
    for t in (tg, torch):
        layer = t.nn.Linear(2, 3)
        layer.register_backward_hook(lambda m, grad_input, grad_output, t=t: found.update({t: grad_input}))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            layer(t.ones(4, 2, requires_grad=True)).sum().backward()
    assert [tuple(g.shape) for g in found[tg]] == [(4, 2)]
    assert len(found[torch]) == 3  # of bias, input and weight


@differs(
    "`embedding_bag(scale_grad_by_freq=True)`",
    here="each row's gradient is divided by how often that row is named",
    there="on the CPU partly by how often another row is named",
    why="what the documentation says",
)
def bags_by_frequency() -> None:
    grads = []
    for t in (tg, torch):
        w = t.zeros(2, 1, requires_grad=True)
        F = t.nn.functional
        F.embedding_bag(t.tensor([[1, 0, 0]]), w, mode="sum", scale_grad_by_freq=True).sum().backward()
        grads.append(w.grad.tolist())
    assert grads == [[[1.0], [1.0]], [[1.0], [0.5]]]


@differs(
    "`embedding_bag(include_last_offset=True)`",
    here="the last offset must be the length of the input, as the documentation says",
    there="what stands behind it is left out of sums, but not of means and gradients",
    why="a mistake is found",
)
def bags_end_with_the_input() -> None:
    w, index, offsets = [[1.0], [2.0], [3.0], [4.0], [5.0], [6.0]], [0, 1, 2, 3, 4, 5], [0, 2, 4]
    for mode, wanted in (("sum", 7.0), ("mean", 1.75)):  # the mean of 3 and 4
        for t in (tg, torch):
            F = t.nn.functional
            with pytest.raises(ArgumentError, match="the length of input") if t is tg else nullcontext():
                bags = F.embedding_bag(
                    t.tensor(index), t.tensor(w), t.tensor(offsets), mode=mode, include_last_offset=True
                )
                assert bags[1].item() == wanted


@differs(
    "`autocast`",
    here="changes no dtype, and warns when it is enabled",
    there="on the CPU, products are computed in bfloat16",
    why="NumPy has no bfloat16, and a slow float16",
)
def nothing_is_cast() -> None:
    dtypes = []
    for t in (tg, torch):
        with pytest.warns(UserWarning, match="half precision") if t is tg else nullcontext():
            block = t.autocast("cpu")
        with block:
            dtypes.append(str((t.ones(2, 2) @ t.ones(2, 2)).dtype))
    assert dtypes == ["float32", "torch.bfloat16"]


@differs(
    "`compile`",
    here="returns what it is given",
    there="a compiled copy",
    why="the kernels underneath are compiled",
)
def nothing_is_compiled() -> None:
    model = tg.nn.Linear(1, 1)
    assert tg.compile(model) is model


@differs(
    "`Tensor(5)`, `Tensor(2, 3)`",
    here="refused; `FloatTensor(2, 3)` is zeros",
    there="so many elements of whatever was there",
    why="a size is easily taken for a value",
)
def sizes_are_not_values() -> None:
    for sizes in ((5,), (2, 3)):
        with pytest.raises(tg.errors.DtypeError, match="a size or a value"):
            tg.Tensor(*sizes)
        assert torch.Tensor(*sizes).shape == sizes
    assert tg.FloatTensor(2, 3).tolist() == [[0, 0, 0], [0, 0, 0]]


@differs(
    '`kl_div` with `reduction="mean"`',
    here="the mean of all elements, silently",
    there="the same, with a warning that it will be the mean of the batch",
    why='use "batchmean" for the divergence',
)
def mean_of_kl_div() -> None:
    x, y = np.log([[0.25, 0.75]]), np.array([[0.5, 0.5]])
    mine = F.kl_div(tg.tensor(x), tg.tensor(y))
    with pytest.warns(UserWarning, match="batchmean"):
        wanted = TF.kl_div(torch.tensor(x), torch.tensor(y), reduction="mean")
    assert mine.item() == pytest.approx(wanted.item())


@pytest.mark.parametrize("name", DIFFERENCES)
def test_difference(name: str) -> None:
    DIFFERENCES[name].test()
