"""The CSV reader: a source in, frames of clean rows and rejects out. The only place where CSV is read.

The scanner cuts and locates records and cuts the well-formed ones into fields, Polars cleans the rows, and those with a blank text or
label are taken out here, so that everything after this module sees rows only.

Reading has two halves: `CsvReader.scan` goes through the bytes one after another, `CsvReader.rows` makes rows of any block, and several
threads may do so at once.
"""

import csv
import signal
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import polars as pl

from pipeline.errors import InputError, UsageError
from pipeline.formats.csv.field_kernel import BOTH
from pipeline.formats.csv.scan_kernel import LINE, START, Bytes
from pipeline.formats.csv.scanner import BLOCK_BYTES, Block, RecordScanner
from pipeline.formats.csv.sniff import SNIFF_BYTES, describe_foreign
from pipeline.formats.csv.transcode import UTF8, Utf8Stream, normalize_encoding
from pipeline.records.quarantine import BLANK_LABEL, BLANK_TEXT, UNKNOWN_LABEL, Reject
from pipeline.records.rows import LABEL, RECORD, TEXT, Place, RowBlock, kept_name
from pipeline.storage.source import ByteStream, Source

BOM = b"\xef\xbb\xbf"

MAX_RECORD_BYTES = 1 << 30

# Polars' handler of interrupts lets a read that waits for a pipe go on waiting; CPython's does not.
signal.siginterrupt(signal.SIGINT, True)


@dataclass(frozen=True, kw_only=True)
class CsvFormat:
    """How the CSVs of a job look, and which of their columns are wanted.

    Attributes:
        text: Columns joined by one space to make the text.
        label: The column of the true label; empty for none.
        keep: Columns passed through.
        columns: The names of the columns of a file without a header; empty where the first record is the header.
        delimiter: One ASCII character between fields.
        encoding: Any Python text codec.
        max_record_bytes: A longer record is quarantined.
        labels: Where not empty, the only labels that are known; others are quarantined.
    """

    text: Sequence[str] = (TEXT,)
    label: str = ""
    keep: Sequence[str] = ()
    columns: Sequence[str] = ()
    delimiter: str = ","
    encoding: str = UTF8
    max_record_bytes: int = 1 << 20
    labels: Sequence[str] = ()

    def __post_init__(self) -> None:
        if not self.text or not all(self.text):
            raise UsageError("--text: name at least one column")
        if len(self.delimiter) != 1 or not self.delimiter.isascii() or self.delimiter in '"\r\n':
            raise UsageError(
                f"--delimiter {self.delimiter!r}: expected one ASCII character other than a quote or a line ending"
            )
        if not 1 <= self.max_record_bytes <= MAX_RECORD_BYTES:
            raise UsageError(f"--max-record-bytes {self.max_record_bytes}: expected 1 to {MAX_RECORD_BYTES:,}")
        for flag, names in (("--columns", self.columns), ("--keep", self.keep)):
            twice = sorted({name for name in names if list(names).count(name) > 1})
            if twice:
                raise UsageError(f"{flag}: {', '.join(twice)} is named twice")
        normalize_encoding(self.encoding)


@dataclass(frozen=True, kw_only=True)
class ScannedBlock:
    """Consecutive records, not yet rows.

    Attributes:
        records: The records.
        stored_offset: Where their data begins in the file as stored, after decompression.
        place: Where the block begins: blank lines before its data belong to it.
        end: Where the next one begins.
    """

    records: Block
    stored_offset: int
    place: Place
    end: Place

    def size_bytes(self, row_bytes: int) -> int:
        """What it takes in memory with what is made of it, row_bytes for each row."""
        return self.records.data.nbytes + self.records.table.nbytes + len(self.records.table) * row_bytes


