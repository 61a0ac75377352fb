"""What the moving window says is read back from the picture, worked out again, and compared with the ops."""

from __future__ import annotations

import re
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import tinygrad_cnn as tg
from docs.figures import make_three_ways, make_windows
from tinygrad_cnn.errors import ArgumentError, DtypeError, MissingToolError, ShapeError
from tinygrad_cnn.nn import functional as F
from tinygrad_cnn.testing.strategies import conv_configs, conv_transpose_configs, pool_configs
from tinygrad_cnn.vision import Animation, animate_conv, canvas
from tinygrad_cnn.vision.canvas import Boxes, Line, Slide, Words, number

GOLDEN = Path(__file__).parent / "golden" / "window.svg"
SEEDS = st.integers(0, 99)


def whole(seed, shape):
    return np.random.default_rng(seed).integers(-4, 5, shape)


def value(text: str) -> float:
    return float(text.replace("−", "-"))


def said(still: Animation) -> str:
    """What stands in the panel under the grids, in one line."""
    panel = next(m for m in reversed(still.marks) if isinstance(m, Boxes) and m.fill == canvas.EMPTY)
    return " ".join(m.text for m in still.marks if isinstance(m, Words) and m.y > panel.corners[0][1])


def worked_out(still: Animation) -> tuple[float, float]:
    """The two sides of what is said."""
    left, right = re.split("[=≈]", said(still))
    left = left.replace("−", "-").replace("·", "*")
    return eval(left, {"max": lambda *numbers: max(numbers)}), value(right)


def in_box(still: Animation, x: float, y: float, width: float, height: float) -> list[str]:
    """The numbers in there, without the small ones."""
    return [
        m.text
        for m in still.marks
        if isinstance(m, Words) and m.anchor == "middle" and x < m.x < x + width and y < m.y < y + height
    ]


def framed(still: Animation, colour: str = canvas.FRAME) -> list[list[str]]:
    boxes = [m for m in still.marks if isinstance(m, Boxes) and m.line == colour]
    return [in_box(still, *box.corners[0], box.width, box.height) for box in boxes]


def result_of(still: Animation, shape: tuple[int, ...]) -> np.ndarray:
    """The numbers in the cells of the result, which are those that were empty at first."""
    cells = next(m for m in still.marks if isinstance(m, Boxes) and m.fill == canvas.EMPTY)
    texts = [in_box(still, *corner, cells.width, cells.height) for corner in cells.corners]
    return np.array([value(text) if text else np.nan for (text,) in ((t or [""]) for t in texts)]).reshape(
        shape
    )


def as_image(a) -> tg.Tensor:
    return tg.tensor(np.asarray(a, np.float64)[None, None])


# --- what is shown is true -------------------------------------------------------------------------


@given(conv_configs(), st.sampled_from(["correlation", "convolution"]), SEEDS)
def test_each_sum_is_the_number_of_the_result(config, kind, seed):
    x, w = whole(seed, config.x_shape[2:]), whole(seed + 1, config.w_shape[2:])
    how = {"stride": config.stride, "padding": config.padding, "dilation": config.dilation}
    steps = animate_conv(x, w, kind=kind, **how)
    taps = w[::-1, ::-1] if kind == "convolution" else w
    expected = F.conv2d(as_image(x), as_image(taps.copy()), **how).numpy()[0, 0]
    assert len(steps) == expected.size
    for k, each in enumerate(expected.flat):
        still = steps.frame(k)
        assert worked_out(still) == (each, each)
        assert said(still).count("·") == w.size
        window, result = framed(still)
        assert [value(text) for text in result] == [each]
        dots = re.findall(r"\(?(−?\d+)\)?·\(?(−?\d+)\)?", said(still))
        assert [value(weight) for _, weight in dots] == taps.reshape(-1).tolist()
        if config.dilation == (1, 1):
            assert [pixel for pixel, _ in dots] == window
    assert (result_of(steps.frame(-1), expected.shape) == expected).all()


@given(pool_configs(dilated=False), SEEDS)
def test_each_average(config, seed):
    x = whole(seed, config.x_shape[2:])
    how = {"stride": config.stride, "padding": config.padding, "ceil_mode": config.ceil_mode}
    steps = animate_conv(x, config.kernel, kind="average", **how)
    expected = F.avg_pool2d(as_image(x), config.kernel, **how).numpy()[0, 0]
    for k, each in enumerate(expected.flat):
        left, right = worked_out(steps.frame(k))
        assert left == pytest.approx(each, rel=1e-12)
        assert right == pytest.approx(each, abs=0.005 + 1e-12)
        assert ("=" in said(steps.frame(k))) == (right == each)


