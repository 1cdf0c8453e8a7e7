"""What is hard to learn from or to measure on is said, with some of the classes; too few classes to learn from are refused."""

import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.inspection.class_check import check_classes


def test_classes_without_rows_are_named_with_what_there_is_elsewhere() -> None:
    assert check_classes("data", ["a", "b", "c"], np.array([9, 0, 2]), np.array([41, 44, 0])) == [
        "classes without a training row: 'b' (44 held out)",
        "classes without a held-out row: 'c' (2 to train from)",
    ]
    assert check_classes("data", ["a", "b"], np.array([1, 1]), np.array([40, 10])) == []
    (many,) = check_classes("data", list("abcdefg"), np.arange(1, 8), np.array([50, 0, 0, 0, 0, 0, 10]))
    assert many == (
        "classes without a held-out row: 'f' (6 to train from), 'e' (5 to train from), 'd' (4 to train from) and 2 more"
    )


def test_few_held_out_rows_are_a_warning_in_all_and_for_a_class() -> None:
    labels, train_K = ["a", "b"], np.array([100, 100])
    assert check_classes("data", labels, train_K, np.array([25, 25])) == []
    (warning,) = check_classes("data", labels, train_K, np.array([25, 24]))
    assert warning.startswith("the accuracy will say little, since 49 held-out rows are few; encode more rows")
    assert "1 held-out row is few" in check_classes("data", labels, train_K, np.array([1, 0]))[0]
    assert check_classes("data", labels, train_K, np.array([90, 10])) == []
    (warning,) = check_classes("data", labels, train_K, np.array([90, 9]))
    assert warning == "classes with fewer than 10 held-out rows: 'b' (9)"


def test_nearly_as_many_classes_as_rows_are_a_warning() -> None:
    labels = [str(number) for number in range(1000)]
    held_out = np.ones(1000, np.int64)
    for num_train, is_said in ((999, True), (1000, False)):
        train = (np.arange(1000) < num_train).astype(np.int64)
        warnings = check_classes("data", labels, train, held_out)
        assert ("1,999 rows of 1,000 classes are fewer than two a class: is --label" in warnings[0]) == is_said


@pytest.mark.parametrize(("train", "what"), [([0, 5], "class 'b'"), ([0, 0], "no training row")])
def test_fewer_than_two_classes_to_learn_is_an_error(train: list[int], what: str) -> None:
    with pytest.raises(InputError, match=f"data: .*{what}.*expected two classes or more; encode"):
        check_classes("data", ["a", "b"], np.array(train), np.array([3, 3]))
