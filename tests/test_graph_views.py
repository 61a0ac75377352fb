"""What a drawing leaves out, adds, or reads the other way round is as true as the drawing itself."""

from __future__ import annotations

import gc
import re
import weakref

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_cnn as tg
from tinygrad_cnn import graph, models, nn
from tinygrad_cnn.errors import ArgumentError, GraphError
from tinygrad_cnn.graph.drawing import picture
from tinygrad_cnn.graph.forward import kept
from tinygrad_cnn.graph.images import png, size, thumbnail
from tinygrad_cnn.graph.overlays import duration
from tinygrad_cnn.graph.overlays import size as size_of
from tinygrad_cnn.graph.picture import Box
from tinygrad_cnn.nn import functional as F
from tinygrad_cnn.op import watch
from tinygrad_cnn.tape import Node, walk


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3)
        self.fc = nn.Linear(4 * 3 * 3, 5)

    def forward(self, x):
        return self.fc(F.max_pool2d(self.conv(x).relu(), 2).flatten(1))


def run(model=None, shape=(2, 1, 8, 8)):
    """(model, loss)"""
    tg.manual_seed(0)
    model = model or Net()
    return model, F.cross_entropy(model(tg.randn(*shape)), tg.tensor([1, 2]))


def titles(made, *kinds):
    return [item.title for item in made.page.items() if item.kind in kinds]


def ends(made, kind="data"):
    return [(a.tail.title, a.head.title) for a in made.arrows if a.kind == kind]


# --- folding ----------------------------------------------------------------------------------------------


def test_the_whole_model_as_one_item():
    model, loss = run()
    made = picture(loss, module=model, depth=0)
    count = sum(p.numel() for p in model.parameters())
    (item,) = (item for item in made.page.items() if item.kind == "module")
    assert (item.title, item.small) == ("Net", f"{count:,} parameters")
    assert item.shape == (2, 5)
    assert ends(made)[:2] == [("input", "Net"), ("Net", "log_softmax")]
    assert "1 × conv2d" in item.story and "1 × linear" in item.story


def test_deeper_modules_are_folded_one_by_one():
    model = models.resnet18()
    y = model(tg.zeros(1, 3, 64, 64))
    shallow, deep = (titles(picture(y, depth=depth), "module") for depth in (1, 2))
    assert shallow == [
        "conv1: Conv2d", "bn1: BatchNorm2d", *(f"layer{i}: Sequential" for i in range(1, 5)), "fc: Linear",
    ]  # fmt: skip
    assert {"relu", "max_pool2d", "mean"} <= set(
        titles(picture(y, depth=1), "op")
    )  # one op is one item already
    assert deep == ["0: BasicBlock", "1: BasicBlock"] * 4
    full = picture(y)
    assert titles(picture(y, depth=9), "op") == titles(full, "op")


@pytest.mark.parametrize("make", [models.resnet18, models.densenet121, models.squeezenet1_1])
def test_folding_leaves_no_circle_and_every_parameter_counted(make):
    model = make()
    y = model(tg.zeros(1, 3, 64, 64))
    count = sum(p.numel() for p in model.parameters())
    for depth in range(4):
        made = picture(y, depth=depth)
        learned = sum(int(np.prod(item.shape)) for item in made.page.items() if item.kind == "parameter")
        folded = sum(
            int(item.small.split()[0].replace(",", ""))
            for item in made.page.items()
            if item.kind == "module" and item.small
        )
        assert learned + folded == count
        order = {item: at for at, item in enumerate(made.page.items())}
        assert all(order[a.tail] < order[a.head] for a in made.arrows)


def test_a_long_chain_is_one_box():
    y = tg.ones(2, requires_grad=True)
    for _ in range(10_000):
        y = y.relu()
    made = picture(y, repeats=True)
    assert titles(made, "op") == ["relu"]
    (box,) = (part for part in made.page.content if isinstance(part, Box))
    assert (box.times, box.title) == (10_000, "× 10000")
    assert len(made.arrows) == 2


