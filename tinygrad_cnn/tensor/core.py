"""What a tensor is: an array, its place on the tape, the memory that it may share."""

from __future__ import annotations

import copy
import warnings
import weakref
from collections.abc import Callable, Iterator, Sequence
from sys import getrefcount
from typing import Any, Self

import numpy as np
from numpy import ndarray

from .. import engine
from ..errors import DtypeError, GraphError, ShapeError
from ..op import bind
from ..ops import shape
from ..switches import check_format, contiguous_format
from ..tape import Handle, Leaf, Node
from .arguments import _axis, _floats, _given, _tensor
from .arithmetic import Arithmetic
from .conversion import Conversion
from .counting import Counting
from .drawing import Drawing
from .functions import Functions
from .in_place import InPlace
from .indexing import Indexing
from .making import Making
from .matrices import Matrices
from .names import numpy_names_of
from .order import Order
from .reductions import Reductions
from .shapes import Shapes
from .text import _text

__all__ = ["Tensor"]


class Tensor(
    Arithmetic, Functions, Reductions, Order, Counting, Shapes, Indexing, Matrices, InPlace, Drawing, Making,
    Conversion,
):  # fmt: skip
    """A NumPy array that remembers how it was computed.  Make one with `tensor(...)`.

    Attributes:
        array: the values.  Write to them through the Tensor (`x[0] = 1`, `x.add_(1)`): the tape must know.
        node: the place on the tape; None if no gradient is wanted.
        grad: the gradient that backward left here, or None.
        writes: [how often the memory was written in place]; whoever shares the memory shares this.

    >>> import tinygrad_cnn as tg
    >>> x = tg.tensor([1.0, 2.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    tensor([2., 4.])
    """

    __slots__ = ("__weakref__", "_grad", "_sharing", "array", "node", "writes")

    def __init__(self, array: Any, node: Node | None = None):
        self.array: np.ndarray = array if type(array) is ndarray else _given(array, node)
        self.node: Node | None = node
        self._grad: Tensor | None = None
        self.writes: list[int] = [0]
        self._sharing: list[Any] | None = None  # held by the tensors alone that share the memory

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

    ndimension, nelement = dim, numel

    def stride(self, dim: int | None = None) -> Any:
        """How many elements further in memory the next one along each axis lies, or along one axis."""
        steps = tuple(n // self.array.itemsize for n in self.array.strides)
        return steps if dim is None else steps[_axis("stride", self, dim)]

    def element_size(self) -> int:
        """Bytes of one element."""
        return self.array.itemsize

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return self.array.itemsize

    @property
    def is_sparse(self) -> bool:
        """Whether only some elements are stored: never."""
        return False

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return self.array.nbytes

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
            if self.node is not None:  # what was computed from it leaves no gradient here any more
                self.node.sink = _while_wanted(self.node.sink)
            self.node = None
        elif self.node is None:
            if self.dtype.kind != "f":
                raise DtypeError(
                    f"requires_grad_: only floats have gradients, this tensor is {self.dtype}; use .float()"
                )
            self.node = Leaf(self, self.shape, self.dtype)
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
        return _text(self)

    def __len__(self) -> int:
        if self.ndim == 0:
            raise ShapeError("len: a 0-d tensor has no length; use .item() for its value")
        return self.array.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self)))

    def __hash__(self) -> int:
        return id(self)

    def __format__(self, spec: str) -> str:
        if self.ndim == 0:
            return format(self.item(), spec)
        if spec:
            raise DtypeError(
                f"format: {spec!r} is for one number, x is {self.shape}; take one of them, or .tolist()"
            )
        return repr(self)

    # --- arrays and memory -----------------------------------------------------------------------------

    def share(self, other: Tensor) -> None:
        """Note that the memory is `other`'s: a write through one is a write to both."""
        self.writes = other.writes
        if other._sharing is None:
            other._sharing = []
        self._sharing = other._sharing

    def _has_company(self) -> bool:
        """Whether another tensor that shares the memory is alive."""
        return self._sharing is not None and getrefcount(self._sharing) > 2  # our own, and the argument

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

    def clone(self, *, memory_format: Any = None) -> Tensor:
        """A copy; gradients flow through it."""
        if memory_format is not None:
            check_format("clone", memory_format)
        return shape.clone(_tensor("clone", self))

    def contiguous(self, memory_format: Any = contiguous_format) -> Tensor:
        """The tensor itself if its memory is in row-major order, else a copy that is."""
        if memory_format is not contiguous_format:
            check_format("contiguous", memory_format)
            return self
        return self if self.array.flags.c_contiguous else shape.clone(self)

    def is_contiguous(self) -> bool:
        """Whether the memory is in row-major order."""
        return self.array.flags.c_contiguous

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        if not self.is_leaf:
            raise GraphError("deepcopy: only leaf tensors can be copied; use x.detach().clone()")
        function, arguments = self.__reduce__()
        twin = function(*copy.deepcopy(arguments, memo))
        memo[id(self)] = twin
        if self.grad is not None:
            twin.grad = Tensor(self.grad.array.copy())
        return twin

    def __reduce__(self) -> Any:
        """With memory that is shared go all who share it: their copies share it again."""
        if not self.is_leaf:
            raise GraphError("pickle: only leaf tensors can be pickled; use x.detach()")
        array, view, writes, sharing = self.array, None, [0], None
        if self._has_company():
            writes, sharing, whole = self.writes, self._sharing, array
            while type(whole.base) is ndarray:
                whole = whole.base
            if whole.flags.forc and whole is not array:
                start = array.__array_interface__["data"][0] - whole.__array_interface__["data"][0]
                array, view = whole, (array.shape, array.dtype, start, array.strides)
        return _rebuild, (self.__class__, array, view, writes, sharing, self.requires_grad)

    # --- the tape ----------------------------------------------------------------------------------------

    def backward(
        self,
        gradient: Any = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        inputs: Tensor | Sequence[Tensor] | None = None,
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

    @property
    def grad(self) -> Tensor | None:
        """What backward left here, or what was put here: a tensor of the same shape and dtype, or None.

        A computed tensor has none unless `retain_grad()` asked for it; who looks for it there is warned.

        Raises:
            DtypeError, ShapeError, GraphError: what is put here is no gradient of this tensor.
        """
        found, node = self._grad, self.node
        if found is None and node is not None and node.op is not None and node.sink is None:
            warnings.warn(
                f"grad: {node!r} was computed, and backward leaves no gradient there; call its retain_grad() "
                "before backward, or look at the leaf it was computed from",
                UserWarning,
                stacklevel=2,
            )
        return found

    @grad.setter
    def grad(self, g: Tensor | None) -> None:
        if g is not None:
            if not isinstance(g, Tensor):
                raise DtypeError(f"grad: a gradient is a Tensor or None, not {type(g).__name__} {g!r:.40}")
            if g is self:
                raise GraphError("grad: a tensor cannot be its own gradient; use x.detach().clone()")
            if g.shape != self.shape:
                raise ShapeError(
                    f"grad: a gradient {g.shape} for a tensor {self.shape}; the shapes must be equal"
                )
            if g.dtype != self.dtype:
                raise DtypeError(
                    f"grad: a {g.dtype} gradient for a {self.dtype} tensor {self.shape}; use g.to(x.dtype)"
                )
        self._grad = g

    def _retain_at(self, node: Node | None) -> None:
        """Before a step over itself: a retained gradient is that of what the tensor is afterwards."""
        if node is not None and self.node is not None and self.retains_grad:
            node.sink, self.node.sink = self.node.sink, None

    @property
    def retains_grad(self) -> bool:
        """Whether backward fills in `.grad` although the tensor was computed."""
        return self.node is not None and not self.is_leaf and self.node.sink is not None

    def register_hook(self, hook: Callable[[Tensor], Tensor | None]) -> Handle:
        """Call `hook(gradient)` once, when the gradient here is complete; what it returns replaces it."""
        if self.node is None:
            raise GraphError("register_hook: this tensor needs no gradient; no gradient will pass here")
        if self.node.hooks is None:
            self.node.hooks = {}
        return Handle(self.node.hooks, hook)

    def register_post_accumulate_grad_hook(self, hook: Callable[[Tensor], None]) -> Handle:
        """Call `hook(x)` when backward has added to `x.grad`: to use it up as soon as it is there.

        Only leaves that require grad collect gradients; any other tensor is a GraphError.

        >>> import tinygrad_cnn as tg
        >>> w = tg.ones(1, requires_grad=True)
        >>> handle = w.register_post_accumulate_grad_hook(lambda w: print(w.grad))
        >>> (w * 3).backward()
        tensor([3.])
        """
        if not isinstance(self.node, Leaf):
            raise GraphError(
                "register_post_accumulate_grad_hook: this tensor collects no gradients; only leaves that "
                "require grad do (register_hook works for computed ones)"
            )
        if self.node.after is None:
            self.node.after = {}
        return Handle(self.node.after, hook)

    @property
    def output_nr(self) -> int:
        """Which result of its op this is: the only one."""
        return 0

    @property
    def _version(self) -> int:
        return self.writes[0]


numpy_names_of(Tensor)
bind(Tensor)


def _while_wanted(sink: Any) -> Callable[[], Tensor | None]:
    """What leads to the tensor only while that requires grad."""

    def wanted() -> Tensor | None:
        x = sink()
        return x if x is not None and x.requires_grad else None

    return wanted


def _rebuild(
    cls: type[Tensor], array: np.ndarray, view: Any, writes: list[int], sharing: Any, requires_grad: bool
) -> Tensor:
    if view is not None:
        shape, dtype, start, strides = view
        array = np.ndarray(shape, dtype, array if array.flags.c_contiguous else array.T, start, strides)
    out = cls(array)
    out.writes, out._sharing = writes, sharing
    return out.requires_grad_(requires_grad)
