"""Charts of figures: lines over an axis, and how long texts are. Lines differ in colour, dashes and marks."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from markupsafe import Markup

from model.reports.svg import LINE_HEIGHT, draw_svg, ink

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SMALLEST, _LARGEST = 1e-30, 1e15
_DECADES = 6
_MOST_MARKERS = 8
_MOST_BARS = 64
_LEGEND_COLUMNS = 4
_DASHES = ((), (4, 1.5), (1.5, 1), (6, 1.5, 1.5, 1.5), (10, 2), (3, 1, 1, 1, 1, 1), (2, 2.5), (9, 1.5, 3, 1.5))
_MARKERS = "os^DvPX*"

Form = Literal["number", "share", "whole"]
Point = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Axis:
    """What an axis shows.

    Attributes:
        label: What it measures, with its unit.
        form: Of its figures; `whole` has no ticks between whole numbers.
        low: Where it begins; None begins below the smallest value.
        high: Where it ends; None ends above the largest value.
        is_log: Whether equal distances are equal ratios; of a y axis only.
    """

    label: str
    form: Form = "number"
    low: float | None = None
    high: float | None = None
    is_log: bool = False


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line, or a mark if it has one point only.

    Attributes:
        name: In words of our own.
        style: 1 to `NUM_STYLES`, its colour, dashes and marker.
        points: (x, y) in the order of drawing; where one is not finite, the line has a gap.
        weights: A weight for each point, which is then a dot of that area; empty for no dots.
    """

    name: str
    style: int
    points: Sequence[Point]
    weights: Sequence[float] = field(default=())


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A drawing, and the words beside it.

    Attributes:
        title: Of no other chart on the page.
        svg: An element that has the title for those who do not see it.
        caption: What is to be seen; may be empty.
    """

    title: str
    svg: Markup
    caption: str


def line_chart(
    title: str,
    axes: tuple[Axis, Axis],
    lines: Sequence[Line],
    *,
    caption: str = "",
    diagonal: bool = False,
    name_ends: bool = False,
) -> Chart:
    """Draw lines.

    Args:
        title: Of the chart.
        axes: x and y; what is below the y axis is drawn at its lower end.
        lines: At least one; any may be empty.
        caption: Of the chart.
        diagonal: Whether to draw the line where x is y.
        name_ends: Whether names, a letter each, stand at the lines' ends too.
    """
    x, y = axes
    if y.is_log:
        heights = [height for line in lines for _, height in line.points if _SMALLEST < height < _LARGEST]
        y = replace(y, low=max(min(heights) / 2, max(heights) / 10**_DECADES)) if heights else replace(y, is_log=False)
    floor = -math.inf if y.low is None else y.low
    lines = [replace(line, points=[_drawable(point, floor) for point in line.points]) for line in lines]

    def draw(plot: "Axes") -> None:
        plot.set_yscale("log" if y.is_log else "linear")
        if diagonal:
            plot.plot((0, 1), (0, 1), color=ink("soft"), linestyle=":", linewidth=1.2, clip_on=False)
        for line in lines:
            _draw_line(plot, line)
        if len(lines) > 1:
            _draw_legend(plot)
        _set_axes(plot, x, y)
        if name_ends:
            _name_ends(plot, lines)

    svg = draw_svg(title, draw, legend_rows=-(-len(lines) // _LEGEND_COLUMNS))
    return Chart(title=title, svg=svg, caption=caption)


def _drawable(point: Point, floor: float) -> Point:
    x, y = point
    return (x, max(y, floor)) if abs(x) + abs(y) < _LARGEST else (math.nan, math.nan)


def _draw_line(plot: "Axes", line: Line) -> None:
    xs, ys = zip(*line.points, strict=True) if line.points else ((), ())
    color, dashes, is_mark = ink(f"s{line.style}"), _DASHES[line.style - 1], len(xs) == 1
    # Between gaps a line may be one point long, which only a marker shows.
    every = 1 if math.isnan(sum(ys)) else -(-len(xs) // _MOST_MARKERS)
    plot.plot(
        xs,
        ys,
        color=color,
        linestyle="" if is_mark else (0, dashes) if dashes else "-",
        marker="" if line.weights else _MARKERS[line.style - 1],
        markersize=8 if is_mark else 5,
        markevery=(line.style % every, every) if every > 1 else None,
        clip_on=False,
        label=line.name,
    )
    if line.weights:
        areas = [6 + 60 * weight / (max(line.weights) or 1) for weight in line.weights]
        plot.scatter(xs, ys, areas, color=color, linewidths=0, clip_on=False)


def _draw_legend(plot: "Axes") -> None:
    """Name what was drawn, above it, where nothing can cover the names."""
    handles, _ = plot.get_legend_handles_labels()
    # Matplotlib fills columns; people read rows.
    by_column = [handle for column in range(_LEGEND_COLUMNS) for handle in handles[column::_LEGEND_COLUMNS]]
    plot.legend(handles=by_column, ncols=_LEGEND_COLUMNS, bbox_to_anchor=(-0.03, 1.02))


def _set_axes(plot: "Axes", x: Axis, y: Axis) -> None:
    """Name the axes and choose their ends and ticks, once all is drawn."""
    from matplotlib.ticker import MaxNLocator, NullLocator

    for drawn, axis, set_limits in ((plot.xaxis, x, plot.set_xlim), (plot.yaxis, y, plot.set_ylim)):
        drawn.set_label_text(axis.label)
        if not axis.is_log:
            is_whole = axis.form == "whole"
            drawn.set_major_locator(MaxNLocator(5, integer=is_whole, min_n_ticks=1, steps=(1, 2, 2.5, 5, 10)))
        drawn.set_major_formatter(_show_share if axis.form == "share" else _show_number)
        drawn.set_minor_locator(NullLocator())
        set_limits(axis.low, axis.high)
    plot.yaxis.set_label_coords(-0.194, 0.5)


def _show_share(share: float, _tick: object) -> str:
    return f"{100 * share:.6g} %"


def _show_number(value: float, _tick: object) -> str:
    return f"{value:,.6g}"


def _name_ends(plot: "Axes", lines: Sequence[Line]) -> None:
    """Put each name beside its line's end, or above or below it where ends lie close together; they keep their order."""
    last = [(line.name, [point for point in line.points if math.isfinite(point[1])][-1:]) for line in lines]
    ends = sorted((*plot.transData.transform(point)[::-1], name) for name, points in last for point in points)
    upwards = _stack([(x, y) for y, x, _ in ends], plot.bbox.y1)
    downwards = _stack([(x, -y) for y, x, _ in reversed(ends)], -plot.bbox.y0)
    for (_, x, name), above, below in zip(ends, upwards, reversed(downwards), strict=True):
        plot.text(x + 6, (above - below) / 2, name, va="center", weight="bold").set_transform(None)


