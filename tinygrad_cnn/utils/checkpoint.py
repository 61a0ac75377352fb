"""Memory for time: what a part of a network keeps for backward is thrown away, and computed again there.

Chen et al. (2016), "Training deep nets with sublinear memory cost", https://arxiv.org/abs/1604.06174.

The part runs as ever and is recorded as ever; then its nodes are made to forget what they saved.  Backward
asks the first of them for it, the part runs again from its arguments, and every node is given what its twin
has saved.  So gradients reach whatever the part uses, and gradients of any order can be had.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from typing import Any

from ..errors import ArgumentError, GraphError
from ..op import is_tensor
from ..random import default_generator
from ..tape import Node, enable_grad, next_seq, state, walk

__all__ = ["checkpoint", "checkpoint_sequential"]


def checkpoint(
    function: Callable[..., Any],
    *args: Any,
    use_reentrant: bool | None = None,
    context_fn: Callable[[], tuple[Any, Any]] = lambda: (nullcontext(), nullcontext()),
    determinism_check: str = "default",
    debug: bool = False,
    early_stop: bool = True,
    preserve_rng_state: bool = True,
    **kwargs: Any,
) -> Any:
    """`function(*args, **kwargs)`, which keeps nothing for backward but its arguments, and runs again there.

    Whatever the function does beside its result (the running means of a BatchNorm, say) it does twice.

    Args:
        function: of tensors and anything else, to tensors and anything else; the same each time.
        use_reentrant, debug, early_stop: PyTorch's; change nothing.
        context_fn: makes a context for the first run and one for the second.
        determinism_check: "default" compares ops, shapes and dtypes of the two runs; "none" their number.
        preserve_rng_state: whether the second run draws the same random numbers.

    Raises:
        GraphError: in backward, if the second run was another one, or an argument was changed in place since.

    >>> import tinygrad_cnn as tg
    >>> x = tg.tensor([1.0, 2.0], requires_grad=True)
    >>> checkpoint(lambda x: (x * x).exp().sum(), x, use_reentrant=False).backward()
    >>> x.grad
    tensor([  5.4366, 218.3926])
    """
    if determinism_check not in ("default", "none"):
        raise ArgumentError(
            f"checkpoint: determinism_check is {determinism_check!r}; use 'default' or 'none'"
        )
    if not state.recording:
        return function(*args, **kwargs)
    first, second = context_fn()
    part = _Part(function, args, kwargs, preserve_rng_state, second, determinism_check == "default")
    with first:
        start, results = next_seq(), function(*args, **kwargs)
    part.forget(_recorded(results, start))
    return results


def checkpoint_sequential(
    functions: Any, segments: int, input: Any, use_reentrant: bool | None = None, **kwargs: Any
) -> Any:
    """A chain of functions, or an `nn.Sequential`, cut into `segments`, each but the last a `checkpoint`.

    >>> import tinygrad_cnn as tg
    >>> net = tg.nn.Sequential(tg.nn.Linear(2, 2), tg.nn.ReLU(), tg.nn.Linear(2, 1))
    >>> checkpoint_sequential(net, 2, tg.ones(1, 2)).shape
    (1, 1)
    """
    chain = list(functions)
    if not 1 <= segments <= len(chain):
        raise ArgumentError(
            f"checkpoint_sequential: {segments} segments of {len(chain)} functions; use 1 to {len(chain)}"
        )

    def run(part: Sequence[Callable[[Any], Any]]) -> Callable[[Any], Any]:
        def through(x: Any) -> Any:
            for function in part:
                x = function(x)
            return x

        return through

    size = len(chain) // segments
    for i in range(segments - 1):
        input = checkpoint(
            run(chain[i * size : (i + 1) * size]), input, use_reentrant=use_reentrant, **kwargs
        )
    return run(chain[(segments - 1) * size :])(input)


class _Part:
    """One checkpoint: how to run it again, and what its second run has saved and nobody has taken yet."""

    def __init__(
        self, function: Any, args: Any, kwargs: Any, preserve_rng_state: bool, context: Any, strict: bool
    ):
        self.function, self.args, self.kwargs = function, args, kwargs
        self.context, self.strict, self.scope = context, strict, state.scope
        self.random = default_generator().bit_generator.state if preserve_rng_state else None
        self.versions = [(x.writes, x.writes[0]) for x in (*args, *kwargs.values()) if is_tensor(x)]
        self.kinds: list[Any] = []
        self.saved: dict[int, Any] = {}

    def forget(self, nodes: list[Node]) -> None:
        """Let these nodes ask for what they had saved."""
        self.kinds = [_kind(node) for node in nodes]
        for index, node in enumerate(nodes):
            if node.saved:
                node.saved = _Forgotten(self, index)

    def run(self) -> None:
        """Once more, from the same random numbers; the nodes of this run give what they saved."""
        if any(writes[0] != count for writes, count in self.versions):
            raise GraphError(
                "checkpoint: an argument was changed in place since; change a copy (x = x + 1, not x += 1)"
            )
        generator, scope = default_generator().bit_generator, state.scope
        now = generator.state
        try:
            if self.random is not None:
                generator.state = self.random
            state.scope = self.scope
            with enable_grad(), self.context:
                start, results = next_seq(), self.function(*self.args, **self.kwargs)
        finally:
            state.scope = scope
            if self.random is not None:
                generator.state = now
        nodes = _recorded(results, start)
        kinds = [_kind(node) for node in nodes]
        if len(kinds) != len(self.kinds) or (self.strict and kinds != self.kinds):
            pairs = enumerate(zip(self.kinds, kinds, strict=False))
            at = next((i for i, (a, b) in pairs if a != b), min(len(kinds), len(self.kinds)))
            first, second = ((*map(str, run[at : at + 1]), "nothing")[0] for run in (self.kinds, kinds))
            raise GraphError(
                f"checkpoint: the second run computed {second} where the first computed {first}; the "
                "function must do the same each time (with preserve_rng_state=True if it draws numbers)"
            )
        self.saved = {index: node.saved for index, node in enumerate(nodes) if node.saved}


class _Forgotten:
    """Stands in the place of what a node has saved."""

    __slots__ = ("index", "part")

    def __init__(self, part: _Part, index: int):
        self.part, self.index = part, index

    def recall(self) -> Any:
        """What the node had saved; the part runs again unless that is at hand."""
        if self.index not in self.part.saved:
            self.part.run()
        return self.part.saved.pop(self.index)


def _recorded(results: Any, start: int) -> list[Node]:
    """The nodes of the ops that led to these results, as far as they were recorded after `start`."""
    roots = {x.node for x in _tensors(results) if x.node is not None and x.node.seq > start}
    found = []
    for node in walk(*roots):
        if node.seq < start:
            break
        if node.op is not None:
            found.append(node)
    return found


def _tensors(results: Any) -> Iterable[Any]:
    """The tensors of nested results."""
    if is_tensor(results):
        yield results
    elif isinstance(results, dict):
        yield from _tensors(list(results.values()))
    elif isinstance(results, (list, tuple)):
        for result in results:
            yield from _tensors(result)


def _kind(node: Node) -> tuple[Any, ...]:
    assert node.op is not None
    return node.op.name, node.shape, str(node.dtype)
