"""The CSV reader: goes through the bytes of a source, reads its header, and hands out blocks of records.

The scanner cuts and locates the records; a block makes rows of its records, in any thread or process.
"""

import csv
from collections.abc import Generator
from functools import partial

import numpy as np

from pipeline.errors import InputError
from pipeline.formats.csv.csv_block import CsvBlock
from pipeline.formats.csv.csv_format import CsvFormat
from pipeline.formats.csv.detect_delimiter import ONE_COLUMN, byte_of, detect_delimiter, find_separator_line
from pipeline.formats.csv.scan_kernel import LINE
from pipeline.formats.csv.scanner import BLOCK_BYTES, RecordScanner
from pipeline.formats.encodings import AUTO, Text, normalize_encoding, num_stored, open_text
from pipeline.formats.sniff import SNIFF_BYTES, UTF8, HeadError
from pipeline.records.row_reader import Dialect
from pipeline.records.rows import Place
from pipeline.records.wanted import Wanted
from pipeline.storage.source import Source
from pipeline.storage.streams import LimitedStream

_SAMPLE_RECORDS = 200


class CsvReader:
    """Reads one source, once. See `RowReader`.

    Args:
        source: What to read.
        wanted: The columns that make a row.
        csv_format: How it looks.
        block_bytes: Read so much at a time; the rows do not depend on it.
    """

    def __init__(
        self, source: Source, wanted: Wanted, csv_format: CsvFormat, *, block_bytes: int = BLOCK_BYTES
    ) -> None:
        self._source = source
        self.wanted = wanted
        self._format = csv_format
        self._block_bytes = block_bytes
        self.dialect = Dialect()
        self._has_separator_line = False

    def scan(self, start: Place | None = None, end: Place | None = None) -> Generator[CsvBlock, None, None]:
        """See `RowReader`.

        Raises:
            UsageError: The source cannot be opened.
            InputError: The source is empty, not text, damaged, lacks a wanted column, or it is not clear how it is written.
        """
        with self._source.open() as stored:
            given = self._format.delimiter
            between = "," if given in {AUTO, ONE_COLUMN} else given
            text = open_text(stored, self._format.encoding, self._source.path, expected="CSV", delimiter=between)
            separator, delimiter = self._look_at(text)
            scanner = RecordScanner(
                text.stream if end is None else LimitedStream(text.stream, end.offset),
                delimiter=byte_of(delimiter),
                max_record_bytes=self._format.max_record_bytes,
                block_bytes=self._block_bytes,
                encoding=text.encoding,
                bom_bytes=text.bom_bytes,
            )
            if separator:
                stored_bytes = text.bom_bytes + num_stored(np.frombuffer(separator, np.uint8), text.encoding)
                scanner.skip_to(Place(record=0, line=2, offset=len(separator), stored_offset=stored_bytes))
            names = tuple(self._format.columns or self._read_header(scanner, delimiter))
            scanner.num_fields = len(names)
            self.wanted = self.wanted.in_file(names, self._source.path)
            self.wanted.require_in(names, self._source.path, self._hint(), partial(_sample, scanner))
            if start is not None:
                self._skip_to(scanner, start)
            place = scanner.place
            for records in scanner.blocks():
                if len(records.table):
                    yield CsvBlock(
                        source=self._source.name,
                        records=records,
                        names=names,
                        wanted=self.wanted,
                        encoding=text.encoding,
                        place=place,
                        end=scanner.place,
                    )
                    place = scanner.place
                del records  # It may be large, and the next one takes a while.
            if self._format.columns and place.record == 0:
                raise self._empty()

    def _look_at(self, text: Text) -> tuple[bytes, str]:
        """A separator line with its ending, empty where there is none, and what stands between fields."""
        head = text.stream.peek(SNIFF_BYTES)
        num_bytes, separator = find_separator_line(head)
        self._has_separator_line = num_bytes > 0
        delimiter = separator if self._format.delimiter == AUTO else self._format.delimiter
        try:
            delimiter = delimiter or detect_delimiter(
                head,
                is_whole=len(head) < SNIFF_BYTES,
                num_columns=len(self._format.columns),
                max_record_bytes=self._format.max_record_bytes,
            )
        except HeadError as error:
            raise InputError(f"{self._source.path}: {error}", path=self._source.path) from error
        told = {
            "delimiter": self._format.delimiter == AUTO,
            "encoding": self._format.encoding == AUTO or normalize_encoding(self._format.encoding) != text.codec,
        }
        self.dialect = Dialect(
            delimiter="none" if delimiter == ONE_COLUMN else delimiter,
            encoding=text.codec,
            detected=[name for name, is_told in told.items() if is_told],
        )
        if self._format.columns and list(self._format.columns) == _first_fields(head[num_bytes:], delimiter):
            raise InputError(
                f"{self._source.path}: its first record is a header, which --columns would make a row of; leave --columns out",
                path=self._source.path,
            )
        return head[:num_bytes], delimiter

    def _hint(self) -> str:
        """What to do about a header that lacks a column."""
        if self._format.columns:
            return ""
        if self._has_separator_line:
            return "; its first line says what stands between fields: if that is wrong, name it with --delimiter"
        hint = "; if the file has no header, name its columns with --columns"
        if self.dialect.delimiter == "none" and "delimiter" in self.dialect.detected:
            return (
                "; if something other than , ; | or a tab stands between its columns, name it with --delimiter" + hint
            )
        return hint

    def _skip_to(self, scanner: RecordScanner, start: Place) -> None:
        if not scanner.skip_to(start):
            raise InputError(
                f"{self._source.path}: it is shorter than it was, expected {start.offset:,} bytes, got {scanner.place.offset:,}; "
                "it was changed meanwhile, run this again",
                path=self._source.path,
            )

    def _empty(self) -> InputError:
        return InputError(f"{self._source.path}: there is no record in it; expected a CSV", path=self._source.path)

    def _read_header(self, scanner: RecordScanner, delimiter: str) -> list[str]:
        block = next((block for block in scanner.blocks(max_records=1) if len(block.table)), None)
        if block is None:
            raise self._empty()
        raw = block.raw(0)
        block.check_encoding()
        if block.reasons:
            raise InputError(
                f"{self._source.path}: the header on line {block.table[0, LINE]} is malformed ({block.reasons[0]}): {raw[:80]!r}; "
                "mend it, or name the columns with --columns if there is no header",
                path=self._source.path,
            )
        scanner.count_from_here()
        try:
            return [name.strip() for name in next(csv.reader([raw.decode(UTF8)], delimiter=delimiter, strict=False))]
        except csv.Error as error:
            why = "there is a CR within it" if b"\r" in raw else error
            raise InputError(
                f"{self._source.path}: the header on line {block.table[0, LINE]} cannot be read ({why}): "
                f"{raw[:80]!r}; mend it",
                path=self._source.path,
            ) from error


def _sample(scanner: RecordScanner) -> list[list[str]]:
    """Some values of each column, of the next records."""
    for block in scanner.blocks(max_records=_SAMPLE_RECORDS):
        block.check_encoding()
        return [field.strings.to_pylist() for field in block.fields(range(scanner.num_fields))]
    return []


def _first_fields(head: bytes, delimiter: str) -> list[str]:
    """The fields of the first line, without white space around them; none where it is no record of its own."""
    line = head.lstrip(b"\r\n").partition(b"\n")[0]
    try:
        return [name.strip() for name in next(csv.reader([line.decode(UTF8, "replace")], delimiter=delimiter), [])]
    except csv.Error:
        return []
