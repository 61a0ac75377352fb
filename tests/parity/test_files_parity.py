"""Files go over between both libraries, both ways: drawn trees, tensors of every layout, training states."""

from __future__ import annotations

import warnings
import zipfile
from collections import OrderedDict
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from parity.both import few  # noqa: E402

import tinygrad_cnn as tg  # noqa: E402

COVERED: dict[str, set[str]] = {"": {"load", "save"}}

DTYPES = [
    *("bool", "uint8", "int8", "int16", "int32", "int64", "uint16", "uint32", "uint64"),
    *("float16", "float32", "float64"),
]
sizes = st.lists(st.integers(0, 3), max_size=4)


@st.composite
def tensors(draw: Any, t: Any) -> Any:
    """Of either library: any dtype, a view of any kind, a Parameter now and then."""
    dtype = draw(st.sampled_from(DTYPES))
    shape = draw(sizes)
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    x = t.from_numpy(rng.integers(0, 100, [2, *shape, 2]).astype(dtype))
    kind = draw(st.sampled_from(["whole", "turned", "part", "steps", "repeated", "number"]))
    if kind == "turned":
        x = x.permute(draw(st.permutations(range(x.ndim))))
    elif kind == "part":
        x = x[1]
    elif kind == "steps":
        x = x[::2, ..., 1]
    elif kind == "repeated":
        x = x.unsqueeze(0).expand(3, *x.shape)
    elif kind == "number":
        x = t.from_numpy(np.array(rng.integers(0, 2)).astype(dtype))
    if dtype.startswith("float") and draw(st.booleans()):
        x = (
            t.nn.Parameter(x, requires_grad=draw(st.booleans()))
            if draw(st.booleans())
            else x.requires_grad_()
        )
    return x


def trees(t: Any) -> Any:
    leaves = (
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.binary(max_size=5)
    )
    leaves |= st.complex_numbers() | st.sampled_from(
        [t.float32, t.int64, t.bool, t.device("cpu"), t.Size((1, 2))]
    )
    keys = st.text(max_size=5) | st.integers() | st.tuples(st.integers(), st.booleans())

    def wider(inner: Any) -> Any:
        dicts = st.dictionaries(keys, inner, max_size=3)
        lists = st.lists(inner, max_size=3)
        return lists | lists.map(tuple) | dicts | dicts.map(OrderedDict) | st.sets(keys, max_size=3)

    return st.recursive(tensors(t) | leaves, wider, max_leaves=8)


def same(mine: Any, wanted: Any) -> None:
    """The same tree in both libraries."""
    if isinstance(wanted, torch.Tensor):
        assert isinstance(mine, tg.Tensor)
        assert isinstance(mine, tg.nn.Parameter) == isinstance(wanted, torch.nn.Parameter)
        assert mine.requires_grad == wanted.requires_grad and mine.is_leaf and wanted.is_leaf
        theirs = wanted.detach().numpy()
        assert mine.dtype == theirs.dtype and mine.shape == theirs.shape
        np.testing.assert_array_equal(mine.array, theirs)
    elif isinstance(wanted, torch.dtype):
        assert str(wanted) == f"torch.{mine.name}"
    elif isinstance(wanted, torch.device):
        assert type(mine) is tg.device
    elif isinstance(wanted, dict):
        assert type(mine) is type(wanted) and list(mine) == list(wanted)
        for key, value in wanted.items():
            same(mine[key], value)
    elif isinstance(wanted, (list, tuple)):
        assert type(mine) is (list if isinstance(wanted, list) else tuple) and len(mine) == len(wanted)
        for a, b in zip(mine, wanted, strict=True):
            same(a, b)
    elif isinstance(wanted, set):
        assert mine == wanted
    else:
        assert type(mine) is type(wanted) and repr(mine) == repr(wanted)


def through(save: Any, load: Any, obj: Any, **options: Any) -> Any:
    file = BytesIO()
    save(obj, file, **options)
    file.seek(0)
    return load(file)


@given(trees(torch), st.booleans())
def test_theirs_are_read_here(tree: Any, new: bool) -> None:
    same(through(torch.save, tg.load, tree, _use_new_zipfile_serialization=new), tree)


@given(trees(tg))
def test_ours_are_read_there(tree: Any) -> None:
    there = through(tg.save, torch.load, tree)
    same(through(tg.save, tg.load, tree), there)
    same(through(torch.save, tg.load, there), there)


