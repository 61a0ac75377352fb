"""Random programs, step by step, against a tiny autodiff of another make (reference.py).

Every step may change anything: values, views, what is written in place, hooks, flags, graphs that are kept,
released, or differentiated again.  After each, every value, gradient and flag must be the reference's.  What
the library refuses it must refuse for a reason, and change nothing; a gradient is right, or a GraphError.
"""

from __future__ import annotations

import gc
import itertools
import sys
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

LARGE = 10.0  # values above are not multiplied, and have no sine: rounding would grow from step to step

VIEWS = {
    "x[0]": lambda a: a[0, ...],
    "x[1:]": lambda a: a[1:],
    "x[..., :1]": lambda a: a[..., :1],
    "x[None]": lambda a: a[None],
    "x.T": lambda a: a.T,
    "x.reshape(-1)": lambda a: a.reshape(-1),
    "x.expand(2, *x.shape)": lambda a: np.broadcast_to(a, (2, *a.shape)),
    "x.detach()": lambda a: a.view(),
}

HOOKS = {  # of Tensors, of Refs
    "twice": (lambda g: g * 2, lambda g: ref.mul(g, Ref(2))),
    "negative": (lambda g: -g, lambda g: ref.mul(g, Ref(-1))),
    "nothing": (lambda g: g * 0, lambda g: ref.mul(g, Ref(0))),
    "sin": (lambda g: g.sin(), lambda g: ref.sin(g)),
    "product": (lambda g: g * g.sin(), lambda g: ref.mul(g, ref.sin(g))),
}

