"""Proof for backward rules: a gradient check, laws, and Hypothesis strategies for what to check them on.

`gradcheck` and `laws` need NumPy only.  `check_op`, which tries every law that applies, `check_laws`, which
makes a test of that, and `strategies` need Hypothesis and are loaded when they are asked for:

    from tinygrad_cnn.testing import check_laws, check_op, gradcheck
    from tinygrad_cnn.testing.strategies import arrays, conv_configs
"""

from typing import Any as _Any

from .gradcheck import GradcheckError, gradcheck, gradgradcheck

__all__ = [
    "GradcheckError", "check_conv", "check_laws", "check_op", "check_pool", "gradcheck", "gradgradcheck",
]  # fmt: skip


def __getattr__(name: str) -> _Any:
    if name in ("check_conv", "check_laws", "check_op", "check_pool"):
        from . import check

        return getattr(check, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
