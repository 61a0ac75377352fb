"""The explorer: what is in its pages, always; and in a real browser, where there is one."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import struct
import time
import zlib
from html.parser import HTMLParser
from pathlib import Path

import pytest
from browser import CHROMIUM, DRIVER, Browser, browser

import tinygrad_cnn as tg
from docs import gen_explorer
from tinygrad_cnn import graph, models, nn
from tinygrad_cnn.errors import ArgumentError, DtypeError
from tinygrad_cnn.graph import page
from tinygrad_cnn.graph.drawing import picture
from tinygrad_cnn.nn import functional as F

TOOLS = Path(__file__).parent.parent / "tools" / "explorer"
EVIL = "</script><script>document.title='owned'</script><img src=x onerror=alert(1)>&\u2028<!--"


def lenet(watch=True, seed=0):
    """(model, loss)"""
    tg.manual_seed(seed)
    model = models.LeNet5()
    if not watch:
        return model, F.cross_entropy(model(tg.rand(2, 1, 28, 28)), tg.tensor([1, 2]))
    with graph.watched():
        return model, F.cross_entropy(model(tg.rand(2, 1, 28, 28)), tg.tensor([1, 2]))


def content(text):
    """The JSON of a page, as its program reads it."""
    (found,) = re.findall(r'<script type="application/json" id="graph">(.*?)</script>', text, re.DOTALL)
    return json.loads(found)


def tags(text):
    """(name, names of the attributes) of all elements, as a reader of HTML sees them."""
    found = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attributes: found.append((tag, [name for name, _ in attributes]))
    parser.feed(text)
    return found


def item(data, title):
    return next(each for each in data["items"] if each["title"] == title)


def captions(each):
    return [image["caption"] for image in each["images"]]


class Hostile(nn.Module):
    def forward(self, x):
        return x.relu()


Hostile.__name__ = EVIL


# --- the text ----------------------------------------------------------------------------------------------


def test_the_page_says_what_the_picture_says(tmp_path):
    _, loss = lenet()
    path = graph.save_html(loss, tmp_path / "lenet.html", names={"loss": loss})
    assert path == tmp_path / "lenet.html"
    data = content(path.read_text(encoding="utf-8"))
    made = picture(loss, names={"loss": loss})
    assert [each["title"] for each in data["items"]] == [each.title for each in made.page.items()]
    assert len(data["arrows"]) == len(made.arrows)
    inner = [f"LeNet5.{name}" for name in ("conv1", "conv2", "fc1", "fc2", "fc3")]
    assert [box["path"] for box in data["boxes"]] == ["LeNet5", *inner]
    assert data["boxes"][0]["parameters"] == 61_706
    assert [box["parent"] for box in data["boxes"]] == [-1, 0, 0, 0, 0, 0]
    conv = item(data, "conv2d")
    assert data["boxes"][conv["box"]]["path"] == "LeNet5.conv1"
    ends = {(a["tail"], a["head"]) for a in data["arrows"]}
    assert (conv["id"], item(data, "add_bias")["id"]) in ends


def test_a_node_tells_its_rule_its_numbers_and_its_gradient():
    model, loss = lenet()
    data = page.data(picture(loss, module=model))
    conv = item(data, "conv2d")
    assert conv["explained"]["where"] == "LeNet5.conv1 (Conv2d)"
    rules = {row["name"]: row.get("code") for row in conv["explained"]["sections"][1]["rows"]}
    assert rules["w"] == "lambda g, x, geom: conv_weight_grad(g, x, geom=geom)"
    numbers = {row["name"]: row for row in conv["numbers"]}
    assert sum(numbers["result"]["bars"]) == 2 * 6 * 28 * 28 == sum(numbers["gradient"]["bars"])
    assert [image["caption"] for image in conv["images"]] == [
        "result, first example",
        "gradient, first example",
    ]
    assert all(base64.b64decode(image["png"]).startswith(b"\x89PNG") for image in conv["images"])
    assert conv["seconds"] > 0 and conv["rule_seconds"] > 0  # the gradients are computed for the page
    weight = item(data, "weight")
    (g,) = tg.autograd.grad(loss, model.conv1.weight, retain_graph=True)
    shown = next(row for row in weight["numbers"] if row["name"] == "gradient")["words"]
    assert f"max {float(g.max()):.4g}" in shown
    assert model.conv1.weight.grad is None


def test_a_run_that_nobody_watched_has_no_images_of_results():
    _, loss = lenet(watch=False)
    conv = item(page.data(picture(loss)), "conv2d")
    assert "seconds" not in conv
    assert captions(conv) == ["gradient, first example"]
    loss.backward()
    conv = item(page.data(picture(loss)), "conv2d")
    assert conv["images"] == conv["numbers"] == []


def test_equal_runs_give_equal_pages():
    first, second = (page.write(picture(lenet(watch=False)[1])) for _ in range(2))
    assert first == second


def test_no_name_becomes_html():
    @tg.op
    def strange(x):
        """</script><script>alert(2)</script> <b>bold</b>"""
        return x

    strange.vjp(x=lambda g: g)
    x = tg.ones(3, requires_grad=True)
    model = Hostile()
    text = page.write(picture(strange(model(x)), names={EVIL: x}))
    assert tags(text) == tags(page.write(picture(tg.ones(3, requires_grad=True))))
    assert [name for name, _ in tags(text)].count("script") == 2
    (data,) = re.findall(r'<script type="application/json" id="graph">(.*?)</script>', text, re.DOTALL)
    assert not set("<>&\u2028") & set(data)
    assert EVIL in [each["title"] for each in content(text)["items"]]
    assert "bold" in data and "alert(2)" in data
    assert "<!--" not in text


def test_nothing_is_loaded_from_elsewhere():
    text = page.write(picture(tg.ones(2, requires_grad=True).relu()))
    assert "default-src 'none'" in text
    assert [names for _, names in tags(text) if {"src", "href"} & set(names)] == []


def test_a_drawing_as_a_page_has_no_numbers(tmp_path):
    _, loss = lenet()
    drawing = graph.draw(loss, direction="LR")
    data = content(drawing.save(tmp_path / "a.html").read_text(encoding="utf-8"))
    assert data["direction"] == "LR"
    conv = item(data, "conv2d")
    assert "explained" not in conv and "keeps for backward" in conv["story"]
    assert graph.save_html(drawing, tmp_path / "b.html").read_bytes() == (tmp_path / "a.html").read_bytes()


def test_render_knows_the_suffix(tmp_path):
    _, loss = lenet(watch=False)
    path = graph.render(loss, tmp_path / "a.html", depth=1)
    assert content(path.read_text(encoding="utf-8"))["depth"] == 1


def test_pages_of_long_chains_stay_small(tmp_path):
    y = tg.ones(2, requires_grad=True)
    for _ in range(2_000):
        y = y.relu().exp()
    data = content(graph.save_html(y, tmp_path / "a.html").read_text(encoding="utf-8"))
    assert len(data["items"]) < 10
    for at in range(900):  # nothing repeats
        y = y.reshape(*(1,) * (at % 60), 2)
    data = content(graph.save_html(y, tmp_path / "b.html").read_text(encoding="utf-8"))
    assert 100 < len(data["items"]) < 310


def test_the_site_has_a_page_to_try(tmp_path):
    state = tg.get_rng_state()
    gen_explorer.write(tmp_path / "lenet.html")
    assert tg.get_rng_state() == state
    conv = item(content((tmp_path / "lenet.html").read_text(encoding="utf-8")), "conv2d")
    assert [image["caption"] for image in conv["images"]] == [
        "result, first example",
        "gradient, first example",
    ]


def test_errors(tmp_path):
    x = tg.ones(2, requires_grad=True).relu()
    with pytest.raises(ArgumentError, match="direction is 'up'"):
        graph.save_html(x, tmp_path / "a.html", direction="up")
    with pytest.raises(ArgumentError, match="depth is -1"):
        graph.save_html(x, tmp_path / "a.html", depth=-1)
    with pytest.raises(DtypeError, match="int; it must be a Tensor"):
        graph.save_html(3, tmp_path / "a.html")
    with pytest.raises(ArgumentError, match="DOT text alone"):
        graph.Drawing("digraph {}").save(tmp_path / "a.html")
    assert list(tmp_path.iterdir()) == []


def test_the_program_is_built_from_its_sources():
    digest = hashlib.sha256()
    for file in [TOOLS / "package.json", *sorted((TOOLS / "src").iterdir())]:
        digest.update(file.read_bytes())
    built = Path(page.__file__).parent / "explorer"
    head = (built / "explorer.js").read_text(encoding="utf-8").partition("\n")[0]
    assert digest.hexdigest() in head, "run: cd tools/explorer && npm ci && npm run build"
    assert (built / "explorer.css").read_bytes() == (TOOLS / "src" / "style.css").read_bytes()
    versions = json.loads((TOOLS / "package.json").read_text(encoding="utf-8"))["dependencies"]
    assert f"Viz.js {versions['@viz-js/viz']}" in (built / "LICENSES.txt").read_text(encoding="utf-8")


# --- in a browser ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def window():
    if DRIVER is None or CHROMIUM is None:
        if os.environ.get("CI"):
            pytest.fail("chromium and chromedriver are missing: apt-get install chromium chromium-driver")
        pytest.skip("no chromium and chromedriver here")
    with browser() as made:
        made.size(1200, 900)
        yield made


@pytest.fixture
def opened(window, tmp_path):
    """Open a page of a tensor, and see that nothing went wrong in it."""

    def go(tensor, **options) -> Browser:
        window.console()
        window.open(graph.save_html(tensor, tmp_path / "page.html", **options).as_uri())
        window.wait("document.documentElement.dataset.ready")
        return window

    yield go
    assert window.console() == []
    assert window.run("return performance.getEntriesByType('resource').length") == 0


NODE = "[...document.querySelectorAll('g.node')].filter(g => g.querySelector('text').textContent === '{}')"
HEADING = "document.querySelector('aside h2').textContent"
COUNT = "return document.querySelectorAll('g.node').length"
VIEW = "return document.querySelector('main svg').getAttribute('viewBox').split(' ').map(Number)"


def pixels(image):
    """The different colours in a screenshot, and the share of the commonest; of its raw rows."""
    width, height = struct.unpack(">II", image[16:24])
    parts, at = b"", 8
    while at < len(image):
        (length,) = struct.unpack(">I", image[at : at + 4])
        if image[at + 4 : at + 8] == b"IDAT":
            parts += image[at + 8 : at + 8 + length]
        at += 12 + length
    rows = zlib.decompress(parts)
    return len(rows) // height // width, len(set(rows))


def test_all_that_is_there_is_drawn(opened):
    model, loss = lenet()
    there = opened(loss, module=model)
    assert there.run("return document.title") == "LeNet5"
    assert there.run(COUNT) == len(list(picture(loss).page.items()))
    assert there.run("return document.querySelectorAll('g.cluster').length") == 6
    channels, values = pixels(there.screenshot())
    assert channels >= 3 and values > 50


def test_a_click_tells_about_a_node(opened):
    model, loss = lenet()
    there = opened(loss, module=model)
    there.click("#" + there.run(f"return {NODE.format('conv2d')}[0].id"))
    assert there.run(f"return {HEADING}") == "conv2d2×6×28×28"
    said = there.run("return document.querySelector('aside').innerText")
    assert "lambda g, x, geom: conv_weight_grad(g, x, geom=geom)" in said
    assert "⌊(28 + 2 + 2 - 5) / 1⌋ + 1 = 28" in said
    assert "LeNet5.conv1" in said
    sizes = there.run("return [...document.querySelectorAll('aside img')].map(i => i.naturalWidth)")
    assert len(sizes) == 2 and min(sizes) > 50
    assert there.run("return document.querySelectorAll('.bars i').length") >= 32
    there.type("Escape")
    assert there.run(f"return {HEADING}") == "Explore"


def test_modules_fold_and_unfold(opened):
    model = models.resnet18()
    there = opened(model(tg.zeros(2, 3, 32, 32)), module=model, depth=1)
    folded = there.run(COUNT)
    names = "[...document.querySelectorAll('g.node.module text:first-of-type')]"
    titles = there.run(f"return {names}.map(t => t.textContent)")
    assert "▸ layer1: Sequential" in titles
    layer = "#" + there.run(f"return {NODE.format('▸ layer1: Sequential')}[0].id")
    there.click(layer)
    assert "147,968 parameters" in there.run("return document.querySelector('aside').innerText")
    there.click(layer, count=2)
    there.wait(f"!{NODE.format('▸ layer1: Sequential')}.length")
    assert there.run(COUNT) > folded
    there.click(f".title[data-box={layer[1:]}]")  # the name of the open box
    there.wait(f"{NODE.format('▸ layer1: Sequential')}.length")
    assert there.run(COUNT) == folded
    there.click("[title='unfold all modules']")
    every = there.run(COUNT)
    assert every > 100
    there.click("[title='show or hide parameters']")
    assert there.run(COUNT) < every - 50
    there.click("[title='fold all modules']")
    assert there.run(COUNT) < 20


class Dense(nn.Module):
    """Each part reads what all before it gave: arrows cross everything."""

    def __init__(self, parts):
        super().__init__()
        self.parts = nn.ModuleList(
            nn.Sequential(nn.Linear(4 * n, 4), nn.ReLU(), nn.Linear(4, 4)) for n in range(1, parts)
        )

    def forward(self, x):
        seen = [x]
        for part in self.parts:
            seen.append(part(tg.cat(seen, 1)))
        return tg.cat(seen, 1)


def test_no_more_is_unfolded_than_can_be_laid_out(opened):
    model = Dense(29)
    there = opened(model(tg.zeros(2, 4)), module=model, depth=1)
    folded = there.run(COUNT)
    begun = time.monotonic()
    there.click("[title='unfold all modules']")
    assert time.monotonic() - begun < 20  # all of it would take minutes
    assert there.run("return document.querySelector('output').textContent").startswith("too much")
    assert there.run(COUNT) == folded
    there.click("#" + there.run(f"return {NODE.format('▸ parts.3: Sequential')}[0].id"), count=2)
    assert there.run(COUNT) > folded  # one can be opened


def test_search_finds_and_opens(opened):
    model = models.resnet18()
    there = opened(model(tg.zeros(2, 3, 32, 32)), module=model, depth=0)
    there.type("/")
    there.type("layer2 conv2d 1×1")
    assert there.run("return document.querySelector('output').textContent") == "1 found"
    there.type("Enter")
    assert there.run(f"return {HEADING}").startswith("conv2d")
    assert "ResNet.layer2.0.downsample.0" in there.run("return document.querySelector('aside').innerText")
    assert there.run("return document.querySelectorAll('g.selected').length") == 1
    there.type("Escape")
    assert there.run("return document.querySelector('input').value") == ""


def test_what_is_found_comes_in_the_order_of_the_graph(opened):
    model, loss = lenet()
    there = opened(loss, module=model)
    there.type("/")
    there.type("conv")
    found = []
    for _ in range(6):
        there.type("Enter")
        found.append(there.run(f"return {HEADING}"))
    assert found[0] == "conv1: Conv2d" and found[5] == "conv2: Conv2d"
    assert [text[:6] for text in found[1:5]] == ["weight", "conv2d", "bias6", "add_bi"]
    there.run("document.querySelector('main').focus()")
    there.type("Escape", "Escape")
    assert there.run("return document.querySelectorAll('g.found').length") == 0


def test_a_reader_of_the_screen_hears_a_word(opened):
    model, loss = lenet()
    there = opened(loss, module=model)
    there.run("document.querySelector('main').focus()")
    there.type("ArrowDown", "ArrowDown")
    heard = "return document.querySelector('[role=status]').textContent"
    assert there.run(heard) == "conv2d, 2×6×28×28, in LeNet5.conv1"
    there.type("Enter")
    assert there.run(heard) == "conv1: Conv2d, folded"
    there.run("document.querySelector('aside').focus()")
    there.type("ArrowDown")  # it scrolls there
    assert there.run(heard) == "conv1: Conv2d, folded"
    there.type("Escape")
    assert there.run(heard) == ""
    names = "[...document.querySelectorAll('button, input, main, aside, nav')].map(e => e.ariaLabel)"
    assert all(there.run(f"return {names}"))


def test_every_key_has_its_place(opened):
    model, loss = lenet()
    there = opened(loss, module=model)
    places = []
    for _ in range(10):
        there.type("Tab")
        places.append(there.run("return document.activeElement.title || document.activeElement.tagName"))
        assert there.run("return getComputedStyle(document.activeElement).outlineStyle") == "solid"
    assert places[0] == "INPUT" and places[8:] == ["MAIN", "ASIDE"]


def test_a_click_beside_the_graph_lets_go(opened):
    model, loss = lenet()
    there = opened(loss, module=model)
    there.click("#" + there.run(f"return {NODE.format('relu')}[0].id"))
    assert there.run(f"return {HEADING}").startswith("relu")
    there.drag(12, 500, 0, 60)
    assert there.run(f"return {HEADING}").startswith("relu")  # moving it is no click
    there.drag(12, 500, 0, 0)
    assert there.run(f"return {HEADING}") == "Explore"


def test_arrows_walk_along_the_edges(opened):
    x = tg.rand(1, 1, 6, 6).requires_grad_()
    side = x.exp()
    there = opened((side + side.relu()).sum(), names={"x": x})
    walked = []
    for key in ["ArrowDown", "ArrowDown", "ArrowDown", "ArrowDown", "ArrowUp", "ArrowUp"]:
        there.type(key)
        walked.append(there.run("return document.querySelector('aside h2').firstChild.textContent"))
    assert walked[:2] == ["x", "exp"]
    assert walked[2] in ("relu", "+") and "+" in walked[2:4]
    assert walked[5] in ("exp", "relu")


def test_enter_folds_what_is_around(opened):
    model, loss = lenet()
    there = opened(loss, module=model)
    there.run("document.querySelector('main').focus()")
    there.type("ArrowDown", "ArrowDown")
    assert there.run(f"return {HEADING}").startswith("conv2d")
    there.type("Enter")
    assert there.run(f"return {HEADING}") == "conv1: Conv2d"
    assert there.run(f"return {NODE.format('▸ conv1: Conv2d')}.length") == 1
    there.type("Enter")
    assert there.run(f"return {NODE.format('▸ conv1: Conv2d')}.length") == 0


def test_it_pans_zooms_and_turns(opened):
    model, loss = lenet()
    there = opened(loss, module=model)
    before = there.run(VIEW)
    there.drag(60, 500, 0, 100)
    after = there.run(VIEW)
    assert after[1] < before[1] and after[2:] == before[2:]
    there.scroll(300, 500, -300)
    assert there.run(VIEW)[2] < after[2] * 0.8
    there.type("Home")
    assert there.run(VIEW) == before
    there.type("0")  # all of it
    inside = (
        "const [m, g] = ['main', 'main svg > g'].map(s => document.querySelector(s).getBoundingClientRect());"
        "return g.left >= m.left && g.right <= m.right && g.top >= m.top - 1 && g.bottom <= m.bottom + 1"
    )
    assert there.run(inside)
    there.click("[title^='top to bottom']")
    assert there.run("const b = document.querySelector('main svg > g').getBBox(); return b.width > b.height")


def test_light_and_dark(opened):
    model, loss = lenet()
    there = opened(loss, module=model)
    colours = []
    for _ in range(3):
        there.click("[title^='light, dark']")
        script = (
            "return [getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"
        )
        colours.append(tuple(there.run(script)))
    assert ("rgb(13, 17, 23)", "rgb(230, 237, 243)") in colours
    assert ("rgb(245, 247, 250)", "rgb(31, 35, 40)") in colours


def test_hostile_names_do_nothing(opened):
    x = tg.ones(3, requires_grad=True)
    there = opened(Hostile()(x).sum(), names={EVIL: x})
    assert there.run("return document.title").startswith("</script><script>document.title='owned'")
    for node in there.run("return [...document.querySelectorAll('g.node')].map(g => g.id)"):
        there.click(f"#{node}")
    assert (
        there.run("return document.querySelectorAll('main img, aside img[src=x], main script').length") == 0
    )
    assert "onerror" in there.run("return document.querySelector('main svg').textContent")


def test_both_passes_with_an_overlay(opened):
    model, loss = lenet()
    there = opened(loss, module=model, passes="both", overlay="memory")
    assert there.run("return document.querySelectorAll('g.edge.gradient').length") > 10
    assert there.run("return document.querySelectorAll('g.node[class*=heat]').length") > 5


def test_a_phone(opened):
    model, loss = lenet()
    there = opened(loss, module=model)
    try:
        there.size(420, 800)
        there.run("document.querySelector('main').focus()")
        there.type("Home", "ArrowDown", "ArrowDown")
        inside = there.run(
            "const m = document.querySelector('main').getBoundingClientRect();"
            "const n = document.querySelector('g.selected').getBoundingClientRect();"
            "return n.left >= m.left && n.right <= m.right && n.top >= m.top && n.bottom <= m.bottom"
        )
        assert inside
        assert there.run("return document.documentElement.scrollWidth <= innerWidth")
    finally:
        there.size(1200, 900)