def test_equal_blocks_are_shown_once():
    model = models.resnet18()
    y = model(tg.zeros(1, 3, 64, 64))
    made, text = picture(y, repeats=True), str(graph.draw(y, repeats=True))
    assert "0 … 1: BasicBlock × 2" in text
    assert text.count("BasicBlock") == 7  # of 8
    assert titles(made, "op").count("+") == 7


def test_a_pattern_of_several_parts_repeats():
    model = nn.Sequential(*(layer for _ in range(4) for layer in (nn.Linear(3, 3), nn.Tanh())))
    made = picture(model(tg.zeros(1, 3)), repeats=True)
    assert titles(made, "op") == ["linear", "tanh"]
    (inner,) = (part for part in made.page.content[-2].content if isinstance(part, Box))
    assert (inner.times, len(inner.content)) == (4, 2)
    assert sorted(ends(made)) == sorted(set(ends(made)))  # the copies' arrows are the first one's


def test_what_only_looks_alike_is_not_folded():
    x = tg.ones(1, 3, requires_grad=True)
    a = x.relu()
    b = a.relu()
    c = b.relu()
    assert titles(picture(c + a + b, repeats=True), "op").count("relu") == 3  # a and b are used again
    assert titles(picture(c + a, repeats=True), "op").count("relu") == 2
    dense = tg.cat([x.relu(), tg.cat([x.relu(), x.relu()])])
    assert (
        titles(picture(dense, repeats=True), "op").count("relu") == 3
    )  # side by side, not one after another
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3), nn.Linear(3, 2))
    assert titles(picture(model(x), repeats=True), "op") == ["linear", "linear"]


@given(st.data())
def test_folding_repeats_loses_no_op(data):
    x = y = tg.ones(2, 2, requires_grad=True)
    for _ in range(data.draw(st.integers(1, 25))):
        y = data.draw(
            st.sampled_from([lambda v: v.relu(), lambda v: v.tanh(), lambda v: v + v, lambda v: v * x])
        )(y)
    made = picture(y, repeats=True)

    def count(box):
        return box.times * sum(count(p) if isinstance(p, Box) else p.kind == "op" for p in box.content)

    assert count(made.page) == sum(node.op is not None for node in walk(y.node))
    order = {item: at for at, item in enumerate(made.page.items())}
    assert all(order[a.tail] < order[a.head] for a in made.arrows)


def arrows_of(made):
    return {(a.tail.title, a.head.title) for a in made.arrows}


class Siamese(nn.Module):
    def __init__(self):
        super().__init__()
        self.tower = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))

    def forward(self, a, b):
        return (self.tower(a) - self.tower(b)).abs()


def test_folded_calls_keep_their_inputs_and_what_they_share():
    model, a, b = Siamese(), tg.zeros(1, 3), tg.ones(1, 3)
    made = picture(model(a, b), module=model, names={"a": a, "b": b}, depth=1)
    towers = [item for item in made.page.items() if item.kind == "module"]
    assert len(towers) == 2
    into = made.into()
    assert [[arrow.tail.title for arrow in into[tower]] for tower in towers] == [
        ["a", "tower"],
        ["b", "tower"],
    ]
    (shared,) = (item for item in made.page.items() if item.kind == "parameter")
    assert (shared.title, shared.small) == ("tower", "26 parameters")
    assert "tower.0.weight: 4×3 float32" in shared.story


def test_a_folded_module_has_its_way_back_beside_it():
    model, loss = run(nn.Sequential(Net()))
    made = picture(loss, module=model, passes="both", depth=1)
    there = next(item for item in made.page.items() if item.kind == "module")
    back = next(item for item in made.page.items() if item.kind == "rules")
    count = sum(p.numel() for p in model.parameters())
    assert (there.title, there.small) == ("0: Net", f"{count:,} parameters")
    assert (back.title, back.small, back.beside) == ("0: ∂", f"{count:,} gradients", there)
    assert ("log_softmax: ∂x", "0: ∂") in ends(made, "gradient") and ("0: Net", "0: ∂") in ends(made, "kept")
    assert "1 × conv2d: ∂w" in back.story and "∂" not in there.story
    alone = picture(loss, module=model, passes="backward", depth=1)
    assert titles(alone, "module", "rules") == ["0: Net: ∂"]


