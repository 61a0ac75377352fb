"""The one device there is, and "no" to programs that ask for another.

>>> "cuda" if cuda.is_available() else "cpu"
'cpu'
"""

from __future__ import annotations

import sys
from typing import Any

from .errors import ArgumentError

__all__ = [
    "accelerator", "backends", "check_device", "cuda", "device", "importable", "is_device", "version",
]  # fmt: skip


_CPU = ("cpu", "cpu:0")


class device:
    """The CPU: `device("cpu")`.

    Raises ArgumentError for any other.

    >>> device("cpu")
    device(type='cpu')
    >>> device("cpu").type
    'cpu'
    """

    __slots__ = ()
    type = "cpu"
    index = None

    def __init__(self, type: Any = "cpu"):
        check_device("device", type)

    def __str__(self) -> str:
        return "cpu"

    def __repr__(self) -> str:
        return "device(type='cpu')"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, device) or other in _CPU

    def __hash__(self) -> int:
        return hash("cpu")


def check_device(name: str, wanted: Any) -> None:
    """Refuse any device but the CPU; None is the CPU.

    Raises:
        ArgumentError: any other.
    """
    if not (wanted is None or isinstance(wanted, device) or wanted in _CPU):
        raise ArgumentError(f"{name}: there is no device {wanted}; tinygrad_cnn runs on the CPU")


def is_device(x: Any) -> bool:
    """Whether x names a device, be it one that is not there.

    >>> is_device("cuda:0"), is_device("float32")
    (True, False)
    """
    return isinstance(x, device) or str(x).partition(":")[0] in ("cpu", "cuda", "mps", "xpu", "meta")


class _Absent(type):
    """What is not there says so."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        raise AttributeError(
            f"{cls.__name__}.{name}: there is no such device here; ask {cls.__name__}.is_available() first"
        )


def _nothing(*args: Any, **options: Any) -> int:
    """0: nothing is used."""
    return 0


class cuda(metaclass=_Absent):
    """What programs ask `torch.cuda`."""

    amp: Any  # which amp.py puts here
    memory_allocated = max_memory_allocated = memory_reserved = max_memory_reserved = staticmethod(_nothing)

    @staticmethod
    def is_bf16_supported(including_emulation: bool = True) -> bool:
        """No."""
        return False

    @staticmethod
    def is_initialized() -> bool:
        """Never."""
        return False

    @staticmethod
    def is_available() -> bool:
        """Never."""
        return False

    @staticmethod
    def device_count() -> int:
        """None."""
        return 0

    @staticmethod
    def manual_seed(seed: int) -> None:
        """Nothing to seed; see `tinygrad_cnn.manual_seed`."""

    @staticmethod
    def manual_seed_all(seed: int) -> None:
        """Nothing to seed; see `tinygrad_cnn.manual_seed`."""

    @staticmethod
    def empty_cache() -> None:
        """Nothing to empty."""


class version:
    """What programs ask `torch.version`."""

    cuda = hip = None


class accelerator:
    """What programs ask `torch.accelerator`."""

    @staticmethod
    def is_available() -> bool:
        """Never."""
        return False

    @staticmethod
    def device_count() -> int:
        """None."""
        return 0


class backends:
    """What programs ask `torch.backends`, and the switches that they set there; they do nothing here."""

    class cuda:
        """`backends.cuda`"""

        class matmul:
            """`backends.cuda.matmul`"""

            allow_tf32 = False

    class cudnn:
        """`backends.cudnn`"""

        benchmark = deterministic = enabled = allow_tf32 = False

        @staticmethod
        def version() -> None:
            """None."""

        @staticmethod
        def is_available() -> bool:
            """Never."""
            return False

    class mps:
        """`backends.mps`"""

        @staticmethod
        def is_available() -> bool:
            """Never."""
            return False


def importable(path: str, place: Any) -> None:
    """Let `import tinygrad_cnn.<path>` find what is no file of its own; the path is PyTorch's.

    >>> import tinygrad_cnn.backends.cudnn as cudnn
    >>> cudnn.benchmark = True
    """
    sys.modules[f"{__package__}.{path}"] = place  # where an import looks first


importable("accelerator", accelerator)
importable("backends", backends)
importable("backends.cuda", backends.cuda)
importable("backends.cudnn", backends.cudnn)
importable("backends.mps", backends.mps)
importable("cuda", cuda)
importable("version", version)
