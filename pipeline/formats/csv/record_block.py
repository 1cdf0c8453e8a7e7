"""Records of a CSV, located in a block of bytes: numbered, told apart into well-formed and malformed ones, and cut into fields."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.formats.csv.field_kernel import VIEW_WORDS, cut_fields
from pipeline.formats.csv.scan_kernel import OK, REASONS, START, STATUS, STOP, Bytes
from pipeline.records.quarantine import INVALID_ENCODING
from pipeline.records.rows import Place


@dataclass(frozen=True, kw_only=True)
class Field:
    """A field of each of a block's well-formed records.

    Attributes:
        strings: string_view [M]; long ones are views into the block's data, which lives as long as they do.
        edges: uint8 [M], as `cut_fields` writes them: what has none has no white space to strip, and is blank only if it has both.
    """

    strings: pa.Array
    edges: npt.NDArray[np.uint8]


class RecordBlock:
    """Consecutive records, and all that it takes to cut their fields: it can be pickled, and cut in another process.

    Args:
        data: uint8 [bytes], UTF-8 but for malformed records; a read-only view.
        place: Where data begins.
        table: int64 [N, RECORD_FIELDS], as `scan_records` writes it.
        delimiter: The byte between fields.
        raw_bytes: Of a block of one record that is too long, of which data holds the beginning, its length as stored.

    Attributes:
        reasons: Records that are not well-formed, by index into table.
        well_formed: Indices into table of the records that go on, int64 [M].
    """

    def __init__(
        self, *, data: Bytes, place: Place, table: npt.NDArray[np.int64], delimiter: int, raw_bytes: int = 0
    ) -> None:
        self.data = data
        self.place = place
        self.table = table
        self.raw_bytes = raw_bytes
        self._delimiter = delimiter
        status = table[:, STATUS]
        self.reasons = {int(index): REASONS[status[index]] for index in np.flatnonzero(status != OK)}
        self.well_formed = np.arange(len(table))
        if self.reasons:
            self.well_formed = np.delete(self.well_formed, list(self.reasons))

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuilt, (self.data, self.place, self.table, self._delimiter, self.raw_bytes)

    def check_encoding(self) -> None:
        """Take records that are not UTF-8 out of the well-formed ones."""
        if is_utf8(self.data):
            return
        for index in self.well_formed:
            if not is_utf8(self.data[self.table[index, START] : self.table[index, STOP]]):
                self.reasons[int(index)] = INVALID_ENCODING
        self.well_formed = np.delete(np.arange(len(self.table)), list(self.reasons))

    def raw(self, index: int) -> bytes:
        """The UTF-8 bytes of a record, without its line ending."""
        return self.data[self.table[index, START] : self.table[index, STOP]].tobytes()

    def fields(self, wanted: Sequence[int]) -> list[Field]:
        """Cut fields out of the well-formed records, whose encoding was checked.

        Args:
            wanted: Their indices, ascending, each below the number of fields.
        """
        data, table = self.data, self.table[self.well_formed] if self.reasons else self.table
        unquoted = np.empty(len(data), np.uint8)
        views = np.empty((len(wanted), len(table), VIEW_WORDS), np.uint32)
        edges = np.empty((len(wanted), len(table)), np.uint8)
        num_bytes = cut_fields(
            data, table, self._delimiter, np.array(wanted, np.int64), unquoted, views.reshape(-1), edges
        )
        buffers = [pa.py_buffer(data), pa.py_buffer(unquoted[:num_bytes].copy())]
        return [
            Field(
                strings=pa.Array.from_buffers(
                    pa.string_view(), len(table), [None, pa.py_buffer(views[index]), *buffers]
                ),
                edges=edges[index],
            )
            for index in range(len(wanted))
        ]


def _rebuilt(data: Bytes, place: Place, table: npt.NDArray[np.int64], delimiter: int, raw_bytes: int) -> RecordBlock:
    """A block that was pickled, its data read-only again, so that Numba compiles one version of a kernel."""
    data.flags.writeable = False
    return RecordBlock(data=data, place=place, table=table, delimiter=delimiter, raw_bytes=raw_bytes)


def is_utf8(data: Bytes) -> bool:
    """Whether uint8 [bytes] is valid UTF-8, as Arrow and Polars will judge it."""
    array = pa.Array.from_buffers(
        pa.large_binary(), 1, [None, pa.py_buffer(np.array([0, len(data)])), pa.py_buffer(data)]
    )
    try:
        array.cast(pa.large_string())
    except pa.ArrowInvalid:
        return False
    return True
