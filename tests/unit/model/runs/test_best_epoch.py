"""The best epoch, and the end of patience."""

import pytest

from model.runs.best_epoch import best_epoch, is_out_of_patience

HISTORY = [
    {"valid_loss": 1.0, "valid_accuracy": 0.5},
    {"valid_loss": 0.5, "valid_accuracy": 0.6},
    {"valid_loss": 0.5, "valid_accuracy": 0.8},
    {"valid_loss": 0.7, "valid_accuracy": 0.8},
]


def test_the_first_of_the_best_counts() -> None:
    assert best_epoch(HISTORY, "loss") == 1
    assert best_epoch(HISTORY, "accuracy") == 2
    assert best_epoch(HISTORY[:1], "loss") == 0


@pytest.mark.parametrize(("best_by", "patience", "stops_after"), [("loss", 1, 3), ("loss", 2, 4), ("accuracy", 1, 4)])
def test_patience_ends_after_so_many_epochs_without_a_better_one(best_by: str, patience: int, stops_after: int) -> None:
    ends = [number for number in range(5) if is_out_of_patience(HISTORY[:number], best_by, patience)]
    assert ends[0] == stops_after
    assert not is_out_of_patience(HISTORY, best_by, 0)
    assert not is_out_of_patience(HISTORY, best_by, 3)
