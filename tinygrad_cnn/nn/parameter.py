"""Tensors that modules hold: parameters, buffers, and those whose shape the first input decides."""

from __future__ import annotations

from typing import Any, ClassVar, NoReturn, cast

import numpy as np

from ..errors import ArgumentError
from ..op import get_default_dtype
from ..tape import Leaf
from ..tensor import Parameter, Tensor, _dtype, _sizes

__all__ = ["Buffer", "Parameter", "UninitializedBuffer", "UninitializedParameter"]


class Buffer(Tensor):
    """A tensor that is no parameter but belongs to a module's state: assigning it is `register_buffer`.

    >>> import tinygrad_cnn as tg
    >>> model = tg.nn.Identity()
    >>> model.mean = tg.nn.Buffer(tg.zeros(2))
    >>> model.mean = model.mean + 1  # and it stays one
    >>> model.state_dict()
    {'mean': tensor([1., 1.])}
    """

    __slots__ = ("persistent",)

    def __init__(self, data: Any = None, *, persistent: bool = True):
        source = data if isinstance(data, Tensor) else Tensor(() if data is None else data)
        super().__init__(source.array)
        self.share(source)
        self.persistent = persistent


_slot: Any = Tensor.__dict__["array"]  # where the array lies, though the classes below hide it


class _Uninitialized:
    """The array is hidden, so that whatever needs a shape says what is wrong."""

    __slots__ = ()
    cls_to_become: ClassVar[type[Tensor]]

    def __init__(self, requires_grad: bool = True, dtype: Any = None):
        tensor = cast(Tensor, self)
        _slot.__set__(self, np.zeros(0, _dtype(type(self).__name__, dtype or get_default_dtype())))
        tensor.node, tensor._grad, tensor.writes, tensor._sharing = None, None, [0], None
        if requires_grad:
            tensor.node = Leaf(tensor, (0,), tensor.dtype)

    @property
    def array(self) -> NoReturn:
        raise ArgumentError(
            f"{type(self).__name__}: it has no shape yet; run the model on one batch first, "
            "or load a state dict"
        )

    @property
    def dtype(self) -> Any:
        return _slot.__get__(self).dtype

    @property
    def data(self) -> Tensor:
        """An empty tensor of the dtype that it will have."""
        return Tensor(_slot.__get__(self))

    @data.setter
    def data(self, value: Tensor) -> None:
        _slot.__set__(self, np.zeros(0, value.dtype))

    def materialize(self, shape: Any, dtype: Any = None) -> None:
        """Become a plain one, of this shape, filled with zeros."""
        tensor, dtype = cast(Tensor, self), self.dtype if dtype is None else dtype
        array = np.zeros(_sizes("materialize", (shape,)), _dtype("materialize", dtype))
        tensor.__class__ = self.cls_to_become
        tensor.array = array
        if tensor.node is not None:
            tensor.node.shape, tensor.node.dtype = array.shape, array.dtype

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        make, args = self.__reduce__()
        return memo.setdefault(id(self), make(*args))

    def __reduce__(self) -> Any:
        return type(self), (cast(Tensor, self).requires_grad, self.dtype)


class UninitializedParameter(_Uninitialized, Parameter):  # type: ignore[misc]
    """A parameter whose shape is not known yet; `materialize(shape)` makes a plain one of it.

    >>> import tinygrad_cnn as tg
    >>> layer = tg.nn.LazyLinear(2)
    >>> layer.weight
    <UninitializedParameter>
    """

    __slots__ = ()
    cls_to_become = Parameter


class UninitializedBuffer(_Uninitialized, Tensor):  # type: ignore[misc]
    """A buffer whose shape is not known yet; `materialize(shape)` makes a plain tensor of it."""

    __slots__ = ()
    cls_to_become = Tensor

    def __init__(self, requires_grad: bool = False, dtype: Any = None):
        super().__init__(requires_grad, dtype)
