"""Macro-F1 is that of scikit-learn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from model.runs.macro_f1 import macro_f1


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1))
def test_macro_f1_is_scikit_learn_s(pairs: list[tuple[int, int]]) -> None:
    true, predicted = np.array(pairs).T
    right = true[true == predicted]
    got = macro_f1(*(np.bincount(ids, minlength=9) for ids in (right, true, predicted)))
    assert got == pytest.approx(f1_score(true, predicted, average="macro", zero_division=0))


def test_no_row_has_no_macro_f1() -> None:
    nothing = np.zeros(3, np.int64)
    assert macro_f1(nothing, nothing, nothing) == 0
