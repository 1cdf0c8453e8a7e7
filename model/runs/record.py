"""A run read back: what its files say about a training, for reports. Needs no torch.

`model.json` is `read_model`'s; here are `evaluation.json`, `metrics.jsonl` and `config.toml`. Whatever a file lacks or has too much of is
refused by name, so that a report never shows half of a run.
"""

import json
import math
import tomllib
from collections.abc import Iterable
from dataclasses import MISSING, dataclass, fields, is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, NoReturn, get_args, get_origin, get_type_hints

import numpy as np

from model.architectures.trained import Model
from model.runs.evaluation import EVALUATION_JSON, FORMAT_VERSION, NUM_BINS, RunEvaluation
from model.runs.model_file import read_model
from pipeline.errors import InputError, MismatchError, from_os_error

METRICS_JSONL = "metrics.jsonl"
CONFIG_TOML = "config.toml"
EPOCH_FIELDS = ("epoch", "train_loss", "train_accuracy", "valid_loss", "valid_accuracy", "lr", "seconds")


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """All that a run's folder says in words and figures.

    Attributes:
        name: Of the folder.
        model: Its model, without the weights.
        history: A line for each epoch, at least one, with at least `EPOCH_FIELDS`; numbers may be infinite or none (nan).
        config: Every flag of the training, resolved.
        evaluation: What was measured at the end; None for a run that an earlier charmill trained.
    """

    name: str
    model: Model
    history: list[dict[str, Any]]
    config: dict[str, Any]
    evaluation: RunEvaluation | None

    @property
    def weights_epoch(self) -> int:
        """The epoch, from 0 on, whose weights the run has: the last one or, where the configuration has a `best_by`, the first best one."""
        best_by = self.config.get("best_by")
        if best_by == "accuracy":
            return int(np.argmax(self.column("valid_accuracy")))
        return int(np.argmin(self.column("valid_loss"))) if best_by else len(self.history) - 1

    @property
    def accuracy(self) -> float:
        """Share of the held-out rows whose most probable class is theirs."""
        return self.evaluation.accuracy if self.evaluation else self.column("valid_accuracy")[self.weights_epoch]

    @property
    def loss(self) -> float:
        """Cross-entropy on the held-out rows, at the fitted temperature where one was fitted."""
        return self.evaluation.loss if self.evaluation else self.column("valid_loss")[self.weights_epoch]

    @property
    def seconds(self) -> float:
        """All epochs took, measuring included."""
        return sum(self.column("seconds"))

    def column(self, name: str) -> list[float]:
        """One of `EPOCH_FIELDS`, epoch by epoch."""
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


def make_record(folder: Path, model: Model, evaluation: RunEvaluation | None) -> RunRecord:
    """Add to a model and its evaluation what the run's folder says of the epochs and the configuration.

    Raises:
        InputError: The folder's files are damaged or missing.
        MismatchError: Model and evaluation have other labels.
    """
    if evaluation is not None and evaluation.labels != model.labels:
        raise MismatchError(
            f"{folder / EVALUATION_JSON}: it has {len(evaluation.labels)} labels, of which not all are those of model.json "
            f"({len(model.labels)}); train again",
            path=folder / EVALUATION_JSON,
        )
    return RunRecord(
        name=folder.resolve().name,
        model=model,
        history=_read_history(folder / METRICS_JSONL),
        config=_read_config(folder / CONFIG_TOML),
        evaluation=evaluation,
    )


def read_evaluation(run: Path) -> RunEvaluation | None:
    """Read a run's `evaluation.json`; None where there is none, as in runs of an earlier charmill.

    Raises:
        InputError: The file is damaged.
        MismatchError: It is of another format version.
    """
    path = run / EVALUATION_JSON
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise from_os_error(error, "read", path) from error
    return evaluation_from_json(data, path)


def evaluation_from_json(data: bytes, path: Path) -> RunEvaluation:
    """Rebuild what `RunEvaluation.to_bytes` wrote.

    Args:
        data: The file's bytes.
        path: The file, for messages.

    Raises:
        InputError: It is no such file, or what it says cannot be.
        MismatchError: It is of another format version.
    """
    try:
        content = json.loads(data, parse_constant=_refuse_constant)
        version = content.pop("format_version")
        if version != FORMAT_VERSION:
            raise MismatchError(
                f"{path}: format_version is {version}, expected {FORMAT_VERSION}; train again with this charmill",
                path=path,
            )
        evaluation: RunEvaluation = _build(RunEvaluation, content, "the file")
        _require_sense(evaluation)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise _damaged(path, error) from error
    return evaluation


