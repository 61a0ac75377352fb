"""fit trains, stops, goes on bit for bit, and says what is wrong; metrics count, find_lr only looks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import interrupted
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_cnn as tg
from tinygrad_cnn import nn
from tinygrad_cnn.data import DataLoader, TensorDataset
from tinygrad_cnn.errors import (
    ArgumentError,
    DtypeError,
    FileFormatError,
    GraphError,
    ShapeError,
    StateDictError,
)
from tinygrad_cnn.optim import lr_scheduler as schedules
from tinygrad_cnn.training import (
    Accuracy,
    Callback,
    Checkpoint,
    ConfusionMatrix,
    EarlyStopping,
    F1Score,
    History,
    Mean,
    MeanIoU,
    Metric,
    TopKAccuracy,
    evaluate,
    find_lr,
    fit,
)
from tinygrad_cnn.vision import learning_rates

ROOT = Path(__file__).parent.parent
ANOTHER = tg.optim.SGD(nn.Linear(2, 1).parameters(), 0.1)


def equal(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> bool:
    """Every bit."""
    return a.keys() == b.keys() and all(
        a[k].dtype == b[k].dtype and a[k].tobytes() == b[k].tobytes() for k in a
    )


def lasting(history: History) -> list[dict]:
    """What a second run must repeat."""
    return [{name: value for name, value in row.items() if name != "seconds"} for row in history]


def line(n: int = 32, seed: int = 0) -> TensorDataset:
    """Points of a line."""
    x = np.random.default_rng(seed).normal(size=(n, 2)).astype(np.float32)
    return TensorDataset(tg.from_numpy(x), tg.from_numpy(x @ np.float32([[1.0], [-2.0]]) + np.float32(0.5)))


def setting(lr: float = 0.1, **options):
    """What fit wants: model, loader, loss, optimizer."""
    model = nn.Linear(2, 1)
    return model, DataLoader(line(), 8, **options), nn.MSELoss(), tg.optim.SGD(model.parameters(), lr=lr)


# --- the same bits ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Trainings that nothing stopped, by whether the loader has a generator of its own."""
    return [interrupted.train(tmp_path_factory.mktemp("whole"), own=own) for own in (False, True)]


@pytest.mark.parametrize("workers", [0, 3])
def test_two_runs_with_one_seed_are_equal_bit_by_bit(tmp_path, whole, workers):
    weights, history = interrupted.train(tmp_path, workers=workers, every=2)
    assert equal(weights, whole[0][0])
    assert lasting(history) == lasting(whole[0][1])
    assert not equal(weights, whole[1][0])


class Stopped(Exception):
    pass


