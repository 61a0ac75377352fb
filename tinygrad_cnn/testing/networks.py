"""Random convolutional networks, drawn layer by layer so that the shapes fit.

A network is text, as a program is: a class with its layers and its forward, which Hypothesis prints so that
a failure can be pasted and run.  Layers may be used twice, branches are added or joined.  While it is drawn
it is run, and the next layer is chosen among those that fit what came so far: no window larger than the
image, no normalization of what does not vary, no kink or tie nearby.  What the result does not depend on
is left out; networks shrink to one layer on one pixel.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import prod
from types import SimpleNamespace
from typing import Any
from zlib import crc32

import numpy as np
from hypothesis import strategies as st

import tinygrad_cnn as tg

from .steps import BACK, Step, Text, digits, needed, reach, wishes
from .strategies import Shape

__all__ = ["Network", "filled", "networks"]

MARGIN = 1e-3  # from kinks and ties
SIZE = 256  # numbers in a result
INDENT = " " * 8


@dataclass(frozen=True, repr=False)
class Network(Text):
    """A network as text; `build()` makes the module.

    Attributes:
        shape: of the images.
        layers: name -> the call that makes it.
        steps: the lines of its forward, from `a` to the last.
        training: whether it is in training mode.
        seed: of its numbers and of its images.

    >>> from tinygrad_cnn.testing.steps import Step
    >>> lines = (Step("b", "self.one(a)", ("a", "one")),)
    >>> net = Network((1, 1, 2, 2), {"one": "nn.Flatten()"}, lines, training=True, seed=0)
    >>> net
    import numpy as np, tinygrad_cnn as tg
    from tinygrad_cnn import nn
    from tinygrad_cnn.testing.networks import filled
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.one = nn.Flatten()
        def forward(self, a):
            b = self.one(a)
            return b
    net = filled(Net().double(), seed=0).train(True)
    x = np.random.default_rng(0).standard_normal((1, 1, 2, 2))
    x = tg.from_numpy(x).requires_grad_()
    >>> net.build()(net.images()).shape
    (1, 4)
    """

    shape: Shape
    layers: dict[str, str]
    steps: tuple[Step, ...]
    training: bool
    seed: int

    def build(self, library: Any = tg) -> Any:
        """The module in float64, with its numbers; `library` may be torch."""
        names: dict[str, Any] = {"tg": library, "nn": library.nn}
        exec(self._definition(), names)
        return filled(names["Net"]().double(), self.seed).train(self.training)

    def images(self, library: Any = tg) -> Any:
        """What it is drawn for, a leaf that requires grad."""
        array = np.random.default_rng(self.seed).standard_normal(self.shape)
        return library.from_numpy(array).requires_grad_()

    def _definition(self) -> str:
        return "\n".join([
            "class Net(nn.Module):", "    def __init__(self):", f"{INDENT}super().__init__()",
            *(f"{INDENT}self.{name} = {text}" for name, text in self.layers.items()),
            "    def forward(self, a):",
            *(f"{INDENT}{step}" for step in self.steps),
            f"{INDENT}return {self.steps[-1].name if self.steps else 'a'}",
        ])  # fmt: skip

    def __repr__(self) -> str:
        return "\n".join([
            "import numpy as np, tinygrad_cnn as tg", "from tinygrad_cnn import nn",
            "from tinygrad_cnn.testing.networks import filled", self._definition(),
            f"net = filled(Net().double(), seed={self.seed}).train({self.training})",
            f"x = np.random.default_rng({self.seed}).standard_normal({self.shape})",
            "x = tg.from_numpy(x).requires_grad_()",
        ])  # fmt: skip


def filled(module: Any, seed: int, prefix: str = "") -> Any:
    """The module with numbers for all its parameters and buffers, which depend on the seed and their names.

    None is near 0, variances are positive, and weights are smaller where more of them are added up.  Works
    for PyTorch's modules as well, which get the same numbers.

    >>> filled(tg.nn.Linear(1, 1), seed=0).bias
    Parameter containing:
    tensor([...], requires_grad=True)
    """
    state = dict(module.state_dict())
    for key, value in state.items():
        shape = tuple(value.shape)
        if value.is_floating_point():
            rng = np.random.default_rng([seed, crc32(f"{prefix}{key}".encode())])
            signs = 1 if key.endswith("running_var") else rng.choice([-1, 1], shape)
            sizes = rng.uniform(0.25, 1.25, shape) / np.sqrt(np.prod(shape[1:]))
            state[key] = value.new_tensor(signs * sizes)
    module.load_state_dict(state)
    return module


# --- what the next layer can be --------------------------------------------------------------------------


@dataclass(frozen=True)
class Place:
    """What a layer is chosen for: the images x so far, and the numbers that its arguments may take."""

    x: np.ndarray
    y: np.ndarray  # another result, to be joined
    training: bool
    f: int  # kernel
    s: int  # stride
    p: int  # padding
    d: int  # dilation
    o: int  # filters
    groups: int

    @property
    def axes(self) -> int:
        """Spatial ones."""
        return self.x.ndim - 2

    @property
    def size(self) -> Shape:
        return self.x.shape[2:]

    @property
    def small(self) -> bool:
        """Whether there is room for four times as many numbers."""
        return 4 * self.x.size <= SIZE and max(self.size, default=0) <= 5

    def numbers(self) -> dict[str, int]:
        """What the arguments of a layer are made of."""
        return {n: getattr(self, n) for n in BASES} | {"c": self.x.shape[1], "last": self.x.shape[-1]}

    def window(self, dilation: int, padding: int) -> bool:
        """Whether one fits into the image."""
        return self.axes == 2 and dilation * (self.f - 1) + 1 <= min(self.size) + 2 * padding

    def pool(self, dilation: int = 1) -> bool:
        """Padding of at most half a window, and no window that sees only padding."""
        return self.window(dilation, self.p) and 2 * self.p <= self.f and min(self.size) >= dilation

    def varies(self, *axes: int) -> bool:
        """Whether the values over these axes (and all later ones) differ enough to be divided by."""
        counted = np.prod([self.x.shape[axis] for axis in axes], dtype=int)
        return counted > 1 and self.x.size > 0 and float(self.x.std(axes).min()) > 0.1

    def winners(self, dilation: int = 1) -> bool:
        """Whether each window has one clear maximum, or several of the same number."""
        edge = ((0, 0), (0, 0), (self.p, self.p), (self.p, self.p))
        span = dilation * (self.f - 1) + 1
        windows = np.lib.stride_tricks.sliding_window_view(
            np.pad(self.x, edge, constant_values=-np.inf), (span, span), (2, 3)
        )[..., ::dilation, ::dilation]
        best = np.sort(windows.reshape(*windows.shape[:4], self.f**2), -1)[..., -2:]
        return _clear(best[..., -1:] - best)


def _clear(distance: np.ndarray) -> bool:
    """Whether every distance to a kink is wide, or none at all: what is exactly there stays there."""
    return bool(((np.abs(distance) >= MARGIN) | (distance == 0)).all())


def _off(*kinks: float) -> Callable[[Place], bool]:
    return lambda at: all(_clear(at.x - kink) for kink in kinks)


def _anywhere(at: Place) -> bool:
    return True


Fits = Callable[[Place], bool]

# The calls that make a layer, and when they make sense.
LAYERS: dict[str, Fits] = {
    "nn.Conv2d({c}, {o}, {f}, {s}, {p}, {d}, {groups})": lambda at: at.window(at.d, at.p),
    "nn.Conv2d({c}, {o}, {f}, {s}, {p}, {d}, {groups}, bias=False)": lambda at: at.window(at.d, at.p),
    "nn.Conv2d({c}, {o}, {f}, padding='same')": lambda at: at.axes == 2 and at.f % 2 == 1,
    "nn.Conv2d({c}, {o}, {f}, padding={p}, padding_mode='reflect')": lambda at: (
        at.window(1, at.p) and at.p < min(at.size)
    ),
    "nn.Conv2d({c}, {o}, {f}, padding={p}, padding_mode='circular')": lambda at: (
        at.window(1, at.p) and at.p <= min(at.size)
    ),
    "nn.ConvTranspose2d({c}, {o}, {f}, {s}, groups={groups})": lambda at: at.axes == 2 and at.small,
    "nn.ConvTranspose2d({c}, {o}, 3, 2, 1, {p})": lambda at: at.axes == 2 and at.small and at.p < 2,
    "nn.Tanh()": _anywhere,
    "nn.Sigmoid()": _anywhere,
    "nn.GELU()": _anywhere,
    "nn.SiLU()": _anywhere,
    "nn.Softplus()": _anywhere,
    "nn.Mish()": _anywhere,
    "nn.Softmax(1)": lambda at: at.x.ndim >= 2,
    "nn.ReLU()": _off(0),
    "nn.LeakyReLU(0.1)": _off(0),
    "nn.PReLU()": _off(0),
    "nn.ELU()": _off(0),
    "nn.Hardtanh()": _off(-1, 1),
    "nn.Hardswish()": _off(-3, 3),
    "nn.MaxPool2d({f}, {s}, {p})": lambda at: at.pool() and at.winners(),
    "nn.MaxPool2d({f}, {s}, {p}, {d})": lambda at: at.pool(at.d) and at.winners(at.d),
    "nn.MaxPool2d({f}, {s}, {p}, ceil_mode=True)": lambda at: at.pool() and at.winners() and at.s == 1,
    "nn.AvgPool2d({f}, {s}, {p})": Place.pool,
    "nn.AvgPool2d({f}, {s}, {p}, ceil_mode=True, count_include_pad=False)": Place.pool,
    "nn.AdaptiveAvgPool2d({f})": lambda at: at.axes == 2,
    "nn.BatchNorm2d({c})": lambda at: at.axes == 2 and (not at.training or at.varies(0, 2, 3)),
    "nn.BatchNorm1d({c})": lambda at: at.axes == 0 and (not at.training or at.varies(0)),
    "nn.GroupNorm(1, {c})": lambda at: at.varies(*range(1, at.x.ndim)),
    "nn.InstanceNorm2d({c}, affine=True)": lambda at: at.axes == 2 and at.varies(2, 3),
    "nn.LayerNorm({last})": lambda at: at.varies(-1),
    "nn.Upsample(scale_factor=2)": lambda at: at.axes == 2 and at.small,
    "nn.Upsample(scale_factor=2, mode='bilinear')": lambda at: at.axes == 2 and at.small,
    "nn.ZeroPad2d((1, 0, 0, 1))": lambda at: at.axes == 2 and at.small,
    "nn.PixelShuffle(2)": lambda at: at.axes == 2 and at.x.shape[1] % 4 == 0,
    "nn.Flatten()": lambda at: at.axes == 2 and at.x[:1].size <= 32,
    "nn.Linear({last}, {o})": _anywhere,
    "nn.Linear({last}, {o}, bias=False)": _anywhere,
}

# Branches that meet again.
JOINS: dict[str, Fits] = {
    "{x} + {y}": lambda at: at.x.shape == at.y.shape,
    "{x} * {y}": lambda at: at.x.shape == at.y.shape and float(np.abs(at.x * at.y).max(initial=0)) <= 10,
    "tg.cat(({x}, {y}), 1)": lambda at: (
        at.x.shape[:1] + at.x.shape[2:] == at.y.shape[:1] + at.y.shape[2:] and at.x.size + at.y.size <= SIZE
    ),
}

# A step is one of these; convolutions and joins come up more often.
ROWS = [*LAYERS.items(), *JOINS.items(), *list(LAYERS.items())[:7], *JOINS.items(), *JOINS.items()]
BASES = {"f": 3, "s": 2, "p": 2, "d": 2, "o": 2, "groups": 3}  # how many values each number has


# --- drawing one -----------------------------------------------------------------------------------------


@st.composite
def networks(draw: st.DrawFn, max_steps: int = 6) -> Network:
    """Networks of up to `max_steps` layers and joins (at least one), in training or evaluation mode.

    There is no dropout in them: they are functions.  The batch may be empty.

    >>> from hypothesis import find
    >>> found = find(networks(), lambda net: "MaxPool2d" in repr(net))
    >>> found.shape, found.layers
    ((1, 1, 1, 1), {'l0': 'nn.MaxPool2d(1, 1, 0)'})
    """
    sides = st.integers(1, 6)
    shape = (draw(st.sampled_from((1, 2, 3, 0))), draw(st.sampled_from((1, 2, 4))), draw(sides), draw(sides))
    training, seed = draw(st.booleans()), draw(st.integers(0, 2**16))
    layers: dict[str, str] = {}
    made: dict[str, tuple[Fits, Place]] = {}
    modules = SimpleNamespace()
    known = {"a": Network(shape, {}, (), training, seed).images()}
    steps: list[Step] = []
    with tg.no_grad():
        for row, place, numbers in draw(
            wishes(max_steps, len(ROWS), len(BACK) ** 2 * 3, prod(BASES.values()))
        ):
            back, other, again = digits(place, len(BACK), len(BACK), 3)
            x, y = reach(list(known), back), reach(list(known), other)
            at = _place(known[x].array, known[y].array, training, numbers)
            text, fits = next((text, fits) for text, fits in ROWS[row:] + ROWS[:row] if fits(at))
            usable = [layer for layer, (may, before) in made.items() if _again(may, before, at.x)]
            if text in JOINS:
                line, uses = text.format(x=x, y=y), (x, y)
            else:
                layer = usable[-1] if usable and again == 2 else f"l{len(layers)}"
                line, uses = f"self.{layer}({x})", (x, layer)
                if layer not in layers:
                    layers[layer], made[layer] = text.format(**at.numbers()), (fits, at)
                    module = eval(layers[layer], {"nn": tg.nn}).double().train(training)
                    setattr(modules, layer, filled(module, seed, f"{layer}."))
            steps.append(Step(chr(ord("b") + len(steps)), line, uses))
            known[steps[-1].name] = eval(line, {"self": modules, "tg": tg}, dict(known))
    kept = needed(steps, [steps[-1].name])
    used = {name for step in kept for name in step.uses}
    return Network(shape, {name: text for name, text in layers.items() if name in used}, kept, training, seed)


def _place(x: np.ndarray, y: np.ndarray, training: bool, number: int) -> Place:
    f, s, p, d, o, groups = digits(number, *BASES.values())
    groups = 2**groups if x.shape[1] % 2**groups == 0 else 1
    dilation = d + 1 if f else 1  # one tap has no gaps
    return Place(x, y, training, f + 1, s + 1, p, dilation, (o + 1) * groups, groups)


def _again(fits: Fits, before: Place, x: np.ndarray) -> bool:
    """Whether a layer that was made for another place can stand here too."""
    return before.x.shape[1:] == x.shape[1:] and fits(replace(before, x=x))
