"""The Tensor: an array, its place on the tape, and PyTorch's spellings of the ops.

A method turns PyTorch's arguments (negative axes, optional axes, lists) into an op's and calls it; the
same functions stand in the package's namespace (`tg.exp(x)` is `x.exp()`).
"""

from __future__ import annotations

import builtins
import math
import weakref
from collections.abc import Callable, Iterator, Sequence
from numbers import Real
from operator import index
from typing import Any, NamedTuple, Self

import numpy as np
from numpy import ndarray

from . import engine
from .errors import ArgumentError, DtypeError, GraphError, ShapeError
from .geometry import _int
from .op import bind, promote
from .ops import activation, elementwise, linalg, reduce, shape
from .tape import Handle, Node, state

__all__ = ["Extreme", "Parameter", "Tensor"]

Dims = int | Sequence[int] | None


class Extreme(NamedTuple):
    """What `x.max(dim)` and `x.min(dim)` return."""

    values: Tensor
    indices: Tensor


class Tensor:
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
        self.node = node
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

    # --- arithmetic --------------------------------------------------------------------------------------

    def __add__(self, other: Any) -> Tensor:
        """x + y."""
        return elementwise.add(self, other)

    def __radd__(self, other: Any) -> Tensor:
        return elementwise.add(other, self)

    def __sub__(self, other: Any) -> Tensor:
        """x - y."""
        return _difference(self, other)

    def __rsub__(self, other: Any) -> Tensor:
        return _difference(other, self)

    def __mul__(self, other: Any) -> Tensor:
        """x y, element by element."""
        return elementwise.mul(self, other)

    def __rmul__(self, other: Any) -> Tensor:
        return elementwise.mul(other, self)

    def __truediv__(self, other: Any) -> Tensor:
        """x / y; integers become float32."""
        return elementwise.div(self, other)

    def __rtruediv__(self, other: Any) -> Tensor:
        return elementwise.div(other, self)

    def __pow__(self, other: Any) -> Tensor:
        """x to the power y."""
        return elementwise.pow(self, other)

    def __rpow__(self, other: Any) -> Tensor:
        return elementwise.pow(other, self)

    def __matmul__(self, other: Any) -> Tensor:
        return self.matmul(other)

    def __rmatmul__(self, other: Any) -> Tensor:
        return Tensor(np.asarray(other)).matmul(self)

    def __pos__(self) -> Tensor:
        """The tensor itself."""
        return self

    def __neg__(self) -> Tensor:
        """-x."""
        return elementwise.neg(_tensor("neg", self))

    def __abs__(self) -> Tensor:
        """|x|; the derivative at 0 is 0."""
        return elementwise.abs(_tensor("abs", self))

    def __eq__(self, other: object) -> Any:
        """x == y, element by element."""
        return NotImplemented if other is None or isinstance(other, str) else elementwise.eq(self, other)

    def __ne__(self, other: object) -> Any:
        """x != y, element by element."""
        return NotImplemented if other is None or isinstance(other, str) else elementwise.ne(self, other)

    def __lt__(self, other: Any) -> Tensor:
        """x < y, element by element."""
        return elementwise.lt(self, other)

    def __le__(self, other: Any) -> Tensor:
        """x <= y, element by element."""
        return elementwise.le(self, other)

    def __gt__(self, other: Any) -> Tensor:
        """x > y, element by element."""
        return elementwise.gt(self, other)

    def __ge__(self, other: Any) -> Tensor:
        """x >= y, element by element."""
        return elementwise.ge(self, other)

    def __and__(self, other: Any) -> Tensor:
        return _bits("and", np.bitwise_and, self, other)

    def __or__(self, other: Any) -> Tensor:
        return _bits("or", np.bitwise_or, self, other)

    def __xor__(self, other: Any) -> Tensor:
        return _bits("xor", np.bitwise_xor, self, other)

    __rand__, __ror__, __rxor__ = __and__, __or__, __xor__

    def __invert__(self) -> Tensor:
        return _bits("not", np.bitwise_not, self)

    add, sub, mul, pow, neg, abs = __add__, __sub__, __mul__, __pow__, __neg__, __abs__
    div = true_divide = __truediv__
    eq, ne, lt, le, gt, ge = __eq__, __ne__, __lt__, __le__, __gt__, __ge__

    def logical_and(self, other: Any) -> Tensor:
        """x and y, element by element."""
        return elementwise.logical_and(self, other)

    def logical_or(self, other: Any) -> Tensor:
        """x or y, element by element."""
        return elementwise.logical_or(self, other)

    def logical_xor(self, other: Any) -> Tensor:
        """either x or y, element by element."""
        return elementwise.logical_xor(self, other)

    def logical_not(self) -> Tensor:
        """not x, element by element."""
        return elementwise.logical_not(self)

    def exp(self) -> Tensor:
        """e^x"""
        return elementwise.exp(_tensor("exp", self))

    def log(self) -> Tensor:
        """Natural logarithm; -inf at 0, nan below."""
        return elementwise.log(_tensor("log", self))

    def log1p(self) -> Tensor:
        """log(1 + x), exact near 0."""
        return elementwise.log1p(_tensor("log1p", self))

    def sqrt(self) -> Tensor:
        """Square root; its derivative at 0 is inf."""
        return elementwise.sqrt(_tensor("sqrt", self))

    def erf(self) -> Tensor:
        """The error function."""
        return elementwise.erf(_tensor("erf", self))

    def sign(self) -> Tensor:
        """-1, 0 or 1."""
        return elementwise.sign(_tensor("sign", self))

    def square(self) -> Tensor:
        """x x"""
        return elementwise.mul(_tensor("square", self), self)

    def sigmoid(self) -> Tensor:
        """1 / (1 + e^-x)"""
        return activation.sigmoid(_tensor("sigmoid", self))

    def tanh(self) -> Tensor:
        """Hyperbolic tangent."""
        return activation.tanh(_tensor("tanh", self))

    def relu(self) -> Tensor:
        """max(x, 0); its derivative at 0 is 0."""
        return activation.relu(_tensor("relu", self))

    def softmax(self, dim: builtins.int) -> Tensor:
        """e^x / sum e^x along `dim`."""
        axis = _dim("softmax", _floating("softmax", self), dim)
        return activation.softmax(self, dim=axis) if self.ndim else self.reshape(1).softmax(0).reshape(())

    def log_softmax(self, dim: builtins.int) -> Tensor:
        """log(softmax(x)), stable for large values."""
        axis = _dim("log_softmax", _floating("log_softmax", self), dim)
        return (
            activation.log_softmax(self, dim=axis)
            if self.ndim
            else self.reshape(1).log_softmax(0).reshape(())
        )

    def clamp(self, min: Any = None, max: Any = None) -> Tensor:
        """min(max(x, min), max); bounds are numbers or tensors; the derivative is 1 at a bound."""
        if isinstance(min, Tensor) or isinstance(max, Tensor):
            # choices rather than extremes, which would share the gradient at a bound
            out = self
            for bound, beyond in ((min, elementwise.lt), (max, elementwise.gt)):
                if bound is not None:
                    value = bound.array if isinstance(bound, Tensor) else bound
                    chosen = beyond(out, bound).array | np.not_equal(value, value)
                    out = elementwise.where(bound, out, mask=chosen)
            return out
        _tensor("clamp", self)
        bounds = [_number("clamp", "a bound", b) for b in (min, max) if b is not None]
        if self.dtype.kind == "f" or not bounds:
            return elementwise.clamp(self, min=min, max=max)
        return elementwise.clamp(Tensor(_promoted(self.array, *bounds)[0]), min=min, max=max)

    clip = clamp

    def maximum(self, other: Any) -> Tensor:
        """Elementwise; equal elements share the gradient."""
        return elementwise.maximum(self, other)

    def minimum(self, other: Any) -> Tensor:
        """Elementwise; equal elements share the gradient."""
        return elementwise.minimum(self, other)

    def where(self, condition: Any, other: Any) -> Tensor:
        """x where the condition holds, `other` elsewhere."""
        return elementwise.where(self, other, mask=_mask("where", condition))

    def masked_fill(self, mask: Any, value: Any) -> Tensor:
        """`value` where the mask is true, x elsewhere."""
        dtype = _tensor("masked_fill", self).dtype
        number = value.array if isinstance(value, Tensor) else _number("masked_fill", "the value", value)
        if np.ndim(number):
            raise ShapeError("masked_fill: the value must be one number; use where(mask, value, x)")
        if self.dtype.kind in "iu" and not np.isfinite(number):
            raise ArgumentError(f"masked_fill: {value} is no {self.dtype}; convert x with x.float() first")
        return elementwise.where(value, self, mask=_mask("masked_fill", mask)).to(dtype)

    # --- reductions ----------------------------------------------------------------------------------------

    def sum(self, dim: Dims = None, keepdim: builtins.bool = False, dtype: Any = None) -> Tensor:
        """Sum over all axes, or those of `dim`."""
        x = self if dtype is None else _tensor("sum", self).to(dtype)
        return reduce.sum(x, dim=_dims("sum", x, dim, keepdim), keepdim=keepdim)

    def mean(self, dim: Dims = None, keepdim: builtins.bool = False, dtype: Any = None) -> Tensor:
        """Mean over all axes, or those of `dim`."""
        x = self if dtype is None else _tensor("mean", self).to(dtype)
        return reduce.mean(x, dim=_dims("mean", x, dim, keepdim), keepdim=keepdim)

    def var(
        self,
        dim: Dims = None,
        unbiased: builtins.bool = True,
        keepdim: builtins.bool = False,
        correction: Any = None,
    ) -> Tensor:
        """sum (x - mean)^2 / (n - correction)."""
        correction = (
            builtins.int(unbiased) if correction is None else _number("var", "correction", correction)
        )
        return reduce.var(self, dim=_dims("var", self, dim, keepdim), correction=correction, keepdim=keepdim)

    def std(
        self,
        dim: Dims = None,
        unbiased: builtins.bool = True,
        keepdim: builtins.bool = False,
        correction: Any = None,
    ) -> Tensor:
        """The square root of `var`."""
        correction = (
            builtins.int(unbiased) if correction is None else _number("std", "correction", correction)
        )
        return reduce.std(self, dim=_dims("std", self, dim, keepdim), correction=correction, keepdim=keepdim)

    def amax(self, dim: Dims = (), keepdim: builtins.bool = False) -> Tensor:
        """Largest element; ties share the gradient."""
        return reduce.amax(self, dim=_dims("amax", self, dim, keepdim), keepdim=keepdim)

    def amin(self, dim: Dims = (), keepdim: builtins.bool = False) -> Tensor:
        """Smallest element; ties share the gradient."""
        return reduce.amin(self, dim=_dims("amin", self, dim, keepdim), keepdim=keepdim)

    def max(self, dim: Any = None, keepdim: builtins.bool = False) -> Any:
        """The largest element; with `dim` (values, indices) of the first ones; with a tensor, `maximum`."""
        if isinstance(dim, Tensor):
            return self.maximum(dim)
        if dim is None:
            return Tensor.amax(self)
        indices = Tensor.argmax(self, _dim("max", self, dim), True)
        return self._extreme(indices, dim, keepdim)

    def min(self, dim: Any = None, keepdim: builtins.bool = False) -> Any:
        """The smallest element; with `dim` (values, indices) of the first ones; with a tensor, `minimum`."""
        if isinstance(dim, Tensor):
            return self.minimum(dim)
        if dim is None:
            return Tensor.amin(self)
        indices = Tensor.argmin(self, _dim("min", self, dim), True)
        return self._extreme(indices, dim, keepdim)

    def _extreme(self, indices: Tensor, dim: builtins.int, keepdim: builtins.bool) -> Extreme:
        values = self.gather(dim, indices) if self.ndim else self.clone()
        return Extreme(values, indices) if keepdim else Extreme(values.squeeze(dim), indices.squeeze(dim))

    def argmax(self, dim: builtins.int | None = None, keepdim: builtins.bool = False) -> Tensor:
        """Index of the first largest element."""
        axes = _dims("argmax", self, dim, keepdim)
        return reduce.argmax(self, dim=axes[0] if dim is not None and axes else None, keepdim=keepdim)

    def argmin(self, dim: builtins.int | None = None, keepdim: builtins.bool = False) -> Tensor:
        """Index of the first smallest element."""
        axes = _dims("argmin", self, dim, keepdim)
        return reduce.argmin(self, dim=axes[0] if dim is not None and axes else None, keepdim=keepdim)

    def logsumexp(self, dim: Dims, keepdim: builtins.bool = False) -> Tensor:
        """log sum e^x, stable."""
        x = self if _tensor("logsumexp", self).dtype.kind == "f" else self.float()
        return reduce.logsumexp(x, dim=_dims("logsumexp", x, dim, keepdim), keepdim=keepdim)

    def any(self, dim: Dims = None, keepdim: builtins.bool = False) -> Tensor:
        """Whether some element is true."""
        dims = _dims("any", self, dim, keepdim)
        return Tensor(np.asarray(np.any(self.array, dims, keepdims=keepdim)))

    def all(self, dim: Dims = None, keepdim: builtins.bool = False) -> Tensor:
        """Whether all elements are true."""
        dims = _dims("all", self, dim, keepdim)
        return Tensor(np.asarray(np.all(self.array, dims, keepdims=keepdim)))

    # --- shapes --------------------------------------------------------------------------------------------

    def reshape(self, *shape_: Any) -> Tensor:
        """The same values in row-major order; one size may be -1."""
        return shape.reshape(_tensor("reshape", self), shape=_sizes("reshape", shape_))

    view = reshape

    def view_as(self, other: Tensor) -> Tensor:
        """Reshape like `other`."""
        return self.reshape(other.shape)

    def flatten(self, start_dim: builtins.int = 0, end_dim: builtins.int = -1) -> Tensor:
        """Merge the axes from start_dim to end_dim into one."""
        if _tensor("flatten", self).ndim == 0:
            return self.reshape(1)
        start, end = _dim("flatten", self, start_dim), _dim("flatten", self, end_dim)
        if start > end:
            raise ArgumentError(f"flatten: start_dim {start_dim} lies behind end_dim {end_dim}")
        s = self.shape
        return (
            self if start == end else self.reshape(*s[:start], math.prod(s[start : end + 1]), *s[end + 1 :])
        )

    def permute(self, *dims: Any) -> Tensor:
        """The axes in another order."""
        order = tuple(_dim("permute", self, d) for d in _sizes("permute", dims))
        if sorted(order) != list(range(self.ndim)):
            raise ArgumentError(
                f"permute: {order} does not name each of the {self.ndim} axes of x {self.shape} once"
            )
        return shape.permute(self, dims=order)

    def transpose(self, dim0: builtins.int, dim1: builtins.int) -> Tensor:
        """Swap two axes."""
        a, b = _axis("transpose", self, dim0), _axis("transpose", self, dim1)
        order = list(range(self.ndim))
        order[a], order[b] = order[b], order[a]
        return shape.permute(self, dims=tuple(order))

    def movedim(self, source: Any, destination: Any) -> Tensor:
        """Move axes to other places; the others keep their order."""
        src = [_dim("movedim", self, d) for d in _sizes("movedim", (source,))]
        dst = [_dim("movedim", self, d) for d in _sizes("movedim", (destination,))]
        if len(src) != len(dst) or len(set(src)) < len(src) or len(set(dst)) < len(dst):
            raise ArgumentError(
                f"movedim: {source} to {destination}: both must name as many different axes of x {self.shape}"
            )
        order = [d for d in range(self.ndim) if d not in src]
        for d, s in sorted(zip(dst, src, strict=True)):
            order.insert(d, s)
        return shape.permute(self, dims=tuple(order))

    def t(self) -> Tensor:
        """The transposed matrix."""
        if self.ndim > 2:
            raise ShapeError(f"t: x {self.shape} has more than 2 axes; use transpose(dim0, dim1)")
        return self if self.ndim < 2 else self.transpose(0, 1)

    @property
    def T(self) -> Tensor:
        return shape.permute(self, dims=tuple(range(self.ndim))[::-1])

    @property
    def mT(self) -> Tensor:
        return linalg.mT(self)

    def expand(self, *sizes: Any) -> Tensor:
        """Repeat along axes of size 1, without copying; -1 keeps a size."""
        wanted = _sizes("expand", sizes)
        own = (1,) * (len(wanted) - _tensor("expand", self).ndim) + self.shape
        return shape.expand(self, shape=tuple(n if m == -1 else m for m, n in zip(wanted, own, strict=False)))

    def expand_as(self, other: Tensor) -> Tensor:
        """Expand to the shape of `other`."""
        return self.expand(other.shape)

    def squeeze(self, dim: Dims = None) -> Tensor:
        """Drop axes of size 1: all, or those of `dim` that have size 1."""
        dims = _dims("squeeze", self, dim)
        return self.reshape([n for axis, n in enumerate(self.shape) if n != 1 or axis not in dims])

    def unsqueeze(self, dim: builtins.int) -> Tensor:
        """Insert an axis of size 1."""
        at = _gap("unsqueeze", self, dim)
        return self.reshape(*self.shape[:at], 1, *self.shape[at:])

    def split(self, split_size_or_sections: Any, dim: builtins.int = 0) -> tuple[Tensor, ...]:
        """Pieces of one size (the last may be smaller), or of the sizes given."""
        axis = _axis("split", self, dim)
        n, sizes = self.shape[axis], split_size_or_sections
        if isinstance(sizes, (tuple, list)):
            sizes = _sizes("split", (sizes,))
        else:
            step = _int("split", "the size of a piece", sizes)
            sizes = [builtins.min(step, n - start) for start in range(0, n, step)] or [0]
        if builtins.sum(sizes) != n or builtins.min(sizes, default=0) < 0:
            raise ShapeError(
                f"split: sizes {list(sizes)} do not add up to {n}, the size of axis {axis} of x {self.shape}"
            )
        lead, start, pieces = (slice(None),) * axis, 0, []
        for size in sizes:
            pieces.append(shape.getitem(self, index=(*lead, slice(start, start + size))))
            start += size
        return tuple(pieces)

    def chunk(self, chunks: builtins.int, dim: builtins.int = 0) -> tuple[Tensor, ...]:
        """At most `chunks` pieces of equal size, the last possibly smaller."""
        axis, pieces = _axis("chunk", self, dim), _int("chunk", "the number of chunks", chunks)
        size = -(-self.shape[axis] // pieces)
        return self.split(size if size else [0] * pieces, axis)

    def unbind(self, dim: builtins.int = 0) -> tuple[Tensor, ...]:
        """The slices along an axis, which disappears."""
        lead = (slice(None),) * _axis("unbind", self, dim)
        return tuple(self[(*lead, i)] for i in range(self.shape[dim]))

    def flip(self, *dims: Any) -> Tensor:
        """Reverse the order along axes."""
        order = tuple(_axis("flip", self, d) for d in _sizes("flip", dims))
        return shape.flip(self, dims=_dims("flip", self, order) if order else ())

    def gather(self, dim: builtins.int, index: Tensor) -> Tensor:
        """out[.., i, ..] = x[.., index[.., i, ..], ..]."""
        axis, where = _axis("gather", self, dim), _indices("gather", index)
        if where.ndim != self.ndim or builtins.any(
            m > n for a, (m, n) in enumerate(zip(where.shape, self.shape, strict=False)) if a != axis
        ):
            raise ShapeError(
                f"gather: index {where.shape} must have the axes of x {self.shape}, none larger "
                f"except axis {axis}"
            )
        _in_range("gather", where, self.shape[axis])
        return shape.gather(self, dim=axis, index=where)

    def matmul(self, other: Any) -> Tensor:
        """Matrix product; leading axes broadcast; a 1-d tensor is a row on the left, a column else."""
        if not isinstance(other, Tensor):
            other = Tensor(np.asarray(other))
        if _tensor("matmul", self).ndim == 0 or other.ndim == 0:
            raise ShapeError(
                f"matmul: x {self.shape} and y {other.shape} need at least one axis each; use * for numbers"
            )
        if self.dtype != other.dtype:
            raise DtypeError(f"matmul: x is {self.dtype}, y is {other.dtype}; convert one with .to(dtype)")
        x = self.reshape(1, -1) if self.ndim == 1 else self
        y = other.reshape(-1, 1) if other.ndim == 1 else other
        out = linalg.matmul(x, y)
        if other.ndim == 1:
            out = out.squeeze(-1)
        return out.squeeze(-1 if other.ndim == 1 else -2) if self.ndim == 1 else out

    mm = bmm = matmul

    # --- indexing and in-place ---------------------------------------------------------------------------

    def __getitem__(self, index: Any) -> Tensor:
        index = _index(index)
        if type(index) is tuple and (steps := _two_steps(index)):
            return shape.getitem(shape.getitem(self, index=steps[0]), index=steps[1])
        return shape.getitem(self, index=index)

    def __setitem__(self, index: Any, value: Any) -> None:
        index = _index(index)
        if type(index) is tuple and (steps := _two_steps(index)):
            shared = self.writes[1]
            part = shape.getitem(self, index=steps[0]).clone()
            self.writes[1] = shared  # the view is gone already
            part[steps[1]] = value
            self[steps[0]] = part
            return
        if self._recorded_with(value):
            self._become(shape.setitem(self, value, index=index))
            return
        value = value.array if isinstance(value, Tensor) else value
        try:
            self._writable()[index] = value
        except (IndexError, ValueError, TypeError) as error:
            raise shape.misfit("assignment", self.array, value, error) from None

    def _recorded_with(self, *others: Any) -> builtins.bool:
        """Whether an in-place step has to go on the tape; refuses those that would leave it wrong."""
        needs = self.requires_grad or builtins.any(isinstance(o, Tensor) and o.requires_grad for o in others)
        if not (state.recording and needs):
            return False
        if self.requires_grad and self.is_leaf:
            raise GraphError(
                "in place: a leaf that requires grad cannot be changed while recording; use `with "
                "no_grad():`, "
                "or compute a new tensor (x = x + 1)"
            )
        if self.writes[1]:
            raise GraphError(
                "in place: this tensor shares memory with another (a view, or detach()), whose place "
                "on the tape "
                "would become wrong; compute a new tensor (x = x + 1)"
            )
        return True

    def _become(self, result: Tensor) -> Self:
        if result.shape != self.shape or result.dtype != self.dtype:
            raise ShapeError(
                f"in place: the result {result.shape} {result.dtype} does not fit into {self.shape} "
                f"{self.dtype}; "
                "compute a new tensor instead"
            )
        self.array, self.node, self.writes = result.array, result.node, result.writes
        return self

    def _writable(self) -> np.ndarray:
        if not self.array.flags.writeable:
            raise GraphError("in place: this tensor is an expanded or read-only view; use .clone() first")
        self.writes[0] += 1
        return self.array

    def _in_place(self, function: Callable[..., Tensor], *others: Any) -> Self:
        if self._recorded_with(*others):
            return self._become(function(self, *others))
        result = function(self, *others)
        if result.shape != self.shape or not np.can_cast(result.dtype, self.dtype, "same_kind"):
            return self._become(result)
        self._writable()[...] = result.array
        return self

    def add_(self, other: Any, *, alpha: Any = 1) -> Self:
        """x += alpha other"""
        return self._in_place(elementwise.add, other if alpha == 1 else other * alpha)

    def sub_(self, other: Any, *, alpha: Any = 1) -> Self:
        """x -= alpha other"""
        return self._in_place(_difference, other if alpha == 1 else other * alpha)

    def mul_(self, other: Any) -> Self:
        """x *= other"""
        return self._in_place(elementwise.mul, other)

    def div_(self, other: Any) -> Self:
        """x /= other"""
        return self._in_place(elementwise.div, other)

    def clamp_(self, min: Any = None, max: Any = None) -> Self:
        """Clamp in place."""
        return self._in_place(lambda x: x.clamp(min, max))

    def copy_(self, other: Any) -> Self:
        """Take over the values of `other`, broadcast and converted."""
        self[...] = other.to(self.dtype) if isinstance(other, Tensor) else other
        return self

    def fill_(self, value: Any) -> Self:
        """Set every element."""
        return self.copy_(value)

    def zero_(self) -> Self:
        """Set every element to 0."""
        return self.copy_(0)

    __iadd__, __isub__, __imul__, __itruediv__ = add_, sub_, mul_, div_


class Parameter(Tensor):
    """A tensor that a Module learns: found by `parameters()`, requires a gradient.

    >>> import tinygrad_cnn as tg
    >>> tg.nn.Parameter(tg.zeros(2))
    Parameter containing:
    tensor([0., 0.], requires_grad=True)
    """

    __slots__ = ()

    def __init__(self, data: Any, requires_grad: bool = True):
        source = data if isinstance(data, Tensor) else Tensor(data)
        super().__init__(source.array)
        self.share(source)
        self.writes[1] = False  # the source is usually dropped at once
        self.requires_grad_(requires_grad)

    def __repr__(self) -> str:
        return f"Parameter containing:\n{super().__repr__()}"


bind(Tensor)


def _rebuild(cls: type[Tensor], array: np.ndarray, requires_grad: bool) -> Tensor:
    return cls(array).requires_grad_(requires_grad)


# --- arguments ---------------------------------------------------------------------------------------------


def _floats(data: Any, dtype: Any = np.float32) -> np.ndarray:
    """Numbers, or lists of them, as an array."""
    try:
        if data is not None:  # which NumPy would take for nan
            return np.asarray(data, dtype)
    except (TypeError, ValueError):
        pass
    raise DtypeError(f"Tensor: cannot hold {type(data).__name__} {data!r:.40}; numbers and bools only")


def _tensor(name: str, x: Any, role: str = "x") -> Tensor:
    if not isinstance(x, Tensor):
        if x is None:
            raise DtypeError(f"{name}: {role} is None, not a tensor; did a function forget to return one?")
        raise DtypeError(f"{name}: {role} is of type {type(x).__name__}; make it a tensor(...) first")
    return x


def _dtype(name: str, dtype: Any) -> np.dtype[Any]:
    """One of the number types."""
    try:
        found = np.dtype(dtype)
        if found.kind in "fiub":
            return found
    except TypeError:
        pass
    raise DtypeError(
        f"{name}: {dtype!r:.40} is no dtype of numbers; use one such as float32, float64 or int64"
    )


def _number(name: str, what: str, value: Any, least: float | None = None, most: float = math.inf) -> Any:
    """A real number within bounds; nan is within none."""
    if isinstance(value, Real) and (least is None or least <= float(value) <= most):
        return value
    bounds = "" if least is None else f" from {least} to {most}"
    raise ArgumentError(f"{name}: {what} must be a number{bounds}, not {value!r:.40}")


def _axis(name: str, x: Tensor, dim: Any) -> int:
    """One axis of a tensor that has some."""
    if _tensor(name, x).ndim == 0:
        raise ShapeError(f"{name}: x () has no axes and so no dim {dim}; unsqueeze(0) gives it one")
    return _dim(name, x, dim)


def _dim(name: str, x: Tensor, dim: Any) -> int:
    """One axis, counted from the front; a 0-d tensor counts as having one."""
    n = max(_tensor(name, x).ndim, 1)
    if not isinstance(dim, (int, np.integer)) or isinstance(dim, bool):
        raise DtypeError(f"{name}: dim is {dim!r}; an axis is an integer")
    if not -n <= dim < n:
        raise ShapeError(f"{name}: x {x.shape} has no axis {dim}; use {-n} to {n - 1}")
    return int(dim) % n


def _gap(name: str, x: Tensor, dim: Any) -> int:
    """Where a new axis goes: before axis `dim`, or behind the last one."""
    n = _tensor(name, x).ndim
    if not isinstance(dim, (int, np.integer)) or not -n - 1 <= dim <= n:
        raise ShapeError(
            f"{name}: a new axis of x {x.shape} cannot stand at {dim!r:.40}; use {-n - 1} to {n}"
        )
    return int(dim) % (n + 1)


def _dims(name: str, x: Tensor, dim: Any, keepdim: Any = False) -> tuple[int, ...]:
    """A set of axes in ascending order; None and () mean all."""
    if keepdim is not False and keepdim is not True:  # sum(0, 1) would quietly sum over axis 0 alone
        raise ArgumentError(f"{name}: keepdim is {keepdim!r:.40}, not a bool; give several axes as a tuple")
    if dim is None or (isinstance(dim, (tuple, list)) and not dim):
        return tuple(range(_tensor(name, x).ndim))
    dims = sorted(_dim(name, x, d) for d in (dim if isinstance(dim, (tuple, list)) else (dim,)))
    if len(set(dims)) < len(dims):
        raise ArgumentError(f"{name}: an axis appears twice in dim={dim} (x {x.shape})")
    return tuple(dims) if x.ndim else ()


def _sizes(name: str, sizes: Sequence[Any]) -> tuple[int, ...]:
    """`f(2, 3)` and `f((2, 3))` alike."""
    if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)):
        sizes = sizes[0]
    try:
        return tuple(index(s) for s in sizes)
    except TypeError:
        raise DtypeError(f"{name}: sizes and axes are integers, not {sizes!r}") from None


