"""npy files that are written row by row, and mapped."""

import os
import tokenize
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.lib import format as npy

from pipeline.storage.json_file import reading


class NpyWriter:
    """Writes an npy file row by row, the number of rows being known only at the end.

    numpy pads the header so that the first axis can grow in place, which is what makes this possible.

    Args:
        path: Where to write.
        dtype: Of the array.
        row_shape: The shape of one row.
    """

    def __init__(self, path: Path, dtype: npt.DTypeLike, row_shape: tuple[int, ...]) -> None:
        self._file = path.open("wb")
        self._dtype = np.dtype(dtype)
        self._row_shape = row_shape
        self.num_rows = 0
        self._write_header()

    def _write_header(self) -> None:
        shape = (self.num_rows, *self._row_shape)
        npy.write_array_header_1_0(
            self._file, {"descr": npy.dtype_to_descr(self._dtype), "fortran_order": False, "shape": shape}
        )

    def write(self, rows: npt.NDArray[Any]) -> None:
        """Append rows of the file's dtype and row shape."""
        self._file.write(np.ascontiguousarray(rows).data)
        self.num_rows += len(rows)

    def close(self) -> None:
        """Write the final header and make the file durable."""
        self._file.seek(0)
        self._write_header()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def abandon(self) -> None:
        """Let go of the file without finishing it; for clean-up after an error."""
        with suppress(OSError):
            self._file.close()


def map_npy(path: Path, dtype: npt.DTypeLike, num_axes: int, remedy: str) -> npt.NDArray[Any]:
    """Map an npy file; read-only, valid as long as it is referenced.

    Args:
        path: The file.
        dtype: What it must hold.
        num_axes: How many axes it must have.
        remedy: What to do where it is damaged.

    Raises:
        InputError: It is damaged, or holds something else.
        CharmillError: It cannot be read.
    """
    with reading(path, remedy):
        try:
            array: npt.NDArray[Any] = npy.open_memmap(path, mode="r")
        except (EOFError, SyntaxError, TypeError, tokenize.TokenError) as error:  # What is not said as a ValueError.
            raise ValueError(" ".join(str(error).split())) from error
        if array.dtype != dtype or array.ndim != num_axes:
            raise ValueError(f"{array.dtype} with {array.ndim} axes, expected {np.dtype(dtype)} with {num_axes}")
    return array
