"""Proof for backward rules: a gradient check, and Hypothesis strategies for what to check it on.

`gradcheck` needs NumPy only; `strategies` and `cases` need Hypothesis and are imported by name:

    from tinygrad_cnn.testing import gradcheck
    from tinygrad_cnn.testing.strategies import arrays, conv_configs
"""

from .gradcheck import GradcheckError, gradcheck, gradgradcheck

__all__ = ["GradcheckError", "gradcheck", "gradgradcheck"]
