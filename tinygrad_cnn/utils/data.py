"""`tinygrad_cnn.data` under the name that it has in PyTorch.

>>> from tinygrad_cnn.utils.data import DataLoader
>>> len(DataLoader(range(5), batch_size=2))
3
"""

from __future__ import annotations

from ..data import *  # noqa: F403
from ..data import __all__ as __all__
