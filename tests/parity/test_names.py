"""NumPy's `axis` and `keepdims` are taken by the functions that take them in PyTorch, and by no others."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from parity.both import same  # noqa: E402
from parity.test_coverage import NAMESPACES, at, covered  # noqa: E402

import tinygrad_cnn as tg  # noqa: E402
from tinygrad_cnn.errors import ArgumentError  # noqa: E402
from tinygrad_cnn.tensor.names import STRICT, WORDS  # noqa: E402

PLACES = ("", "Tensor", "linalg", "nn.functional")
OTHERS = {
    "Tensor.size": "too short for a second call",
    "Tensor.stride": "too short for a second call",
    "unflatten": "not as a method there, and so nowhere here",
}


def given(t: Any, name: str) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """What a function needs besides an axis."""
    x = t.tensor([[0.3, 0.1, 0.9, 0.4], [0.7, 0.5, 0.2, 0.8], [0.6, 0.0, 0.35, 0.15]])
    places = {"index": t.zeros(3, 4, dtype=t.int64)}
    one = {"index": t.tensor([0])}
    needs: dict[str, Any] = {
        "chunk": {"chunks": 2}, "kthvalue": {"k": 2}, "topk": {"k": 2}, "quantile": {"q": 0.5},
        "index_select": one, "index_fill": one | {"value": 0.5}, "index_add": one | {"source": x[:, :1]},
        "index_copy": one | {"source": x[:, :1]}, "gather": places, "narrow": {"start": 0, "length": 1},
        "take_along_dim": {"indices": places["index"]}, "select": {"index": 0},
        "repeat_interleave": {"repeats": 2}, "scatter": places | {"src": x},
        "scatter_add": places | {"src": x},
        "scatter_reduce": places | {"src": x, "reduce": "sum"}, "split": {"split_size": 2},
        "split_with_sizes": {"split_sizes": [1, 3]}, "unflatten": {"sizes": (2, 2)},
        "renorm": {"p": 2, "maxnorm": 1.0},
    }  # fmt: skip
    if name in ("cat", "concat", "concatenate", "stack"):
        return ((x, x),), {}
    if name in ("cosine_similarity", "pairwise_distance", "vecdot", "cross"):
        return (x[:, :3], x[:, :3] + 0.5), {}
    if name == "tensor_split":
        return (x, 2), {}
    return (x.clone(),), needs.get(name.rstrip("_"), {})


def functions() -> list[tuple[str, str]]:
    """What has an axis by that name, here or there."""
    found = []
    for space in PLACES:
        for name in sorted(covered(space)):
            mine = getattr(at(tg, space), name)
            base = getattr(at(tg, space), name.rstrip("_"), mine)
            if inspect.isfunction(mine) and {*WORDS.values()} & {*inspect.signature(base).parameters}:
                found.append((space, name))
    return found


def takes(t: Any, function: Any, name: str, words: dict[str, Any]) -> Any:
    """The result, or None where the words are not known."""
    args, options = given(t, name)
    try:
        return function(*args, **options, **words)
    except (TypeError, RuntimeError) as error:
        assert any(said in str(error) for said in ("unexpected keyword", "invalid combination", "missing")), (
            error
        )
        return None


@pytest.mark.parametrize(("space", "name"), functions())
def test_numpys_words_are_taken_where_pytorch_takes_them(space: str, name: str) -> None:
    if f"{space}.{name}".strip(".") in OTHERS:
        return
    theirs, mine = getattr(at(torch, NAMESPACES[space]), name), getattr(at(tg, space), name)
    parameters = inspect.signature(getattr(at(tg, space), name.rstrip("_"), mine)).parameters
    axis: Any = (0, 1) if name == "matrix_norm" else 1
    for words in ({"axis": axis}, {"axis": axis, "keepdims": True}):
        if not {WORDS[word] for word in words} <= {*parameters}:
            continue
        wanted = takes(torch, theirs, name, words)
        found = takes(tg, mine, name, words)
        assert (found is None) == (wanted is None), (words, found, wanted)
        if wanted is not None:
            pairs = (
                zip(found, wanted, strict=True) if isinstance(wanted, (tuple, list)) else [(found, wanted)]
            )
            for a, b in pairs:
                same(a, b)


def test_there_are_many_of_them() -> None:
    assert len(functions()) > 120
    assert all(hasattr(tg.Tensor, name) for name in STRICT)


@pytest.mark.parametrize("call", [
    "x.sum(1, axis=0)", "x.sum(dim=1, axis=0)", "t.sum(x, 1, axis=1)", "x.amax(1, True, keepdims=True)",
    "x.mean(axis=1, keepdim=True, keepdims=True)", "t.cat((x, x), 0, axis=0)", "x.cumsum_(0, axis=1)",
])  # fmt: skip
def test_one_thing_has_one_name(call: str) -> None:
    with pytest.raises((TypeError, RuntimeError)):
        eval(call, {"t": torch, "x": torch.ones(2, 3)})
    with pytest.raises(
        ArgumentError, match=r"^\w+: (axis is another word for dim|keepdims is another word for ke)"
    ):
        eval(call, {"t": tg, "x": tg.ones(2, 3)})


def test_a_word_that_a_function_does_not_know_is_no_word_of_it() -> None:
    with pytest.raises(TypeError, match="keepdims"):
        tg.ones(2).cumsum(axis=0, keepdims=True)
