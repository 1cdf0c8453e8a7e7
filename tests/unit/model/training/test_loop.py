"""The training loop: it learns, it is deterministic, and a training that was stopped anywhere ends as if it had not been."""

import hashlib
import json
import math
import random
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from jobs import encode
from jobs.cli.reading_flags import ReadingConfig
from jobs.train import TrainJobConfig
from jobs.train import run as run_job
from model.runs.folder import CHECKPOINT
from model.training.checkpoint import read_progress
from model.training.loop import Trained, Training
from model.training.recipe import TrainConfig, resolve
from pipeline.dataset.manifest import read_manifest
from pipeline.errors import InputError, MismatchError, UsageError
from tests.datasets import QUIET, make_dataset, make_run, shared_dataset, shrink_lstm, shrink_ngram, write_csv


class _StoppedError(Exception):
    """Raised by a test in the middle of a training."""


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of a handful of batches, the last one short."""
    return make_dataset(tmp_path_factory.mktemp("small"), 90, valid_fraction=0.2, shard_rows=25)


@pytest.fixture(autouse=True)
def _small_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    shrink_ngram(monkeypatch)
    shrink_lstm(monkeypatch)


def _config(**flags: Any) -> TrainConfig:
    flags = {"epochs": 3, "batch_size": 16} | flags
    return resolve("default", flags, num_train=72, num_valid=18)


def _training(dataset: Path, run: Path, config: TrainConfig, *, num_workers: int = 0, every: float = 0) -> Training:
    run.mkdir(exist_ok=True)
    return Training(
        dataset,
        read_manifest(dataset),
        config,
        run,
        device=torch.device("cpu"),
        num_workers=num_workers,
        checkpoint_seconds=every,
    )


def _run(training: Training, stop_at: Callable[[int], bool] = lambda _: False) -> Trained:
    def on_step(done: int, _figures: object) -> None:
        if stop_at(done):
            raise _StoppedError

    return training.run(on_step, lambda _: None)


def _resumed(dataset: Path, run: Path, config: TrainConfig, step: int) -> Trained:
    """What comes of a training that was stopped at a step and gone on with."""
    with pytest.raises(_StoppedError):
        _run(_training(dataset, run, config), step.__eq__)
    again = _training(dataset, run, config)
    assert again.resume() == (step > 1)  # The first step was not kept yet.
    assert again.batches_done == step - 1
    return _run(again)


def _weights(trained: Trained) -> dict[str, str]:
    return {
        name: hashlib.sha256(tensor.numpy().tobytes()).hexdigest()
        for name, tensor in trained.network.state_dict().items()
    }


def _but_times(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in line.items() if name not in {"seconds", "finished"}} for line in history]


@pytest.mark.parametrize("arch", ["charcnn", "ngram", "lstm"])
def test_it_learns_what_can_be_learnt(arch: str, tmp_path: Path) -> None:
    run = make_run(shared_dataset(), tmp_path / "run", arch=arch, epochs=6, batch_size=32)
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == list(range(6))
    assert lines[0]["train_loss"] > 2 * lines[-1]["train_loss"]
    assert lines[-1]["valid_accuracy"] > 0.9  # Chance is a third.
    assert lines[-1]["train_accuracy"] > 0.9
    manifest = read_manifest(shared_dataset())
    assert {line["rows"] for line in lines} == {manifest.num_rows("train")}


@pytest.mark.parametrize("arch", ["charcnn", "ngram"])
def test_stopped_at_any_step_and_resumed_it_ends_the_same(arch: str, small: Path, tmp_path: Path) -> None:
    config = _config(arch=arch, epochs=2)
    undisturbed = _run(_training(small, tmp_path / "whole", config))
    num_steps = 2 * _training(small, tmp_path / "whole", config).num_batches
    assert num_steps >= 10
    for step in range(1, num_steps + 1):
        resumed = _resumed(small, tmp_path / f"{step}", config, step)
        assert _weights(resumed) == _weights(undisturbed), f"stopped at step {step}"
        assert _but_times(resumed.history) == _but_times(undisturbed.history)


@pytest.mark.parametrize(
    "flags",
    [{"arch": "lstm"}, {"arch": "charcnn", "norm": "batch", "dropout": 0.3}],
    ids=str,
)
def test_every_network_ends_the_same_when_it_is_stopped(flags: dict[str, Any], small: Path, tmp_path: Path) -> None:
    """With what runs along, and with what is dropped at random. At the first step, in the middle, at an epoch's end and behind it."""
    config = _config(epochs=2, **flags)
    undisturbed = _run(_training(small, tmp_path / "whole", config))
    num_batches = _training(small, tmp_path / "whole", config).num_batches
    for step in (2, num_batches, num_batches + 1, 2 * num_batches):
        resumed = _resumed(small, tmp_path / f"{step}", config, step)
        assert _weights(resumed) == _weights(undisturbed), f"stopped at step {step}"


