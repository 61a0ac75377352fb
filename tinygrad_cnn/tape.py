"""The tape: what was computed, in which order and inside which module, and the one walk over it.

A `Node` remembers one operation.  It points to the nodes of its inputs and never to anything that
points back, so a graph is freed the moment its last Tensor goes, without the garbage collector.
Backward, hooks, drawings and summaries all read `walk`.
"""

from __future__ import annotations

import functools
import inspect
import itertools
import threading
import weakref
from collections.abc import Callable, Generator, Iterator
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from .op import Op

__all__ = [
    "FIXED",
    "Handle",
    "Leaf",
    "Node",
    "Scope",
    "enable_grad",
    "inference_mode",
    "is_grad_enabled",
    "no_grad",
    "set_grad_enabled",
    "state",
    "walk",
]

F = TypeVar("F", bound=Callable[..., Any])
next_seq = itertools.count().__next__
FIXED: tuple[list[int], int] = ([0], 0)  # the version of what is no tensor: nobody can write to it


class _State(threading.local):
    """What this thread is doing; a new thread records and is inside no module."""

    recording = True
    scope: Scope | None = None


state = _State()


class Scope:
    """One call of a module: where on the way through a model an operation was recorded.

    The module is held weakly (a module may keep its outputs, and a graph must not keep a module in
    a circle), and its name is looked up only when somebody asks.
    """

    __slots__ = ("class_", "module", "parent")

    def __init__(self, module: Any, parent: Scope | None):
        self.class_ = type(module)
        self.module = weakref.ref(module)
        self.parent = parent

    @property
    def kind(self) -> str:
        """The name of the module's class."""
        return self.class_.__name__

    @property
    def name(self) -> str:
        """The attribute name under which the calling module holds this one; its class if nobody does."""
        owner: Any = None if self.parent is None else self.parent.module()
        module = self.module()
        if owner is not None and module is not None:
            for path, candidate in itertools.chain(owner.named_children(), owner.named_modules()):
                if candidate is module and path:
                    return path
        return self.kind

    @property
    def path(self) -> str:
        """Such as "LeNet.features.0"."""
        return self.name if self.parent is None else f"{self.parent.path}.{self.name}"

    def __str__(self) -> str:
        """Such as "LeNet.fc1 (Linear)"; for errors."""
        path = self.path
        return path if path == self.kind else f"{path} ({self.kind})"


class Node:
    """One recorded operation, or a leaf: a tensor that asks for a gradient (`op` is None).

    Attributes:
        seq: position in time; a parent's is always smaller.
        op: the `Op` that ran, None for a leaf.
        parents: the node of each input, None where an input needs no gradient.
        attrs: the op's keyword arguments.
        saved: what the rules asked to keep, in the order of `plan.save`; None once used up.
            A checkpoint leaves what recalls it.
        versions: (write counter, its value when saved) of each saved array; `FIXED` for a constant.
        plan: how to call the rules (`op.Plan`).
        shape, dtype: of the result.
        scope: the innermost module call, or None.
        sink: weak reference, or a function, to the tensor whose `.grad` collects what arrives here, or None.
        hooks: functions of the gradient, run once when it is complete, or None.
    """

    __slots__ = (
        "__weakref__", "attrs", "dtype", "hooks", "op", "parents", "plan", "saved", "scope", "seq", "shape",
        "sink", "versions",
    )  # fmt: skip

    def __init__(
        self,
        op: Op | None,
        parents: tuple[Node | None, ...],
        attrs: dict[str, Any],
        plan: Any,
        saved: tuple[Any, ...] | None,
        versions: tuple[tuple[list[int], int], ...],
        shape: tuple[int, ...],
        dtype: Any,
    ):
        self.seq = next_seq()
        self.op = op
        self.parents = parents
        self.attrs = attrs
        self.plan = plan
        self.saved: Any = saved
        self.versions = versions
        self.shape = shape
        self.dtype = dtype
        self.scope = state.scope
        self.sink: Callable[[], Any] | None = None
        self.hooks: dict[int, Callable[[Any], Any]] | None = None

    @property
    def next_functions(self) -> tuple[tuple[Node | None, int], ...]:
        """The parents as PyTorch lists them: each with the number of its result, which is always 0."""
        return tuple((parent, 0) for parent in self.parents)

    @property
    def variable(self) -> Any:
        """The tensor whose `.grad` collects what arrives here, as PyTorch calls it; None if there is none."""
        return self.sink and self.sink()

    @property
    def name(self) -> str:
        """PyTorch-like, for `Tensor.grad_fn` and messages: "conv2d (LeNet.conv1)"."""
        op = "leaf" if self.op is None else self.op.name
        return op if self.scope is None else f"{op} ({self.scope.path})"

    def __repr__(self) -> str:
        return f"<{self.name} at step {self.seq}, result {self.shape} {self.dtype}>"