@pytest.mark.parametrize("depth", [None, 1, 2])
def test_blocks_repeat_in_both_passes(depth):
    layers = (nn.Sequential(nn.Linear(3, 3), nn.Tanh()) for _ in range(5))
    model = nn.Sequential(nn.Linear(2, 3), *layers, nn.Linear(3, 2))
    loss = F.cross_entropy(model(tg.randn(4, 2)), tg.tensor([0, 1, 0, 1]))
    made = picture(loss, module=model, passes="both", repeats=True, depth=depth)
    plain = picture(loss, module=model, passes="both", depth=depth)
    (box,) = {box for item in made.page.items() for box in item.box.around() if box.times > 1}
    assert box.times == 5
    shown, whole = (sorted(e.title for i in m.page.items() for e in i.all()) for m in (made, plain))
    assert shown == whole  # nothing is lost
    items = set(made.page.items())
    assert len(items) < len(list(plain.page.items())) and all({a.tail, a.head} <= items for a in made.arrows)
    order = {item: at for at, item in enumerate(made.page.items())}
    assert all(order[a.tail] < order[a.head] for a in made.arrows if a.kind == "data")


# --- backward ---------------------------------------------------------------------------------------------


def rules_called(compute):
    """The (op, input indices) of all rules that backward really calls, in order."""
    called = []

    class Listening(Node):
        def __init__(self, op, parents, attrs, plan, *more):
            def wrap(rule, indices):
                def call(*given):
                    called.append((op.name, indices))
                    return rule(*given)

                return call

            super().__init__(op, parents, attrs, plan.around(wrap), *more)

    before = watch(Listening)
    try:
        out = compute()
        drawn = picture(out, passes="backward")
        out.backward()
    finally:
        watch(*before)
    return called, drawn


@pytest.mark.parametrize(
    "compute",
    [
        lambda: run()[1],
        lambda: run(nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(144, 5)))[1],
        lambda: (lambda w: ((w * w).exp() + w).sum())(tg.ones(3, requires_grad=True)),
        lambda: (lambda w: tg.stack([w, w * 2, 3 - w]).sum())(tg.ones(3, requires_grad=True)),
    ],
)
def test_the_rules_drawn_are_the_rules_called(compute):
    called, drawn = rules_called(compute)
    ruled = [item for item in drawn.page.items() if item.kind == "rule"]
    stories = [re.match(r"the rule of (.*) in (\w+)\.vjp", item.story) for item in ruled]
    assert sorted((m[2], m[1].count(",") + 1) for m in stories) == sorted((n, len(i)) for n, i in called)


def test_gradients_that_meet_are_added_up_and_end_in_leaves():
    w = tg.ones(3, requires_grad=True)
    loss = ((w * w).exp() + w).sum()
    made = picture(loss, names={"w": w, "loss": loss}, passes="backward")
    assert titles(made, "data") == ["1", "w.grad"]
    assert ends(made, "gradient")[0] == ("1", "sum: ∂x")
    assert ("+", "w.grad") in ends(made, "gradient")
    assert sum(head == "+" for _, head in ends(made, "gradient")) == 3  # through both factors, and directly
    assert not ends(made)


def test_the_way_back_stands_in_the_same_modules():
    model, loss = run()
    made = picture(loss, module=model, passes="backward")
    where = {item.title: item.box.path for item in made.page.items()}
    assert where["conv2d: ∂w"] == "Net.conv"
    assert where["linear: ∂x"] == where["bias.grad"] == "Net.fc" or where["bias.grad"] == "Net.conv"
    assert "conv2d: ∂x" not in where  # the images need no gradient
    rule = next(item for item in made.page.items() if item.title == "linear: ∂w")
    assert rule.small == "matmul(mT(g), x)" and "lambda g, x: matmul(mT(g), x)" in rule.story


