"""Rows by length, against a sort of Python's."""

import numpy as np
import pytest

from model.kernels.length import longest_first
from pipeline.text.alphabet import get_profile
from tests.datasets import random_codes


@pytest.mark.parametrize("reach", [0, 1, 2, 100])
@pytest.mark.parametrize("max_length", [1, 7, 64])
def test_rows_are_sorted_by_what_is_no_padding_and_equal_ones_keep_their_order(max_length: int, reach: int) -> None:
    profile = get_profile("seed", max_length)
    codes_NL = random_codes(profile, 150)  # Fill within a text is no padding.
    expected = [min(max_length, len(bytes(row).rstrip(bytes([profile.fill]))) + reach) for row in codes_NL]
    used_N, order_N = longest_first(codes_NL, profile.fill, reach)
    assert used_N.tolist() == expected
    assert order_N.tolist() == sorted(range(150), key=lambda row: -expected[row])


def test_no_rows() -> None:
    used_N, order_N = longest_first(np.empty((0, 5), np.uint8), 27, 1)
    assert (len(used_N), len(order_N)) == (0, 0)