@pytest.mark.parametrize("every", [1, 3])
def test_stopped_again_and_again_it_ends_the_same(every: int, small: Path, tmp_path: Path) -> None:
    config = _config(arch="ngram", epochs=2)
    undisturbed = _run(_training(small, tmp_path / "whole", config))
    num_stops = 0
    while True:
        training = _training(small, tmp_path / "stopped", config)
        training.resume()
        last = training.batches_done + every + 1
        try:
            trained = _run(training, last.__eq__)
        except _StoppedError:
            num_stops += 1
            continue
        break
    assert num_stops > 2
    assert _weights(trained) == _weights(undisturbed)
    assert _but_times(trained.history) == _but_times(undisturbed.history)


def test_checkpoints_and_readers_do_not_change_the_weights(small: Path, tmp_path: Path) -> None:
    config = _config(arch="ngram", epochs=1)  # Workers are started for each epoch.
    plain = _run(_training(small, tmp_path / "a", config, every=1e9))
    assert _weights(_run(_training(small, tmp_path / "b", config))) == _weights(plain)
    assert _weights(_run(_training(small, tmp_path / "c", config, num_workers=1))) == _weights(plain)


def test_another_seed_gives_other_weights(small: Path, tmp_path: Path) -> None:
    a, b = (_run(_training(small, tmp_path / f"{seed}", _config(seed=seed, epochs=1))) for seed in (0, 1))
    assert _weights(a) != _weights(b)


@pytest.mark.parametrize(
    "flags", [{"arch": "charcnn"}, {"arch": "lstm"}, {"arch": "charcnn", "norm": "batch"}], ids=str
)
def test_in_bfloat16_a_stopped_training_ends_the_same(flags: dict[str, Any], small: Path, tmp_path: Path) -> None:
    """Stopped within an epoch, so that the first batch after it may be the short one."""
    config = _config(batch_size=40, epochs=2, precision="bfloat16", **flags)
    undisturbed = _run(_training(small, tmp_path / "whole", config))
    plain = _run(_training(small, tmp_path / "plain", replace(config, precision="float32")))
    assert _weights(undisturbed) != _weights(plain)
    assert undisturbed.history[-1]["train_loss"] == pytest.approx(plain.history[-1]["train_loss"], abs=0.05)
    for step in (2, 3):
        resumed = _resumed(small, tmp_path / f"{step}", config, step)
        assert _weights(resumed) == _weights(undisturbed), f"stopped at step {step}"


@pytest.mark.slow
def test_compiled_a_stopped_training_ends_the_same(small: Path, tmp_path: Path) -> None:
    """By one graph for each size of batch, whichever comes first."""
    from torch._dynamo.utils import counters

    config = _config(batch_size=40, epochs=2, arch="charcnn", compile=True)
    graphs = counters["stats"]["unique_graphs"]
    undisturbed = _run(_training(small, tmp_path / "whole", config))
    assert counters["stats"]["unique_graphs"] == graphs + 2
    plain = _run(_training(small, tmp_path / "plain", replace(config, compile=False)))
    assert _weights(undisturbed) != _weights(plain)
    torch.testing.assert_close(undisturbed.network.state_dict(), plain.network.state_dict(), rtol=1e-3, atol=1e-4)
    assert _weights(_resumed(small, tmp_path / "stopped", config, 2)) == _weights(undisturbed)