def test_both_passes_with_what_is_kept_between_them():
    model, loss = run()
    made = picture(loss, module=model, passes="both")
    assert titles(made, "op") == titles(picture(loss, module=model), "op")
    assert set(titles(made, "rule")) == set(titles(picture(loss, module=model, passes="backward"), "rule"))
    assert set(ends(made, "kept")) == {
        ("input", "conv2d: ∂w"), ("relu", "relu: ∂x"), ("relu", "max_pool2d: ∂x"),
        ("max_pool2d", "max_pool2d: ∂x"), ("weight", "linear: ∂x"), ("reshape", "linear: ∂w"),
        ("log_softmax", "log_softmax: ∂x"),
    }  # fmt: skip
    dot = graph.to_dot(loss, module=model, passes="both")
    done = sum(head.endswith(".grad") for _, head in ends(made, "gradient"))  # to the right of their rules
    assert dot.count("dir=back") >= len(ends(made, "gradient")) - done


def test_a_sum_in_backward_of_what_is_no_scalar():
    x = tg.ones(2, 3, requires_grad=True)
    made = picture(x * 2, passes="backward")
    assert titles(made, "data")[0] == "g"


# --- overlays ---------------------------------------------------------------------------------------------


def test_memory_counts_every_kept_array_once():
    model, loss = run()
    made = picture(loss, module=model, overlay="memory")
    notes = {item.title: item.note for item in made.page.items() if item.kind == "op"}
    assert notes["conv2d"] == "keeps 512 B"  # the images, 2 x 8 x 8 float32
    assert notes["relu"] == "keeps 1.1 KB"
    assert notes["max_pool2d"] == "keeps 288 B"  # its result; the relu keeps its input already
    assert notes["add_bias"] == "keeps nothing more"
    heat = {item.title: item.heat for item in made.page.items() if item.kind == "op"}
    assert max(heat.values()) == heat["relu"] == 1.0 and heat["add_bias"] == 0.0


def test_gradients_are_those_of_backward_and_grads_stay():
    model, loss = run()
    made = picture(loss, module=model, overlay="gradients")
    assert all(p.grad is None for p in model.parameters())
    loss.backward()
    norm = float(model.fc.weight.grad.norm())
    assert f"|g| {norm:.3g}" in [item.note for item in made.page.items() if item.title == "weight"]
    assert next(item.note for item in made.page.items() if item.title == "mean") == "|g| 1"


def test_time_and_activations_of_a_run_that_was_watched():
    model, loss = run()
    with pytest.raises(GraphError, match=r"overlay='time' needs a run that was watched; use model.graph"):
        picture(loss, overlay="time")
    with graph.watched():
        _, seen = run(model)
    assert seen.node.result == seen.item()
    notes = [item.note for item in picture(seen, overlay="time").page.items() if item.kind == "op"]
    assert all(re.fullmatch(r"[\d.]+ (µs|ms|s)", note) for note in notes)
    seen.backward(retain_graph=True)
    notes = [item.note for item in picture(seen, overlay="time").page.items() if item.kind == "op"]
    assert all(", backward " in note for note in notes)
    images = [
        item.image for item in picture(seen, overlay="activations").page.items() if item.title == "relu"
    ]
    assert images[0][:4] == b"\x89PNG"
    drawing = model.graph(tg.zeros(1, 1, 8, 8), overlay="activations")
    assert 'src="n' in drawing.dot and drawing.svg().count("data:image/png;base64,") == len(drawing.files) > 3


def test_watching_ends_and_keeps_nothing_alive():
    gc.disable()
    try:
        with graph.watched():
            y = (tg.ones(2, requires_grad=True) * 2).sum()
        node = weakref.ref(y.node)
        y.backward()
        del y
        assert node() is None
    finally:
        gc.enable()
    y = tg.ones(2, requires_grad=True) * 2
    assert type(y.node) is Node
    with tg.autograd.detect_anomaly():
        with graph.watched():
            pass
        with pytest.raises(GraphError.__mro__[1], match="log"):
            tg.tensor([-1.0], requires_grad=True).log()


def test_nan_is_shown_where_it_is():
    model = Net()
    with tg.no_grad():
        model.fc.bias[1] = float("nan")
    drawing = model.graph(tg.zeros(1, 1, 8, 8), overlay="nan")
    made = picture(model(tg.zeros(1, 1, 8, 8)), module=model, overlay="nan")
    assert [item.title for item in made.page.items() if item.heat == 1.0] == ["bias"]
    assert drawing.dot.count("1 NaN or Inf") == 2  # in the bias, and in what linear makes of it


