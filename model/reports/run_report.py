"""`report.html`: what a run knows about itself, in one file that opens offline. Needs Jinja2, which the train extra brings."""

from collections.abc import Callable, Sequence
from typing import Any

from markupsafe import Markup

from model.reports.charts import Axis
from model.reports.charts_bars import character_chart, length_chart
from model.reports.charts_lines import Line, Mark, line_chart
from model.reports.charts_matrix import MOST_CLASSES, matrix_chart, most_confused
from model.reports.page import render_page
from model.reports.words import figure, percent, threshold
from model.runs.evaluation import Calibration, RunEvaluation, Target
from model.runs.record import RunRecord

LEARNING_RATE = "learning rate"
_MOST_PAIRS = 20


def render_report(record: RunRecord) -> bytes:
    """Make the report of a run, from nothing but what the run's folder says.

    Returns:
        HTML in UTF-8. It loads and runs nothing, and all text from the data is escaped.
    """
    evaluation = record.evaluation
    values = {
        "record": record,
        "epochs": len(record.history),
        "curves": [{"svg": Markup(svg), "caption": caption} for svg, caption in _curves(record)],  # noqa: S704  # charts escape
        "model_facts": _model_facts(record),
        "evaluation": evaluation,
    }
    if evaluation is not None:
        values |= _measured(evaluation)
    return render_page("report.html.jinja", values)


def _curves(record: RunRecord) -> list[tuple[str, str]]:
    """Charts over epochs, each with what to read off it."""
    epochs = epoch_numbers(record)
    x = Axis(label="epoch", form="whole")
    charts = []
    for what, name, form in (("loss", "Loss", "number"), ("accuracy", "Accuracy", "share")):
        train, valid = record.column(f"train_{what}"), record.column(f"valid_{what}")
        lines = [
            Line(name="training", style=2, points=list(zip(epochs, train, strict=True))),
            Line(name="held out", style=1, points=list(zip(epochs, valid, strict=True))),
        ]
        show: Callable[[float], str] = percent if form == "share" else figure
        caption = f"After the last epoch: training {show(train[-1])}, held out {show(valid[-1])}."
        charts.append((line_chart(f"{name} by epoch", caption, (x, curve_axis(what)), lines), caption))
    rates = record.column("lr")
    course = f"from {rates[0]:.3g} to {rates[-1]:.3g}" if len(set(rates)) > 1 else f"always {rates[0]:.3g}"
    caption = f"Learning rate at each epoch's end, {course}."
    line = Line(name=LEARNING_RATE, style=4, points=list(zip(epochs, rates, strict=True)))
    charts.append(
        (line_chart("Learning rate by epoch", caption, (x, Axis(label=LEARNING_RATE, low=0)), [line]), caption)
    )
    return charts


def curve_axis(what: str) -> Axis:
    """The y axis of `loss` or `accuracy`: a loss is looked at from 0, an accuracy where it lies."""
    return Axis(label="loss", low=0) if what == "loss" else Axis(label="accuracy", form="share")


def epoch_numbers(record: RunRecord) -> list[float]:
    """Epochs as people count them, from 1."""
    return [number + 1 for number in record.column("epoch")]


def _model_facts(record: RunRecord) -> dict[str, str]:
    model = record.model
    profile = model.profile
    return {
        "model": model.fingerprint,
        "dataset": model.dataset_fingerprint,
        "profile": f"{profile.name}, {profile.max_length} codes a row ({profile.fingerprint})",
        "weights": f"{model.weights_bytes:,} bytes, SHA-256 {model.weights_sha256[:16]}",
        "temperature": figure(model.temperature),
        "versions": ", ".join(f"{name} {number}" for name, number in model.versions.items()),
    }


