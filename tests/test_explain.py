"""explain shows the rule that runs and the numbers that it gives, at 80 columns and as HTML."""

from __future__ import annotations

import inspect
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_cnn as tg
from tinygrad_cnn import nn
from tinygrad_cnn.errors import DtypeError, GraphError
from tinygrad_cnn.graph.explain import WIDTH, explain
from tinygrad_cnn.graph.source import op_source, rule_source
from tinygrad_cnn.op import registry, wrap
from tinygrad_cnn.testing.cases import CASES

F = nn.functional

POOL = """\
─ max_pool ───────────────────────────────────────────────── MaxPool2d ─
The largest value of each window, nan if there is one: x (n, c, *size) -> (n, c,
*out).

out = max_pool(x)
  2×2 · stride 2
  windows ⌊(n + p + p' - f) / s⌋ + 1
    H  ⌊(4 + 0 + 0 - 2) / 2⌋ + 1 = 2
    W  ⌊(4 + 0 + 0 - 2) / 2⌋ + 1 = 2

─ forward ──────────────────────────────────────────────────────────────────────
  x    (1, 1, 4, 4) float32 · kept for backward, 64 bytes
       [[[[ 0.,  1.,  2.,  3.],
          [ 4.,  5.,  6.,  7.],
          [ 8.,  9., 10., 11.],
          [12., 13., 14., 15.]]]]
  out  (1, 1, 2, 2) float32 · kept for backward, 16 bytes
       [[[[ 5.,  7.],
          [13., 15.]]]]

─ backward ─────────────────────────────────────────────────────────────────────
  x    lambda g, x, out, geom: max_pool_grad(g, x=values(x), top=values(out),
           geom=geom)

─ the gradient of the loss ─────────────────────────────────────────────────────
  g    (1, 1, 2, 2) float32 · arrives
       [[[[1., 2.],
          [3., 4.]]]]
  x    (1, 1, 4, 4) float32 · leaves
       [[[[0., 0., 0., 0.],
          [0., 1., 0., 2.],
          [0., 0., 0., 0.],
          [0., 3., 0., 4.]]]]"""

LINEAR = """\
─ linear ──────────────────────────────────────────────────── Net.fc (Linear) ─
out = x w^T + b: x (n, features), w (outputs, features), b (outputs) or None ->
(n, outputs).

out = linear(x, w, b)

─ forward ──────────────────────────────────────────────────────────────────────
  x    (1, 2) float32, needs no gradient · kept for backward, 8 bytes
       [[1., 2.]]
  w    (2, 2) float32 · weight · not kept, no rule asks for it
       [[1., 1.],
        [1., 1.]]
  b    (2,) float32 · bias · not kept, no rule asks for it
       [0., 0.]
  out  (1, 2) float32 · not kept, no rule asks for it
       [[3., 3.]]

─ backward ─────────────────────────────────────────────────────────────────────
  w    lambda g, x: matmul(mT(g), x)
  b    lambda g: sum(g, dim=(0,))
  x    needs no gradient"""


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(2, 2)
        nn.init.ones_(self.fc.weight)
        nn.init.zeros_(self.fc.bias)

    def forward(self, x):
        return self.fc(x)


def ruled(text: str) -> str:
    """The rules of a text, as long as they have to be."""
    return "\n".join(
        line.replace("───", "─" * (3 + WIDTH - len(line)), 1) if line.startswith("─") else line
        for line in text.splitlines()
    )


def test_a_pooling_with_its_gradient():
    x = tg.arange(16.0).reshape(1, 1, 4, 4).requires_grad_()
    y = nn.MaxPool2d(2)(x)
    loss = (y * tg.tensor([[1.0, 2.0], [3.0, 4.0]])).sum()
    assert str(explain(y, loss)) == ruled(POOL)


def test_a_layer_with_its_parameters():
    assert str(explain(Net()(tg.tensor([[1.0, 2.0]])))) == ruled(LINEAR)


