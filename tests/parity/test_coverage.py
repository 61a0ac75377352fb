"""Nothing public without a comparison: what the files of this directory compare, against what there is.

Each `test_*_parity.py` says what it compares in `COVERED`: namespace -> names.
"""

from __future__ import annotations

import importlib
from functools import reduce
from operator import attrgetter
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from parity import pytorch_page  # noqa: E402

import tinygrad_cnn as tg  # noqa: E402

FILES = sorted(file.stem for file in Path(__file__).parent.glob("test_*_parity.py"))

#: namespace -> what it is called in PyTorch; "" is the package itself
NAMESPACES = {
    "": "",
    "Tensor": "Tensor",
    "linalg": "linalg",
    "nn": "nn",
    "nn.Module": "nn.Module",
    "nn.functional": "nn.functional",
    "nn.init": "nn.init",
    "nn.utils": "nn.utils",
    "optim": "optim",
    "optim.lr_scheduler": "optim.lr_scheduler",
    "optim.swa_utils": "optim.swa_utils",
    "data": "utils.data",
    "nn.utils.parametrizations": "nn.utils.parametrizations",
    "nn.utils.parametrize": "nn.utils.parametrize",
    "nn.utils.prune": "nn.utils.prune",
    "nn.utils.rnn": "nn.utils.rnn",
    "nn.utils.stateless": "func",
    "nn.modules": "nn.modules",
    "nn.modules.utils": "nn.modules.utils",
    "nn.parameter": "nn",
    "func": "func",
}

# Compared elsewhere, or not to be compared: why -> namespace -> names.
OTHERWISE: dict[str, dict[str, str]] = {
    "not PyTorch's": {
        "": "Parameter __version__ conv_plans data errors expand explain graph models op summary testing "
        "training vision",
        "Tensor": "array node share writes",
        "data": "CIFAR10 CIFAR100 DatasetFolder FakeData FashionMNIST ImageFolder KMNIST MNIST WorkerInfo "
        "download read_idx transforms",
        "nn.Module": "graph",
        "nn": "DiceLoss FocalLoss GeneralizedDiceLoss JaccardLoss TverskyLoss",
        "nn.functional": "dice_loss focal_loss generalized_dice_loss jaccard_loss "
        "sigmoid_focal_loss tversky_loss",
    },
    "tests/test_engine.py": {
        "": "autograd enable_grad is_grad_enabled no_grad set_grad_enabled",
        "Tensor": "backward grad grad_fn is_leaf register_hook requires_grad_ retain_grad",
    },
    "tests/test_anomaly.py": {"": "is_anomaly_check_nan_enabled is_anomaly_enabled"},
    "tests/test_random.py": {"": "Generator get_rng_state manual_seed set_rng_state"},
    "tests/test_kernels_runtime.py": {"": "get_num_threads set_num_threads"},
    "test_differences.py": {"": "device", "Tensor": "is_contiguous numpy"},
    "namespaces": {
        "": "func linalg nn optim utils Tensor",
        "nn": "common_types functional init modules parameter utils",
        "nn.utils": "parametrizations parametrize prune rnn stateless",
        "optim": "lr_scheduler swa_utils",
    },
    "an attribute of each module there": {"nn.Module": "training"},
    "numbers": {"": "e inf nan pi"},
    "dtypes": {
        "": "bool double float float16 float32 float64 half int int16 int32 int64 int8 long short uint8"
    },
}


def at(package: Any, path: str) -> Any:
    return attrgetter(path)(package) if path else package


def public(namespace: str) -> set[str]:
    """What a user finds there."""
    place = at(tg, namespace)
    names = place.__all__ if isinstance(place, ModuleType) else dir(place)
    return {name for name in names if not name.startswith("_") or name == "__version__"}


def covered(namespace: str) -> set[str]:
    """What some file compares."""
    modules = [importlib.import_module(f"parity.{name}") for name in FILES]
    return reduce(set.union, (set(getattr(m, "COVERED", {}).get(namespace, ())) for m in modules), set())


def otherwise(namespace: str) -> set[str]:
    return {name for names in OTHERWISE.values() for name in names.get(namespace, "").split()}


@pytest.mark.parametrize("namespace", NAMESPACES)
def test_every_public_name_is_compared(namespace: str) -> None:
    assert sorted(public(namespace) - covered(namespace) - otherwise(namespace)) == []


@pytest.mark.parametrize("namespace", NAMESPACES)
def test_what_is_compared_is_there_and_in_pytorch(namespace: str) -> None:
    names = covered(namespace)
    assert sorted(names - public(namespace)) == []
    theirs = at(torch, NAMESPACES[namespace])
    assert [name for name in sorted(names) if not hasattr(theirs, name)] == []


def test_the_page_says_what_is_compared() -> None:
    committed = (Path(__file__).parents[2] / "docs" / "pytorch.md").read_text(encoding="utf-8")
    assert committed == pytorch_page.page(), "run: python tests/parity/pytorch_page.py"


def test_exceptions_are_needed() -> None:
    for why, names in OTHERWISE.items():
        for namespace, listed in names.items():
            gone = set(listed.split()) - public(namespace)
            twice = set(listed.split()) & covered(namespace)
            assert not gone and not twice, (why, namespace)


def test_every_file_says_what_it_compares() -> None:
    assert [n for n in FILES if not hasattr(importlib.import_module(f"parity.{n}"), "COVERED")] == []
