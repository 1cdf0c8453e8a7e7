"""A scanned block of a CSV: its records, and all that it takes to make rows of them, in this process or another."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from pipeline.formats.csv.field_kernel import BOTH
from pipeline.formats.csv.record_block import RecordBlock
from pipeline.formats.csv.scan_kernel import LINE, START
from pipeline.formats.csv.transcode import num_stored, restore
from pipeline.records.cleaning import Flags, find_unusable, make_frame
from pipeline.records.quarantine import Reject
from pipeline.records.rows import RECORD, Place, RowBlock
from pipeline.records.wanted import Wanted


@dataclass(frozen=True, kw_only=True)
class CsvBlock:
    """Consecutive records, not yet rows; can be pickled. See `ScannedBlock`.

    Attributes:
        source: The name of what they come from.
        records: The records.
        names: The file's columns.
        wanted: The columns that make a row.
        encoding: Of the file as stored, its byte order settled.
        stored_offset: Where the records' data begins in the file as stored, after decompression.
        place: Where the block begins: blank lines before its data belong to it.
        end: Where the next one begins.
    """

    source: str
    records: RecordBlock
    names: tuple[str, ...]
    wanted: Wanted
    encoding: str
    stored_offset: int
    place: Place
    end: Place

    def size_bytes(self, row_bytes: int) -> int:
        """See `ScannedBlock`."""
        return self.records.data.nbytes + self.records.table.nbytes + len(self.records.table) * row_bytes

    def rows(self) -> RowBlock:
        """See `ScannedBlock`."""
        block = self.records
        block.check_encoding()
        frame, may_be_blank = self._cut()
        unusable = find_unusable(frame, self.wanted, may_be_blank)
        numbers = block.well_formed
        if unusable:
            usable = np.ones(len(numbers), np.bool_)
            usable[list(unusable)] = False
            frame, numbers = frame.filter(pl.Series(usable)), numbers[usable]
        reasons = {**block.reasons, **{int(block.well_formed[row]): reason for row, reason in unusable.items()}}
        frame.insert_column(0, pl.Series(RECORD, numbers + block.place.record, pl.Int64))
        return RowBlock(
            frame=frame,
            rejects=self._rejects(reasons),
            num_records=len(block.table),
            place=self.place,
            end=self.end,
        )

    def _cut(self) -> tuple[pl.DataFrame, Flags]:
        """The frame of the well-formed records, and of which rows the text or the label may be blank."""
        text, label = self.wanted.text, self.wanted.label
        indices = {name: self.names.index(name) for name in self.wanted.columns}
        ascending = sorted(indices.values())
        fields = dict(zip(ascending, self.records.fields(ascending), strict=True))
        edges = {name: fields[index].edges for name, index in indices.items()}
        may_be_blank = np.bitwise_and.reduce([edges[name] for name in text]) == BOTH
        if label:
            may_be_blank |= edges[label] == BOTH
        strings = {name: pl.Series(fields[index].strings) for name, index in indices.items()}
        frame = make_frame(strings, self.wanted, strip_label=bool(label) and bool(edges[label].any()))
        return frame, may_be_blank

    def _rejects(self, reasons: dict[int, str]) -> list[Reject]:
        block = self.records
        rejects = []
        offset = self.stored_offset
        before = 0
        for index in sorted(reasons):
            start = int(block.table[index, START])
            offset += num_stored(block.data[before:start], self.encoding)
            before = start
            rejects.append(
                Reject(
                    source=self.source,
                    record=block.place.record + index,
                    line=int(block.table[index, LINE]),
                    byte_offset=offset,
                    reason=reasons[index],
                    raw=restore(block.raw(index), self.encoding),
                )
            )
        return rejects