class CsvReader:
    """Reads one source, once.

    Args:
        source: What to read.
        csv_format: How it looks.
        block_bytes: Read so much at a time; the rows do not depend on it.

    Raises:
        UsageError: The source cannot be opened.
        InputError: The source is empty, not text, damaged, or lacks a wanted column.
    """

    def __init__(self, source: Source, csv_format: CsvFormat, *, block_bytes: int = BLOCK_BYTES) -> None:
        self.source = source
        self._format = csv_format
        self._block_bytes = block_bytes
        self._transcoder: Utf8Stream | None = None
        self._head_bytes = 0  # Of the byte order mark and the header, as stored.
        self._names: list[str] = []
        self._wanted = {name for name in (*csv_format.text, *csv_format.keep, csv_format.label) if name}

    def blocks(self, start: Place | None = None) -> Generator[RowBlock, None, None]:
        """Read to the end, one half after the other. Whoever may stop before it closes the generator, and the source with it."""
        with closing(self.scan(start)) as scanned:
            for block in scanned:
                yield self.rows(block)

    def scan(self, start: Place | None = None) -> Generator[ScannedBlock, None, None]:
        """Go through the source's bytes. Whoever may stop before the end closes the generator, and the source with it.

        Args:
            start: The `end` of a block of an earlier reading of the same bytes; what follows is what followed then. What lies before it is
                read and hashed, but not scanned.
        """
        with self.source.open() as stream:
            scanner = RecordScanner(
                self._as_utf8(stream),
                delimiter=ord(self._format.delimiter),
                max_record_bytes=self._format.max_record_bytes,
                block_bytes=self._block_bytes,
            )
            self._names = list(self._format.columns) or self._read_header(scanner)
            self._require_columns(self._names)
            scanner.num_fields = len(self._names)
            place = replace(scanner.place, stored_offset=self._head_bytes)
            if start is not None:
                place = start
                if not scanner.skip_to(start):
                    raise InputError(
                        f"{self.source.path}: it is shorter than it was, expected {start.offset:,} bytes, got {scanner.place.offset:,}; "
                        "it was changed meanwhile, run this again",
                        path=self.source.path,
                    )
            end = place
            for block in scanner.blocks():
                stored_offset = end.stored_offset
                end = replace(scanner.place, stored_offset=stored_offset + self._stored_bytes(block.data))
                if len(block.table):
                    yield ScannedBlock(records=block, stored_offset=stored_offset, place=place, end=end)
                    place = end
                del block  # It may be large, and the next one takes a while.
            if self._format.columns and place.record == 0:
                raise self._empty()

    def _empty(self) -> InputError:
        return InputError(f"{self.source.path}: there is no record in it; expected a CSV", path=self.source.path)

    def _as_utf8(self, stream: ByteStream) -> ByteStream:
        encoding = normalize_encoding(self._format.encoding)
        if encoding != UTF8:
            self._transcoder = Utf8Stream(stream, encoding)
            head = _read_head(self._transcoder)
            self._head_bytes = self._transcoder.bom_bytes
            return _Rejoined(head, self._transcoder)
        head = _read_head(stream)
        foreign = describe_foreign(head, self._format.delimiter.encode())
        if foreign:
            what, todo = foreign
            raise InputError(
                f"{self.source.path}: this is {what}, expected CSV in UTF-8; {todo}", path=self.source.path
            )
        if head.startswith(BOM):
            self._head_bytes = len(BOM)
            head = head[len(BOM) :]
        return _Rejoined(head, stream)

    def _read_header(self, scanner: RecordScanner) -> list[str]:
        for block in scanner.blocks(max_records=1):
            self._head_bytes += self._stored_bytes(block.data)
            if len(block.table):
                break
        else:
            raise self._empty()
        raw = block.raw(0)
        block.check_encoding()
        if block.reasons:
            raise InputError(
                f"{self.source.path}: the header on line {block.table[0, LINE]} is malformed ({block.reasons[0]}): {raw[:80]!r}; "
                "mend it, or name the columns with --columns if there is no header",
                path=self.source.path,
            )
        scanner.count_from_here()
        try:
            return next(csv.reader([raw.decode(UTF8)], delimiter=self._format.delimiter, strict=False))
        except csv.Error as error:
            raise InputError(
                f"{self.source.path}: the header on line {block.table[0, LINE]} cannot be read ({error}): {raw[:80]!r}; "
                "mend it; lines must end with LF or CRLF",
                path=self.source.path,
            ) from error

    def _require_columns(self, names: list[str]) -> None:
        wanted = [("--text", name) for name in self._format.text] + [("--keep", name) for name in self._format.keep]
        if self._format.label:
            wanted.append(("--label", self._format.label))
        for flag, name in wanted:
            if name not in names:
                raise InputError(
                    f"{self.source.path}: there is no column {name!r} for {flag}; the columns are {_listed(names)}"
                    + ("" if self._format.columns else "; if the file has no header, name its columns with --columns"),
                    path=self.source.path,
                )
            if names.count(name) > 1:
                raise InputError(
                    f"{self.source.path}: the header names {name!r} twice, so {flag} is ambiguous",
                    path=self.source.path,
                )

    def rows(self, scanned: ScannedBlock) -> RowBlock:
        """Make rows and rejects of a block that `scan` yielded; may run in several threads at once."""
        block = scanned.records
        block.check_encoding()
        frame, may_be_blank = self._cut(block)
        unusable = self._unusable(frame, may_be_blank)
        numbers = block.well_formed
        if unusable:
            usable = np.ones(len(numbers), np.bool_)
            usable[list(unusable)] = False
            frame, numbers = frame.filter(pl.Series(usable)), numbers[usable]
        reasons = {**block.reasons, **{int(block.well_formed[row]): reason for row, reason in unusable.items()}}
        frame.insert_column(0, pl.Series(RECORD, numbers + block.place.record, pl.Int64))
        return RowBlock(
            frame=frame,
            rejects=self._rejects(scanned, reasons),
            num_records=len(block.table),
            place=scanned.place,
            end=scanned.end,
        )

    def _cut(self, block: Block) -> tuple[pl.DataFrame, npt.NDArray[np.bool_]]:
        """The wanted columns of the well-formed records, labels stripped; and of which rows the text or the label may be blank."""
        text, label, keep = self._format.text, self._format.label, self._format.keep
        names = {name: self._names.index(name) for name in self._wanted}
        wanted = sorted(names.values())
        fields = dict(zip(wanted, block.fields(wanted), strict=True))
        strings = {name: pl.Series(fields[index].strings) for name, index in names.items()}
        edges = {name: fields[index].edges for name, index in names.items()}
        may_be_blank = np.bitwise_and.reduce([edges[name] for name in text]) == BOTH
        columns = [_joined([strings[name] for name in text]).alias(TEXT)]
        if label:
            has_edges = bool(edges[label].any())
            columns.append((strings[label].str.strip_chars() if has_edges else strings[label]).alias(LABEL))
            may_be_blank |= edges[label] == BOTH
        columns += [strings[name].alias(kept_name(name)) for name in keep]
        return pl.DataFrame(columns), may_be_blank

    def _unusable(self, frame: pl.DataFrame, may_be_blank: npt.NDArray[np.bool_]) -> dict[int, str]:
        """Which rows cannot be used, and why."""
        rules = [(pl.col(TEXT).str.strip_chars() == "", BLANK_TEXT)]
        if self._format.label:
            rules.append((pl.col(LABEL) == "", BLANK_LABEL))
        suspects = np.flatnonzero(may_be_blank)
        if self._format.label and self._format.labels:
            rules.append((~pl.col(LABEL).is_in(list(self._format.labels)), UNKNOWN_LABEL))
            suspects = np.arange(len(frame))
        if not len(suspects):
            return {}
        reasons = (
            (frame if len(suspects) == len(frame) else frame[suspects])
            .select(pl.coalesce(pl.when(rule).then(pl.lit(name)) for rule, name in rules))
            .to_series()
        )
        return {int(suspects[index]): reasons[index] for index in reasons.is_not_null().arg_true()}

    def _rejects(self, scanned: ScannedBlock, reasons: dict[int, str]) -> list[Reject]:
        block = scanned.records
        rejects = []
        offset = scanned.stored_offset
        before = 0
        for index in sorted(reasons):
            start = int(block.table[index, START])
            offset += self._stored_bytes(block.data[before:start])
            before = start
            rejects.append(
                Reject(
                    source=self.source.name,
                    record=block.place.record + index,
                    line=int(block.table[index, LINE]),
                    byte_offset=offset,
                    reason=reasons[index],
                    raw=self._stored(block.raw(index)),
                )
            )
        return rejects

    def _stored_bytes(self, utf8: Bytes) -> int:
        """How many bytes a part of the data has as stored."""
        return len(self._transcoder.restore(utf8.tobytes())) if self._transcoder else len(utf8)

    def _stored(self, utf8: bytes) -> bytes:
        return self._transcoder.restore(utf8) if self._transcoder else utf8


