"""Every law that applies, on calls that Hypothesis draws.

`check_op` is for an op or any other function of tensors, `check_laws` makes a test of it; `check_conv` and
`check_pool` are for functions of windows with PyTorch's signature, PyTorch's own among them.  Nothing is
printed when all is well; else the first law that is broken is raised, on the smallest call that is found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial, wraps
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ..autograd import Function
from ..errors import ArgumentError
from ..geometry import conv_geometry, pool_geometry
from ..op import Op, is_tensor, registry, wrap
from . import laws
from .cases import CASES, LINEAR, Case
from .frameworks import of
from .gradcheck import gradcheck
from .strategies import apart, conv_configs, normal, pool_configs
from .subject import Subject

__all__ = ["LAWS", "Checked", "check_conv", "check_laws", "check_op", "check_pool", "laws_of"]

Law = Callable[..., Any]


# --- who obeys what --------------------------------------------------------------------------------------


def has_right_gradients(fn: Any, inputs: Sequence[Any]) -> None:
    """First and second derivatives agree with finite differences, element by element (`gradcheck`)."""
    gradcheck(fn, list(inputs), order=2)


def shares_memory_only_as_a_view(case: Any, inputs: Sequence[Any]) -> None:
    """A result that lies in an input's memory is a view of it: writes to one count as writes to the other."""
    tensors = [wrap(x) if isinstance(x, np.ndarray) else x for x in inputs]
    out = case(*tensors)
    for t in tensors:
        if not is_tensor(t) or (case.op.view and out.writes is t.writes):
            continue
        if np.shares_memory(out.array, t.array):
            raise laws.LawError(f"{case.op.name} returns memory of an input and does not say so: {case}")


def _first(law: Law) -> Law:
    return _named(law, lambda case, inputs: law(case, inputs, at=[0]))


def _along_dim(law: Law) -> Law:
    return _named(law, lambda case, inputs: law(case, inputs, dim=case.attrs["dim"]))


def _of_op(law: Law, **more: Any) -> Law:
    """A law of functions with PyTorch's signature, for the op behind them, which takes a geometry."""

    def of_op(case: Case, inputs: Sequence[Any]) -> None:
        geom, pooling = case.attrs["geom"], len(inputs) == 1
        options = {name: getattr(geom, name) for name in ("stride", "padding", "dilation")}
        options |= {"kernel_size": geom.kernel} if pooling else {"groups": geom.groups}

        def called(x: Any, w: Any = None, *, kernel_size: Any = None, **options: Any) -> Any:
            if pooling:
                return case.op(x, geom=pool_geometry(x.shape, kernel_size, **options))
            return case.op(x, w, geom=conv_geometry(x.shape, w.shape, **options))

        called.__name__ = case.op.name
        law(called, *inputs, **options, **more)

    return _named(law, of_op)


def _named(law: Law, call: Law) -> Law:
    return wraps(law)(call)


CONV = (
    laws.one_tap_is_a_matrix_product,
    laws.stride_leaves_out_windows,
    laws.dilation_is_a_weight_with_gaps,
    laws.groups_are_convolutions_side_by_side,
    laws.padding_is_a_border,
    laws.moves_with_the_image,
    laws.same_keeps_the_size,
)
POOL = (laws.stride_leaves_out_windows, laws.channels_are_pooled_one_by_one)
FILLED = (laws.padding_is_a_border, laws.moves_with_the_image)  # with zeros, or with what never wins