def _index(index: Any) -> Any:
    """Tensors inside an index become arrays."""
    if isinstance(index, tuple):
        return tuple(map(_index, index))
    if isinstance(index, list):
        index = Tensor(np.asarray(index) if index else np.zeros(0, np.int64))
    elif isinstance(index, (float, np.ndarray)):
        index = Tensor(np.asarray(index))
    elif not isinstance(index, Tensor):
        return index
    if index.dtype.kind == "f":
        raise DtypeError(
            f"indexing: an index is made of integers or bools, not {index.dtype}; use .long() or a comparison"
        )
    return index.array if index.ndim or index.dtype == np.bool_ else index.item()


def _two_steps(index: tuple[Any, ...]) -> tuple[Any, Any] | None:
    """Take integers before arrays, as PyTorch does: NumPy counts them among the arrays, which moves axes.

    x[0, :, [1, 2]] is x[0][:, [1, 2]].  None unless the index mixes the two.
    """
    is_array = [isinstance(part, np.ndarray) and part.ndim > 0 for part in index]
    is_int = [isinstance(part, (int, np.integer)) and not isinstance(part, bool) for part in index]
    if not (any(is_array) and any(is_int)):
        return None
    first: list[Any] = []
    second: list[Any] = []
    for part, array, integer in zip(index, is_array, is_int, strict=True):
        first += [slice(None)] * (part.ndim if part.dtype == np.bool_ else 1) if array else [part]
        if not integer:
            second.append(part if array or part is ... else slice(None))
    return tuple(first), tuple(second)


