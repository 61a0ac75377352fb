"""gradcheck beside PyTorch's: the same arguments, the same verdicts, and better ones at kinks and ties."""

from __future__ import annotations

import inspect
import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from parity import kinks_page  # noqa: E402

import tinygrad_cnn as tg  # noqa: E402
from tinygrad_cnn.testing import GradcheckError, gradcheck, gradgradcheck  # noqa: E402

COVERED = {"autograd": {"gradcheck", "gradgradcheck"}}

PAIRS = [(gradcheck, torch.autograd.gradcheck), (gradgradcheck, torch.autograd.gradgradcheck)]


@pytest.mark.parametrize(("mine", "theirs"), PAIRS, ids=["gradcheck", "gradgradcheck"])
def test_arguments_are_pytorchs(mine, theirs):
    """The same in the same places; more stand behind."""
    ours, wanted = (list(inspect.signature(f).parameters.values()) for f in (mine, theirs))
    assert [(p.name, p.kind) for p in wanted] == [(p.name, p.kind) for p in ours[: len(wanted)]]
    other = {p.name for p, q in zip(ours, wanted, strict=False) if p.default != q.default}
    # Tolerances are derived, and dtypes always looked at.
    assert other <= {"eps", "atol", "rtol", "check_grad_dtypes"}


SMOOTH = {
    "tanh": lambda t: lambda x: x.tanh(),
    "product": lambda t: lambda x: x * x[:, :1],
    "softmax": lambda t: lambda x: t.softmax(x, 1),
    "matmul": lambda t: lambda x: x @ x.transpose(0, 1),
    "several": lambda t: lambda x: (x.exp(), x.sum(0)),
    "conv1d": lambda t: lambda x: t.nn.functional.conv1d(x[None], x[:, :, None] * x[:1, :1]),
    "cut off": lambda t: lambda x: x * x.detach(),
    "half": lambda t: kinks_page.with_gradient(t, lambda x: x * 2.0, [1.0]),
    "sign": lambda t: kinks_page.with_gradient(t, lambda x: x * 2.0, [-2.0]),
    "right": lambda t: kinks_page.with_gradient(t, lambda x: x * 2.0, [2.0]),
}


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("name", SMOOTH)
def test_of_smooth_functions_the_verdicts_are_pytorchs(name, fast):
    made, x = SMOOTH[name], np.random.default_rng(0).standard_normal((3, 3))
    theirs = torch.tensor(x, requires_grad=True)
    wanted = torch.autograd.gradcheck(made(torch), theirs, raise_exception=False, fast_mode=fast)
    assert wanted is (name not in ("cut off", "half", "sign"))
    options = {"raise_exception": False, "fast_mode": fast}
    assert gradcheck(made(tg), x, **options) is wanted
    assert gradcheck(made(tg), tg.tensor(x, requires_grad=True), **options) is wanted
    assert gradcheck(made(torch), theirs, **options) is wanted
    assert gradcheck(made(torch), (theirs,), eps=1e-6, atol=1e-4, **options) is wanted
    if wanted and name != "right":
        assert gradcheck(made(torch), theirs, order=2) and gradgradcheck(made(torch), theirs)
        assert torch.autograd.gradgradcheck(made(torch), theirs)


@pytest.mark.parametrize("what", kinks_page.ROWS)
def test_a_function_of_pytorch_is_judged_as_ours(what):
    made, x, why = kinks_page.ROWS[what]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _, ours, of_theirs = kinks_page.verdicts(made, x)
    assert ours is of_theirs
    assert ours is not ("wrong" in why or "no bound" in why or "jumps" in why)


def test_the_page_says_what_both_say():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert kinks_page.table() in kinks_page.PAGE.read_text(encoding="utf-8"), "run: kinks_page.py"


def test_modules_of_pytorch_and_float32():
    torch.manual_seed(1)  # with a bias that is positive: else relu has no kink there
    model = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3, padding=1), torch.nn.ReLU(), torch.nn.MaxPool2d(2))
    torch.nn.init.zeros_(model[0].bias)
    x = torch.zeros(1, 1, 4, 4, requires_grad=True)  # ties and kinks in single precision
    assert gradcheck(model, x)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert not torch.autograd.gradcheck(model, x, raise_exception=False)


def test_the_report_of_a_function_of_pytorch():
    x = torch.tensor([[1.0, 2.0]], dtype=torch.float64, requires_grad=True)
    with pytest.raises(GradcheckError) as caught:
        gradcheck(lambda x: x * x.detach(), x)
    text = str(caught.value)
    assert "d <lambda> / d x is wrong in 2 of 2 elements" in text and "everywhere 0.5 times" in text
    line = text.splitlines()[-1].removeprefix("reproduce: ")
    with pytest.raises(GradcheckError):
        exec(line, {"np": np, "torch": torch, "gradcheck": gradcheck, "func": lambda x: x * x.detach()})


def test_layouts_and_constants_of_pytorch():
    w = torch.ones(2, 3, dtype=torch.float64)
    assert gradcheck(
        lambda x, w, n: x.t() @ w * n, [torch.rand(2, 3, dtype=torch.float64).requires_grad_(), w, 2]
    )
    x = np.random.default_rng(0).standard_normal((3, 2)).T[::-1]
    assert gradcheck(torch.sin, [torch.from_numpy(x.copy()).requires_grad_()])
    assert gradcheck(lambda x, y: x * y, [x, torch.ones(2, 3, dtype=torch.float64)])
