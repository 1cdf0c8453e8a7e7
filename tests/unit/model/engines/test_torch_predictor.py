"""Batches are filled up to one shape, so that a matrix product rounds all of them alike."""

import numpy as np
import pytest

from model.engines.torch_predictor import BATCH_ROWS, full_batch


@pytest.mark.parametrize("num_rows", [0, 1, BATCH_ROWS - 1, BATCH_ROWS])
def test_what_is_missing_is_fill(num_rows: int) -> None:
    codes_BL = np.arange(3 * num_rows, dtype=np.uint64).astype(np.uint8).reshape(num_rows, 3)
    full = full_batch(codes_BL, 27)
    assert full.shape == (BATCH_ROWS, 3)
    assert full[:num_rows].tolist() == codes_BL.tolist()
    assert (full[num_rows:] == 27).all()
    assert (full is codes_BL) == (num_rows == BATCH_ROWS)
