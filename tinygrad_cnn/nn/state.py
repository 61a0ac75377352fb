"""The state of a tree of modules: collected in a dict by path, and loaded from one, all or nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np

from ..errors import ArgumentError, StateDictError
from ..tape import Handle, no_grad
from ..tensor import Parameter, Tensor
from .hooks import Hook, Hooked, of_kind
from .parameter import UninitializedBuffer, UninitializedParameter

__all__ = ["IncompatibleKeys", "Stateful", "join"]

_EXTRA = "_extra_state"
_LAZY = (UninitializedParameter, UninitializedBuffer)


class IncompatibleKeys(NamedTuple):
    """What `load_state_dict(strict=False)` passed over."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        kept = f"IncompatibleKeys(missing_keys={self.missing_keys}, unexpected_keys={self.unexpected_keys})"
        return kept if any(self) else "<All keys matched successfully>"


def join(prefix: str, name: str) -> str:
    """One path of two.

    >>> join("", "weight"), join("features.0", "weight")
    ('weight', 'features.0.weight')
    """
    return f"{prefix}.{name}" if prefix else name


class Stateful(Hooked):
    """What has a state that can be saved: the part of `Module` that is about it."""

    _state_hooks: Mapping[int, Hook] = {}  # the instance gets its own with the first hook
    _optional: ClassVar[tuple[str, ...]] = ()  # buffers that old state dicts lack

    def get_extra_state(self) -> Any:
        """What else belongs to the state: define it together with `set_extra_state` in a subclass."""
        raise NotImplementedError(f"{type(self).__name__} does not define get_extra_state(self)")

    def set_extra_state(self, state: Any) -> None:
        """Take back what `get_extra_state` returned."""
        raise NotImplementedError(f"{type(self).__name__} does not define set_extra_state(self, state)")

    def state_dict(
        self, *, destination: Any = None, prefix: str = "", keep_vars: bool = False
    ) -> dict[str, Tensor]:
        """Parameters and persistent buffers by path, sharing memory with the module; names are PyTorch's.

        Args:
            destination: the dict to fill; a new one by default.
            prefix: stands before every name, such as "model.".
            keep_vars: the parameters themselves instead of detached tensors.
        """
        found: dict[str, Any] = {} if destination is None else destination
        self._save(found, prefix, keep_vars, ())
        return found

    def _save(self: Any, found: dict[str, Any], prefix: str, keep_vars: bool, above: tuple[Any, ...]) -> None:
        self._run_state_hooks("save_pre", prefix, keep_vars)
        self._save_to_state_dict(found, prefix, keep_vars)
        above = (*above, self)
        for name, module in self._parts()[1]:
            if all(module is not m for m in above):
                module._save(found, f"{prefix}{name}.", keep_vars, above)
        self._run_state_hooks("save_post", found, prefix, {})

    def _save_to_state_dict(self: Any, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        """Add what is the module's own; a subclass may add to it, or rename."""
        for name, tensor in self._own_state():
            destination[prefix + name] = tensor if keep_vars or isinstance(tensor, _LAZY) else tensor.detach()
        if type(self).get_extra_state is not Stateful.get_extra_state:
            destination[prefix + _EXTRA] = self.get_extra_state()

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        """Comes before anything is loaded; a subclass may change the (copied) dict first, and rename keys."""
        self._run_state_hooks("load_pre", state_dict, prefix, *rest)

    def load_state_dict(
        self: Any, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> IncompatibleKeys:
        """Copy values into parameters and buffers, all or nothing.

        Args:
            state_dict: arrays or tensors by path.
            strict: refuse missing and unexpected keys.
            assign: put the given tensors themselves (and so their dtypes) in the place of the module's.

        Raises:
            StateDictError: names every missing and unexpected key (with `strict`), and every entry of
                another shape (always), before anything is changed.
        """
        if not isinstance(state_dict, Mapping):
            raise StateDictError(
                f"load_state_dict: {state_dict!r:.40} is no dict of tensors; "
                "read a file with load(path) first, take a module's with .state_dict()"
            )
        given = dict(state_dict)
        result = IncompatibleKeys([], [])
        errors: list[str] = []
        modules = list(self.named_modules(remove_duplicate=False))
        for path, module in modules:
            module._load_from_state_dict(given, join(path, ""), {}, strict, *result, errors)
        places = {join(path, name): (m, name, t) for path, m in modules for name, t in m._own_state()}
        extra = {
            join(path, _EXTRA): m
            for path, m in modules
            if type(m).set_extra_state is not Stateful.set_extra_state
        }
        needed = {k: m for k, (m, name, _) in places.items() if name not in m._optional} | extra
        result.missing_keys.extend(k for k in needed if k not in given)
        result.unexpected_keys.extend(k for k in given if k not in places and k not in extra)
        found = {k: v for k, v in given.items() if k in places}
        for key, value in found.items():
            found[key] = value if isinstance(value, (Tensor, np.ndarray)) else np.asarray(value)
            errors += _misfit(key, found[key], places[key][2], assign)

        forgiving = [m for _, m in reversed(modules) if of_kind(m._state_hooks, "load_post")]
        if errors or not forgiving:
            _complain(self, result, errors, strict, "nothing was loaded")
        for key, value in found.items():
            _put(*places[key], value, assign)
        for key, module in extra.items():
            if key in given:
                module.set_extra_state(given[key])
        for module in forgiving:
            module._run_state_hooks("load_post", result)
        _complain(self, result, errors, strict, "though a hook looked at it")
        return result

    # --- hooks -----------------------------------------------------------------------------------------

    def register_state_dict_pre_hook(self, hook: Callable[..., Any]) -> Handle:
        """Call `hook(module, prefix, keep_vars)` before the module's part of a state dict is collected."""
        return self._hook("_state_hooks", Hook("save_pre", hook))

    def register_state_dict_post_hook(self, hook: Callable[..., Any]) -> Handle:
        """Call `hook(module, state_dict, prefix, local_metadata)` after that; it may change the dict."""
        return self._hook("_state_hooks", Hook("save_post", hook))

    def register_load_state_dict_pre_hook(self, hook: Callable[..., Any]) -> Handle:
        """Call `hook(module, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys,
        error_msgs)` before anything is loaded; the hook may change the (copied) dict, and rename keys."""
        return self._hook("_state_hooks", Hook("load_pre", hook))

    def register_load_state_dict_post_hook(self, hook: Callable[..., Any]) -> Handle:
        """Call `hook(module, incompatible_keys)` after loading; what it takes out of them is forgiven."""
        return self._hook("_state_hooks", Hook("load_post", hook))

    def _register_state_dict_hook(self, hook: Callable[..., Any]) -> Handle:
        return self.register_state_dict_post_hook(hook)

    def _register_load_state_dict_pre_hook(
        self, hook: Callable[..., Any], with_module: bool = False
    ) -> Handle:
        """The older spelling; without `with_module` the hook does not get the module."""
        return self.register_load_state_dict_pre_hook(
            hook if with_module else lambda module, *rest: hook(*rest)
        )

    def _run_state_hooks(self, kind: str, *args: Any) -> None:
        for hook in of_kind(self._state_hooks, kind):
            if hook.function(self, *args) is not None:
                raise ArgumentError(
                    f"{type(self).__name__}: a hook of its state dict returned something; "
                    "it must change what it is given, and return None"
                )


# --- loading -------------------------------------------------------------------------------------------


def _complain(module: Any, keys: IncompatibleKeys, errors: list[str], strict: bool, loaded: str) -> None:
    """Raise if there is something that must not be passed over."""
    complaints = []
    if strict and keys.missing_keys:
        complaints.append("missing: " + ", ".join(keys.missing_keys))
    if strict and keys.unexpected_keys:
        complaints.append("unexpected: " + ", ".join(keys.unexpected_keys))
    if errors:
        complaints.append("of another shape or kind:\n" + "\n".join(errors))
    if complaints:
        raise StateDictError(
            f"load_state_dict: the state dict does not fit {type(module).__name__}, {loaded}; "
            + ";\n".join(complaints)
            + ("" if errors else "\n(strict=False loads what does fit)")
        )


def _misfit(key: str, value: Any, own: Tensor, assign: bool) -> list[str]:
    """What is wrong with a value for this parameter or buffer."""
    if isinstance(value, _LAZY):
        return (
            [] if isinstance(own, _LAZY) else [f"  {key}: the file has no shape yet, the model {own.shape}"]
        )
    kinds = own.dtype.kind if assign else "fiub"
    fits = isinstance(own, _LAZY) or value.shape == own.shape
    if fits and value.dtype.kind in kinds:
        return []
    shape = "no shape yet" if isinstance(own, _LAZY) else own.shape
    return [f"  {key}: the file has {value.shape} {value.dtype}, the model {shape} {own.dtype}"]


def _put(module: Any, name: str, own: Tensor, value: Any, assign: bool) -> None:
    """Load one value that fits."""
    if isinstance(value, _LAZY):
        return
    if assign and "." not in name:  # what is in a list is written to
        value = value if isinstance(value, Tensor) else Tensor(np.asarray(value))
        if isinstance(own, Parameter):
            value = value if isinstance(value, Parameter) else Parameter(value)
            value.requires_grad_(own.requires_grad)
        setattr(module, name, value)
        return
    if isinstance(own, _LAZY):
        own.materialize(value.shape)
    with no_grad():
        own.copy_(value if isinstance(value, Tensor) else Tensor(value))
