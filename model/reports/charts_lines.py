"""Charts of lines: curves over epochs, reliability, coverage. Lines differ in colour and in dashes, and carry their names at their ends."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element

from model.reports.charts import FONT, WIDTH, Axis, Plot, add, drawable, new_plot, number, to_markup
from model.reports.words import shorten, text_width

_LONGEST_NAME = 14
_LINE_HEIGHT = 13.0

Point = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line.

    Attributes:
        name: Stands at its end.
        style: 1 to `NUM_STYLES`, its colour and dashes.
        points: (x, y) in the order of drawing; where one is not finite, the line has a gap.
        weights: A weight for each point, which is then a dot of that area; empty for no dots.
    """

    name: str
    style: int
    points: Sequence[Point]
    weights: Sequence[float] = field(default=())


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A point worth pointing at, with its words."""

    point: Point
    words: tuple[str, str]


def line_chart(
    title: str,
    description: str,
    axes: tuple[Axis, Axis],
    lines: Sequence[Line],
    *,
    marks: Sequence[Mark] = (),
    diagonal: bool = False,
) -> str:
    """Draw lines as SVG.

    Args:
        title: Of the chart.
        description: What is to be seen, in words.
        axes: x and y.
        lines: At least one; any may be empty.
        marks: Points to label.
        diagonal: Whether to draw the line where x is y.
    """
    names = [shorten(line.name, _LONGEST_NAME) for line in lines] if len(lines) > 1 else [""]
    right = (20 if any(line.weights for line in lines) else 14) + FONT * max(map(text_width, names))
    points = [point for line in lines for point in line.points if all(map(drawable, point))]
    plot = new_plot(title, description, axes, points + [mark.point for mark in marks], right=right)
    if diagonal:
        low, high = max(plot.x.low, plot.y.low), min(plot.x.high, plot.y.high)
        if low < high:
            add(plot.svg, "line", class_="ideal", x1=plot.x(low), y1=plot.y(low), x2=plot.x(high), y2=plot.y(high))
    ends = [(_draw(plot, line), index) for index, line in enumerate(lines)]
    for x, y, index in _apart([(*end, index) for end, index in ends if end and names[index]], plot):
        add(plot.svg, "text", names[index], class_=f"end s{lines[index].style}", x=x + 6, y=y + 4)
    _draw_marks(plot, marks)
    return to_markup(plot.svg)


def _draw(plot: Plot, line: Line) -> Point | None:
    """Draw a line and its dots; returns where it ends, or None where nothing of it can be drawn."""
    style = f"s{line.style}"
    pieces = _pieces(line.points)
    for piece in pieces:
        if len(piece) > 1:
            path = " ".join(f"{number(plot.x(x))},{number(plot.y(y))}" for x, y in piece)
            add(plot.svg, "polyline", class_=style, points=path)
        else:
            _dot(plot.svg, style, plot, piece[0])
    reach = 0.0
    if line.weights:
        largest = max(line.weights) or 1.0
        for point, weight in zip(line.points, line.weights, strict=True):
            if all(map(drawable, point)):
                reach = 2 + 4 * (weight / largest) ** 0.5
                _dot(plot.svg, style, plot, point, reach)
    elif pieces and len(pieces[-1]) > 1:
        _dot(plot.svg, style, plot, pieces[-1][-1])
    return (plot.x(pieces[-1][-1][0]) + reach, plot.y(pieces[-1][-1][1])) if pieces else None


def _pieces(points: Sequence[Point]) -> list[list[Point]]:
    """The stretches between gaps, none of them empty."""
    pieces: list[list[Point]] = [[]]
    for point in points:
        if all(map(drawable, point)):
            pieces[-1].append(point)
        elif pieces[-1]:
            pieces.append([])
    return [piece for piece in pieces if piece]


def _dot(svg: Element, style: str, plot: Plot, point: Point, radius: float = 2.5) -> None:
    add(svg, "circle", class_=style, cx=plot.x(point[0]), cy=plot.y(point[1]), r=radius)


def _apart(ends: Sequence[tuple[float, float, int]], plot: Plot) -> list[tuple[float, float, int]]:
    """Ends of lines as (x, y, index), moved up or down where labels at about the same x would cover each other, within the plot."""
    columns: list[list[tuple[float, float, int]]] = []
    for end in sorted(ends):
        if columns and end[0] - columns[-1][0][0] < _LINE_HEIGHT:
            columns[-1].append(end)
        else:
            columns.append([end])
    placed = []
    for column in columns:
        heights = _spread([y for _, y, _ in sorted(column, key=_by_height)], plot.y.end, plot.y.start)
        placed += [(x, y, index) for (x, _, index), y in zip(sorted(column, key=_by_height), heights, strict=True)]
    return placed


def _by_height(end: tuple[float, float, int]) -> tuple[float, int]:
    return end[1], end[2]


def _spread(heights: Sequence[float], top: float, bottom: float) -> list[float]:
    """Rising heights with a line's height between them, as near as may be to where they were."""
    spread: list[float] = []
    for height in heights:
        spread.append(max(height, spread[-1] + _LINE_HEIGHT if spread else top))
    limit = bottom
    for index in reversed(range(len(spread))):
        spread[index] = min(spread[index], limit)
        limit = spread[index] - _LINE_HEIGHT
    return spread


def _draw_marks(plot: Plot, marks: Sequence[Mark]) -> None:
    """Draw marks with their words in two lines below them, further down where they would cover those of the mark to the left."""
    taken_x, taken_y = -math.inf, 0.0
    for mark in sorted(marks, key=lambda mark: mark.point):
        x, y = plot.x(mark.point[0]), plot.y(mark.point[1])
        half = FONT * max(map(text_width, mark.words)) / 2
        middle = min(max(x, plot.x.start + half + 2), WIDTH - half - 2)
        top = y + 17
        if middle - half < taken_x and abs(top - taken_y) < 2 * _LINE_HEIGHT:
            top = taken_y + 2 * _LINE_HEIGHT
        if top + _LINE_HEIGHT > plot.y.start:
            top = y - 10 - _LINE_HEIGHT
        add(plot.svg, "circle", class_="mark", cx=x, cy=y, r=4.5)
        for number_of_line, words in enumerate(mark.words):
            height = top + number_of_line * _LINE_HEIGHT
            add(plot.svg, "text", words, class_="mark", x=middle, y=height, text_anchor="middle")
        taken_x, taken_y = middle + half, top
