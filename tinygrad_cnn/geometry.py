"""Where windows fall: every rule about the shape of a convolution or a pooling, and every error about one.

Along one axis, n pixels padded by (p_before, p_after) and seen through windows of f taps that lie d
pixels apart, each window s pixels after the last, give

    n_out = floor((n + p_before + p_after - d(f-1) - 1)/s) + 1

windows, and tap a of window i sees pixel s i + d a - p_before.  The second line, written as slices
(`Windows.taps`), is all that the kernels need.  Padding is never stored: it is where a tap sees no pixel.

A geometry is made of ints only, for any number of spatial axes; it is frozen, hashable and cached.

>>> geom = conv_geometry((64, 1, 28, 28), (6, 1, 5, 5), stride=2, padding="same")
>>> geom.padding, geom.out
(((1, 2), (1, 2)), (14, 14))
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, wraps
from itertools import product
from math import isqrt
from operator import index
from typing import Any, ParamSpec, TypeVar

from .errors import ArgumentError, ShapeError

__all__ = [
    "ConvGeometry",
    "PoolGeometry",
    "Windows",
    "conv_geometry",
    "conv_transpose_geometry",
    "pool_geometry",
]

Ints = tuple[int, ...]
Pair = tuple[int, int]
P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True)
class Windows:
    """The windows over an image; every field has one entry per spatial axis."""

    size: Ints  # n: of the image, without padding
    kernel: Ints  # f
    stride: Ints  # s
    padding: tuple[Pair, ...]  # (p_before, p_after)
    dilation: Ints  # d
    out: Ints  # n_out: how many windows

    def axes(self) -> Iterator[tuple[int, int, int, Pair, int, int]]:
        """Axis by axis: n, f, s, (p_before, p_after), d, n_out."""
        return zip(self.size, self.kernel, self.stride, self.padding, self.dilation, self.out, strict=True)

    @cached_property
    def axis_taps(self) -> tuple[tuple[tuple[slice, slice], ...], ...]:
        """For each axis and tap: the windows whose tap is in the image, and the pixels which these see.

        >>> pool_geometry((1, 1, 5), 3, stride=2, padding=1).axis_taps[0][0]  # tap 0 of window 0 sees none
        (slice(1, 3, None), slice(1, 4, 2))
        """

        def tap(n: int, s: int, offset: int, n_out: int) -> tuple[slice, slice]:
            first = -(min(offset, 0) // s)  # the first and last i with 0 <= s i + offset < n
            last = min((n - 1 - offset) // s, n_out - 1)
            if last < first:
                return slice(0, 0), slice(0, 0)
            return slice(first, last + 1), slice(s * first + offset, s * last + offset + 1, s)

        return tuple(
            tuple(tap(n, s, d * a - before, n_out) for a in range(f))
            for n, f, s, (before, _), d, n_out in self.axes()
        )

    @cached_property
    def taps(self) -> tuple[tuple[Any, Any], ...]:
        """For each tap, in row-major order: (windows, pixels); out[windows] see x[pixels] through it."""
        return tuple(
            ((..., *(windows for windows, _ in tap)), (..., *(pixels for _, pixels in tap)))
            for tap in product(*self.axis_taps)
        )

    def axis_taps_in(self, rows: slice) -> tuple[tuple[tuple[slice, slice], ...], ...]:
        """`axis_taps` for the windows in some rows along the first axis, counted from the first of these."""
        s, cut = self.stride[0], []
        for windows, pixels in self.axis_taps[0]:
            start, stop = max(windows.start, rows.start), min(windows.stop, rows.stop)
            if start >= stop:
                cut.append((slice(0, 0), slice(0, 0)))
                continue
            first = pixels.start + s * (start - windows.start)
            last = first + s * (stop - start - 1)
            cut.append((slice(start - rows.start, stop - rows.start), slice(first, last + 1, s)))
        return tuple(cut), *self.axis_taps[1:]


@dataclass(frozen=True)
class ConvGeometry(Windows):
    """A convolution of x (N, in_channels, *size) with w (out_channels, in_channels/groups, *kernel)."""

    groups: int
    in_channels: int
    out_channels: int


@dataclass(frozen=True)
class PoolGeometry(Windows):
    """A pooling of x (N, C, *size)."""

    @property
    def overhang(self) -> Ints:
        """How far the last window reaches beyond the padding after the image; 0 unless in ceil_mode."""
        return tuple(
            max(0, s * (n_out - 1) + _span(f, d) - n - sum(p)) for n, f, s, p, d, n_out in self.axes()
        )


def _cached(make: Callable[P, R]) -> Callable[P, R]:
    """lru_cache, except that lists may be given too."""
    cached: Callable[..., R] = lru_cache(maxsize=4096, typed=True)(make)  # True is not 1

    @wraps(make)
    def geometry(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return cached(*args, **kwargs)
        except TypeError:  # unhashable
            return make(*args, **kwargs)

    return geometry


@_cached
def conv_geometry(
    x_shape: Sequence[int],
    w_shape: Sequence[int],
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    *,
    axes: int | None = None,
    op: str | None = None,
    lone: bool = False,
) -> ConvGeometry:
    """The geometry of a convolution of x (N, C, *n) with a weight (O, C/groups, *f).

    Stride, padding and dilation are given once, or in a tuple for each axis.  Padding is an int, a pair
    (before, after) inside such a tuple, or "valid" (none), "full" (d(f-1): all windows that touch the
    image), or "same": n_out = ceil(n/s) for any stride, an odd one of padding at the end (Keras' rule).
    `axes` demands a number of spatial axes, `op` is the name that errors speak of; to a `lone` image the axis
    N was lent.

    Raises ShapeError where x, weight and windows do not fit, ArgumentError for options without a meaning.

    >>> conv_geometry((8, 3, 32, 20), (16, 3, 3, 5), stride=2, padding=((0, 1), 2)).out
    (16, 10)
    >>> conv_geometry((8, 5, 28, 28), (6, 3, 5, 5))
    Traceback (most recent call last):
    tinygrad_cnn.errors.ShapeError: conv2d: x has 5 channels, weight expects 3 (x (8, 5, 28, 28), \
weight (6, 3, 5, 5)); with this x use in_channels=5
    """
    axes = len(w_shape) - 2 if axes is None else axes
    op = op or f"conv{axes}d"
    x, w, groups = tuple(x_shape), tuple(w_shape), _int(op, "groups", groups)
    _check_weight(op, w, axes, groups)
    _check_image(op, x, axes)
    _check_channels(op, x, w, w[1] * groups, groups, lone)
    stride, dilation = _ints(op, "stride", stride, axes), _ints(op, "dilation", dilation, axes)
    padding = _padding(op, padding, x[2:], w[2:], stride, dilation)
    out = _count(op, x, w[2:], stride, padding, dilation)
    return ConvGeometry(x[2:], w[2:], stride, padding, dilation, out, groups, x[1], w[0])


@_cached
def conv_transpose_geometry(
    x_shape: Sequence[int],
    w_shape: Sequence[int],
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    *,
    axes: int | None = None,
    op: str | None = None,
    lone: bool = False,
) -> ConvGeometry:
    """The geometry of the convolution whose input gradient the transposed convolution is.

    x (N, C, *n_out) is shaped like that convolution's result, and the weight (C, O/groups, *f) is its
    weight; the transposed convolution's result is shaped like its input, (N, O, *n) with

        n = s(n_out - 1) + d(f-1) + 1 - p_before - p_after + output_padding.

    Options and errors are those of `conv_geometry`; "same" is its padding for n = s n_out.

    >>> conv_transpose_geometry((8, 16, 7, 7), (16, 4, 3, 3), stride=2, padding=1, output_padding=1).size
    (14, 14)
    """
    axes = len(w_shape) - 2 if axes is None else axes
    op = op or f"conv_transpose{axes}d"
    x, w, groups = tuple(x_shape), tuple(w_shape), _int(op, "groups", groups)
    _check_weight(op, w, axes, groups)
    _check_image(op, x, axes)
    _check_channels(op, x, w, w[0], groups, lone)
    stride, dilation = _ints(op, "stride", stride, axes), _ints(op, "dilation", dilation, axes)
    same_size = [s * n_out for s, n_out in zip(stride, x[2:], strict=True)]
    padding = _padding(op, padding, same_size, w[2:], stride, dilation)
    extra = _ints(op, "output_padding", output_padding, axes, least=0)
    size = []
    per_axis = zip(_names(axes), x[2:], w[2:], stride, padding, dilation, extra, strict=True)
    for axis, n_out, f, s, p, d, more in per_axis:
        if more >= max(s, d):
            raise ArgumentError(
                f"{op}: output_padding {more} along {axis} must be less than the stride or the dilation, "
                f"here at most {max(s, d) - 1}"
            )
        n = s * (n_out - 1) + _span(f, d) - sum(p) + more
        if n < 1:
            raise ShapeError(
                f"{op}: along {axis} the result would have size {n} (x {x}, weight {w}, padding {p}); "
                f"take at least {1 - n} off the padding"
            )
        size.append(n)
    return ConvGeometry(tuple(size), w[2:], stride, padding, dilation, x[2:], groups, w[1] * groups, w[0])


@_cached
def pool_geometry(
    x_shape: Sequence[int],
    kernel: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    *,
    axes: int | None = None,
    op: str | None = None,
) -> PoolGeometry:
    """The geometry of a pooling of x (N, C, *n); stride is the kernel's size where none is given.

    `ceil_mode` rounds n_out up, so that the last window may hang over the end, but it must begin in the
    image or in the padding before it, as in PyTorch.  Padding is at most half of what a window spans, for
    there is nothing to see in padding; PyTorch counts taps there, and so refuses "same" with dilation.
    Options and errors are those of `conv_geometry`.

    >>> pool_geometry((8, 16, 7, 7), 2).out, pool_geometry((8, 16, 7, 7), 2, ceil_mode=True).out
    ((3, 3), (4, 4))
    """
    if axes is None:
        axes = len(kernel) if isinstance(kernel, tuple | list) else len(x_shape) - 2
    op = op or f"pool{axes}d"
    x = tuple(x_shape)
    _check_image(op, x, axes)
    kernel = _ints(op, "kernel_size", kernel, axes)
    stride = kernel if stride is None else _ints(op, "stride", stride, axes)
    dilation = _ints(op, "dilation", dilation, axes)
    padding = _padding(op, padding, x[2:], kernel, stride, dilation)
    for axis, f, p, d in zip(_names(axes), kernel, padding, dilation, strict=True):
        if 2 * max(p) > _span(f, d):
            raise ArgumentError(
                f"{op}: padding {p} along {axis} is more than half of the window, which spans {_span(f, d)}; "
                f"use at most {_span(f, d) // 2}"
            )
    out = _count(op, x, kernel, stride, padding, dilation, ceil_mode)
    geom = PoolGeometry(x[2:], kernel, stride, padding, dilation, out)
    for axis, (n, f, s, (before, _), d, n_out) in zip(_names(axes), geom.axes(), strict=True):
        if any(all(not 0 <= s * i + d * a - before < n for a in range(f)) for i in range(n_out)):
            raise ShapeError(
                f"{op}: along {axis} a window sees only padding (x {x}, dilation {d}); dilate by {n} or less"
            )
    return geom


def _span(f: int, d: int) -> int:
    """From the first pixel of a window to its last."""
    return d * (f - 1) + 1


def _padding(op: str, padding: Any, size: Sequence[int], kernel: Ints, stride: Ints, dilation: Ints) -> Any:
    """The (before, after) pairs which ints, pairs and words stand for."""
    pairs = []
    entries = _each(op, "padding", padding, len(kernel))
    for p, n, f, s, d in zip(entries, size, kernel, stride, dilation, strict=True):
        if isinstance(p, str) and p not in ("valid", "same", "full"):
            raise ArgumentError(f"{op}: padding {p!r} is unknown; use 'valid', 'same', 'full', ints or pairs")
        if isinstance(p, str) and p == "same":
            total = max(0, s * ((n - 1) // s) + _span(f, d) - n)  # what ceil(n/s) windows lack
            pairs.append((total // 2, total - total // 2))
        elif isinstance(p, tuple | list):
            pairs.append(_ints(op, "a pair of padding", p, 2, least=0))
        else:
            p = {"valid": 0, "full": _span(f, d) - 1}[p] if isinstance(p, str) else _int(op, "padding", p, 0)
            pairs.append((p, p))
    return tuple(pairs)


def _count(
    op: str, x: Ints, kernel: Ints, stride: Ints, padding: Any, dilation: Ints, ceil_mode: bool = False
) -> Ints:
    """n_out, by the formula at the top of this page."""
    out = []
    per_axis = zip(_names(len(kernel)), x[2:], kernel, stride, padding, dilation, strict=True)
    for axis, n, f, s, p, d in per_axis:
        room = n + sum(p) - d * (f - 1) - 1
        n_out = room // s + 1
        if ceil_mode:
            n_out = -(-room // s) + 1
            n_out -= s * (n_out - 1) >= n + p[0]  # the last would begin in the padding after the image
        if n_out < 1:
            raise ShapeError(
                f"{op}: along {axis} a window spans {_span(f, d)} (kernel {f}, dilation {d}), the padded "
                f"image only {n + sum(p)} (x {x}, padding {p}); pad by {-room} more, or use a smaller window"
            )
        out.append(n_out)
    return tuple(out)


def _check_weight(op: str, w: Ints, axes: int, groups: int) -> None:
    if len(w) != axes + 2 or axes < 1:
        filters = "(C, O/groups, *kernel)" if "transpose" in op else "(O, C/groups, *kernel)"
        raise ShapeError(f"{op}: weight {w} has {len(w)} axes; give it {max(axes, 1) + 2}, as in {filters}")
    if min(w[2:]) < 1:
        raise ShapeError(f"{op}: weight {w} has no taps; each kernel size must be at least 1")
    if w[0] % groups:
        raise ShapeError(
            f"{op}: groups={groups} must divide axis 0 of the weight, which has {w[0]} (weight {w})"
        )


def _check_image(op: str, x: Ints, axes: int) -> None:
    if len(x) != axes + 2 or axes < 1:
        layout = f"(N, C, {', '.join(_names(max(axes, 1)))})"
        cure = "reshape x"
        if len(x) == axes + 1:
            cure = "x.unsqueeze(0) adds a batch axis, x.unsqueeze(1) a channel axis"
        elif len(x) == 2 == axes and x[0] != x[1] and (side := isqrt(x[1])) ** 2 == x[1] > 1:
            cure = f"use x.reshape({x[0]}, 1, {side}, {side}) if these are {x[0]} grey images"
        elif len(x) == 2 == axes and max(x) < 4 * min(x):
            cure = "use x[None, None] if this is one grey image"
        raise ShapeError(f"{op}: x {x} has {len(x)} axes where {layout} is needed; {cure}")
    if min(x[2:]) < 1:
        raise ShapeError(f"{op}: x {x} has no pixels; only its batch may be empty")


def _check_channels(op: str, x: Ints, w: Ints, channels: int, groups: int, lone: bool) -> None:
    if x[1] == channels:
        return
    own = x[1:] if lone else x  # as it was given
    if x[-1] == channels:
        last = len(own) - 1
        cure = (
            f"x looks channels-last: use x.permute{(*range(last - len(x) + 2), last, *range(1 - lone, last))}"
        )
    elif x[1] % groups:
        cure = f"{groups} groups need a multiple of {groups} channels"
    else:
        cure = f"with this x use in_channels={x[1]}"
        colours = _COLOURS.get((x[1], channels)) if len(w) == 4 else None
        if colours:
            cure += f", or {colours}"
        elif x[0] == channels == 1 and len(x) > 3:  # an axis of 1 is all that was added to them, if anything
            size = ", ".join(map(str, x[2:]))
            cure += f"; for {x[1]} grey images, use x.reshape({x[1]}, 1, {size})"
    grouped = f", groups={groups}" if groups > 1 else ""
    raise ShapeError(
        f"{op}: x has {x[1]} channels, weight expects {channels} (x {own}, weight {w}{grouped}); {cure}"
    )


# from so many channels to so many
_COLOURS = {
    (1, 3): "make three channels of the grey one: x.repeat_interleave(3, -3)",
    (3, 1): "make the images grey: x.mean(-3, keepdim=True)",
    (4, 3): "leave the fourth out, if it is opacity: x.narrow(-3, 0, 3)",
}


def _names(axes: int) -> Sequence[str]:
    return {1: "L", 2: "HW", 3: "DHW"}.get(axes) or [f"S{i}" for i in range(axes)]


def _each(op: str, name: str, value: Any, axes: int) -> tuple[Any, ...]:
    """`value` for each axis: a tuple or a list is that already."""
    if not isinstance(value, tuple | list):
        return (value,) * axes
    if len(value) != axes:
        raise ArgumentError(f"{op}: {name} {value!r} has {len(value)} entries; give one value, or {axes}")
    return tuple(value)


def _ints(op: str, name: str, value: Any, axes: int, least: int = 1) -> Any:
    return tuple(_int(op, name, v, least) for v in _each(op, name, value, axes))


def _int(op: str, name: str, value: Any, least: int = 1) -> int:
    try:
        if not isinstance(value, bool) and index(value) >= least:
            return index(value)
    except TypeError:  # neither an int nor one of NumPy's
        if getattr(value, "ndim", 0):
            raise ArgumentError(
                f"{op}: {name} must be an int, not a {type(value).__name__} {value.shape}; make the module "
                "first, then call it with the tensor"
            ) from None
    raise ArgumentError(f"{op}: {name} must be an int, at least {least}, not {value!r:.40}")
