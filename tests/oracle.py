"""Convolution and pooling spelled out: one loop per letter of the textbook formula, in float64, NumPy only.

Nothing here knows the package.  Padding is given as one (before, after) pair per axis, everything else as
one int per axis; arrays are (N, C, *size), weights (O, C/groups, *kernel).  Slow on purpose: small inputs.
"""

from __future__ import annotations

import math
from itertools import product

import numpy as np


def out_size(n, f, s, p, d, ceil_mode=False):
    """How many windows fit, by trying one after the other."""
    count, start, span = 0, 0, d * (f - 1) + 1
    while start + span <= n + sum(p):
        count, start = count + 1, start + s
    if ceil_mode and count == 0:
        overhanging = start + span - (n + sum(p)) < s  # only then does rounding up give one window
    else:
        overhanging = ceil_mode and start - s + span < n + sum(p)  # cells are left which no window reaches
    if overhanging and start < n + p[0]:
        count += 1
    return count


def out_sizes(size, kernel, stride, padding, dilation, ceil_mode=False):
    axes = zip(size, kernel, stride, padding, dilation, strict=True)
    return tuple(out_size(*axis, ceil_mode) for axis in axes)


def visits(size, kernel, stride, padding, dilation, out):
    """Every (window, tap, pixel) where a tap sees a pixel; taps and windows in row-major order."""
    for i in product(*map(range, out)):
        for a in product(*map(range, kernel)):
            pixel = tuple(
                s * i_ + d * a_ - p[0]
                for s, i_, d, a_, p in zip(stride, i, dilation, a, padding, strict=True)
            )
            if all(0 <= q < n for q, n in zip(pixel, size, strict=True)):
                yield i, a, pixel


