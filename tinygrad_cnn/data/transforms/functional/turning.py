"""Images turned, sheared and seen from the side."""

from __future__ import annotations

from typing import Any

import numpy as np

from ....errors import ArgumentError, ShapeError
from .. import resample
from ..images import InterpolationMode as Mode
from ..images import fill_of, of_images, per_image

__all__ = ["affine", "perspective", "rotate"]


def _grid(h: int, w: int) -> tuple[np.ndarray, np.ndarray]:
    """The places (y, x) of the pixels, seen from the middle."""
    return np.arange(h)[:, None] - (h - 1) / 2, np.arange(w)[None, :] - (w - 1) / 2


def _sampling(who: str, interpolation: Any) -> str:
    mode = Mode(interpolation)
    if mode is Mode.BICUBIC:
        raise ArgumentError(f'{who}: there is no interpolation "bicubic" here; use "nearest" or "bilinear"')
    return "bilinear" if mode is Mode.BILINEAR else "nearest"


def inverse_matrix(
    centre: np.ndarray, angle: np.ndarray, translate: np.ndarray, scale: np.ndarray, shear: np.ndarray
) -> np.ndarray:
    """Where the pixels of turned, sheared, scaled and shifted images come from: (n, 2, 3).

    All (n,) or (n, 2), (x, y); angles in degrees, clockwise; centre and shift from the middle of the image.
    The image is sheared, turned and scaled around the centre, then shifted.
    """
    rot, (sx, sy) = np.radians(angle), np.radians(shear).T
    cos, sin = np.round(np.cos(rot - sy), 15), np.round(np.sin(rot - sy), 15)  # 90 degrees are exact
    a, c = cos / np.cos(sy), sin / np.cos(sy)
    b, d = -a * np.tan(sx) - np.round(np.sin(rot), 15), -c * np.tan(sx) + np.round(np.cos(rot), 15)
    turn = np.stack([d, -b, -c, a], axis=1).reshape(-1, 2, 2) / scale[:, None, None]
    shift = centre[:, :, None] - turn @ (centre + translate)[:, :, None]
    return np.concatenate([turn, shift], axis=2)


def _warp(x: np.ndarray, matrix: np.ndarray, size: tuple[int, int], mode: str, fill: Any, who: str) -> Any:
    y0, x0 = _grid(*size)
    m = matrix[:, :, :, None, None]
    h, w = x.shape[2:]
    columns = m[:, 0, 0] * x0 + m[:, 0, 1] * y0 + m[:, 0, 2] + (w - 1) / 2
    rows = m[:, 1, 0] * x0 + m[:, 1, 1] * y0 + m[:, 1, 2] + (h - 1) / 2
    return resample.sample(x, rows, columns, mode, fill_of(who, fill, x.shape[1], x.dtype))


def _centre(who: str, center: Any, x: np.ndarray) -> np.ndarray:
    """Seen from the middle, (n, 2)."""
    n, _, h, w = x.shape
    if center is None:
        return np.zeros((n, 2))
    return per_image(who, "center", center, n, 2) - (w / 2, h / 2)


@of_images
def rotate(
    x: Any,
    angle: Any,
    interpolation: Any = Mode.NEAREST,
    expand: bool = False,
    center: Any = None,
    fill: Any = None,
) -> Any:
    """The image turned by an angle in degrees, counter-clockwise, around its middle or `center` (x, y).

    `expand` makes the result large enough for all of it (which is right for the middle as centre).
    """
    n, _, h, w = x.shape
    angles = per_image("rotate", "angle", angle, n)
    mode, nothing = _sampling("rotate", interpolation), np.zeros((n, 2))
    matrix = inverse_matrix(_centre("rotate", center, x), -angles, nothing, np.ones(n), nothing)
    size = (h, w)
    if expand and n:
        corners = np.array([[-w, w, w, -w], [-h, -h, h, h], [2, 2, 2, 2]]) / 2
        ends = matrix @ corners + np.array([[w / 2], [h / 2]])
        # a little more than nothing is nothing, as Pillow has it
        high = np.ceil(np.trunc(ends.max(axis=2) * 1e4) / 1e4)
        low = np.floor(np.trunc(ends.min(axis=2) * 1e4) / 1e4)
        extents = (high - low).astype(int)
        if center is None and not (angles % 90).any():  # quarters need no pixel more
            extents = np.where(angles[:, None] % 180 == 0, [w, h], [h, w])
        if (extents != extents[0]).any():
            raise ShapeError(
                "rotate: with expand=True images turned by different angles have different sizes; "
                "turn them one by one, or leave out expand"
            )
        size = (int(extents[0, 1]), int(extents[0, 0]))
    return _warp(x, matrix, size, mode, fill, "rotate")


