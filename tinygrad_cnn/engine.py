"""Backward: pull gradients along the tape.  The only reader of rules.

For y = f(x) and a scalar L, a rule turns g = dL/dy into dL/dx (a vector-Jacobian product).  Rules are
ordinary ops, so with `create_graph` they are recorded like anything else and gradients of gradients
need nothing more.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence
from sys import getrefcount
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import ArgumentError, DtypeError, GraphError, ShapeError
from .kernels.runtime import quiet, restore
from .op import is_tensor, wrap
from .ops.elementwise import to
from .ops.shape import clone, sum_to
from .tape import FIXED, Leaf, Node, set_grad_enabled, walk

if TYPE_CHECKING:
    from .tensor import Tensor

__all__ = ["backward", "grad", "gradients_at"]


def backward(
    tensors: Tensor | Sequence[Tensor],
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Tensor | Sequence[Tensor] | None = None,
) -> None:
    """Add d(tensors)/d(leaf) into `.grad` of every leaf (or of `inputs` only).

    Args:
        tensors: where to start.
        grad_tensors: dL/d(tensor) for each, of the tensor's shape; may be left out for scalars.
        retain_graph: keep what the rules saved, for another backward (default: `create_graph`).
        create_graph: record the gradients themselves, so that they can be differentiated.
        inputs: fill in these only.

    Raises:
        GraphError: nothing to differentiate, a non-scalar without `grad_tensors`, a graph whose saved
            arrays were released by an earlier backward, or changed in place since.
        ShapeError: a gradient of another shape than its tensor.

    >>> import tinygrad_cnn as tg
    >>> w = tg.tensor([1.0, 2.0], requires_grad=True)
    >>> tg.autograd.backward([(w * w).sum(), w.sum()])
    >>> w.grad
    tensor([3., 5.])
    """
    wanted: dict[Node, Tensor] | None = None
    if inputs is not None:
        several = [inputs] if is_tensor(inputs) else inputs
        wanted = {_node("backward", x, i): x for i, x in enumerate(several)}
        if not wanted:
            raise GraphError("backward: inputs is empty; leave it out, and all leaves are filled in")

    def deliver(node: Node, g: Tensor) -> None:
        sink: Any = wanted[node] if wanted else node.sink and node.sink()
        if sink is not None:
            if sink._grad is not None:
                g = sink._grad + g
            elif create_graph:
                g = clone(g)  # which may be another's gradient as well, or a view of one number
            sink._grad = g
            if type(node) is Leaf and node.after:
                for hook in tuple(node.after.values()):
                    hook(sink)

    roots = _roots("backward", tensors, grad_tensors)
    _pull(roots, deliver, wanted, create_graph if retain_graph is None else retain_graph, create_graph)


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    *,
    materialize_grads: bool = False,
) -> tuple[Tensor, ...]:
    """Return d(outputs)/d(inputs), and leave every `.grad` alone.

    Arguments and errors as in `backward`; with `allow_unused` an input that the outputs do not depend
    on gets None, with `materialize_grads` zeros, without either that is a GraphError.  `only_inputs` is
    accepted for PyTorch's sake: it is always so.

    >>> import tinygrad_cnn as tg
    >>> x = tg.tensor(3.0, requires_grad=True)
    >>> (dx,) = tg.autograd.grad(x**3, x, create_graph=True)
    >>> dx, tg.autograd.grad(dx, x)
    (tensor(27., grad_fn=<MulBackward0>), (tensor(18.),))
    """
    if materialize_grads and allow_unused is False:
        raise ArgumentError(
            "grad: materialize_grads gives zeros for what is not used; leave out allow_unused=False"
        )
    inputs = [inputs] if is_tensor(inputs) else list(inputs)
    nodes = [_node("grad", x, i) for i, x in enumerate(inputs)]
    found: dict[Node, Tensor] = {}
    roots = _roots("grad", outputs, grad_outputs)
    _pull(
        roots,
        found.__setitem__,
        set(nodes),
        create_graph if retain_graph is None else retain_graph,
        create_graph,
    )
    for i, node in enumerate(nodes):
        if node not in found and materialize_grads:
            found[node] = wrap(np.zeros(inputs[i].shape, inputs[i].dtype))
        elif node not in found and not allow_unused:
            raise GraphError(
                f"grad: input {i} {inputs[i].shape} was not used to compute the outputs; "
                "pass allow_unused=True to get None for it"
            )
    return tuple(found.get(node) for node in nodes)  # type: ignore[misc]


def gradients_at(outputs: Sequence[Tensor], nodes: Container[Node]) -> dict[Node, np.ndarray]:
    """The gradient of each of these nodes' results, where one arrives; for those who look at a graph.

    The graph stays as it is, and so does every `.grad`.
    """
    found: dict[Node, np.ndarray] = {}
    roots = _roots("graph", outputs, None)
    _pull(roots, lambda node, g: found.__setitem__(node, g.array), nodes, True, False)
    return found


def _pull(
    roots: list[tuple[Node, Tensor]],
    deliver: Callable[[Node, Tensor], None],
    wanted: Container[Node] | None,
    retain_graph: bool,
    create_graph: bool,
) -> None:
    """Walk the tape with gradients, and `deliver` the complete ones: to `wanted` nodes, else to sinks.

    The gradients on the way are Tensors under `create_graph`, plain arrays otherwise.
    """
    grads: dict[Node, Any] = {}
    lent: set[Node] = set()  # gradients whose memory somebody else may hold as well
    for node, seed in roots:
        g: Any = seed if create_graph else seed.array
        grads[node] = grads[node] + g if node in grads else g
        lent.add(node)
    nodes: Iterable[Node] = walk(*grads)
    useful = None  # all of them
    if wanted is not None:
        nodes = list(nodes)
        useful = _leading_to(wanted, nodes)
    token = quiet()
    try:
        with set_grad_enabled(create_graph):
            for node in nodes:
                g = grads.pop(node, None)
                if g is None:
                    continue  # no rule led here
                op, plan, parents = node.op, node.plan, node.parents
                if node.hooks:
                    lent.add(node)
                    g = _hooked(node, g if create_graph else wrap(np.asarray(g)))
                    g = g if create_graph else g.array
                if node in wanted if wanted is not None else node.sink is not None:
                    if create_graph:
                        deliver(node, g)
                    else:  # x.grad may be changed in place later, which must not reach another's gradient
                        mine = op is None and node not in lent
                        deliver(node, wrap(np.asarray(g) if mine else np.array(g)))
                if op is None or (useful is not None and useful.isdisjoint(parents)):
                    continue

                taped = create_graph or not op.on_arrays
                known = _known(node, g, taped, create_graph)
                for indices, rule, arguments in plan.rows:
                    if useful is not None and useful.isdisjoint([parents[index] for index in indices]):
                        continue
                    found = rule(*[known[at] for at in arguments])
                    for index, part in zip(indices, found if plan.joint else (found,), strict=True):
                        parent = parents[index]
                        if parent is None or part is None:
                            continue
                        if taped and not create_graph:
                            part = part.array
                        if part.shape != parent.shape or part.dtype is not parent.dtype:
                            part = _fit(node, op.inputs[0 if op.variadic else index], parent, part)
                        if parent in grads:
                            grads[parent] = grads[parent] + part
                            lent.discard(parent)
                        else:
                            grads[parent] = part
                            if taped or part is g or (part.base is not None and not _owned(part)):
                                lent.add(parent)
                if node.saved and not retain_graph:
                    node.saved, node.versions = None, ()
    except Exception as error:
        error.add_note(f"while pulling a gradient back through {node!r}")
        raise
    finally:
        restore(token)


def pulled_through(node: Node, g: np.ndarray) -> list[tuple[int, np.ndarray]]:
    """What the rules of this one node make of g: (index of an input, its part of the gradient).

    The node keeps what it has saved.
    """
    assert node.op is not None
    parts = []
    token = quiet()
    try:
        with set_grad_enabled(False):
            taped = not node.op.on_arrays
            known = _known(node, g, taped, create_graph=False)
            for indices, rule, arguments in node.plan.rows:
                found = rule(*[known[at] for at in arguments])
                for index, part in zip(indices, found if node.plan.joint else (found,), strict=True):
                    parent = node.parents[index]
                    if parent is not None and part is not None:
                        name = node.op.inputs[0 if node.op.variadic else index]
                        part = _fit(node, name, parent, part.array if taped else part)
                        parts.append((index, np.asarray(part)))
    finally:
        restore(token)
    return parts


def _owned(view: np.ndarray) -> bool:
    """Whether an array that nobody else has lies behind all of this view."""
    whole = getattr(view.base, "size", -1) == view.size
    return whole and view.flags.writeable and getrefcount(view.base) == 2  # the view's own, and ours


def _hooked(node: Node, g: Tensor) -> Tensor:
    for hook in tuple((node.hooks or {}).values()):
        changed = hook(g)
        g = g if changed is None else changed
    return g


def _known(node: Node, g: Any, taped: bool, create_graph: bool) -> tuple[Any, ...]:
    """What rules can ask for: g, what the node saved, its attributes."""
    plan, saved = node.plan, node.saved
    while type(saved) is not tuple:
        if saved is None:
            raise GraphError(
                f"backward a second time through {node.name}: what it had saved was released by the first; "
                "pass retain_graph=True to the first backward to keep it"
            )
        saved = saved.recall()  # of a checkpoint, see utils/checkpoint.py
    for at, (writes, count) in enumerate(node.versions):
        if writes[0] != count:
            raise GraphError(_written(node, plan.save[at]))
    if taped:
        # Saved arrays go back to their places on the tape, for gradients of gradients; numbers stay numbers.
        places = (*node.parents, node, None)
        saved = tuple(
            [
                wrap(value, places[source]) if type(value) is np.ndarray else value
                for value, source in zip(saved, plan.save, strict=True)
            ]
        )
        if create_graph:  # what is recorded now must notice a later write, too
            for x, version in zip(saved, node.versions, strict=False):
                if version is not FIXED:
                    x.writes = version[0]
        g = g if create_graph else wrap(np.asarray(g))
    return (g, *saved, *[node.attrs[name] for name in plan.attrs]) if plan.attrs else (g, *saved)


def _written(node: Node, source: int) -> str:
    """What to say of an input or a result that is no longer what was saved."""
    assert node.op is not None
    names, last = node.op.inputs, len(node.parents)
    name = "its result" if source == last else "an array it saved"
    if source < last:
        name = f"its input {f'{names[0]}[{source}]' if node.op.variadic else names[source]}"
    cure = "change a copy (x = x + 1 instead of x += 1), or after backward"
    if source < last and type(node.parents[source]) is Leaf:
        cure = "let optimizer.step(), or whatever wrote to it, come after backward"
    return f"backward through {node.name}: {name} was changed in place since; {cure}"


def _fit(node: Node, name: str, parent: Node, g: Any) -> Any:
    """Undo broadcasting and promotion for elementwise ops; anywhere else a misfit is a bug of the rule."""
    if node.op is not None and node.op.elementwise:
        g = g if g.shape == parent.shape else sum_to(g, shape=parent.shape)
        return g if g.dtype == parent.dtype else to(g, dtype=parent.dtype)
    if g.shape == parent.shape and g.dtype == parent.dtype:
        return g  # dtypes can be equal without being one object
    raise GraphError(
        f"the rule of {name} in {node.name} returned a gradient {g.shape} {g.dtype} "
        f"for an input {parent.shape} {parent.dtype}; a gradient has its input's shape and dtype"
    )


def _leading_to(goals: Container[Node], nodes: list[Node]) -> set[Node]:
    """Of nodes in walking order, those from which a goal can be reached."""
    useful: set[Node] = set()
    for node in reversed(nodes):  # a node's parents stand after it, so here they come first
        if node in goals or not useful.isdisjoint(node.parents):
            useful.add(node)
    return useful


def _roots(caller: str, tensors: Any, grads: Any) -> list[tuple[Node, Tensor]]:
    tensors = [tensors] if is_tensor(tensors) else list(tensors)
    if grads is None:
        grads = [None] * len(tensors)
    elif not isinstance(grads, (list, tuple)):
        grads = [grads]
    if len(grads) != len(tensors):
        raise GraphError(f"{caller}: {len(tensors)} tensors but {len(grads)} gradients; give one for each")
    pairs = zip(tensors, grads, strict=True)
    return [(_node(caller, t, i), _seed(caller, t, g)) for i, (t, g) in enumerate(pairs)]


def _node(caller: str, x: Tensor, index: int) -> Node:
    if x.node is None:
        raise GraphError(
            f"{caller}: tensor {index} {x.shape} does not require grad and was not computed from one "
            "that does; set requires_grad=True on what to differentiate by, and compute outside of "
            "no_grad(), without detach() or argmax()"
        )
    return x.node


def _seed(caller: str, t: Tensor, g: Any) -> Tensor:
    if g is None:
        if t.array.size != 1:
            raise GraphError(
                f"{caller}: the gradient of a non-scalar {t.shape} needs dL/d(output) of the same shape; "
                "reduce to a scalar first (.sum(), .mean()) or pass gradient="
            )
        return wrap(np.ones_like(t.array))
    if isinstance(g, np.ndarray):
        g = wrap(g)
    if not is_tensor(g):
        raise DtypeError(f"{caller}: the gradient is a {type(g).__name__}; pass a Tensor of shape {t.shape}")
    if g.shape != t.shape:
        raise ShapeError(f"{caller}: gradient {g.shape} for a tensor {t.shape}; the shapes must be equal")
    return g if g.dtype == t.dtype else to(g, dtype=t.dtype)
