"""The CSV reader: a source in, frames of clean rows and rejects out. The only place where CSV is read.

The scanner cuts and locates records, Polars parses the well-formed ones, and rows with a blank text or label are taken out
here, so that everything after this module sees rows only.
"""

import csv
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field, replace

import polars as pl

from pipeline.errors import InputError, LawError, UsageError
from pipeline.quarantine import BLANK_LABEL, BLANK_TEXT, UNKNOWN_LABEL, Reject
from pipeline.scan_kernel import LINE, START
from pipeline.scanner import BLOCK_BYTES, Block, Place, RecordScanner
from pipeline.sniff import SNIFF_BYTES, describe_foreign
from pipeline.source import ByteStream, Source
from pipeline.transcode import UTF8, Utf8Stream, normalize_encoding

RECORD, TEXT, LABEL = "record", "text", "label"
BOM = b"\xef\xbb\xbf"

# Polars guesses from a buffer's first bytes: it inflates what begins with "x^", as zlib's data does, and drops a byte order mark.
# A block may begin with any text, so this line stands before it and is skipped.
_GUARD_LINE = b"-\n"


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
        if self.max_record_bytes < 1:
            raise UsageError(f"--max-record-bytes {self.max_record_bytes}: expected 1 or more")
        for flag, names in (("--columns", self.columns), ("--keep", self.keep)):
            twice = sorted({name for name in names if list(names).count(name) > 1})
            if twice:
                raise UsageError(f"{flag}: {', '.join(twice)} is named twice")
        normalize_encoding(self.encoding)


@dataclass(frozen=True, kw_only=True)
class RowBlock:
    """Consecutive clean rows, and the records among and before them that did not become rows.

    Attributes:
        frame: Columns `record` Int64, `text` String, `label` String where wanted, and the kept columns, String; no nulls.
            Kept columns carry the prefix of `kept_name`.
        rejects: In the order of their records.
        num_records: Rows and rejects together, counted by the scanner.
        place: Where the block begins.
        end: Where the next one begins.
    """

    frame: pl.DataFrame
    rejects: list[Reject] = field(default_factory=list)
    num_records: int
    place: Place
    end: Place