def _indices(name: str, index: Any) -> np.ndarray:
    array = np.asarray(index)
    if array.dtype.kind not in "iu":
        raise DtypeError(f"{name}: the index is {array.dtype}; it must be made of integers (use .long())")
    return array


def _in_range(name: str, index: np.ndarray, n: int) -> None:
    if index.size and (index.min() < 0 or index.max() >= n):
        raise ArgumentError(
            f"{name}: indices run from {index.min()} to {index.max()}, the axis has 0 to {n - 1}"
        )


def _mask(name: str, mask: Any) -> np.ndarray:
    array = np.asarray(mask)
    if array.dtype != np.bool_:
        raise DtypeError(f"{name}: the condition is {array.dtype}; it must be bool (compare, or use .bool())")
    return array


def _floating(name: str, x: Any, role: str = "x") -> Tensor:
    if _tensor(name, x, role).dtype.kind != "f":
        raise DtypeError(f"{name}: {role} is {x.dtype}; floats are needed (use .float())")
    return x


def _difference(x: Any, y: Any) -> Tensor:
    """x - y, but not of bools."""
    for operand in (x, y):
        if type(operand) is bool or getattr(operand, "dtype", None) == np.bool_:
            raise DtypeError("sub: bools cannot be subtracted; use ~mask, or mask.float() for numbers")
    return elementwise.sub(x, y)


