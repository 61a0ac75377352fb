"""Drawings are true to the tape, the same every time, and can be rendered by every renderer."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import weakref
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_cnn as tg
from tinygrad_cnn import graph, nn
from tinygrad_cnn.errors import ArgumentError, DtypeError, Error, GraphError, MissingToolError
from tinygrad_cnn.graph import dot as writer
from tinygrad_cnn.graph import labels
from tinygrad_cnn.graph.drawing import picture
from tinygrad_cnn.graph.picture import Box
from tinygrad_cnn.nn import functional as F
from tinygrad_cnn.op import op, registry
from tinygrad_cnn.tape import Scope, state, walk

GOLDEN = Path(__file__).parent / "golden"
PURE = shutil.which("graphviz-pure") or shutil.which("graphviz-pure", path=sysconfig.get_path("scripts"))


class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(400, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = F.relu(self.fc1(x.flatten(1)))
        return self.fc3(F.relu(self.fc2(x)))


class BasicBlock(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = nn.Sequential(
            nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False), nn.BatchNorm2d(outputs)
        )

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + self.downsample(x))


MODELS = {
    "lenet": (LeNet, (2, 1, 28, 28)),
    "resnet_block": (lambda: BasicBlock(4, 8, 2), (2, 4, 8, 8)),
}


def draw_model(name: str, **options) -> graph.Drawing:
    make, shape = MODELS[name]
    model = make()
    return graph.draw(model(tg.zeros(*shape)), **options)


def node_labels(dot: str) -> list[str]:
    """The first line of every node's label, in order."""
    return re.findall(r"\bn\d+ \[label=<([^<>]*)", dot)


def edges(dot: str) -> list[tuple[str, str]]:
    """Pairs of node labels, in the direction of the arrow."""
    names = dict(re.findall(r"\b(n\d+) \[label=<([^<>]*)", dot))
    found = re.findall(r"^  (n\d+) -> (n\d+) \[(?!style=invis)(.*)\]$", dot, re.M)
    pairs = [(b, a) if style.startswith("dir=back") else (a, b) for a, b, style in found]
    return [(names[a], names[b]) for a, b in pairs]


def boxes(dot: str) -> list[str]:
    return [name.rstrip() for name in re.findall(r'graph \[label="([^"]*)"', dot)]


# --- the text -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MODELS)
def test_golden(name):
    # Tooltips quote the docstrings of ops, which may be reworded at any time.
    text = re.sub(r' ?tooltip="[^"]*"', "", draw_model(name).dot)
    path = GOLDEN / f"{name}.dot"
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8"), (
        "if the change is wanted: UPDATE_GOLDEN=1 pytest tests/test_graph.py"
    )


@pytest.mark.parametrize("name", MODELS)
def test_same_model_same_text(name):
    first = draw_model(name).dot
    (tg.ones(3, requires_grad=True) * 2).sum().backward()  # the tape's counter moves on
    assert draw_model(name).dot == first


def test_lenet_reads_from_image_to_scores():
    model = LeNet()
    y = model(tg.zeros(64, 1, 28, 28))
    dot = graph.to_dot(y)
    assert '<input<br/><font point-size="9">64×1×28×28</font>>' in dot
    assert '<output<br/><font point-size="9">64×10</font>>' in dot
    assert boxes(dot) == [
        "LeNet",
        "conv1: Conv2d",
        "conv2: Conv2d",
        "fc1: Linear",
        "fc2: Linear",
        "fc3: Linear",
    ]
    assert node_labels(dot).count("weight") == node_labels(dot).count("bias") == 5
    assert '<weight<br/><font point-size="9">6×1×5×5 · 150</font>>' in dot
    assert '<conv2d<br/><font point-size="9">5×5 · padding 2</font>>' in dot
    assert '<max_pool2d<br/><font point-size="9">2×2 · stride 2</font>>' in dot
    assert ("input", "conv2d") in edges(dot)
    assert ("weight", "conv2d") in edges(dot)
    assert edges(dot)[-1][1] == "output"


