"""No flag can vanish: what a job takes on its command line is read when it runs, or is refused by name."""

from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from jobs import encode, export, report, score, train
from jobs.cli.reading_flags import ReadingConfig
from model.training.recipe import TrainConfig, resolve
from tests.datasets import QUIET, make_csv, shared_dataset, shared_run

OF_THE_COMMAND = {"config", "json", "debug"}
"""Read before a job runs, or after."""

Job = Callable[[Path], tuple[Any, Callable[[Any], Any]]]


def _encode(folder: Path) -> tuple[Any, Callable[[Any], Any]]:
    csv = make_csv(folder / "in.csv", 50)
    reading = ReadingConfig(text="title")
    return encode.EncodeConfig((str(csv),), out=folder / "out", reading=reading, common=QUIET), encode.run


def _score(folder: Path) -> tuple[Any, Callable[[Any], Any]]:
    csv = make_csv(folder / "in.csv", 50)
    reading = ReadingConfig(text="title")
    config = score.ScoreConfig((str(csv),), run=shared_run(), out=folder / "out.parquet", reading=reading, common=QUIET)
    return config, score.run


def _train(folder: Path) -> tuple[Any, Callable[[Any], Any]]:
    config = train.TrainJobConfig(shared_dataset(), out=folder / "run", epochs=1, baseline="none", common=QUIET)
    return config, train.run


def _export(folder: Path) -> tuple[Any, Callable[[Any], Any]]:
    return export.ExportConfig(shared_run(), onnx=folder / "it.onnx", common=QUIET), export.run


def _report(folder: Path) -> tuple[Any, Callable[[Any], Any]]:
    return report.ReportConfig((shared_run(),), out=folder / "it.html", common=QUIET), report.run


def _groups(config: Any) -> Iterator[Any]:
    yield config
    for each in fields(config):
        if is_dataclass(getattr(config, each.name)):
            yield from _groups(getattr(config, each.name))


@pytest.mark.parametrize("job", [_encode, _score, _train, _export, _report], ids=lambda job: job.__name__[1:])
def test_every_flag_is_read(job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config, run = job(tmp_path)
    groups = list(_groups(config))
    flags = {each.name for group in groups for each in fields(group)}
    read: set[str] = set()

    def noted(self: Any, name: str) -> Any:
        read.add(name)
        return object.__getattribute__(self, name)

    for kind in {type(group) for group in groups}:
        monkeypatch.setattr(kind, "__getattribute__", noted, raising=False)
    run(config)
    unread = flags - read - OF_THE_COMMAND
    allowed = (
        {"log", "threads"} if job is _report else set()
    )  # It says nothing on its way, and has nothing for threads.
    assert unread == allowed


def test_a_choice_of_a_training_reaches_a_field_or_is_refused() -> None:
    config = train.TrainJobConfig(Path("data"), out=Path("run"))
    groups = ("optimizing", "scheduling", "regularising")
    full = replace(config, **{name: _filled(getattr(config, name)) for name in groups})
    chosen = _filled(full).choices()
    assert {"lr", "momentum", "milestones", "dropout", "arch"} < chosen.keys()
    assert chosen.keys() <= {each.name for each in fields(TrainConfig)}
    with pytest.raises(TypeError, match="nonsense"):
        resolve("default", {"nonsense": 1}, num_train=10, num_valid=10)


def _filled(group: Any) -> Any:
    """A group of flags in which every one was given."""
    return replace(group, **{each.name: 1 for each in fields(group) if getattr(group, each.name) is None})
