"""What an op is: a function of arrays, and one backward rule per input, written in other ops.

    @op
    def relu(x):
        return np.maximum(x, 0)
    relu.vjp(x=lambda g, out: relu_grad(g, out))

Positional parameters are the differentiable inputs, keyword-only ones are attributes.  The names that
a rule's parameters bear say what it is given, and so what must be kept until backward: `g` (the
incoming gradient), `out` (the result), an input, an attribute, or `<input>_shape`.  What no rule names
is not kept alive; the rule of an input that needs no gradient keeps nothing and is never called.  This
file is the only one that speaks both arrays and Tensors.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import reduce
from typing import TYPE_CHECKING, Any, TypeGuard, overload
from weakref import WeakSet

import numpy as np
from numpy import ndarray

from .errors import ArgumentError, DtypeError, GraphError, ShapeError
from .kernels.runtime import quiet, restore
from .tape import FIXED, Node, state

if TYPE_CHECKING:
    from .tensor import Tensor

__all__ = [
    "Op", "bind", "can_cast", "constant", "get_default_dtype", "is_tensor", "join", "op", "promote", "record",
    "registry", "result_dtype", "set_default_dtype", "too_large", "values", "watch", "wrap",
]  # fmt: skip

registry: dict[str, Op] = {}
_every: WeakSet[Op] = WeakSet()  # with those whose name in the registry is another's by now
_Node: Any = Node  # what is put on the tape, and what is put around each forward: see `watch`
_around: Callable[[Op], Callable[..., Any]] | None = None
_Tensor: Any = None  # the class of results; tensor/ stands further down and calls `bind`


def bind(tensor_class: type) -> None:
    """Name the class that wraps results."""
    global _Tensor
    _Tensor = tensor_class


def wrap(array: np.ndarray, node: Node | None = None) -> Tensor:
    """A Tensor of this array, at this place on the tape."""
    return _Tensor(array, node)


def record(*fields: Any) -> Node:
    """A new node on the tape, of the kind that is recorded now."""
    node: Node = _Node(*fields)
    return node


def watch(
    node: type[Node] = Node, around: Callable[[Op], Callable[..., Any]] | None = None
) -> tuple[Any, Any]:
    """Record nodes of another class, and let `around(op)` stand before each op's forward; without, undo both.

    A watched op is called like any other, so nobody pays for this who does not watch.  Returns what watched
    before, for `watch(*before)`.
    """
    global _Node, _around
    before = _Node, _around
    _Node, _around = node, around
    for each in list(_every):
        each.forward = each.function if around is None else around(each)
    return before


def is_tensor(obj: Any) -> TypeGuard[Tensor]:
    """Whether obj is a Tensor.

    >>> is_tensor(1.0)
    False
    """
    return isinstance(obj, _Tensor)


def values(x: Any) -> Any:
    """The array of what a rule was given, be it a Tensor or an array."""
    return x.array if isinstance(x, _Tensor) else x


class Plan:
    """How the rules of one op are called, for one choice of inputs that need a gradient.

    Attributes:
        save: what to keep: indices into (*inputs, out).
        shapes: (name, input index) of the shapes to note; they join the node's attributes.
        attrs: names of the attributes and shapes that rules ask for.
        rows: (input indices, rule, arguments) to call, one index but for a joint rule; the arguments are
            positions in (g, *saved, *attrs).
        joint: whether a rule returns one gradient per index.
    """

    __slots__ = ("attrs", "joint", "rows", "save", "shapes")

    def __init__(self, op: Op, needs: Sequence[bool]):
        sources = (*op.inputs, "out")
        past_inputs = len(needs) - len(op.inputs)  # a variadic op has one name for many inputs
        save: list[int] = []
        shapes: list[tuple[str, int]] = []
        rows = []
        if op.joint is not None:
            wanted_rows = [(tuple(range(len(needs))), op.joint)] if any(needs) else []
        else:
            named = enumerate(op.inputs)
            wanted_rows = [((i,), op.rows[name]) for i, name in named if needs[i] and name in op.rows]
        attrs: list[str] = []
        for indices, rule in wanted_rows:
            places = []
            for wanted in rule.names:
                if wanted in sources:
                    at = sources.index(wanted)
                    source = at + past_inputs if wanted == "out" else at
                    if source not in save:
                        save.append(source)
                    places.append(("saved", save.index(source)))
                elif wanted == "g":
                    places.append(("g", 0))
                else:
                    if wanted not in op.attrs:
                        shapes.append((wanted, op.inputs.index(wanted.removesuffix("_shape"))))
                    if wanted not in attrs:
                        attrs.append(wanted)
                    places.append(("attrs", attrs.index(wanted)))
            rows.append((indices, rule.function, places))
        first = {"g": 0, "saved": 1, "attrs": 1 + len(save)}
        self.save, self.shapes, self.attrs = tuple(save), tuple(shapes), tuple(attrs)
        self.rows = tuple(
            (indices, function, tuple(first[kind] + at for kind, at in places))
            for indices, function, places in rows
        )
        self.joint = op.joint is not None

    def around(self, wrap: Callable[[Callable[..., Any], tuple[int, ...]], Callable[..., Any]]) -> Plan:
        """The same plan, with `wrap(rule, input indices)` in the place of each rule."""
        plan = Plan.__new__(Plan)
        plan.save, plan.shapes, plan.attrs, plan.joint = self.save, self.shapes, self.attrs, self.joint
        plan.rows = tuple((indices, wrap(rule, indices), places) for indices, rule, places in self.rows)
        return plan


class _Rule:
    """One row: the function and the names of its parameters."""

    def __init__(self, function: Callable[..., Any]):
        self.function = function
        self.names = tuple(inspect.signature(function).parameters)


class Op:
    """A differentiable function; made by `@op`, called like the function it was made of.

    Attributes:
        name: the function's name.
        function: the forward, on arrays.
        forward: the same; while somebody watches, what stands before it.
        inputs: names of the differentiable inputs; with `variadic`, the one name of all of them.
        attrs: keyword-only attributes and their defaults.
        rows: the backward rule of each input that has one.
        joint: the one rule of all inputs together, if there is one.
        elementwise: inputs broadcast and are promoted to one dtype; the engine un-broadcasts.
        floating: as well, integers are converted to the default float dtype.
        view: the result may share the first input's memory.
        on_arrays: the rules speak ops and operators only, so that they work on plain arrays as well; the
            engine then spares Tensors where nothing is recorded.
    """

    on_arrays = False

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        elementwise: bool = False,
        floating: bool = False,
        view: bool = False,
    ):
        parameters = inspect.signature(function).parameters.values()
        positional = [p for p in parameters if p.kind is not p.KEYWORD_ONLY]
        self.name = function.__name__.rstrip("_")
        self.function = function
        self.inputs = tuple(p.name for p in positional)
        self.variadic = any(p.kind is p.VAR_POSITIONAL for p in positional)
        if taken := {"g", "out"}.intersection(self.inputs):
            raise GraphError(
                f"{self.name}: an input cannot be called {taken.pop()}; in rules that word has a meaning"
            )
        self.attrs = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
        self.defaults = {
            name: value for name, value in self.attrs.items() if value is not inspect.Parameter.empty
        }
        self.rows: dict[str, _Rule] = {}
        self.joint: _Rule | None = None
        self.elementwise, self.floating, self.view = elementwise, floating, view
        self.plans: dict[tuple[bool, ...], Plan] = {}
        self.__doc__, self.__module__, self.__name__ = function.__doc__, function.__module__, self.name
        _every.add(self)
        self.forward = function if _around is None else _around(self)

    def __repr__(self) -> str:
        return f"<op {self.name}({', '.join((*self.inputs, *self.attrs))})>"

    def vjp(self, joint: Callable[..., Any] | None = None, /, **rules: Callable[..., Any]) -> None:
        """State the backward rule of each input: a function to the gradient of that input.

        One function without a name is the rule of all inputs together, for gradients that have work in
        common; it returns one gradient, or None, per input.

        Raises:
            GraphError: a rule for something that is no input, or a parameter that names nothing.
        """
        if joint is not None:
            rules = dict.fromkeys(self.inputs, joint)
        known = {"g", "out", *self.inputs, *self.attrs, *(f"{name}_shape" for name in self.inputs)}
        for name, function in rules.items():
            rule = _Rule(function)
            if name not in self.inputs:
                raise GraphError(
                    f"{self.name}.vjp: {name} is no input; the inputs are {', '.join(self.inputs)}"
                )
            if unknown := set(rule.names) - known:
                raise GraphError(
                    f"{self.name}.vjp: the rule of {name} asks for {', '.join(sorted(unknown))}; "
                    f"it can ask for {', '.join(sorted(known))}"
                )
            self.rows[name] = rule
            self.joint = rule if joint is not None else None
        self.plans.clear()

    def __call__(self, *inputs: Any, **attrs: Any) -> Any:
        for x in inputs:
            if isinstance(x, _Tensor):
                break
        else:
            return self.forward(*inputs, **attrs)  # arrays in, array out: a rule, and nobody records
        arrays, parents, taped = [], [], False
        for x in inputs:
            if isinstance(x, _Tensor):
                arrays.append(x.array)
                parents.append(x.node)
                taped = taped or x.node is not None
            else:
                arrays.append(x if x is None or type(x) is ndarray else constant(self.name, x))
                parents.append(None)
        values = arrays if not self.elementwise or _alike(arrays) else promote(self, arrays)
        token = quiet()
        try:
            out = self.forward(*values, **attrs)
        except ValueError:
            if self.elementwise:
                _check_broadcast(self, values)
            raise
        finally:
            restore(token)
        result = _Tensor(out if type(out) is ndarray else np.asarray(out))
        if self.view and _shares_memory(result.array, arrays[0]):
            result.share(inputs[0])
        if taped and self.rows and state.recording:
            self._record(result, inputs, arrays, tuple(parents), attrs)
        return result

    def _record(
        self, result: Tensor, inputs: Any, arrays: list[Any], parents: tuple[Any, ...], attrs: dict[str, Any]
    ) -> None:
        """Put the result on the tape, with what the rules of its parents ask for."""
        needs = tuple([parent is not None for parent in parents])
        plan = self.plans.get(needs)
        if plan is None:
            plan = self.plans[needs] = Plan(self, needs)
        if not plan.rows:
            return
        array = result.array
        saved: tuple[Any, ...] = ()
        versions: tuple[Any, ...] = ()
        if plan.save:
            sources, values = (*inputs, result), (*arrays, array)
            saved = tuple([values[index] for index in plan.save])
            kept = [sources[index] for index in plan.save]
            versions = tuple([(x.writes, x.writes[0]) if isinstance(x, _Tensor) else FIXED for x in kept])
        if self.defaults:
            attrs = {**self.defaults, **attrs}
        for name, index in plan.shapes:
            attrs[name] = tuple(map(np.shape, arrays)) if self.variadic else np.shape(arrays[index])
        result.node = _Node(self, parents, attrs, plan, saved, versions, array.shape, array.dtype)


@overload
def op(function: Callable[..., Any], /) -> Op: ...
@overload
def op(
    *, elementwise: bool = False, floating: bool = False, view: bool = False
) -> Callable[[Callable[..., Any]], Op]: ...
def op(function: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Make an `Op` of a function on arrays; see the head of this file, and docs/your-own-op.md.

    Args:
        function: NumPy arrays (or Python numbers) in, one array out; it must not write its inputs.
        elementwise: inputs broadcast; they are promoted to one dtype as in PyTorch.
        floating: as well, integers become float32.
        view: the result may share memory with the first input.

    >>> import numpy as np, tinygrad_cnn as tg
    >>> @op(elementwise=True)
    ... def cube(x):
    ...     return x**3
    >>> cube.vjp(x=lambda g, x: g * 3 * x * x)
    >>> x = tg.tensor([1.0, 2.0], requires_grad=True)
    >>> cube(x).sum().backward()
    >>> x.grad
    tensor([ 3., 12.])
    """
    if function is None:
        return lambda f: _register(Op(f, **options))
    return _register(Op(function))


