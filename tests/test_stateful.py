"""Random programs, step by step, against a tiny autodiff of another make (reference.py).

Every step may change anything: values, views, what is written in place, hooks, flags, graphs that are kept,
released, or differentiated again.  After each, every value, gradient and flag must be the reference's.  What
the library refuses it must refuse for a reason, and change nothing; a gradient is right, or a GraphError.
"""

from __future__ import annotations

import gc
import warnings
import weakref

import numpy as np
import pytest
import reference as ref
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from reference import Memory, Node, Ref

import tinygrad_cnn as tg
from tinygrad_cnn.errors import GraphError
from tinygrad_cnn.tape import walk

LARGE = 50.0  # values above are not multiplied

VIEWS = {
    "x[0]": lambda a: a[0, ...],
    "x[1:]": lambda a: a[1:],
    "x[..., :1]": lambda a: a[..., :1],
    "x[None]": lambda a: a[None],
    "x.T": lambda a: a.T,
    "x.reshape(-1)": lambda a: a.reshape(-1),
}

HOOKS = {  # of Tensors, of Refs
    "twice": (lambda g: g * 2, lambda g: ref.mul(g, Ref(2))),
    "negative": (lambda g: -g, lambda g: ref.mul(g, Ref(-1))),
    "nothing": (lambda g: g * 0, lambda g: ref.mul(g, Ref(0))),
    "sin": (lambda g: g.sin(), lambda g: ref.sin(g)),
    "product": (lambda g: g * g.sin(), lambda g: ref.mul(g, ref.sin(g))),
}

which = st.sampled_from([0, 0, 0, 1, 1, 2, 3, 5, 8])  # from the latest
flags = st.booleans()
mostly = st.sampled_from([True, True, True, False])


class Twin:
    """A tensor here, and what the reference says that it is."""

    def __init__(self, tensor, array, node=None, memory=None):
        self.tensor, self.array, self.node = tensor, array, node
        self.memory = memory or Memory()
        self.grad = None

    @property
    def leaf(self):
        return self.node is None or self.node.leaf

    def read(self):
        return Ref(self.array, self.node, self.memory)

    def become(self, result, recorded=True):
        """Take the place of a result."""
        self.array, self.node, self.memory = result.value, result.node if recorded else None, Memory()
        return self


def gradient(tensor):
    """Its `.grad`; asking a computed tensor for it is worth a warning."""
    with warnings.catch_warnings(action="ignore"):
        return tensor.grad


def close(tensor, array):
    assert tensor.dtype == np.float64 and tensor.shape == array.shape
    np.testing.assert_allclose(tensor.array, array, rtol=1e-11, atol=1e-11)


