"""Tallies of blocks add up to the tally of all rows."""

import numpy as np
import pytest
from sklearn.metrics import f1_score

from model.runs.accuracy import accuracy_of
from model.scoring.tally import Tally, tally_of


def test_blocks_add_up_and_rows_that_cannot_be_told_do_not_count_as_unseen() -> None:
    generator = np.random.default_rng(0)
    true, predicted = generator.integers(0, 4, (2, 500))
    predicted = np.where(generator.random(500) < 0.6, true, predicted)
    told, seen, abstained = generator.random((3, 500)) < 0.7

    def tally(rows: slice) -> Tally:
        known = told[rows], seen[rows]
        return tally_of(true[rows], predicted[rows], *known, abstained_N=abstained[rows], num_classes=6)

    for got in (tally(slice(500)), tally(slice(200)) + tally(slice(200, 500))):
        assert (got.told, got.seen) == (told.sum(), (told & seen).sum())
        unseen = told & ~seen
        for accuracy, rows in ((got.accuracy_unseen, unseen), (got.accuracy_kept_unseen, unseen & ~abstained)):
            assert accuracy == accuracy_of(int((true == predicted)[rows].sum()), int(rows.sum()))
        assert got.macro_f1 == pytest.approx(f1_score(true, predicted, average="macro"))


def test_where_all_were_seen_there_is_no_other_accuracy() -> None:
    ids, yes = np.array([0, 1]), np.ones(2, np.bool_)
    assert tally_of(ids, ids, yes, yes, abstained_N=~yes, num_classes=2).accuracy_unseen is None
