"""The filters of image processing, and `apply`, which runs them over images with conv2d.

A filter is an array (f, g) of taps.  `apply` lays it on every pixel and adds up what it sees, in one of two
ways, and both have every gradient that conv2d has:

    correlation   G[m, n] = sum_jk h[j, k] f[m + j, n + k]      the filter as it is printed; what CNNs do
    convolution   G[m, n] = sum_jk h[j, k] f[m - j, n - k]      the filter turned by 180 degrees

where j and k count from the middle tap (of an even number, from the one before the middle).  The filters
here are meant as they are printed, for "correlation": `sobel("x")` is positive where the image gets
brighter to the right.  Rows are numbered downwards, so y points down; angles run counterclockwise.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ..creation import stack
from ..data.transforms.images import bound, is_pillow, unpack
from ..errors import ArgumentError, DtypeError, ShapeError
from ..geometry import _int, conv_geometry
from ..kernels.borders import MODES
from ..nn import functional as F
from ..tensor import Tensor

__all__ = [
    "apply",
    "bank",
    "box",
    "edges",
    "emboss",
    "gabor",
    "gaussian",
    "identity",
    "laplacian",
    "laplacian_of_gaussian",
    "motion_blur",
    "prewitt",
    "roberts",
    "scharr",
    "sharpen",
    "slopes",
    "sobel",
    "unsharp",
]


# --- filters whose taps sum to 1: they keep the brightness ------------------------------------------


def identity(size: int = 3) -> np.ndarray:
    """1 in the middle and 0 around it: the image stays as it is.

    >>> identity()
    array([[0., 0., 0.],
           [0., 1., 0.],
           [0., 0., 0.]])
    """
    size = _int("identity", "size", size)
    taps = np.zeros((size, size))
    taps[(size - 1) // 2, (size - 1) // 2] = 1
    return taps


def box(size: int = 3) -> np.ndarray:
    """The mean of all pixels under the window: the simplest blur.

    >>> box(2)
    array([[0.25, 0.25],
           [0.25, 0.25]])
    """
    size = _int("box", "size", size)
    return np.full((size, size), 1 / size**2)


def gaussian(sigma: float = 1.0, size: int | None = None) -> np.ndarray:
    """A blur that falls off with the distance r: exp(-r^2 / 2 sigma^2), divided by its sum.

    Args:
        sigma: how wide, in pixels.
        size: taps along each axis; as many as reach 3 sigma by default.

    >>> gaussian(sigma=0.5).round(3)
    array([[0.   , 0.   , 0.   , 0.   , 0.   ],
           [0.   , 0.011, 0.084, 0.011, 0.   ],
           [0.   , 0.084, 0.619, 0.084, 0.   ],
           [0.   , 0.011, 0.084, 0.011, 0.   ],
           [0.   , 0.   , 0.   , 0.   , 0.   ]])
    """
    y, x, sigma = _bell("gaussian", sigma, size)
    return _kept(np.exp(-(x**2 + y**2) / (2 * sigma**2)))


def motion_blur(size: int = 9, angle: float = 0.0) -> np.ndarray:
    """The mean along a line of `size` pixels: what a camera that moves while it looks would see.

    Args:
        angle: of the line, in degrees; a tap counts less, the further it is off the line.

    >>> motion_blur(3, angle=90)
    array([[0.        , 0.33333333, 0.        ],
           [0.        , 0.33333333, 0.        ],
           [0.        , 0.33333333, 0.        ]])
    """
    along, across = _turned("motion_blur", angle, *_grid(_int("motion_blur", "size", size)))
    taps = np.clip(1 - np.abs(across), 0, 1) * np.clip((size + 1) / 2 - np.abs(along), 0, 1)
    return _kept(np.where(taps < 1e-9, 0, taps))  # cos(90 degrees) is not quite 0


def sharpen(amount: float = 1.0) -> np.ndarray:
    """The image, and `amount` times what sets each pixel apart from its four neighbours.

    >>> sharpen()
    array([[ 0., -1.,  0.],
           [-1.,  5., -1.],
           [ 0., -1.,  0.]])
    """
    return identity() - _number("sharpen", "amount", amount) * laplacian()


def unsharp(sigma: float = 1.0, amount: float = 1.0, size: int | None = None) -> np.ndarray:
    """The unsharp mask: the image, and `amount` times what a Gaussian blur would take away.

    >>> unsharp(sigma=0.5, size=3).round(2)
    array([[-0.01, -0.08, -0.01],
           [-0.08,  1.38, -0.08],
           [-0.01, -0.08, -0.01]])
    """
    blur, amount = gaussian(sigma, size), _number("unsharp", "amount", amount)
    return (1 + amount) * identity(len(blur)) - amount * blur


def emboss() -> np.ndarray:
    """The image as a relief, lit from the top left.

    >>> emboss()
    array([[-2., -1.,  0.],
           [-1.,  1.,  1.],
           [ 0.,  1.,  2.]])
    """
    return np.array([[-2.0, -1.0, 0.0], [-1.0, 1.0, 1.0], [0.0, 1.0, 2.0]])


# --- filters that find edges: on a flat image they give 0 -------------------------------------------


def sobel(axis: str = "x") -> np.ndarray:
    """The slope along x or y, smoothed by 1 2 1 across.  Sobel and Feldman (1968).

    >>> sobel("x")
    array([[-1.,  0.,  1.],
           [-2.,  0.,  2.],
           [-1.,  0.,  1.]])
    """
    return _slope("sobel", axis)


def prewitt(axis: str = "x") -> np.ndarray:
    """The slope along x or y, smoothed by 1 1 1 across.  Prewitt: Object enhancement and extraction (1970).

    >>> prewitt("y")
    array([[-1., -1., -1.],
           [ 0.,  0.,  0.],
           [ 1.,  1.,  1.]])
    """
    return _slope("prewitt", axis)


def scharr(axis: str = "x") -> np.ndarray:
    """The slope along x or y, smoothed by 3 10 3 across, whose direction is truest of all 3 x 3.

    Scharr: Optimale Operatoren in der digitalen Bildverarbeitung (2000), https://doi.org/10.11588/heidok.00000962

    >>> scharr("x")
    array([[ -3.,   0.,   3.],
           [-10.,   0.,  10.],
           [ -3.,   0.,   3.]])
    """
    return _slope("scharr", axis)


def roberts(axis: str = "x") -> np.ndarray:
    """The slope along a diagonal: to the lower right for x, to the upper right for y.

    Roberts: Machine perception of three-dimensional solids (1963).

    >>> roberts("x")
    array([[-1.,  0.],
           [ 0.,  1.]])
    """
    return _slope("roberts", axis)


def laplacian(neighbours: int = 4) -> np.ndarray:
    """The sum of what 4 or 8 neighbours have more than the pixel: positive in hollows, negative on tops.

    >>> laplacian()
    array([[ 0.,  1.,  0.],
           [ 1., -4.,  1.],
           [ 0.,  1.,  0.]])
    """
    if neighbours not in (4, 8):
        raise ArgumentError(f"laplacian: a pixel has 4 or 8 neighbours, not {neighbours!r}")
    corner = float(neighbours == 8)
    return np.array([[corner, 1, corner], [1, -neighbours, 1], [corner, 1, corner]])


def laplacian_of_gaussian(sigma: float = 1.4, size: int | None = None) -> np.ndarray:
    """The Laplacian of an image blurred by a Gaussian; it changes its sign at edges.

    (r^2 - 2 sigma^2) / sigma^4 times the Gaussian, less its mean, so that the taps sum to 0.
    Marr and Hildreth: Theory of edge detection (1980), https://doi.org/10.1098/rspb.1980.0020

    >>> laplacian_of_gaussian(sigma=0.5, size=3).round(2)
    array([[ 0.4 ,  0.8 ,  0.4 ],
           [ 0.8 , -4.82,  0.8 ],
           [ 0.4 ,  0.8 ,  0.4 ]])
    """
    y, x, sigma = _bell("laplacian_of_gaussian", sigma, size)
    squared = x**2 + y**2
    taps = (squared - 2 * sigma**2) / sigma**4 * _kept(np.exp(-squared / (2 * sigma**2)))
    return taps - taps.mean()


def gabor(
    wavelength: float = 6.0, angle: float = 0.0, phase: float = 0.0, sigma: float | None = None,
    aspect: float = 1.0, size: int | None = None,
) -> np.ndarray:  # fmt: skip
    """A wave under a Gaussian: it answers to stripes of one width and one direction, and little else.

    exp(-(u^2 + aspect^2 v^2) / 2 sigma^2) cos(2 pi u / wavelength + phase), u along the wave and v across.
    Daugman: Uncertainty relation for resolution in space, spatial frequency, and orientation (1985),
    https://doi.org/10.1364/JOSAA.2.001160; Gabor: Theory of communication (1946).

    Args:
        wavelength: of the stripes, in pixels.
        angle: in which the wave runs, in degrees: 0 finds upright stripes.
        phase: 0 for a bright stripe in the middle, pi/2 for an edge; in radians.
        sigma: how wide, half a wavelength by default.
        aspect: the Gaussian is so many times as wide along the wave as across.
        size: taps along each axis; as many as reach 3 sigma by default.

    >>> gabor(wavelength=3, size=3).round(2)
    array([[-0.32,  0.8 , -0.32],
           [-0.4 ,  1.  , -0.4 ],
           [-0.32,  0.8 , -0.32]])
    """
    wavelength = _number("gabor", "wavelength", wavelength, positive=True)
    aspect = _number("gabor", "aspect", aspect, positive=True)
    phase = _number("gabor", "phase", phase)
    y, x, sigma = _bell("gabor", wavelength / 2 if sigma is None else sigma, size, max(1, 1 / aspect))
    along, across = _turned("gabor", angle, y, x)
    bell = np.exp(-(along**2 + (aspect * across) ** 2) / (2 * sigma**2))
    return bell * np.cos(2 * math.pi * along / wavelength + phase)


def bank() -> dict[str, np.ndarray]:
    """All filters with their usual parameters, by name; `apply` knows them by these names.

    >>> print(*bank(), sep=", ")
    identity, box, gaussian, motion blur, sharpen, unsharp, emboss, sobel x, sobel y, prewitt x, prewitt y,
    scharr x, scharr y, roberts x, roberts y, laplacian, laplacian of gaussian, gabor 0, gabor 45, gabor 90,
    gabor 135
    """
    return {name: make() for name, make in _BANK.items()}


# --- over an image ---------------------------------------------------------------------------------


def apply(
    image: Any, filter: Any, mode: str = "correlation", padding: Any = "same",
    padding_mode: str = "replicate",
) -> Any:  # fmt: skip
    """Each channel of an image, filtered: correlation or convolution, by conv2d.

    Args:
        image: a Tensor (C, H, W) or (N, C, H, W); an array (H, W), (H, W, C) or (N, H, W, C); or a Pillow
            image.  What comes back is of the same kind and dtype; integers are rounded, and what is beyond
            their range is cut off, so take floats where negative numbers matter.
        filter: a name in `bank()`, or taps (f, g) as an array or a Tensor.
        mode: "correlation", or "convolution" for the filter turned by 180 degrees (see above).
        padding: "same", "valid", "full", an int, or for each axis one of these or a pair (before, after).
        padding_mode: beyond its border the image goes on with "zeros", or as in `nn.functional.pad`.

    Raises:
        ArgumentError: an unknown name, mode or padding.
        ShapeError: a filter without two axes; an image of another shape; a window that does not fit.

    >>> import tinygrad_cnn as tg
    >>> step = tg.tensor([[[0.0, 0.0, 1.0, 1.0]]])
    >>> apply(step, [[-1.0, 0.0, 1.0]]), apply(step, [[-1.0, 0.0, 1.0]], mode="convolution")
    (tensor([[[0., 1., 1., 0.]]]), tensor([[[ 0., -1., -1.,  0.]]]))
    """
    x, back = _batch("apply", image)
    return back(_filtered("apply", x, filter, mode, padding, padding_mode))


def slopes(
    image: Any, operator: str = "sobel", padding: Any = "same", padding_mode: str = "replicate"
) -> tuple[Any, Any]:
    """By how much each channel rises from pixel to pixel, to the right and downwards.

    Args:
        image: as in `apply`; integers count as fractions of their range.  A Tensor has Tensors as slopes,
            everything else float arrays.
        operator: "sobel", "prewitt", "scharr" or "roberts".  Each is divided by the sum of its taps' sizes,
            so that on a ramp all four say the same.  Roberts' slopes are those between the pixels.

    >>> import tinygrad_cnn as tg
    >>> ramp = tg.arange(9.0).reshape(1, 3, 3)
    >>> x, y = slopes(ramp, "scharr", padding="valid")
    >>> x.item(), y.item()
    (1.0, 3.0)
    """
    x, y, back = _slopes("slopes", image, operator, padding, padding_mode)
    return back(x), back(y)


def edges(
    image: Any, operator: str = "sobel", padding: Any = "same", padding_mode: str = "replicate"
) -> tuple[Any, Any]:
    """How steep each pixel is and where it rises: the magnitude and the direction of its `slopes`.

    The magnitude is sqrt(x^2 + y^2).  The direction is atan2(y, x), from -pi to pi: 0 where the image gets
    brighter to the right, pi/2 where it does downwards.  Arguments as in `slopes`.

    >>> import tinygrad_cnn as tg
    >>> magnitude, direction = edges(tg.arange(9.0).reshape(1, 3, 3), padding="valid")
    >>> magnitude, direction
    (tensor([[[3.1623]]]), tensor([[[1.2490]]]))
    """
    x, y, back = _slopes("edges", image, operator, padding, padding_mode)
    # the norm has the gradient 0 where all is flat, a square root has none
    return back(stack((x, y)).norm(dim=0)), back(y.atan2(x))


# --- what they share -------------------------------------------------------------------------------


def _batch(who: str, image: Any) -> tuple[Tensor, Callable[[Tensor], Any]]:
    """An image as a Tensor (N, C, H, W) of floats, and the way back to its own kind and dtype."""
    x, back = unpack(image, who)
    if isinstance(image, Tensor) and x.dtype.kind == "f":  # stay on the tape
        return (image, lambda y: y) if image.ndim == 4 else (image.unsqueeze(0), lambda y: y.squeeze(0))
    dtype = x.dtype

    def close(y: Tensor) -> Any:
        if dtype.kind == "f":
            return back(y.array.astype(dtype))
        low = np.iinfo(dtype).min if dtype.kind in "iu" else 0
        return back(np.clip(np.rint(y.array), low, bound(dtype)).astype(dtype))

    return Tensor(x.astype(np.result_type(dtype, np.float32))), close


def _filtered(who: str, x: Tensor, filter: Any, mode: str, padding: Any, padding_mode: str) -> Tensor:
    if mode not in ("correlation", "convolution"):
        raise ArgumentError(f"{who}: mode {mode!r} is unknown; use 'correlation' or 'convolution'")
    if padding_mode not in ("zeros", *MODES):
        raise ArgumentError(
            f"{who}: padding_mode {padding_mode!r} is unknown; use 'zeros', {', '.join(map(repr, MODES))}"
        )
    w = _taps(who, filter).to(x.dtype)
    weight = (1, 1, *w.shape)
    pairs = list(conv_geometry((1, 1, *x.shape[2:]), weight, 1, padding, axes=2, op=who).padding)
    if mode == "convolution":
        w = w.flip((0, 1))
        each = padding if isinstance(padding, (tuple, list)) else (padding, padding)
        # before and after change places with the taps, which matters if their number is even
        pairs = [pair[::-1] if p == "same" else pair for p, pair in zip(each, pairs, strict=True)]
    if padding_mode != "zeros":
        x = F.pad(x, (*pairs[1], *pairs[0]), padding_mode)
        pairs = [(0, 0), (0, 0)]
    channels = x.shape[1]
    return F.conv2d(x, w.expand(channels, *weight[1:]), padding=tuple(pairs), groups=channels)


def _taps(who: str, filter: Any) -> Tensor:
    if isinstance(filter, str):
        if filter not in _BANK:
            raise ArgumentError(f"{who}: there is no filter {filter!r}; there are {', '.join(_BANK)}")
        filter = _BANK[filter]()
    try:
        taps = filter if isinstance(filter, Tensor) else Tensor(np.asarray(filter))
    except ValueError:
        raise ShapeError(f"{who}: the rows of the filter differ in length; give them as many taps") from None
    if taps.ndim != 2 or 0 in taps.shape:
        raise ShapeError(f"{who}: the filter has shape {taps.shape}; give it two axes, (height, width)")
    if taps.dtype.kind not in "buif":
        raise DtypeError(f"{who}: the filter is {taps.dtype}; give real numbers")
    return taps


def _slopes(who: str, image: Any, operator: str, *padding: Any) -> tuple[Tensor, Tensor, Callable[..., Any]]:
    if operator not in _SLOPES:
        raise ArgumentError(f"{who}: there is no operator {operator!r}; there are {', '.join(_SLOPES)}")
    dtype = unpack(image, who)[0].dtype
    if is_pillow(image):
        image = np.asarray(image)
    if dtype.kind != "f":
        floats = np.result_type(dtype, np.float32)
        image = (image.to(floats) if isinstance(image, Tensor) else image.astype(floats)) / bound(dtype)
    x, back = _batch(who, image)
    taps = [_slope(operator, axis) for axis in "xy"]
    # whole numbers first: a flat image gives 0, not what rounding leaves
    along = [_filtered(who, x, w, "correlation", *padding) / float(np.abs(w).sum()) for w in taps]
    if operator == "roberts":  # from the diagonals to the axes
        along = [along[0] + along[1], along[0] - along[1]]
    return along[0], along[1], back


#: of each operator: how it smooths across the difference -1 0 1, or its taps along x and y
_SLOPES: dict[str, Any] = {
    "sobel": [1.0, 2.0, 1.0],
    "prewitt": [1.0, 1.0, 1.0],
    "scharr": [3.0, 10.0, 3.0],
    "roberts": {"x": [[-1.0, 0.0], [0.0, 1.0]], "y": [[0.0, 1.0], [-1.0, 0.0]]},
}


def _slope(operator: str, axis: str) -> np.ndarray:
    if axis not in ("x", "y"):
        raise ArgumentError(f"{operator}: axis must be 'x' or 'y', not {axis!r}")
    made = _SLOPES[operator]
    if isinstance(made, dict):
        return np.array(made[axis])
    taps = np.outer(made, [-1.0, 0.0, 1.0])
    return taps if axis == "x" else taps.T.copy()


def _number(who: str, name: str, value: Any, positive: bool = False) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number) or (positive and number <= 0):
        kind = "positive" if positive else "finite"
        raise ArgumentError(f"{who}: {name} must be a {kind} number, not {value!r}")
    return number


def _grid(size: int) -> tuple[np.ndarray, np.ndarray]:
    """How far each tap lies from the middle: y downwards, x to the right."""
    away = np.arange(size) - (size - 1) / 2
    return away[:, None], away[None, :]


def _bell(who: str, sigma: Any, size: int | None, wide: float = 1) -> tuple[np.ndarray, np.ndarray, float]:
    """The grid of a filter that fades out with `wide` sigma, and sigma."""
    sigma = _number(who, "sigma", sigma, positive=True)
    size = 2 * math.ceil(3 * wide * sigma) + 1 if size is None else _int(who, "size", size)
    return *_grid(size), sigma


def _turned(who: str, angle: Any, y: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(along, across) a direction that is `angle` degrees to the left of the x axis."""
    turn = math.radians(_number(who, "angle", angle))
    return x * math.cos(turn) - y * math.sin(turn), x * math.sin(turn) + y * math.cos(turn)


def _kept(taps: np.ndarray) -> np.ndarray:
    return taps / taps.sum()


_BANK: dict[str, Callable[[], np.ndarray]] = {
    "identity": identity,
    "box": box,
    "gaussian": gaussian,
    "motion blur": motion_blur,
    "sharpen": sharpen,
    "unsharp": unsharp,
    "emboss": emboss,
    **{f"{operator} {axis}": partial(_slope, operator, axis) for operator in _SLOPES for axis in "xy"},
    "laplacian": laplacian,
    "laplacian of gaussian": laplacian_of_gaussian,
    **{f"gabor {angle}": partial(gabor, angle=angle) for angle in (0, 45, 90, 135)},
}
