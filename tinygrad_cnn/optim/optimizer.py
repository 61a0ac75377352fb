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
from ..tape import enable_grad
from ..tensor import Tensor

__all__ = ["Optimizer"]

#: What an option may be: the smallest and the largest number, and how to say so.
Range = tuple[float, float, str]
FINITE: Range = (-sys.float_info.max, sys.float_info.max, "a finite number")
NOT_NEGATIVE: Range = (0.0, sys.float_info.max, "a finite number of 0 or more")
UP_TO_ONE: Range = (0.0, 1.0, "a number from 0 to 1")
BELOW_ONE: Range = (0.0, math.nextafter(1.0, 0.0), "a number of at least 0 and below 1")


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

    #: what numbers the options may be
    ranges: ClassVar[Mapping[str, Range]] = {}
    #: names in the state of a parameter, once it has any; None if a subclass does not tell
    keeps: ClassVar[tuple[str, ...] | None] = None
    #: further names which depend on the options
    may_keep: ClassVar[tuple[str, ...]] = ()

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]):
        self.defaults = defaults
        self.param_groups: list[dict[str, Any]] = []
        self.state: defaultdict[Tensor, dict[str, Any]] = defaultdict(dict)
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
            for p in group["params"]:
                if p.grad is not None:
                    self._step_one(p, p.grad.array, group)

    def _step_one(self, p: Tensor, g: np.ndarray, group: dict[str, Any]) -> None:
        if g.shape != p.shape:
            raise ShapeError(
                f"{self._name}: a gradient {g.shape} for a parameter {p.shape}; the shapes must be equal"
            )
        if g.dtype != p.dtype:
            raise DtypeError(
                f"{self._name}: a {g.dtype} gradient for a {p.dtype} parameter {p.shape}; "
                "call zero_grad() after the dtype of the model has changed"
            )
        state = self.state[p]
        for name, value in state.items() if self.keeps else ():
            if name != "step" and (value.shape != p.shape or value.dtype != p.dtype):
                raise GraphError(
                    f"{self._name}: {name} is {value.shape} {value.dtype}, its parameter is now {p.shape} "
                    f"{p.dtype}; make the optimizer after the model has its final shapes and dtype"
                )
        self.update(p._writable(), np.negative(g) if group.get("maximize") else g, state, group)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients: None, or zeros if `set_to_none` is False."""
        for p in self._parameters():
            if p.grad is not None:
                p.grad = None if set_to_none else Tensor(np.zeros_like(p.grad.array))

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
        for option, (low, high, words) in self.ranges.items():
            value = group[option]
            many = isinstance(value, (tuple, list))
            if many != (option == "betas") or (many and len(value) != 2):
                wanted = "a pair of numbers" if option == "betas" else "one number"
                raise ArgumentError(f"{self._name}: {option} is {value!r}; it must be {wanted}")
            try:
                numbers = [float(v) for v in (value if many else (value,))]
            except (TypeError, ValueError):
                numbers = [math.nan]
            if not all(low <= number <= high for number in numbers):
                raise ArgumentError(
                    f"{self._name}: {option} is {value!r}; {'each' if many else 'it'} must be {words}"
                )
            group[option] = tuple(numbers) if many else numbers[0]
        self.check(group)

    # --- saving --------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """A snapshot: `{"state": {number of the parameter: {name: array or number}}, "param_groups": [...]}`.

        In each group "params" holds the parameters' numbers.  The form is PyTorch's; unlike PyTorch's, the
        arrays are copies, which do not change when training goes on.
        """
        number = {p: i for i, p in enumerate(self._parameters())}
        return {
            "state": {
                i: {name: _copied(value) for name, value in self.state[p].items()}
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
            self._check_options(group)
        self.param_groups[:] = groups
        self.state = defaultdict(dict, entries)

    def _fitted(self, number: int, p: Tensor, saved: Mapping[str, Any]) -> dict[str, Any]:
        """The saved state of one parameter as arrays of its shape, dtype and layout."""
        entry = {name: _copied(value) for name, value in saved.items() if value is not None}
        if self.keeps is None:
            return entry
        what = f"{self._name}: the state of parameter {number}"
        if not set(self.keeps) <= entry.keys() <= set(self.keeps + self.may_keep):
            raise StateDictError(
                f"{what} has {sorted(entry)}, expected {sorted(self.keeps)}; another optimizer saved it"
            )
        for name, value in entry.items():
            if name == "step":
                entry[name] = int(value)
                continue
            if np.shape(value) != p.shape:
                raise StateDictError(
                    f"{what}: {name} is {np.shape(value)}, the parameter {p.shape}; load the same model"
                )
            entry[name] = np.empty_like(p.array)
            entry[name][...] = value
        return entry

    # --- odds and ends -------------------------------------------------------------------------------

    @property
    def _name(self) -> str:
        return type(self).__name__

    def _parameters(self) -> list[Tensor]:
        return [p for group in self.param_groups for p in group["params"]]

    def __repr__(self) -> str:
        lines = [f"{self._name} ("]
        for i, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {i}")
            lines += [f"    {name}: {group[name]}" for name in sorted(group) if not name.startswith("param")]
        return "\n".join([*lines, ")"])


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


def _copied(value: Any) -> Any:
    return np.array(value) if isinstance(value, (np.ndarray, Tensor)) else value