@few
@given(tensors(torch))
def test_strides_go_over(x: Any) -> None:
    strides = tuple(step // x.element_size() for step in through(torch.save, tg.load, x).array.strides)
    assert x.numel() == 0 or strides == x.stride()


@few
@given(st.permutations(range(4)))
def test_strides_come_back(order: list[int]) -> None:
    x = tg.zeros(2, 3, 4, 5).permute(order)
    assert through(tg.save, torch.load, x).stride() == tuple(step // 4 for step in x.array.strides)


@pytest.mark.parametrize("new", [True, False])
def test_bfloat16_is_widened(new: bool) -> None:
    x = torch.tensor([1.0, -2.5, float("inf"), 1e-40, 3e38]).to(torch.bfloat16)[1:]
    mine = through(torch.save, tg.load, [x, torch.bfloat16], _use_new_zipfile_serialization=new)
    same(mine[0], x.float())
    assert mine[1] is tg.float32


@pytest.mark.parametrize("new", [True, False])
def test_what_shares_memory_shares_it_again(new: bool) -> None:
    x = torch.arange(6.0).reshape(2, 3)
    mine = through(torch.save, tg.load, [x, x.T, x[1]], _use_new_zipfile_serialization=new)
    mine[2].fill_(9.0)
    assert mine[0].array.tolist() == [[0, 1, 2], [9] * 3] and mine[1].array[:, 1].tolist() == [9] * 3
    y = tg.ones(2, 3)
    there = through(tg.save, torch.load, [y, y.T])
    there[0].fill_(9.0)
    assert (there[1] == 9).all()


@pytest.mark.parametrize("folder", ["model.pt", "model.pth", "model"])
def test_a_training_goes_on_in_the_other_library(tmp_path: Any, folder: str) -> None:
    path = tmp_path / folder

    def made(t: Any) -> Any:
        t.manual_seed(3)
        model = t.nn.Sequential(t.nn.Conv2d(1, 2, 3), t.nn.BatchNorm2d(2), t.nn.Flatten(), t.nn.Linear(8, 1))
        optimizer = t.optim.Adam(model.parameters(), lr=0.01, amsgrad=True)
        return model, optimizer, t.optim.lr_scheduler.StepLR(optimizer, 2)

    def step(t: Any, model: Any, optimizer: Any, scheduler: Any) -> float:
        optimizer.zero_grad()
        loss = (model(t.arange(32.0).reshape(2, 1, 4, 4) / 32) ** 2).mean()
        loss.backward()
        optimizer.step()
        scheduler.step()
        return loss.item()

    for first, then in ((torch, tg), (tg, torch)):
        parts = made(first)
        for _ in range(3):
            step(first, *parts)
        first.save({str(i): part.state_dict() for i, part in enumerate(parts)}, path)
        losses = [step(first, *parts) for _ in range(3)]
        others = made(then)
        checkpoint = then.load(path, map_location="cpu")
        for i, part in enumerate(others):
            part.load_state_dict(checkpoint[str(i)])
        np.testing.assert_allclose([step(then, *others) for _ in range(3)], losses, rtol=2e-5)


@pytest.mark.parametrize("limit", [zipfile.ZIP64_LIMIT, 20], ids=["small", "large"])
def test_memory_is_where_a_map_of_it_may_be(tmp_path: Any, monkeypatch: Any, limit: int) -> None:
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", limit)
    tg.save({"x": tg.arange(1000)}, tmp_path / "x.pt")
    assert torch.load(tmp_path / "x.pt", mmap=True)["x"].sum() == 499500


def test_models_are_refused_by_name() -> None:
    for options in ({}, {"_use_new_zipfile_serialization": False}):
        with pytest.raises(tg.errors.FileFormatError, match=r"asks for torch\.nn\.modules\.linear\.Linear"):
            through(torch.save, tg.load, torch.nn.Linear(1, 1), **options)
    with pytest.raises(tg.errors.DtypeError, match="a Linear"):
        through(tg.save, tg.load, tg.nn.Linear(1, 1))
    script = BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(torch.nn.Linear(1, 1)), script)
    script.seek(0)
    with pytest.raises(tg.errors.FileFormatError, match="a program"):
        tg.load(script)


@pytest.mark.parametrize(
    "tensor",
    [
        torch.zeros(2, dtype=torch.complex64),
        torch.zeros(2).to_sparse(),
        torch.zeros(2, dtype=torch.float8_e5m2),
        torch.zeros(2, device="meta"),
    ],
    ids=["complex", "sparse", "float8", "meta"],
)
def test_tensors_that_are_none_here_are_refused_by_name(tensor: Any) -> None:
    with pytest.raises(tg.errors.FileFormatError, match="asks for torch"):
        through(torch.save, tg.load, [tensor])
