"""npy files, written row by row, are as numpy itself writes them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.storage.npy import NpyWriter, map_npy


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


def test_a_map_is_what_was_written_and_read_only(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.arange(6, dtype=np.uint16))
    mapped = map_npy(tmp_path / "a.npy", np.uint16, 1, "make it again")
    assert mapped.tolist() == [0, 1, 2, 3, 4, 5]
    with pytest.raises(ValueError, match="read-only"):
        mapped[0] = 1


@pytest.mark.parametrize(
    ("array", "found"),
    [
        (np.zeros((2, 3), np.uint16), "uint16 with 2 axes"),
        (np.zeros(2, np.int64), "int64 with 1 axes"),
        (np.array([{}]), "Python objects"),
    ],
    ids=["axes", "dtype", "objects"],
)
def test_what_holds_something_else_is_damaged(array: np.ndarray[Any, Any], found: str, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", array, allow_pickle=True)
    with pytest.raises(InputError, match=rf"a\.npy: it is damaged \(.*{found}.*; make it again$"):
        map_npy(tmp_path / "a.npy", np.uint16, 1, "make it again")


def test_a_header_cut_off_anywhere_is_damage(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros(3, np.uint8))
    whole = (tmp_path / "a.npy").read_bytes()
    for size in range(len(whole)):
        (tmp_path / "a.npy").write_bytes(whole[:size])
        with pytest.raises(InputError, match="it is damaged"):
            map_npy(tmp_path / "a.npy", np.uint8, 1, "make it again")
