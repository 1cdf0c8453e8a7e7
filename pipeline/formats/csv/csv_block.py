"""A scanned block of a CSV: its records, and all that it takes to make rows of them, in this process or another."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from pipeline.formats.csv.field_kernel import BOTH
from pipeline.formats.csv.record_block import RecordBlock
from pipeline.formats.csv.scan_kernel import LINE, REASONS, RECORD_TOO_LONG, START
from pipeline.formats.encodings import num_stored, restore
from pipeline.records.cleaning import Cleaned, clean
from pipeline.records.quarantine import RAW_BYTES, Reject
from pipeline.records.rows import Place, RowBlock
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
        place: Where the block begins: blank lines before its data belong to it.
        end: Where the next one begins.
    """

    source: str
    records: RecordBlock
    names: tuple[str, ...]
    wanted: Wanted
    encoding: str
    place: Place
    end: Place

    def size_bytes(self, row_bytes: int) -> int:
        """See `ScannedBlock`."""
        return self.records.data.nbytes + self.records.table.nbytes + len(self.records.table) * row_bytes

    def rows(self) -> RowBlock:
        """See `ScannedBlock`."""
        self.records.check_encoding()
        cleaned, first = self._clean(), self.records.place.record
        reasons = cleaned.reasons | {first + index: reason for index, reason in self.records.reasons.items()}
        return RowBlock(
            frame=cleaned.frame,
            rejects=self.rejects(reasons),
            unknown_labels=cleaned.unknown_labels,
            num_records=len(self.records.table),
            place=self.place,
            end=self.end,
        )

    def columns(self) -> dict[str, pl.Series]:
        """See `ScannedBlock`."""
        self.records.check_encoding()
        fields = self.records.fields(range(len(self.names)))
        return {name: pl.Series(field.strings) for name, field in zip(self.names, fields, strict=True)}

    def _clean(self) -> Cleaned:
        """See `clean`; of the well-formed records."""
        text, label = self.wanted.text, self.wanted.label
        indices = {name: self.names.index(name) for name in self.wanted.columns}
        ascending = sorted(indices.values())
        fields = dict(zip(ascending, self.records.fields(ascending), strict=True))
        edges = {name: fields[index].edges for name, index in indices.items()}
        may_be_blank = np.bitwise_and.reduce([edges[name] for name in text]) == BOTH
        if label:
            may_be_blank |= edges[label] == BOTH
        return clean(
            {name: pl.Series(fields[index].strings) for name, index in indices.items()},
            self.records.place.record + self.records.well_formed,
            self.wanted,
            strip_label=bool(label) and bool(edges[label].any()),
            may_be_blank=may_be_blank,
        )

    def rejects(self, reasons: Mapping[int, str]) -> list[Reject]:
        """See `ScannedBlock`."""
        block = self.records
        rejects = []
        offset = block.place.stored_offset
        before = 0
        for record in sorted(reasons):
            index = record - block.place.record
            start = int(block.table[index, START])
            offset += num_stored(block.data[before:start], self.encoding)
            before = start
            raw = restore(block.raw(index), self.encoding)
            rejects.append(
                Reject(
                    source=self.source,
                    record=record,
                    line=int(block.table[index, LINE]),
                    byte_offset=offset,
                    reason=reasons[record],
                    raw=raw[:RAW_BYTES] if reasons[record] == REASONS[RECORD_TOO_LONG] else raw,
                    raw_bytes=block.raw_bytes or len(raw),
                )
            )
        return rejects
