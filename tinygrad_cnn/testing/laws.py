"""Laws: what holds for a whole family of functions, whatever goes on inside of them.

A law computes one thing in two ways and compares.  It knows no right numbers, only what they have to do with
each other, so it needs no reference and works on any function: on an op, a module, a user's Function, on
PyTorch's functions as well (give it torch tensors).

    law(fn, inputs)             any function; `at` are the inputs in question, by default all floating ones
    law(fn, x, w, **options)    windows: a convolution with PyTorch's signature ...
    law(fn, x, **options)       ... or a pooling

Where a function returns several results, the first is meant.  Floats may differ by rounding, which is judged
by dtype and by the largest number that took part.

>>> import tinygrad_cnn as tg
>>> x, w = np.random.default_rng(0).normal(size=(2, 1, 2, 5, 5))
>>> stride_leaves_out_windows(tg.nn.functional.conv2d, x, w[..., :3, :3], stride=2)
>>> is_linear(lambda x: x * 2 + 1, [x])
Traceback (most recent call last):
tinygrad_cnn.testing.laws.LawError: <lambda> breaks a law, it is linear: ...
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from ..geometry import conv_geometry, pool_geometry
from . import frameworks, report
from .memory import laid_out
from .subject import Subject

__all__ = [
    "LawError",
    "agrees_in_float32",
    "channels_are_pooled_one_by_one",
    "conv_transpose_is_the_adjoint",
    "dilation_is_a_weight_with_gaps",
    "gradients_add_up",
    "groups_are_convolutions_side_by_side",
    "has_an_adjoint_rule",
    "has_gradients_linear_in_g",
    "has_symmetric_second_derivatives",
    "has_the_same_gradient_alone",
    "ignores_a_shift",
    "ignores_memory_layout",
    "ignores_the_scale",
    "is_idempotent",
    "is_linear",
    "is_monotone",
    "keeps_its_hands_off_its_inputs",
    "moves_with_a_shift",
    "moves_with_the_batch",
    "moves_with_the_image",
    "one_tap_is_a_matrix_product",
    "opening_is_idempotent",
    "padding_is_a_border",
    "same_keeps_the_size",
    "stride_leaves_out_windows",
]  # fmt: skip

Function = Callable[..., Any]


class LawError(AssertionError):
    """A law is broken; the message says by which function, which law, where, and by how much."""


class _Trial:
    """A function before a law: arrays in, arrays out, in the library that its inputs belong to."""

    def __init__(self, law: str, fn: Function, inputs: Sequence[Any], at: Any = None, **options: Any):
        self.law, self.fn, self.options = law, fn, options
        self.framework = frameworks.of(inputs)
        self.inputs = [self.framework.array(x) if self.framework.is_tensor(x) else x for x in inputs]
        floating = [i for i, x in enumerate(self.inputs) if isinstance(x, np.ndarray) and x.dtype.kind == "f"]
        self.at = floating if at is None else list(at)
        self.rng = np.random.default_rng((2, 71828))  # nobody's own numbers by chance, as those of seed 0 are

    def tensors(self, inputs: Sequence[Any], at: Sequence[int] = ()) -> list[Any]:
        """Tensors over these arrays; those `at` require grad."""
        return [
            self.framework.leaf(np.asarray(x), i in at) if isinstance(x, (np.ndarray, np.generic)) else x
            for i, x in enumerate(inputs)
        ]

    def call(self, tensors: Sequence[Any], **options: Any) -> Any:
        out = self.fn(*tensors, **self.options | options)
        return out[0] if isinstance(out, (tuple, list)) else out

    def __call__(self, *inputs: Any, **options: Any) -> np.ndarray:
        """The result for these inputs, or for the trial's own."""
        with self.framework.no_grad():
            return self.framework.array(self.call(self.tensors(inputs or self.inputs), **options))

    def gradients(self, g: np.ndarray, at: Any = None, inputs: Any = None) -> list[np.ndarray | None]:
        """By the inputs in question, for the incoming gradient g."""
        at = self.at if at is None else at
        leaves = self.tensors(inputs or self.inputs, at)
        seed = self.framework.leaf(np.asarray(g), False)  # arithmetic makes numbers of arrays without axes
        found = self.framework.grad([self.call(leaves)], [leaves[i] for i in at], [seed])
        return [None if dx is None else self.framework.array(dx) for dx in found]

    def like(self, array: np.ndarray) -> np.ndarray:
        """Other numbers, of this shape and dtype."""
        return np.asarray(self.rng.standard_normal(np.shape(array)), array.dtype)

    def others(self) -> list[Any]:
        """Other numbers in the inputs in question."""
        return [self.like(x) if i in self.at else x for i, x in enumerate(self.inputs)]

    def changed(self, change: Callable[[np.ndarray], np.ndarray]) -> list[Any]:
        """The inputs in question, changed."""
        return [np.asarray(change(x)) if i in self.at else x for i, x in enumerate(self.inputs)]

    def subject(self) -> Subject:
        """The function and its inputs, to speak of."""
        called = partial(self.fn, **self.options) if self.options else self.fn
        return Subject.of(called, self.inputs, self.framework)

    def name(self, i: int) -> str:
        return self.subject().names[i]

    def error(self, what: str) -> LawError:
        """What to raise, with the configuration."""
        subject = self.subject()
        return LawError(f"{subject.text} breaks a law, {self.law}: {what}\n{report.about(subject)}")

    def holds(self, what: str, got: Any, expected: Any, *, rounding: float = 4096, size: float = 0.0) -> None:
        """Compare shape, dtype and values; `rounding` counts in units of eps at the largest number."""
        if got is None and expected is None:
            return
        if got is None or expected is None:
            raise self.error(f"{what} is {'none' if got is None else 'there'}, expected otherwise")
        got, expected = np.asarray(got), np.asarray(expected)
        if (got.shape, got.dtype) != (expected.shape, expected.dtype):
            raise self.error(f"{what} is {got.shape} {got.dtype}, expected {expected.shape} {expected.dtype}")
        right = (got == expected) | ((got != got) & (expected != expected))
        if got.dtype.kind == "f":
            took_part = [expected, *(self.inputs[i] for i in self.at)]
            size = max(1.0, size, *(np.abs(a[np.isfinite(a)]).max(initial=0) for a in took_part))
            with np.errstate(invalid="ignore"):
                right |= np.abs(got - expected) <= rounding * np.finfo(got.dtype).eps * size
        if right.all():
            return
        with np.errstate(invalid="ignore"):
            far = np.nan_to_num(np.abs(got.astype(float) - expected.astype(float)), nan=np.inf)
        at = np.unravel_index(np.where(right, -1.0, far).argmax(), got.shape)
        raise self.error(
            f"{what} is wrong in {got.size - right.sum()} of {got.size} elements\n"
            f"  worst at {[int(n) for n in at]}: expected {expected[at]:.6g}, got {got[at]:.6g}"
        )

    def hold(self, what: str, got: Sequence[Any], expected: Sequence[Any], **tolerance: Any) -> None:
        """`holds` for the gradients by all inputs in question."""
        for i, a, b in zip(self.at, got, expected, strict=True):
            self.holds(f"{what} by {self.name(i)}", a, b, **tolerance)