class Leaf(Node):
    """Where a tensor that asks for a gradient stands on the tape.

    Attributes:
        after: functions of the tensor, run when its `.grad` has been added to, or None.
    """

    __slots__ = ("after",)

    def __init__(self, tensor: Any, shape: tuple[int, ...], dtype: Any):
        super().__init__(None, (), {}, None, (), (), shape, dtype)
        self.sink = weakref.ref(tensor)
        self.after: dict[int, Callable[[Any], None]] | None = None


class Handle:
    """What registering a hook returns: `remove()` takes the hook away again; also a context manager."""

    def __init__(self, hooks: dict[int, Any], hook: Callable[..., Any]):
        self.hooks = hooks
        self.key = next_seq()
        hooks[self.key] = hook

    def remove(self) -> None:
        self.hooks.pop(self.key, None)

    def __enter__(self) -> Handle:
        return self

    def __exit__(self, *error: object) -> None:
        self.remove()


def walk(*roots: Node) -> Iterator[Node]:
    """Every node the roots depend on, once each, latest first.

    A node comes after everything that used it, so its gradient is complete when it arrives.  A heap
    takes the place of recursion: chains of any length work, in O(n log w) for w open branches.
    """
    seen = set(roots)
    heap = [(-node.seq, node) for node in seen]
    heapify(heap)
    while heap:
        node = heappop(heap)[1]
        yield node
        for parent in node.parents:
            if parent is not None and parent not in seen:
                seen.add(parent)
                heappush(heap, (-parent.seq, parent))


def is_grad_enabled() -> bool:
    """Whether this thread records operations.

    >>> is_grad_enabled()
    True
    """
    return state.recording


class _GradMode:
    """Switches recording inside a `with`, or around every call of a decorated function."""

    mode: bool

    def __new__(cls, function: Any = None, **options: Any) -> Any:
        """`@no_grad` decorates as well as `@no_grad()`."""
        self = super().__new__(cls)
        if not callable(function):
            return self
        self.__init__()  # type: ignore[misc]
        return self(function)

    def __init__(self) -> None:
        self.before: list[bool] = []  # a stack, so that one object can be entered twice

    def __enter__(self) -> None:
        self.before.append(state.recording)
        state.recording = self.mode

    def __exit__(self, *error: object) -> None:
        state.recording = self.before.pop()

    def __call__(self, function: F) -> F:
        mode, run = self.mode, _steps if inspect.isgeneratorfunction(function) else _within

        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            return run(mode, function, *args, **kwargs)

        return cast(F, wrapped)


def _within(mode: bool, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    # The flag itself, not a context manager: one decorated function may run in many threads.
    before, state.recording = state.recording, mode
    try:
        return function(*args, **kwargs)
    finally:
        state.recording = before


def _steps(mode: bool, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
    """A generator whose steps run in this mode, and what happens between them in the caller's."""
    steps = function(*args, **kwargs)
    resume, given = steps.send, None
    try:
        while True:
            try:
                found = _within(mode, resume, given)
            except StopIteration as end:
                return end.value
            try:
                resume, given = steps.send, (yield found)
            except GeneratorExit:
                raise
            except BaseException as error:
                resume, given = steps.throw, error
    finally:
        _within(mode, steps.close)


class no_grad(_GradMode):
    """Record nothing in this thread, inside a `with` or around a function.

    >>> with no_grad():
    ...     is_grad_enabled()
    False
    """

    mode = False


class inference_mode(_GradMode):
    """The same as `no_grad()`; with mode=False, as `enable_grad()`.

    >>> with inference_mode():
    ...     is_grad_enabled()
    False
    """

    def __init__(self, mode: bool = True):
        super().__init__()
        self.mode = not mode


class enable_grad(_GradMode):
    """Record again, inside a `no_grad` block or around a function.

    >>> with no_grad(), enable_grad():
    ...     is_grad_enabled()
    True
    """

    mode = True


class set_grad_enabled(_GradMode):
    """Switch recording on or off in this thread: from now on, inside a `with`, or around a function.

    >>> with set_grad_enabled(False):
    ...     is_grad_enabled()
    False
    """

    def __init__(self, mode: bool):
        super().__init__()
        self.mode = bool(mode)
        self.before.append(state.recording)
        state.recording = self.mode

    def __enter__(self) -> None:
        state.recording = self.mode  # `before` was taken when the object was made

    def __call__(self, function: F) -> F:
        state.recording = self.before.pop()  # as a decorator it acts around each call, not from now on
        return super().__call__(function)