def test_the_room_itself_draws():
    x = tg.ones(2, requires_grad=True)
    assert graph(x.relu(), names={"x": x}).dot == tg.graph.draw(x.relu(), names={"x": x}).dot
    with pytest.raises(DtypeError, match="output 0 is a int"):
        graph(3)


def test_module_graph():
    model = LeNet()
    drawing = model.graph(tg.zeros(64, 1, 28, 28))
    assert boxes(drawing.dot)[1] == "conv1: Conv2d"
    assert node_labels(drawing.dot).count("weight") == 5


def test_tooltips_tell_what_backward_keeps():
    model = LeNet()
    y = model(tg.zeros(2, 1, 28, 28))
    dot = graph.to_dot(y)
    assert "keeps for backward: x 2×1×28×28 float32, 6,272 bytes" in dot
    assert "keeps for backward: nothing" in dot  # flatten
    assert 'tooltip="LeNet.conv1"' in dot
    y.sum().backward()
    dot = graph.to_dot(y)
    assert dot.count("keeps for backward") == dot.count("keeps for backward: nothing") == 3
    assert "has been released" in dot
    assert '<input<br/><font point-size="9">2×1×28×28</font>>' in dot  # the geometry still knows


def test_shared_weights_are_drawn_once_around_both_calls():
    class Siamese(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = nn.Linear(3, 2, bias=False)

        def forward(self, a, b):
            return self.net(a) - self.net(b)

    model = Siamese()
    dot = graph.to_dot(model(tg.zeros(1, 3), tg.ones(1, 3)))
    assert boxes(dot) == ["Siamese"]  # an op that is all of its module bears the module's name
    assert node_labels(dot).count("net.weight") == 1
    assert edges(dot).count(("net.weight", "net: Linear")) == 2
    assert "b" not in node_labels(dot)  # there is no bias
    assert node_labels(dot).count("input") == 2


def test_one_input_used_twice_is_one_node():
    x = tg.ones(2, 3)
    a, b = nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False)
    assert node_labels(graph.to_dot(a(x) + b(x))).count("input") == 1
    assert node_labels(graph.to_dot(a(x) + b(tg.ones(2, 3)))).count("input") == 2


def test_arithmetic_reads_as_people_write_it():
    x, y = tg.ones(2, 3, requires_grad=True), tg.ones(2, 3)
    h = 2 * x + 1
    loss = ((h * y - x / 3) ** 2).mean()
    dot = graph.to_dot(loss, names={"x": x, "y": y, "h": h, "loss": loss})
    assert set(node_labels(dot)) == {"x", "y", "2 ×", "h: + const", "×", "−", "÷ 3", "** 2", "mean", "loss"}
    assert ("h: + const", "×") in edges(dot)
    assert ("y", "×") in edges(dot)
    assert 'point-size="9">scalar</font>' in dot


def test_several_outputs_and_leaves():
    x = tg.ones(2, requires_grad=True)
    y = x.relu()
    dot = graph.to_dot([y, y, x], names={"x": x})
    assert node_labels(dot) == ["x", "relu", "output 0", "x"]
    assert edges(graph.to_dot(nn.Parameter(tg.ones(2)))) == [("parameter", "output")]


def test_parameters_used_outside_of_their_module():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.part = nn.Linear(3, 2)

        def forward(self, x):
            return F.linear(x, self.part.weight)

    net = Net()
    assert "part.weight" in node_labels(graph.to_dot(net(tg.zeros(1, 3))))
    outside = F.linear(tg.zeros(1, 3), net.part.weight)
    assert "part.weight" in node_labels(graph.to_dot(outside, module=net))
    assert "w" in node_labels(graph.to_dot(outside))


def test_parameters_that_two_calls_of_no_common_module_share():
    net = nn.Sequential(nn.Linear(3, 2))
    labels = node_labels(graph.to_dot(net(tg.zeros(1, 3)) + net(tg.ones(1, 3))))
    assert labels.count("0.weight") == labels.count("0.bias") == 1


