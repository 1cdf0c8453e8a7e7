"""A finished run read back, for reports: its model, its evaluation, its epochs and its configuration. Needs no torch."""

import json
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec

from model.architectures.trained import Model
from model.runs.best_epoch import best_epoch
from model.runs.evaluation import RunEvaluation, read_evaluation
from model.runs.folder import CONFIG_TOML, EVALUATION_JSON, METRICS_JSONL, REMEDY
from model.runs.model_file import read_model
from pipeline.errors import InputError, MismatchError
from pipeline.storage.json_file import reading


class EpochLine(msgspec.Struct):
    """What a line of `metrics.jsonl` has at least; numbers may be infinite or none (nan)."""

    epoch: int
    train_loss: float
    train_accuracy: float
    valid_loss: float
    valid_accuracy: float
    lr: float
    seconds: float
    finished: Annotated[str, msgspec.Meta(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")]
    rows: int


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """All that a run's folder says in words and figures.

    Attributes:
        name: Of the folder.
        model: Its model, without the weights.
        history: A line for each epoch, at least one, with at least the fields of `EpochLine`.
        config: Every flag of the training, resolved.
        evaluation: What was measured at the end.
    """

    name: str
    model: Model
    history: list[dict[str, Any]]
    config: dict[str, Any]
    evaluation: RunEvaluation

    @property
    def weights_epoch(self) -> int:
        """The epoch, from 0 on, whose weights the run has: the last one or, where the configuration has a `best_by`, the first best one."""
        best_by = self.config.get("best_by")
        return best_epoch(self.history, best_by) if best_by else len(self.history) - 1

    @property
    def trained(self) -> str:
        """When the last epoch ended, as ``2025-11-24 20:16 UTC``."""
        return f"{self.history[-1]['finished'][:16].replace('T', ' ')} UTC"

    @property
    def seconds(self) -> float:
        """All epochs took, measuring included."""
        return sum(self.column("seconds"))

    def column(self, name: str) -> list[float]:
        """A field of `EpochLine`, epoch by epoch."""
        return [float(line[name]) for line in self.history]


def read_run(folder: Path) -> RunRecord:
    """Read a finished run.

    Raises:
        UsageError: There is no finished run in the folder.
        InputError: A file of it is damaged or missing.
        MismatchError: A file is of another format version, or belongs to another model.
    """
    model = read_model(folder)
    return make_record(folder, model, read_evaluation(folder))


def make_record(folder: Path, model: Model, evaluation: RunEvaluation) -> RunRecord:
    """Add to a model and its evaluation what the run's folder says of the epochs and the configuration.

    Raises:
        InputError: The folder's files are damaged or missing.
        MismatchError: Model and evaluation have other labels.
    """
    for name in (METRICS_JSONL, CONFIG_TOML):
        if not (folder / name).exists():
            raise InputError(f"{folder / name}: the file is missing; {REMEDY}", path=folder / name)
    if evaluation.labels != model.labels:
        raise MismatchError(
            f"{folder / EVALUATION_JSON}: it has {len(evaluation.labels)} labels, of which not all are those of model.json "
            f"({len(model.labels)}); {REMEDY}",
            path=folder / EVALUATION_JSON,
        )
    return RunRecord(
        name=folder.resolve().name,
        model=model,
        history=_read_history(folder / METRICS_JSONL),
        config=_read_config(folder / CONFIG_TOML),
        evaluation=evaluation,
    )


def _read_history(path: Path) -> list[dict[str, Any]]:
    with reading(path, REMEDY):
        lines: list[dict[str, Any]] = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        msgspec.convert(lines, Annotated[list[EpochLine], msgspec.Meta(min_length=1)])
    return lines


def _read_config(path: Path) -> dict[str, Any]:
    with reading(path, REMEDY):
        return tomllib.loads(path.read_text(encoding="utf-8"))