def _register(new: Op) -> Op:
    """Under its name; where another module has that name already, under its module's and its own."""
    known = registry.get(new.name)
    mine = known is None or known.__module__ == new.__module__
    registry[new.name if mine else f"{new.__module__}.{new.name}"] = new
    return new


def constant(name: str, x: Any) -> Any:
    """An input that is no Tensor: a Python number stays weak, an array is taken as it is."""
    if type(x) in (float, int, bool):
        return x
    if isinstance(x, np.generic):
        x = x.item()  # NumPy's float64 scalars would make float64 of a float32 graph
    if isinstance(x, (np.ndarray, float, int, bool)):
        return x
    raise DtypeError(f"{name}: cannot compute with {type(x).__name__} {x!r:.40}; make it a tensor(...) first")


def _shares_memory(out: np.ndarray, source: Any) -> bool:
    if out is source or (out.base is not None and (out.base is source or out.base is source.base)):
        return True
    return np.may_share_memory(out, source)  # views by strides have a base of their own


# --- dtypes: PyTorch's promotion -------------------------------------------------------------------

_DEFAULT = {bool: np.dtype(np.bool_), int: np.dtype(np.int64), float: np.dtype(np.float32)}
_RANK = {"b": 0, "u": 1, "i": 1, "f": 2}