which = st.sampled_from([0, 0, 0, 1, 1, 2, 3, 5, 8])  # from the latest
mostly = st.sampled_from([True, True, True, False])
shapes = st.sampled_from([(2,), (), (2, 2), (1, 2)])
operations = st.sampled_from(["add", "mul", "sin", "clone", "sum", "matmul"])
views = st.sampled_from(sorted(VIEWS))
graphs = st.sampled_from(["released", "retained", "created"])


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

    def pick(self, i, fits=lambda x: True):
        """The i-th from the latest, of those that fit if there are any."""
        found = [x for x in self.live if fits(x)] or self.live
        return found[-1 - i % len(found)]

    # --- making ----------------------------------------------------------------------------------------

    @initialize(shape=shapes, views=st.lists(views, max_size=1), kinds=st.lists(operations, max_size=3))
    def first(self, shape, views, kinds):
        """A graph of two leaves, whose gradients may be one array, or views of one."""
        self.make(shape, True, 0)
        self.make(shape, True, 1)
        for text in views:
            self.view(0, text, True)
        for kind in kinds:
            self.compute(0, 1, kind, True)

    @rule(shape=shapes, requires_grad=mostly, seed=st.integers(0, 9))
    def make(self, shape, requires_grad, seed):
        array = np.random.default_rng(seed).uniform(-2, 2, shape)
        twin = Twin(tg.tensor(array, dtype=tg.float64, requires_grad=requires_grad), np.array(array))
        if requires_grad:
            twin.node = Node()
            twin.node.sink = twin
        self.live.append(twin)

    @rule(i=which, j=which, kind=operations, recording=mostly)
    def compute(self, i, j, kind, recording):
        x = self.pick(i)
        y = self.pick(j, lambda y: _fits(y, x))
        if kind == "matmul" and (x.array.ndim != 2 or y.array.ndim != 2 or x.array.shape[1] != len(y.array)):
            kind = "mul"
        if kind in ("mul", "matmul") and np.abs(x.array).max() * np.abs(y.array).max() > LARGE:
            kind = "sin"
        if kind == "sin" and np.abs(x.array).max() > LARGE:
            kind = "clone"  # nothing is left of the digits
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

    @rule(i=which, text=views, recording=mostly)
    def view(self, i, text, recording):
        x = self.pick(i)
        rows = x.array.shape[0] if x.array.ndim else 0
        if (
            (rows < 2 and text in ("x[0]", "x[1:]"))
            or (x.array.ndim != 2 and text == "x.T")
            or (rows > 4 and "expand" in text)
            or x.array.ndim > 2
        ):
            text = "x.reshape(-1)"
        if x.array.ndim == 0 and text in ("x[..., :1]", "x[None]"):
            text = "x.reshape(-1)"
        with tg.set_grad_enabled(recording):
            tensor = eval(text, {"x": x.tensor})
        array, memory = VIEWS[text](x.array), None
        if np.shares_memory(array, x.array):
            memory = x.memory
        if (memory is None) == np.shares_memory(tensor.array, x.tensor.array):
            return  # reshape is a view or a copy, as memory lies: not the same way in both
        expand = text.startswith("x.expand")
        result = ref.expand(x.read(), array.shape) if expand else ref.take(x.read(), VIEWS[text])
        recorded = recording and text != "x.detach()"
        self.live.append(Twin(tensor, array, result.node if recorded else None, memory))

    def _alive(self):
        return {id(y): y for x in self.live for y in (x, x.grad) if y is not None}.values()

    def _has_company(self, x):
        """Whether somebody else has this memory, who is alive."""
        return sum(y.memory is x.memory for y in self._alive()) > 1

    # --- in place --------------------------------------------------------------------------------------

    @rule(
        i=which,
        j=which,
        kind=st.sampled_from(["add_", "mul_", "sin_", "x[...] =", "x[0] ="]),
        recording=mostly,
    )
    def in_place(self, i, j, kind, recording):
        x = self.pick(i)
        y = self.pick(j, lambda y: _into(y.array.shape, x.array.shape))
        if kind == "mul_" and np.abs(x.array).max() * np.abs(y.array).max() > LARGE:
            kind = "sin_"
        if kind == "sin_" and np.abs(x.array).max() > LARGE:
            kind = "add_"
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

    @rule(i=which, what=st.sampled_from(["on", "on", "off", "detach_"]))
    def requires_grad_(self, i, what):
        x = self.pick(i)
        if what == "off" and not x.leaf:
            with pytest.raises(GraphError, match="requires_grad_"):
                x.tensor.requires_grad_(False)
        elif what == "on":
            x.tensor.requires_grad_()
            if x.node is None:
                x.node = Node()
                x.node.sink = x
        else:
            x.node = None
            x.tensor.detach_() if what == "detach_" else x.tensor.requires_grad_(False)

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
        y = self.pick(j, lambda y: y.array.shape == x.array.shape and y is not x)
        if y.array.shape == x.array.shape:
            x.tensor.data = y.tensor
            x.array, x.memory = y.array, y.memory

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

    def reached(self, y):
        """Whether a tensor is one that y depends on."""
        nodes = set() if y.node is None else set(ref.reachable(y.node))
        return lambda x: x.node in nodes

    def seed(self, x, j):
        """A gradient for x: a tensor that has uses of its own, which may be x itself."""

        def fits(y):
            return y.array.shape == x.array.shape and np.abs(y.array).max() <= 2

        if not any(map(fits, self.live)):
            self.make(x.array.shape, False, 0)
        return self.pick(j, fits)

    @rule(i=which, j=which, graph=graphs, then=st.sampled_from(["", "again", "inputs=", "written"]))
    def backward(self, i, j, graph, then):
        """Once or twice, into all leaves or one tensor; or after a write to what a rule will ask for."""
        x = self.pick(i, lambda y: not y.leaf)
        if then == "written" and x.node is not None:
            self._overwrite(x.node, j)
        y = self.pick(j, self.reached(x))
        self._backward(x, j, graph, y if then == "inputs=" and x.node is not None else None)
        if then == "again":
            self._backward(x, j, graph)

    def _backward(self, x, j, graph, only=None):
        seed = self.seed(x, j)
        if x.node is None:
            with pytest.raises(GraphError, match="does not require grad"):
                x.tensor.backward(seed.tensor)
            return
        found = ref.gradients(x.node, seed.read())
        may_fail, create = self._may_fail(x.node), graph == "created"
        inputs = None if only is None else [only.tensor]
        try:
            x.tensor.backward(seed.tensor, graph != "released", create, inputs)
            failed = False
        except GraphError:
            assert may_fail
            failed = True
        if graph == "released":
            self.released.update(ref.reachable(x.node))
            assert failed or only or not any(node.saved for node in walk(x.tensor.node))
        for node, g in found.items():
            sink = node.sink if only is None else only if node is only.node else None
            if sink is not None and (not node.leaf or sink.node is not None):
                self._collect(sink, g, create, failed)

    def _collect(self, twin, g, create, failed):
        """Add up; where backward broke off, a gradient has arrived whole or not at all."""
        if failed and twin.tensor is not None:
            before = None if twin.grad is None else twin.grad.tensor
            if gradient(twin.tensor) is before:
                return
        copy = ref.expand(g, g.shape)  # on the tape, as g may be another's, or the seed
        total = copy if twin.grad is None else ref.add(twin.grad.read(), g)
        tensor = None if twin.tensor is None else gradient(twin.tensor)
        assert twin.tensor is None or tensor is not None
        twin.grad = Twin(tensor, None).become(total, create)

    def _may_fail(self, root):
        """Whether there is a reason: something was written over, or released."""
        nodes = ref.reachable(root)
        return any(n in self.released or any(m.writes != count for m, count in n.seen) for n in nodes)

    @rule(i=which, j=which, graph=graphs, then=st.sampled_from(["", "once more", "written"]))
    def grad(self, i, j, graph, then):
        """And of what it is once more, sometimes after a write to what was read in between."""
        y = self.pick(i, lambda y: not y.leaf)
        g = self._grad(y, self.pick(j, self.reached(y)), j, "created" if then else graph)
        if g is not None and then:
            if then == "written":
                self._overwrite(g.node or y.node, j)
            self._grad(g, self.pick(j, self.reached(g)), j, "retained")

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

    def _grad(self, y, x, j, graph):
        seed, create = self.seed(y, j), graph == "created"
        if y.node is None or x.node is None:
            with pytest.raises(GraphError, match="does not require grad"):
                tg.autograd.grad(y.tensor.sum(), x.tensor)
            return None
        found = ref.gradients(y.node, seed.read()).get(x.node)
        try:
            (g,) = tg.autograd.grad(
                y.tensor, x.tensor, seed.tensor, graph != "released", create, allow_unused=True
            )
        except GraphError:
            assert self._may_fail(y.node)
            g = found = None
        if graph == "released":
            self.released.update(ref.reachable(y.node))
        assert (g is None) == (found is None)
        if g is None or (create and np.shares_memory(g.array, seed.tensor.array)):
            return None  # the seed itself, or a view of it
        twin = Twin(g, None).become(found, create)
        twin.array.flags.writeable = g.array.flags.writeable  # of a sum it may be one number, expanded
        self.live.append(twin)
        return twin

    @rule(i=which, how=st.sampled_from(["None", "zero_", "adopt"]))
    def use_grad(self, i, how):
        x = self.pick(i, lambda x: x.grad is not None)
        if how == "None":
            x.tensor.grad = x.grad = None
        elif x.grad is not None and how == "zero_" and x.grad.array.flags.writeable:
            with tg.no_grad():
                gradient(x.tensor).zero_()
            x.grad.array[...] = 0
            x.grad.memory.writes += 1
        elif x.grad is not None and x.grad not in self.live:
            self.live.append(x.grad)

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

    @invariant()
    def memory_is_shared_only_where_the_reference_says_so(self):
        """So that a write to a gradient, say, is a write to that gradient alone."""
        for x, y in itertools.combinations(self._alive(), 2):
            if x.memory is not y.memory:
                assert not np.shares_memory(x.tensor.array, y.tensor.array)

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
        assert not left or sys.exc_info()[0]  # whose traceback keeps them


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
    max_examples=6 * settings.default.max_examples, stateful_step_count=30, deadline=None
)
