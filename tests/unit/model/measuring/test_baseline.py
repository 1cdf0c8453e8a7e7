"""The baseline learns words of any script, keeps to its limits and gives the same accuracy each time."""

from pathlib import Path

import numpy as np
import pytest

from model.measuring.baseline import BaselineOutcome, Limits, fit_baseline, make_baseline, measure_baseline, spaced_rows
from model.runs.accuracy import accuracy_of
from pipeline.dataset.manifest import VALID, read_manifest
from tests.building import build
from tests.datasets import shared_dataset, write_csv

LIMITS = Limits()


def words(text: str) -> list[str]:
    found: list[str] = make_baseline(2).steps[0][1].set_params(ngram_range=(1, 1)).build_analyzer()(text)
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It's a U.S. co-op, #39; 5_6", ["it", "s", "a", "u", "s", "co", "op", "39", "5_6"]),
        ("love😍😍it ☂️", ["love", "😍", "😍", "it", "☂"]),
        ("東京タワー、高い", ["東", "京", "タ", "ワ", "ー", "高", "い"]),
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("«Привет», мир…", ["привет", "мир"]),
        ("?!", []),
    ],
)
def test_words(text: str, expected: list[str]) -> None:
    assert words(text) == expected


def measured(dataset: Path, limits: Limits = LIMITS) -> BaselineOutcome:
    manifest = read_manifest(dataset)
    return measure_baseline(dataset, manifest, np.arange(manifest.num_rows(VALID)), limits)


def test_it_is_measured_on_the_rows_asked_for_and_is_the_same_each_time() -> None:
    dataset = shared_dataset()
    first, second = measured(dataset), measured(dataset)
    assert first.baseline is not None
    assert second.baseline is not None
    assert first.baseline.accuracy == second.baseline.accuracy
    assert first.baseline.accuracy.share > 0.95  # The titles are separable by their words.
    manifest = read_manifest(dataset)
    assert first.baseline.rows_train == manifest.num_rows("train")
    assert first.remark == ""
    one = measure_baseline(dataset, manifest, np.array([3]))
    assert one.baseline is not None
    assert one.baseline.accuracy in [accuracy_of(right, 1) for right in (0, 1)]


@pytest.mark.parametrize("limits", [Limits(rows=100), Limits(row_classes=300), Limits(text_bytes=3500)], ids=str)
def test_its_limits_are_kept_and_said(limits: Limits) -> None:
    outcome = measured(shared_dataset(), limits)
    assert outcome.baseline is not None
    assert 50 < outcome.baseline.rows_train <= 100
    assert outcome.baseline.accuracy.share > 0.8
    assert f"learned from {outcome.baseline.rows_train} of" in outcome.remark


def test_so_many_words_at_most() -> None:
    model = make_baseline(3, max_weights=30)
    fit_baseline(model, [f"word{number} here" for number in range(50)], [number % 3 for number in range(50)])
    assert len(model.steps[0][1].vocabulary_) == 10


@pytest.mark.parametrize(("text", "remark"), [("?!", "there is no word"), ("word", "are of one class")])
def test_where_it_cannot_learn_it_says_why(tmp_path: Path, text: str, remark: str) -> None:
    csv = write_csv(tmp_path / "in.csv", [("ab"[row % 2], f"{text}{'!' * row}") for row in range(40)], "label,text")
    folder, manifest = build(tmp_path / "built", [csv])
    outcome = measure_baseline(folder, manifest, np.arange(3), Limits(rows=1 if text == "word" else 40))
    assert outcome.baseline is None
    assert outcome.remark.startswith("no baseline: ")
    assert remark in outcome.remark


def test_spaced_rows_are_even_and_never_too_many() -> None:
    assert spaced_rows(5, 9).tolist() == [0, 1, 2, 3, 4]
    assert spaced_rows(10, 4).tolist() == [0, 2, 5, 7]
    assert len(set(spaced_rows(1001, 1000).tolist())) == 1000
