"""npy files, written row by row, are as numpy itself writes them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.storage.npy import NpyWriter


@pytest.mark.parametrize(
    "array",
    [
        np.arange(12, dtype=np.uint8).reshape(4, 3),
        np.arange(1000, dtype=np.uint16),
        np.empty((0, 64), np.uint8),
        np.empty(0, np.uint16),
        np.asfortranarray(np.arange(12, dtype=np.uint8).reshape(4, 3)),
        np.arange(40, dtype=np.uint8).reshape(4, 10)[:, ::2],
    ],
)
@pytest.mark.parametrize("piece", [1, 3, 10_000])
def test_npy_file_equals_numpys_own(tmp_path: Path, array: np.ndarray[Any, Any], piece: int) -> None:
    writer = NpyWriter(tmp_path / "ours.npy", array.dtype, array.shape[1:])
    for start in range(0, max(len(array), 1), piece):
        writer.write(array[start : start + piece])
    writer.close()
    np.save(tmp_path / "numpys.npy", np.ascontiguousarray(array))

    assert (tmp_path / "ours.npy").read_bytes() == (tmp_path / "numpys.npy").read_bytes()
