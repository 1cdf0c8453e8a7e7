"""The report that lays runs beside each other: figures in one table, curves in the same charts, and the settings in which they differ."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from model.architectures.base import config_to_json
from model.reports import curves
from model.reports.charts import Chart, line_chart
from model.reports.page import render_page
from model.reports.svg import NUM_STYLES
from model.reports.words import NONE, duration, figure, percent, setting, size, source_files
from model.runs.record import RunRecord
from pipeline.errors import UsageError

MOST_RUNS = NUM_STYLES
_LETTERS = "ABCDEFGH"
_WORTH = ("accuracy", "95 % interval", "rows", "macro-F1", "baseline", "its interval", "calibration error", "loss")
_MAKE = ("architecture", "recipe", "epochs", "time", "parameters", "weights", "trained")
_TEXTS = ("dataset", "made of")
_DATA = ("classes", "rows to train from", "fingerprint", *_TEXTS)
_IN_TABLE = frozenset({"name", "arch", "recipe", "epochs", "baseline"})


def render_comparison(records: Sequence[RunRecord]) -> bytes:
    """Make the report of several runs.

    Args:
        records: 2 to `MOST_RUNS`, of different names.

    Returns:
        HTML in UTF-8. It loads nothing, and all text from the data is escaped.
    """
    different = different_settings(records)
    values = {
        "title": f"{len(records)} runs compared",
        "runs": [
            {"letter": letter, "name": record.name, "columns": _columns(record)}
            for letter, _, record in _lettered(records)
        ],
        "tables": {
            "What the runs are worth": _WORTH,
            "What the runs are": _MAKE,
            "What the runs were trained on": _DATA,
        },
        "texts": _TEXTS,
        "different": {name: [setting(value) for value in values] for name, values in different.items()},
        "is_comparable": is_comparable(records),
        "datasets": _letters_by_dataset(records),
        "classes": _letters_by_classes(records),
        "apart": what_differs(records),
        "curves": _curves(records),
        "measured": _measured(records),
    }
    return render_page("comparison.html.jinja", values)


def is_comparable(records: Sequence[RunRecord]) -> bool:
    """Whether all runs were trained and measured on the same rows."""
    return len({record.model.dataset_fingerprint for record in records}) == 1


def what_differs(records: Sequence[RunRecord]) -> str:
    """What keeps the figures of the runs from being compared: ``datasets``, ``classes``, ``datasets and classes``, or nothing."""
    found = {"datasets": not is_comparable(records), "classes": len(_letters_by_classes(records)) > 1}
    return " and ".join(name for name, differs in found.items() if differs)


def _letters_by_classes(records: Sequence[RunRecord]) -> dict[tuple[str, ...], list[str]]:
    """Classes in sorted order, since the same ones in another order measure the same."""
    letters: dict[tuple[str, ...], list[str]] = {}
    for letter, _, record in _lettered(records):
        letters.setdefault(tuple(sorted(record.model.labels)), []).append(letter)
    return letters


def _letters_by_dataset(records: Sequence[RunRecord]) -> dict[str, list[str]]:
    letters: dict[str, list[str]] = {}
    for letter, _, record in _lettered(records):
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


def _columns(record: RunRecord) -> dict[str, tuple[float | str | None, str]]:
    """What a run is worth, is and took: by column of the tables, what to sort by and what to show."""
    evaluation = record.evaluation
    accuracy, baseline = evaluation.accuracy, evaluation.baseline.accuracy if evaluation.baseline else None
    error = evaluation.calibrated.ece
    parameters = sum(layer.parameters for layer in evaluation.layers)
    architecture, recipe = record.model.architecture.name, str(record.config.get("recipe", NONE))
    sources = source_files(evaluation)
    return {
        "accuracy": (accuracy.share, percent(accuracy.share)),
        "95 % interval": (accuracy.low, accuracy.interval),
        "rows": (accuracy.rows, f"{accuracy.rows:,}"),
        "macro-F1": (evaluation.macro_f1, figure(evaluation.macro_f1)),
        "baseline": (baseline.share, percent(baseline.share)) if baseline else (None, NONE),
        "its interval": (baseline.low, baseline.interval) if baseline else (None, NONE),
        "calibration error": (error, percent(error)),
        "loss": (evaluation.loss, figure(evaluation.loss)),
        "architecture": (architecture, architecture),
        "recipe": (recipe, recipe),
        "epochs": (len(record.history), f"{len(record.history):,}"),
        "time": (record.seconds, duration(record.seconds)),
        "parameters": (parameters, f"{parameters:,}"),
        "weights": (record.model.weights_bytes, size(record.model.weights_bytes)),
        "trained": (record.trained, record.trained),
        "classes": (len(record.model.labels), f"{len(record.model.labels):,}"),
        "rows to train from": (evaluation.rows_train, f"{evaluation.rows_train:,}"),
        "fingerprint": (record.model.dataset_fingerprint, record.model.dataset_fingerprint),
        "dataset": (evaluation.dataset, evaluation.dataset),
        "made of": (sources, sources),
    }


def _curves(records: Sequence[RunRecord]) -> list[Chart]:
    """Charts over epochs and over seconds."""
    peaks = [peak for record in records if (peak := max(record.column("lr"))) > 0]
    rates = curves.LEARNING_RATE
    if peaks and max(peaks) >= 10 * min(peaks):  # The smallest would lie flat on the axis of the largest one.
        rates = replace(rates, label="learning rate, logarithmic", is_log=True)
    charts = []
    for title, column, x, y in (
        ("Accuracy on held-out rows", "valid_accuracy", curves.EPOCHS, curves.ACCURACY),
        ("Loss on held-out rows", "valid_loss", curves.EPOCHS, curves.LOSS),
        ("Loss on training rows", "train_loss", curves.EPOCHS, curves.LOSS),
        ("Accuracy on held-out rows by time", "valid_accuracy", curves.SECONDS, curves.ACCURACY),
        ("Loss on held-out rows by time", "valid_loss", curves.SECONDS, curves.LOSS),
        ("Learning rate", "lr", curves.EPOCHS, rates),
    ):
        lines = [curves.line(letter, style, record, column, x) for letter, style, record in _lettered(records)]
        show: Callable[[float], str] = percent if y is curves.ACCURACY else figure
        last = ", ".join(f"{line.name} {show(line.points[-1][1])}".replace(" ", "\u00a0") for line in lines)
        caption = f"After the last epoch: {last}." if x is curves.EPOCHS and y is not rates else ""
        charts.append(line_chart(title, (x, y), lines, caption=caption, name_ends=True))
    return charts


def _measured(records: Sequence[RunRecord]) -> list[Chart]:
    """Reliability and coverage of the runs."""
    known = [(letter, style, run.evaluation) for letter, style, run in _lettered(records)]
    return [
        line_chart(
            "Reliability",
            curves.RELIABILITY,
            [curves.reliability_line(letter, style, evaluation.calibrated) for letter, style, evaluation in known],
            caption="Share of rows that are right by confidence, after each run's temperature; the closer to the dotted line the better.",
            diagonal=True,
        ),
        line_chart(
            "Accuracy against coverage",
            curves.COVERAGE,
            [curves.coverage_line(letter, style, evaluation) for letter, style, evaluation in known],
            caption="What is left when rows of low confidence abstain.",
            name_ends=True,
        ),
    ]


def _lettered(records: Sequence[RunRecord]) -> list[tuple[str, int, RunRecord]]:
    """Each run with its letter and the style of its lines."""
    return list(zip(_LETTERS, range(1, NUM_STYLES + 1), records, strict=False))