@given(pool_configs(), SEEDS)
def test_each_winner(config, seed):
    x = whole(seed, config.x_shape[2:])
    how = {"stride": config.stride, "padding": config.padding, "dilation": config.dilation}
    how["ceil_mode"] = config.ceil_mode
    steps = animate_conv(x, config.kernel, kind="max", **how)
    expected, winners = F.max_pool2d(as_image(x), config.kernel, **how, return_indices=True)
    for k, each in enumerate(expected.numpy().flat):
        still = steps.frame(k)
        assert worked_out(still) == (each, each)
        assert framed(still, canvas.WINNER) == [[number(each)]]
    first = next(m for m in steps.marks if isinstance(m, Boxes) and m.fill == canvas.PLAIN)
    for k, winner in enumerate(winners.numpy().flat):
        (box,) = (m for m in steps.frame(k).marks if isinstance(m, Boxes) and m.line == canvas.WINNER)
        x, y = first.corners[winner]  # of the pixels, in row-major order
        assert box.corners == ((x + 2, y + 2),)


def test_of_equals_the_first_wins():
    still = animate_conv([[7, 7], [7, 7]], 2, kind="max").frame(0)
    (box,) = (m for m in still.marks if isinstance(m, Boxes) and m.line == canvas.WINNER)
    cells = next(m for m in still.marks if isinstance(m, Boxes) and m.fill == canvas.PLAIN)
    assert box.corners[0] == (cells.corners[0][0] + 2, cells.corners[0][1] + 2)


@given(conv_transpose_configs(), SEEDS)
def test_each_stamp(config, seed):
    x, w = whole(seed, config.x_shape[2:]), whole(seed + 1, config.w_shape[2:])
    how = {"stride": config.stride, "padding": config.padding, "dilation": config.dilation}
    how["output_padding"] = config.output_padding
    steps = animate_conv(x, w, kind="transposed", **how)
    assert len(steps) == x.size
    for k in range(x.size):
        seen = np.where(np.arange(x.size).reshape(x.shape) <= k, x, 0)
        expected = F.conv_transpose2d(as_image(seen), as_image(w), **how).numpy()[0, 0]
        still = steps.frame(k)
        assert (result_of(still, expected.shape) == expected).all()
        assert framed(still)[1] == [number(x.flat[k])]
        small = [m.text for m in still.marks if isinstance(m, Words) and m.anchor == "end"]
        assert [value(text) for text in small] == (x.flat[k] * w).reshape(-1).tolist()


def test_only_what_is_cut_off_is_dashed():
    """5×5 numbers are made of 2×2; padding cuts a row and a column at the start, the end is asked for."""
    how = {"stride": 2, "padding": 1, "output_padding": 1}
    steps = animate_conv(2, 3, kind="transposed", **how)
    (dashed,) = (m for m in steps.marks if isinstance(m, Boxes) and m.dashed)
    assert len(dashed.corners) == 25 - 16


@pytest.mark.parametrize("padding", ["valid", "same", "full", 1, (0, 2), ((1, 0), (0, 2))])
def test_every_way_to_pad(padding):
    x, w = whole(0, (5, 4)), whole(1, (3, 2))
    steps = animate_conv(x, w, padding=padding)
    expected = F.conv2d(as_image(x), as_image(w), padding=padding).numpy()[0, 0]
    assert (result_of(steps.frame(-1), expected.shape) == expected).all()


def test_numbers_are_made_up_where_only_a_size_is_given():
    steps = animate_conv((4, 5), 2)
    cells = next(m for m in steps.marks if isinstance(m, Boxes) and m.fill == canvas.PLAIN)
    assert len(cells.corners) == 20
    assert len(steps) == 12
    assert animate_conv(np.int64(3), (2, 2)).svg() == animate_conv((3, 3), 2).svg()


def test_tensors_are_images():
    x, w = whole(0, (3, 3)), whole(1, (2, 2))
    assert animate_conv(tg.tensor(x), tg.tensor(w)).svg() == animate_conv(x, w).svg()


def test_what_is_not_written_in_full_is_about():
    still = animate_conv([[0.123456, 1.0]], [[1, 1]]).frame(0)
    assert said(still).endswith("≈ 1.12")
    assert said(animate_conv([[0.25, 1.0]], [[1, 1]]).frame(0)).endswith("= 1.25")