def test_a_bias_is_there_or_not():
    layer = nn.Linear(3, 2)
    layer.bias.requires_grad_(False)  # no node knows it: the rules do not need it
    assert '<bias<br/><font point-size="9">2</font>>' in graph.to_dot(layer(tg.zeros(1, 3)))
    bare = nn.Linear(3, 2, bias=False)
    for dot in (graph.to_dot(bare(tg.zeros(1, 3))), bare.graph(tg.zeros(1, 3)).dot):
        assert "weight" in node_labels(dot) and "b" not in node_labels(dot)


def test_frozen_parameter_is_still_a_parameter():
    layer = nn.Linear(3, 2, bias=False)
    layer.weight.requires_grad_(False)
    dot = graph.to_dot(layer(tg.ones(1, 3, requires_grad=True)))
    assert re.search(r"label=<weight<br/>.*shape=note", dot)


def test_model_and_input_may_be_gone():
    dot = graph.to_dot(nn.Sequential(nn.Linear(3, 2))(tg.zeros(1, 3)))
    assert boxes(dot) == ["Sequential", "Linear"]  # what the attributes were called died with the model
    assert edges(dot)[:2] == [("input", "linear"), ("w", "linear")]


def test_own_op_and_gradient_of_conv():
    @op
    def own(x):
        """Twice x."""
        return x * 2

    own.vjp(x=lambda g: g + g)
    del registry["own"]  # or other tests would expect a strategy for it
    x = tg.ones(1, 1, 4, requires_grad=True)
    w = tg.ones(1, 1, 3, requires_grad=True)
    y = own(F.conv1d(x, w))
    (dx,) = tg.autograd.grad((y * y).sum(), x, create_graph=True)
    dot = graph.to_dot(dx)
    assert {"own", "conv1d", "conv_transpose1d"} <= set(node_labels(dot))
    assert "own: Twice x." in dot


@given(st.data())
def test_every_op_and_every_edge_is_drawn(data):
    pool = [tg.ones(2, requires_grad=True) for _ in range(data.draw(st.integers(1, 3)))]
    for _ in range(data.draw(st.integers(1, 12))):
        picks = data.draw(st.lists(st.integers(0, len(pool) - 1), min_size=1, max_size=3))
        inputs = [pool[i] for i in picks]
        pool.append(inputs[0].relu() if len(inputs) == 1 else sum(inputs[1:], inputs[0]))
    nodes = list(walk(pool[-1].node))
    dot = graph.to_dot(pool[-1])
    assert len(node_labels(dot)) == len(nodes) + 1
    assert len(edges(dot)) == sum(len(node.parents) for node in nodes) + 1
    forward = re.findall(r"^  n(\d+) -> n(\d+) ", dot, re.M)
    assert all(int(tail) < int(head) for tail, head in forward)


def test_large_and_deep_graphs_need_no_recursion():
    x = y = tg.ones(2, requires_grad=True)
    for _ in range(10_000):
        y = y.relu()
    assert len(node_labels(graph.to_dot(y))) == 10_002

    class Nobody:
        def named_modules(self):
            return iter(())

        named_children = named_modules

    before, people = state.scope, [Nobody() for _ in range(2_000)]
    try:
        for person in people:
            state.scope = Scope(person, state.scope)
        y = x.relu()
    finally:
        state.scope = before
    dot = graph.to_dot(y)
    assert len(boxes(dot)) == 1_999 and node_labels(dot)[1] == "Nobody"  # the innermost is the op itself


def test_drawing_keeps_nothing_alive():
    model = LeNet()
    y = model(tg.zeros(1, 1, 28, 28))
    drawing = graph.draw(y, module=model)
    gone = weakref.ref(model), weakref.ref(y)
    del model, y
    assert [ref() for ref in gone] == [None, None]
    assert drawing.dot


# --- errors ---------------------------------------------------------------------------------------