def _sum(a: Sequence[Any], b: Sequence[Any], s: float = 1.0, t: float = 1.0) -> list[Any]:
    """s a + t b, where None stands for nothing at all."""
    return [y if x is None else x if y is None else x * s + y * t for x, y in zip(a, b, strict=True)]


def _dot(a: Sequence[Any], b: Sequence[Any]) -> tuple[float, float]:
    """<a, b>, and the size of what was added up."""
    products = [x.astype(float) * y for x, y in zip(a, b, strict=True) if x is not None and y is not None]
    return sum(float(p.sum()) for p in products), sum(float(np.abs(p).sum()) for p in products)


# --- any function ----------------------------------------------------------------------------------------


def ignores_memory_layout(fn: Function, inputs: Sequence[Any]) -> None:
    """Results and gradients do not depend on strides: as given = in plain memory.

    Inputs that are plain already are laid out in some other ways.
    """
    f = _Trial("it ignores the memory layout", fn, inputs)
    given = f.inputs
    arrays = [i for i, x in enumerate(given) if isinstance(x, np.ndarray)]
    plain = [np.array(x, order="C") if i in arrays else x for i, x in enumerate(given)]
    plain_already = all(given[i].flags.c_contiguous for i in arrays)
    expected = f(*plain)
    g = f.like(expected)
    for layout in ("F", "stepped", "reversed") if plain_already else (None,):
        f.inputs = [laid_out(x, layout) if layout and i in arrays else x for i, x in enumerate(given)]
        f.holds("the result", f(), expected)
        f.hold("the gradient", f.gradients(g), f.gradients(g, inputs=plain))