#: Each law, and the ops that obey it; beyond these, LINEAR says who is linear in what.
LAWS: tuple[tuple[Law, str], ...] = (
    (laws.ignores_memory_layout, "all"),
    (laws.keeps_its_hands_off_its_inputs, "all"),
    (shares_memory_only_as_a_view, "all"),
    (has_right_gradients, "differentiable"),
    (laws.has_gradients_linear_in_g, "differentiable"),
    (laws.gradients_add_up, "differentiable"),
    (laws.has_the_same_gradient_alone, "differentiable"),
    (laws.has_symmetric_second_derivatives, "differentiable"),
    (laws.agrees_in_float32, "differentiable"),
    (
        laws.is_monotone,
        "add maximum minimum clamp clamp_min clamp_max sum mean amax amin median cumsum logsumexp "
        "logcumsumexp logaddexp max_pool window_sum relu leaky_relu elu hardtanh sigmoid tanh softplus "
        "exp exp2 expm1 erf sinh asinh atan log log2 log10 log1p sqrt acosh floor ceil trunc round sign",
    ),
    (
        laws.is_idempotent,
        "clone relu abs sign floor ceil trunc round hardtanh clamp clamp_min clamp_max maximum minimum",
    ),
    (laws.moves_with_a_shift, "amax amin mean median logsumexp logcumsumexp maximum minimum max_pool"),
    (_along_dim(laws.ignores_a_shift), "softmax log_softmax normalize var std argmax argmin"),
    (
        _first(laws.moves_with_the_batch),
        "conv conv_input_grad linear max_pool window_sum window_spread unfold fold scale_shift batch_norm",
    ),
    *((_of_op(law), "conv") for law in CONV),
    *((_of_op(law), "max_pool window_sum") for law in POOL),
    *((_of_op(law, fill=-np.inf), "max_pool") for law in FILLED),
    *((_of_op(law), "window_sum") for law in FILLED),
    (_of_op(laws.opening_is_idempotent), "max_pool"),
)


def laws_of(op: Any, linear: str | None = None) -> list[Law]:
    """The laws of an op or a function, each to be called with a `Case` and its inputs.

    >>> from tinygrad_cnn.op import registry
    >>> [law.__name__ for law in laws_of(registry["eq"])][:2]
    ['ignores_memory_layout', 'keeps_its_hands_off_its_inputs']
    """
    name = op.name if isinstance(op, Op) else ""
    kinds = {"all", *(["differentiable"] if getattr(op, "rows", True) else []), *([name] if name else [])}
    found = [law for law, who in LAWS if not kinds.isdisjoint(who.split())]
    if not name:
        found.remove(shares_memory_only_as_a_view)
    for group in (LINEAR.get(name, "") if linear is None else linear).split("|"):
        if group:
            found += [_in_group(law, group) for law in (laws.is_linear, laws.has_an_adjoint_rule)]
    return found


def _in_group(law: Law, group: str) -> Law:
    """A law of the inputs with these names."""

    def of_group(case: Case, inputs: Sequence[Any]) -> Any:
        variadic = getattr(case.op, "variadic", False)
        names = case.op.inputs * len(inputs) if variadic else Subject.of(case.op, inputs, of(inputs)).names
        if unknown := set(group.split()) - set(names):
            raise ArgumentError(
                f"check_op: linear in {', '.join(sorted(unknown))}? the inputs are {', '.join(names)}"
            )
        at = [i for i, name in enumerate(names) if name in group.split() and _floating(inputs[i])]
        if len(at) < len(group.split()):
            return False  # a Python number stands in its place
        return law(case.frozen(), inputs, at)  # statistics of x belong to the x of the case

    of_group.__name__ = f"{law.__name__}_in_{'_'.join(group.split())}"
    return of_group


def _floating(x: Any) -> bool:
    return getattr(x, "dtype", None) is not None and "float" in str(x.dtype)


# --- the runs --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Checked:
    """What was checked: each law, and on how many examples it had something to say."""

    name: str
    examples: dict[str, int]

    def __repr__(self) -> str:
        width = max(map(len, self.examples), default=0)
        rows = [f"  {law:{width}}{count:6}" for law, count in self.examples.items()]
        return "\n".join([f"{self.name} obeys {len(rows)} laws", *rows])


