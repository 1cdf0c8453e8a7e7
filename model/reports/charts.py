"""Scales, axes and the SVG that charts are made of. For the report's charts only; text and numbers are escaped and finite here, once."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal
from xml.etree.ElementTree import Element, SubElement, tostring

from model.reports.words import text_width, visible

WIDTH, HEIGHT, FONT = 380.0, 250.0, 11.0
NUM_STYLES = 8
_TOP, _BOTTOM, _GAP = 12.0, 40.0, 6.0
_LARGEST, _SMALLEST = 1e15, 1e-30

Form = Literal["number", "share", "whole"]


@dataclass(frozen=True, kw_only=True)
class Axis:
    """What an axis shows.

    Attributes:
        label: What it measures, with its unit.
        form: Of its figures; `whole` has no ticks between whole numbers.
        low: Where it begins; None begins below the smallest value.
        high: Where it ends; None ends above the largest value.
        is_log: Whether equal distances are equal ratios.
    """

    label: str
    form: Form = "number"
    low: float | None = None
    high: float | None = None
    is_log: bool = False


@dataclass(frozen=True)
class Scale:
    """From values to positions, monotone, both ends included; values beyond an end are drawn at it.

    Attributes:
        low: Value at `start`.
        high: Value at `end`, above `low`.
        start: Position of `low`, in the SVG's units.
        end: Position of `high`.
        ticks: Values to label, within both ends, rising.
        is_log: Whether equal distances are equal ratios; both ends are positive then.
    """

    low: float
    high: float
    start: float
    end: float
    ticks: list[float]
    is_log: bool = False

    def __call__(self, value: float) -> float:
        """The position of a finite value."""
        value = min(self.high, max(self.low, value))
        low, high = self.low, self.high
        if self.is_log:
            value, low, high = math.log(value), math.log(low), math.log(high)
        return self.start + (self.end - self.start) * (value - low) / (high - low)


def drawable(value: float) -> bool:
    """Whether a value can be put on a scale; what cannot is a gap."""
    return math.isfinite(value) and abs(value) < _LARGEST


def nice_step(span: float, num_steps: int) -> float:
    """The 1, 2 or 5 times a power of ten that divides a span into about so many steps.

    After Heckbert, "Nice numbers for graph labels", Graphics Gems, 1990.
    """
    rough = span / num_steps
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * factor for factor in (1, 2, 5, 10) if rough <= power * factor * 1.0000001)


def make_scale(axis: Axis, values: Sequence[float], start: float, end: float) -> Scale:
    """Fit a scale to an axis and the values on it, of which only the `drawable` count; there may be none."""
    values = [value for value in values if drawable(value)]
    if axis.is_log:
        return _log_scale(values, start, end)
    low = min(values, default=0.0) if axis.low is None else axis.low
    high = max(values, default=1.0) if axis.high is None else axis.high
    if high - low <= 1e-9 * max(abs(low), abs(high)) or high - low < _SMALLEST:
        around = 0.5 if axis.form == "whole" or abs(low) < _SMALLEST else abs(low) / 2
        low, high = (low - (axis.low is None) * around, low + around)
    step = nice_step(high - low, 5)
    if axis.form == "whole":
        step = max(1.0, round(step))
    elif axis.low is None or axis.high is None:  # Curves end at a tick; whole numbers, such as epochs, do not.
        low = low if axis.low is not None else math.floor(low / step + 1e-6) * step
        high = high if axis.high is not None else math.ceil(high / step - 1e-6) * step
    first, last = math.ceil(low / step - 1e-6), math.floor(high / step + 1e-6)
    ticks = [min(high, max(low, index * step)) for index in range(first, last + 1)]
    return Scale(low, high, start, end, ticks)


def _log_scale(values: Sequence[float], start: float, end: float) -> Scale:
    """Whole powers of ten, at most eight of them: what is smaller is drawn at the lower end."""
    positive = [value for value in values if value > _SMALLEST]
    last = math.ceil(math.log10(max(positive, default=1.0)) - 1e-9)
    # A little below the smallest value, so that no line lies on the axis.
    first = max(last - 8, math.floor(math.log10(min(positive, default=0.1)) - 0.05))
    powers = [10.0**power for power in range(first, last + 1)]
    return Scale(powers[0], powers[-1], start, end, powers, is_log=True)


def tick_labels(ticks: Sequence[float], form: Form, *, is_log: bool = False) -> list[str]:
    """Figures with just as many decimals as tell neighbours apart."""
    if is_log:
        return [_with_exponent(tick) for tick in ticks]
    factor = 100 if form == "share" else 1
    step = min((b - a for a, b in pairwise(ticks)), default=1.0) * factor
    largest = max(map(abs, ticks), default=0) * factor
    if largest >= 1e6 or (0 < largest < 1e-3):
        return [_with_exponent(tick * factor) for tick in ticks]
    digits = max(0, -math.floor(math.log10(step) + 1e-6))
    return [f"{tick * factor:,.{digits}f}{' %' if form == 'share' else ''}" for tick in ticks]


def _with_exponent(value: float) -> str:
    """A figure as ``2e-5``, at most three digits before the exponent."""
    if not value:
        return "0"
    mantissa, exponent = f"{value:.2e}".split("e")
    return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"


def new_svg(title: str, description: str, width: float = WIDTH, height: float = HEIGHT) -> Element:
    """A drawing with the words that a screen reader says of it."""
    svg = Element("svg", {"viewBox": f"0 0 {number(width)} {number(height)}", "role": "img"})
    SubElement(svg, "title").text = visible(title)
    SubElement(svg, "desc").text = visible(description)
    return svg


def add(parent: Element, tag: str, text: str | None = None, **attributes: str | float) -> Element:
    """Add an element; names of attributes have `_` for `-`, and a last `_` is dropped."""
    words = {
        name.rstrip("_").replace("_", "-"): value if isinstance(value, str) else number(value)
        for name, value in attributes.items()
    }
    child = SubElement(parent, tag, words)
    if text is not None:
        child.text = visible(text)
    return child


def number(value: float) -> str:
    """A coordinate, to a tenth of a unit.

    Raises:
        ValueError: It is not finite; no chart may draw it.
    """
    if not math.isfinite(value):
        raise ValueError(f"{value} is no coordinate")
    return (
        f"{value:.1f}".removesuffix(".0").replace("-0", "0") if abs(value) < 0.05 else f"{value:.1f}".removesuffix(".0")
    )


def to_markup(svg: Element) -> str:
    """The drawing as it stands in a page; all text in it is escaped."""
    return tostring(svg, encoding="unicode")


@dataclass(frozen=True)
class Plot:
    """A drawing with both axes, and the scales to draw on it with."""

    svg: Element
    x: Scale
    y: Scale


def new_plot(
    title: str,
    description: str,
    axes: tuple[Axis, Axis],
    points: Sequence[tuple[float, float]],
    *,
    right: float = 10.0,
    height: float = HEIGHT,
) -> Plot:
    """Draw grid, ticks and labels for points of (x, y).

    Args:
        title: Of the drawing.
        description: What is to be seen, in words.
        axes: x and y.
        points: What will be drawn.
        right: Room beside the plot, for labels at the ends of lines.
        height: Of the drawing.
    """
    svg = new_svg(title, description, WIDTH, height)
    x_axis, y_axis = axes
    bottom = height - _BOTTOM
    y = make_scale(y_axis, [value for _, value in points], bottom, _TOP)
    y_texts = tick_labels(y.ticks, y_axis.form, is_log=y.is_log)
    left = 26 + FONT * max(map(text_width, y_texts), default=0)
    x = make_scale(x_axis, [value for value, _ in points], left, WIDTH - right)
    for tick, text in zip(y.ticks, y_texts, strict=True):
        add(svg, "line", class_="grid", x1=left, x2=WIDTH - right, y1=y(tick), y2=y(tick))
        add(svg, "text", text, x=left - _GAP, y=y(tick) + 4, text_anchor="end")
    for tick, text in zip(x.ticks, tick_labels(x.ticks, x_axis.form, is_log=x.is_log), strict=True):
        add(svg, "line", class_="axis", x1=x(tick), x2=x(tick), y1=bottom, y2=bottom + 4)
        add(svg, "text", text, x=x(tick), y=bottom + 16, text_anchor="middle")
    add(svg, "line", class_="axis", x1=left, x2=WIDTH - right, y1=bottom, y2=bottom)
    add(svg, "text", x_axis.label, class_="name", x=(left + WIDTH - right) / 2, y=height - 6, text_anchor="middle")
    middle = (_TOP + bottom) / 2
    turn = f"rotate(-90 11 {number(middle)})"
    add(svg, "text", y_axis.label, class_="name", x=11, y=middle, text_anchor="middle", transform=turn)
    return Plot(svg, x, y)
