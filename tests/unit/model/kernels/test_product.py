"""The register-blocked product, and the softmax behind it, against NumPy."""

import numpy as np
import pytest

from model.kernels.product import TILE, aligned, multiply_tile, pack, padded
from model.kernels.vector import LANES


@pytest.mark.parametrize(("inner", "columns"), [(1, 1), (28, 64), (3, 16), (31, 17), (70, 45)])
def test_a_tile_is_a_product_with_scaled_rows_added_to_what_is_there(inner: int, columns: int) -> None:
    generator = np.random.default_rng(inner)
    rows, matrix = generator.normal(size=(TILE, inner)), generator.normal(size=(inner, columns))
    scales, before = generator.normal(size=TILE), generator.normal(size=(TILE, columns))
    packed, width = pack(matrix), padded(columns)
    sums = aligned((TILE, width))
    sums[:, :columns] = before
    stride = padded(inner)
    strided = np.full((TILE, stride), np.nan, np.float32)  # What lies between the rows is not read.
    strided[:, :inner] = rows
    for panel in range(len(packed)):
        multiply_tile(
            strided,
            0,
            stride,
            inner,
            packed,
            panel * inner * LANES,
            scales.astype(np.float32),
            sums,
            panel * LANES,
            width,
        )
    np.testing.assert_allclose(sums[:, :columns], before + scales[:, None] * (rows @ matrix), atol=2e-5)
    assert not sums[:, columns:].any()


def test_arrays_begin_with_a_cache_line() -> None:
    for shape in ((3,), (5, 4), (2, 3, 16)):
        array = aligned(shape)
        assert array.shape == shape
        assert array.ctypes.data % 64 == 0
        assert array.flags.c_contiguous
        assert not array.any()
