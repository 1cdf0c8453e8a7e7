"""Matplotlib's SVG made fit for a page: it takes its colours from there, so that one drawing serves light, dark and print, and is short."""

import io
import logging
import re
from collections.abc import Callable
from html import escape
from threading import Lock
from typing import TYPE_CHECKING

from markupsafe import Markup

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NUM_STYLES = 8
LINE_HEIGHT = 12
_WIDTH, _HEIGHT = 360, 212

# Variables of the page's CSS. Matplotlib takes colours as figures only, so the n-th of these is drawn as colour number n.
_INKS = (*(f"s{style}" for style in range(1, NUM_STYLES + 1)), "text", "soft", "line")


def ink(name: str) -> str:
    """The colour that becomes a variable of the page's CSS: `s1` to `s8`, `text`, `soft` or `line`."""
    return f"#{_INKS.index(name) + 1:06x}"


_STYLE = {
    "svg.fonttype": "none", "text.parse_math": False, "font.size": 11, "axes.labelsize": 11, "figure.frameon": False,
    "text.color": ink("text"), "axes.labelcolor": ink("text"), "xtick.color": ink("soft"), "ytick.color": ink("soft"),
    "axes.edgecolor": ink("soft"), "grid.color": ink("line"), "axes.facecolor": "none", "axes.axisbelow": True,
    "axes.spines.left": False, "axes.spines.right": False, "axes.spines.top": False, "xtick.bottom": False, "ytick.left": False,
    "axes.xmargin": 0, "axes.ymargin": 0.07, "lines.linewidth": 2, "lines.markeredgewidth": 0, "patch.linewidth": 1.2,
    "legend.frameon": False, "legend.loc": "lower left", "legend.borderaxespad": 0, "legend.handlelength": 2.7,
    "legend.handletextpad": 0.5, "legend.columnspacing": 1.2, "legend.labelspacing": 0.2,
}  # fmt: skip
_SURPLUS = re.compile(
    r"""^.*?<svg.*?</defs>|</svg>\s*$      # the head: the page has its own
    |</?g\b[^>]*>                          # groups, which have nothing but names
    |\ transform="rotate\(-0\ [^"]*"       # turns by nothing
    |font-(?:size|family):[^;"]*(?:;\ )?   # fonts: the page's
    |(?<=\d\.\d)\d+(?=\s+[-\dLQCz]|\s*")   # hundredths of a unit
    |stroke-dashoffset:\ 0;\ |;\ stroke-linecap:\ square
    |\s*\n\s*(?=<)""",
    re.DOTALL | re.VERBOSE,
)
_LOCK = Lock()


def draw_svg(title: str, draw: Callable[["Axes"], None], legend_rows: int = 1) -> Markup:
    """Draw on new axes; what matplotlib is set to elsewhere in the process or on this machine changes nothing.

    Args:
        title: For those who do not see it, and to tell its parts from those of other drawings on the page.
        draw: Draws, in words and figures of our own; words from the data belong in the page's HTML, which knows every script.
        legend_rows: Lines to leave free above the axes.

    Returns:
        An SVG element.
    """
    # Where the home cannot be written, matplotlib says at length which other folder it takes.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    from matplotlib import style
    from matplotlib.figure import Figure

    file = io.StringIO()
    height = _HEIGHT + LINE_HEIGHT * legend_rows
    # The lock is for the settings, which are all threads' even while they are one drawing's.
    with _LOCK, style.context(["default", _STYLE | {"svg.hashsalt": title}]):
        figure = Figure(figsize=(_WIDTH / 72, height / 72), dpi=72)
        axes = figure.add_axes((0.18, 40 / height, 0.77, (_HEIGHT - 48) / height))
        axes.grid(axis="y", clip_on=False)
        draw(axes)
        figure.savefig(file, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    drawing = _SURPLUS.sub("", file.getvalue()).replace("xlink:href", "href")
    drawing = re.sub("#0000(0[1-9ab])", lambda number: f"var(--{_INKS[int(number[1], 16) - 1]})", drawing)
    svg = f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{escape(title)}">{drawing}</svg>'
    return Markup(svg)  # noqa: S704  # no text of the data is in it
