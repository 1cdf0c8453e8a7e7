"""Charts of counts: how long texts are, and which characters they are made of."""

from collections.abc import Sequence

from model.reports.charts import FONT, WIDTH, Axis, add, new_plot, new_svg, number, to_markup
from model.reports.words import character_name, percent, shorten, text_width

_MOST_BARS = 64
_PANEL_HEIGHT, _BAR_HEIGHT = 58.0, 40.0
_ALL_IN_ONE = 22


def length_chart(lengths_train: Sequence[int], lengths_valid: Sequence[int]) -> str:
    """Draw shares of rows by number of codes, training rows as an area and held-out rows as a line.

    Args:
        lengths_train: Rows by number of codes, [L + 1].
        lengths_valid: The same of held-out rows, [L + 1].
    """
    width = -(-len(lengths_train) // _MOST_BARS)
    shares = [_shares(lengths, width) for lengths in (lengths_train, lengths_valid)]
    edges = [min(len(lengths_train), index * width) for index in range(len(shares[0]) + 1)]
    per = "share of rows" if width == 1 else f"share of rows, by {width} codes"
    plot = new_plot(
        "Lengths of texts",
        "Share of rows by number of codes before the fill, training rows as an area, held-out rows as a line.",
        (Axis(label="codes", form="whole", low=0, high=edges[-1]), Axis(label=per, form="share", low=0)),
        [(0.0, share) for share in shares[0] + shares[1]],
    )
    for values, style in zip(shares, ("bar s1", "s2"), strict=True):
        corners = [(edge, values[index]) for index in range(len(values)) for edge in edges[index : index + 2]]
        if style == "bar s1":
            corners = [(edges[0], 0.0), *corners, (edges[-1], 0.0)]
        path = " ".join(f"{number(plot.x(x))},{number(plot.y(y))}" for x, y in corners)
        add(plot.svg, "polygon" if style == "bar s1" else "polyline", class_=style, points=path)
    return to_markup(plot.svg)


def _shares(counts: Sequence[int], width: int) -> list[float]:
    total = sum(counts) or 1
    return [sum(counts[begin : begin + width]) / total for begin in range(0, len(counts), width)]


def character_chart(characters: Sequence[tuple[str, int]]) -> str:
    """Draw how often each character occurs, in rows of bars; characters that never do are left out.

    Args:
        characters: (character, how often), in the order of the codes; at least one occurs.
    """
    present = [(shorten(character_name(name), 8), count) for name, count in characters if count]
    total, largest = sum(count for _, count in present), max(count for _, count in present)
    widest = max(text_width(name) for name, _ in present) * FONT
    per_row = max(4, min(_ALL_IN_ONE, int((WIDTH - 10) / max(16.0, widest + 4))))
    num_rows = -(-len(present) // per_row)
    step = (WIDTH - 10) / per_row
    svg = new_svg(
        "Characters",
        f"How often each of {len(present)} characters occurs in the training rows, in the order of their codes.",
        height=num_rows * _PANEL_HEIGHT + 4,
    )
    for index, (name, count) in enumerate(present):
        row, column = divmod(index, per_row)
        base = row * _PANEL_HEIGHT + _BAR_HEIGHT + 2
        height = max(0.5, _BAR_HEIGHT * count / largest)
        x = 5 + column * step
        bar = add(svg, "rect", class_="bar s1", x=x + 1, y=base - height, width=step - 2, height=height)
        add(bar, "title", f"{name}: {count:,}, {percent(count / total)}")
        add(svg, "text", name, x=x + step / 2, y=base + 12, text_anchor="middle")
    return to_markup(svg)