def get_default_dtype() -> np.dtype:
    """What Python's floats become, and what is made without a dtype: float32, unless somebody said otherwise.

    >>> get_default_dtype()
    dtype('float32')
    """
    return _DEFAULT[float]


def set_default_dtype(d: Any) -> None:
    """Make new parameters, and tensors of Python's floats, of this dtype: float64, float32 or float16.

    >>> set_default_dtype("float32")
    """
    try:
        dtype = np.dtype(d)
    except TypeError:
        dtype = None
    if dtype is None or dtype.kind != "f" or dtype.itemsize > 8:
        raise DtypeError(f"set_default_dtype: {d!r:.40} is none of float64, float32 and float16")
    _DEFAULT[float] = dtype


def _alike(values: list[Any]) -> bool:
    """Whether nothing has to be promoted: the usual case, decided cheaply."""
    dtype = None
    for v in values:
        if type(v) is not ndarray:
            if type(v) not in _DEFAULT:
                return False
        elif dtype is None:
            dtype = v.dtype
        elif v.dtype is not dtype:
            return False
    return dtype is not None and dtype.kind == "f"


def join(a: np.dtype, b: np.dtype) -> np.dtype:
    """The smallest dtype for both; unlike NumPy, an integer never widens a float."""
    if _RANK[a.kind] == _RANK[b.kind]:
        return np.promote_types(a, b)
    return a if _RANK[a.kind] > _RANK[b.kind] else b