def test_several_overlays_at_once():
    model, loss = run()
    made = picture(loss, module=model, overlay=["memory", "gradients"])
    alone = [picture(loss, module=model, overlay=name) for name in ("memory", "gradients")]
    for item, memory, gradients in zip(*(each.page.items() for each in (made, *alone)), strict=True):
        assert item.note == "\n".join(filter(None, (memory.note, gradients.note)))
        assert item.heat == memory.heat
    drawing = graph.draw(loss, module=model, overlay=("memory", "gradients"))
    assert 'keeps 512 B</font><br/><font point-size="9">|g| ' in drawing.dot
    assert re.search(r"\[keeps 512 B · \|g\| [\d.e-]+\]", str(drawing))


def test_overlays_tell_of_what_is_folded():
    model, loss = run()
    with graph.watched():
        _, loss = run(model)
    kinds = ("memory", "time", "gradients", "activations")
    whole = {kind: picture(loss, module=model, overlay=kind, depth=0) for kind in kinds}
    parts = {kind: picture(loss, module=model, overlay=kind) for kind in kinds}

    def module(kind):
        return next(item for item in whole[kind].page.items() if item.kind == "module")

    inside = {
        kind: [i for i in made.page.items() if i.kind == "op" and i.box.level >= 0]
        for kind, made in parts.items()
    }
    kept_bytes = {node: sum(a.nbytes for a in kept(node).values()) for node in walk(loss.node) if node.op}
    assert (
        module("memory").note == f"keeps {size_of(sum(kept_bytes[i.node] for i in inside['memory']) - 1152)}"
    )
    assert module("gradients").note == inside["gradients"][-1].note
    assert module("activations").note == inside["activations"][-1].note and module("activations").image
    assert module("time").note == duration(sum(i.node.seconds for i in inside["time"]))
    with tg.no_grad():
        model.fc.bias[1] = float("nan")
    folded = picture(run(model)[1], module=model, overlay="nan", depth=0)
    assert next(i for i in folded.page.items() if i.kind == "module").heat == 1.0


def test_the_heat_of_gradients_is_logarithmic():
    x = tg.ones(1, requires_grad=True)
    made = picture((x * 0.01).relu().sum() * 1.0, overlay="gradients")
    heat = {item.title: item.heat for item in made.page.items() if item.note}
    assert heat["relu"] == 1.0 and heat["input"] == pytest.approx(0.5)
    with pytest.raises(GraphError, match=r"needs one number.*of shape \(2, 5\); draw the loss"):
        Net().graph(tg.zeros(2, 1, 8, 8), overlay="gradients")


