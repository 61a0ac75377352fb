"""What a network looks at: maps of the pixels that decide its answer.

Each function takes a model and images and returns an array.  What is explained is one number for each image:
the model's output for the class `target`.  The model runs as in evaluation; whether it is training, its
gradients and its hooks are left as they were.  Everything is read off the tape of that one run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import product
from typing import Any, cast

import numpy as np

from ..engine import grad, gradients_at
from ..errors import ArgumentError, DtypeError, GraphError, ShapeError
from ..geometry import _ints
from ..graph.watching import as_it_was
from ..nn import Module
from ..nn import functional as F
from ..nn.conv import _ConvNd
from ..op import wrap
from ..ops.activation import hardtanh, relu
from ..tape import Handle, Node, enable_grad, no_grad, walk
from ..tensor import Tensor

__all__ = ["Target", "grad_cam", "guided_backprop", "occlusion", "saliency"]

Target = int | Sequence[int] | None
SPREAD = {3: "linear", 4: "bilinear", 5: "trilinear"}


def saliency(model: Module, x: Any, target: Target = None) -> np.ndarray:
    """How much each pixel moves the answer: max over channels of |d output[target] / dx|.

    Simonyan et al. 2013, arXiv:1312.6034.

    Args:
        model: from (n, c, *size) to (n, classes); of (n, classes, *size) the sum over pixels is explained.
        x: the images, as the model wants them.
        target: a class for all images, or one for each; None is the class that the model prefers.

    Returns:
        (n, *size), not negative.

    >>> import tinygrad_cnn as tg
    >>> model = tg.nn.Sequential(tg.nn.Flatten(), tg.nn.Linear(4, 2))
    >>> _ = model[1].weight.data.copy_(tg.tensor([[1.0, -2, 0, 0], [0, 0, 3, 4]]))
    >>> saliency(model, tg.ones(1, 1, 2, 2), target=0)
    array([[[1., 2.],
            [0., 0.]]], dtype=float32)
    """
    with _explained("saliency", model, x, target) as (x, score):
        return np.abs(grad(score, x)[0].array).max(1)


def guided_backprop(model: Module, x: Any, target: Target = None) -> np.ndarray:
    """The gradient of the answer by the pixels, of which each relu lets through only what is positive.

    A relu's rule becomes dx = max(g, 0) where out > 0, else 0 (Springenberg et al. 2014, arXiv:1412.6806).

    Args:
        model, x, target: as for `saliency`.

    Returns:
        (n, c, *size), the shape of x.

    Raises:
        ArgumentError: the model has no relu, which leaves nothing to guide.

    >>> import tinygrad_cnn as tg
    >>> relu = tg.nn.Sequential(tg.nn.ReLU(), tg.nn.Flatten(), tg.nn.Linear(2, 1))
    >>> _ = relu[2].weight.data.copy_(tg.tensor([[5.0, -5.0]]))
    >>> guided_backprop(relu, tg.ones(1, 1, 1, 2), target=0)
    array([[[[5., 0.]]]], dtype=float32)
    """
    with _explained("guided_backprop", model, x, target) as (x, score), ExitStack() as undo:
        rectifiers = [node for node in walk(cast(Node, score.node)) if _rectifies(node)]
        if not rectifiers:
            raise ArgumentError(
                f"guided_backprop: {type(model).__name__} has no relu whose gradient could be guided; "
                "use saliency"
            )
        for node in rectifiers:
            if node.hooks is None:
                node.hooks = {}
            undo.enter_context(Handle(node.hooks, lambda g: g.clamp(min=0)))
        return grad(score, x)[0].array


def _rectifies(node: Node) -> bool:
    return node.op is relu or (node.op is hardtanh and node.attrs["min_val"] == 0)


def grad_cam(
    model: Module, x: Any, target: Target = None, layer: Module | str | None = None, *, upsample: bool = True
) -> np.ndarray:
    """Where a layer sees what speaks for the answer: relu(sum_k a_k A_k).

    A_k is channel k of the layer's result, a_k the mean of d output[target] / dA_k (Selvaraju et al. 2017,
    arXiv:1610.02391).

    Args:
        model, x, target: as for `saliency`.
        layer: one of the model's modules or its name; its result is (n, channels, *pixels), of several calls
            the last one's.  None is the last convolution that ran.
        upsample: bring the map to the size of x, linearly; else it has the layer's pixels.

    Returns:
        (n, *size), not negative.

    Raises:
        ArgumentError: the layer is none of the model's, did not run, or its result has no pixels.
        GraphError: the answer does not depend on the layer's result.

    >>> import tinygrad_cnn as tg
    >>> grad_cam(tg.models.LeNet5(), tg.ones(1, 1, 28, 28), layer="conv2").shape
    (1, 28, 28)
    """
    name = "grad_cam"
    if layer is None:
        layers: list[Module] = [module for module in model.modules() if isinstance(module, _ConvNd)]
    else:
        layers = [model.get_submodule(layer) if isinstance(layer, str) else layer]
    if not layers or not any(layers[0] is module for module in model.modules()):
        raise ArgumentError(
            f"{name}: {layer if layers else 'a convolution'} is none of the modules of "
            f"{type(model).__name__}; name one of model.named_modules()"
        )
    with _results(layers) as found, _explained(name, model, x, target) as (x, score):
        if not found:
            raise ArgumentError(f"{name}: {layer or 'a convolution'} did not run; choose a layer that does")
        _, node, a = found[-1]
        if a is None or a.ndim < 3:
            raise ArgumentError(
                f"{name}: the result of {layer} is {'no Tensor' if a is None else a.shape}, and has "
                "no pixels; choose a layer whose result is (n, channels, *size)"
            )
        arrived = {} if node is None else gradients_at([score], {node})
        if node not in arrived:
            raise GraphError(
                f"{name}: the output does not depend on the result of {layer or 'the last convolution'}; "
                "choose a layer on the way to it"
            )
        pixels = tuple(range(2, a.ndim))
        weights = arrived[node].mean(pixels, keepdims=True)
        heat = np.maximum((weights * a).sum(1), 0)
        return _spread(heat, x.shape[2:]) if upsample else heat


def occlusion(
    model: Module, x: Any, target: Target = None, size: Any = 8, stride: Any = None, *, value: Any = 0.0,
    batch_size: int = 64, progress: bool = True,
) -> np.ndarray:  # fmt: skip
    """How much the answer falls when a patch is hidden: output[target] - output[target] with the patch.

    A pixel gets the mean over the patches that hide it (Zeiler & Fergus 2014, arXiv:1311.2901).

    Args:
        model, x, target: as for `saliency`; the preferred class is that of the whole image.
        size: of the patch, an integer or one for each axis.
        stride: from patch to patch; as long as the patch by default.  The last patches end at the border.
        value: what stands in the patch: a number, or one for each channel.
        batch_size: images at a time.
        progress: show a bar on a terminal.

    Returns:
        (n, *size); negative where the patch hides what speaks against the answer.

    Raises:
        ShapeError: a patch larger than the image.

    >>> import tinygrad_cnn as tg
    >>> total = tg.nn.Sequential(tg.nn.Flatten(), tg.nn.Linear(4, 1, bias=False))
    >>> _ = total[1].weight.data.fill_(1)
    >>> occlusion(total, tg.tensor([[[[1.0, 2], [3, -4]]]]), target=0, size=1)
    array([[[ 1.,  2.],
            [ 3., -4.]]], dtype=float32)
    """
    from tqdm import tqdm

    x = _images("occlusion", x).array
    n, inner = len(x), x.shape[2:]
    size = _ints("occlusion", "size", size, len(inner))
    stride = size if stride is None else _ints("occlusion", "stride", stride, len(inner))
    if any(s > whole for s, whole in zip(size, inner, strict=True)):
        raise ShapeError(
            f"occlusion: a patch {size} is larger than the images {inner}; choose a smaller size"
        )
    fill = np.asarray(value, x.dtype).reshape(-1, *[1] * len(inner))
    if len(fill) not in (1, x.shape[1]):
        raise ShapeError(
            f"occlusion: {len(fill)} values for {x.shape[1]} channels; give one, or one for each channel"
        )
    starts = [
        [*range(0, whole - s, step), whole - s] for whole, s, step in zip(inner, size, stride, strict=True)
    ]
    places: list[Any] = [
        (..., *(slice(a, a + s) for a, s in zip(at, size, strict=True))) for at in product(*starts)
    ]
    at_once = max(1, batch_size // max(n, 1))
    with _at_rest(model), no_grad():
        whole, classes = _score("occlusion", model(wrap(x)), target)
        heat, covered = np.zeros((n, *inner), x.dtype), np.zeros(inner, x.dtype)
        with tqdm(total=len(places), unit=" patches", leave=False, disable=None if progress else True) as bar:
            for first in range(0, len(places), at_once):
                now = places[first : first + at_once]
                hidden = np.repeat(x[None], len(now), 0)
                for image, place in zip(hidden, now, strict=True):
                    image[place] = fill
                out = model(wrap(hidden.reshape(-1, *x.shape[1:])))
                score = _score("occlusion", out, np.tile(classes, len(now)))[0].reshape(len(now), n)
                for drop, place in zip(whole - score, now, strict=True):
                    heat[place] += drop.reshape(n, *[1] * len(inner))
                    covered[place] += 1
                bar.update(len(now))
    return heat / np.maximum(covered, 1)  # a stride longer than the patch leaves pixels that nothing hid


# --- what they share -------------------------------------------------------------------------------


@contextmanager
def _results(layers: Iterable[Module]) -> Iterator[list[tuple[Module, Any, Any]]]:
    """(the layer, the place on the tape, the array) of each result of these layers, in order of the calls.

    As it is when the layer is done: what writes over the tensor later, such as relu_, gets a new place and
    a new array.  Of what is no Tensor, both are None.
    """
    found: list[tuple[Module, Any, Any]] = []

    def note(module: Module, _: Any, out: Any) -> None:
        found.append((module, getattr(out, "node", None), getattr(out, "array", None)))

    with ExitStack() as undo:
        for layer in layers:
            undo.enter_context(layer.register_forward_hook(note))
        yield found


@contextmanager
def _explained(name: str, model: Module, x: Any, target: Target) -> Iterator[tuple[Tensor, Tensor]]:
    """(the images, asking for a gradient; the sum of their scores) of one run on the tape."""
    x = _images(name, x).requires_grad_()
    with _at_rest(model), enable_grad():
        out = model(x)
        _, classes = _score(name, out, target)
        chosen = np.zeros(out.shape, out.dtype)
        chosen[np.arange(len(out)), classes] = 1
        score = (out * wrap(chosen)).sum()
        if score.node is None:
            raise GraphError(
                f"{name}: the output of {type(model).__name__} does not depend on x by a gradient"
            )
        yield x, score


@contextmanager
def _at_rest(model: Module) -> Iterator[None]:
    """As in evaluation, and as it was afterwards."""
    with as_it_was(model):
        model.eval()
        yield


def _images(name: str, x: Any) -> Tensor:
    """A copy, which nobody else differentiates by."""
    a = np.array(x.array if isinstance(x, Tensor) else x)
    if a.dtype.kind != "f":
        raise DtypeError(
            f"{name}: x is {a.dtype}, and has no gradient; use .float() and the scale of training"
        )
    if not 3 <= a.ndim <= 5 or 0 in a.shape:
        raise ShapeError(
            f"{name}: x has shape {a.shape}; expected images (n, channels, *size), such as x[None]"
        )
    return wrap(a)


def _score(name: str, out: Any, target: Any) -> tuple[np.ndarray, np.ndarray]:
    """(the output for the class of each image, that class)."""
    if not isinstance(out, Tensor) or out.ndim < 2:
        shape = out.shape if isinstance(out, Tensor) else type(out).__name__
        raise ShapeError(f"{name}: the model returned {shape}; expected (n, classes) or (n, classes, *size)")
    scores = out.array.reshape(*out.shape[:2], -1).sum(2)
    n, known = scores.shape
    classes = scores.argmax(1) if target is None else np.asarray(target)
    if classes.dtype.kind not in "iu" or classes.shape not in ((), (n,)):
        raise ArgumentError(f"{name}: target is {target!r:.60}; give a class, or one for each of {n} images")
    classes = np.broadcast_to(classes, (n,))
    if n and not 0 <= classes.min() <= classes.max() < known:
        raise ArgumentError(f"{name}: target {target!r:.60}, and the model has the classes 0 to {known - 1}")
    return scores[np.arange(n), classes], classes


def _spread(heat: np.ndarray, size: Any) -> np.ndarray:
    """Maps (n, *pixels) on a grid of another size, linearly."""
    if heat.shape[1:] == tuple(size):
        return heat
    mode = SPREAD[heat.ndim + 1]
    return F.interpolate(wrap(heat[:, None]), tuple(size), mode=mode, align_corners=False).array[:, 0]