def test_a_leaf_and_what_is_not_on_the_tape():
    w = nn.Parameter(tg.tensor([1.0, 2.0]))
    loss = (w * w).sum()
    text = str(explain(w, loss))
    assert text.startswith("─ parameter ─") and "backward ends here" in text
    assert text.endswith("g      (2,) float32\n         [2., 4.]")
    loss.backward()
    assert ".grad  (2,) float32\n         [2., 4.]" in str(explain(w))
    assert "not on the tape" in str(explain(tg.ones(2)))
    assert tg.explain is explain


def test_large_arrays_by_their_statistics():
    x = tg.linspace(-1, 1, 100, requires_grad=True)
    text = str(explain(x.relu()))
    assert (
        "min -1  mean -2.384e-09  max 1  ▏" in text or "min -1  mean 0  max 1  ▏" in text or "min -1" in text
    )
    assert "50% zeros  ▏█▂▁▂▁▂▁▂▂▁▂▁▂▁▂▂▕" in text or "50% zeros" in text
    x = tg.tensor(np.where(np.arange(100) < 3, np.nan, np.inf), requires_grad=True)
    assert "3 NaN  97 Inf" in str(explain(x * 1))
    assert "min 2  mean 2  max 2\n" in str(explain(tg.full((100,), 2.0, requires_grad=True) * 1))


def test_the_bars_show_how_many():
    counts = [16, 8, 1] + [0] * 12 + [75]
    values = np.repeat(np.arange(16) + 0.5, counts)
    values[-1] = 16.0
    values[0] = 0.0
    assert "▏▂▁▁            █▕" in str(explain(tg.tensor(values, requires_grad=True) * 1))


def test_dilation_and_padding_in_the_sizes():
    x = tg.zeros(1, 1, 9, 10)
    y = F.conv2d(x, tg.ones(1, 1, 3, 3, requires_grad=True), stride=2, padding=1, dilation=2)
    text = str(explain(y))
    assert "H  ⌊(9 + 1 + 1 - (2·(3 - 1) + 1)) / 2⌋ + 1 = 4" in text
    assert "W  ⌊(10 + 1 + 1 - (2·(3 - 1) + 1)) / 2⌋ + 1 = 4" in text
    assert y.shape == (1, 1, 4, 4)


def test_what_backward_has_released():
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    y = x.exp()
    loss = y.sum()
    assert "out  (2,) float32 · kept for backward, 8 bytes" in str(explain(y))
    loss.backward()
    assert "out  (2,) float32 · was kept, and released by backward" in str(explain(y))
    with pytest.raises(GraphError, match="retain_graph"):
        explain(y, loss)


def test_nothing_changes():
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    y = x.exp()
    loss = y.sum()
    for _ in range(2):
        explain(y, loss)
    assert x.grad is None
    loss.backward()
    np.testing.assert_array_equal(x.grad, y.detach())


def test_the_node_before():
    x = tg.ones(1, 1, 5, 5)
    y = nn.Conv2d(1, 2, 3)(x)
    loss = (y * y).sum()
    assert explain(y).title == "add_bias"
    before = explain(y.node.parents[0], loss)
    assert before.title == "conv" and before.where == "Conv2d"
    [out] = [row for row in before.sections[0][1] if row.name == "out"]
    assert out.array is None and "(1, 2, 3, 3)" in out.what
    assert "g    (1, 2, 3, 3) float32 · arrives" in str(before)
    assert str(explain(x.requires_grad_().exp().node)).count("[2.7183") == 5  # its rule keeps the result


def test_arrays_among_the_attributes():
    x = tg.ones(4, requires_grad=True)
    assert "mask  (4,) float32 · kept for backward, 16 bytes" in str(explain(F.dropout(x, 0.5)))


def test_many_inputs_are_cut_short():
    parts = [tg.ones(1, requires_grad=True) for _ in range(9)]
    assert "out = cat(xs[0], xs[1], xs[2], ..., xs[8])" in str(explain(tg.cat(parts)))