def keeps_its_hands_off_its_inputs(fn: Function, inputs: Sequence[Any]) -> None:
    """Neither forward nor backward writes to an input, or to g."""
    f = _Trial("it does not write its inputs", fn, inputs)
    before = [x.copy() if isinstance(x, np.ndarray) else x for x in f.inputs]
    g = f.like(f())
    kept = g.copy()
    f.gradients(g)
    for i, x in enumerate(before):
        if isinstance(x, np.ndarray):
            f.holds(f.name(i), f.inputs[i], x, rounding=0)
    f.holds("g", g, kept, rounding=0)


def agrees_in_float32(fn: Function, inputs: Sequence[Any]) -> None:
    """float32 stays float32, in results and gradients, and agrees with float64."""
    f = _Trial("float32 agrees with float64", fn, inputs)
    single = f.changed(lambda x: x.astype(np.float32))
    f.inputs = f.changed(lambda x: x.astype(np.float32).astype(np.float64))
    exact = f()
    if exact.dtype.kind != "f":
        return
    # Each of some hundred roundings is relative to the largest value that took part.
    f.holds("the result", f(*single), exact.astype(np.float32), rounding=100)
    g = f.like(exact).astype(np.float32)
    expected = [dx if dx is None else dx.astype(np.float32) for dx in f.gradients(g.astype(np.float64))]
    size = max(float(np.abs(a).max(initial=0)) for a in (exact, g))
    f.hold("the gradient", f.gradients(g, inputs=single), expected, rounding=100, size=size)


def has_the_same_gradient_alone(fn: Function, inputs: Sequence[Any]) -> None:
    """An input alone has, to the bit, the gradient that it has in company."""
    f = _Trial("an input alone has the gradient it has in company", fn, inputs)
    g = f.like(f())
    alone = [f.gradients(g, [i])[0] for i in f.at]
    f.hold("the gradient", alone, f.gradients(g), rounding=0)


def has_gradients_linear_in_g(fn: Function, inputs: Sequence[Any]) -> None:
    """Backward of 2g - 3h = 2 backward of g - 3 backward of h, whatever the function."""
    f = _Trial("backward is linear in g", fn, inputs)
    y = f()
    g, h = f.like(y), f.like(y)
    dg, dh = f.gradients(g), f.gradients(h)
    expected = _sum(dg, dh, 2, -3)
    f.hold("the gradient", f.gradients(2 * g - 3 * h), expected, size=_largest(dg + dh))


def gradients_add_up(fn: Function, inputs: Sequence[Any]) -> None:
    """Two uses of an input: in one backward, and in two that meet in .grad, the gradients are added."""
    f = _Trial("gradients add up", fn, inputs)
    y = f()
    if y.dtype.kind != "f":
        return
    g, h = f.like(y), f.like(y)
    dg, dh = f.gradients(g), f.gradients(h)
    leaves = f.tensors(f.inputs, f.at)
    wanted = [leaves[i] for i in f.at]
    seeds = [f.framework.leaf(seed, False) for seed in (g, h)]
    outs = [f.call(leaves), f.call(leaves)]
    together = f.framework.grad(outs, wanted, seeds)
    for out, seed in zip(outs, seeds, strict=True):
        if out.requires_grad:
            out.backward(seed)
    for what, found in (("the gradient", together), (".grad", [x.grad for x in wanted])):
        arrays = [None if dx is None else f.framework.array(dx) for dx in found]
        f.hold(what, arrays, _sum(dg, dh), size=_largest(dg + dh))