def _run(
    name: str, examples: Any, rows: Iterable[tuple[str, Callable[[Any], Any]]], max_examples: int | None
) -> Checked:
    """Call every row with every example, drawn or listed."""
    rows = list(rows)
    counts = dict.fromkeys((law for law, _ in rows), 0)

    def obeys_every_law(example: Any) -> None:
        for law, check in rows:
            counts[law] += check(example) is not False

    if not isinstance(examples, st.SearchStrategy):
        for example in examples:
            obeys_every_law(example)
        return Checked(name, counts)
    default: Any = settings.default
    profile = settings(
        max_examples=max_examples or default.max_examples, deadline=None, database=None,
        report_multiple_bugs=False, suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    profile(given(examples)(obeys_every_law))()
    return Checked(name, counts)


def check_op(
    op: Any,
    calls: Any = None,
    *,
    linear: str | None = None,
    laws: Sequence[Law] = (),
    max_examples: int | None = None,
) -> Checked:
    """Check every law that applies to an op, or to any function of tensors.

    Args:
        op: an op, its name, a function, or a subclass of `autograd.Function`.
        calls: a strategy or a list of what to call it with: an array, a tuple of inputs, or a pair (inputs,
            attributes) as `strategies.calls` draws them.  Ops of the package have their own (`CASES`).
        linear: the inputs in which it is linear: "x y" in both together, "x|y" in either while the other
            stays.
        laws: more that it should obey, as functions of (fn, inputs): `[laws.is_monotone]`.
        max_examples: how many calls to draw (default: as Hypothesis' profile says).

    Raises:
        LawError, GradcheckError: a law is broken; on the smallest call that Hypothesis finds.

    >>> import tinygrad_cnn as tg
    >>> from tinygrad_cnn.testing.strategies import arrays, shapes
    >>> check_op(tg.tanh, arrays(shapes(max_dims=2)), max_examples=5)
    tanh obeys 8 laws
      ignores memory layout                   5
      ...
    """
    if isinstance(op, str):
        op = registry[op]
    if isinstance(op, type) and issubclass(op, Function):
        op = op.apply
    name = _name(op)
    if calls is None and name not in CASES:
        raise ArgumentError(f"check_op: what to call {name} with? pass a strategy, or a list of inputs")
    cases: Any = CASES.get(name)
    if calls is not None:
        made = partial(_case, op)
        cases = calls.map(made) if isinstance(calls, st.SearchStrategy) else [*map(made, calls)]

    def row(law: Law) -> tuple[str, Callable[[Case], Any]]:
        gradients = law in _of_gradients

        def check(case: Case) -> Any:
            return False if gradients and not any(map(_floating, case.inputs)) else law(case, case.inputs)

        return _law_name(law), check

    return _run(name, cases, map(row, [*laws_of(op, linear), *laws]), max_examples)


def check_laws(
    calls: Any = None,
    *,
    linear: str | None = None,
    laws: Sequence[Law] = (),
    max_examples: int | None = None,
) -> Callable[[Any], Callable[[], None]]:
    """A decorator that makes a test of a function, which pytest finds: it obeys every law that applies.

    Put it on a function in a file of tests, or call it with an op that lives elsewhere.  Arguments are those
    of `check_op`, which the test calls; nothing is checked before it runs.

    >>> import tinygrad_cnn as tg
    >>> from tinygrad_cnn.testing.strategies import arrays, shapes
    >>> @check_laws(arrays(shapes(max_dims=2)), linear="x", max_examples=5)
    ... def test_double(x):
    ...     return x + x
    >>> test_double()
    >>> test_tanh = check_laws(arrays(shapes(max_dims=2)), max_examples=5)(tg.tanh)
    >>> test_tanh()
    """

    def decorate(op: Any) -> Callable[[], None]:
        def test() -> None:
            check_op(op, calls, linear=linear, laws=laws, max_examples=max_examples)

        name = op if isinstance(op, str) else _name(op)
        test.__name__ = test.__qualname__ = name if name.startswith("test") else f"test_{name}"
        test.__module__, test.__doc__ = getattr(op, "__module__", __name__), getattr(op, "__doc__", None)
        return test

    return decorate


_of_gradients = [law for law, who in LAWS if who == "differentiable"]


def _case(op: Any, call: Any) -> Case:
    if isinstance(call, Case):
        return call
    if isinstance(call, tuple) and len(call) == 2 and isinstance(call[1], dict):
        return Case(op, tuple(call[0]), call[1])
    return Case(op, tuple(call) if isinstance(call, (tuple, list)) else (call,), {})


def _name(fn: Any) -> str:
    return str(getattr(fn, "name", None) or getattr(fn, "__name__", type(fn).__name__))


def check_conv(
    conv: Callable[..., Any],
    ndim: int = 2,
    *,
    conv_transpose: Callable[..., Any] | None = None,
    tensor: Callable[[np.ndarray], Any] | None = None,
    max_examples: int | None = None,
) -> Checked:
    """Check every law of convolutions on a function with the signature of `nn.functional.conv2d`.

    Args:
        conv: conv(x, w, stride=, padding=, dilation=, groups=), of tensors.
        ndim: over how many axes it slides.
        conv_transpose: a function that should be its adjoint.
        tensor: what makes a tensor of an array for a function of another library: `torch.from_numpy`.  Then
            only what PyTorch takes is drawn: as much padding before as after.
        max_examples: how many configurations to draw.

    >>> import tinygrad_cnn as tg
    >>> check_conv(tg.nn.functional.conv1d, ndim=1, max_examples=3).name
    'conv1d'
    """
    special: list[Law] = [*CONV]
    if conv_transpose is not None:
        special.append(partial(laws.conv_transpose_is_the_adjoint, conv_transpose=conv_transpose))
    general = [_first(laws.moves_with_the_batch)]
    general += [_at(law, at) for at in (0, 1) for law in (laws.is_linear, laws.has_an_adjoint_rule)]

    def inputs(config: Any, rng: np.random.Generator) -> list[np.ndarray]:
        return [rng.standard_normal(config.x_shape), rng.standard_normal(config.w_shape)]

    configs = conv_configs(ndim, symmetric=tensor is not None, edges=True)
    return _check_windows(conv, special, general, configs, inputs, tensor, max_examples)


def check_pool(
    pool: Callable[..., Any],
    ndim: int = 2,
    *,
    average: bool = False,
    tensor: Callable[[np.ndarray], Any] | None = None,
    max_examples: int | None = None,
) -> Checked:
    """Check every law of poolings on a function with the signature of `nn.functional.max_pool2d`.

    Arguments are those of `check_conv`; with `average` it is one like `avg_pool2d`, which is linear.

    >>> import tinygrad_cnn as tg
    >>> check_pool(tg.nn.functional.max_pool2d, max_examples=3).name
    'max_pool2d'
    """
    special: list[Law] = [*POOL, *(partial(law, fill=0.0 if average else -np.inf) for law in FILLED)]
    general: list[Law] = [_first(laws.moves_with_the_batch), laws.is_monotone]
    if average:
        general += [laws.is_linear, laws.has_an_adjoint_rule]
    else:
        special.append(laws.opening_is_idempotent)
        general.append(laws.moves_with_a_shift)

    def inputs(config: Any, rng: np.random.Generator) -> list[np.ndarray]:
        return [(normal if average else apart)(rng, config.x_shape)]

    configs = pool_configs(ndim, symmetric=tensor is not None, edges=True, dilated=not average)
    return _check_windows(pool, special, general, configs, inputs, tensor, max_examples)


def _check_windows(
    fn: Any, special: Sequence[Law], general: Sequence[Law], configs: Any, inputs: Any, tensor: Any, most: Any
) -> Checked:
    """Laws of windows, laws of functions, and those that any differentiable function obeys."""
    general = [*general, *(law for law, who in LAWS if who == "differentiable")]
    general += [laws.ignores_memory_layout, laws.keeps_its_hands_off_its_inputs]

    def check(law: Law, example: Any) -> None:
        config, seed = example
        arrays = inputs(config, np.random.default_rng(seed))
        xs = [tensor(x).requires_grad_() for x in arrays] if tensor else arrays
        if law in special:
            law(fn, *xs, **config.options)
        else:
            law(partial(fn, **config.options), xs)

    rows = [(_law_name(law), partial(check, law)) for law in (*special, *general)]
    return _run(_name(fn), st.tuples(configs, st.integers(0, 99)), rows, most)


def _law_name(law: Any) -> str:
    return getattr(law, "func", law).__name__.replace("_", " ")


def _at(law: Law, at: int) -> Law:
    def of_one(fn: Any, inputs: Sequence[Any]) -> None:
        law(fn, inputs, at=[at])

    of_one.__name__ = f"{law.__name__}_in_{'xw'[at]}"
    return of_one
