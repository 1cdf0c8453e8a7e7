"""SVG for a page: in the page's colours, and the same whatever matplotlib is set to."""

import re
from concurrent.futures import ThreadPoolExecutor
from xml.etree import ElementTree as ET

import matplotlib as mpl
import pytest
from matplotlib.axes import Axes

from model.reports.svg import NUM_STYLES, draw_svg, ink

NAMES = ["text", "soft", "line", *(f"s{style}" for style in range(1, NUM_STYLES + 1))]


def draw(plot: Axes) -> None:
    for height, name in enumerate(NAMES):
        plot.plot((0, 1), (height, 0.123456), color=ink(name), marker="o", label=f"{name} $x$ 0.123456")
    plot.legend()


@pytest.mark.parametrize("title", ["<script>", "a & \"b\" 'c'"])
def test_the_title_is_said_to_those_who_do_not_see_it(title: str) -> None:
    root = ET.fromstring(draw_svg(title, draw))
    assert (root.get("role"), root.get("aria-label")) == ("img", title)


def test_colours_and_fonts_are_the_page_s_and_text_is_text() -> None:
    svg = draw_svg("title", draw)
    assert set(re.findall(r"(?:fill|stroke): ([^;\"]+)", svg)) == {
        "none",
        *(f"var(--{name})" for name in NAMES),
    }
    assert "font-family" not in svg
    assert {f"{name} $x$ 0.123456" for name in NAMES} <= {text.text for text in ET.fromstring(svg).iter("text")}


def test_settings_and_threads_change_nothing() -> None:
    def draw_one(index: int) -> str:
        return str(draw_svg(f"drawing {index}", draw))

    expected = [draw_one(index) for index in range(12)]
    with mpl.rc_context({"svg.fonttype": "path", "lines.linewidth": 9, "font.size": 30, "axes.grid": True}):
        before = dict(mpl.rcParams)
        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(draw_one, range(12))) == expected
        assert dict(mpl.rcParams) == before