def test_wrong_calls():
    x = tg.ones(2, requires_grad=True)
    with pytest.raises(GraphError, match=r"output 0 \(2,\) was not recorded.*requires grad"):
        graph.to_dot(tg.ones(2))
    with pytest.raises(DtypeError, match="output 1 is a int; it must be a Tensor"):
        graph.to_dot([x, 3])
    with pytest.raises(DtypeError, match="output 0 is a ndarray"):
        graph.to_dot(np.ones(2))
    with pytest.raises(DtypeError, match=r"names\['h'\] is a float"):
        graph.to_dot(x, names={"h": 1.0})
    with pytest.raises(ArgumentError, match="direction is 'up'"):
        graph.to_dot(x, direction="up")
    with pytest.raises(ArgumentError, match=r"must end in one of \.svg"):
        graph.render(x, "graph.jpg")


# --- pictures -------------------------------------------------------------------------------------


@pytest.fixture(params=["pure", "dot"])
def renderer(request, monkeypatch, tmp_path):
    """Draw with graphviz-pure alone, or by way of a program called `dot` (graphviz-pure in disguise)."""
    monkeypatch.setenv("PATH", str(tmp_path))
    if request.param == "dot":
        (tmp_path / "dot").symlink_to(PURE)
    return request.param


@pytest.mark.parametrize(("suffix", "start"), [("svg", b"<?xml"), ("png", b"\x89PNG"), ("dot", b"digraph")])
def test_formats(renderer, tmp_path, suffix, start):
    y = LeNet()(tg.zeros(2, 1, 28, 28))
    path = graph.render(y, tmp_path / f"graph.{suffix}", names={"y": y})
    assert path.read_bytes().startswith(start)


def test_hostile_names_survive(renderer):
    name = 'a "b" \\n <c> & \N{SNOWMAN} \0\n\\'
    x = tg.ones(2, requires_grad=True)
    svg = graph.draw(x.relu(), names={name: x})._repr_svg_()
    assert "a &quot;b&quot; \\n &lt;c&gt; &amp; \N{SNOWMAN}" in svg


@pytest.mark.parametrize("direction", ["TB", "LR"])
@pytest.mark.parametrize("name", MODELS)
def test_models_render(name, direction):
    svg = draw_model(name, direction=direction).svg()
    assert svg.count('class="node"') == len(node_labels(draw_model(name).dot))


def test_missing_tools(monkeypatch, tmp_path):
    drawing = graph.draw(tg.ones(2, requires_grad=True).relu())
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingToolError, match=r"graphviz-pure cannot write \.pdf.*apt install graphviz"):
        drawing.save(tmp_path / "graph.pdf")
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(tmp_path))
    with pytest.raises(MissingToolError, match="pip install graphviz-pure"):
        drawing.svg()
    assert drawing.save(tmp_path / "graph.dot").exists()  # the text needs no tool


def test_notebooks_show_the_picture_or_the_text(monkeypatch, tmp_path):
    drawing = graph.draw(tg.ones(2, requires_grad=True).relu())
    shown = drawing._repr_mimebundle_()
    assert shown == {"image/svg+xml": drawing.svg(), "text/plain": str(drawing)}
    assert drawing._repr_svg_() == drawing.svg()
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(tmp_path))
    shown = drawing._repr_mimebundle_()
    assert list(shown) == ["text/plain"] and drawing._repr_svg_() is None
    assert shown["text/plain"].startswith(str(drawing)) and "pip install graphviz-pure" in shown["text/plain"]


def test_graphviz_failing_is_reported(renderer):
    with pytest.raises(Error, match=r"Graphviz failed with status 1: .*syntax error"):
        graph.Drawing("digraph { [ }").svg()


def test_graphviz_is_imported_late():
    code = "import sys, tinygrad_cnn.graph; assert 'graphviz' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_repr():
    drawing = graph.draw(tg.ones(2, requires_grad=True).relu())
    assert repr(drawing).startswith("<Drawing, ")


# --- how it is laid out ---------------------------------------------------------------------------


def places(svg: str) -> dict[str, tuple[float, float]]:
    """Title of each node -> (x, y), y downwards."""
    found = re.findall(
        r'class="node">.*?<text text-anchor="middle" x="([^"]*)" y="([^"]*)"[^>]*>([^<]*)<', svg, re.S
    )
    return {title: (float(x), float(y)) for x, y, title in found}


