"""`tinygrad_cnn.data` under the name that it has in PyTorch.

>>> from tinygrad_cnn.utils.data import DataLoader
>>> len(DataLoader(range(5), batch_size=2))
3
"""

from __future__ import annotations

import sys

from ..data import *  # noqa: F403
from ..data import __all__ as __all__
from ..data import dataset, sampler
from ..data import loader as dataloader

sys.modules.update({f"{__name__}.{place.__name__.rpartition('.')[2]}": place for place in (dataset, sampler)})
sys.modules[f"{__name__}.dataloader"] = dataloader