def _build(kind: Any, content: Any, where: str) -> Any:
    """Make a value of a type out of JSON.

    Raises:
        ValueError: The JSON is of another type; names the place.
    """
    if is_dataclass(kind):
        return _build_fields(kind, content, where)
    origin, parameters = get_origin(kind), get_args(kind)
    if origin is UnionType:
        (inner,) = (parameter for parameter in parameters if parameter is not NoneType)
        return None if content is None else _build(inner, content, where)
    if origin is list and isinstance(content, list):
        return [_build(parameters[0], item, where) for item in content]
    if origin is tuple and isinstance(content, list) and len(content) == len(parameters):
        return tuple(_build(parameter, item, where) for parameter, item in zip(parameters, content, strict=True))
    is_number = isinstance(content, int | float) and not isinstance(content, bool)
    if kind is float and is_number and math.isfinite(content):
        return float(content)
    if kind in {int, str, bool} and type(content) is kind:
        return content
    raise ValueError(f"{where}: expected {getattr(kind, '__name__', kind)}, got {json.dumps(content)[:40]}")


def _build_fields(kind: Any, content: Any, where: str) -> Any:
    if not isinstance(content, dict):
        raise ValueError(f"{where}: expected an object, got {json.dumps(content)[:40]}")  # noqa: TRY004  # it is the file's fault
    types = get_type_hints(kind)
    names = {field.name for field in fields(kind)}
    missing = sorted(
        field.name
        for field in fields(kind)
        if field.name not in content and field.default is MISSING and field.default_factory is MISSING
    )
    if missing or content.keys() - names:
        wrong = missing or sorted(content.keys() - names)
        raise ValueError(f"{where}: {wrong[0]!r} is {'missing' if missing else 'unknown'}")
    return kind(**{name: _build(types[name], value, name) for name, value in content.items()})


def _require_sense(evaluation: RunEvaluation) -> None:
    """Refuse figures that contradict each other.

    Raises:
        ValueError: Names what does.
    """
    num_classes = len(evaluation.labels)
    shape = {len(row) for row in evaluation.confusion} | {len(evaluation.confusion)}
    if shape != {num_classes}:
        raise ValueError(f"confusion: expected {num_classes} rows of {num_classes} classes")
    if len(evaluation.lengths_train) != len(evaluation.lengths_valid):
        raise ValueError("lengths_train and lengths_valid: expected equally many")
    counts = [*evaluation.lengths_train, *evaluation.lengths_valid, *(count for _, count in evaluation.characters)]
    counts += [count for row in evaluation.confusion for count in row]
    counts += [one.rows for calibration in (evaluation.calibrated, evaluation.uncalibrated) for one in calibration.bins]
    counts += [evaluation.seen.rows, evaluation.seen.rows_as_codes, evaluation.rows_train]
    if min(counts, default=0) < 0:
        raise ValueError("a count is below 0")
    for calibration in (evaluation.calibrated, evaluation.uncalibrated):
        if len(calibration.bins) != NUM_BINS:
            raise ValueError(f"bins: expected {NUM_BINS}, got {len(calibration.bins)}")
    if not evaluation.temperature > 0:
        raise ValueError(f"temperature {evaluation.temperature}: expected more than 0")
    for share in _shares(evaluation):
        if not 0 <= share <= 1:
            raise ValueError(f"{share}: expected a share from 0 to 1")


def _shares(evaluation: RunEvaluation) -> Iterable[float]:
    yield evaluation.accuracy
    for calibration in (evaluation.calibrated, evaluation.uncalibrated):
        yield calibration.ece
        for interval in calibration.bins:
            yield from (interval.confidence, interval.accuracy)
    reached = [target.reached for target in evaluation.targets if target.reached]
    for point in (*evaluation.coverage, *reached):
        yield from (point.min_confidence, point.coverage, point.accuracy)
    yield from (mistake.confidence for mistake in evaluation.mistakes)
    yield from (share for share in (evaluation.seen.accuracy, evaluation.seen.accuracy_without) if share is not None)
    if evaluation.baseline:
        yield evaluation.baseline.accuracy


def _read_history(path: Path) -> list[dict[str, Any]]:
    try:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        if not lines:
            raise ValueError("there is no line in it")  # noqa: TRY301  # as any other damage
        for line in lines:
            for name in EPOCH_FIELDS:
                float(line[name])
    except FileNotFoundError as error:
        raise InputError(
            f"{path}: the epochs' metrics are missing; copy the run again or train again", path=path
        ) from error
    except OSError as error:
        raise from_os_error(error, "read", path) from error
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise _damaged(path, error) from error
    return lines


def _read_config(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(
            f"{path}: the configuration is missing; copy the run again or train again", path=path
        ) from error
    except OSError as error:
        raise from_os_error(error, "read", path) from error
    except ValueError as error:
        raise _damaged(path, error) from error


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def _damaged(path: Path, error: Exception) -> InputError:
    return InputError(
        f"{path}: it is damaged ({type(error).__name__}: {error}); copy the run again or train again", path=path
    )
