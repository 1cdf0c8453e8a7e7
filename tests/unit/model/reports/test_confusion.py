"""The confusion matrix as a table and in words."""

import pytest

from model.reports.confusion import class_figures, matrix_cells, most_confused
from tests.records import make_confusion


def test_precision_is_of_the_predicted_and_recall_of_the_true() -> None:
    first, never, none = class_figures(["a", "never", "none"], [[5, 0, 0], [2, 0, 0], [0, 0, 0]])
    assert (first.label, first.rows, first.precision, first.recall) == ("a", 5, 5 / 7, 1.0)
    assert (never.rows, never.precision, never.recall) == (2, None, 0.0)
    assert (none.rows, none.precision, none.recall) == (0, None, None)


def test_the_most_confused_come_first() -> None:
    pairs = most_confused(["a", "b", "c"], [[5, 3, 0], [9, 1, 3], [0, 0, 7]], 3)
    assert [(pair.label, pair.prediction, pair.rows) for pair in pairs] == [("b", "a", 9), ("a", "b", 3), ("b", "c", 3)]
    assert pairs[0].share == 9 / 13
    assert most_confused(["a"], [[4]], 5) == []


@pytest.mark.parametrize("num_classes", [2, 4, 45])
def test_a_matrix_has_every_count_that_is_not_0(num_classes: int) -> None:
    confusion = make_confusion(num_classes)
    cells = matrix_cells(confusion)
    assert [[bool(text) for _, text in row] for row in cells] == [[count > 0 for count in row] for row in confusion]
    for row, counts in zip(cells, confusion, strict=True):
        by_count = [shade for _, (shade, _) in sorted(zip(counts, row, strict=True))]
        assert by_count == sorted(by_count)


def test_counts_stand_in_full_where_there_is_room_and_in_four_signs_where_there_is_not() -> None:
    assert matrix_cells([[1234, 0], [0, 0]]) == [[(1.0, "1,234"), (0.0, "")], [(0.0, ""), (0.0, "")]]
    confusion = [[10**index if index == other else 0 for other in range(12)] for index in range(12)]
    texts = {text for row in matrix_cells(confusion) for _, text in row}
    assert texts == {"", "1", "10", "100", "1.0k", "10k", "100k", "1.0M", "10M", "100M", "1e+09", "1e+10", "1e+11"}
