"""Charts: every point lies where it can be seen, order is kept, and no figure is other than finite."""

import math
import re
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.reports.charts import Axis, add, make_scale, new_svg, nice_step, number, tick_labels, to_markup
from model.reports.charts_bars import character_chart, length_chart
from model.reports.charts_lines import Line, Mark, line_chart
from model.reports.charts_matrix import matrix_chart, most_confused
from tests.records import EVIL, NASTY, make_confusion, make_labels

VALUES = st.lists(
    st.floats(-1e14, 1e14) | st.floats(0, 1) | st.sampled_from([math.nan, math.inf, -math.inf, 1e300]), max_size=12
)
AXES = st.builds(
    Axis,
    label=st.just("x"),
    form=st.sampled_from(["number", "share", "whole"]),
    low=st.sampled_from([None, 0.0]),
    is_log=st.booleans(),
)


@settings(max_examples=200, deadline=None)
@given(AXES, VALUES)
def test_scales_are_monotone_within_their_ends_and_ticks_tell_apart(axis: Axis, values: list[float]) -> None:
    if axis.form == "whole":
        values = [float(round(value)) if math.isfinite(value) else value for value in values]
    scale = make_scale(axis, values, 20.0, 300.0)
    positions = [scale(value) for value in sorted(value for value in values if math.isfinite(value))]
    assert positions == sorted(positions)
    assert all(20 <= position <= 300.0001 for position in positions)
    assert scale.low < scale.high
    assert all(scale.low <= tick <= scale.high for tick in scale.ticks)
    assert 1 <= len(scale.ticks) <= 13
    labels = tick_labels(scale.ticks, axis.form, is_log=scale.is_log)
    assert len(set(labels)) == len(labels) or scale.high - scale.low < 1e-3 * max(abs(scale.low), abs(scale.high))
    if axis.form == "whole" and not axis.is_log:
        assert all(tick == round(tick) for tick in scale.ticks)
    inside = [value for value in values if math.isfinite(value) and abs(value) < 1e15 and not axis.is_log]
    if axis.low is None:
        slack = 1e-5 * (scale.high - scale.low)
        assert all(scale.low - slack <= value <= scale.high + slack for value in inside)


@settings(max_examples=50, deadline=None)
@given(st.floats(1e-12, 1e12), st.integers(1, 10))
def test_a_step_is_1_2_or_5_times_a_power_of_ten(span: float, num_steps: int) -> None:
    step = nice_step(span, num_steps)
    assert re.fullmatch(r"[125]e[+-]\d\d", f"{step:.0e}")
    assert math.isclose(step, float(f"{step:.0e}"))
    assert 0.99 < step * num_steps / span < 2.6


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(st.tuples(st.floats(), st.floats()), max_size=8), min_size=1, max_size=8),
    st.booleans(),
    st.booleans(),
)
def test_lines_stay_within_the_drawing(lines: list[list[tuple[float, float]]], diagonal: bool, is_log: bool) -> None:
    drawn = [Line(name=f"{index}{EVIL}", style=index + 1, points=points) for index, points in enumerate(lines)]
    marks = [Mark(point=(x, 0.5), words=(EVIL, "b")) for x in (0.5, 0.51)]
    svg = line_chart(
        EVIL, EVIL, (Axis(label="x"), Axis(label="y", is_log=is_log)), drawn, marks=marks, diagonal=diagonal
    )
    root = _parse(svg)
    points = [
        tuple(map(float, point.split(",")))
        for line in root.iter("polyline")
        for point in line.get("points", "").split()
    ]
    points += [(float(dot.get("cx", "")), float(dot.get("cy", ""))) for dot in root.iter("circle")]
    assert all(0 <= x <= 380 and 0 <= y <= 250 for x, y in points)
    ends = [
        (float(text.get("x", "")), float(text.get("y", "")))
        for text in root.iter("text")
        if "end" in text.get("class", "").split()
    ]
    for index, (x, y) in enumerate(ends):
        for other_x, other_y in ends[index + 1 :]:
            assert abs(x - other_x) > 0.5 or abs(y - other_y) > 12
    assert [text.text for text in root.iter("title")] == [EVIL]


@pytest.mark.parametrize("num_epochs", [1, 2, 3, 12, 99, 10_000])
def test_epochs_have_whole_ticks_within_the_training(num_epochs: int) -> None:
    scale = make_scale(Axis(label="epoch", form="whole"), [float(epoch + 1) for epoch in range(num_epochs)], 0, 100)
    assert all(1 <= tick <= num_epochs and tick == int(tick) for tick in scale.ticks)
    assert scale.ticks