@settings(max_examples=settings.default.max_examples // 3)
@given(
    stops=st.lists(st.integers(1, interrupted.EPOCHS * interrupted.STEPS), min_size=1, max_size=2),
    every=st.sampled_from([None, 1, 2, 4]),
    workers=st.sampled_from([0, 2]),
    own=st.booleans(),
    error=st.sampled_from([Stopped, KeyboardInterrupt]),
)
def test_a_training_stopped_anywhere_goes_on_bit_by_bit(
    tmp_path_factory, whole, stops, every, workers, own, error
):
    folder = tmp_path_factory.mktemp("stopped")
    for i, stop in enumerate(stops):

        def tell(step: int, stop: int = stop) -> None:
            if step == stop:
                raise error

        with suppress(error):
            interrupted.train(folder, i > 0, every, workers, own, tell)
    weights, history = interrupted.train(folder, True, every, workers, own)
    assert equal(weights, whole[own][0])
    assert lasting(history) == lasting(whole[own][1])


@pytest.mark.parametrize("seed", range(3))
def test_a_killed_process_goes_on_bit_by_bit(tmp_path, whole, seed):
    draw = np.random.default_rng(seed)
    step, wait = int(draw.integers(1, 15)), float(draw.uniform(0, 0.01))
    command = [sys.executable, "-W", "error", interrupted.__file__, str(tmp_path)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes, env=environment) as process:
        for said in process.stdout:
            print(file=process.stdin, flush=True)  # go on, with one more step at most
            if int(said) == step:
                time.sleep(wait)
                process.send_signal(signal.SIGKILL)
                break
    assert process.returncode == -signal.SIGKILL and not (tmp_path / "weights.safetensors").exists()
    done = subprocess.run([*command, "resume"], input="", capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    first = int(done.stdout.split()[0])
    assert max(1, step - 3) <= first <= step + 2, "it began at the last checkpoint"
    weights = {key: value.numpy() for key, value in tg.load(tmp_path / "weights.safetensors").items()}
    assert equal(weights, whole[0][0])


def test_more_epochs_can_be_asked_for_later(tmp_path):
    results = []
    for parts in ((5,), (2, 3, 5)):
        tg.manual_seed(3)
        for i, epochs in enumerate(parts):
            model, *rest = setting(shuffle=True)
            path = tmp_path / f"{len(parts)}.npz"
            history = fit(
                model, *rest, epochs=epochs, callbacks=[Checkpoint(path)], resume=path if i else None,
                progress=False,
            )  # fmt: skip
        results.append(({k: v.numpy() for k, v in model.state_dict().items()}, lasting(history)))
    assert [row["epoch"] for row in results[0][1]] == [1, 2, 3, 4, 5]
    assert equal(results[0][0], results[1][0]) and results[0][1] == results[1][1]


class Count(tg.data.Dataset):
    """Squares with a random part; knows which were asked for."""

    def __init__(self):
        self.asked = []

    def __len__(self):
        return 11

    def __getitem__(self, i):
        self.asked.append(int(i))
        return i * i + tg.rand(1).item()


class Stream(tg.data.IterableDataset):
    def __iter__(self):
        return (i + tg.rand(1).item() for i in range(11))


@pytest.mark.parametrize("start", [0, 1, 3, 4, 9])
@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("options", [{}, {"shuffle": True}, {"stream": True}, {"drop_last": True}])
def test_a_loader_begins_in_the_middle_of_an_epoch(start, workers, options):
    options = dict(options)
    data = Stream() if options.pop("stream", False) else Count()
    loader = DataLoader(data, 3, num_workers=workers, **options)
    state = tg.get_rng_state()
    whole = [batch.tolist() for batch in loader]
    tg.set_rng_state(state)
    if isinstance(data, Count):
        data.asked.clear()
    assert [batch.tolist() for batch in loader.batches(start)] == whole[start:]
    if isinstance(data, Count):
        assert len(data.asked) == sum(map(len, whole[start:]))
    with pytest.raises(ArgumentError, match="start must be an integer of at least 0"):
        loader.batches(-1)


# --- fit -------------------------------------------------------------------------------------------


def test_fit_is_the_loop_that_one_would_write():
    tg.manual_seed(5)
    model, loader, loss_fn, optimizer = setting(shuffle=True)
    schedule = tg.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
    start = {key: value.clone() for key, value in model.state_dict().items()}
    state = tg.get_rng_state()
    history = fit(
        model, loader, loss_fn, optimizer, epochs=3, scheduler=schedule, clip_norm=0.5,
        validation=DataLoader(line(20, 1), 8), metrics=[nn.L1Loss()], progress=False,
    )  # fmt: skip

    by_hand, _, _, optimizer = setting()
    by_hand.load_state_dict(start)
    tg.set_rng_state(state)
    rows = []
    for epoch, lr in ((1, 0.1), (2, 0.05), (3, 0.025)):
        optimizer.param_groups[0]["lr"] = lr
        losses, errors = [], []
        for x, y in loader:
            out = by_hand(x)
            loss = loss_fn(out, y)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(by_hand.parameters(), 0.5)
            optimizer.step()
            losses.append(loss.item())
            errors.append(nn.functional.l1_loss(out, y).item())
        iter(DataLoader(line(1)))  # as the look at the validation does, this draws the seed of an epoch
        x, y = line(20, 1).tensors
        row = {
            "epoch": epoch,
            "train_loss": np.mean(losses),
            "train_L1Loss": np.mean(errors),
            "val_loss": loss_fn(by_hand(x), y).item(),
            "val_L1Loss": nn.functional.l1_loss(by_hand(x), y).item(),
            "lr": lr,
        }
        rows.append(row)
    assert equal(
        {k: v.numpy() for k, v in model.state_dict().items()},
        {k: v.numpy() for k, v in by_hand.state_dict().items()},
    )
    assert [list(row) for row in history] == [[*row, "seconds"] for row in rows]
    for row, wanted in zip(lasting(history), rows, strict=True):
        assert row == pytest.approx(wanted, rel=1e-6)


def test_several_inputs_go_to_the_model_and_modes_come_back():
    class Sum(nn.Module):
        def __init__(self):
            super().__init__()
            self.frozen, self.linear = nn.Dropout(), nn.Linear(2, 1)

        def forward(self, x, more):
            assert self.training and self.frozen.training
            return self.linear(x + more)

    model = Sum()
    model.frozen.eval()
    data = TensorDataset(*line().tensors[:1] * 2, line().tensors[1])
    optimizer = tg.optim.Adam(model.parameters(), lr=0.1)
    history = fit(model, DataLoader(data, 8), nn.MSELoss(), optimizer, epochs=20, progress=False)
    assert history[-1]["train_loss"] < 0.05 * history[0]["train_loss"]
    assert model.training and not model.frozen.training

    model.eval()
    with pytest.raises(AssertionError):
        evaluate(model, DataLoader(data, 8))
    assert not model.linear.training
    with pytest.raises(TypeError):
        fit(model, DataLoader(line(), 8), nn.MSELoss(), optimizer, epochs=1, progress=False)
    assert not any(module.training for module in model.modules())


class Points(tg.data.IterableDataset):
    """A stream that does not know its length."""

    def __iter__(self):
        return iter([*zip(*line(20).tensors, strict=True)])


def test_a_stream_of_unknown_length_is_trained_on_and_gone_on_with(tmp_path):
    class Stop(Callback):
        def on_step(self, run):
            if (len(run.history), run.batch) == (1, 2):
                raise Stopped

    def go(*callbacks, **options):
        tg.manual_seed(0)
        model, _, loss_fn, optimizer = setting()
        callbacks = [Checkpoint(tmp_path / "a.npz", every=1), *callbacks]
        with suppress(Stopped):
            return fit(
                model, DataLoader(Points(), 8), loss_fn, optimizer, epochs=3, callbacks=callbacks,
                progress=False, **options,
            )  # fmt: skip

    whole = go()
    assert go(Stop()) is None
    assert lasting(go(Callback(), resume=tmp_path / "a.npz")) == lasting(whole)
    assert tg.load(tmp_path / "a.npz")["batch"] == 0


def test_an_epochs_numbers_count_every_item_once():
    model, _, loss_fn, optimizer = setting(lr=0.0)
    history = fit(model, DataLoader(line(20), 8), loss_fn, optimizer, epochs=1, progress=False)
    x, y = line(20).tensors
    assert history[0]["train_loss"] == pytest.approx(loss_fn(model(x), y).item(), rel=1e-6)
    assert evaluate(model, DataLoader(line(20), 7), loss_fn) == pytest.approx(
        {"loss": history[0]["train_loss"]}
    )


def test_progress_is_a_line_for_each_epoch(capsys):
    fit(*setting(), epochs=2)
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 2 and said[1].startswith("epoch 2  train_loss ")
    fit(*setting(), epochs=2, progress=False)
    assert capsys.readouterr() == ("", "")


def test_a_plateau_scheduler_is_given_the_loss():
    class Plateau:
        seen: list[float] = []  # noqa: RUF012

        def step(self, metrics):
            self.seen.append(metrics)

        def state_dict(self):
            return {}

    history = fit(
        *setting(), epochs=2, scheduler=Plateau(), validation=DataLoader(line(seed=2), 8), progress=False
    )
    assert Plateau.seen == history.column("val_loss")


def test_workers_end_with_the_training():
    import threading

    class Fail(Callback):
        def on_step(self, run):
            raise Stopped

    before = threading.active_count()
    with pytest.raises(Stopped):
        fit(*setting(num_workers=3), epochs=1, callbacks=[Fail()], progress=False)
    assert threading.active_count() == before


def test_callbacks_are_told_in_order():
    told = []

    class Note(Callback):
        def on_start(self, run):
            told.append("start")

        def on_step(self, run):
            told.append(run.batch)

        def on_epoch(self, run):
            told.append(run.history[-1]["epoch"])
            run.stop = len(run.history) == 2

        def on_end(self, run):
            told.append("end")

    assert len(fit(*setting(), epochs=9, callbacks=[Note()], progress=False)) == 2
    assert told == ["start", 1, 2, 3, 4, 1, 1, 2, 3, 4, 2, "end"]


# --- early stopping --------------------------------------------------------------------------------


def stopping(values, **options):
    """After how many epochs it stops, and in which epoch the weights at the end are those of."""
    model, loader, loss_fn, optimizer = setting(lr=0.0)
    said = iter(values)

    class Script(Callback):
        def on_epoch(self, run):
            run.history[-1]["val_score"] = next(said)
            nn.init.constant_(run.model.bias, len(run.history))

    stop = EarlyStopping("val_score", **options)
    history = fit(
        model, loader, loss_fn, optimizer, epochs=len(values), callbacks=[Script(), stop], progress=False
    )
    return len(history), int(model.bias.item())


@pytest.mark.parametrize(
    ("values", "options", "epochs", "kept"),
    [
        ([1, 2, 3, 2, 2, 9], {"patience": 2}, 5, 3),
        ([3, 2, 1, 2, 0.5, 3], {"patience": 2, "mode": "min"}, 6, 5),
        ([1, 1.5, 1.9, 2.1, 2.2, 2.3], {"patience": 3, "min_delta": 1.0}, 6, 4),
        ([1, 1.5, 2.0, 2.5], {"patience": 2, "min_delta": 1.0}, 3, 1),
        ([1, 2, 1, 1, 5], {"patience": 2, "restore_best": False}, 4, 4),
        ([float("nan"), float("nan"), 3], {"patience": 2}, 2, 2),
        ([1, float("nan"), 2, 3], {"patience": 2}, 4, 4),
    ],
)
def test_early_stopping(values, options, epochs, kept):
    assert stopping(values, **options) == (epochs, kept)


def test_a_loss_wants_to_be_small():
    assert EarlyStopping().sign == 1 and EarlyStopping("val_accuracy").sign == -1
    history = History([{"val_loss": 3.0, "val_f1": 0.1}, {"val_loss": 2.0, "val_f1": float("nan")}])
    assert history.best("val_loss") is history[1] and history.best("val_f1") is history[0]


# --- refused ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"epochs": 0}, ArgumentError, "epochs is 0; it must be an integer of at least 1"),
        ({"epochs": 2.5}, ArgumentError, "epochs is 2.5"),
        ({"loader": DataLoader(line(4), 8, drop_last=True)}, ArgumentError, "the loader has no batches"),
        ({"loader": iter([])}, ArgumentError, "the loader has no batches"),
        (
            {"loader": DataLoader(line().tensors[0], 8)},
            DtypeError,
            r"a batch is a Tensor; it must be \(inputs, targ",
        ),
        ({"loss_fn": lambda out, y: 1.0}, DtypeError, "loss_fn returned a float; it must return a Tensor"),
        (
            {"optimizer": tg.optim.SGD(nn.Linear(2, 1).parameters(), 0.1)},
            ArgumentError,
            "none of the parameters",
        ),
        ({"scheduler_every": "step"}, ArgumentError, "use 'epoch' or 'batch'"),
        (
            {"scheduler_every": "batch", "scheduler": schedules.ReduceLROnPlateau(ANOTHER)},
            ArgumentError,
            "ReduceLROnPlateau looks at the loss of an epoch; use scheduler_every='epoch'",
        ),
        ({"scheduler": schedules.StepLR(ANOTHER, 1)}, ArgumentError, "the rates of another optimizer"),
        ({"metrics": [Accuracy(), Accuracy()]}, ArgumentError, "two metrics are called 'accuracy'"),
        ({"metrics": [Mean(nn.MSELoss(), "loss")]}, ArgumentError, "two metrics are called 'loss'"),
        ({"validation": []}, ArgumentError, "evaluate: the loader has no batches"),
        (
            {"callbacks": [EarlyStopping()]},
            ArgumentError,
            "val_loss needs validation data",
        ),
        ({"resume": "nothing.npz"}, FileNotFoundError, "nothing.npz"),
    ],
)
def test_nonsense_is_refused(change, error, match):
    model, loader, loss_fn, optimizer = setting()
    given = {
        "loader": loader,
        "loss_fn": loss_fn,
        "optimizer": optimizer,
        "epochs": 1,
        "progress": False,
    } | change
    before = {key: value.numpy().copy() for key, value in model.state_dict().items()}
    with pytest.raises(error, match=match):
        fit(model, **given)
    if "validation" not in change:
        assert equal({key: value.numpy() for key, value in model.state_dict().items()}, before)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Checkpoint("a.npz", every=0),
        lambda: EarlyStopping(patience=0),
        lambda: EarlyStopping(min_delta=-1.0),
        lambda: EarlyStopping(mode="least"),
        lambda: TopKAccuracy(0),
        lambda: MeanIoU(1),
        lambda: ConfusionMatrix(True),
    ],
)
def test_options_that_make_no_sense_are_refused(make):
    with pytest.raises(ArgumentError):
        make()