def has_symmetric_second_derivatives(fn: Function, inputs: Sequence[Any]) -> None:
    """<u, H v> = <v, H u> for the matrix H of all second derivatives of <c, y>."""
    f = _Trial("second derivatives are symmetric", fn, inputs)
    leaves = f.tensors(f.inputs, f.at)
    wanted = [leaves[i] for i in f.at]
    out = f.call(leaves)
    c = f.framework.leaf(f.like(f.framework.array(out)), False)
    first = f.framework.grad([out], wanted, [c], create_graph=True)
    used = [i for i, dx in enumerate(first) if dx is not None and dx.requires_grad]

    def product(v: list[np.ndarray]) -> list[Any]:
        seeds = [f.framework.leaf(v[i], False) for i in used]
        found = f.framework.grad([first[i] for i in used], wanted, seeds)
        return [None if dx is None else f.framework.array(dx) for dx in found]

    u, v = ([f.like(f.inputs[i]) for i in f.at] for _ in "uv")
    there, size = _dot(u, product(v))
    back, other = _dot(v, product(u))
    f.holds("<v, H u>", back, there, size=max(size, other))


def _largest(arrays: Sequence[Any]) -> float:
    return max((float(np.abs(a).max(initial=0)) for a in arrays if a is not None), default=0.0)


# --- functions of a kind ---------------------------------------------------------------------------------


def is_linear(fn: Function, inputs: Sequence[Any], at: Sequence[int] | None = None) -> None:
    """f(2u - 3v) = 2 f(u) - 3 f(v), in the inputs `at` together.

    Bilinear is linear in either: is_linear(fn, inputs, at=[0]) and at=[1].
    """
    f = _Trial("it is linear", fn, inputs, at)
    u, v = f.others(), f.others()
    both = [2 * a - 3 * b if i in f.at else a for i, (a, b) in enumerate(zip(u, v, strict=True))]
    f.holds("f(2u - 3v)", f(*both), 2 * f(*u) - 3 * f(*v), size=_largest([f(*u), f(*v)]))


def has_an_adjoint_rule(fn: Function, inputs: Sequence[Any], at: Sequence[int] | None = None) -> None:
    """<A u, y> = <u, A'y> for a function A that is linear in the inputs `at`, and its backward A'."""
    f = _Trial("backward is the adjoint", fn, inputs, at)
    u = f.others()
    there = f(*u)
    y = f.like(there)
    expected, size = _dot([there], [y])
    back, other = _dot([u[i] for i in f.at], f.gradients(y))
    f.holds("<u, A'y>", back, expected, size=max(size, other))


def is_monotone(fn: Function, inputs: Sequence[Any], at: Sequence[int] | None = None) -> None:
    """Where no input is less, no result is less."""
    f = _Trial("it is monotone", fn, inputs, at)
    y = f()
    more = f(*f.changed(lambda x: x + np.maximum(f.like(x), 0)))
    f.holds("what must not be less", np.minimum(y, more), y, rounding=16)


def is_idempotent(fn: Function, inputs: Sequence[Any]) -> None:
    """f(f(x)) = f(x)."""
    f = _Trial("twice is once", fn, inputs)
    once = f()
    f.holds("f(f(x))", f(once, *f.inputs[1:]), once, rounding=16)


def moves_with_the_batch(fn: Function, inputs: Sequence[Any], at: Sequence[int] | None = None) -> None:
    """Images in another order (along axis 0 of the inputs `at`) give the results in that order."""
    f = _Trial("it moves with the batch", fn, inputs, at)
    order = f.rng.permutation(len(f.inputs[f.at[0]]))
    f.holds("the reordered result", f(*f.changed(lambda x: x[order])), f()[order])