def test_results_stay_and_the_window_goes():
    steps = animate_conv(whole(0, (4, 4)), whole(1, (2, 2)))
    for k in range(len(steps)):
        known = result_of(steps.frame(k), (9,))
        assert np.isfinite(known[: k + 1]).all()
        assert np.isnan(known[k + 1 :]).all()


# --- what is written -------------------------------------------------------------------------------


def test_the_picture_as_text():
    """To accept a change: python -c "import test_animation as t; t.GOLDEN.write_text(t.small().svg())"."""
    assert small().svg() == GOLDEN.read_text(encoding="utf-8")


def small() -> Animation:
    return animate_conv([[1, 2, 3]], [[1, -1]])


def test_an_svg_shows_its_last_step_until_it_is_moved():
    root = ElementTree.fromstring(animate_conv(4, 2).svg())
    style = root.find("{*}style").text
    assert style.lstrip().startswith("@media (prefers-reduced-motion: no-preference)")
    hidden = {id(t) for g in root.iterfind("{*}g[@visibility]") for t in g.iter()}
    seen = [t.text for t in root.iter("{http://www.w3.org/2000/svg}text") if id(t) not in hidden]
    assert seen == animate_conv(4, 2).words(-1)
    used = {g.get("class") for g in root.iterfind("{*}g[@class]")}
    assert used == set(re.findall(r"@keyframes ([\w-]+)", style)) == set(re.findall(r"\.(t[\w-]+)\{", style))


def test_the_clock():
    """Three steps and one more for the last: each is seen for a quarter of the time."""
    marks = [Words(0, 0, str(k), when=(k, k + 1)) for k in range(3)]
    svg = Animation("count", 10, 10, marks, 3, pause=0.5).svg()
    frames = re.findall(r"@keyframes [\w-]+\{(.*)\}", svg)
    assert frames == [
        "0%{visibility:visible}25%{visibility:hidden}",
        "0%{visibility:hidden}25%{visibility:visible}50%{visibility:hidden}",
        "0%{visibility:hidden}50%{visibility:visible}",
    ]
    assert svg.count(" 2s step-end infinite") == 3


def test_a_slide_stays_for_a_step_and_then_is_on_its_way():
    """Two steps of 1 s, of which the last is seen twice; 1/3 s to get there."""
    slide = Slide(Boxes(((1, 2),), 3, 3), ((0, 0), (30, 0)))
    picture = Animation("to and fro", 40, 10, [slide], 2, pause=1)
    (frames,) = re.findall(r"@keyframes t\w+-s0\{(.*)\}", picture.svg())
    assert frames == (
        "0%,22.22%{transform:translate(0px,0px)}33.33%,88.89%{transform:translate(30px,0px)}"
        "100%{transform:translate(0px,0px)}"
    )
    assert 'transform="translate(30 0)"' in picture.svg()  # where nothing moves
    assert [picture.frame(k).marks for k in range(2)] == [
        [Boxes(((1, 2),), 3, 3)],
        [Boxes(((31, 2),), 3, 3)],
    ]


def test_grids_that_are_too_wide_for_a_phone_stand_below_each_other():
    """Image, kernel and result; the result goes where less stands."""
    for image, kernel, kind, columns in (
        (4, 3, "correlation", [["image"], ["kernel"], ["result"]]),
        (7, 3, "correlation", [["image"], ["kernel", "result"]]),
        (5, 3, "convolution", [["image", "result"], ["kernel", "kernel, turned"]]),
        (6, 3, "transposed", [["image", "kernel"], ["result"]]),
    ):
        still = animate_conv(image, kernel, kind=kind, padding=(kind == "convolution") * 1).frame(0)
        found: dict[float, list[str]] = {}
        for mark in still.marks:
            if isinstance(mark, Words) and mark.colour == canvas.PAPER:
                found.setdefault(mark.x, []).append(re.sub(r" \d.*", "", mark.text))
        assert [found[x] for x in sorted(found)] == columns


def test_what_is_drawn_has_other_names():
    still = animate_conv(3, 2, kind="convolution", names=("dZ", "W", "dA"))
    assert [m.text for m in still.marks if isinstance(m, Words) and m.colour == canvas.PAPER] == [
        "dZ 3×3", "W", "W, turned", "dA 2×2",
    ]  # fmt: skip


def test_two_pictures_on_a_page_have_clocks_of_their_own():
    names = [set(re.findall(r"class=\"([\w-]+)\"", animate_conv(n, 2).svg())) for n in (3, 4)]
    assert not names[0] & names[1]


