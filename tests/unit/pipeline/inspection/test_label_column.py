"""A column that is hardly a class is refused, what is odd is said, and what is neither passes."""

import polars as pl
import pytest

from pipeline.errors import InputError
from pipeline.inspection.label_column import check_held_out, check_label_column


def no_columns() -> dict[str, pl.Series]:
    return {}


@pytest.mark.parametrize(
    ("num_labels", "num_rows", "words"),
    [
        (2, 2, ""),
        (99, 99, ""),
        (10, 100, ""),
        (11, 100, "11 different labels in 100 rows, 9.1 rows a class"),
        (50, 100, "2.0 rows a class"),
        (1, 1, "all rows are of one class"),
        (1, 5000, "all rows are of one class"),
        (100, 1000, ""),
    ],
)
def test_what_is_no_class_for_certain_is_only_said(num_labels: int, num_rows: int, words: str) -> None:
    said = check_label_column("x", num_labels, num_rows, no_columns)
    assert words in said
    assert bool(said) == bool(words)


@pytest.mark.parametrize(("num_labels", "num_rows"), [(51, 100), (1000, 1000)])
def test_what_is_hardly_a_class_is_refused(num_labels: int, num_rows: int) -> None:
    with pytest.raises(InputError, match=f"--label id: there are {num_labels:,} different labels in {num_rows:,} rows"):
        check_label_column("id", num_labels, num_rows, no_columns)


def test_columns_that_look_like_labels_are_named_those_of_few_values_first() -> None:
    rows = range(200)
    columns = {
        "id": pl.Series([str(row) for row in rows]),
        "label": pl.Series([str(row % 2) for row in rows]),
        "kind": pl.Series([f"kind {row % 20}" for row in rows]),
        "five": pl.Series([str(row % 5) for row in rows]),
        "same": pl.Series(["x"] * len(rows)),
        "text": pl.Series([f"{row % 3} {'long ' * 10}" for row in rows]),
        "rest": pl.Series([str(row % 21) for row in rows]),
    }
    with pytest.raises(InputError) as raised:
        check_label_column("id", 200, 200, lambda: columns)
    assert str(raised.value).endswith(
        "name another one with --label, such as 'label' (2 different values in the first rows) "
        "or 'five' (5 different values in the first rows) or 'kind' (20 different values in the first rows)"
    )


@pytest.mark.parametrize(
    ("num_valid", "fraction", "words"),
    [(50, 0.1, ""), (0, 0.0, ""), (49, 0.1, "only 49 of 149 rows are held out"), (0, 0.1, "no rows are held out")],
)
def test_few_held_out_rows_are_said_unless_none_were_wanted(num_valid: int, fraction: float, words: str) -> None:
    said = check_held_out(100, num_valid, fraction)
    assert words in said
    assert bool(said) == bool(words)
