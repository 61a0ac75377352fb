"""What all optimizers share: groups of parameters with options, the state of each, saving, and the loop.

An optimizer is one method, `update`, on plain arrays; `Optimizer` brings the rest.
"""

from __future__ import annotations

import math
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

import numpy as np

from ..errors import ArgumentError, DtypeError, GraphError, ShapeError, StateDictError
from ..kernels.runtime import quietly
from ..tape import Handle, enable_grad
from ..tensor import Tensor

__all__ = ["Optimizer"]

#: What an option may be: the smallest and the largest number, and how to say so.
Range = tuple[float, float, str]
FINITE: Range = (-sys.float_info.max, sys.float_info.max, "a finite number")
NOT_NEGATIVE: Range = (0.0, sys.float_info.max, "a finite number of 0 or more")
NOT_POSITIVE: Range = (-sys.float_info.max, 0.0, "a finite number of 0 or less")
UP_TO_ONE: Range = (0.0, 1.0, "a number from 0 to 1")
BELOW_ONE: Range = (0.0, math.nextafter(1.0, 0.0), "a number of at least 0 and below 1")
INSIDE_ONE: Range = (math.nextafter(0.0, 1.0), math.nextafter(1.0, 0.0), "a number between 0 and 1")
ABOVE_ONE: Range = (math.nextafter(1.0, 2.0), sys.float_info.max, "a finite number above 1")
FROM_ONE: Range = (1.0, sys.float_info.max, "a finite number of 1 or more")


#: what PyTorch's loops can, and ours cannot
REFUSED = {
    "capturable": "there is no graph on a GPU to be captured in",
    "differentiable": "a step is not recorded on the tape",
}


