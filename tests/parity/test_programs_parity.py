"""Programs written for PyTorch, run here with no more than their import lines changed.

Each file of programs/ has `make_models()`, whose weights as PyTorch draws them go into all runs, and
`main(weights)`, which trains for 20 steps and more and returns the losses and further numbers.  Everything
random in it is drawn with NumPy.

How far may float32 losses differ?  Rounding errors grow with every step, in each program in its own way.  So
the program is also run in PyTorch with other kernels, and from weights that are off by as much as rounding in
a sum of a hundred terms: as far as PyTorch's losses come apart from each other until a step, times a small
factor, ours may be from them.  That this is not far is tested, too: weights that are off by one in a thousand
are found out.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from parity.both import numpy  # noqa: E402

import tinygrad_cnn as tg  # noqa: E402

COVERED: dict[str, set[str]] = {}
PROGRAMS = sorted((Path(__file__).parent / "programs").glob("*.py"))
FASHION = Path(tg.data.__file__).with_name("fashion_mnist_subset.npz")

EPS = float(np.finfo(np.float32).eps)

Weights = dict[str, dict[str, np.ndarray]]


def run(source: str, name: str) -> dict[str, Any]:
    """What a program defines."""
    names: dict[str, Any] = {"__name__": name}
    exec(compile(source, name, "exec"), names)
    return names


def moved(source: str) -> str:
    """The program with our imports.

    >>> print(moved("import torch\\nfrom torch.utils.data import Dataset\\nx = torch.zeros(3)"))
    import tinygrad_cnn as torch
    from tinygrad_cnn.utils.data import Dataset
    x = torch.zeros(3)
    """
    source = re.sub(r"^import torch(\.[\w.]+)?$", "import tinygrad_cnn as torch", source, flags=re.M)
    return re.sub(r"^(import|from) torch\b", r"\1 tinygrad_cnn", source, flags=re.M)


def perturbed(weights: Weights, seed: int, by: float) -> Weights:
    """Every float larger or smaller by this fraction of itself."""
    rng = np.random.default_rng(seed)

    def moved(array: np.ndarray) -> np.ndarray:
        if array.dtype.kind != "f":
            return array
        return (array * (1 + by * rng.choice([-1, 1], array.shape))).astype(array.dtype)

    return {part: {name: moved(a) for name, a in arrays.items()} for part, arrays in weights.items()}


def numbers(main: Callable[[Weights], Any], weights: Weights) -> tuple[np.ndarray, np.ndarray]:
    """The losses and further numbers of a run; it may write over the weights it is given."""
    losses, more = main(copy.deepcopy(weights))
    return np.array(losses), np.array(more)


@pytest.mark.filterwarnings("ignore:TF32 acceleration")  # as oneDNN says when it is switched off
@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_a_program_runs_here_with_other_imports(path: Path, tmp_path: Path, monkeypatch: Any) -> None:
    source = path.read_text(encoding="utf-8")
    lines = zip(source.splitlines(), moved(source).splitlines(), strict=True)
    assert all(re.match(r"(import|from) torch\b", old) for old, new in lines if old != new)
    (tmp_path / "fashion.npz").symlink_to(FASHION)
    monkeypatch.chdir(tmp_path)
    theirs, ours = run(source, path.stem), run(moved(source), path.stem)

    torch.manual_seed(0)
    weights = {
        part: {name: numpy(value).copy() for name, value in model.state_dict().items()}
        for part, model in theirs["make_models"]().items()
    }
    for part, model in ours["make_models"]().items():  # the initialization runs here as well
        own = {name: numpy(value).shape for name, value in model.state_dict().items()}
        assert own == {name: array.shape for name, array in weights[part].items()}

    wanted = numbers(theirs["main"], weights)
    near = [numbers(theirs["main"], perturbed(weights, seed, 10 * EPS / 2)) for seed in range(3)]
    with torch.backends.mkldnn.flags(enabled=False):
        near.append(numbers(theirs["main"], weights))
    apart = [np.max([abs(o - w) for o in others], axis=0) for *others, w in zip(*near, wanted, strict=True)]
    apart[0] = np.maximum.accumulate(apart[0])
    mine = numbers(ours["main"], weights)
    for a, b, far in zip(mine, wanted, apart, strict=True):
        assert (abs(a - b) <= 4 * far + 8 * EPS * abs(b)).all(), (a - b, far)

    losses = wanted[0][:20]
    assert len(losses) == 20 and np.ptp(losses) > 0.01 * losses.max(), "nothing was learned"
    wrong = numbers(theirs["main"], perturbed(weights, 0, 1e-3))[0][:20]
    assert (abs(wrong - losses) > 4 * apart[0][:20] + 8 * EPS * losses).any(), "a mistake would not be seen"