@of_images
def affine(
    x: Any,
    angle: Any,
    translate: Any,
    scale: Any,
    shear: Any,
    interpolation: Any = Mode.NEAREST,
    fill: Any = None,
    center: Any = None,
) -> Any:
    """The image sheared, turned (degrees, clockwise), scaled around its middle or `center`, and shifted.

    Args:
        translate: (x, y) in pixels.
        shear: degrees, (x, y) or x alone.
    """
    n = len(x)
    scales = per_image("affine", "scale", scale, n)
    if not (scales > 0).all():
        raise ArgumentError(f"affine: scale is {scale!r}; it must be more than 0")
    if np.ndim(shear) == 0:
        shear = (shear, 0.0)
    elif np.shape(shear) == (1,):
        shear = (shear[0], 0.0)
    matrix = inverse_matrix(
        _centre("affine", center, x),
        per_image("affine", "angle", angle, n),
        per_image("affine", "translate", translate, n, 2),
        scales,
        per_image("affine", "shear", shear, n, 2),
    )
    return _warp(x, matrix, x.shape[2:], _sampling("affine", interpolation), fill, "affine")


@of_images
def perspective(
    x: Any, startpoints: Any, endpoints: Any, interpolation: Any = Mode.BILINEAR, fill: Any = None
) -> Any:
    """The image bent so that its four points `startpoints` come to lie at `endpoints`.

    Points are (x, y): top left, top right, bottom right, bottom left; (4, 2), or (N, 4, 2).
    """
    n, _, h, w = x.shape
    ends = [np.asarray(points, np.float64) for points in (startpoints, endpoints)]
    if any(points.shape not in ((4, 2), (n, 4, 2)) for points in ends):
        raise ArgumentError(f"perspective: the points have shapes {[p.shape for p in ends]}; give (4, 2)")
    start, end = (np.broadcast_to(points, (n, 4, 2)) for points in ends)
    # start = (a x + b y + c, d x + e y + f) / (g x + h y + 1) at each end point (x, y)
    at, one, none = end, np.ones((n, 4, 1)), np.zeros((n, 4, 3))
    first = np.concatenate([at, one, none, -at * start[..., :1]], axis=2)
    second = np.concatenate([none, at, one, -at * start[..., 1:]], axis=2)
    try:
        found = np.linalg.solve(
            np.concatenate([first, second], axis=1),
            np.concatenate([start[..., 0], start[..., 1]], axis=1)[..., None],
        )
    except np.linalg.LinAlgError:
        raise ArgumentError("perspective: three of the end points lie on one line") from None
    a, b, c, d, e, f, g, k = (found[:, i, :, None] for i in range(8))
    y0, x0 = np.arange(h)[:, None] + 0.5, np.arange(w)[None, :] + 0.5
    with np.errstate(divide="ignore", invalid="ignore"):
        depth = g * x0 + k * y0 + 1
        columns, rows = (a * x0 + b * y0 + c) / depth - 0.5, (d * x0 + e * y0 + f) / depth - 0.5
    mode = _sampling("perspective", interpolation)
    return resample.sample(x, rows, columns, mode, fill_of("perspective", fill, x.shape[1], x.dtype))
