"""Charts: everything is drawn where it can be seen, and names never cover each other."""

import math
import re
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.reports.charts import Axis, Chart, Form, Line, length_chart, line_chart
from model.reports.svg import NUM_STYLES

X, Y = Axis(label="epoch", form="whole", low=1), Axis(label="loss", low=0)
VALUES = st.floats(-1e14, 1e14) | st.floats(0, 1) | st.sampled_from([math.nan, math.inf, -math.inf, 1e300, 0.0])
POINTS = st.lists(st.tuples(VALUES, VALUES), max_size=12)
AXES = st.builds(
    Axis, label=st.just("y"), form=st.sampled_from(["number", "share", "whole"]), low=st.sampled_from([None, 0.0])
)


def make_lines(*columns: list[float]) -> list[Line]:
    """Lines over the epochs from 1 on, named by letters."""
    return [
        Line(name=chr(ord("A") + index), style=index + 1, points=[(at + 1, value) for at, value in enumerate(column)])
        for index, column in enumerate(columns)
    ]


def parse(chart: Chart) -> ET.Element:
    return ET.fromstring(chart.svg)


def places(root: ET.Element, text: str) -> list[tuple[float, float]]:
    """Where a text stands, in the order of drawing."""
    return [(float(one.get("x", "")), float(one.get("y", ""))) for one in root.iter("text") if one.text == text]


def corners(root: ET.Element) -> list[tuple[float, float]]:
    """Every place where something is drawn."""
    found = [(float(use.get("x", "")), float(use.get("y", ""))) for use in root.iter("use")]
    for group in root:
        if group.tag == "path":
            found += [(float(x), float(y)) for x, y in re.findall(r"[ML] ([-\d.]+) ([-\d.]+)", group.get("d", ""))]
    return found


def lines_of(root: ET.Element, style: int) -> list[str]:
    """The paths that have a style's colour, those of the legend included."""
    return [path.get("d", "") for path in root.iter("path") if f"stroke: var(--s{style})" in path.get("style", "")]


def markers_of(root: ET.Element, style: int) -> int:
    """Marks in a style's colour, that of the legend included."""
    return sum(f"fill: var(--s{style})" in use.get("style", "") for use in root.iter("use"))


@settings(max_examples=25, deadline=None)
@given(st.lists(POINTS, min_size=1, max_size=NUM_STYLES), AXES, st.booleans(), st.booleans())
def test_whatever_the_figures_all_is_drawn_within_the_drawing(
    columns: list[list[tuple[float, float]]], y: Axis, is_log: bool, name_ends: bool
) -> None:
    x = Axis(label="x")
    lines = [Line(name="ABCDEFGH"[index], style=index + 1, points=points) for index, points in enumerate(columns)]
    y = replace(y, is_log=is_log, low=None if is_log else y.low)
    root = parse(line_chart("title", (x, y), lines, name_ends=name_ends, diagonal=not name_ends))
    _, _, width, height = map(float, root.get("viewBox", "").split())
    for point in corners(root):
        assert -1 <= point[0] <= width + 1, point
        assert -1 <= point[1] <= height + 1, point
    assert {text.text for text in root.iter("text")} >= {x.label, y.label}
    assert root.get("role") == "img"


def test_lines_differ_in_dashes_and_marks_as_well() -> None:
    root = parse(line_chart("a", (X, Y), make_lines(*([1.0, 2.0 + index] for index in range(NUM_STYLES)))))
    looks = set()
    for style in range(1, NUM_STYLES + 1):
        dashes = re.search(r"stroke-dasharray: ([\d.,]+)", _style_of(root, style))
        use = next(use for use in root.iter("use") if f"var(--s{style})" in use.get("style", ""))
        marker = next(path for path in root.iter("path") if f"#{path.get('id')}" == use.get("href"))
        looks |= {("dashes", dashes[1] if dashes else ""), ("marker", marker.get("d"))}
    assert len(looks) == 2 * NUM_STYLES


def _style_of(root: ET.Element, style: int) -> str:
    return next(path.get("style", "") for path in root.iter("path") if f"var(--s{style})" in path.get("style", ""))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.floats(0, 1), min_size=1, max_size=4), min_size=2, max_size=NUM_STYLES))