def _measured(evaluation: RunEvaluation) -> dict[str, Any]:
    """What the template shows of an evaluation."""
    labels, confusion = evaluation.labels, evaluation.confusion
    charts = {
        "matrix": matrix_chart(labels, confusion) if len(labels) <= MOST_CLASSES else "",
        "reliability": _reliability(evaluation),
        "coverage": _coverage(evaluation),
        "lengths": length_chart(evaluation.lengths_train, evaluation.lengths_valid),
        "characters": character_chart(evaluation.characters)
        if any(count for _, count in evaluation.characters)
        else "",
    }
    return {
        "charts": {name: Markup(svg) for name, svg in charts.items()},  # noqa: S704  # charts escape
        "pairs": most_confused(labels, confusion, _MOST_PAIRS),
        "most_classes": MOST_CLASSES,
        "classes": class_figures(labels, confusion),
        "targets": [_target_sentence(target) for target in evaluation.targets],
        "cut": [
            {"name": name, "rows": lengths[-1], "share": lengths[-1] / max(1, sum(lengths))}
            for name, lengths in (("training", evaluation.lengths_train), ("held-out", evaluation.lengths_valid))
        ],
        "max_length": len(evaluation.lengths_train) - 1,
        "never": sum(not count for _, count in evaluation.characters),
        "others": evaluation.rows_valid - evaluation.seen.rows_as_codes,
        "parameters": sum(layer.parameters for layer in evaluation.layers),
    }


def class_figures(labels: Sequence[str], confusion: Sequence[Sequence[int]]) -> list[dict[str, Any]]:
    """Precision, recall and rows of each class; None where there is nothing to divide by."""
    predicted = [sum(column) for column in zip(*confusion, strict=True)]
    return [
        {
            "label": label,
            "rows": sum(row),
            "recall": row[index] / sum(row) if sum(row) else None,
            "precision": row[index] / predicted[index] if predicted[index] else None,
        }
        for index, (label, row) in enumerate(zip(labels, confusion, strict=True))
    ]


def reliability_line(name: str, style: int, calibration: Calibration) -> Line:
    """Accuracy by confidence, a dot an interval, larger where there are more rows."""
    bins = [interval for interval in calibration.bins if interval.rows]
    return Line(
        name=name,
        style=style,
        points=[(interval.confidence, interval.accuracy) for interval in bins],
        weights=[interval.rows for interval in bins],
    )


RELIABILITY_AXES = (
    Axis(label="confidence", form="share", low=0, high=1),
    Axis(label="accuracy", form="share", low=0, high=1),
)
COVERAGE_AXES = (Axis(label="rows kept", form="share", low=0, high=1), Axis(label="accuracy among them", form="share"))


def coverage_line(name: str, style: int, evaluation: RunEvaluation) -> Line:
    """Accuracy by the share of rows that are kept."""
    return Line(name=name, style=style, points=[(point.coverage, point.accuracy) for point in evaluation.coverage])


def _reliability(evaluation: RunEvaluation) -> str:
    lines = [
        reliability_line("before", 2, evaluation.uncalibrated),
        reliability_line("after", 1, evaluation.calibrated),
    ]
    description = "Share of rows that are right by confidence, before and after the temperature; the closer to the diagonal the better."
    return line_chart("Reliability", description, RELIABILITY_AXES, lines, diagonal=True)


def _coverage(evaluation: RunEvaluation) -> str:
    marks = [
        Mark(
            point=(target.reached.coverage, target.reached.accuracy),
            words=(percent(target.accuracy, 0), f"from {figure(target.reached.min_confidence, 3)}"),
        )
        for target in evaluation.targets
        if target.reached
    ]
    description = "Accuracy among the rows that are kept, by how many are kept. " + " ".join(
        sentence["text"] for sentence in map(_target_sentence, evaluation.targets)
    )
    lines = [coverage_line("held out", 1, evaluation)]
    return line_chart("Accuracy against coverage", description, COVERAGE_AXES, lines, marks=marks)


def _target_sentence(target: Target) -> dict[str, str]:
    """What to do for an accuracy, and the flag that does it where there is one."""
    wanted = f"{100 * target.accuracy:.10g} %"
    if target.reached is None:
        return {
            "text": f"No threshold reaches {wanted} on as many of these rows as it takes to rely on it.",
            "flag": "",
        }
    reached = target.reached
    if reached.coverage >= 1:
        return {
            "text": f"{wanted} is reached without a threshold: {percent(reached.accuracy)} of all rows are right.",
            "flag": "",
        }
    text = (
        f"For {wanted}, abstain below {threshold(reached.min_confidence)}: {percent(reached.coverage)} of the rows are kept, "
        f"and {percent(reached.accuracy) if reached.accuracy < 1 else 'all'} of those are right."
    )
    return {"text": text, "flag": f"--min-confidence {threshold(reached.min_confidence)}"}