class Optimizer:
    """Base of all optimizers; a subclass says how one parameter is updated.

    Attributes:
        param_groups: list of dicts: the tensors of a group as "params", and its options; both may be changed
            between steps.
        defaults: the options of groups that do not set their own.
        state: what the optimizer remembers about each parameter, by tensor: dicts of arrays and numbers.

    Args:
        params: tensors, (name, tensor) pairs, or dicts `{"params": ..., option: value}`, one per group.
        defaults: the options and their default values.

    Four options of PyTorch's say how its loops run.  `foreach` and `fused` are accepted and change nothing;
    `capturable` (a graph on a GPU) and `differentiable` (a step on the tape) are refused unless False.  A
    learning rate may be a Tensor of one element; its number is taken.

    Raises:
        ArgumentError: no parameters, something that is no Tensor, one parameter twice, a bad option.
        GraphError: a tensor that was computed, so that no gradient is collected in it.

    >>> import tinygrad_cnn as tg
    >>> class SignDescent(tg.optim.Optimizer):
    ...     def update(self, p, g, state, group):
    ...         p -= group["lr"] * np.sign(g)
    >>> w = tg.nn.Parameter(tg.tensor([3.0, -4.0]))
    >>> optimizer = SignDescent([w], {"lr": 0.5})
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.detach()
    tensor([ 2.5000, -3.5000])
    """

    #: what numbers the options may be; for an option of several numbers, a range for each
    ranges: ClassVar[Mapping[str, Range | tuple[Range, ...]]] = {}
    #: names in the state of a parameter, once it has any; None if a subclass does not tell
    keeps: ClassVar[tuple[str, ...] | None] = None
    #: further names which depend on the options
    may_keep: ClassVar[tuple[str, ...]] = ()
    #: those that are numbers; the others are arrays of the parameter's dtype
    numbers: ClassVar[Mapping[str, type]] = {"step": int}
    #: shapes of arrays that have not the parameter's, as functions of that
    shapes: ClassVar[Mapping[str, Callable[[tuple[int, ...]], tuple[int, ...]]]] = {}

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]):
        self.defaults = defaults
        self.param_groups: list[dict[str, Any]] = []
        self.state: defaultdict[Tensor, dict[str, Any]] = defaultdict(dict)
        self._before: dict[int, Callable[..., Any]] = {}
        self._after: dict[int, Callable[..., Any]] = {}
        self.steps = 0  # calls of `step` in this process; a schedule looks whether there were any
        entries = self._listed(params)
        if not entries:
            raise ArgumentError(
                f"{self._name}: there are no parameters to optimize; pass model.parameters() "
                "(a generator is empty after its first use)"
            )
        for group in entries if isinstance(entries[0], Mapping) else [{"params": entries}]:
            self.add_param_group(group)

    def update(self, p: np.ndarray, g: np.ndarray, state: dict[str, Any], group: dict[str, Any]) -> None:
        """Change the parameter `p` in place, given its gradient `g`, its `state` and its options."""
        raise NotImplementedError(f"{self._name} does not say how to update a parameter; define update()")

    def check(self, group: dict[str, Any]) -> None:
        """Raise ArgumentError if the options contradict each other."""

    # --- the loop ----------------------------------------------------------------------------------------

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient, in place.

        Args:
            closure: computes the loss anew and calls backward, with recording on; its result is returned.

        Raises:
            ShapeError, DtypeError: a gradient that is not of its parameter's shape and dtype.
            GraphError: a parameter that was given another shape or dtype after its first step.
        """
        if self._before or self._after:
            return self._step_with_hooks(closure)
        return self._step(closure)

    def _step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        self.steps += 1
        self._step_all()
        return loss

    @quietly
    def _step_all(self) -> None:
        for group in self.param_groups:
            if type(group.get("lr")) is not float:  # somebody has set it since
                self._check_options(group)
            for p in group["params"]:
                if p._grad is not None:
                    self._step_one(p, group)

    def _checked_gradient(self, p: Tensor) -> np.ndarray:
        assert p._grad is not None
        g = p._grad.array
        if g.shape != p.shape:
            raise ShapeError(
                f"{self._name}: a gradient {g.shape} for a parameter {p.shape}; the shapes must be equal"
            )
        if g.dtype != p.dtype:
            raise DtypeError(
                f"{self._name}: a {g.dtype} gradient for a {p.dtype} parameter {p.shape}; "
                "call zero_grad() after the dtype of the model has changed"
            )
        return g

    def _step_one(self, p: Tensor, group: dict[str, Any]) -> None:
        g = self._checked_gradient(p)
        state = self.state[p]
        for name, value in state.items() if self.keeps else ():
            if name not in self.numbers and (
                value.dtype != p.dtype or value.shape != self._shape(name, p.shape)
            ):
                raise GraphError(
                    f"{self._name}: {name} is {value.shape} {value.dtype}, its parameter is now {p.shape} "
                    f"{p.dtype}; make the optimizer after the model has its final shapes and dtype"
                )
        self.update(p._writable(), np.negative(g) if group.get("maximize") else g, state, group)

    def _shape(self, name: str, shape: tuple[int, ...]) -> tuple[int, ...]:
        return self.shapes[name](shape) if name in self.shapes else shape

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients: None, or zeros if `set_to_none` is False."""
        for p in self._parameters():
            if p._grad is not None:  # not .grad, which checks what it is given
                p._grad = None if set_to_none else Tensor(np.zeros_like(p._grad.array))

    # --- hooks -------------------------------------------------------------------------------------------

    def register_step_pre_hook(self, hook: Callable[..., Any]) -> Handle:
        """Call `hook(optimizer, args, kwargs)` before each step, with what `step` was given (itself first).

        It may return other (args, kwargs).
        """
        return Handle(self._before, hook)

    def register_step_post_hook(self, hook: Callable[..., Any]) -> Handle:
        """Call `hook(optimizer, args, kwargs)` after each step."""
        return Handle(self._after, hook)

    def _step_with_hooks(self, closure: Callable[[], Any] | None) -> Any:
        args: tuple[Any, ...] = (self,) if closure is None else (self, closure)
        kwargs: dict[str, Any] = {}
        for hook in list(self._before.values()):
            changed = hook(self, args, kwargs)
            if changed is not None:
                if not (isinstance(changed, tuple) and len(changed) == 2):
                    raise ArgumentError(
                        f"{self._name}: a hook before the step returned {changed!r:.60}; it must be None or "
                        "(args, kwargs)"
                    )
                args, kwargs = changed
        loss = self._step(*args[1:], **kwargs)
        for hook in list(self._after.values()):
            hook(self, args, kwargs)
        return loss

    # --- groups ------------------------------------------------------------------------------------------

    def add_param_group(self, param_group: Mapping[str, Any]) -> None:
        """Optimize further parameters: `{"params": tensors, option: value, ...}`; errors as above."""
        if not isinstance(param_group, Mapping) or "params" not in param_group:
            raise ArgumentError(
                f"{self._name}: a group is a dict with the key 'params', not {param_group!r:.60}"
            )
        self._refuse_misspelt(param_group)
        group: dict[str, Any] = {"params": [], **self.defaults, **param_group}
        params = param_group["params"]
        entries = [params] if isinstance(params, Tensor) else self._listed(params)
        pairs = [e for e in entries if isinstance(e, tuple) and len(e) == 2 and isinstance(e[0], str)]
        named = bool(pairs)
        if (pairs and len(pairs) < len(entries)) or any(
            named != ("param_names" in g) for g in self.param_groups
        ):
            raise ArgumentError(
                f"{self._name}: some parameters have names, others do not; name all of them or none"
            )
        if named:
            group["param_names"] = [name for name, _ in pairs]
            entries = [p for _, p in pairs]
        group["params"] = entries
        self._check_parameters(entries)
        self._check_options(group)
        self.param_groups.append(group)

    def _listed(self, params: Any) -> list[Any]:
        if isinstance(params, Tensor):
            raise ArgumentError(f"{self._name}: params is one Tensor {params.shape}; pass a list: [tensor]")
        if isinstance(params, (set, frozenset)):
            raise ArgumentError(
                f"{self._name}: params is a set, whose order changes between runs; pass a list"
            )
        if isinstance(params, (Mapping, str)) or not isinstance(params, Iterable):
            raise ArgumentError(
                f"{self._name}: params is a {type(params).__name__}; pass model.parameters() or a list"
            )
        return list(params)

    def _check_parameters(self, params: list[Any]) -> None:
        homes: dict[Any, int] = {p: i for i, group in enumerate(self.param_groups) for p in group["params"]}
        here = len(self.param_groups)
        for i, p in enumerate(params):
            what = f"{self._name}: parameter {i} of group {here}"
            if not isinstance(p, Tensor):
                raise ArgumentError(f"{what} is a {type(p).__name__}; only Tensors can be optimized")
            if not p.is_leaf:
                raise GraphError(
                    f"{what} {p.shape} was computed and collects no gradient; optimize what it was computed "
                    "from, or p.detach().clone().requires_grad_()"
                )
            if p in homes:
                raise ArgumentError(
                    f"{what} {p.shape} is in group {homes[p]} already; list each parameter once"
                )
            homes[p] = here

    def _refuse_misspelt(self, group: Mapping[str, Any]) -> None:
        """A group may carry notes of its own (a name, a schedule's numbers), but `weight_decey` is none."""
        for option in group.keys() - self.defaults.keys() - {"params"}:
            import difflib

            meant = difflib.get_close_matches(str(option), self.defaults, 1, 0.85)
            if meant:
                raise ArgumentError(
                    f"{self._name}: there is no option {option!r}; did you mean {meant[0]!r}?"
                )

    def _check_options(self, group: dict[str, Any]) -> None:
        """Numbers become Python floats, which are weak: float32 stays float32."""
        for option, allowed in self.ranges.items():
            group[option] = self._checked(option, group[option], allowed)
        for option, why in REFUSED.items():
            if group.get(option):
                raise ArgumentError(f"{self._name}: {option} is {group[option]!r}; {why}, so leave it False")
        if group.get("fused") and group.get("foreach"):
            raise ArgumentError(f"{self._name}: foreach and fused exclude each other; leave both None")
        self.check(group)

    def _checked(self, option: str, value: Any, allowed: Any) -> Any:
        several = isinstance(value, (tuple, list))
        if isinstance(allowed[0], tuple):
            if not several or len(value) != len(allowed):
                count = "a pair of" if len(allowed) == 2 else len(allowed)
                raise ArgumentError(f"{self._name}: {option} is {value!r}; it must be {count} numbers")
            return tuple(
                self._checked(f"{option}[{i}]", *pair)
                for i, pair in enumerate(zip(value, allowed, strict=True))
            )
        if several:
            raise ArgumentError(f"{self._name}: {option} is {value!r}; it must be one number")
        low, high, words = allowed
        try:
            number = math.nan if isinstance(value, str) else float(value)
        except (TypeError, ValueError):  # ShapeError is one
            number = math.nan
        if not low <= number <= high:
            raise ArgumentError(f"{self._name}: {option} is {value!r}; it must be {words}")
        return number

    # --- saving --------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """A snapshot: `{"state": {number of the parameter: {name: array or number}}, "param_groups": [...]}`.

        In each group "params" holds the parameters' numbers.  The form is PyTorch's; unlike PyTorch's, the
        arrays are copies, which do not change when training goes on.
        """
        number = {p: i for i, p in enumerate(self._parameters())}
        return {
            "state": {
                i: {name: self._copied(value) for name, value in self.state[p].items()}
                for p, i in number.items()
                if self.state.get(p)
            },
            "param_groups": [
                {**group, "params": [number[p] for p in group["params"]]} for group in self.param_groups
            ],
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from a `state_dict()`: options and state are replaced, arrays are copied and converted.

        Parameters are matched by position.  PyTorch's own state dicts of the same optimizer fit as well.

        Raises:
            StateDictError: other groups, other shapes, or the state of another optimizer; nothing is changed.
            ArgumentError: an option that makes no sense.
        """
        try:
            saved_groups, saved_state = list(state_dict["param_groups"]), dict(state_dict["state"])
            sizes = [len(group["params"]) for group in saved_groups]
        except (KeyError, TypeError, ValueError):
            raise StateDictError(
                f"{self._name}: no state dict of an optimizer; it must have 'state' and 'param_groups'"
            ) from None
        wanted = [len(group["params"]) for group in self.param_groups]
        if sizes != wanted:
            raise StateDictError(
                f"{self._name}: the state dict has groups of {sizes} parameters, this optimizer of {wanted}; "
                "make it with the parameters it was saved with"
            )
        numbers = [i for group in saved_groups for i in group["params"]]
        stray = [i for i in saved_state if i not in numbers]
        if stray:
            raise StateDictError(
                f"{self._name}: the state dict has a state for {stray[0]!r}, not one of its parameters; "
                "keys are the integers under 'params'"
            )
        entries = {
            p: self._fitted(i, p, saved_state[i])
            for i, p in zip(numbers, self._parameters(), strict=True)
            if any(value is not None for value in saved_state.get(i, {}).values())
        }
        groups = [
            {**own, **saved, "params": own["params"]}
            for own, saved in zip(self.param_groups, saved_groups, strict=True)
        ]
        for group in groups:
            if "lr" in group:
                group["lr"] = not_below_zero(group["lr"])
            self._check_options(group)
        self.param_groups[:] = groups
        self.state = defaultdict(dict, entries)

    def _fitted(self, number: int, p: Tensor, saved: Mapping[str, Any]) -> dict[str, Any]:
        """The saved state of one parameter as arrays of its shape, dtype and layout."""
        entry = {name: self._copied(value) for name, value in saved.items() if value is not None}
        if self.keeps is None:
            return entry
        what = f"{self._name}: the state of parameter {number}"
        if not set(self.keeps) <= entry.keys() <= set(self.keeps + self.may_keep):
            raise StateDictError(
                f"{what} has {sorted(entry)}, expected {sorted(self.keeps)}; another optimizer saved it"
            )
        for name, value in entry.items():
            if name in self.numbers:
                entry[name] = self.numbers[name](value)
                continue
            shape = self._shape(name, p.shape)
            if np.shape(value) != shape:
                raise StateDictError(
                    f"{what}: {name} is {np.shape(value)}, the parameter {p.shape}; load the same model"
                )
            entry[name] = np.empty_like(p.array, shape=shape)
            entry[name][...] = value
        return entry

    # --- odds and ends -------------------------------------------------------------------------------

    def _copied(self, value: Any) -> Any:
        """A copy of what is remembered; `update` works on arrays, a step of the subclass's own on Tensors."""
        if isinstance(value, list):
            return [self._copied(v) for v in value]
        if isinstance(value, Tensor) and type(self).step is not Optimizer.step:
            return value.detach().clone()
        return np.array(value) if isinstance(value, (np.ndarray, Tensor)) else value

    @property
    def _name(self) -> str:
        return type(self).__name__

    def _parameters(self) -> list[Tensor]:
        return [p for group in self.param_groups for p in group["params"]]

    def __repr__(self) -> str:
        lines = [f"{self._name} ("]
        for i, group in enumerate(self.param_groups):
            lines.append("\n" * (i > 0) + f"Parameter Group {i}")
            lines += [f"    {name}: {group[name]}" for name in sorted(group) if not name.startswith("param")]
        return "\n".join([*lines, ")"])


