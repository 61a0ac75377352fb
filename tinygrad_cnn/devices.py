"""The one device there is, and "no" to programs that ask for another.

>>> "cuda" if cuda.is_available() else "cpu"
'cpu'
"""

from __future__ import annotations

from typing import Any

from .errors import ArgumentError

__all__ = ["accelerator", "backends", "check_device", "cuda", "device", "is_device"]


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
        return isinstance(other, device) or other == "cpu"

    def __hash__(self) -> int:
        return hash("cpu")


def check_device(name: str, wanted: Any) -> None:
    """Refuse any device but the CPU; None is the CPU.

    Raises:
        ArgumentError: any other.
    """
    if wanted is not None and wanted != "cpu":
        raise ArgumentError(f"{name}: there is no device {wanted}; tinygrad_cnn runs on the CPU")


def is_device(x: Any) -> bool:
    """Whether x names a device, be it one that is not there.

    >>> is_device("cuda:0"), is_device("float32")
    (True, False)
    """
    return isinstance(x, device) or str(x).partition(":")[0] in ("cpu", "cuda", "mps", "xpu", "meta")


class cuda:
    """What programs ask `torch.cuda`."""

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

    class cudnn:
        """`backends.cudnn`"""

        benchmark = deterministic = enabled = False

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