TECHNIQUES: list[dict[str, Any]] = [
    {"optimizer": "sgd", "nesterov": True, "clip_norm": 0.5, "schedule": "multi-step", "warm_up": 0.2, "patience": 1},
    {"optimizer": "adagrad", "schedule": "step", "init": "kaiming-normal", "label_smoothing": 0.1},
    {"optimizer": "rmsprop", "momentum": 0.5, "schedule": "exponential", "class_weights": "balanced"},
    {"optimizer": "adam", "amsgrad": True, "schedule": "cosine", "keep_best": True, "best_by": "accuracy"},
]


@pytest.mark.parametrize("flags", TECHNIQUES, ids=lambda flags: flags["optimizer"])
def test_with_any_technique_a_stopped_training_ends_the_same(
    flags: dict[str, Any], small: Path, tmp_path: Path
) -> None:
    """Stopped within the second epoch, and at its last batch."""
    config = _config(batch_size=24, **flags)
    undisturbed = _run(_training(small, tmp_path / "whole", config))
    for step in (5, 6):
        resumed = _resumed(small, tmp_path / f"{step}", config, step)
        assert _weights(resumed) == _weights(undisturbed), f"stopped at step {step}"
        assert _but_times(resumed.history) == _but_times(undisturbed.history)


@pytest.mark.parametrize(
    "flags",
    [
        {"init": "xavier-uniform"},
        {"label_smoothing": 0.1},
        {"clip_norm": 1e-3},
        {"class_weights": "balanced"},
        {"weight_decay": 0.1},
        {"warm_up": 0.5},
        {"schedule": "step"},
        {"optimizer": "rmsprop"},
    ],
    ids=str,
)
@pytest.mark.parametrize("arch", ["charcnn", "ngram"])
def test_a_technique_reaches_the_weights(arch: str, flags: dict[str, Any], small: Path, tmp_path: Path) -> None:
    if arch == "ngram" and "init" in flags:
        pytest.skip("up to 16 classes it has no layer but a table")
    plain = {"arch": arch, "schedule": "constant", "optimizer": "adagrad", "epochs": 3, "batch_size": 40, "lr": 0.01}
    with_it, without = (
        _run(_training(small, tmp_path / name, _config(**chosen), every=1e9))
        for name, chosen in (("with", plain | flags), ("without", plain))
    )
    assert _weights(with_it).keys() == _weights(without).keys()
    assert _weights(with_it) != _weights(without)


def test_chance_comes_from_the_seed_alone(small: Path, tmp_path: Path) -> None:
    """Whatever other code did with the random states of this process."""
    weights = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        np.random.seed(seed)  # noqa: NPY002  # the global state is what is meant
        random.seed(seed)
        config = _config(epochs=1, batch_size=24, init="xavier-normal")
        weights.append(_weights(_run(_training(small, tmp_path / f"{seed}", config))))
    assert weights[0] == weights[1]


