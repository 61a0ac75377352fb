"""Every rule of every op: against finite differences, against its adjoint, in both dtypes, in any layout."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygrad_cnn import autograd, from_numpy
from tinygrad_cnn.op import registry
from tinygrad_cnn.testing import gradcheck
from tinygrad_cnn.testing.cases import CASES, LINEAR, own_ops

SMOOTH = [name for name in CASES if registry[name].rows]
few = settings(max_examples=max(5, settings.default.max_examples // 3))
rng = np.random.default_rng


def is_array(x):
    return isinstance(x, np.ndarray)


def leaves(inputs, dtype=np.float64):
    """Tensors that require grad, of arrays."""

    def leaf(x):
        return from_numpy(x.astype(dtype, order="K", copy=True)).requires_grad_() if is_array(x) else x

    return [leaf(x) for x in inputs]


def result_and_gradients(case, inputs, dtype=np.float64, g=None):
    tensors = leaves(inputs, dtype)
    out = case(*tensors)
    wanted = [t for t, x in zip(tensors, inputs, strict=True) if is_array(x)]
    if not case.differentiable or not wanted or not out.requires_grad:
        return [out.array]
    g = rng(0).standard_normal(out.shape) if g is None else g
    found = autograd.grad(out, wanted, from_numpy(g.astype(dtype)), allow_unused=True)
    return [out.array, *(f.array for f in found if f is not None)]


def test_every_op_has_a_case():
    assert set(CASES) == set(own_ops())
    assert set(LINEAR) <= set(SMOOTH)


@pytest.mark.parametrize("name", SMOOTH)
@few
@given(data=st.data())
def test_first_and_second_order_element_by_element(name, data):
    case = data.draw(CASES[name])
    if any(map(is_array, case.inputs)):
        gradcheck(case, case.inputs, order=2)


@pytest.mark.parametrize("name", SMOOTH)
@few
@given(data=st.data())
def test_first_and_second_order_along_a_direction(name, data):
    case = data.draw(CASES[name])
    if any(map(is_array, case.inputs)):
        gradcheck(case, case.inputs, order=2, fast_mode=True, seed=data.draw(st.integers(0, 99)))


@pytest.mark.parametrize(
    "name",
    ["normalize", "tanh", "pow", "conv", "gelu", "softmax", "logsumexp", "std", "div", "max_pool", "matmul"],
)
@settings(max_examples=max(3, settings.default.max_examples // 15))
@given(data=st.data())
def test_third_order(name, data):
    case = data.draw(CASES[name])
    if any(map(is_array, case.inputs)):
        gradcheck(case, case.inputs, order=3, fast_mode=True)


@pytest.mark.parametrize("name", SMOOTH)
@few
@given(data=st.data())
def test_an_input_alone_has_the_gradient_it_has_in_company(name, data):
    """Rules are planned anew for every choice of inputs that need a gradient."""
    case = data.draw(CASES[name])
    tensors = leaves(case.inputs)
    at = [i for i, x in enumerate(case.inputs) if is_array(x)]
    out = case(*tensors)
    if not at or not out.requires_grad:
        return
    together = autograd.grad(out, [tensors[i] for i in at], out.detach(), allow_unused=True)
    for i, expected in zip(at, together, strict=True):
        alone = [t if j == i else getattr(t, "array", t) for j, t in enumerate(tensors)]
        out = case(*alone)
        (found,) = (
            autograd.grad(out, tensors[i], out.detach(), allow_unused=True) if out.requires_grad else [None]
        )
        assert (found is None) == (expected is None)
        if found is not None:
            np.testing.assert_array_equal(found.array, expected.array)


@pytest.mark.parametrize("name", SMOOTH)
@few
@given(data=st.data())
def test_float32_stays_float32_and_agrees_with_float64(name, data):
    case = data.draw(CASES[name])
    inputs = [x.astype(np.float32).astype(np.float64) if is_array(x) else x for x in case.inputs]
    if name == "to" or not any(map(is_array, inputs)):
        return
    exact = result_and_gradients(case, inputs)
    g = rng(0).standard_normal(exact[0].shape).astype(np.float32)
    exact = result_and_gradients(case, inputs, g=g)
    single = result_and_gradients(case, inputs, np.float32, g)
    # Each of some hundred roundings is relative to the largest value that took part.
    eps = 100 * np.finfo(np.float32).eps
    for a, b in zip(single, exact, strict=True):
        assert a.dtype == np.float32
        assert a.shape == b.shape
        scale = max(1, np.abs(b).max(initial=0), *(np.abs(x).max(initial=0) for x in inputs if is_array(x)))
        np.testing.assert_allclose(a, b, rtol=eps, atol=eps * scale)


@pytest.mark.parametrize("name", CASES)
@few
@given(data=st.data())
def test_layout_does_not_matter_and_inputs_are_not_written(name, data):
    case = data.draw(CASES[name])
    plain = [np.array(x, order="C") if is_array(x) else x for x in case.inputs]
    expected = result_and_gradients(case, plain)
    before = [x.copy() if is_array(x) else x for x in case.inputs]
    tensors = [from_numpy(x.view()).requires_grad_() if is_array(x) else x for x in case.inputs]
    out = case(*tensors)
    found = [out.array]
    if len(expected) > 1:
        g = from_numpy(rng(0).standard_normal(out.shape))
        kept = g.array.copy()
        wanted = [t for t in tensors if not isinstance(t, (int, float, type(None)))]
        found += [f.array for f in autograd.grad(out, wanted, g, allow_unused=True) if f is not None]
        np.testing.assert_array_equal(g.array, kept)
    for x, b in zip(case.inputs, before, strict=True):
        np.testing.assert_array_equal(x, b)
    for a, b in zip(found, expected, strict=True):
        assert a.shape == b.shape and a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", CASES)
@few
@given(data=st.data())
def test_only_views_share_memory_and_they_say_so(name, data):
    case = data.draw(CASES[name])
    tensors = leaves(case.inputs)
    out = case(*tensors)
    for t in tensors:
        if not isinstance(t, (int, float, type(None))) and np.shares_memory(out.array, t.array):
            assert case.op.view
            assert out.writes is t.writes


@pytest.mark.parametrize(
    ("name", "group"), [(n, g) for n, groups in LINEAR.items() for g in groups.split("|")]
)
@few
@given(data=st.data())
def test_a_linear_op_and_its_rule_are_adjoint(name, group, data):
    """<A v, y> = <v, A'y> for any v and y."""
    case = data.draw(CASES[name])
    names = case.op.inputs * (len(case.inputs) if case.op.variadic else 1)
    at = [i for i, n in enumerate(names) if n in group.split() and is_array(case.inputs[i])]
    if len(at) < len(group.split()):
        return  # a Python number stands in its place
    tensors = leaves(case.inputs)
    moved = [rng(i).standard_normal(x.shape) if i in at else x for i, x in enumerate(case.inputs)]
    frozen = dict(case.attrs)
    for attr, value in frozen.items():  # statistics of x belong to the x of the case
        if callable(value):
            frozen[attr] = value(*case.inputs)
    if name == "pad":
        frozen["value"] = 0.0
    y = rng(9).standard_normal(case(*tensors).shape)
    forward = case.op(*(from_numpy(m) if is_array(m) else m for m in moved), **frozen).array
    back = autograd.grad(case.op(*tensors, **frozen), [tensors[i] for i in at], from_numpy(y))
    backward = sum(np.vdot(moved[i], b.array) for i, b in zip(at, back, strict=True))
    np.testing.assert_allclose(np.vdot(forward, y), backward, rtol=1e-11, atol=1e-11)