def kept_name(name: str) -> str:
    """The frame's name of a kept column, which cannot collide with the reader's own columns."""
    return f"keep:{name}"


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
        self._offset_base = 0  # Of the block at hand, in the file as stored.

    def blocks(self, start: Place | None = None) -> Generator[RowBlock, None, None]:
        """Read to the end. Whoever may stop before it closes the generator, and the source with it: see `contextlib.closing`.

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
            names = list(self._format.columns) or self._read_header(scanner)
            self._require_columns(names)
            scanner.num_fields = len(names)
            if start is not None:
                if not scanner.skip_to(start):
                    raise InputError(
                        f"{self.source.path}: it is shorter than it was, expected {start.offset:,} bytes, got {scanner.offset:,}; "
                        "it was changed meanwhile, run this again",
                        path=self.source.path,
                    )
                self._offset_base = start.stored_offset
            place = self._place(scanner)
            for block in scanner.blocks():
                frame, rejects = self._rows(block, names)
                self._advance(block)
                end = self._place(scanner)
                if len(block.table):
                    yield RowBlock(frame=frame, rejects=rejects, num_records=len(block.table), place=place, end=end)
                    place = end
            if self._format.columns and place.record == 0:
                raise self._empty()

    def _place(self, scanner: RecordScanner) -> Place:
        return replace(scanner.place, stored_offset=self._offset_base)

    def _empty(self) -> InputError:
        return InputError(f"{self.source.path}: there is no record in it; expected a CSV", path=self.source.path)

    def _as_utf8(self, stream: ByteStream) -> ByteStream:
        encoding = normalize_encoding(self._format.encoding)
        if encoding != UTF8:
            self._transcoder = Utf8Stream(stream, encoding)
            head = self._transcoder.read(SNIFF_BYTES)
            self._offset_base = self._transcoder.bom_bytes
            return _Rejoined(head, self._transcoder)
        head = b""
        while len(head) < SNIFF_BYTES:
            part = stream.read(SNIFF_BYTES - len(head))
            if not part:
                break
            head += part
        foreign = describe_foreign(head, self._format.delimiter.encode())
        if foreign:
            what, todo = foreign
            raise InputError(
                f"{self.source.path}: this is {what}, expected CSV in UTF-8; {todo}", path=self.source.path
            )
        if head.startswith(BOM):
            self._offset_base = len(BOM)
            head = head[len(BOM) :]
        return _Rejoined(head, stream)

    def _read_header(self, scanner: RecordScanner) -> list[str]:
        for block in scanner.blocks(max_records=1):
            self._advance(block)
            if len(block.table):
                break
        else:
            raise self._empty()
        raw = block.raw(0)
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

    def _rows(self, block: Block, names: list[str]) -> tuple[pl.DataFrame, list[Reject]]:
        index = block.well_formed
        parsed = self._parse(block, names) if len(index) else self._no_rows(names)
        if len(parsed) != len(index):
            raise LawError(f"{self.source.path}: Polars made {len(parsed):,} rows of {len(index):,} records")
        frame = self._select(parsed, names).insert_column(0, pl.Series(RECORD, index + block.first_record, pl.Int64))
        frame, unusable = self._clean(frame)
        reasons = {**block.reasons, **{record - block.first_record: reason for record, reason in unusable}}
        return frame, self._rejects(block, reasons)

    def _parse(self, block: Block, names: list[str]) -> pl.DataFrame:
        wanted = sorted(
            {names.index(name) for name in (*self._format.text, *self._format.keep, self._format.label) if name}
        )
        return pl.read_csv(
            b"".join((_GUARD_LINE, block.to_csv(ord(self._format.delimiter)).data)),
            has_header=False,
            skip_rows=1,
            schema={_column(index): pl.String for index in range(len(names))},
            columns=[_column(index) for index in wanted],
            separator=self._format.delimiter,
            empty_string_is_null=False,
        )

    @staticmethod
    def _no_rows(names: list[str]) -> pl.DataFrame:
        return pl.DataFrame(schema={_column(index): pl.String for index in range(len(names))})

    def _select(self, parsed: pl.DataFrame, names: list[str]) -> pl.DataFrame:
        def column(name: str) -> pl.Expr:
            return pl.col(_column(names.index(name)))

        texts = [column(name) for name in self._format.text]
        chosen = [(texts[0] if len(texts) == 1 else pl.concat_str(texts, separator=" ")).alias(TEXT)]
        if self._format.label:
            chosen.append(column(self._format.label).str.strip_chars().alias(LABEL))
        chosen += [column(name).alias(kept_name(name)) for name in self._format.keep]
        return parsed.select(chosen)

    def _clean(self, frame: pl.DataFrame) -> tuple[pl.DataFrame, list[tuple[int, str]]]:
        """Take out rows that cannot be used; returns the rest, and (record, reason) of those taken."""
        rules = [(pl.col(TEXT).str.strip_chars() == "", BLANK_TEXT)]
        if self._format.label:
            rules.append((pl.col(LABEL) == "", BLANK_LABEL))
        if self._format.label and self._format.labels:
            rules.append((~pl.col(LABEL).is_in(list(self._format.labels)), UNKNOWN_LABEL))
        reason = pl.coalesce(pl.when(rule).then(pl.lit(name)) for rule, name in rules)
        judged = frame.with_columns(reason.alias("reason:"))
        if not judged["reason:"].is_not_null().any():
            return frame, []
        bad = judged.filter(pl.col("reason:").is_not_null())
        return judged.filter(pl.col("reason:").is_null()).drop("reason:"), list(
            bad.select(RECORD, "reason:").iter_rows()
        )

    def _rejects(self, block: Block, reasons: dict[int, str]) -> list[Reject]:
        rejects = []
        offset = self._offset_base
        before = 0
        for index in sorted(reasons):
            start = int(block.table[index, START])
            offset += self._stored_bytes(block, before, start)
            before = start
            rejects.append(
                Reject(
                    source=self.source.name,
                    record=block.first_record + index,
                    line=int(block.table[index, LINE]),
                    byte_offset=offset,
                    reason=reasons[index],
                    raw=self._stored(block.raw(index)),
                )
            )
        return rejects

    def _stored_bytes(self, block: Block, start: int, stop: int) -> int:
        """How many bytes a part of a block has as stored."""
        return len(self._transcoder.restore(block.data[start:stop].tobytes())) if self._transcoder else stop - start

    def _stored(self, utf8: bytes) -> bytes:
        return self._transcoder.restore(utf8) if self._transcoder else utf8

    def _advance(self, block: Block) -> None:
        self._offset_base += self._stored_bytes(block, 0, len(block.data))


def _listed(names: list[str]) -> str:
    """The names in quotes, long ones and long lists cut."""
    shown = [repr(name if len(name) <= 40 else f"{name[:40]}...") for name in names[:20]]
    return ", ".join(shown) + (f" and {len(names) - 20} more" if len(names) > 20 else "")


def _column(index: int) -> str:
    """The name by which Polars knows the column at an index; it insists on this form where there is no header."""
    return f"column_{index + 1}"


class _Rejoined:
    """A stream whose beginning was already read."""

    def __init__(self, head: bytes, stream: ByteStream) -> None:
        self._head = head
        self._stream = stream

    def read(self, num_bytes: int, /) -> bytes:
        if self._head:
            data, self._head = self._head[:num_bytes], self._head[num_bytes:]
            return data
        return self._stream.read(num_bytes)