def test_a_frame_is_still():
    svg = animate_conv(4, 2).frame(2).svg()
    assert "style" not in svg
    assert "visibility" not in svg
    ElementTree.fromstring(svg)


@pytest.mark.parametrize(("kind", "magic"), [("gif", b"GIF89a"), ("png", b"\x89PNG"), ("svg", b"<svg")])
def test_every_format(tmp_path, kind, magic):
    steps = animate_conv([[1, 2, 3]], [[1, 2]], pause=0.4)
    path = steps.save(tmp_path / "new" / f"a.{kind}")
    assert path.read_bytes().startswith(magic)
    assert [p.name for p in path.parent.iterdir()] == [f"a.{kind}"]
    if kind != "svg":
        with Image.open(path) as image:
            assert image.n_frames == 2
            assert image.size == (round(2 * steps.width), round(2 * steps.height))
            durations = []
            for k in range(2):
                image.seek(k)
                durations.append(image.info["duration"])
        assert durations == [400, 800]


def test_pixels_and_svg_show_the_same_boxes(tmp_path):
    steps = animate_conv([[1, 2, 3]], [[1, 2]])
    with Image.open(steps.frame(1).save(tmp_path / "a.png")) as image:
        for mark in steps.frame(1).marks:
            if isinstance(mark, Boxes) and mark.fill == canvas.SEEN:
                for x, y in mark.corners:
                    pixel = image.convert("RGB").getpixel((2 * x + 10, 2 * y + 10))
                    assert bytes(pixel).hex() == canvas.SEEN[1:]


@pytest.mark.parametrize("kind", ["gif", "png"])
def test_the_colours_of_all_steps_are_true(tmp_path, kind):
    """One palette serves all, but nobody sees it."""
    steps = animate_conv([[1, 2, 3, 4, 5]], (1, 2), kind="max", stride=1, padding=(0, 1))
    path = steps.save(tmp_path / f"a.{kind}")
    with Image.open(path) as image:
        for k in range(len(steps)):
            image.seek(k)
            found = np.asarray(image.convert("RGB"), int)
            expected = np.asarray(canvas._paint(steps.frame(k)), int)
            assert np.abs(found - expected).max() < 40  # at the edges of letters
            assert (np.abs(found - expected).max(-1) <= 4).mean() > 0.98


def test_lines_and_arrows_are_written_and_painted(tmp_path):
    line = Line(((5, 5), (35, 5)), "#0072b2", 2, arrow=True, dashed=True)
    picture = Animation("an arrow", 40, 10, [line])
    assert '<polyline points="5,5 35,5"' in picture.svg()
    assert picture.svg().count("<polygon") == 1
    with Image.open(picture.save(tmp_path / "a.png")) as image:
        assert image.convert("RGB").getpixel((60, 10)) == (0, 0x72, 0xB2)


def test_dashes_are_painted_as_the_svg_says(tmp_path):
    marks = [
        Boxes(((4, 4),), 30, 30, "#eeeeee", "#000000", 2, dashed=True),
        Line(((50, 5), (50, 35)), "#000000", 2, dashed=True),
    ]
    picture = Animation("dashes", 60, 40, marks)
    assert picture.svg().count('stroke-dasharray="3 3"') == 2
    image = Image.open(picture.save(tmp_path / "a.png")).convert("L")
    top = [image.getpixel((2 * x, 8)) < 128 for x in range(4, 32)]
    assert top == [x // 3 % 2 == 0 for x in range(28)]
    line = [image.getpixel((100, 2 * y)) < 128 for y in range(5, 33)]
    assert line == top
    assert image.getpixel((40, 40)) == 238


def test_a_notebook_shows_it():
    steps = small()
    assert steps._repr_svg_() == steps.svg()
    assert "2 steps" in repr(steps)


def test_it_is_told_what_is_seen():
    assert "<title>correlation of a 1×3 image with a 1×2 kernel" in small().svg()


# --- what is refused -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("image", "kernel", "options", "error", "message"),
    [
        (4, 2, {"kind": "median"}, ArgumentError, "kind is 'median'; it can be 'correlation'"),
        (4, 2, {"output_padding": 1}, ArgumentError, "'correlation' has no output_padding"),
        (4, 2, {"ceil_mode": True}, ArgumentError, "'correlation' has no ceil_mode"),
        (4, 2, {"kind": "average", "dilation": 2}, ArgumentError, "'average' has no dilation"),
        (4, [[1, 2]], {"kind": "max"}, ArgumentError, "give the size of its window"),
        (0, 2, {}, ArgumentError, "at least 1"),
        (30, 2, {}, ArgumentError, "841 steps are too many"),
        (4, 2, {"pause": 0}, ArgumentError, "pause is 0"),
        (4, 2, {"names": ("f", "h")}, ArgumentError, "names are three"),
        (4, 2, {"names": "fgh"}, ArgumentError, "names are three"),
        (4, 2, {"stride": 0}, ArgumentError, "stride must be an int"),
        ([1, 2, 3], 2, {}, ShapeError, r"image has shape \(3,\)"),
        ([[1, 2], [3]], 2, {}, ShapeError, "different lengths"),
        (4, 5, {}, ShapeError, "a window spans 5"),
        (np.ones((2, 3, 3)), 2, {}, ShapeError, r"image has shape \(2, 3, 3\)"),
        ([["a"]], 1, {}, DtypeError, "give real numbers"),
        (4, [[1j]], {}, DtypeError, "kernel is of complex128"),
    ],
)
def test_refused(image, kernel, options, error, message):
    with pytest.raises(error, match=message) as caught:
        animate_conv(image, kernel, **options)
    assert str(caught.value).startswith(("animate_conv: ", "animation: "))