def test_a_single_epoch_is_a_dot() -> None:
    line = Line(name="held out", style=1, points=[(1.0, 0.5)])
    root = _parse(line_chart("a", "b", (Axis(label="x", form="whole"), Axis(label="y")), [line]))
    assert len(list(root.iter("circle"))) == 1
    assert not list(root.iter("polyline"))


@pytest.mark.parametrize("num_codes", [1, 64, 65, 128, 1000, 65_536])
def test_lengths_add_up_in_few_bars(num_codes: int) -> None:
    counts = [index % 7 for index in range(num_codes + 1)]
    root = _parse(length_chart(counts, [0] * (num_codes + 1)))
    area, line = (next(root.iter(tag)).get("points", "").split() for tag in ("polygon", "polyline"))
    assert len(area) <= 2 * 65 + 2
    assert len(area) == len(line) + 2
    assert all(0 <= float(value) <= 380 for point in area + line for value in point.split(","))


@pytest.mark.parametrize(
    "names", ["ab ", [chr(code) for code in range(256)], [f"0x{code:02X}" for code in range(256)], NASTY]
)
def test_characters_that_occur_are_named(names: list[str]) -> None:
    counts = [(name, index % 5) for index, name in enumerate(names)]
    svg = character_chart([*counts, (" ", 3)])
    root = _parse(svg)
    bars = list(root.iter("rect"))
    assert len(bars) == len(list(root.iter("text"))) == 1 + sum(count > 0 for _, count in counts)
    assert "\u2423" in svg
    _, _, width, height = map(float, root.get("viewBox", "").split())
    for bar in bars:
        x, y, bar_width, bar_height = (float(bar.get(name, "")) for name in ("x", "y", "width", "height"))
        assert x >= 0
        assert x + bar_width <= width
        assert y >= 0
        assert y + bar_height <= height


@pytest.mark.parametrize("num_classes", [2, 4, 45, 60])
def test_a_matrix_has_every_count_that_is_not_0(num_classes: int) -> None:
    confusion = make_confusion(num_classes)
    root = _parse(matrix_chart(make_labels(num_classes), confusion))
    counts = next(group for group in root.iter("g")).findall("text")
    assert len(counts) == sum(count > 0 for row in confusion for count in row)
    squares = "".join(path.get("d", "") for path in root.iter("path") if "cell" in path.get("class", ""))
    assert squares.count("z") == len(counts)
    side = float(root.get("width", ""))
    assert all(
        0 < float(text.get("x", "")) < side and 0 < float(text.get("y", "")) < side for text in root.iter("text")
    )


def test_a_matrix_of_nothing_and_of_millions() -> None:
    assert not _parse(matrix_chart(["a", "b"], [[0, 0], [0, 0]])).findall("g/text")
    labels = [str(index) for index in range(30)]
    confusion = [[10**index if index == other else 0 for other in range(30)] for index in range(30)]
    texts = {text.text for text in next(_parse(matrix_chart(labels, confusion)).iter("g"))}
    assert {"1", "100", "1.0k", "10k", "100k", "1.0M", "100M", "1e+09"} <= texts


def test_the_most_confused_come_first() -> None:
    pairs = most_confused(["a", "b", "c"], [[5, 3, 0], [9, 1, 3], [0, 0, 7]], 3)
    assert [(pair.label, pair.prediction, pair.rows) for pair in pairs] == [("b", "a", 9), ("a", "b", 3), ("b", "c", 3)]
    assert pairs[0].share == 9 / 13
    assert most_confused(["a"], [[4]], 5) == []


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_nothing_but_numbers_gets_into_a_drawing(value: float) -> None:
    with pytest.raises(ValueError, match="is no coordinate"):
        number(value)


@pytest.mark.parametrize("text", NASTY)
def test_text_in_a_drawing_is_escaped(text: str) -> None:
    svg = new_svg(text, text)
    add(svg, "text", text, class_=text.encode("utf-8", "replace").decode().replace("\x00", "").replace("\x1b", ""))
    markup = to_markup(svg)
    assert "<script" not in markup
    assert "\u202e" not in "".join(_parse(markup).itertext())


def _parse(svg: str) -> ET.Element:
    return ET.fromstring(svg)
