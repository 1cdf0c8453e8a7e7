"""Figures read back: whatever cannot be is refused by the name of the field."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from model.runs.evaluation import read_evaluation
from pipeline.errors import InputError, MismatchError
from tests.records import make_evaluation, make_labels

MADE = make_evaluation(make_labels(4))


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is missing; copy"):
        read_evaluation(tmp_path)
    (tmp_path / "evaluation.json").write_bytes(MADE.to_bytes())
    assert read_evaluation(tmp_path) == MADE


def _read_changed(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    content = json.loads(MADE.to_bytes())
    change(content)
    (folder / "evaluation.json").write_text(json.dumps(content).replace('"beyond all floats"', "1e999"))
    read_evaluation(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: content.update(loss=float("nan")), "malformed"),
        (lambda content: content.update(loss=10**400), "out of range, at 'loss'"),
        (lambda content: content.update(loss="beyond all floats"), "out of range, at 'loss'"),
        (lambda content: content["accuracy"].update(high=1.2), "<= 1.0, at 'accuracy.high'"),
        (lambda content: content["accuracy"].update(low=0.999), "an interval around"),
        (lambda content: content["seen"]["accuracy"].update(rows=0), ">= 1, at 'seen.accuracy.rows'"),
        (lambda content: content.update(temperature=0), "> 0.0, at 'temperature'"),
        (lambda content: content.update(more=1), "unknown field 'more'"),
        (lambda content: content["seen"].update(more=1), "unknown field 'more', at 'seen'"),
        (lambda content: content["confusion"].pop(), "expected 4 rows of 4"),
        (lambda content: content["confusion"][0].pop(), "expected 4 rows of 4"),
        (lambda content: content["confusion"][0].__setitem__(0, -1), ">= 0, at 'confusion[0][0]'"),
        (lambda content: content["confusion"][0].__setitem__(0, 1.0), "got 'float', at 'confusion[0][0]'"),
        (lambda content: content["calibrated"]["bins"][3].update(rows=-1), ">= 0, at 'calibrated.bins[3].rows'"),
        (lambda content: content["seen"].update(rows_as_codes=-1), ">= 0, at 'seen.rows_as_codes'"),
        (lambda content: content["calibrated"]["bins"].pop(), "of length >= 15, at 'calibrated.bins'"),
        (lambda content: content["lengths_valid"].pop(), "equally many"),
        (lambda content: content["characters"][0].pop(), "of length 2, at 'characters[0]'"),
    ],
)
def test_values_that_make_no_sense_are_refused_by_name(
    tmp_path: Path, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    with pytest.raises(InputError, match=r"evaluation\.json: it is damaged .*train again") as caught:
        _read_changed(tmp_path, change)
    assert message in str(caught.value)


def test_another_format_version_is_refused_with_both(tmp_path: Path) -> None:
    with pytest.raises(MismatchError, match="format_version is 1, expected 2"):
        _read_changed(tmp_path, lambda content: content.update(format_version=1))