def _promoted(*values: Any) -> list[Any]:
    """All of one dtype, as operands of + would be."""
    return promote(elementwise.add, list(values))


def _bits(name: str, function: np.ufunc, *operands: Any) -> Tensor:
    arrays = [x.array if isinstance(x, Tensor) else x for x in operands]
    try:
        return Tensor(np.asarray(function(*_promoted(*arrays))))
    except (TypeError, KeyError):  # KeyError: neither an array nor a number
        kinds = " and ".join(str(np.asarray(a).dtype) for a in arrays)
        raise DtypeError(f"{name}: works on bools and integers, not {kinds}; compare first") from None
    except ValueError:
        shapes = " and ".join(str(np.shape(a)) for a in arrays)
        raise ShapeError(f"{name}: shapes {shapes} do not broadcast; sizes must be equal or 1") from None


# --- showing -----------------------------------------------------------------------------------------------


def _text(a: np.ndarray) -> str:
    """The numbers as PyTorch prints them: 4 digits, all alike; an exponent where they differ 1000-fold."""
    options: dict[str, Any] = {"separator": ", ", "prefix": "tensor("}
    if a.dtype.kind == "f":
        shown = a
        if a.size > 1000:
            for axis, n in enumerate(a.shape):
                if n > 6:
                    shown = shown.take([0, 1, 2, -3, -2, -1], axis)
        sizes = np.abs(shown[np.isfinite(shown) & (shown != 0)], dtype=np.float64)
        whole = bool((sizes == np.trunc(sizes)).all())
        low, high = sizes.min(initial=np.inf), sizes.max(initial=0)
        if high > 1000 * low or high > 1e8 or (low < 1e-4 and not whole):
            form = "{:.4e}"
        else:
            form = "{:.0f}." if whole else "{:.4f}"

        def one(x: Any) -> str:
            return form.format(x) if np.isfinite(x) else f"{x:.0f}"

        width = max((len(one(x)) for x in shown.flat if np.isfinite(x)), default=0)
        options["formatter"] = {"float_kind": lambda x: one(x).rjust(width)}
    # A row holds what fits into 80 columns; NumPy wants room for one more character.
    text = np.array2string(a, max_line_width=81, **options)
    return text.replace(", ..., ", ",  ..., ")
