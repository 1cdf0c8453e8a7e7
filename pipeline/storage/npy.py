"""npy files that are written row by row."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.lib import format as npy


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
        npy.write_array_header_1_0(self._file, {"descr": self._dtype.str, "fortran_order": False, "shape": shape})

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