# --- for subclasses ------------------------------------------------------------------------------------


def given(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The options among the `locals()` of an `__init__`."""
    return {name: value for name, value in arguments.items() if name not in ("self", "params", "__class__")}


def not_below_zero(lr: Any) -> Any:
    """A rate on its way to 0 may end just below it, by rounding."""
    return 0.0 if isinstance(lr, float) and -1e-12 < lr < 0 else lr


def zeros_once(state: dict[str, Any], name: str, p: np.ndarray) -> np.ndarray:
    """The array `name` in the state of a parameter; zeros at first."""
    if name not in state:
        state[name] = np.zeros_like(p)
    return state[name]


def decayed(g: np.ndarray, p: np.ndarray, weight_decay: float) -> np.ndarray:
    """g + weight_decay p, the gradient of a loss to which weight_decay/2 |p|² is added."""
    if not weight_decay:
        return g
    out = p * weight_decay
    out += g
    return out


def towards(m: np.ndarray, g: np.ndarray, rate: float, a: np.ndarray) -> None:
    """m = m + rate (g - m), with `a` as scratch; exact at a rate of 1 as well."""
    np.subtract(g, m, out=a)
    if rate < 0.5:
        a *= rate
        m += a
    else:
        a *= 1 - rate
        np.subtract(g, a, out=m)


def average_squares(v: np.ndarray, g: np.ndarray, beta: float, a: np.ndarray) -> None:
    """v = beta v + (1 - beta) g², with `a` as scratch."""
    np.multiply(g, g, out=a)
    a *= 1 - beta
    v *= beta
    v += a