def test_a_step_that_is_not_there():
    with pytest.raises(ArgumentError, match="no step 4; they go from 0 to 3"):
        animate_conv(3, 2).frame(4)


def test_a_format_that_is_not_known(tmp_path):
    with pytest.raises(ArgumentError, match=r"'a\.mp4'; its name must end in one of \.svg, \.gif, \.png"):
        small().save(tmp_path / "a.mp4")


@pytest.mark.parametrize("missing", ["PIL", "matplotlib"])
def test_without_pillow_there_is_still_svg(tmp_path, monkeypatch, missing):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(MissingToolError, match=r"pip install 'tinygrad-cnn\[viz\]', or save an \.svg"):
        small().save(tmp_path / "a.gif")
    small().save(tmp_path / "a.svg")
    assert [p.name for p in tmp_path.iterdir()] == ["a.svg"]


# --- the figures of the chapter --------------------------------------------------------------------


@pytest.mark.parametrize("name", make_windows.FIGURES)
def test_the_figure_is_the_one_that_is_drawn(name):
    committed = (make_windows.HERE / f"{name}.svg").read_text(encoding="utf-8")
    assert committed == make_windows.FIGURES[name]().svg(), "run: python docs/figures/make_windows.py"


def test_the_figure_of_a_volume_adds_up():
    """Three sums, one for each channel; and what all of them add up to is what conv2d says."""
    steps = make_windows.volume()
    x, w = np.array([make_windows.VOLUME], float), np.array(make_windows.FILTERS, float)
    for k, each in enumerate(F.conv2d(tg.tensor(x), tg.tensor(w)).numpy().flat):
        *products, total = re.findall(r"([^=]*)= (−?\d+)", " ".join(steps.words(k)[-11:]))
        parts = [value(right) for _, right in products]
        assert value(total[1]) == sum(parts) == each
        assert len(parts) == 3
        for left, right in products:
            terms = re.findall(r"(\d+)·\(?(−?\d+)", left)
            assert sum(value(a) * value(b) for a, b in terms) == value(right)
            assert len(terms) == 4


def luminance(colour: str) -> float:
    """As WCAG 2 defines it."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))


@pytest.mark.parametrize("name", [*make_windows.FIGURES, *make_three_ways.FIGURES])
def test_every_text_stands_on_a_colour_on_which_it_can_be_read(name):
    """On a page of any colour: it has a box of its own behind it."""
    draw = {**make_windows.FIGURES, **make_three_ways.FIGURES}[name]
    marks, texts = draw().frame(-1).marks, 0
    for k, text in enumerate(marks):
        if isinstance(text, Words):
            half = 0.29 * text.size * len(text.text)
            left = text.x - {"start": 0, "middle": half, "end": 2 * half}[text.anchor]
            under = [
                box.fill
                for box in marks[:k]
                if isinstance(box, Boxes) and box.fill != "none"
                for x, y in box.corners
                if x <= left + 2 and left + 2 * half <= x + box.width + 2 and y <= text.y <= y + box.height
            ]
            assert under, text
            dark, light = sorted((luminance(under[-1]), luminance(text.colour)))
            assert (light + 0.05) / (dark + 0.05) >= 4.5, text
            texts += 1
    assert texts > 10