def test_a_model_that_is_drawn_stays_as_it_is_and_is_drawn_whole():
    class Residual(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm, self.drop, self.fc = nn.BatchNorm1d(3), nn.Dropout(0.5), nn.Linear(3, 3)

        def forward(self, left, right):
            return (left + 3) + self.fc(self.drop(self.norm(right)))

    model, a, b = Residual(), tg.randn(4, 3), tg.randn(4, 3)
    tg.manual_seed(3)
    after = tg.rand(1).item()
    tg.manual_seed(3)
    drawing = model.graph(a, b)
    assert tg.rand(1).item() == after
    assert model.norm.running_mean.abs().max() == 0 and not a.requires_grad
    assert all(p.grad is None for p in model.parameters())
    shown = ends(drawing.shown)
    assert ("left", "+ 3") in shown and ("+ 3", "+") in shown and ("right", "batch_norm") in shown
    for p in model.parameters():
        p.requires_grad_(False)
    assert titles(model.graph(a, b, names={"x": b}).shown, "data") == ["left", "x"]
    kept_for_x = model.requires_grad_().graph(a, b, overlay="memory")
    assert "left" not in str(kept_for_x)  # as it will be in training, where nobody needs that gradient


def test_wrong_options():
    _, loss = run()
    with pytest.raises(ArgumentError, match=r"passes is 'up'; it can be 'forward', 'backward', 'both'"):
        picture(loss, passes="up")
    with pytest.raises(ArgumentError, match=r"overlay is 'x'; it can be 'activations', 'gradients'"):
        picture(loss, overlay="x")
    with pytest.raises(ArgumentError, match=r"depth is -1; 0 shows the model as one item"):
        picture(loss, depth=-1)


# --- text and small pictures ------------------------------------------------------------------------------


def test_lines_for_the_terminal():
    model, _ = run()
    assert (
        str(model.graph(tg.zeros(2, 1, 8, 8)))
        == """\
1  input                        2×1×8×8
   Net
   ├ conv: Conv2d
2  │ ├ conv2d 3×3               2×4×6×6  from weight 4×1×3×3
3  │ └ add_bias                 2×4×6×6  from bias 4
4  ├ relu                       2×4×6×6
5  ├ max_pool2d 2×2 · stride 2  2×4×3×3
6  ├ reshape                    2×36
   └ fc: Linear
7    └ linear                   2×5      from weight 5×36, bias 5
8  output                       2×5"""
    )


def test_lines_tell_where_data_comes_from():
    x = tg.ones(2, requires_grad=True)
    lines = str(graph.draw(x.relu() + x.tanh(), names={"x": x})).splitlines()
    assert [line.split() for line in lines] == [
        ["1", "x", "2"], ["2", "relu", "2"], ["3", "tanh", "2", "from", "1"],
        ["4", "+", "2", "from", "2,", "3"], ["5", "output", "2"],
    ]  # fmt: skip


def test_text_file(tmp_path):
    path = graph.render(tg.ones(2, requires_grad=True).relu(), tmp_path / "graph.txt")
    assert "relu" in path.read_text(encoding="utf-8")


def test_pictures_are_what_pillow_reads():
    image = pytest.importorskip("PIL.Image")
    import io

    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3)).astype(np.uint8)
    np.testing.assert_array_equal(np.asarray(image.open(io.BytesIO(png(pixels)))), pixels)
    grey = np.asarray(image.open(io.BytesIO(png(pixels[..., 0]))))
    np.testing.assert_array_equal(grey, pixels[..., 0])
    for shape in [(1, 3), (2, 20, 5, 5), (2, 300, 300), (4,), (1, 2, 1, 1), (1, 1, 2, 9)]:
        assert image.open(io.BytesIO(thumbnail(np.full(shape, np.nan)))).size == size(
            thumbnail(np.zeros(shape))
        )


# --- graphs that are too large to lay out ------------------------------------------------------------------


def test_what_is_too_large_is_laid_out_in_small():
    y = x = tg.ones(2, requires_grad=True)
    for i in range(3_000):
        y = y.relu() if i % 3 else y * x
    drawing = graph.draw(y)
    assert drawing.dot.count("[label=") == 3_002  # the text is complete
    assert "× 1000" in drawing.small and drawing.small.count("[label=") < 10
    assert "folded in the picture" in repr(drawing)
    assert "× 1000" in drawing.svg()


def test_modules_are_folded_as_far_as_it_takes():
    model = models.densenet121().eval()
    drawing = graph.draw(model(tg.zeros(1, 3, 64, 64)))
    assert "denseblock1: " in drawing.small and "conv1" not in drawing.small
    assert graph.draw(models.LeNet5()(tg.zeros(1, 1, 28, 28))).small is None


def test_the_middle_is_left_out_when_nothing_folds():
    rng, pool = np.random.default_rng(0), [tg.ones(2, requires_grad=True)]
    for _ in range(1_500):
        a, b = rng.integers(max(0, len(pool) - 9), len(pool)), rng.integers(0, len(pool))
        pool.append(pool[a] + pool[b] if rng.random() < 0.5 else pool[-1].relu())
    drawing = graph.draw(pool[-1])
    hidden = int(re.search(r"… ([\d,]+) more", drawing.small)[1].replace(",", ""))
    shown = drawing.small.count("[label=<") - 1
    assert hidden > shown and hidden + shown <= 1_503
    assert drawing.svg().startswith("<?xml")