def can_cast(from_: np.dtype, to: np.dtype) -> bool:
    """Whether a result of one dtype may be written into a tensor of another: not floats into integers, not
    numbers into bools."""
    return _RANK[from_.kind] <= _RANK[to.kind]


def result_dtype(name: str, values: Sequence[Any]) -> np.dtype:
    """What these arrays and Python numbers have in common, by PyTorch's rule.

    Arrays with axes decide; 0-d arrays, and then Python numbers, only when of a higher category
    (bool < integer < float).  https://docs.pytorch.org/docs/stable/tensor_attributes.html
    """
    groups: list[list[np.dtype]] = [[], [], []]
    for v in values:
        if isinstance(v, np.ndarray):
            if v.dtype.kind not in _RANK:
                raise DtypeError(f"{name}: cannot compute with dtype {v.dtype}")
            groups[v.ndim == 0].append(v.dtype)
        else:
            groups[2].append(_DEFAULT[type(v)])
    found = [reduce(join, group) for group in groups if group]
    return max(found, key=lambda dtype: _RANK[dtype.kind])  # the first of several


def promote(op: Op, values: list[Any]) -> list[Any]:
    """Bring the inputs of an elementwise op to one dtype, a float one if the op is `floating`."""
    dtype = result_dtype(op.name, values)
    if op.floating and dtype.kind != "f":
        dtype = _DEFAULT[float]
    try:
        return [np.asarray(v, dtype) for v in values]
    except OverflowError:
        low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
        number = next(v for v in values if type(v) is int and not low <= v <= high)
        raise too_large(op.name, number, dtype) from None


def too_large(name: str, value: Any, dtype: np.dtype) -> ArgumentError:
    """What to say of an integer beyond its dtype."""
    return ArgumentError(f"{name}: {value} does not fit into {dtype}; use a larger dtype, such as int64")


def _check_broadcast(op: Op, values: list[Any]) -> None:
    """Say which axis does not fit, if that is what NumPy stumbled over."""
    shapes = [np.shape(v) for v in values]
    try:
        np.broadcast_shapes(*shapes)
    except ValueError:
        for axis in range(1, max(map(len, shapes)) + 1):
            sizes = sorted({s[-axis] for s in shapes if len(s) >= axis} - {1})
            if len(sizes) > 1:
                raise ShapeError(
                    f"{op.name}: shapes {' and '.join(map(str, shapes))} do not broadcast: axis {-axis} has "
                    f"sizes {' and '.join(map(str, sizes))}; sizes must be equal or 1 (unsqueeze adds "
                    "an axis of 1)"
                ) from None