def _stack(ends: Sequence[Point], limit: float) -> list[float]:
    """Heights for ends in rising order, moved up to a line's distance where they are as near sideways, but as a stack below a limit."""
    heights: list[float] = []
    for index, (x, y) in enumerate(ends):
        lower = [height for (other, _), height in zip(ends, heights, strict=False) if abs(x - other) < LINE_HEIGHT]
        num_above = sum(abs(x - other) < LINE_HEIGHT for other, _ in ends[index + 1 :])
        heights.append(max([min(y, limit - LINE_HEIGHT * num_above), *(height + LINE_HEIGHT for height in lower)]))
    return heights


def length_chart(lengths_train: Sequence[int], lengths_valid: Sequence[int], caption: str) -> Chart:
    """Draw shares of rows by number of codes, training rows as an area and held-out rows as a line.

    Args:
        lengths_train: Rows by number of codes, [L + 1].
        lengths_valid: The same of held-out rows, [L + 1].
        caption: Of the chart.
    """
    width = -(-len(lengths_train) // _MOST_BARS)
    edges = [*range(0, len(lengths_train), width), len(lengths_train)]
    per = "share of rows" if width == 1 else f"share of rows, by {width} codes"

    def draw(plot: "Axes") -> None:
        train, valid = (_shares(lengths, width) for lengths in (lengths_train, lengths_valid))
        plot.stairs(train, edges, fill=True, color=ink("s1"), alpha=0.45, clip_on=False, label="training")
        plot.stairs(valid, edges, baseline=None, color=ink("s2"), clip_on=False, label="held out")
        _draw_legend(plot)
        x = Axis(label="codes", form="whole", low=0, high=edges[-1])
        _set_axes(plot, x, Axis(label=per, form="share", low=0))

    return Chart(title="Lengths", svg=draw_svg("Lengths", draw), caption=caption)


def _shares(counts: Sequence[int], width: int) -> list[float]:
    total = sum(counts) or 1
    return [sum(counts[begin : begin + width]) / total for begin in range(0, len(counts), width)]
