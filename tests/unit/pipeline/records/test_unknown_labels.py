"""Unknown labels are shown beside the known ones, the most frequent first, and few of many."""

import polars as pl

from pipeline.records.unknown_labels import add_unknown, frequent_labels, unknown_hint


def test_the_most_frequent_are_counted() -> None:
    assert frequent_labels(pl.Series(["b", "a", "c", "c", "b", "c"])) == {"c": 3, "b": 2, "a": 1}
    assert len(frequent_labels(pl.Series([str(number) for number in range(1000)]))) == 100


def test_counts_of_blocks_are_added_without_end_of_memory() -> None:
    counted = {"a": 1}
    add_unknown(counted, {"a": 2, "b": 1})
    assert counted == {"a": 3, "b": 1}
    add_unknown(counted, {str(number): 1 for number in range(1000)})
    add_unknown(counted, {"a": 1})
    assert counted["a"] == 4
    assert len(counted) == 100


def test_a_hint_shows_both_and_asks_where_most_are_unknown() -> None:
    hint = unknown_hint({"ham": 1, "spam": 2}, ["1", "2"], "model", share=0.6)
    assert hint == (
        "unknown labels 'spam', 'ham'; the model knows '1', '2': a model of other classes, or not the label column?"
    )
    assert unknown_hint({"x" * 99: 1}, ["1"], "dataset", share=0.1) == (
        f"unknown label '{'x' * 40}...'; the dataset knows '1'"
    )
    assert unknown_hint({}, ["1"], "model", share=0) == ""
    many = [str(number) for number in range(9)]
    assert unknown_hint({"a": 1}, many, "model", share=0).endswith("knows '0', '1', '2', '3', '4' and others")
