"""The examples, run as a user runs them: from another folder, as programs."""

from __future__ import annotations

import csv
import importlib.util
import os
import re
import signal
import struct
import subprocess
import sys
import textwrap
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import tinygrad_cnn as tg
from tinygrad_cnn.data import FashionMNIST
from tinygrad_cnn.errors import MissingToolError

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"
# Also without an installed package, and as warnings are errors in tests, they are here.
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"}


def run(name: str | Path, *options: str, cwd: Path, code: int = 0) -> str:
    """What an example prints."""
    done = subprocess.run(
        [sys.executable, EXAMPLES / name, *options], cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def imported(name: str):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_every_example_explains_itself_and_has_a_main(path):
    module = imported(path.stem)
    assert f"python examples/{path.name}" in module.__doc__
    with pytest.raises(SystemExit) as said:
        module.main(["--help"])
    assert said.value.code == 0


def test_your_own_op(tmp_path):
    printed = run("your_own_op.py", "--smoke", cwd=tmp_path)
    assert "there and back: True" in printed
    assert "snake obeys" in printed and "has an adjoint rule in x" in printed
    assert re.search(r"^test accuracy: \d+\.\d\d %$", printed, re.M)


def test_higher_order(tmp_path):
    printed = run("higher_order.py", "--smoke", cwd=tmp_path)
    assert "f( 1.000000,  1.000000)" in printed, "Newton's method did not arrive"
    assert re.search(r"distance \d+\.\d\d, mean slope \d+\.\d\d", printed)


def test_three_ways(tmp_path):
    printed = run("three_ways.py", "--smoke", cwd=tmp_path)
    assert "loops               turned              library\n[[ 0  5  0 -5]      [[ 0  5  0 -5]" in printed
    assert "20 convolutions of random size" in printed and "equal in every number" in printed


# --- the main job ----------------------------------------------------------------------------------

COLUMNS = [
    "epoch",
    "train_loss",
    "train_accuracy",
    "test_loss",
    "test_accuracy",
    "lr",
    "images_per_second",
    "seconds",
]
PICTURES = ["confusion.png", "curves.png", "features.png", "filters.png", "mistakes.png"]


def metrics(out: Path) -> list[dict[str, str]]:
    with open(out / "metrics.csv", newline="") as file:
        return list(csv.DictReader(file))


def lasting(out: Path) -> list[dict[str, str]]:
    """The metrics that a second run must repeat."""
    return [
        {k: v for k, v in row.items() if k not in ("seconds", "images_per_second")} for row in metrics(out)
    ]


def test_train_fashion_leaves_everything_it_promises(tmp_path):
    printed = run("train_fashion.py", "--smoke", cwd=tmp_path)
    out = tmp_path / "out"
    files = {
        "checkpoint.safetensors",
        "graph.svg",
        "metrics.csv",
        "model.safetensors",
        "report.html",
        *PICTURES,
    }
    assert {path.name for path in out.iterdir()} == files

    last = printed.strip().splitlines()[-1]
    rows = metrics(out)
    assert list(rows[0]) == COLUMNS and [row["epoch"] for row in rows] == ["1", "2"]
    assert last == f"test accuracy: {100 * float(rows[-1]['test_accuracy']):.2f} %"
    assert float(rows[-1]["train_loss"]) < float(rows[0]["train_loss"])

    assert ET.parse(out / "graph.svg").getroot().tag.endswith("svg")
    assert "conv2d" in (out / "graph.svg").read_text()
    report = (out / "report.html").read_text(encoding="utf-8")
    assert f"{100 * float(rows[-1]['test_accuracy']):.2f} % of 100 images right" in report
    for name in PICTURES:
        with Image.open(out / name) as picture:
            picture.verify()

    fashion = imported("train_fashion")
    model = fashion.FashionNet()
    model.load_state_dict(tg.load(out / "model.safetensors"))
    again = fashion.Run(fashion.DEFAULTS, FashionMNIST(), fashion.Subset(fashion_test(fashion), range(100)))
    again.model = model
    assert again.examine()[1] == float(rows[-1]["test_accuracy"])


def fashion_test(fashion):
    return FashionMNIST(train=False, transform=fashion.SCALE)


def test_ctrl_c_leaves_a_checkpoint(tmp_path):
    command = [sys.executable, "-u", EXAMPLES / "train_fashion.py", "--smoke", "--epochs", "1000"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True
    ) as process:
        for line in process.stdout:
            if re.match(r"epoch +1/1000", line):
                process.send_signal(signal.SIGINT)
                break
        printed = process.stdout.read()
    assert process.returncode == 130
    assert "interrupted" in printed and "--resume" in printed
    checkpoint = tg.load(tmp_path / "out/checkpoint.safetensors")
    assert len(checkpoint["history"]) >= 1
    assert {k: v.shape for k, v in tg.load(tmp_path / "out/model.safetensors").items()} == {
        k: v.shape for k, v in checkpoint["model"].items()
    }


@pytest.fixture(scope="module")
def fashion():
    """The example as a module; pictures are drawn by the test above."""
    module = imported("train_fashion")
    module.draw_pictures = lambda run, out: None
    return module


@pytest.fixture(scope="module")
def uninterrupted(fashion, tmp_path_factory):
    out = tmp_path_factory.mktemp("uninterrupted")
    assert fashion.main(["--smoke", "--out", str(out)]) == 0
    return out


def press_ctrl_c(monkeypatch, step: int, times: int = 1) -> None:
    """Press it in the optimizer's `step`-th step."""
    inner, count = tg.optim.AdamW.step, 0

    def outer(self):
        nonlocal count
        inner(self)
        count += 1
        if count == step:
            for _ in range(times):
                signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(tg.optim.AdamW, "step", outer)


@pytest.mark.parametrize("step", [10, 14], ids=["after an epoch", "within an epoch"])
def test_a_resumed_run_is_bit_equal(fashion, uninterrupted, step, tmp_path, monkeypatch, capsys):
    out = str(tmp_path)
    with monkeypatch.context() as patch:
        press_ctrl_c(patch, step)
        assert fashion.main(["--smoke", "--out", out]) == 130
    assert len(metrics(tmp_path)) == 1
    assert fashion.main(["--resume", "--out", out]) == 0

    assert (tmp_path / "model.safetensors").read_bytes() == (uninterrupted / "model.safetensors").read_bytes()
    assert lasting(tmp_path) == lasting(uninterrupted)
    mine, theirs = (tg.load(path / "checkpoint.safetensors") for path in (tmp_path, uninterrupted))
    assert mine["random"] == theirs["random"] and mine["schedule"] == theirs["schedule"]
    for i, state in theirs["optimizer"]["state"].items():
        for name, value in state.items():
            assert np.array_equal(mine["optimizer"]["state"][i][name], value), (i, name)

    capsys.readouterr()  # what is finished stays finished
    assert fashion.main(["--resume", "--out", out]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("test accuracy: ")
    assert lasting(tmp_path) == lasting(uninterrupted)


def test_the_seed_decides(fashion, uninterrupted, tmp_path):
    assert fashion.main(["--smoke", "--epochs", "1", "--seed", "5", "--out", str(tmp_path)]) == 0
    assert lasting(tmp_path)[0]["train_loss"] != lasting(uninterrupted)[0]["train_loss"]


def test_a_second_ctrl_c_stops_at_once(fashion, tmp_path, monkeypatch, capsys):
    press_ctrl_c(monkeypatch, 3, times=2)
    assert fashion.main(["--smoke", "--out", str(tmp_path)]) == 130
    assert [path.name for path in tmp_path.iterdir()] == ["graph.svg"]
    assert "interrupted" in capsys.readouterr().err


def test_without_the_viz_extra_it_says_so_and_trains(tmp_path, monkeypatch, capsys):
    fashion = imported("train_fashion")
    monkeypatch.setitem(sys.modules, "matplotlib", None)

    def render(*args, **kwargs):
        raise MissingToolError("graph: nothing here can draw")

    monkeypatch.setattr(tg.graph, "render", render)
    assert fashion.main(["--smoke", "--epochs", "1", "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert printed.count("pip install 'tinygrad-cnn[viz]'") == 1
    assert printed.splitlines()[-1].startswith("test accuracy: ")
    assert {path.name for path in tmp_path.iterdir()} == {
        "checkpoint.safetensors",
        "metrics.csv",
        "model.safetensors",
        "report.html",
    }


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--resume", "no out/checkpoint.safetensors to go on from"),
        ("--epochs 0", "0 is not above 0"),
        ("--lr nan", "nan is not above 0"),
        ("--lr fast", "invalid float value: 'fast'"),
        ("--download", "--download needs --data DIR"),
    ],
)
def test_wrong_options_are_refused(options, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stopped:
        imported("train_fashion").main(options.split())
    assert stopped.value.code == 2
    assert said in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_settings_that_the_checkpoint_contradicts_are_refused(fashion, uninterrupted, capsys):
    with pytest.raises(SystemExit):
        fashion.main(["--resume", "--epochs", "9", "--out", str(uninterrupted)])
    assert "was made with --epochs 2, not 9" in capsys.readouterr().err


def test_a_damaged_checkpoint_is_one_sentence(fashion, uninterrupted, tmp_path, capsys):
    whole = (uninterrupted / "checkpoint.safetensors").read_bytes()
    (tmp_path / "checkpoint.safetensors").write_bytes(whole[:-100])
    assert fashion.main(["--resume", "--out", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert "truncated" in error and error.count("\n") == 1


def test_the_full_set_must_be_somewhere(tmp_path, monkeypatch, capsys):
    fashion = imported("train_fashion")
    monkeypatch.setattr(FashionMNIST, "debian_root", str(tmp_path / "nowhere"))
    assert fashion.main(["--full", "--out", str(tmp_path / "out")]) == 1
    assert "--data DIR" in capsys.readouterr().err
    assert fashion.main(["--data", str(tmp_path), "--out", str(tmp_path / "out")]) == 1
    assert "train-images-idx3-ubyte" in capsys.readouterr().err


def test_a_batch_needs_its_images(fashion, tmp_path, capsys):
    assert fashion.main(["--smoke", "--batch-size", "321", "--out", str(tmp_path)]) == 1
    assert "321 is more than the 320 images" in capsys.readouterr().err


def test_full_reads_the_files(fashion, tmp_path):
    write_idx(tmp_path / "data")
    out = tmp_path / "out"
    assert (
        fashion.main(["--smoke", "--epochs", "1", "--data", str(tmp_path / "data"), "--out", str(out)]) == 0
    )
    assert tg.load(out / "checkpoint.safetensors")["settings"]["full"] is True


# --- the port --------------------------------------------------------------------------------------


def write_idx(folder: Path, count: int = 400) -> None:
    """Some embedded images as the four IDX files of the full set."""
    folder.mkdir(parents=True)
    for split in ("train", "t10k"):
        data = FashionMNIST(train=split == "train")
        for what, array in (("images-idx3", data.data[:count]), ("labels-idx1", data.targets[:count])):
            header = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
            (folder / f"{split}-{what}-ubyte").write_bytes(header + array.astype(np.uint8).tobytes())


#: What the example uses of torchvision, which is not installed here, on real torch.
TORCHVISION = {
    "__init__.py": "",
    "datasets.py": """
        import numpy as np, torch
        class MNIST(torch.utils.data.Dataset):
            def __init__(self, root, train=True, transform=None, target_transform=None, download=False):
                stem = f"{root}/MNIST/raw/{'train' if train else 't10k'}"
                self.images = np.fromfile(f"{stem}-images-idx3-ubyte", np.uint8)[16:].reshape(-1, 28, 28)
                self.labels = np.fromfile(f"{stem}-labels-idx1-ubyte", np.uint8)[8:]
                self.transform = transform
            def __len__(self):
                return len(self.labels)
            def __getitem__(self, i):
                return self.transform(self.images[i]), int(self.labels[i])
        class FashionMNIST(MNIST):
            pass
        """,
    "transforms.py": """
        import torch
        class Compose:
            def __init__(self, transforms):
                self.transforms = transforms
            def __call__(self, image):
                for transform in self.transforms:
                    image = transform(image)
                return image
        class ToTensor:
            def __call__(self, image):
                return torch.from_numpy(image).unsqueeze(0).float() / 255
        class Normalize:
            def __init__(self, mean, std):
                self.mean, self.std = torch.tensor(mean)[:, None, None], torch.tensor(std)[:, None, None]
            def __call__(self, image):
                return (image - self.mean) / self.std
        """,
}


def test_mnist_runs_on_the_embedded_images(tmp_path):
    printed = run(
        "mnist.py",
        "--dry-run",
        "--batch-size",
        "8",
        "--test-batch-size",
        "100",
        "--save-model",
        "net.safetensors",
        cwd=tmp_path,
    )
    assert re.search(r"^test: loss \d\.\d{4}, \d+ of 100 right", printed, re.M)
    assert tg.load(tmp_path / "net.safetensors")["fc1.weight"].shape == (128, 9216)


def test_mnist_differs_from_a_pytorch_program_by_its_import_lines(tmp_path):
    torch = pytest.importorskip("torch")
    source = (EXAMPLES / "mnist.py").read_text()
    swapped = re.sub(r"^(?:import|from) tinygrad_cnn.*  # (.*)$", r"\1", source, flags=re.M)
    code = swapped.partition('"""\n\n')[2]
    assert "tinygrad_cnn" not in code and code.count("torch") > 10
    (tmp_path / "torch_mnist.py").write_text(swapped)
    (tmp_path / "torchvision").mkdir()
    for name, text in TORCHVISION.items():
        (tmp_path / "torchvision" / name).write_text(textwrap.dedent(text))
    write_idx(tmp_path / "data/MNIST/raw")

    options = ("--dry-run", "--batch-size", "8", "--test-batch-size", "100", "--data", "data", "--save-model")
    ours = run("mnist.py", *options, "ours.pt", cwd=tmp_path)
    theirs = run(tmp_path / "torch_mnist.py", *options, "theirs.pt", cwd=tmp_path)
    figures = [re.findall(r"[\d.]+", text) for text in (ours, theirs)]
    assert re.sub(r"[\d.]+", "#", ours) == re.sub(r"[\d.]+", "#", theirs)
    assert [float(first[3]) for first in figures] == pytest.approx([2.3, 2.3], abs=0.3)  # the first loss
    files = [load(tmp_path / f"{name}.pt") for name in ("ours", "theirs") for load in (tg.load, torch.load)]
    assert all(file["conv1.weight"].shape == (32, 1, 3, 3) for file in files)
