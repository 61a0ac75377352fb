"""Random programs and whole random networks against PyTorch 2.13: the same text, run by both."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

torch = pytest.importorskip("torch")

from parity.both import agree, ours, same, theirs  # noqa: E402

from tinygrad_cnn.testing.networks import Network, networks  # noqa: E402
from tinygrad_cnn.testing.programs import Program, programs  # noqa: E402

COVERED: dict[str, set[str]] = {}  # what others compare one by one

TERMS = 2**10  # what a chain of steps may make of a rounding
SINGLE = 2**29  # float32's roundings in units of float64's


def compare(program: Program) -> None:
    terms = TERMS * SINGLE if "float32" in repr(program) else TERMS
    agree(lambda t, *xs: program(*xs, library=t), list(program.inputs.values()), order=2, terms=terms)


@given(programs(max_steps=12, ties=True))
def test_programs(program: Program) -> None:
    """Values and two derivatives, at kinks and ties as well."""
    compare(program)


@given(programs(dtypes=("float64", "float32", "int64", "bool"), ties=True))
def test_programs_of_mixed_dtypes(program: Program) -> None:
    compare(program)


@given(networks(max_steps=8))
def test_networks(network: Network) -> None:
    """Forward, all gradients, and the statistics that normalizations keep."""
    mine, wanted = network.build(), network.build(torch)
    x, y = network.images(), network.images(torch)
    out, expected = mine(x), wanted(y)
    same(out, expected, TERMS)
    g = np.asarray(np.random.default_rng(0).integers(-3, 4, out.shape), np.float64)
    if x.numel():  # some of PyTorch's layers cannot pull back an empty batch
        expected.backward(theirs(g))
    else:
        for leaf in (y, *wanted.parameters()):
            leaf.grad = torch.zeros_like(leaf)
    out.backward(ours(g))
    same(x.grad, y.grad, TERMS, "images")
    for (name, parameter), other in zip(mine.named_parameters(), wanted.parameters(), strict=True):
        same(parameter.grad, other.grad, TERMS, name)
    state = wanted.state_dict()
    assert list(mine.state_dict()) == list(state)
    for key, value in mine.state_dict().items():
        same(value, state[key], TERMS, key)
