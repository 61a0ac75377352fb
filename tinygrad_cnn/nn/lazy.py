"""Layers that learn from their first input how many features or channels it has.

They begin with parameters without a shape, and turn into the plain layer when they are first called.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any, ClassVar

from ..errors import ShapeError
from ..tape import no_grad
from ..tensor import Tensor, _tensor
from .conv import Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from .linear import Linear
from .module import Module
from .norm import BatchNorm1d, BatchNorm2d, BatchNorm3d, InstanceNorm1d, InstanceNorm2d, InstanceNorm3d
from .parameter import UninitializedBuffer, UninitializedParameter

__all__ = [
    "LazyBatchNorm1d", "LazyBatchNorm2d", "LazyBatchNorm3d", "LazyConv1d", "LazyConv2d", "LazyConv3d",
    "LazyConvTranspose1d", "LazyConvTranspose2d", "LazyConvTranspose3d", "LazyInstanceNorm1d",
    "LazyInstanceNorm2d", "LazyInstanceNorm3d", "LazyLinear",
]  # fmt: skip


class _Lazy(Module):
    """The plain layer, which stands next in the order of classes, but for its first argument."""

    cls_to_become: ClassVar[Any]
    ranks: ClassVar[tuple[int, ...]]  # how many axes an input may have
    axis: ClassVar[int]  # the one that counts
    size: ClassVar[str]  # what the plain layer calls its length

    def __init_subclass__(cls, ranks: tuple[int, ...], axis: int, **defaults: Any) -> None:
        cls.ranks, cls.axis = ranks, axis
        cls.cls_to_become = cls.__bases__[1]
        known = inspect.signature(cls.cls_to_become)
        cls.size, *others = known.parameters
        options = [known.parameters[name] for name in others]
        options = [p.replace(default=defaults.get(p.name, p.default)) for p in options]
        cls.__signature__ = known.replace(parameters=options)  # type: ignore[attr-defined]

    def __init__(self, *args: Any, **kwargs: Any):
        given = inspect.signature(type(self)).bind(*args, **kwargs)
        given.apply_defaults()
        self._arguments: dict[str, Any] = given.arguments
        super().__init__(0, **self._arguments)  # type: ignore[call-arg]
        for name, _ in list(self._floats()):
            setattr(
                self, name, UninitializedBuffer() if name in self._persistent else UninitializedParameter()
            )

    def _floats(self) -> Iterator[tuple[str, Tensor]]:
        return ((name, tensor) for name, tensor in self._own_state() if tensor.dtype.kind == "f")

    def has_uninitialized_params(self) -> bool:
        """Whether a shape is still missing; loading a state dict gives them, too."""
        return any(isinstance(t, (UninitializedParameter, UninitializedBuffer)) for _, t in self._floats())

    def initialize_parameters(self, x: Tensor) -> None:
        """Give all parameters and buffers the shapes that this input asks for, and their initial values."""
        name = type(self).__name__
        if _tensor(name, x).ndim not in self.ranks:
            wanted = " or ".join(map(str, self.ranks)) or "at least 1"
            raise ShapeError(f"{name}: x {x.shape} has {x.ndim} axes; it takes {wanted}")
        plain = self.cls_to_become(x.shape[self.axis], **self._arguments)
        shapes = dict(plain._own_state())
        for key, tensor in self._floats():
            if isinstance(tensor, (UninitializedParameter, UninitializedBuffer)):
                tensor.materialize(shapes[key].shape)
                with no_grad():
                    tensor.copy_(shapes[key])
            elif tensor.shape != shapes[key].shape:
                raise ShapeError(
                    f"{name}: x {x.shape} needs a {key} {shapes[key].shape}, the one that was loaded is "
                    f"{tensor.shape}; use inputs like those it comes from"
                )
        setattr(self, self.size, x.shape[self.axis])

    def forward(self, input: Tensor, *options: Any, **named: Any) -> Tensor:
        self.initialize_parameters(input)
        self.__class__ = self.cls_to_become
        del self._arguments
        return self.forward(input, *options, **named)


class LazyLinear(_Lazy, Linear, ranks=tuple(range(1, 65)), axis=-1):
    """A `Linear` whose in_features come from the first input.

    >>> import tinygrad_cnn as tg
    >>> layer = tg.nn.LazyLinear(2)
    >>> layer
    LazyLinear(in_features=0, out_features=2, bias=True)
    >>> layer(tg.zeros(5, 3)).shape, layer
    ((5, 2), Linear(in_features=3, out_features=2, bias=True))
    """


class LazyConv1d(_Lazy, Conv1d, ranks=(2, 3), axis=-2):
    """A `Conv1d` whose in_channels come from the first input."""


class LazyConv2d(_Lazy, Conv2d, ranks=(3, 4), axis=-3):
    """A `Conv2d` whose in_channels come from the first input."""


class LazyConv3d(_Lazy, Conv3d, ranks=(4, 5), axis=-4):
    """A `Conv3d` whose in_channels come from the first input."""


class LazyConvTranspose1d(_Lazy, ConvTranspose1d, ranks=(2, 3), axis=-2):
    """A `ConvTranspose1d` whose in_channels come from the first input."""


class LazyConvTranspose2d(_Lazy, ConvTranspose2d, ranks=(3, 4), axis=-3):
    """A `ConvTranspose2d` whose in_channels come from the first input."""


class LazyConvTranspose3d(_Lazy, ConvTranspose3d, ranks=(4, 5), axis=-4):
    """A `ConvTranspose3d` whose in_channels come from the first input."""


class LazyBatchNorm1d(_Lazy, BatchNorm1d, ranks=BatchNorm1d.axes, axis=1):
    """A `BatchNorm1d` whose num_features come from the first input."""


class LazyBatchNorm2d(_Lazy, BatchNorm2d, ranks=BatchNorm2d.axes, axis=1):
    """A `BatchNorm2d` whose num_features come from the first input."""


class LazyBatchNorm3d(_Lazy, BatchNorm3d, ranks=BatchNorm3d.axes, axis=1):
    """A `BatchNorm3d` whose num_features come from the first input."""


class LazyInstanceNorm1d(
    _Lazy, InstanceNorm1d, ranks=InstanceNorm1d.axes, axis=-2, affine=True, track_running_stats=True
):
    """An `InstanceNorm1d` whose num_features come from the first input; learned and tracked by default."""


class LazyInstanceNorm2d(
    _Lazy, InstanceNorm2d, ranks=InstanceNorm2d.axes, axis=-3, affine=True, track_running_stats=True
):
    """An `InstanceNorm2d` whose num_features come from the first input; learned and tracked by default."""


class LazyInstanceNorm3d(
    _Lazy, InstanceNorm3d, ranks=InstanceNorm3d.axes, axis=-4, affine=True, track_running_stats=True
):
    """An `InstanceNorm3d` whose num_features come from the first input; learned and tracked by default."""