def _joined(texts: list[pl.Series]) -> pl.Series:
    """Columns joined by a space."""
    if len(texts) == 1:
        return texts[0]
    named = [text.alias(str(number)) for number, text in enumerate(texts)]
    return pl.DataFrame(named).select(pl.concat_str(pl.all(), separator=" ")).to_series()


def _read_head(stream: ByteStream) -> bytes:
    """The first bytes of a stream, fewer only where it ends."""
    head = memoryview(bytearray(SNIFF_BYTES))
    filled = 0
    while filled < SNIFF_BYTES and (num_read := stream.readinto(head[filled:])):
        filled += num_read
    return bytes(head[:filled])


def _listed(names: list[str]) -> str:
    """The names in quotes, long ones and long lists cut."""
    shown = [repr(name if len(name) <= 40 else f"{name[:40]}...") for name in names[:20]]
    return ", ".join(shown) + (f" and {len(names) - 20} more" if len(names) > 20 else "")


class _Rejoined:
    """A stream whose beginning was already read."""

    def __init__(self, head: bytes, stream: ByteStream) -> None:
        self._head = head
        self._stream = stream

    def readinto(self, buffer: memoryview, /) -> int:
        if not self._head:
            return self._stream.readinto(buffer)
        part, self._head = self._head[: len(buffer)], self._head[len(buffer) :]
        buffer[: len(part)] = part
        return len(part)
