"""Whether a column makes sense as the label, and which other columns would, in words."""

from collections.abc import Callable, Mapping
from contextlib import closing

import polars as pl

from pipeline.errors import InputError
from pipeline.inspection.class_check import FEW_HELD_OUT
from pipeline.records.row_reader import RowReader

MIN_ROWS = 100
"""Below so many rows there is nothing to tell."""
MAX_SHARE = 0.5
"""Of the rows, as many different labels at most: beyond, most classes have one row, as names and numbers of rows do."""
FEW_ROWS = 10
"""Fewer rows a class than this are worth a warning."""

Columns = Callable[[], Mapping[str, pl.Series]]
"""Gives the first values of all columns, by name."""

_NAMED = 3
_MAX_LENGTH = 40


def check_label_column(column: str, num_labels: int, num_rows: int, columns: Columns) -> str:
    """Refuse a column with nearly as many different labels as rows.

    Args:
        column: Its name.
        num_labels: Different labels in it.
        num_rows: Rows.
        columns: Asked where there is something to say.

    Returns:
        A warning, or nothing.

    Raises:
        InputError: It is no label.
    """
    if num_labels == 1:
        return "all rows are of one class, and a classifier needs two or more"
    if num_rows < MIN_ROWS or num_labels * FEW_ROWS <= num_rows:
        return ""
    said = f"{num_labels:,} different labels in {num_rows:,} rows"
    if num_labels <= num_rows * MAX_SHARE:
        return f"--label {column}: {said}, {num_rows / num_labels:.1f} rows a class, which is little to learn from"
    raise InputError(
        f"--label {column}: there are {said}, so {column!r} is hardly a class; nothing was published; {likely_labels(column, columns)}"
    )


def check_held_out(num_train: int, num_valid: int, valid_fraction: float) -> str:
    """A warning where too few rows are held out, or nothing; also where none was to be."""
    if not valid_fraction or num_valid >= FEW_HELD_OUT:
        return ""
    rows = f"only {num_valid:,} of {num_train + num_valid:,} rows are" if num_valid else "no rows are"
    return f"{rows} held out, too few to measure a run on ({FEW_HELD_OUT} or more would do): encode more, or raise --valid-fraction"


def first_columns(reader: RowReader) -> Mapping[str, pl.Series]:
    """The values of all columns in the first block of a source."""
    with closing(reader.scan()) as blocks:
        return next((block.columns() for block in blocks), {})


def likely_labels(column: str, columns: Columns) -> str:
    """What to do: name another column that looks like a label, where there is one."""
    likely = {}
    for name, values in columns().items():
        num_different = values.n_unique()
        if name != column and 2 <= num_different <= len(values) / FEW_ROWS and _longest(values) <= _MAX_LENGTH:
            likely[name] = num_different
    if not likely:
        return "name another column with --label"
    chosen = sorted(likely, key=likely.__getitem__)[:_NAMED]
    return "name another one with --label, such as " + " or ".join(
        f"{name!r} ({likely[name]:,} different values in the first rows)" for name in chosen
    )


def _longest(values: pl.Series) -> int:
    return int(values.str.len_chars().max() or 0)  # type: ignore[arg-type]  # Of integers, it is one.