def ignores_a_shift(fn: Function, inputs: Sequence[Any], dim: Any) -> None:
    """f(x + c) = f(x) for c that is constant along the axes `dim`: softmax, normalizations; x comes first."""
    f = _Trial("it ignores a shift", fn, inputs, at=[0])
    c = f.like(f.inputs[0].sum(dim, keepdims=True))
    f.holds("f(x + c)", f(*f.changed(lambda x: x + c)), f())


def moves_with_a_shift(fn: Function, inputs: Sequence[Any]) -> None:
    """f(x + 3) = f(x) + 3: extremes, means, logsumexp."""
    f = _Trial("it moves with a shift", fn, inputs)
    f.holds("f(x + 3)", f(*f.changed(lambda x: x + 3)), f() + 3)


def ignores_the_scale(fn: Function, inputs: Sequence[Any], eps: float = 1e-5) -> None:
    """f(3x; 9 eps) = f(x; eps): normalizations by what they are given first, with PyTorch's `eps`."""
    f = _Trial("it ignores the scale", fn, inputs, at=[0])
    f.holds("f(3x)", f(*f.changed(lambda x: 3 * x), eps=9 * eps), f(eps=eps))


# --- windows ---------------------------------------------------------------------------------------------


def _windows(law: str, fn: Function, x: Any, w: Sequence[Any], options: Any) -> tuple[_Trial, Any]:
    """The trial, and the geometry: of a convolution if there is a weight, of a pooling else."""
    f = _Trial(law, fn, [x, *w], **options)
    known = {name: options[name] for name in ("stride", "padding", "dilation") if name in options}
    if w:
        return f, conv_geometry(
            f.inputs[0].shape, f.inputs[1].shape, **known, groups=options.get("groups", 1)
        )
    kernel, ceil = options["kernel_size"], options.get("ceil_mode", False)
    return f, pool_geometry(f.inputs[0].shape, kernel, **known, ceil_mode=ceil)


def _floor(options: Any) -> dict[str, Any]:
    return {"ceil_mode": False} if "ceil_mode" in options else {}


def _pad(x: np.ndarray, widths: Any, fill: float) -> np.ndarray:
    return np.pad(x, [(0, 0), (0, 0), *widths], constant_values=fill)


def stride_leaves_out_windows(fn: Function, x: Any, *w: Any, **options: Any) -> None:
    """Stride s takes every s-th window of stride 1: convolutions and poolings."""
    f, geom = _windows("stride leaves out windows", fn, x, w, options)
    every: Any = (..., *(slice(None, None, s) for s in geom.stride))
    down = _floor(options)
    f.holds("the result", f(**down), f(stride=1, **down)[every])


def padding_is_a_border(fn: Function, x: Any, *w: Any, fill: float = 0.0, **options: Any) -> None:
    """Padding is a border of `fill`: 0 for convolutions and averages, -inf for maxima."""
    f, geom = _windows("padding is a border", fn, x, w, options)
    wide, down = _pad(f.inputs[0], geom.padding, fill), _floor(options)
    f.holds("the result", f(**down), f(wide, *f.inputs[1:], padding=0, **down))


def moves_with_the_image(fn: Function, x: Any, *w: Any, fill: float = 0.0, **options: Any) -> None:
    """An image that begins one stride later (after `fill`) gives results that begin one window later."""
    f, geom = _windows("it moves with the image", fn, x, w, options)
    later = _pad(f.inputs[0], [(s, 0) for s in geom.stride], fill)
    but_first: Any = (..., *(slice(1, None),) * len(geom.stride))
    f.holds("the result", f(later, *f.inputs[1:])[but_first], f())


def one_tap_is_a_matrix_product(conv: Function, x: Any, w: Any, **options: Any) -> None:
    """A weight of one tap is a matrix, applied to the channels of each pixel."""
    f, geom = _windows("one tap is a matrix product", conv, x, [w], options)
    x, w = f.inputs
    tap = w[(..., *(slice(0, 1),) * len(geom.stride))]
    pixels = x[(..., *(slice(None, None, s) for s in geom.stride))]
    columns = pixels.reshape(len(x), geom.groups, w.shape[1], int(np.prod(pixels.shape[2:])))
    y = tap.reshape(geom.groups, -1, w.shape[1]) @ columns
    f.holds("the result", f(x, tap, padding=0, dilation=1), y.reshape(len(x), len(w), *pixels.shape[2:]))


