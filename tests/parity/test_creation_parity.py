"""Making tensors, devices, NumPy, copies and random draws: what can be compared with PyTorch 2.13."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from parity.both import few, numpy, ours, outcome, refused_here, same, theirs  # noqa: E402

import tinygrad_cnn as tg  # noqa: E402
from tinygrad_cnn.testing.strategies import arrays, shapes  # noqa: E402

KINDS = ("bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64")


# --- made of numbers -------------------------------------------------------------------------------------

MADE: dict[str, Callable[[Any], Any]] = {
    "tensor device": lambda t: t.tensor([1.5], device="cpu"),
    "tensor of a device": lambda t: t.tensor(
        [1.5], dtype=t.float64, device=t.device("cpu"), requires_grad=True
    ),
    "tensor beyond": lambda t: t.tensor([1.9, -1.9], dtype=t.int8),
    "tensor of a tensor": lambda t: t.tensor(np.arange(3)),
    "as_tensor device": lambda t: t.as_tensor([1, 2], device="cpu"),
    "asarray list": lambda t: t.asarray([1.5, 2.0]),
    "asarray number": lambda t: t.asarray(2),
    "asarray dtype": lambda t: t.asarray([1, 2], dtype=t.float64, requires_grad=True),
    "asarray copy": lambda t: t.asarray(np.ones(2), copy=True),
    "asarray shared": lambda t: t.asarray(np.ones(2), copy=False),
    "scalar_tensor": lambda t: t.scalar_tensor(3),
    "scalar_tensor dtype": lambda t: t.scalar_tensor(3, dtype=t.int64),
    "zeros device": lambda t: t.zeros(2, 3, dtype=t.int16, device="cpu"),
    "ones requires_grad": lambda t: t.ones((2,), requires_grad=True, device=None),
    "full of a tensor": lambda t: t.full((2,), t.tensor(3)),
    "full float into int": lambda t: t.full((2,), 1.5, dtype=t.int64),
    "full like float into int": lambda t: t.full_like(t.tensor([1]), 1.5),
    "full_like options": lambda t: t.full_like(t.ones(2, 2), 3, dtype=t.float64, requires_grad=True),
    "full_like bool": lambda t: t.full_like(t.ones(2), True),
    "zeros_like": lambda t: t.zeros_like(t.ones(2, 3), dtype=t.int32, device="cpu"),
    "ones_like": lambda t: t.ones_like(t.ones(2), requires_grad=True),
    "empty_like": lambda t: t.empty_like(t.ones(2, 3), dtype=t.float64).zero_(),
    "new_tensor": lambda t: t.ones(1).new_tensor([1, 2]),
    "new_tensor int": lambda t: t.tensor([1]).new_tensor([1.5]),
    "new_tensor dtype": lambda t: t.tensor([1]).new_tensor([1.5], dtype=t.float64, requires_grad=True),
    "new_zeros": lambda t: t.ones(1, dtype=t.float64).new_zeros(2, 3),
    "new_zeros tuple": lambda t: t.ones(1).new_zeros((2, 3), dtype=t.int64),
    "new_ones": lambda t: t.tensor([True]).new_ones(2, device="cpu"),
    "new_empty": lambda t: t.tensor([1]).new_empty((2, 0)),
    "new_full": lambda t: t.tensor([1]).new_full((2,), 1.5),
    "new_full dtype": lambda t: t.ones(1).new_full((2, 1), 7, dtype=t.int8),
    "arange requires_grad": lambda t: t.arange(3.0, requires_grad=True),
    "arange of tensors": lambda t: t.arange(t.tensor(1), t.tensor(7), t.tensor(2)),
    "arange dtype": lambda t: t.arange(1, 4, dtype=t.float64, device="cpu"),
    "linspace int": lambda t: t.linspace(-10, 3, 6, dtype=t.int64),
    "linspace tensors": lambda t: t.linspace(t.tensor(0.0), 1, t.tensor(3), requires_grad=True),
    "linspace nothing": lambda t: t.linspace(0, 1, 0),
    "logspace": lambda t: t.logspace(0, 2, 5),
    "logspace base": lambda t: t.logspace(-1, 3, 5, base=2),
    "logspace int": lambda t: t.logspace(0, 3, 4, 2, dtype=t.int32),
    "eye bool": lambda t: t.eye(2, 3, dtype=t.bool, device="cpu"),
    "eye requires_grad": lambda t: t.eye(2, requires_grad=True),
    "where indices": lambda t: t.where(t.tensor([[1, 0], [0, 2]]))[1],
    "randint like shape": lambda t: t.randint_like(t.ones(2, 3), 4, 5),
    "randint like high": lambda t: t.randint_like(t.ones(2), 1),
    "randint like dtype": lambda t: t.randint_like(t.ones(2), low=4, high=5, dtype=t.int64),
    "randint dtype": lambda t: t.randint(4, 5, (2,), dtype=t.float32, requires_grad=True),
    "randint bool": lambda t: t.randint(1, 2, (2,), dtype=t.bool),
    "randperm dtype": lambda t: t.randperm(1, dtype=t.float32),
    "rand half": lambda t: t.zeros_like(t.rand(2, dtype=t.float16, device="cpu")),
    "randn half": lambda t: t.zeros_like(t.randn((2,), dtype=t.float16)),
    "rand_like options": lambda t: t.zeros_like(t.rand_like(t.tensor([1]), dtype=t.float64)),
    "randn_like options": lambda t: t.zeros_like(
        t.randn_like(t.ones(2), dtype=t.float64, requires_grad=True)
    ),
    "normal size": lambda t: t.normal(2.5, 0.0, (2, 3)),
    "normal dtype": lambda t: t.normal(2, 0, size=(2,), dtype=t.float64, requires_grad=True),
    "normal means": lambda t: t.normal(t.tensor([1.0, 2.0]), 0.0),
    "normal stds": lambda t: t.normal(1.5, t.zeros(2, dtype=t.float64)),
    "normal both": lambda t: t.normal(t.ones(2, 1, dtype=t.float16), t.zeros(3)),
    "poisson of 0": lambda t: t.poisson(t.zeros(2, 2, dtype=t.float64)),
    "bernoulli": lambda t: t.bernoulli(t.tensor([[0.0, 1.0, 1.0]])),
    "bernoulli p": lambda t: t.tensor([5, 7]).bernoulli(1.0),
    "multinomial one": lambda t: t.multinomial(t.tensor([0.0, 3.0, 0.0]), 1),
    "multinomial rows": lambda t: t.tensor([[0.0, 1.0], [2.0, 0.0]]).multinomial(3, replacement=True),
    "multinomial all": lambda t: t.multinomial(t.tensor([[0.2, 0.3, 0.5]] * 4), 3).sort(1)[0],
    "multinomial zeros last": lambda t: t.multinomial(t.tensor([0.0, 1.0]), 2),
    "multinomial no rows": lambda t: t.multinomial(t.ones(0, 3), 2),
    "uniform_": lambda t: t.zeros(2, 3).uniform_(2.0, 2.0),
    "normal_": lambda t: t.zeros(2, 3).normal_(2.0, 0.0),
    "bernoulli_": lambda t: t.zeros(3, dtype=t.int64).bernoulli_(1.0),
    "bernoulli_ tensor": lambda t: t.ones(2, 2).bernoulli_(t.tensor([1.0, 0.0])),
    "random_": lambda t: t.ones(2).random_(1),
    "random_ from": lambda t: t.ones(2, dtype=t.int8).random_(-3, -2),
    "to device": lambda t: t.ones(2).to("cpu", t.float64),
    "to by keyword": lambda t: t.ones(2).to(device=t.device("cpu"), dtype=t.int64, non_blocking=True),
    "to other": lambda t: t.ones(2).to(t.tensor([1]), non_blocking=True),
    "to nothing": lambda t: t.ones(2, requires_grad=True).to(),
    "type_as": lambda t: t.ones(2).type_as(t.tensor([1])),
    "H": lambda t: t.arange(6).reshape(2, 3).H,
}


@pytest.mark.parametrize("name", MADE)
def test_made(name: str) -> None:
    mine, wanted = MADE[name](tg), MADE[name](torch)
    same(mine, wanted)
    assert mine.requires_grad == wanted.requires_grad and mine.is_leaf


REFUSED: dict[str, Callable[[Any], Any]] = {
    "ragged": lambda t: t.tensor([[1, 2], [3]]),
    "a word": lambda t: t.tensor("abc"),
    "none": lambda t: t.tensor(None),
    "no size": lambda t: t.zeros(),
    "a float size": lambda t: t.zeros(2.0),
    "a bool size": lambda t: t.zeros(True),
    "a negative size": lambda t: t.ones(-1),
    "two sizes": lambda t: t.ones((2,), (3,)),
    "a dtype that is none": lambda t: t.zeros(2, dtype="float33"),
    "a device": lambda t: t.zeros(2, device="cuda"),
    "a device of tensor": lambda t: t.tensor([1.0], device="cuda:0"),
    "a device of to": lambda t: t.ones(1).to("cuda"),
    "to nowhere": lambda t: t.ones(1).to("somewhere"),
    "no device": lambda t: t.device("somewhere"),
    "gradients of ints": lambda t: t.zeros(2, dtype=t.int64, requires_grad=True),
    "full of a list": lambda t: t.full((2,), [1, 2]),
    "full without a tuple": lambda t: t.full(2, 1.0),
    "full nan": lambda t: t.full((2,), float("nan"), dtype=t.int64),
    "full too large": lambda t: t.full((2,), 300, dtype=t.uint8),
    "tensor nan": lambda t: t.tensor([float("nan")], dtype=t.int64),
    "tensor too large": lambda t: t.tensor([300], dtype=t.uint8),
    "new_zeros": lambda t: t.ones(1).new_zeros(-2),
    "new_zeros of nothing": lambda t: t.ones(1).new_zeros(),
    "new_full": lambda t: t.ones(1).new_full(2, 1.0),
    "zeros_like a list": lambda t: t.zeros_like([1.0]),
    "arange never": lambda t: t.arange(1, 0),
    "arange step": lambda t: t.arange(0, 1, 0),
    "arange nan": lambda t: t.arange(float("nan")),
    "linspace steps": lambda t: t.linspace(0, 1, -1),
    "linspace word": lambda t: t.linspace("a", 1, 3),
    "logspace steps": lambda t: t.logspace(0, 1, -2),
    "eye": lambda t: t.eye(-1),
    "rand of ints": lambda t: t.randn(2, dtype=t.int64),
    "rand of a seed": lambda t: t.rand(2, generator=3),
    "randint nothing": lambda t: t.randint(0, (2,)),
    "randint backwards": lambda t: t.randint(5, 3, (2,)),
    "randint too large": lambda t: t.randint(300, (2,), dtype=t.uint8),
    "randint size": lambda t: t.randint(3, 2),
    "randperm": lambda t: t.randperm(-1),
    "normal std": lambda t: t.normal(t.zeros(2), -1.0),
    "normal stds": lambda t: t.normal(0.0, t.tensor([1.0, -1.0])),
    "normal shapes": lambda t: t.normal(t.zeros(2), t.ones(3)),
    "normal no size": lambda t: t.normal(0.0, 1.0),
    "normal both sizes": lambda t: t.normal(t.zeros(2), 1.0, (2,)),
    "bernoulli": lambda t: t.bernoulli(t.tensor([1.5])),
    "bernoulli nan": lambda t: t.bernoulli(t.tensor([float("nan")])),
    "bernoulli p": lambda t: t.ones(2).bernoulli(-0.5),
    "bernoulli_": lambda t: t.ones(2).bernoulli_(1.5),
    "poisson": lambda t: t.poisson(t.tensor([-1.0])),
    "multinomial ints": lambda t: t.multinomial(t.tensor([1, 2]), 1),
    "multinomial none": lambda t: t.multinomial(t.tensor([1.0]), 0),
    "multinomial many": lambda t: t.multinomial(t.tensor([1.0, 1.0]), 3),
    "multinomial negative": lambda t: t.multinomial(t.tensor([-1.0, 1.0]), 1),
    "multinomial inf": lambda t: t.multinomial(t.tensor([float("inf"), 1.0]), 1),
    "multinomial zero": lambda t: t.multinomial(t.tensor([[1.0, 0.0], [0.0, 0.0]]), 1),
    "multinomial axes": lambda t: t.multinomial(t.ones(2, 2, 2), 1),
    "uniform_ backwards": lambda t: t.zeros(2).uniform_(2, 1),
    "uniform_ without end": lambda t: t.zeros(2).uniform_(0, float("inf")),
    "normal_ std": lambda t: t.zeros(2).normal_(0, -1),
    "random_ backwards": lambda t: t.zeros(2).random_(5, 2),
    "random_ too large": lambda t: t.zeros(2, dtype=t.uint8).random_(300),
    "random_ float": lambda t: t.zeros(2).random_(2.5),
    "a leaf is drawn over": lambda t: t.zeros(2, requires_grad=True).uniform_(),
    "where half": lambda t: t.where(t.tensor([True]), 1),
    "asarray without a copy": lambda t: t.asarray(np.ones(2), dtype=t.float32, copy=False),
    "promote_types": lambda t: t.promote_types(t.float32, "word"),
    "result_type": lambda t: t.result_type(t.ones(1), "word"),
    "copy of what was computed": lambda t: copy.deepcopy(t.ones(1, requires_grad=True) * 2),
    "item of many": lambda t: t.ones(2).item(),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    assert isinstance(outcome(lambda: REFUSED[name](torch)), Exception)
    assert refused_here(outcome(lambda: REFUSED[name](tg)))


# --- devices ---------------------------------------------------------------------------------------------


def test_a_program_that_asks_for_devices() -> None:
    def program(t: Any) -> list[str]:
        t.backends.cudnn.benchmark = True
        device = t.device("cuda" if t.cuda.is_available() else "cpu")
        x = t.randn(2, device=device).to(device, non_blocking=True)
        t.cuda.manual_seed_all(0)
        t.cuda.empty_cache()
        known = [str(t.cuda.is_available()), str(t.backends.mps.is_available()), str(t.cuda.device_count())]
        return [
            *known,
            str(device),
            repr(device),
            device.type,
            str(device.index),
            str(x.device),
            str(x.cpu().device),
        ]

    try:
        if not torch.cuda.is_available():
            assert program(tg) == program(torch)
            assert tg.accelerator.is_available() == torch.accelerator.is_available()
    finally:
        torch.backends.cudnn.benchmark = False


def test_the_cpu_by_its_number() -> None:
    for t in (tg, torch):
        assert t.zeros(1, device="cpu:0").to("cpu:0").device.type == t.device("cpu:0").type == "cpu"


def test_devices_are_equal() -> None:
    assert tg.device("cpu") == tg.device(tg.device("cpu")) and torch.device("cpu") == torch.device("cpu")
    assert len({tg.device("cpu"), tg.device("cpu")}) == len({torch.device("cpu"), torch.device("cpu")}) == 1


def test_words_for_annotations() -> None:
    for t in (tg, torch):
        assert isinstance(t.ones(2).shape, t.Size) and isinstance(t.float32, t.dtype)
        assert t.Size([2, 3]) == (2, 3)


# --- random numbers --------------------------------------------------------------------------------------


def test_seeds() -> None:
    for t in (tg, torch):
        t.manual_seed(5)
        assert t.initial_seed() == 5
        generator = t.Generator(device="cpu").manual_seed(3)
        assert generator.initial_seed() == t.Generator("cpu").manual_seed(3).initial_seed() == 3
        first = t.rand(3, generator=generator).tolist()
        assert t.rand(3, generator=generator.manual_seed(3)).tolist() == first
        assert t.rand(3, generator=t.Generator().manual_seed(3)).tolist() == first
        assert isinstance(t.seed(), int) and isinstance(generator.seed(), int)
        before = generator.get_state()
        again = t.randn(2, generator=generator).tolist()
        generator.set_state(before)
        assert t.randn(2, generator=generator).tolist() == again


DRAWN: dict[str, tuple[Callable[[Any], Any], float, float]] = {
    # name: a draw of 20000, its mean and standard deviation
    "rand": (lambda t: t.rand(20000), 0.5, 12**-0.5),
    "rand half": (lambda t: t.rand(20000, dtype=t.float16).float(), 0.5, 12**-0.5),
    "randn": (lambda t: t.randn(20000), 0, 1),
    "rand_like": (lambda t: t.rand_like(t.ones(200, 100)), 0.5, 12**-0.5),
    "randn_like": (lambda t: t.randn_like(t.ones(200, 100)), 0, 1),
    "randint": (lambda t: t.randint(2, 6, (20000,)).float(), 3.5, 1.25**0.5),
    "randint_like": (lambda t: t.randint_like(t.ones(20000), 4), 1.5, 1.25**0.5),
    "normal": (lambda t: t.normal(3.0, 2.0, (20000,)), 3, 2),
    "normal of tensors": (lambda t: t.normal(t.full((20000,), 3.0), t.full((20000,), 2.0)), 3, 2),
    "poisson": (lambda t: t.poisson(t.full((20000,), 4.0)), 4, 2),
    "bernoulli": (lambda t: t.bernoulli(t.full((20000,), 0.2)), 0.2, 0.4),
    "bernoulli_": (lambda t: t.zeros(20000).bernoulli_(0.2), 0.2, 0.4),
    "uniform_": (lambda t: t.zeros(20000).uniform_(-1, 3), 1, 4 / 12**0.5),
    "normal_": (lambda t: t.zeros(20000).normal_(3, 2), 3, 2),
    "random_": (lambda t: t.zeros(20000).random_(2, 6), 3.5, 1.25**0.5),
    "random_ bytes": (lambda t: t.zeros(20000, dtype=t.uint8).random_().float(), 127.5, (65535 / 12) ** 0.5),
    "random_ floats": (lambda t: t.zeros(20000).random_() / 2**24, 0.5, 12**-0.5),
    "multinomial": (
        lambda t: t.multinomial(t.tensor([1.0, 0.0, 1.0, 2.0]), 20000, replacement=True).float(), 2, 1.5**0.5,
    ),
    "multinomial without": (
        lambda t: t.multinomial(t.tensor([[1.0, 0.0, 1.0, 2.0]]).expand(20000, 4), 1).float(), 2, 1.5**0.5,
    ),
    "multinomial rows": (
        lambda t: t.multinomial(t.tensor([[1.0, 0.0, 1.0, 2.0]] * 200), 100, True).float(), 2, 1.5**0.5,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DRAWN)
def test_distributions(name: str) -> None:
    """Means and deviations lie within 5 standard errors in both libraries, and the draws are seeded."""
    draw, mean, std = DRAWN[name]
    for t in (tg, torch):
        t.manual_seed(0)
        x = numpy(draw(t)).astype(np.float64).ravel()
        assert x.size == 20000
        assert abs(x.mean() - mean) < 5 * std / x.size**0.5
        fourth = ((x - mean) ** 4).mean() ** 0.5
        assert abs(x.var() - std**2) < 5 * fourth / x.size**0.5
        t.manual_seed(0)
        assert (numpy(draw(t)).ravel() == x).all()


# --- NumPy -----------------------------------------------------------------------------------------------

WITH_ARRAYS: dict[str, Callable[[Any, Any], Any]] = {
    "np.exp": lambda x, a: np.exp(x),
    "np.sin": lambda x, a: np.sin(x),
    "np.arctan": lambda x, a: np.arctan(x),
    "np.abs": lambda x, a: np.abs(x),
    "np.rint": lambda x, a: np.rint(x),
    "np.add": lambda x, a: np.add(x, x),
    "np.cbrt": lambda x, a: np.cbrt(x),
    "np.asarray": lambda x, a: np.asarray(x),
    "np.asarray dtype": lambda x, a: np.asarray(x, np.float64),
    "np.array": lambda x, a: np.array(x, copy=True),
    "np.array of two": lambda x, a: np.array([x.numpy(), x.numpy()]),
    "numpy": lambda x, a: x.numpy(),
    "numpy force": lambda x, a: x.numpy(force=True),
    "np.concatenate": lambda x, a: np.concatenate([x.numpy(), a]),
    "float64 * x": lambda x, a: np.float64(2) * x,
    "x * float64": lambda x, a: x * np.float64(2),
    "float32 + x": lambda x, a: np.float32(2) + x,
    "x ** int64": lambda x, a: x ** np.int64(2),
    "x == array": lambda x, a: x == torch.from_numpy(a) if isinstance(x, torch.Tensor) else x == a,
}


@pytest.mark.parametrize("name", WITH_ARRAYS)
@pytest.mark.filterwarnings("ignore:__array_:DeprecationWarning")  # PyTorch's own are old-fashioned
def test_with_arrays(name: str) -> None:
    """The same values and dtypes; what PyTorch returns as a tensor is one here."""
    values = np.array([0.5, 1.25, -2.0], np.float32)
    said = [WITH_ARRAYS[name](make(values.copy()), values.copy()) for make in (ours, theirs)]
    mine, wanted = said
    assert isinstance(mine, np.ndarray) == isinstance(wanted, np.ndarray)
    if isinstance(mine, np.ndarray):
        assert mine.dtype == wanted.dtype
        np.testing.assert_allclose(mine, wanted, rtol=1e-6)
    else:
        same(mine, wanted)


# --- copies ----------------------------------------------------------------------------------------------


@few
@given(arrays(shapes(max_dims=3)), st.sampled_from(("deepcopy", "pickle")), st.booleans())
def test_copies(array: np.ndarray, way: str, wants: bool) -> None:
    for t, make in ((tg, ours), (torch, theirs)):
        x = make(array, wants)
        if wants:
            (x * x).sum().backward()
        twin = copy.deepcopy(x) if way == "deepcopy" else pickle.loads(pickle.dumps(x))
        assert type(twin) is type(x) and twin.requires_grad == wants and twin.is_leaf
        assert twin.dtype == x.dtype and twin.tolist() == x.tolist() and twin.shape == x.shape
        if wants and way == "deepcopy":
            assert twin.grad.tolist() == x.grad.tolist() and twin.grad is not x.grad
        else:
            assert twin.grad is None
        with t.no_grad():
            twin += 1
        assert np.array_equal(numpy(x), array)


@pytest.mark.parametrize("way", ["deepcopy", "pickle"])
def test_what_shares_memory_shares_it_again(way: str) -> None:
    for t in (tg, torch) if way == "deepcopy" else (tg,):  # PyTorch's tensors do so with torch.save
        x = t.arange(12.0).reshape(3, 4)
        several = {"x": x, "row": x[1], "turned": x.t()[1:3], "same": x.detach(), "alone": t.ones(2)}
        twins = copy.deepcopy(several) if way == "deepcopy" else pickle.loads(pickle.dumps(several))
        assert all(twins[name].tolist() == several[name].tolist() for name in several)
        twins["row"].mul_(10)
        assert twins["x"].tolist()[1] == twins["same"].tolist()[1] == [40, 50, 60, 70]
        assert twins["turned"].tolist() == [[1, 50, 9], [2, 60, 10]]
        assert x.tolist()[1] == [4, 5, 6, 7]


def test_a_parameter_is_copied_as_one() -> None:
    for t in (tg, torch):
        w = t.nn.Parameter(t.ones(2))
        (w * w).sum().backward()
        pair = copy.deepcopy([w, w])
        assert pair[0].grad is None and w.grad is not None  # else the copy would begin with a gradient
        assert type(pair[0]) is t.nn.Parameter and pair[0] is pair[1] and pair[0] is not w
        assert type(pickle.loads(pickle.dumps(w))) is t.nn.Parameter


# --- the tape --------------------------------------------------------------------------------------------


def test_no_recording() -> None:
    for t in (tg, torch):
        x = t.ones(2, requires_grad=True)

        @t.no_grad
        def bare(x: Any) -> Any:
            return x * 2

        @t.no_grad()
        def called(x: Any) -> Any:
            return x * 2

        @t.inference_mode()
        def inferring(x: Any) -> Any:
            return x * 2

        @t.inference_mode
        def barely(x: Any) -> Any:
            return x * 2

        @t.enable_grad
        def recording(x: Any) -> Any:
            return x * 2

        assert [f(x).requires_grad for f in (bare, called, inferring, barely)] == [False] * 4
        with t.inference_mode():
            assert not (x * 2).requires_grad and not t.is_grad_enabled()
        with t.no_grad():
            assert recording(x).requires_grad and not t.is_grad_enabled()
            with t.inference_mode(mode=False):
                assert (x * 2).requires_grad
        assert t.is_grad_enabled()


def test_detached_in_place() -> None:
    for t in (tg, torch):
        x = t.ones(2, requires_grad=True)
        y = x * 2
        y.retain_grad()
        assert y.retains_grad and not x.retains_grad
        assert y.detach_() is y and y.is_leaf and not y.requires_grad
        assert not x.detach_().requires_grad


@given(arrays(shapes(), dtype=np.float32))
def test_what_a_tensor_says_about_its_memory(array: np.ndarray) -> None:
    x, y = tg.tensor(array), theirs(array)
    assert (x.element_size(), x.itemsize, x.nbytes, x.ndimension(), x.nelement()) == (
        y.element_size(), y.itemsize, y.nbytes, y.ndimension(), y.nelement(),
    )  # fmt: skip
    if x.numel() and x.is_contiguous():
        wanted = y.contiguous().stride()
        assert [s for s, n in zip(x.stride(), x.shape, strict=True) if n > 1] == [
            s for s, n in zip(wanted, y.shape, strict=True) if n > 1
        ]
        assert [x.stride(d) for d in range(x.ndim)] == list(x.stride())


_METHODS = """
    bernoulli bernoulli_ multinomial uniform_ normal_ random_ new_tensor new_zeros new_ones new_empty new_full
    detach_ device is_cuda retains_grad H nbytes itemsize type_as element_size stride ndimension nelement
"""
_FUNCTIONS = """
    Size dtype accelerator backends cuda asarray scalar_tensor bernoulli multinomial normal poisson logspace
    empty_like randint_like inference_mode initial_seed seed
"""
COVERED = {"Tensor": set(_METHODS.split()), "": set(_FUNCTIONS.split())}