def channel_pairs(o, c, groups):
    """Every (filter, input channel, the filter's own number for it) which belong to the same group."""
    for filter_ in range(o):
        group = filter_ // (o // groups)
        for own in range(c // groups):
            yield filter_, group * (c // groups) + own, own


def conv(x, w, stride, padding, dilation, groups):
    """y[n, o, i] = sum over c, a of w[o, c, a] x[n, c, s i + d a - p]."""
    size, kernel = x.shape[2:], w.shape[2:]
    out = out_sizes(size, kernel, stride, padding, dilation)
    y = np.zeros((x.shape[0], w.shape[0], *out))
    for i, a, pixel in visits(size, kernel, stride, padding, dilation, out):
        for o, c, own in channel_pairs(w.shape[0], x.shape[1], groups):
            for n in range(x.shape[0]):
                y[(n, o, *i)] += float(w[(o, own, *a)]) * float(x[(n, c, *pixel)])
    return y


def conv_input_grad(y, w, size, stride, padding, dilation, groups):
    """dx[n, c, s i + d a - p] += w[o, c, a] y[n, o, i]."""
    channels = w.shape[1] * groups
    dx = np.zeros((y.shape[0], channels, *size))
    for i, a, pixel in visits(size, w.shape[2:], stride, padding, dilation, y.shape[2:]):
        for o, c, own in channel_pairs(w.shape[0], channels, groups):
            for n in range(y.shape[0]):
                dx[(n, c, *pixel)] += float(w[(o, own, *a)]) * float(y[(n, o, *i)])
    return dx


def conv_weight_grad(y, x, kernel, stride, padding, dilation, groups):
    """dw[o, c, a] += y[n, o, i] x[n, c, s i + d a - p]."""
    dw = np.zeros((y.shape[1], x.shape[1] // groups, *kernel))
    for i, a, pixel in visits(x.shape[2:], kernel, stride, padding, dilation, y.shape[2:]):
        for o, c, own in channel_pairs(y.shape[1], x.shape[1], groups):
            for n in range(x.shape[0]):
                dw[(o, own, *a)] += float(y[(n, o, *i)]) * float(x[(n, c, *pixel)])
    return dw


def conv_transpose(x, w, stride, padding, output_padding, dilation, groups):
    """y[n, c, s i + d a - p] += w[o, c, a] x[n, o, i]: each pixel of x stamps the weight onto the result."""
    axes = zip(x.shape[2:], w.shape[2:], stride, padding, output_padding, dilation, strict=True)
    size = [s * (n - 1) + d * (f - 1) + 1 + extra - sum(p) for n, f, s, p, extra, d in axes]
    return conv_input_grad(x, w, size, stride, padding, dilation, groups)


def max_pool(x, kernel, stride, padding, dilation, ceil_mode=False):
    """The maxima, and where in the flattened image each was found: the first of equals, but the last NaN."""
    size = x.shape[2:]
    out = out_sizes(size, kernel, stride, padding, dilation, ceil_mode)
    best = np.full((*x.shape[:2], *out), -math.inf)
    where = np.full(best.shape, -1, np.int64)
    for i, _, pixel in visits(size, kernel, stride, padding, dilation, out):
        for n, c in np.ndindex(x.shape[:2]):
            at, value = (n, c, *i), float(x[(n, c, *pixel)])
            if where[at] == -1 or value > best[at] or math.isnan(value):
                best[at], where[at] = value, np.ravel_multi_index(pixel, size)
    return best, where


def max_pool_grad(g, where, size):
    """Each window's gradient goes to the pixel which won it."""
    dx = np.zeros((*g.shape[:2], math.prod(size)))
    for at in np.ndindex(g.shape):
        dx[(*at[:2], where[at])] += float(g[at])
    return dx.reshape(*g.shape[:2], *size)


def avg_divisors(size, kernel, stride, padding, out, count_include_pad):
    """How many cells each window averages over; beyond the padding there are none."""
    cells = np.zeros(out)
    for i in product(*map(range, out)):
        for a in product(*map(range, kernel)):
            axes = zip(size, stride, padding, i, a, strict=True)
            at = [(s * i_ + a_ - p[0], n, p if count_include_pad else (0, 0)) for n, s, p, i_, a_ in axes]
            cells[i] += all(-before <= q < n + after for q, n, (before, after) in at)
    return cells


def avg_pool(x, kernel, stride, padding, ceil_mode=False, count_include_pad=True, divisor_override=None):
    size, ones = x.shape[2:], (1,) * len(kernel)
    out = out_sizes(size, kernel, stride, padding, ones, ceil_mode)
    divisors = avg_divisors(size, kernel, stride, padding, out, count_include_pad)
    y = np.zeros((*x.shape[:2], *out))
    for i, _, pixel in visits(size, kernel, stride, padding, ones, out):
        for n, c in np.ndindex(x.shape[:2]):
            y[(n, c, *i)] += float(x[(n, c, *pixel)]) / (divisor_override or divisors[i])
    return y


def avg_pool_grad(
    g, size, kernel, stride, padding, ceil_mode=False, count_include_pad=True, divisor_override=None
):
    ones, out = (1,) * len(kernel), g.shape[2:]
    divisors = avg_divisors(size, kernel, stride, padding, out, count_include_pad)
    dx = np.zeros((*g.shape[:2], *size))
    for i, _, pixel in visits(size, kernel, stride, padding, ones, out):
        for n, c in np.ndindex(g.shape[:2]):
            dx[(n, c, *pixel)] += float(g[(n, c, *i)]) / (divisor_override or divisors[i])
    return dx


# --- the sums of a convolution tap by tap: plain still, but soon done for larger images -----------------


def grouped(a, axis, groups):
    """In float64, with an axis of channels or filters split into (groups, each)."""
    return a.astype(float).reshape(*a.shape[:axis], groups, a.shape[axis] // groups, *a.shape[axis + 1 :])


def seen(padded, kernel, stride, dilation, out):
    """Every tap, and the part of the padded images which the windows see through it."""
    for a in product(*map(range, kernel)):
        axes = zip(a, stride, dilation, out, strict=True)
        yield a, padded[(..., *(slice(d * a_, d * a_ + s * (n - 1) + 1, s) for a_, s, d, n in axes))]


def conv_by_taps(x, w, stride, padding, dilation, groups):
    out = out_sizes(x.shape[2:], w.shape[2:], stride, padding, dilation)
    x = grouped(np.pad(x, [(0, 0), (0, 0), *padding]), 1, groups)
    parts, w = seen(x, w.shape[2:], stride, dilation, out), grouped(w, 0, groups)
    y = sum(np.einsum("ngc...,goc->ngo...", part, w[(..., *a)], optimize=True) for a, part in parts)
    return y.reshape(len(x), math.prod(w.shape[:2]), *out)


def conv_input_grad_by_taps(y, w, size, stride, padding, dilation, groups):
    y, kernel, w = grouped(y, 1, groups), w.shape[2:], grouped(w, 0, groups)
    padded = [before + n + after for n, (before, after) in zip(size, padding, strict=True)]
    dx = np.zeros((len(y), groups, w.shape[2], *padded))
    for a, part in seen(dx, kernel, stride, dilation, y.shape[3:]):
        part += np.einsum("ngo...,goc->ngc...", y, w[(..., *a)], optimize=True)
    inside = (slice(before, before + n) for n, (before, _) in zip(size, padding, strict=True))
    return dx[(..., *inside)].reshape(len(y), math.prod(dx.shape[1:3]), *size)


def conv_weight_grad_by_taps(y, x, kernel, stride, padding, dilation, groups):
    y, x = grouped(y, 1, groups), grouped(np.pad(x, [(0, 0), (0, 0), *padding]), 1, groups)
    dw = np.zeros((groups, y.shape[2], x.shape[2], *kernel))
    for a, part in seen(x, kernel, stride, dilation, y.shape[3:]):
        rows, columns = (b.reshape(*b.shape[:3], math.prod(y.shape[3:])) for b in (y, part))
        dw[(..., *a)] = np.einsum("ngoi,ngci->goc", rows, columns, optimize=True)
    return dw.reshape(-1, *dw.shape[2:])


# --- resampling: of every new pixel, how much it has of each old one -------------------------------------


def tent(t):
    return max(0.0, 1 - abs(t))


def keys(t, a):
    """Cubic convolution (Keys 1981)."""
    t = abs(t)
    if t <= 1:
        return (a + 2) * t**3 - (a + 3) * t**2 + 1
    return a * t**3 - 5 * a * t**2 + 8 * a * t - 4 * a if t < 2 else 0.0


def lanczos(t):
    """sinc(t) sinc(t / 3), up to 3."""
    if t == 0:
        return 1.0
    return 3 * math.sin(math.pi * t) * math.sin(math.pi * t / 3) / (math.pi * t) ** 2 if abs(t) < 3 else 0.0


WIDE = {"linear": (tent, 1), "cubic": (lambda t: keys(t, -0.5), 2), "lanczos": (lanczos, 3)}


def step_between(n, out, scale, align_corners):
    """From one new pixel to the next, in old ones."""
    if align_corners:
        return (n - 1) / (out - 1) if out > 1 else 0.0
    return n / out if scale is None else 1 / scale


def window_of(n, out, i):
    """The pixels of which an adaptive pool makes pixel i."""
    return range(math.floor(i * n / out), math.ceil((i + 1) * n / out))


def resampling(kind, n, out, scale=None, align_corners=False):
    """The matrix (out, n) of an axis; "wide linear", "wide cubic" and "wide lanczos" are antialiased."""
    align_corners = align_corners and kind not in ("nearest", "exact", "area")
    matrix, step = np.zeros((out, n)), step_between(n, out, scale, align_corners)
    for i in range(out):
        corner, centre = step * i, step * (i + 0.5)
        at = corner if align_corners else centre - 0.5
        if n == out and kind in ("nearest", "linear", "wide linear", "wide cubic", "wide lanczos"):
            matrix[i, i] = 1
        elif kind == "nearest":
            matrix[i, math.floor(np.float32(i) * np.float32(step))] = 1
        elif kind == "exact":
            matrix[i, math.floor(np.float32(i + 0.5) * np.float32(step))] = 1
        elif kind in ("linear", "cubic"):
            for j in range(-3, n + 3):  # beyond the image is its last pixel
                matrix[i, min(max(j, 0), n - 1)] += tent(at - j) if kind == "linear" else keys(at - j, -0.75)
        elif kind == "area":
            matrix[i, window_of(n, out, i)] = 1 / len(window_of(n, out, i))
        else:
            weight, _ = WIDE[kind.removeprefix("wide ")]
            matrix[i] = [weight((j + 0.5 - centre) / max(1, step)) for j in range(n)]
            matrix[i] /= matrix[i].sum()
    return matrix
