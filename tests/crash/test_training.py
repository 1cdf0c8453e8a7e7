"""A training that is killed at any moment ends with the same bytes as one that is not."""

import json
import time
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.commands import files_in, run_here, start
from tests.crash.kills import killed_states
from tests.datasets import SMALL_BUCKETS, make_dataset, shrink_ngram

SMALL = f"from model.architectures.ngram.config import NgramConfig\nNgramConfig.__init__.__kwdefaults__['buckets'] = {SMALL_BUCKETS}"
NUM_EPOCHS = 4
# The best epoch comes early, so that most checkpoints hold its weights beside the last ones.
FLAGS: list[object] = [
    *("--keep-best", "--best-by", "accuracy", "--epochs", NUM_EPOCHS, "--batch-size", 32),
    *("--threads", 1, "--baseline", "none", "--checkpoint-seconds", 0, "--resume"),
]
Result = tuple[dict[str, bytes], list[dict[str, Any]]]


class Whole(NamedTuple):
    """A run that nobody disturbed: what it says, and the run's folder before each change."""

    result: Result
    states: list[Path]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dataset(tmp_path_factory.mktemp("training"), 150, valid_fraction=0.2, shard_rows=50)


def _result(run: Path) -> Result:
    """What a finished run says, but for times."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    names = ("model.safetensors", "training_texts.npy", "model.json", "evaluation.json")
    kept = [{name: value for name, value in line.items() if name not in {"seconds", "finished"}} for line in lines]
    return {name: (run / name).read_bytes() for name in names}, kept


@pytest.fixture(autouse=True)
def _small_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    shrink_ngram(monkeypatch)


@pytest.fixture(scope="module")
def whole(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    folder = tmp_path_factory.mktemp("whole") / "folder"
    folder.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        shrink_ngram(patch)
        return _whole(dataset, folder)


def _whole(dataset: Path, folder: Path) -> Whole:
    states = killed_states(folder, lambda: run_here("train", dataset, "--out", folder / "run", *FLAGS))
    report = run_here("train", dataset, "--out", folder / "run", *FLAGS)
    assert report["resumed"]
    assert report["weights_epoch"] < NUM_EPOCHS
    return Whole(_result(folder / "run"), [state / "run" for state in states])


def test_killed_at_each_change(dataset: Path, whole: Whole) -> None:
    """At each fifth one in training, since a checkpoint is four, and at each in what comes then."""
    assert len(whole.states) > 60
    resumed = set()
    for killed in (*whole.states[:-20:5], *whole.states[-20:]):
        if (killed / "model.json").exists():  # Published last.
            assert {path.name for path in killed.iterdir()} >= {*whole.result[0], "config.toml"}
        resumed.add(run_here("train", dataset, "--out", killed, *FLAGS)["resumed"])
        assert _result(killed) == whole.result, killed.parent.name
        assert not [name for name in files_in(killed) if name.endswith(".partial")]
    assert resumed == {False, True}


def test_killed_at_any_time(dataset: Path, whole: Whole, tmp_path: Path) -> None:
    """In the middle of writing, too, which is made up beside what a process left that was killed."""
    run = tmp_path / "killed"
    checkpoint = run / "checkpoints" / "last.safetensors"
    process = start("train", dataset, "--out", run, *FLAGS, prelude=SMALL)
    while not checkpoint.exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.001)
    process.kill()
    process.communicate()
    assert not (run / "model.json").exists()
    assert {path.name for path in run.iterdir()} <= {path.name for path in whole.states[-1].iterdir()}
    checkpoint.with_name(".last.safetensors.partial").write_bytes(b"half")
    assert run_here("train", dataset, "--out", run, *FLAGS)["resumed"]
    assert _result(run) == whole.result
    assert not [name for name in files_in(run) if name.endswith(".partial")]
