"""Classes without rows on one side are named, a few of them; too few to learn from are refused."""

import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.inspection.class_check import check_classes


def test_classes_without_rows_are_named_with_what_there_is_elsewhere() -> None:
    amiss = check_classes("data", ["a", "b", "c"], np.array([9, 0, 2]), np.array([1, 4, 0]))
    assert amiss == {
        "classes without a training row": "'b' (4 held out)",
        "classes without a held-out row": "'c' (2 to train from)",
    }
    assert check_classes("data", ["a", "b"], np.array([1, 1]), np.array([1, 1])) == {}
    many = check_classes("data", list("abcdefg"), np.arange(1, 8), np.array([1, 0, 0, 0, 0, 0, 1]))
    assert (
        many["classes without a held-out row"]
        == "'f' (6 to train from), 'e' (5 to train from), 'd' (4 to train from) and 2 more"
    )


@pytest.mark.parametrize(("train", "what"), [([0, 5], "class 'b'"), ([0, 0], "no training row")])
def test_fewer_than_two_classes_to_learn_is_an_error(train: list[int], what: str) -> None:
    with pytest.raises(InputError, match=f"data: .*{what}.*expected two classes or more; encode"):
        check_classes("data", ["a", "b"], np.array(train), np.array([3, 3]))
