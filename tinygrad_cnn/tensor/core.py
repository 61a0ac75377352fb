"""What a tensor is: an array, its place on the tape, the memory that it may share."""

from __future__ import annotations

import builtins
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Self

import numpy as np
from numpy import ndarray

from .. import engine
from ..errors import ArgumentError, DtypeError, GraphError, ShapeError
from ..op import bind
from ..ops import elementwise, shape
from ..tape import Handle, Node
from .arguments import _axis, _dtype, _floats, _tensor
from .arithmetic import Arithmetic
from .counting import Counting
from .functions import Functions
from .in_place import InPlace
from .indexing import Indexing
from .matrices import Matrices
from .order import Order
from .reductions import Reductions
from .shapes import Shapes
from .text import _text

__all__ = ["Tensor"]


class Tensor(Arithmetic, Functions, Reductions, Order, Counting, Shapes, Indexing, Matrices, InPlace):
    """A NumPy array that remembers how it was computed.  Make one with `tensor(...)`.

    Attributes:
        array: the values.  Write to them through the Tensor (`x[0] = 1`, `x.add_(1)`): the tape must know.
        node: the place on the tape; None if no gradient is wanted.
        grad: the gradient that backward left here, or None.
        writes: [how often the memory was written in place, whether other tensors share it].

    >>> import tinygrad_cnn as tg
    >>> x = tg.tensor([1.0, 2.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    tensor([2., 4.])
    """

    __slots__ = ("__weakref__", "array", "grad", "node", "writes")
    __array_ufunc__ = None  # so that ndarray * Tensor asks the Tensor

    def __init__(self, array: Any, node: Node | None = None):
        self.array: np.ndarray = array if type(array) is ndarray else _floats(array)
        self.node: Node | None = node
        self.grad: Tensor | None = None
        self.writes: list[Any] = [0, False]

    # --- what it is ----------------------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.array.dtype

    @property
    def ndim(self) -> int:
        return self.array.ndim

    def dim(self) -> int:
        """Number of axes."""
        return self.array.ndim

    def size(self, dim: int | None = None) -> Any:
        """The shape, or the size of one axis."""
        return self.array.shape if dim is None else self.array.shape[_axis("size", self, dim)]

    def numel(self) -> int:
        """Number of elements."""
        return self.array.size

    @property
    def requires_grad(self) -> bool:
        """Whether gradients flow here; it can be set on tensors that were not computed from others."""
        return self.node is not None

    @requires_grad.setter
    def requires_grad(self, wanted: bool) -> None:
        self.requires_grad_(wanted)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Ask for a gradient (or no longer); returns the tensor itself."""
        if not self.is_leaf:
            if not requires_grad:
                raise GraphError(
                    f"requires_grad_: {self.node!r} was computed; use detach() to cut it off the tape"
                )
        elif not requires_grad:
            self.node = None
        elif self.node is None:
            if self.dtype.kind != "f":
                raise DtypeError(
                    f"requires_grad_: only floats have gradients, this tensor is {self.dtype}; use .float()"
                )
            self.node = Node(None, (), {}, None, (), (), self.shape, self.dtype)
            self.node.sink = weakref.ref(self)
        return self

    @property
    def is_leaf(self) -> bool:
        """Whether it was made by the user rather than computed by a recorded op."""
        return self.node is None or self.node.op is None

    @property
    def grad_fn(self) -> Node | None:
        """The node of the op that computed it; None for a leaf."""
        return None if self.is_leaf else self.node

    def __repr__(self) -> str:
        a, text = self.array, _text(self.array)
        if a.dtype not in (np.float32, np.int64, np.bool_):
            text += f", dtype={a.dtype}"
        if self.grad_fn is not None:
            text += f", grad_fn=<{self.grad_fn.op.name}>"  # type: ignore[union-attr]
        elif self.requires_grad:
            text += ", requires_grad=True"
        return f"tensor({text})"

    def __len__(self) -> int:
        if self.ndim == 0:
            raise ShapeError("len: a 0-d tensor has no length; use .item() for its value")
        return self.array.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self)))

    def __hash__(self) -> int:
        return id(self)

    def _value(self, what: str, cure: str = "reduce or index it first") -> Any:
        if self.array.size != 1:
            raise ShapeError(f"{what}: a tensor {self.shape} has {self.numel()} values, not one; {cure}")
        return self.array.item()

    def item(self) -> Any:
        """The only value, as a Python number."""
        return self._value("item")

    def __bool__(self) -> bool:
        return bool(self._value("bool", "ask .any() or .all() of them"))

    def __float__(self) -> float:
        return float(self._value("float"))

    def __int__(self) -> int:
        return int(self._value("int"))

    def __index__(self) -> int:
        if self.dtype.kind not in "iu":
            raise DtypeError(f"index: only integer tensors can index, this one is {self.dtype}")
        return int(self._value("index"))

    def __contains__(self, value: Any) -> bool:
        return bool(elementwise.eq(self, value).array.any())

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if self.ndim == 0 and spec else repr(self)

    def tolist(self) -> Any:
        """Nested lists of Python numbers."""
        return self.array.tolist()

    # --- arrays and memory -----------------------------------------------------------------------------

    def numpy(self) -> np.ndarray:
        """The values as a read-only view: writing behind the tape's back would give wrong gradients.

        Take `.numpy().copy()` to change values of your own, or write through the Tensor.
        """
        view = self.array.view()
        view.flags.writeable = False
        return view

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.numpy(), dtype=dtype, copy=copy)

    def share(self, other: Tensor) -> None:
        """Note that the memory is `other`'s: a write through one is a write to both."""
        self.writes = other.writes
        self.writes[1] = True

    def detach(self) -> Tensor:
        """The same memory, off the tape."""
        out = Tensor(self.array)
        out.share(self)
        return out

    @property
    def data(self) -> Tensor:
        """`detach()`; assigning replaces the values."""
        return self.detach()

    @data.setter
    def data(self, value: Any) -> None:
        value = value if isinstance(value, Tensor) else Tensor(_floats(value, self.dtype))
        if value.shape != self.shape and not self.is_leaf:
            raise ShapeError(f"data: {value.shape} for a computed tensor {self.shape}; the shape must stay")
        self.array = value.array
        self.share(value)
        if self.node is not None:
            self.node.shape, self.node.dtype = self.shape, self.dtype

    def clone(self) -> Tensor:
        """A copy; gradients flow through it."""
        return shape.clone(_tensor("clone", self))

    def contiguous(self) -> Tensor:
        """The tensor itself if its memory is in row-major order, else a copy that is."""
        return self if self.array.flags.c_contiguous else shape.clone(self)

    def is_contiguous(self) -> bool:
        """Whether the memory is in row-major order."""
        return self.array.flags.c_contiguous

    def cpu(self) -> Tensor:
        """The tensor itself; there is no other device."""
        return self

    def to(self, *args: Any, dtype: Any = None) -> Tensor:
        """Another dtype: `x.to(tg.float64)`; `x.to(other)` takes another tensor's.  "cpu" is the "
        "only device."""
        for wanted in args:
            if isinstance(wanted, Tensor):
                dtype = wanted.dtype
            elif str(wanted).partition(":")[0] in ("cuda", "mps", "xpu", "meta"):
                raise ArgumentError(f"to: there is no device {wanted}; tinygrad_cnn runs on the CPU")
            elif str(wanted) != "cpu":
                dtype = wanted
        if dtype is None or dtype is self.dtype:
            return self
        dtype = _dtype("to", dtype)
        if dtype == self.dtype:
            return self
        return elementwise.to(self if dtype.kind == "f" else self.detach(), dtype=dtype)

    def type(self, dtype: Any) -> Tensor:
        """The same as `to(dtype)`."""
        return self.to(dtype)

    def float(self) -> Tensor:
        """As float32."""
        return self.to(np.float32)

    def double(self) -> Tensor:
        """As float64."""
        return self.to(np.float64)

    def long(self) -> Tensor:
        """As int64."""
        return self.to(np.int64)

    def int(self) -> Tensor:
        """As int32."""
        return self.to(np.int32)

    def bool(self) -> Tensor:
        """As bool: false where 0."""
        return self.to(np.bool_)

    def __deepcopy__(self, memo: dict[builtins.int, Any]) -> Tensor:
        if not self.is_leaf:
            raise GraphError("deepcopy: only leaf tensors can be copied; use x.detach().clone()")
        twin = _rebuild(self.__class__, self.array.copy(), self.requires_grad)
        memo[id(self)] = twin
        if self.grad is not None:
            twin.grad = Tensor(self.grad.array.copy())
        return twin

    def __reduce__(self) -> Any:
        if not self.is_leaf:
            raise GraphError("pickle: only leaf tensors can be pickled; use x.detach()")
        return _rebuild, (self.__class__, self.array, self.requires_grad)

    # --- the tape ----------------------------------------------------------------------------------------

    def backward(
        self,
        gradient: Any = None,
        retain_graph: builtins.bool | None = None,
        create_graph: builtins.bool = False,
        inputs: Sequence[Tensor] | None = None,
    ) -> None:
        """Add d(self)/d(leaf) into `.grad` of every leaf; see `autograd.backward`."""
        engine.backward(self, gradient, retain_graph, create_graph, inputs)

    def retain_grad(self) -> None:
        """Let backward fill in `.grad` here too, though this tensor was computed."""
        if self.node is None:
            raise GraphError(
                "retain_grad: this tensor needs no gradient; set requires_grad=True on what it comes from"
            )
        if self.node.sink is None:
            self.node.sink = weakref.ref(self)

    def register_hook(self, hook: Callable[[Tensor], Tensor | None]) -> Handle:
        """Call `hook(gradient)` once, when the gradient here is complete; what it returns replaces it."""
        if self.node is None:
            raise GraphError("register_hook: this tensor needs no gradient; no gradient will pass here")
        if self.node.hooks is None:
            self.node.hooks = {}
        return Handle(self.node.hooks, hook)


bind(Tensor)


def _rebuild(cls: type[Tensor], array: np.ndarray, requires_grad: bool) -> Tensor:
    return cls(array).requires_grad_(requires_grad)