@pytest.fixture(scope="module")
def riddle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rows whose classes follow from nothing, so that what is learnt of them does not hold for others."""
    folder = tmp_path_factory.mktemp("riddle")
    choose = random.Random(6)
    rows = [(choose.choice("ab"), "".join(choose.choices("klmnop ", k=30))) for _ in range(120)]
    out = folder / "dataset"
    csv = write_csv(folder / "riddle.csv", rows)
    reading = ReadingConfig(text="title")
    encode.run(encode.EncodeConfig((str(csv),), out=out, valid_fraction=0.3, reading=reading, common=QUIET))
    return out


def _riddle_config(**flags: Any) -> TrainConfig:
    flags = {"arch": "charcnn", "epochs": 8, "batch_size": 32, "lr": 3e-3, "schedule": "constant"} | flags
    return resolve("default", flags, num_train=84, num_valid=36)


def test_patience_stops_and_the_best_weights_are_kept(riddle: Path, tmp_path: Path) -> None:
    last = _run(_training(riddle, tmp_path / "last", _riddle_config(), every=1e9))
    best = _run(_training(riddle, tmp_path / "best", _riddle_config(keep_best=True, best_by="loss"), every=1e9))
    losses = [line["valid_loss"] for line in last.history]
    lowest = losses.index(min(losses))
    assert lowest + 2 < len(losses) - 1  # The held-out loss rises, or there would be nothing to keep.
    assert _but_times(best.history) == _but_times(last.history)
    assert (last.epoch, best.epoch) == (len(losses) - 1, lowest)
    accuracies = [line["valid_accuracy"] for line in last.history]
    assert (last.best_epoch, best.best_epoch) == (accuracies.index(max(accuracies)), lowest)
    until = _run(_training(riddle, tmp_path / "until", _riddle_config(epochs=lowest + 1), every=1e9))
    assert _weights(best) == _weights(until) != _weights(last)
    stopped = _run(_training(riddle, tmp_path / "stopped", _riddle_config(patience=2, best_by="loss"), every=1e9))
    assert _but_times(stopped.history) == _but_times(last.history)[: lowest + 3]
    assert _weights(stopped) == _weights(best)
    with pytest.raises(_StoppedError):  # With the best epoch behind it.
        _run(
            _training(riddle, tmp_path / "killed", _riddle_config(patience=2, best_by="loss")),
            (3 * (lowest + 2) - 1).__eq__,
        )
    for run in ("stopped", "killed"):
        again = _training(riddle, tmp_path / run, _riddle_config(patience=2, best_by="loss"))
        assert again.resume()
        resumed = _run(again)
        assert _weights(resumed) == _weights(best)
        assert _but_times(resumed.history) == _but_times(stopped.history)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("lr", 0.5),
        ("seed", 7),
        ("batch_size", 8),
        ("arch", "charcnn"),
        ("precision", "bfloat16"),
        ("compile", True),
        ("dropout", 0.25),
        ("label_smoothing", 0.5),
        ("optimizer", "sgd"),
    ],
)
def test_resuming_with_another_configuration_names_the_field(
    field: str, value: object, small: Path, tmp_path: Path
) -> None:
    config = _config(arch="ngram", epochs=1)
    _run(_training(small, tmp_path, config))
    other = _training(small, tmp_path, _config(**{"arch": "ngram", "epochs": 1, field: value}))
    with pytest.raises(MismatchError, match=rf"{field} was .*{getattr(config, field)}.* now .*{value}") as caught:
        other.resume()
    assert caught.value.exit_code == 65


def test_resuming_with_another_dataset_is_refused_with_both_fingerprints(small: Path, tmp_path: Path) -> None:
    config = _config(epochs=1)
    _run(_training(small, tmp_path / "run", config))
    other = make_dataset(tmp_path, 90, seed=5)
    with pytest.raises(MismatchError) as caught:
        _training(other, tmp_path / "run", config).resume()
    for dataset in (small, other):
        assert read_manifest(dataset).fingerprint in str(caught.value)


def test_a_loss_that_is_not_finite_stops_and_leaves_no_checkpoint_of_it(small: Path, tmp_path: Path) -> None:
    config = _config(arch="charcnn", optimizer="sgd", lr=1e30, schedule="constant")
    with pytest.raises(InputError, match=r"epoch 1, batch 2 of 5: the loss is (nan|inf).*--lr.*last\.safetensors"):
        _run(_training(small, tmp_path, config))
    steps: list[int] = []
    with pytest.raises(InputError, match="epoch 1, batch 2 of 5"):  # On the CPU at once, not at the next checkpoint.
        _training(small, tmp_path / "rarely", config, every=1e9).run(lambda done, _: steps.append(done), lambda _: None)
    assert steps == [1]
    progress = read_progress(tmp_path / CHECKPOINT)
    assert math.isfinite(progress["sums"]["loss"])
    assert progress["dataset"]["delivered"] == 1


@pytest.mark.parametrize(("every", "batch", "kept"), [(0, 2, 1), (1e9, 5, 0)])
def test_weights_that_are_not_finite_stop_before_the_next_checkpoint(
    every: float, batch: int, kept: int, small: Path, tmp_path: Path
) -> None:
    """Though no loss tells: the weight is of an n-gram that no row has."""
    training = _training(small, tmp_path, _config(arch="ngram"), every=every)

    def on_step(done: int, _figures: object) -> None:
        if done == 7:
            with torch.no_grad():
                training.network.bag.weight[-1] = math.inf  # type: ignore[operator,union-attr]

    message = rf"epoch 2, batch {batch} of 5: the weights in bag\.weight are not finite; .*--lr"
    with pytest.raises(InputError, match=message):
        training.run(on_step, lambda _: None)
    progress = read_progress(tmp_path / CHECKPOINT)
    assert (progress["dataset"]["epoch"], progress["dataset"]["delivered"]) == (1, kept)


def test_a_held_out_loss_that_is_not_finite_stops(small: Path, tmp_path: Path) -> None:
    """Though all weights are finite, they are so large that logits are not."""
    training = _training(small, tmp_path, _config(arch="ngram"))

    def on_step(done: int, _figures: object) -> None:
        if done == training.num_batches:
            with torch.no_grad():
                training.network.bag.weight[:-1] = 3e38  # type: ignore[operator,union-attr]

    with pytest.raises(InputError, match=r"epoch 1, batch 5 of 5: the loss on held-out rows is (nan|inf)"):
        training.run(on_step, lambda _: None)
    assert not read_progress(tmp_path / CHECKPOINT)["history"]


def _job(dataset: Path, out: Path, **flags: Any) -> dict[str, Any]:
    return run_job(TrainJobConfig(dataset, out=out, epochs=2, batch_size=32, baseline="none", common=QUIET, **flags))


def test_resuming_where_nothing_is_starts_and_a_finished_run_stays_as_it_is(small: Path, tmp_path: Path) -> None:
    first = _job(small, tmp_path / "run", resume=True)
    files = {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir() if path.is_file()}
    second = _job(small, tmp_path / "run", resume=True)
    again = {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir() if path.is_file()}
    assert again == files
    assert (first["resumed"], second["resumed"]) == (False, True)
    assert {**second, "seconds": 0, "resumed": 0} == {**first, "seconds": 0, "resumed": 0}


def test_resuming_never_replaces_what_is_no_run_or_cannot_be_gone_on_from(small: Path, tmp_path: Path) -> None:
    stranger = tmp_path / "stranger"
    stranger.mkdir()
    (stranger / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"notes\.txt"):
        _job(small, stranger, resume=True)
    assert [path.name for path in stranger.iterdir()] == ["notes.txt"]
    run = tmp_path / "run"
    _job(small, run)
    (run / CHECKPOINT).unlink()
    with pytest.raises(UsageError, match="no checkpoint"):
        _job(small, run, resume=True)
    assert (run / "model.json").exists()


def test_the_resolved_config_repeats_the_run(small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from tests.commands import call_here

    techniques = [
        *("--optimizer", "sgd", "--momentum", 0.8, "--nesterov", "--clip-norm", 0.5, "--weight-decay", 1e-5),
        *("--schedule", "multi-step", "--milestones", "1,2", "--warm-up", 0.1, "--init", "xavier-uniform"),
        *("--label-smoothing", 0.1, "--class-weights", "balanced", "--patience", 1, "--best-by", "accuracy"),
    ]
    common = ["--arch", "charcnn", "--epochs", 3, "--batch-size", 32, "--threads", 1]
    done = call_here(capsys, "train", small, "--out", tmp_path / "a", "--json", *common, *techniques)
    assert done.code == 0, done.err
    assert done.report["best_epoch"] <= done.report["epochs"] <= 3
    config = tomllib.loads((tmp_path / "a" / "config.toml").read_text())
    assert (config["milestones"], config["nesterov"], config["patience"]) == ([1, 2], True, 1)
    done = call_here(capsys, "train", small, "--out", tmp_path / "b", "--config", tmp_path / "a" / "config.toml")
    assert done.code == 0, done.err
    for name in ("model.safetensors", "model.json", "config.toml"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
