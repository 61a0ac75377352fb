"""Every op obeys its laws: right gradients, in both dtypes, in any layout, and what holds for its kind.

What a law says, and who obeys which, stands in `tinygrad_cnn.testing` (laws, check, cases); that each law
finds its fault is proven in test_laws.py.
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygrad_cnn.op import registry
from tinygrad_cnn.testing import gradcheck
from tinygrad_cnn.testing.cases import CASES, LINEAR, own_ops
from tinygrad_cnn.testing.check import LAWS, check_op

SMOOTH = [name for name in CASES if registry[name].rows]
few = max(5, settings.default.max_examples // 3)


def test_every_op_has_a_case():
    assert set(CASES) == set(own_ops())
    assert set(LINEAR) <= set(SMOOTH)
    obeying = {name for _, who in LAWS for name in who.split()} - {"all", "differentiable"}
    assert obeying <= set(CASES)


@pytest.mark.parametrize("name", CASES)
def test_laws(name):
    checked = check_op(name, max_examples=few)
    assert max(checked.examples.values()) >= few
    assert min(checked.examples.values()) > 0


@pytest.mark.parametrize("name", SMOOTH)
@settings(max_examples=few)
@given(data=st.data())
def test_first_and_second_order_along_a_direction(name, data):
    case = data.draw(CASES[name])
    gradcheck(case, case.inputs, order=2, fast_mode=True, seed=data.draw(st.integers(0, 99)))


@pytest.mark.parametrize(
    "name",
    ["normalize", "tanh", "pow", "conv", "gelu", "softmax", "logsumexp", "std", "div", "max_pool", "matmul"],
)
@settings(max_examples=max(3, settings.default.max_examples // 15))
@given(data=st.data())
def test_third_order(name, data):
    case = data.draw(CASES[name])
    gradcheck(case, case.inputs, order=3, fast_mode=True)