def test_a_unet_is_drawn_as_a_u():
    model = tg.models.UNet(1, 1, width=2, depth=2)
    at = places(model.graph(tg.zeros(1, 1, 8, 8), depth=1, direction="U").svg())
    down, up = "down.{}: Sequential", "up.{}: ConvTranspose2d"
    assert at[down.format(0)][1] < at[down.format(1)][1] < at[down.format(2)][1]  # down on the left
    assert at[up.format(0)][1] > at[up.format(1)][1] > at["head: Conv2d"][1]  # up on the right
    assert abs(at[down.format(2)][1] - at[up.format(0)][1]) < 3  # around the corner on one level
    assert at[down.format(0)][0] == at[down.format(2)][0] < at[up.format(0)][0] == at["head: Conv2d"][0]
    assert at["input"][1] == at["output"][1]


def test_a_u_turns_between_modules():
    made = picture(tg.models.UNet(1, 1, width=2, depth=2)(tg.zeros(1, 1, 8, 8)))
    rising = writer._Writer(made, "U").rising
    modules = [part for part in made.page.content[1].content if isinstance(part, Box)]
    for module in modules:  # all of it, or nothing
        ops = [item for item in module.items() if item.kind == "op"]
        assert len(rising.intersection(ops)) in (0, len(ops))
    assert rising and not rising.issuperset(modules[0].items())


def test_a_u_of_both_passes_is_top_to_bottom():
    y = tg.models.UNet(1, 1, width=2, depth=1)(tg.zeros(1, 1, 8, 8)).mean()
    assert graph.to_dot(y, direction="U", passes="both") == graph.to_dot(y, passes="both")


def test_a_u_without_bridges_is_top_to_bottom():
    y = LeNet()(tg.zeros(2, 1, 28, 28))
    assert graph.to_dot(y, direction="U") == graph.to_dot(y)


def test_an_op_that_is_all_of_its_module_bears_its_name():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1))
    dot = graph.to_dot(model(tg.zeros(1, 1, 8, 8)))
    assert boxes(dot) == ["Sequential", "0: Conv2d"]
    assert node_labels(dot)[-3:] == ["1: ReLU", "2: AdaptiveAvgPool2d", "output"]
    assert ">mean · keepdim True" in dot  # what the module's name does not say


def test_both_passes_stand_level():
    model = nn.Linear(3, 4)
    at = places(graph.draw(model(tg.ones(2, 3)).exp().sum(), passes="both").svg())
    for title in ("linear", "exp", "sum"):
        rule = next(other for other in at if other.startswith(f"{title}: "))
        assert abs(at[title][1] - at[rule][1]) < 8 and at[title][0] < at[rule][0]
    assert abs(at["linear: ∂w"][1] - at["weight.grad"][1]) < 8


def test_folding_repeats_leaves_no_arrow_twice():
    model = nn.Sequential(*(part for _ in range(3) for part in (nn.Conv2d(4, 4, 3, padding=1), nn.ReLU())))
    dot = graph.to_dot(model(tg.zeros(1, 4, 8, 8)), repeats=True)
    assert "× 3" in dot
    assert len(edges(dot)) == len(set(edges(dot))) == 6
    x = tg.ones(2, requires_grad=True)
    assert edges(graph.to_dot(x * x, names={"x": x}, repeats=True)).count(("x", "×")) == 2


def test_text_stands_where_any_font_fits():
    svg = LeNet().graph(tg.zeros(2, 1, 28, 28)).svg()
    assert re.search(r'<svg font-family="Arial, [^"]*, sans-serif"', svg) and svg.count("Arial") == 1
    label = re.search(r'<text x="([\d.]+)"[^>]*>2×6×28×28</text>', svg)
    line = re.search(r'<path fill="none"[^>]* d="M([\d.]+),', svg)
    assert 0 < float(label[1]) - float(line[1]) < 10  # to the right of its line
    names = svg[svg.rindex('class="edge"') :]
    assert re.findall(r'paint-order="stroke"[^>]*>([^<]*)<', names)[:2] == ["LeNet", "conv1: Conv2d"]


class Siamese(nn.Module):
    def __init__(self):
        super().__init__()
        self.tower = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(72, 3))

    def forward(self, left, right):
        return (self.tower(left) - self.tower(right)).norm(dim=1)


