"""A tiny autodiff to compare with: float64, values copied when they are used, gradients always recorded.

Nothing here knows the package.  A `Ref` is a value and the node that says how it came about; a rule is a
function of Refs, so gradients of any order follow.  Slow on purpose: nothing is shared, released or skipped.
"""

from __future__ import annotations

import itertools
import weakref

import numpy as np

clock = itertools.count()


class Memory:
    """What tensors may share: how often it was written without the tape."""

    def __init__(self):
        self.writes = 0


class Node:
    """One operation: what it read, and how a gradient goes back to each of that."""

    def __init__(self, parents=(), rules=(), memories=()):
        self.time = next(clock)
        self.parents, self.rules = parents, rules
        self.seen = [(memory, memory.writes) for memory in memories]
        self.hooks = {}  # key -> what is made of the gradient
        self.sink = None

    @property
    def leaf(self):
        return not self.parents

    @property
    def sink(self):
        """Who collects the gradient, while it is there."""
        return self._sink and self._sink()

    @sink.setter
    def sink(self, collector):
        self._sink = collector and weakref.ref(collector)


class Ref:
    """A value as it was when it was used, its node if it needs a gradient, the memory it was read from."""

    def __init__(self, value, node=None, memory=None):
        self.value, self.node, self.memory = np.array(value, float), node, memory

    @property
    def shape(self):
        return self.value.shape


def result(value, inputs, rules):
    """A Ref, recorded if an input is."""
    if all(x.node is None for x in inputs):
        return Ref(value, memory=inputs[0].memory if len(inputs) == 1 else None)  # a constant's, as yet
    memories = [x.memory for x in inputs if x.memory is not None]
    return Ref(value, Node([x.node for x in inputs], rules, memories))


def add(x, y):
    rules = [lambda g: sum_to(g, x.shape), lambda g: sum_to(g, y.shape)]
    return result(x.value + y.value, [x, y], rules)


def mul(x, y):
    rules = [lambda g: sum_to(mul(g, y), x.shape), lambda g: sum_to(mul(g, x), y.shape)]
    return result(x.value * y.value, [x, y], rules)


def sin(x):
    return result(np.sin(x.value), [x], [lambda g: mul(g, cos(x))])


def cos(x):
    return result(np.cos(x.value), [x], [lambda g: mul(mul(g, sin(x)), Ref(-1))])


def matmul(x, y):
    """Row times column, as products that are added up."""
    left, right = take(x, lambda a: a[:, :, None]), take(y, lambda a: a[None])
    total = sum_to(mul(left, right), (len(x.value), 1, y.shape[1]))
    return take(total, lambda a: a[:, 0])


def sum_to(x, shape):
    """Add up what was broadcast."""
    value = x.value.sum(tuple(range(x.value.ndim - len(shape))))
    axes = tuple(i for i, n in enumerate(shape) if n == 1)
    value = value.sum(axes, keepdims=True) if axes else value
    return result(value, [x], [lambda g: expand(g, x.shape)])


def expand(x, shape):
    return result(np.broadcast_to(x.value, shape), [x], [lambda g: sum_to(g, x.shape)])


def take(x, view):
    """Some elements in some order: `view` is any function of arrays that returns a view."""
    return result(view(x.value), [x], [lambda g: put(g, view, x.shape)])


def put(x, view, shape):
    """Zeros, with x in the places that `view` shows."""
    whole = np.zeros(shape)
    view(whole)[...] += x.value
    return result(whole, [x], [lambda g: take(g, view)])


def replace(x, y, view):
    """x, with y in the places that `view` shows."""
    kept = np.ones(x.shape)
    view(kept)[...] = 0
    return add(mul(x, Ref(kept)), put(expand(y, view(kept).shape), view, x.shape))


def reachable(root):
    """All nodes that it depends on, the latest first."""
    found, open_ = {root}, [root]
    while open_:
        for parent in open_.pop().parents:
            if parent is not None and parent not in found:
                found.add(parent)
                open_.append(parent)
    return sorted(found, key=lambda node: -node.time)


def gradients(root, seed):
    """node -> the gradient that arrives there, after its hooks."""
    open_, complete = {root: seed}, {}
    for node in reachable(root):
        if node not in open_:
            continue
        g = open_.pop(node)
        for hook in node.hooks.values():
            g = hook(g)
        complete[node] = g
        for parent, rule in zip(node.parents, node.rules, strict=True):
            if parent is not None:
                part = rule(g)
                open_[parent] = add(open_[parent], part) if parent in open_ else part
    return complete
