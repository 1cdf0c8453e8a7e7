"""What classes are taken for: the confusion matrix as cells of a table, each class's figures, and the pairs that are confused most."""

from collections.abc import Sequence
from dataclasses import dataclass

MOST_CLASSES = 60
_ROOMY = 8


@dataclass(frozen=True, kw_only=True)
class ClassFigures:
    """How well one class is recognised.

    Attributes:
        label: The class.
        rows: Held-out rows that are of it.
        precision: Share of the rows taken for it that are of it; None where none was taken for it.
        recall: Share of its rows that were taken for it; None where it has none.
    """

    label: str
    rows: int
    precision: float | None
    recall: float | None


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


def class_figures(labels: Sequence[str], confusion: Sequence[Sequence[int]]) -> list[ClassFigures]:
    """Measure each class, in the order of the labels.

    Args:
        labels: K class names.
        confusion: Rows by true and predicted class, int [K][K].
    """
    predicted = [sum(column) for column in zip(*confusion, strict=True)]
    return [
        ClassFigures(
            label=label,
            rows=sum(row),
            precision=row[index] / predicted[index] if predicted[index] else None,
            recall=row[index] / sum(row) if sum(row) else None,
        )
        for index, (label, row) in enumerate(zip(labels, confusion, strict=True))
    ]


def never_recognised(labels: Sequence[str], confusion: Sequence[Sequence[int]]) -> list[str]:
    """The classes that have held-out rows, none of which is classified correctly, in the order of the labels.

    Args:
        labels: K class names.
        confusion: Rows by true and predicted class, int [K][K].
    """
    return [one.label for one in class_figures(labels, confusion) if one.recall == 0]


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


def matrix_cells(confusion: Sequence[Sequence[int]]) -> list[list[tuple[float, str]]]:
    """Each cell's shade, from 0.1 for a single row to 1 for all of its class, and its count; cells without rows have an empty one.

    Args:
        confusion: Rows by true and predicted class, int [K][K].
    """
    show = _short_count if len(confusion) > _ROOMY else "{:,}".format
    return [
        [(round(0.1 + 0.9 * rows / sum(row), 2), show(rows)) if rows else (0.0, "") for rows in row]
        for row in confusion
    ]


def _short_count(count: int) -> str:
    """A count in at most four signs."""
    if count < 1000:
        return str(count)
    for unit, factor in (("k", 1_000), ("M", 1_000_000)):
        if count < 999.5 * factor:
            return f"{count / factor:.1f}{unit}" if count < 9.95 * factor else f"{count / factor:.0f}{unit}"
    return f"{count:.0e}"