class Explode(nn.Module):
    """Divides by 0 in its second part once it is told to."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(2, 4), nn.Sequential(nn.Linear(4, 1), nn.Identity())

    def forward(self, x):
        return self.second(self.first(x) / (1 - (x[0, 0] == 9).float()))


def test_a_loss_that_is_not_finite_says_where_it_arose():
    good = tg.zeros(4, 2), tg.zeros(4, 1)
    model = Explode()
    optimizer = tg.optim.SGD(model.parameters(), lr=0.1)

    def run(*batches, loss_fn=None):
        fit(model, list(batches), loss_fn or nn.MSELoss(), optimizer, epochs=1, progress=False)

    with np.errstate(all="ignore"):
        with pytest.raises(GraphError, match=r"in epoch 1, batch 1: the first such .* second\.0 \(Linear\)"):
            run(good, (tg.full((4, 2), 9.0), good[1]))
        with pytest.raises(GraphError, match="batch 0: the inputs are not finite"):
            run((tg.full((4, 2), float("nan")), good[1]))
        with pytest.raises(
            GraphError, match=r"the loss is inf .*the outputs are finite, but the loss of them is not"
        ):
            run((good[0], tg.full((4, 1), float("inf"))))
        nn.init.constant_(model.first.bias, float("nan"))
        with pytest.raises(GraphError, match=r"batch 0: first\.bias was made so"):
            run(good)
    assert not any(module._hooks for module in model.modules())


def test_a_checkpoint_of_another_training_is_refused(tmp_path):
    path = tmp_path / "a.npz"
    callbacks = [Checkpoint(path, every=3)]
    fit(*setting(), epochs=1, metrics=[nn.L1Loss()], callbacks=callbacks, progress=False)

    def resume(parts=None, **options):
        fit(
            *(parts or setting()),
            **{
                "epochs": 2,
                "metrics": [nn.L1Loss()],
                "callbacks": callbacks,
                "progress": False,
                "resume": path,
            }
            | options,
        )

    resume()
    for change in ({"metrics": []}, {"callbacks": []}):
        with pytest.raises(StateDictError, match="resume with the arguments that it was begun with"):
            resume(**change)
    model, _, loss_fn, optimizer = parts = setting()
    scheduler = tg.optim.lr_scheduler.StepLR(optimizer, 1)
    with pytest.raises(StateDictError, match=r"'scheduler': False.*'scheduler': True"):
        resume(parts, scheduler=scheduler)
    with pytest.raises(StateDictError, match="does not fit Sequential"):
        model = nn.Sequential(nn.Linear(2, 1))
        optimizer = tg.optim.SGD(model.parameters(), lr=0.1)
        fit(
            model,
            DataLoader(line(), 8),
            loss_fn,
            optimizer,
            epochs=2,
            metrics=[nn.L1Loss()],
            callbacks=callbacks,
            resume=path,
        )
    tg.save({"model": {}}, path)
    with pytest.raises(StateDictError, match="no file of a Checkpoint"):
        resume()
    path.write_bytes(b"nothing")
    with pytest.raises(FileFormatError):
        resume()


def test_a_position_beyond_the_loaders_end_is_refused(tmp_path):
    path = tmp_path / "a.npz"

    class Stop(Callback):
        def on_step(self, run):
            if run.batch == 4:
                raise Stopped

    with pytest.raises(Stopped):
        fit(*setting(), epochs=1, callbacks=[Checkpoint(path, every=1), Stop()], progress=False)
    with pytest.raises(Stopped):  # the checkpoint comes last: the fourth step is not in it
        fit(*setting(), epochs=1, callbacks=[Checkpoint(path, every=1), Stop()], progress=False, resume=path)
    model, _, loss_fn, optimizer = setting()
    with pytest.raises(StateDictError, match="after 3 batches of an epoch, the loader has 2"):
        fit(
            model, DataLoader(line(), 16), loss_fn, optimizer, epochs=1,
            callbacks=[Checkpoint(path), Callback()], resume=path, progress=False,
        )  # fmt: skip


# --- metrics ---------------------------------------------------------------------------------------


@st.composite
def scores(draw):
    """Scores (n, classes, *places), labels (n, *places), where to cut the batches, and what to ignore."""
    classes, n = draw(st.integers(2, 5)), draw(st.integers(1, 12))
    places = draw(st.sampled_from([(), (3,), (2, 2)]))
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    labels = rng.integers(0, classes, (n, *places))
    ignored = draw(st.sampled_from([None, 0, 255]))
    if ignored == 255:
        labels[rng.random(labels.shape) < 0.3] = 255
    values = rng.integers(-2, 3, (n, classes, *places)).astype(np.float32)  # with ties
    return values, labels, draw(st.integers(1, n)), ignored


def counted(metric: Metric, values: np.ndarray, labels: np.ndarray, cut: int):
    for part in (slice(None, cut), slice(cut, None)):
        if len(labels[part]):
            metric.update(tg.from_numpy(values[part].copy()), tg.from_numpy(labels[part].copy()))
    return metric.compute()


@given(scores(), st.integers(1, 6))
def test_metrics_are_what_plain_loops_count(case, k):
    values, labels, cut, ignored = case
    classes = values.shape[1]
    matrix, top, n = np.zeros((classes, classes), int), 0, 0
    for item in np.ndindex(labels.shape):
        label = labels[item]
        if label == ignored:
            continue
        own = values[(item[0], slice(None), *item[1:])]
        matrix[label, int(own.argmax())] += 1
        top += label in sorted(range(classes), key=lambda c: -own[c])[:k]  # sorted is stable
        n += 1
    right = matrix.trace()
    assert np.array_equal(counted(ConfusionMatrix(classes, ignored), values, labels, cut), matrix)
    ious, f1s = [], []
    for c in range(classes):
        wrong = matrix[c].sum() + matrix[:, c].sum() - 2 * matrix[c, c]
        if matrix[c, c] + wrong:
            ious.append(matrix[c, c] / (matrix[c, c] + wrong))
            f1s.append(2 * matrix[c, c] / (2 * matrix[c, c] + wrong))
    for metric, wanted in [
        (Accuracy(ignored), right / n if n else np.nan),
        (TopKAccuracy(k, ignored), top / n if n else np.nan),
        (MeanIoU(classes, ignored), np.mean(ious) if n else np.nan),
        (F1Score(classes, ignored), np.mean(f1s) if n else np.nan),
    ]:
        assert counted(metric, values, labels, cut) == pytest.approx(wanted, nan_ok=True)


def test_one_logit_is_a_choice_of_two_classes():
    out, y = tg.tensor([[-1.0], [2.0], [0.5]]), tg.tensor([[0.0], [1.0], [0.0]])
    for metric, wanted in ((Accuracy(), 2 / 3), (F1Score(2), 2 / 3), (MeanIoU(2), 0.5)):
        metric.update(out, y)
        assert metric.compute() == pytest.approx(wanted)


def test_a_metric_can_be_asked_again_and_reset():
    metric = Accuracy()
    with pytest.raises(ArgumentError, match="nothing was counted yet"):
        metric.compute()
    metric.update(tg.eye(2), tg.tensor([0, 1]))
    metric.update(tg.eye(2), tg.tensor([1, 1]))
    assert metric.compute() == metric.compute() == 0.75
    metric.reset()
    with pytest.raises(ArgumentError):
        metric.compute()


@pytest.mark.parametrize(
    ("metric", "outputs", "targets", "error", "match"),
    [
        (Accuracy(), tg.zeros(3, 2), tg.zeros(2), ShapeError, r"outputs \(3, 2\) and targets \(2,\)"),
        (Accuracy(), tg.zeros(2, 2), tg.tensor([0, 2]), ArgumentError, "labels from 0 to 2 for 2 classes"),
        (Accuracy(), tg.zeros(2, 2), tg.tensor([-1, 0]), ArgumentError, "labels from -1"),
        (Accuracy(), {"out": tg.zeros(2, 2)}, tg.tensor([0, 1]), DtypeError, "outputs are a dict"),
        (
            MeanIoU(3),
            tg.zeros(2, 2),
            tg.tensor([0, 1]),
            ShapeError,
            "have 2 classes; it was made with num_classes=3",
        ),
    ],
)
def test_metrics_refuse_what_they_cannot_count(metric, outputs, targets, error, match):
    with pytest.raises(error, match=match):
        metric.update(outputs, targets)


def test_a_matrix_has_no_place_in_the_history_but_can_be_asked_for():
    matrix = ConfusionMatrix(2)
    data = TensorDataset(tg.eye(2), tg.tensor([0, 1]))
    model = nn.Linear(2, 2)
    optimizer = tg.optim.SGD(model.parameters(), lr=5.0)
    loader = DataLoader(data, 2)
    history = fit(
        model,
        loader,
        nn.CrossEntropyLoss(),
        optimizer,
        epochs=5,
        validation=loader,
        metrics=[matrix],
        progress=False,
    )
    assert list(history[0]) == ["epoch", "train_loss", "val_loss", "lr", "seconds"]
    assert matrix.compute().tolist() == [[1, 0], [0, 1]]


# --- history ---------------------------------------------------------------------------------------

ROWS = [
    {"epoch": 1, "train_loss": 0.5, "train_top5_accuracy": 0.25, "val_accuracy": 0.5, "lr": 1e-4},
    {"epoch": 2, "train_loss": 0.000012, "train_top5_accuracy": 0.75, "lr": 1e-4},
]


def test_a_history_is_a_table_and_a_picture(tmp_path):
    history = History(ROWS)
    assert str(history).splitlines() == [
        "epoch  train_loss  train_top5_accuracy  val_accuracy      lr",
        "    1      0.5000               0.2500        0.5000  0.0001",
        "    2     1.2e-05               0.7500                0.0001",
    ]
    assert history.column("val_accuracy") == [0.5, None]
    assert history.plot(tmp_path / "curves.png").stat().st_size > 1000
    assert history.plot(tmp_path / "curves.svg", ["loss"]).exists()
    with pytest.raises(ArgumentError, match="no column 'loss'; it has epoch, train_loss"):
        history.column("loss")
    with pytest.raises(ArgumentError, match="nan in every epoch"):
        History([{"val_loss": float("nan")}]).best("val_loss")
    with pytest.raises(ArgumentError, match="mode is 'lowest'"):
        history.best("lr", "lowest")


# --- learning rates --------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [lambda p: tg.optim.SGD(p, 0.1, momentum=0.9), lambda p: tg.optim.Adam(p)])
def test_find_lr_leaves_everything_as_it_was(make):
    model = nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.Dropout(0.2), nn.Linear(8, 1)).eval()
    optimizer = make(model.parameters())
    generator = tg.Generator(1)
    loader = DataLoader(line(), 8, shuffle=True, generator=generator)
    fit(model, loader, nn.MSELoss(), optimizer, epochs=1, progress=False)

    def everything():
        state = optimizer.state_dict()
        parts = [tg.get_rng_state(), generator.get_state(), state["param_groups"], model.training]
        parts += [value.numpy().tobytes() for value in model.state_dict().values()]
        parts += [None if p.grad is None else p.grad.numpy().tobytes() for p in model.parameters()]
        return parts + [np.asarray(v).tobytes() for entry in state["state"].values() for v in entry.values()]

    before = everything()
    found = find_lr(model, loader, nn.MSELoss(), optimizer, start=1e-6, stop=100.0, steps=60)
    assert everything() == before
    assert found.rates.shape == found.losses.shape and len(found.rates) <= 60
    assert found.rates[0] == pytest.approx(1e-6)
    assert np.isfinite(found.losses).all()


def test_find_lr_suggests_a_rate_that_trains():
    tg.manual_seed(0)
    model, loader, loss_fn, optimizer = setting(lr=1e-9, shuffle=True)
    found = find_lr(model, loader, loss_fn, optimizer, start=1e-5, stop=100.0)
    assert 1e-3 < found.suggestion < 1.0  # a line of curvature 2: from 1 on SGD diverges
    assert len(found.rates) < 100 and found.losses.min() < 0.5 * found.losses[0]
    assert found.losses[-1] <= 4 * found.losses.min()
    optimizer.param_groups[0]["lr"] = found.suggestion
    history = fit(model, loader, loss_fn, optimizer, epochs=20, progress=False)
    assert history[-1]["train_loss"] < 0.01 * history[0]["train_loss"]


def test_find_lr_keeps_the_shares_of_groups_and_may_find_nothing():
    model, loader, loss_fn, _ = setting()
    seen = []

    class Note(tg.optim.SGD):
        def step(self, closure=None):
            seen.append([group["lr"] for group in self.param_groups])

    optimizer = Note([{"params": [model.weight], "lr": 0.1}, {"params": [model.bias], "lr": 0.01}])
    found = find_lr(model, [next(iter(loader))], loss_fn, optimizer, start=1e-3, stop=1.0, steps=4)
    np.testing.assert_allclose(seen, [[r, r / 10] for r in (1e-3, 1e-2, 1e-1, 1.0)])
    assert found.suggestion is None and len(set(found.losses.round(6))) == 1


def test_find_lr_refuses_nonsense():
    model, loader, loss_fn, optimizer = setting()
    for change in (
        {"start": 0.0},
        {"start": 1.0, "stop": 0.5},
        {"stop": float("inf")},
        {"smoothing": 1.0},
        {"steps": 1},
    ):
        with pytest.raises(ArgumentError):
            find_lr(model, loader, loss_fn, optimizer, **change)
    with pytest.raises(ArgumentError, match="the loader has no batches"):
        find_lr(model, [], loss_fn, optimizer)
    with pytest.raises(GraphError, match="not finite at rate"):
        find_lr(model, [(tg.full((1, 2), float("nan")), tg.zeros(1, 1))], loss_fn, optimizer)


def test_the_sweep_is_drawn(tmp_path):
    tg.manual_seed(0)
    found = find_lr(*setting(shuffle=True), start=1e-4, steps=40)
    assert found.plot(tmp_path / "rates.svg").read_text().startswith("<?xml")
    learning_rates([1e-3, 1e-2], [1.0, float("inf")], tmp_path / "few.png")
    with pytest.raises(ShapeError, match="2 rates and 1 losses"):
        learning_rates([1, 2], [1], tmp_path / "a.png")
    for wrong in (([0.0, 1.0], [1, 1], None), ([1.0], [float("nan")], None), ([1.0], [1.0], 0.0)):
        with pytest.raises(ArgumentError):
            learning_rates(*wrong[:2], tmp_path / "a.png", wrong[2])
