"""Label ids: the same for a class whatever comes first in the file."""

import numpy as np
import polars as pl
import pytest

from pipeline.building import labels
from pipeline.building.labels import LabelIndex, LocalLabels, local_labels, sort_labels
from pipeline.errors import InputError


def series(*strings: str) -> LocalLabels:
    return local_labels(pl.Series(strings, dtype=pl.String))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["10", "9", "-1", "+3"], ["-1", "+3", "9", "10"]),
        (["10", "9", "x"], ["10", "9", "x"]),
        (["1.5", "10", "9"], ["1.5", "10", "9"]),
        (["1", "01", "001"], ["001", "01", "1"]),
        (["b", "B", "é", "a"], ["B", "a", "b", "é"]),
        (["٣", "2"], ["2", "٣"]),
        (["1\n", "02"], ["02", "1\n"]),
        (["9" * 19, "1" * 20], ["1" * 20, "9" * 19]),  # Too long for a number: text.
        ([], []),
    ],
)
def test_sorted_by_number_where_all_are_whole_numbers_else_by_text(given: list[str], expected: list[str]) -> None:
    assert sort_labels(given, {}) == expected


def test_final_ids_do_not_depend_on_the_order_of_appearance() -> None:
    seen = ["b", "c", "a", "c", "b"]
    for order in (seen, seen[::-1]):
        index = LabelIndex()
        provisional = np.concatenate([index.ids(series(*order[:2])), index.ids(series(*order[2:]))])
        names, final = index.finish({})
        assert names == ["a", "b", "c"]
        assert [names[final[label_id]] for label_id in provisional] == order
        assert provisional.dtype == final.dtype == np.uint16


def test_labels_that_have_an_id_keep_it() -> None:
    index = LabelIndex(["z", "a"], 2)
    assert index.ids(series("a", "b", "z")).tolist() == [1, 2, 0]
    assert index.labels == ["z", "a", "b"]
    names, final = index.finish({})
    assert (names, final.tolist()) == (["z", "a", "b"], [0, 1, 2])


def test_ids_are_writable_and_may_be_none() -> None:
    ids = LabelIndex().ids(series("a"))
    ids[0] = 7
    assert len(LabelIndex().ids(series())) == 0


def test_more_labels_than_ids_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labels, "MAX_LABELS", 3)
    index = LabelIndex()
    index.ids(series("a", "b", "c"))
    with pytest.raises(InputError, match="more than 3 different labels"):
        index.ids(series("d"))


def test_as_many_labels_as_there_are_ids() -> None:
    index = LabelIndex()
    ids = index.ids(series(*map(str, range(labels.MAX_LABELS))))
    assert ids.max() == labels.MAX_LABELS - 1
    assert len(index.finish({})[0]) == labels.MAX_LABELS


def test_local_labels_are_numbered_as_they_appear_and_can_be_rearranged() -> None:
    local = series("b", "a", "b", "")
    assert (local.names, local.ids.tolist()) == (["b", "a", ""], [0, 1, 0, 2])
    assert LabelIndex(["a", "b"]).ids(local.take(np.array([3, 1, 0]))).tolist() == [2, 0, 1]