def test_names_never_cover_each_other_and_keep_the_order_of_the_ends(columns: list[list[float]]) -> None:
    lines = make_lines(*columns)
    root = parse(line_chart("a", (X, Y), lines, name_ends=True))
    named = [places(root, line.name) for line in lines]
    assert all(len(both) == 2 for both in named)
    for stand in zip(*named, strict=True):  # at the ends, and in the legend
        for index, (x, y) in enumerate(stand):
            assert all(abs(x - other_x) > 10 or abs(y - other_y) > 10 for other_x, other_y in stand[index + 1 :])
    ends = [at_end for at_end, _ in named]
    for line, (x, y) in zip(lines, ends, strict=True):
        for other, (other_x, other_y) in zip(lines, ends, strict=True):
            if abs(x - other_x) < 1 and line.points[-1][1] > other.points[-1][1] + 1e-9:
                assert y < other_y


def test_what_is_not_finite_is_a_gap_and_what_stands_alone_a_mark() -> None:
    values = [1.0, 2.0, math.nan, 3.0, math.inf, 2.0, 1.0, *[1.0] * 50]
    root = parse(line_chart("a", (X, Y), make_lines(values)))
    (drawn,) = lines_of(root, 1)
    assert drawn.count("M") == 3
    assert markers_of(root, 1) == len(values) - 2


def test_one_epoch_is_a_mark_and_many_have_few_marks() -> None:
    root = parse(line_chart("a", (X, Y), make_lines([0.5])))
    assert markers_of(root, 1) == 1
    assert not lines_of(root, 1)
    assert 4 <= markers_of(parse(line_chart("a", (X, Y), make_lines([0.5] * 1000))), 1) <= 9


@pytest.mark.parametrize("num_epochs", [1, 2, 3, 12, 99, 10_000])
def test_epochs_have_whole_ticks_within_the_training(num_epochs: int) -> None:
    root = parse(line_chart("a", (X, Y), make_lines([1.0] * num_epochs)))
    (label,) = places(root, "epoch")
    below = [text.text or "" for text in root.iter("text") if label[1] - 20 < float(text.get("y", "")) < label[1]]
    assert below
    assert all(1 <= int(text.replace(",", "")) <= num_epochs for text in below)


@pytest.mark.parametrize(
    ("form", "values", "ticks"),
    [
        ("share", [0.0, 1.0], {"0 %", "50 %", "100 %"}),
        ("share", [0.97515, 0.97525], {"97.515 %", "97.52 %", "97.525 %"}),
        ("number", [0.0, 1e-5], {"5e-06"}),
        ("number", [0.0, 4e6], {"1e+06"}),
        ("number", [0.0, 40_000.0], {"20,000"}),
    ],
)
def test_figures_at_the_ticks_tell_them_apart(form: Form, values: list[float], ticks: set[str]) -> None:
    root = parse(line_chart("a", (X, Axis(label="y", form=form)), make_lines(values)))
    texts = [text.text for text in root.iter("text")]
    assert ticks <= set(texts)
    assert len(set(texts)) == len(texts)


def test_rates_far_apart_are_drawn_by_ratio_and_none_at_the_lower_end() -> None:
    columns = [[10.0**-index, 10.0**-index, 0.0] for index in range(3)]
    root = parse(line_chart("a", (X, Axis(label="rate", is_log=True)), make_lines(*columns)))
    heights = [
        [float(y) for _, y in re.findall(r"[ML] ([\d.]+) ([\d.]+)", lines_of(root, style)[0])] for style in (1, 2, 3)
    ]
    first = [height[0] for height in heights]
    assert first[1] - first[0] == pytest.approx(first[2] - first[1], abs=0.2)
    assert len({height[2] for height in heights}) == 1
    assert heights[0][2] > first[2] + 5


@pytest.mark.parametrize("num_codes", [1, 64, 65, 128, 1000, 65_536])
def test_lengths_are_few_steps_of_shares(num_codes: int) -> None:
    counts = [index % 7 for index in range(num_codes + 1)]
    root = parse(length_chart(counts, [0] * (num_codes + 1), ""))
    area = next(path.get("d", "") for path in root.iter("path") if "fill: var(--s1)" in path.get("style", ""))
    assert area.count("L") <= 2 * 65 + 3
    assert {"training", "held out", "codes"} <= {text.text for text in root.iter("text")}
