"""`report.html`: what happened in a training, in one file that opens offline. Needs Jinja2, which the train extra brings."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 640, 240, 56, 28, 10


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of a chart: a label, a CSS class, and a point for each epoch in SVG's own units."""

    label: str
    style: str
    points: str
    last: str
    last_x: float
    last_y: float


@dataclass(frozen=True, kw_only=True)
class Chart:
    """Lines over epochs, with ticks of (position, text)."""

    title: str
    lines: list[Line]
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]


def make_chart(title: str, series: Sequence[tuple[str, str, Sequence[float]]], *, percent: bool) -> Chart:
    """Scale series of (label, CSS class, a value for each epoch) into a chart.

    Args:
        title: Of the chart.
        series: At least one, of at least one value.
        percent: Whether values are shares of one.
    """
    highest = 1.0 if percent else max(max(values) for _, _, values in series) or 1.0
    num_epochs = len(series[0][2])

    def x(epoch: int) -> float:
        return round(LEFT + (WIDTH - LEFT - 90) * (epoch / max(1, num_epochs - 1)), 1)

    def y(value: float) -> float:
        return round(TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / highest), 1)

    def shown(value: float) -> str:
        return f"{value:.1%}" if percent else f"{value:.3f}"

    lines = [
        Line(
            label=label,
            style=style,
            points=" ".join(f"{x(epoch)},{y(value)}" for epoch, value in enumerate(values)),
            last=shown(values[-1]),
            last_x=x(num_epochs - 1),
            last_y=y(values[-1]),
        )
        for label, style, values in series
    ]
    epochs = sorted({0, num_epochs // 2, num_epochs - 1})
    return Chart(
        title=title,
        lines=lines,
        x_ticks=[(x(epoch), str(epoch + 1)) for epoch in epochs],
        y_ticks=[(y(highest * step / 4), shown(highest * step / 4)) for step in range(5)],
    )


def render_report(
    *,
    title: str,
    history: list[dict[str, Any]],
    labels: list[str],
    confusion: list[list[int]],
    facts: dict[str, Any],
    config: dict[str, Any],
) -> bytes:
    """Make the report.

    Args:
        title: Its heading.
        history: A line of metrics for each epoch, at least one.
        labels: K class names.
        confusion: Held-out rows by true class and predicted class, int [K][K].
        facts: What to show on top: fingerprints, counts, versions.
        config: The resolved configuration.

    Returns:
        UTF-8. All text from the data is escaped.
    """

    def column(name: str) -> list[float]:
        return [float(line[name]) for line in history]

    charts = [
        make_chart(
            "Loss",
            [("training", "train", column("train_loss")), ("held out", "valid", column("valid_loss"))],
            percent=False,
        ),
        make_chart(
            "Accuracy",
            [("training", "train", column("train_accuracy")), ("held out", "valid", column("valid_accuracy"))],
            percent=True,
        ),
    ]
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    html = environment.get_template("report.html.jinja").render(
        title=title,
        charts=charts,
        width=WIDTH,
        height=HEIGHT,
        left=LEFT,
        bottom=BOTTOM,
        accuracy=history[-1]["valid_accuracy"],
        classes=_classes(labels, confusion),
        labels=labels,
        confusion=confusion,
        facts=facts,
        config=config,
    )
    return html.encode()


def _classes(labels: list[str], confusion: list[list[int]]) -> list[dict[str, Any]]:
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