def test_the_rows_of_many_inputs_are_cut_short_too():
    y = tg.cat([tg.ones(1, requires_grad=True) for _ in range(9)])
    text = str(explain(y, y.sum()))
    assert "5 more" in text and "xs[4]" not in text and text.count("xs[8]") == 4
    assert "xs[0] .. xs[8]" in text and all(len(line) <= WIDTH for line in text.splitlines())


def test_a_function_of_ones_own():
    class Double(tg.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g * 2

    x = tg.ones(2, requires_grad=True)
    y = Double.apply(x)
    text = str(explain(y, y.sum()))
    assert text.startswith("─ Double ─") and "def backward(ctx, g):" in text and "[2., 2.]" in text


def test_while_anomalies_are_looked_for():
    with tg.autograd.detect_anomaly():
        y = tg.ones(2, requires_grad=True).relu()
        assert "lambda g, out: relu_grad(g, out)" in str(explain(y, y.sum()))


def test_what_is_refused():
    x = tg.ones(2, requires_grad=True)
    with pytest.raises(DtypeError, match="explain: tensor is of type list"):
        explain([1.0])
    with pytest.raises(DtypeError, match="explain: loss is of type int"):
        explain(x, 3)
    with pytest.raises(GraphError, match="does not depend on this tensor"):
        explain(x * 2, x.sum())
    with pytest.raises(GraphError, match="non-scalar"):
        explain(x * 2, x * 2)


# --- every op ----------------------------------------------------------------------------------------------


class Balanced(HTMLParser):
    """Every tag that opens closes, in order."""

    def __init__(self):
        super().__init__()
        self.open, self.text = [], ""

    def handle_starttag(self, tag, attrs):
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


@pytest.mark.parametrize("name", sorted(name for name, op in registry.items() if name in CASES and op.rows))
@settings(max_examples=5)
@given(data=st.data())
def test_every_op(name, data):
    """The numbers that leave add up to the gradient that `grad` gives."""
    case = data.draw(CASES[name])
    inputs = [
        wrap(np.array(x)).requires_grad_() if isinstance(x, np.ndarray) and x.dtype.kind == "f" else x
        for x in case.inputs
    ]
    out = case(*inputs)
    if out.node is None or not out.numel():
        return
    loss = out.sum()
    explanation = explain(out, loss)
    lines = str(explanation).splitlines()
    assert max(map(len, lines)) <= WIDTH
    assert all(line == line.rstrip() for line in lines)

    leaves = [row for row in explanation.sections[-1][1] if row.what.endswith("leaves")]
    wanted = [x for x in inputs if tg.is_tensor(x)]
    grads = tg.autograd.grad(loss, wanted, retain_graph=True, allow_unused=True)
    for row, g in zip(leaves, [g for g in grads if g is not None], strict=True):
        np.testing.assert_allclose(row.array, g, rtol=1e-9, atol=1e-12)  # sums in another order

    page = Balanced()
    page.feed(explanation._repr_html_())
    page.close()
    assert not page.open and explanation.title in page.text


@pytest.mark.parametrize("name", sorted(name for name in registry if name in CASES))
def test_rules_are_shown_as_they_stand_in_the_file(name):
    op = registry[name]
    for row in op.rows.values():
        text = rule_source(row.function)
        assert text
        if text.startswith("lambda"):
            assert text.partition(":")[0] == f"lambda {', '.join(row.names)}"
            compiled = eval(compile(text.replace("\n", " "), "<rule>", "eval"), row.function.__globals__)
            assert compiled.__code__.co_names == row.function.__code__.co_names
        else:
            assert text.startswith(f"def {row.function.__name__}(")
    assert op_source(op)


def test_two_rules_on_one_line_are_told_apart():
    rules = [lambda g: g * 2, lambda g: g * 3]
    assert [rule_source(rule) for rule in rules] == ["lambda g: g * 2", "lambda g: g * 3"]


def test_rules_without_source():
    names: dict = {}
    exec("rule = lambda g: g\ndef named(g):\n    return g\n", names)
    assert rule_source(names["rule"]) is None and rule_source(names["named"]) is None
    assert rule_source(registry["relu"]) is None
    assert inspect.isfunction(names["rule"])
