"""`report.html`: what a run knows about itself, in one file that opens offline."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from model.reports import curves
from model.reports.charts import Chart, Line, length_chart, line_chart
from model.reports.confusion import MOST_CLASSES, class_figures, matrix_cells, most_confused, never_recognised
from model.reports.page import render_page
from model.reports.words import character_name, figure, measured, percent, source_files, threshold
from model.runs.accuracy import accuracy_of
from model.runs.evaluation import RunEvaluation, Target
from model.runs.record import RunRecord
from pipeline.inspection.class_check import FEW_HELD_OUT

_MOST_PAIRS = 20


def render_report(record: RunRecord) -> bytes:
    """Make the report of a run, from nothing but what the run's folder says.

    Returns:
        HTML in UTF-8. It loads nothing, and all text from the data is escaped.
    """
    values = {
        "title": record.name,
        "record": record,
        "epochs": len(record.history),
        "curves": _curves(record),
        "model_facts": _model_facts(record),
        "evaluation": record.evaluation,
        "few": FEW_HELD_OUT,
        "source": source_files(record.evaluation),
        "last_batch": record.history[record.weights_epoch].get("batch_accuracy"),
    }
    return render_page("run_report.html.jinja", values | _measured(record.evaluation))


def _curves(record: RunRecord) -> list[Chart]:
    """Charts over epochs, each with what to read off it."""
    charts = []
    rows = {"training": record.history[-1]["rows"], "held out": record.evaluation.rows_valid}
    for what, axis in (("loss", curves.LOSS), ("accuracy", curves.ACCURACY)):
        lines = [
            curves.line("training", 2, record, f"train_{what}"),
            curves.line("held out", 1, record, f"valid_{what}"),
        ]
        ends = {line.name: line.points[-1][1] for line in lines}
        last = ", ".join(
            f"{name} {figure(end) if axis is curves.LOSS else measured(accuracy_of(round(end * rows[name]), rows[name]))}"
            for name, end in ends.items()
        )
        caption = f"After the last epoch: {last}."
        charts.append(line_chart(f"{what.capitalize()} by epoch", (curves.EPOCHS, axis), lines, caption=caption))
    rates = record.column("lr")
    course = f"from {rates[0]:.3g} to {rates[-1]:.3g}" if len(set(rates)) > 1 else f"always {rates[0]:.3g}"
    line = curves.line("learning rate", 1, record, "lr")
    axes = (curves.EPOCHS, curves.LEARNING_RATE)
    return [*charts, line_chart("Learning rate by epoch", axes, [line], caption=f"At each epoch's end, {course}.")]


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
    classes = class_figures(labels, confusion)
    return {
        "confidence": [_reliability(evaluation), _coverage(evaluation)],
        "targets": [_target_sentence(target) for target in evaluation.targets],
        "classes": classes,
        "never": len(never_recognised(labels, confusion)),
        "cells": matrix_cells(confusion) if len(labels) <= MOST_CLASSES else [],
        "most_classes": MOST_CLASSES,
        "pairs": most_confused(labels, confusion, _MOST_PAIRS),
        "lengths": _lengths(evaluation),
        "characters": _characters(evaluation.characters),
        "absent": sum(not count for _, count in evaluation.characters),
        "parameters": sum(layer.parameters for layer in evaluation.layers),
    }


def _lengths(evaluation: RunEvaluation) -> Chart:
    train, valid = evaluation.lengths_train, evaluation.lengths_valid
    cut = " and ".join(
        f"{lengths[-1]:,} {name} rows ({percent(lengths[-1] / max(1, sum(lengths)))})"
        for name, lengths in (("training", train), ("held-out", valid))
    )
    caption = (
        f"Codes before the fill. All {len(train) - 1} codes are taken by {cut}; whatever they have beyond that is cut."
    )
    return length_chart(train, valid, caption)


def _characters(characters: Sequence[tuple[str, int]]) -> list[dict[str, Any]]:
    """Bars of the characters that occur, the highest of them 1 high."""
    counts = [count for _, count in characters]
    return [
        {"name": character_name(name), "share": count / sum(counts), "height": round(count / max(counts), 3)}
        for name, count in characters
        if count
    ]


def _reliability(evaluation: RunEvaluation) -> Chart:
    before, after = evaluation.uncalibrated, evaluation.calibrated
    lines = [
        replace(
            curves.reliability_line(name, style, calibration),
            weights=[one.rows for one in calibration.bins if one.rows],
        )
        for name, style, calibration in (("before", 2, before), ("after", 1, after))
    ]
    caption = (
        f"Before and after the temperature of {figure(evaluation.temperature)}, which took the expected calibration error from "
        f"{percent(before.ece)} to {percent(after.ece)}, and the loss from {figure(evaluation.loss_uncalibrated)} to "
        f"{figure(evaluation.loss)}. A dot is one of {len(after.bins)} intervals of confidence, larger where there are more rows. "
        "On the dotted line a confidence is the share of rows that are right."
    )
    return line_chart("Reliability", curves.RELIABILITY, lines, caption=caption, diagonal=True)


def _coverage(evaluation: RunEvaluation) -> Chart:
    marks = [
        Line(
            name=percent(target.accuracy, 0),
            style=style,
            points=[(target.reached.coverage, target.reached.accuracy.share)],
        )
        for style, target in enumerate(evaluation.targets, 2)
        if target.reached
    ]
    where = f", and where {' and '.join(mark.name for mark in marks)} are reached" if marks else ""
    caption = f"What is left when rows of low confidence abstain{where}."
    return line_chart(
        "Accuracy against coverage",
        curves.COVERAGE,
        [curves.coverage_line("held out", 1, evaluation), *marks],
        caption=caption,
    )


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
            "text": f"{wanted} is reached without a threshold: of all rows, {measured(reached.accuracy)} are right.",
            "flag": "",
        }
    text = (
        f"For {wanted}, abstain below {threshold(reached.min_confidence)}: {percent(reached.coverage)} of the rows are kept, "
        f"and of those {measured(reached.accuracy)} are right."
    )
    return {"text": text, "flag": f"--min-confidence {threshold(reached.min_confidence)}"}