def covered(svg: str) -> list[str]:
    """The names of boxes and labels of arrows that an arrow covers."""
    page = labels.Page(labels.Place(-1e6, -1e6, 1e6, 1e6))
    parts = re.split(r'(?=<g id="[^"]*" class="(?:cluster|node|edge)">)', svg)
    words = []
    for at, part in enumerate(parts):
        kind = re.match(r'<g id="[^"]*" class="(\w+)"', part)
        shape = re.search(r'<(?:path|polygon) [^>]*(?:d|points)="([^"]*)"', part)
        if kind and kind[1] == "edge":
            numbers = [float(n) for n in re.findall(r"-?[\d.]+", shape[1])]
            corners = list(zip(numbers[::2], numbers[1::2], strict=True))
            page.add_line(
                labels.along(corners[0], zip(corners[1::3], corners[2::3], corners[3::3], strict=True)),
                at,
                1.0,
            )
    text = (
        r'<text (?:text-anchor="(\w+)" )?x="([^"]*)" y="([^"]*)"[^>]*font-size="([\d.]+)" fill="#(\w+)"[^>]*>'
    )
    for anchor, x, y, size, colour, word in re.findall(text + "([^<]*)<", svg):
        if colour in ("1f2328", "ffffff"):
            continue  # inside of a node
        long = labels.width(word, float(size))
        left = float(x) - {"": 0, "middle": long / 2, "end": long}[anchor]
        place = labels.Place(left, float(y) - 0.6 * float(size), left + long, float(y))
        if page.cost(place):
            words.append(word)
    return words


@pytest.mark.parametrize(
    "make",
    [
        lambda: Siamese().graph(tg.zeros(2, 1, 8, 8), tg.ones(2, 1, 8, 8)),
        lambda: tg.models.resnet18().eval().graph(tg.zeros(1, 3, 32, 32), depth=2),
        lambda: tg.models.UNet(1, 1, width=2, depth=2).graph(tg.zeros(1, 1, 8, 8), depth=1),
        lambda: graph.draw(LeNet()(tg.zeros(2, 1, 28, 28)).sum(), passes="backward"),
    ],
)
def test_no_arrow_covers_a_word(make):
    assert covered(make().svg()) == []


def test_labels_go_where_there_is_room():
    line = [(50.0, float(y)) for y in range(0, 100, 4)]
    page = labels.Page(labels.Place(0, 0, 200, 100))
    page.add_line(line, "its own", 1.0)
    right = page.label("2×3", 9, (65, 50), line)
    assert right.anchor == "start" and 50 < right.left < 58
    page.add_line([(70.0, float(y)) for y in range(0, 100, 4)], "another", 1.0)
    wide = page.label("16×16×16", 9, (80, 50), line)
    assert wide.anchor == "end" and 42 < wide.right < 50
    assert not wide.covers(right)
    level = [(float(x), 20.0) for x in range(100, 190, 4)]
    above = page.label("2×3", 9, (145, 20), level)
    assert above.anchor == "middle" and above.bottom < 20
    assert page.label("2×3", 9, (30, 30), []).x == 30  # no line: where Graphviz wants it


def test_names_of_boxes_give_way_to_arrows():
    page = labels.Page(labels.Place(0, 0, 300, 100))
    page.add_line([(40.0, float(y)) for y in range(0, 40, 4)], "arrow", 1.0)
    name = page.name("conv1: Conv2d", 11, 15, 8, 292)
    assert name.left > 40
    assert page.name("conv1: Conv2d", 11, 80, 8, 292).left == 8


def test_equal_text_in_every_process():
    code = """
import tinygrad_cnn as tg
from tinygrad_cnn import graph
y = tg.models.resnet18().layer2(tg.zeros(1, 64, 8, 8)).sum()
for options in {}, {"passes": "both", "depth": 1}, {"repeats": True}, {"overlay": "memory"}:
    drawing = graph.draw(y, **options)
    print(drawing.dot, drawing.text, drawing.svg())
"""
    told = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(told) == 1