class Programs(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        gc.disable()
        self.live: list[Twin] = []
        self.watched: list = []
        self.released: set[Node] = set()
        self.handles: list = []

    def pick(self, i):
        return self.live[-1 - i % len(self.live)]

    def other(self, x, i):
        """Something that x broadcasts to, or with: the i-th from the latest that does."""
        fits = [y for y in self.live if _fits(y, x)]
        return fits[-1 - i % len(fits)]

    # --- making ----------------------------------------------------------------------------------------

    @initialize(shape=st.sampled_from([(2,), (), (2, 2), (1, 2)]))
    def first(self, shape):
        self.make(shape, True, 0)
        self.make(shape, True, 1)  # whose gradients may be one array

    @rule(shape=st.sampled_from([(2,), (), (2, 2), (1, 2)]), requires_grad=mostly, seed=st.integers(0, 9))
    def make(self, shape, requires_grad, seed):
        array = np.random.default_rng(seed).uniform(-2, 2, shape)
        twin = Twin(tg.tensor(array, dtype=tg.float64, requires_grad=requires_grad), np.array(array))
        if requires_grad:
            twin.node = Node()
            twin.node.sink = twin
        self.live.append(twin)

    @rule(
        i=which,
        j=which,
        kind=st.sampled_from(["add", "mul", "sin", "clone", "sum", "matmul"]),
        recording=mostly,
    )
    def compute(self, i, j, kind, recording):
        x = self.pick(i)
        y = self.other(x, j)
        if kind == "matmul" and (x.array.ndim != 2 or y.array.ndim != 2 or x.array.shape[1] != len(y.array)):
            kind = "mul"
        if kind in ("mul", "matmul") and np.abs(x.array).max() * np.abs(y.array).max() > LARGE:
            kind = "sin"
        with tg.set_grad_enabled(recording):
            tensor, result = {
                "add": lambda: (x.tensor + y.tensor, ref.add(x.read(), y.read())),
                "mul": lambda: (x.tensor * y.tensor, ref.mul(x.read(), y.read())),
                "matmul": lambda: (x.tensor @ y.tensor, ref.matmul(x.read(), y.read())),
                "sin": lambda: (x.tensor.sin(), ref.sin(x.read())),
                "clone": lambda: (x.tensor.clone(), ref.expand(x.read(), x.array.shape)),
                "sum": lambda: (x.tensor.sum(), ref.sum_to(x.read(), ())),
            }[kind]()
        self.live.append(Twin(tensor, None).become(result, recording))

    @rule(i=which, text=st.sampled_from(sorted(VIEWS)), recording=mostly)
    def view(self, i, text, recording):
        x = self.pick(i)
        if (x.array.ndim == 0 or x.array.shape[0] < 2) and text in ("x[0]", "x[1:]"):
            text = "x.reshape(-1)"
        if (x.array.ndim != 2 and text == "x.T") or x.array.ndim == 0 or x.array.ndim > 3:
            text = "x.reshape(-1)"
        with tg.set_grad_enabled(recording):
            tensor = eval(text, {"x": x.tensor})
        shared = np.shares_memory(tensor.array, x.tensor.array)
        if text == "x.reshape(-1)" and shared != np.shares_memory(VIEWS[text](x.array), x.array):
            return  # a view or a copy, as memory lies: not the same way in both
        self._view(x, tensor, VIEWS[text], ref.take(x.read(), VIEWS[text]), recording)

    @rule(i=which, recording=mostly)
    def expand(self, i, recording):
        x = self.pick(i)
        if x.array.ndim > 2 or x.array.size > 8:
            return
        shape = (2, *x.array.shape)
        with tg.set_grad_enabled(recording):
            tensor = x.tensor.expand(*shape)
        self._view(x, tensor, lambda a: np.broadcast_to(a, shape), ref.expand(x.read(), shape), recording)

    @rule(i=which)
    def detach(self, i):
        x = self.pick(i)
        self._view(x, x.tensor.detach(), lambda a: a.view(), Ref(x.array), False)

    @rule(i=which)
    def detach_(self, i):
        x = self.pick(i)
        x.tensor.detach_()
        x.node = None

    def _view(self, x, tensor, view, result, recording):
        array, memory = view(x.array), None
        if np.shares_memory(array, x.array):
            memory = x.memory
        twin = Twin(tensor, array, result.node if recording else None, memory)
        self.live.append(twin)

    def _has_company(self, x):
        """Whether somebody else has this memory, who is alive."""
        alive = {id(y): y for y in self.live} | {id(y.grad): y.grad for y in self.live if y.grad}
        return sum(y.memory is x.memory for y in alive.values()) > 1

    # --- in place --------------------------------------------------------------------------------------

    @rule(
        i=which,
        j=which,
        kind=st.sampled_from(["add_", "mul_", "sin_", "x[...] =", "x[0] ="]),
        recording=mostly,
    )
    def in_place(self, i, j, kind, recording):
        x = self.pick(i)
        fits = [y for y in self.live if _into(y.array.shape, x.array.shape)]
        y = fits[-1 - j % len(fits)]
        if kind == "mul_" and np.abs(x.array).max() * np.abs(y.array).max() > LARGE:
            kind = "sin_"
        if kind == "x[0] =" and (x.array.ndim == 0 or not _into(y.array.shape, x.array.shape[1:])):
            kind = "x[...] ="
        a, b = x.read(), y.read()
        first, whole = (lambda array: array[0, ...]), (lambda array: array[...])
        result = {
            "add_": lambda: ref.add(a, b),
            "mul_": lambda: ref.mul(a, b),
            "sin_": lambda: ref.sin(a),
            "x[...] =": lambda: ref.replace(a, b, whole),
            "x[0] =": lambda: ref.replace(a, b, first),
        }[kind]()
        recorded = recording and (x.node is not None or (kind != "sin_" and y.node is not None))
        refused = not x.array.flags.writeable or (
            recorded and ((x.node is not None and x.leaf) or self._has_company(x))
        )

        def step():
            with tg.set_grad_enabled(recording):
                match kind:
                    case "add_":
                        x.tensor.add_(y.tensor)
                    case "mul_":
                        x.tensor.mul_(y.tensor)
                    case "sin_":
                        x.tensor.sin_()
                    case "x[...] =":
                        x.tensor[...] = y.tensor
                    case "x[0] =":
                        x.tensor[0] = y.tensor

        if refused:
            with pytest.raises(GraphError, match="in place"):
                step()
            return
        step()
        if recorded:
            retained = x.node is not None and x.node.sink is x
            if retained:  # gradients are wanted of what it is now
                x.node.sink = None
            x.become(result)
            if retained and x.node is not None:
                x.node.sink = x
        else:
            x.array[...] = result.value
            x.memory.writes += 1

    # --- flags, hooks ----------------------------------------------------------------------------------

    @rule(i=which, wanted=mostly)
    def requires_grad_(self, i, wanted):
        x = self.pick(i)
        if not x.leaf and not wanted:
            with pytest.raises(GraphError, match="requires_grad_"):
                x.tensor.requires_grad_(False)
            return
        x.tensor.requires_grad_(wanted)
        if not wanted:
            x.node = None
        elif x.node is None:
            x.node = Node()
            x.node.sink = x

    @rule(i=which)
    def retain_grad(self, i):
        x = self.pick(i)
        if x.node is None:
            with pytest.raises(GraphError, match="retain_grad"):
                x.tensor.retain_grad()
            return
        x.tensor.retain_grad()
        x.node.sink = x.node.sink or x

    @rule(i=which, j=which)
    def data(self, i, j):
        """Other values, in the memory of another tensor; what was computed before stays as it was."""
        x = self.pick(i)
        alike = [y for y in self.live if y.array.shape == x.array.shape]
        y = alike[-1 - j % len(alike)]
        x.tensor.data = y.tensor
        x.array, x.memory, y.memory.shared = y.array, y.memory, True

    @rule(i=which, kind=st.sampled_from(sorted(HOOKS)))
    def register_hook(self, i, kind):
        """Some depend on the gradient that they get, so that a gradient of it goes through them."""
        x = self.pick(i)
        if x.node is None:
            with pytest.raises(GraphError, match="register_hook"):
                x.tensor.register_hook(abs)
            return
        here, there = HOOKS[kind]
        handle = x.tensor.register_hook(here)
        x.node.hooks[handle.key] = there
        self.handles.append((handle, x.node))

    @precondition(lambda self: self.handles)
    @rule(i=which)
    def remove_hook(self, i):
        handle, node = self.handles.pop(i % len(self.handles))
        handle.remove()
        node.hooks.pop(handle.key)

    # --- gradients -------------------------------------------------------------------------------------

    @rule(
        i=which,
        j=which,
        retain=mostly,
        create=flags,
        then=st.sampled_from(["", "again", "zero_", "inputs=", "written"]),
    )
    def backward(self, i, j, retain, create, then):
        """And then what brings to light who shares memory with a gradient: another one, a write to one.

        Or a write before, to what a rule will ask for.
        """
        x = self.pick(i)
        if then == "written" and x.node is not None:
            self._overwrite(x.node, j)
        leaves = [y for y in self.live if x.node is not None and y.leaf and y.node in ref.reachable(x.node)]
        self._backward(x, retain, create, (then == "inputs=" and leaves[:1]) or None)
        if then == "again":
            self._backward(x, retain, create)
        elif then == "zero_" and leaves and leaves[-1].grad is not None:
            self._zero(leaves[-1])

    def _backward(self, x, retain, create, inputs=None):
        seed = tg.ones(x.array.shape, dtype=tg.float64)
        if x.node is None:
            with pytest.raises(GraphError, match="does not require grad"):
                x.tensor.backward(seed)
            return
        found = ref.gradients(x.node, Ref(np.ones(x.array.shape)))
        may_fail = self._may_fail(x.node)
        try:
            wanted = inputs and [y.tensor for y in inputs]
            x.tensor.backward(seed, retain_graph=retain or create, create_graph=create, inputs=wanted)
            failed = False
        except GraphError:
            assert may_fail
            failed = True
        if not (retain or create):
            self.released.update(ref.reachable(x.node))
            assert failed or inputs or not any(node.saved for node in walk(x.tensor.node))
        for node, g in found.items():
            if node.sink is not None and (not inputs or node.sink in inputs):
                self._collect(node.sink, g, create, failed)

    def _collect(self, twin, g, create, failed):
        """Add up; where backward broke off, a gradient has arrived whole or not at all."""
        if failed and twin.tensor is not None:
            before = None if twin.grad is None else twin.grad.tensor
            if gradient(twin.tensor) is before:
                return
        total = g if twin.grad is None else ref.add(twin.grad.read(), g)
        tensor = None if twin.tensor is None else gradient(twin.tensor)
        twin.grad = Twin(tensor, None).become(total, create)

    def _may_fail(self, root):
        """Whether there is a reason: something was written over, or released."""
        nodes = ref.reachable(root)
        return any(n in self.released or any(m.writes != count for m, count in n.seen) for n in nodes)

    @rule(i=which, j=which, retain=mostly, create=flags)
    def grad(self, i, j, retain, create):
        self._grad(self.pick(i), self.pick(j), retain, create)

    @rule(i=which, j=which, write=flags)
    def grad_of_grad(self, i, j, write):
        """Once more by what it depends on, and sometimes what was read is written to in between."""
        y = self.pick(i)
        nodes = set() if y.node is None else set(ref.reachable(y.node))
        below = [x for x in self.live if x.node in nodes and x is not y]
        if not below:
            return
        x, before = below[j % len(below)], len(self.live)
        self._grad(y, x, True, True)
        if len(self.live) == before:
            return
        g = self.live[-1]
        if write:
            self._overwrite(g.node or y.node, j)
        self._grad(g, x, True, False)

    def _overwrite(self, root, j):
        """Change something that was read on the way, without the tape."""
        memories = {id(m) for n in ref.reachable(root) for m, _ in n.seen}
        read = [z for z in self.live if id(z.memory) in memories and z.array.flags.writeable]
        if read:
            z = read[j % len(read)]
            with tg.no_grad():
                z.tensor.add_(1.0)
            z.array[...] += 1
            z.memory.writes += 1

    def _grad(self, y, x, retain, create):
        if y.node is None or x.node is None:
            with pytest.raises(GraphError, match="does not require grad"):
                tg.autograd.grad(y.tensor.sum(), x.tensor)
            return
        found = ref.gradients(y.node, Ref(np.ones(y.array.shape))).get(x.node)
        seed = tg.ones(y.array.shape, dtype=tg.float64)
        try:
            (g,) = tg.autograd.grad(
                y.tensor,
                x.tensor,
                seed,
                retain_graph=retain or create,
                create_graph=create,
                allow_unused=True,
            )
        except GraphError:
            assert self._may_fail(y.node)
            g = found = None
        if not (retain or create):
            self.released.update(ref.reachable(y.node))
        assert (g is None) == (found is None)
        if g is not None:
            twin = Twin(g, None).become(found, create)
            twin.array.flags.writeable = g.array.flags.writeable  # of a sum it may be one number, expanded
            self.live.append(twin)

    @rule(i=which, how=st.sampled_from(["None", "zero_", "adopt"]))
    def use_grad(self, i, how):
        x = self.pick(i)
        if how == "None":
            x.tensor.grad = x.grad = None
        elif x.grad is not None and how == "zero_":
            self._zero(x)
        elif x.grad is not None and x.grad not in self.live:
            self.live.append(x.grad)

    def _zero(self, x):
        with tg.no_grad():
            gradient(x.tensor).zero_()
        x.grad.array[...] = 0
        x.grad.memory.writes += 1

    @precondition(lambda self: len(self.live) > 1)
    @rule(i=which)
    def delete(self, i):
        x = self.pick(i)
        self.live.remove(x)
        self._forget(x, not any(other.grad is x for other in self.live))

    # --- what must be true -----------------------------------------------------------------------------

    @invariant()
    def everything_is_the_reference(self):
        assert tg.is_grad_enabled()
        for x in self.live:
            close(x.tensor, x.array)
            assert x.tensor.requires_grad == (x.node is not None)
            assert x.tensor.is_leaf == x.leaf and (x.tensor.grad_fn is None) == x.leaf
            g = gradient(x.tensor)
            assert (g is None) == (x.grad is None)
            if g is not None:
                close(g, x.grad.array)
                assert g.requires_grad == (x.grad.node is not None)

    def _forget(self, x, whole=True):
        """Let go of a tensor, but watch the graph behind it."""
        if x.tensor.node is not None:
            self.watched += [weakref.ref(node) for node in walk(x.tensor.node)]
        if whole:
            x.tensor = None
        if x.grad is not None and x.grad not in self.live:
            self._forget(x.grad)
        x.grad = None

    def teardown(self):
        """A graph goes with its last tensor, without the garbage collector."""
        for x in self.live:
            if x.tensor is not None:
                self._forget(x)
        self.handles.clear()
        left = [node for node in (watched() for watched in self.watched) if node is not None]
        gc.enable()
        assert not left


def _into(small, large):
    """Whether one shape broadcasts to another."""
    try:
        return np.broadcast_shapes(small, large) == large
    except ValueError:
        return False


def _fits(x, y):
    try:
        return np.prod(np.broadcast_shapes(x.array.shape, y.array.shape)) <= 16
    except ValueError:
        return False


TestPrograms = Programs.TestCase
TestPrograms.settings = settings(
    max_examples=4 * settings.default.max_examples, stateful_step_count=30, deadline=None
)