def dilation_is_a_weight_with_gaps(conv: Function, x: Any, w: Any, **options: Any) -> None:
    """Dilation d puts d - 1 zeros between the taps."""
    f, geom = _windows("dilation is a weight with gaps", conv, x, [w], options)
    x, w = f.inputs
    spans = [d * (n - 1) + 1 for n, d in zip(geom.kernel, geom.dilation, strict=True)]
    wide, taps = np.zeros((*w.shape[:2], *spans), w.dtype), (slice(None, None, d) for d in geom.dilation)
    every: Any = (..., *taps)
    wide[every] = w
    f.holds("the result", f(), f(x, wide, dilation=1))


def groups_are_convolutions_side_by_side(conv: Function, x: Any, w: Any, **options: Any) -> None:
    """Each group of channels is convolved with its own filters."""
    f, geom = _windows("groups are convolutions side by side", conv, x, [w], options)
    x, w = f.inputs
    pairs = zip(np.split(x, geom.groups, 1), np.split(w, geom.groups), strict=True)
    f.holds("the result", f(), np.concatenate([f(a, b, groups=1) for a, b in pairs], 1))


def same_keeps_the_size(conv: Function, x: Any, w: Any, **options: Any) -> None:
    """With stride 1, "same" is a border that keeps the size, an odd one of it at the end."""
    f, geom = _windows('"same" keeps the size', conv, x, [w], options)
    total = [d * (n - 1) for n, d in zip(geom.kernel, geom.dilation, strict=True)]
    wide = _pad(f.inputs[0], [(n // 2, n - n // 2) for n in total], 0.0)
    same = f(stride=1, padding="same")
    f.holds("the size", same.shape[2:], f.inputs[0].shape[2:])
    f.holds("the result", same, f(wide, f.inputs[1], stride=1, padding=0))


def conv_transpose_is_the_adjoint(
    conv: Function, x: Any, w: Any, *, conv_transpose: Function, **options: Any
) -> None:
    """<conv(x, w), y> = <x, conv_transpose(y, w)>, with output_padding for what the stride left over."""
    law = "conv_transpose is the adjoint of conv"
    f, geom = _windows(law, conv, x, [w], options)
    there = f()
    y = f.like(there)
    extra = tuple((n + sum(p) - d * (k - 1) - 1) % s for n, k, s, p, d, _ in geom.axes())
    leaf = f.framework.leaf(y, False)
    t = _Trial(law, conv_transpose, [leaf, w], **options, output_padding=extra)
    back = t()
    t.holds("the size", back.shape, f.inputs[0].shape)
    expected, size = _dot([there], [y])
    found, other = _dot([f.inputs[0]], [back])
    t.holds("<x, A'y>", found, expected, size=max(size, other))


def channels_are_pooled_one_by_one(pool: Function, x: Any, **options: Any) -> None:
    """Channels and images do not mix."""
    f, _ = _windows("channels are pooled one by one", pool, x, [], options)
    x, y = f.inputs[0], f()
    each = [f(x[n : n + 1, c : c + 1]) for n, c in np.ndindex(x.shape[:2])]
    f.holds("the result", y, np.concatenate(each).reshape(y.shape) if each else y)


def opening_is_idempotent(max_pool: Function, x: Any, kernel_size: Any, **options: Any) -> None:
    """The least of each window, then the most of each: a second time changes nothing (for odd windows)."""
    odd = tuple(2 * (k // 2) + 1 for k in np.atleast_1d(kernel_size).tolist())
    half = tuple(k // 2 for k in odd)
    f = _Trial("opening is idempotent", max_pool, [x], kernel_size=odd, stride=1, padding=half)

    def opened(x: np.ndarray) -> np.ndarray:
        return f(-f(-x))

    once = opened(f.inputs[0])
    f.holds("the opening of the opening", opened(once), once, rounding=0)
