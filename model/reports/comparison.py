"""The report that lays runs beside each other: curves in one chart, figures in one table, and the settings in which they differ."""

from collections.abc import Callable, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

from markupsafe import Markup

from model.architectures.base import config_to_json
from model.reports.charts import NUM_STYLES, Axis, drawable
from model.reports.charts_lines import Line, line_chart
from model.reports.page import render_page
from model.reports.run_report import (
    COVERAGE_AXES,
    LEARNING_RATE,
    RELIABILITY_AXES,
    coverage_line,
    curve_axis,
    epoch_numbers,
    reliability_line,
)
from model.reports.words import NONE, duration, figure, percent, setting, size
from model.runs.record import RunRecord
from pipeline.errors import UsageError

MOST_RUNS = NUM_STYLES
_LETTERS = "ABCDEFGH"
_IN_TABLE = frozenset({"name", "arch", "recipe", "epochs", "baseline"})


def render_comparison(records: Sequence[RunRecord]) -> bytes:
    """Make the report of several runs.

    Args:
        records: 2 to `MOST_RUNS`, of different names.

    Returns:
        HTML in UTF-8. It loads and runs nothing, and all text from the data is escaped.
    """
    different = different_settings(records)
    by_seconds = Axis(label="seconds of training", low=0)
    values = {
        "runs": [
            {
                "letter": letter,
                "style": index + 1,
                "name": record.name,
                "results": _results(record),
                "costs": _costs(record),
            }
            for index, (letter, record) in enumerate(zip(_LETTERS, records, strict=False))
        ],
        "different": {name: [setting(value) for value in values] for name, values in different.items()},
        "is_comparable": is_comparable(records),
        "datasets": _letters_by_dataset(records),
        "by_epoch": _curves(records, Axis(label="epoch", form="whole"), epoch_numbers),
        "by_seconds": _curves(records, by_seconds, lambda record: list(accumulate(record.column("seconds")))),
        "measured": _measured(records),
        "unmeasured": [record.name for record in records if record.evaluation is None],
    }
    return render_page("report_compare.html.jinja", values)


def is_comparable(records: Sequence[RunRecord]) -> bool:
    """Whether all runs were trained and measured on the same rows."""
    return len({record.model.dataset_fingerprint for record in records}) == 1


def _letters_by_dataset(records: Sequence[RunRecord]) -> dict[str, list[str]]:
    letters: dict[str, list[str]] = {}
    for letter, record in zip(_LETTERS, records, strict=False):
        letters.setdefault(record.model.dataset_fingerprint, []).append(letter)
    return letters


def different_settings(records: Sequence[RunRecord]) -> dict[str, list[Any]]:
    """Fields of configuration and architecture in which runs differ, each with its value run by run, a dash where a run has no such field.

    What the table has a column for anyway is left out, and so are the sizes of networks of different kinds.
    """
    settings = [dict(record.config) for record in records]
    if len({record.model.architecture.name for record in records}) == 1:
        settings = [
            config_to_json(record.model.architecture) | given for record, given in zip(records, settings, strict=True)
        ]
    names = dict.fromkeys(name for given in settings for name in given if name not in _IN_TABLE)
    columns = {name: [given.get(name, NONE) for given in settings] for name in names}
    return {name: values for name, values in columns.items() if any(value != values[0] for value in values)}


def names_apart(folders: Sequence[Path]) -> list[str]:
    """Name each folder by as much of the end of its path as tells it from the others.

    Raises:
        UsageError: A folder is given twice.
    """
    parts = [folder.resolve().parts for folder in folders]
    for index, path in enumerate(parts):
        if path in parts[:index]:
            raise UsageError(f"{folders[index]}: this run is given twice; name each run once", path=folders[index])
    names = []
    for path in parts:
        length = next(
            (
                length
                for length in range(1, len(path))
                if sum(other[-length:] == path[-length:] for other in parts) == 1
            ),
            len(path),
        )
        names.append(str(Path(*path[-length:])))
    return names


def _results(record: RunRecord) -> dict[str, str]:
    """What a run is worth, by column of the table."""
    evaluation = record.evaluation
    baseline = evaluation.baseline if evaluation else None
    return {
        "accuracy": percent(record.accuracy),
        "baseline": percent(baseline.accuracy if baseline else None),
        "calibration error": percent(evaluation.calibrated.ece if evaluation else None),
        "loss": figure(record.loss),
    }


def _costs(record: RunRecord) -> dict[str, str]:
    """What a run is and took, by column of the table."""
    parameters = sum(layer.parameters for layer in record.evaluation.layers) if record.evaluation else 0
    return {
        "architecture": record.model.architecture.name,
        "recipe": str(record.config.get("recipe", NONE)),
        "epochs": f"{len(record.history):,}",
        "time": duration(record.seconds),
        "parameters": f"{parameters:,}" if parameters else NONE,
        "weights": size(record.model.weights_bytes),
    }


def _curves(records: Sequence[RunRecord], x: Axis, positions: Callable[[RunRecord], Sequence[float]]) -> list[Any]:
    """The four charts over epochs or seconds."""
    rates = Axis(label=LEARNING_RATE, low=0)
    if _are_far_apart([max(filter(drawable, record.column("lr")), default=0.0) for record in records]):
        rates = Axis(label=f"{LEARNING_RATE}, logarithmic", is_log=True)
    charts = []
    for title, column, axis in (
        ("Accuracy on held-out rows", "valid_accuracy", curve_axis("accuracy")),
        ("Loss on held-out rows", "valid_loss", curve_axis("loss")),
        ("Loss on training rows", "train_loss", curve_axis("loss")),
        ("Learning rate", "lr", rates),
    ):
        lines = [
            Line(name=letter, style=index + 1, points=list(zip(positions(record), record.column(column), strict=True)))
            for index, (letter, record) in enumerate(zip(_LETTERS, records, strict=False))
        ]
        last = "; ".join(
            f"{letter} {percent(record.column(column)[-1]) if axis.form == 'share' else figure(record.column(column)[-1])}"
            for letter, record in zip(_LETTERS, records, strict=False)
        )
        svg = line_chart(title, f"By {x.label}. At the end: {last}.", (x, axis), lines)
        charts.append({"title": title, "svg": Markup(svg)})  # noqa: S704  # charts escape
    return charts


def _are_far_apart(peaks: Sequence[float]) -> bool:
    """Whether the smallest peak would lie flat on the axis of the largest one."""
    positive = [peak for peak in peaks if peak > 0]
    return bool(positive) and max(positive) >= 10 * min(positive)


def _measured(records: Sequence[RunRecord]) -> list[dict[str, Any]]:
    """Reliability and coverage of the runs that have them; nothing where none has."""
    known = [
        (letter, index + 1, record.evaluation)
        for index, (letter, record) in enumerate(zip(_LETTERS, records, strict=False))
        if record.evaluation is not None
    ]
    if not known:
        return []
    reliability = line_chart(
        "Reliability",
        "Share of rows that are right by confidence, after each run's temperature.",
        RELIABILITY_AXES,
        [reliability_line(letter, style, evaluation.calibrated) for letter, style, evaluation in known],
        diagonal=True,
    )
    coverage = line_chart(
        "Accuracy against coverage",
        "Accuracy among the rows that are kept, by how many are kept.",
        COVERAGE_AXES,
        [coverage_line(letter, style, evaluation) for letter, style, evaluation in known],
    )
    return [
        {"title": "Reliability, after the temperature", "svg": Markup(reliability)},  # noqa: S704  # charts escape
        {"title": "Accuracy against coverage", "svg": Markup(coverage)},  # noqa: S704  # charts escape
    ]
