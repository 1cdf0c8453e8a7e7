"""The confusion matrix as a drawing, and in words: the pairs of classes that are confused most."""

from collections.abc import Sequence
from dataclasses import dataclass

from model.reports.charts import FONT, add, new_svg, number, to_markup
from model.reports.words import shorten, text_width

MOST_CLASSES = 60
_SHADES = 8
_LONGEST_LABEL = 20


@dataclass(frozen=True, kw_only=True)
class Confusion:
    """Rows of one class that were taken for another one.

    Attributes:
        label: Their class.
        prediction: The class they were taken for.
        rows: How many there are.
        share: Of all rows of their class.
    """

    label: str
    prediction: str
    rows: int
    share: float


def most_confused(labels: Sequence[str], confusion: Sequence[Sequence[int]], most: int) -> list[Confusion]:
    """The most frequent mistakes, in falling order, ties in the order of the labels.

    Args:
        labels: K class names.
        confusion: Rows by true and predicted class, int [K][K].
        most: How many at most.
    """
    wrong = [
        (rows, true, predicted)
        for true, row in enumerate(confusion)
        for predicted, rows in enumerate(row)
        if rows and true != predicted
    ]
    wrong.sort(key=lambda entry: (-entry[0], entry[1], entry[2]))
    return [
        Confusion(label=labels[true], prediction=labels[predicted], rows=rows, share=rows / sum(confusion[true]))
        for rows, true, predicted in wrong[:most]
    ]


def matrix_chart(labels: Sequence[str], confusion: Sequence[Sequence[int]]) -> str:
    """Draw a confusion matrix, true classes by row, predicted ones by column, shaded by the share of the row.

    Cells of one shade are one path and carry no tooltips, so that a page with 45 classes stays light.

    Args:
        labels: K class names, 2 to `MOST_CLASSES`.
        confusion: Rows by true and predicted class, int [K][K].
    """
    names = [shorten(label, _LONGEST_LABEL) for label in labels]
    cell = max(16.5, min(58.0, 240 / len(labels)))
    margin = max(62.0, 24 + FONT * max(map(text_width, names)))
    side = margin + cell * len(labels) + 4
    svg = new_svg("Confusion", "Rows of the held-out split, true class by row, predicted class by column.", side, side)
    svg.set("width", number(side))
    svg.set("height", number(side))
    for shade, path in enumerate(_shade_paths(confusion, cell, margin)):
        if path:
            add(svg, "path", class_=f"cell shade{shade}", d=path)
    end = margin + cell * len(labels)
    add(
        svg,
        "path",
        class_="grid",
        d=f"M{number(margin)} {number(margin)}H{number(end)}V{number(end)}H{number(margin)}Z",
    )
    texts = {count: _count(count, cell) for row in confusion for count in row if count}
    font = min(12.0, *((cell - 2) / text_width(text) for text in texts.values())) if texts else FONT
    for index, name in enumerate(names):
        middle = margin + cell * (index + 0.5)
        add(svg, "text", name, x=margin - 5, y=middle + 4, text_anchor="end")
        turn = f"rotate(-90 {number(middle + 4)} {number(margin - 5)})"
        add(svg, "text", name, x=middle + 4, y=margin - 5, transform=turn)
    counts = add(svg, "g", class_="count", text_anchor="middle", style=f"font-size:{number(font)}px")
    for true, row in enumerate(confusion):
        for predicted, rows in enumerate(row):
            if rows:
                x, y = margin + cell * (predicted + 0.5), margin + cell * (true + 0.5)
                strong = {"class_": "strong"} if rows > 0.55 * sum(row) else {}
                add(counts, "text", texts[rows], x=x, y=y + font / 3, **strong)
    add(svg, "text", "true", class_="name", x=5, y=margin - 5)
    add(svg, "text", "predicted", class_="name", x=5, y=12)
    return to_markup(svg)


def _shade_paths(confusion: Sequence[Sequence[int]], cell: float, margin: float) -> list[str]:
    """For each shade, from no rows to all of a class, the squares that have it."""
    squares: list[list[str]] = [[] for _ in range(_SHADES + 1)]
    size = number(cell)
    for true, row in enumerate(confusion):
        total = sum(row) or 1
        for predicted, rows in enumerate(row):
            if rows:
                corner = f"M{number(margin + cell * predicted)} {number(margin + cell * true)}"
                squares[max(1, round(_SHADES * rows / total))].append(f"{corner}h{size}v{size}h-{size}z")
    return ["".join(group) for group in squares]


def _count(count: int, cell: float) -> str:
    """A count in full where there is room for it, else in thousands or millions."""
    if count < 1000 or cell >= 40:
        return f"{count:,}"
    for unit, factor in (("k", 1_000), ("M", 1_000_000)):
        if count < 999.5 * factor:
            return f"{count / factor:.1f}{unit}" if count < 9.95 * factor else f"{count / factor:.0f}{unit}"
    return f"{count:.0e}"
