"""Detection: what csv.writer wrote is read as it was or refused, never as other rows; what was detected reads as if it had been named."""

import csv
import io
import tempfile
from pathlib import Path
from typing import Any, Literal

from hypothesis import event, example, given
from hypothesis import strategies as st

from pipeline.errors import InputError
from pipeline.formats.csv.csv_format import CsvFormat
from pipeline.formats.csv.detect_delimiter import ONE_COLUMN
from pipeline.formats.csv.reader import CsvReader
from pipeline.formats.sniff import SNIFF_BYTES
from pipeline.records.row_reader import Dialect
from pipeline.records.rows import kept_name
from pipeline.records.wanted import Wanted
from pipeline.storage.source import Source
from tests.reading import AUTO, read_bytes
from tests.strategies import MANY, SOME, csv_bytes, long_csv_bytes

DELIMITERS = st.sampled_from([",", ";", "\t", "|"])
ENCODINGS = st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"])
ENDINGS = st.sampled_from(["\n", "\r\n"])
QUOTING: st.SearchStrategy[Literal[0, 1, 2]] = st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])
NAMES = ["text", "b", "c"]


def _fields(encoding: str) -> st.SearchStrategy[str]:
    """Fields that are nearly other tables; in cp1252 an accented letter stands among plain ones, so that it is no UTF-8 by chance."""
    pieces = ["a", "b", " ", "1", '"', ",", ";", "\t", "|", ",", ";", "\n", "\r\n", "'", "sep=;", "0,5"]
    return st.lists(st.sampled_from([*pieces, "é1" if encoding == "cp1252" else "日é"]), max_size=8).map("".join)


@st.composite
def _files(draw: st.DrawFn, *, has_columns: bool = False) -> tuple[bytes, list[list[str]], bool]:
    """(a file, its rows, whether it has a header) as csv.writer writes them; on demand with a header of several columns."""
    encoding = draw(ENCODINGS)
    width = draw(st.integers(2 if has_columns else 1, 3))
    row = st.lists(_fields(encoding), min_size=width - 1, max_size=width - 1)
    rows = [["filled" + draw(_fields(encoding)), *draw(row)] for _ in range(draw(st.integers(1, 8)))]
    has_header = has_columns or draw(st.booleans())
    file = io.StringIO()
    writer = csv.writer(file, delimiter=draw(DELIMITERS), lineterminator=draw(ENDINGS), quoting=draw(QUOTING))
    writer.writerows([*([NAMES[:width]] if has_header else []), *rows])
    return file.getvalue().encode(encoding), rows, has_header


@MANY
@given(file=_files())
def test_what_csv_writer_wrote_is_read_or_refused(file: tuple[bytes, list[list[str]], bool]) -> None:
    data, rows, has_header = file
    names = NAMES[: len(rows[0])]
    try:
        reading = read_bytes(data, keep=names, columns=() if has_header else names, **AUTO)
    except InputError as error:
        event("refused")
        if "--delimiter" not in str(error):
            raise
        return

    assert reading.rejects == []
    assert list(zip(*(reading.column(kept_name(name)) for name in names), strict=True)) == [tuple(row) for row in rows]


@MANY
@given(file=_files(has_columns=True))
def test_a_header_of_several_columns_is_always_clear(file: tuple[bytes, list[list[str]], bool]) -> None:
    assert read_bytes(file[0], **AUTO).num_records == len(file[1])


def _read(data: bytes, **how: Any) -> tuple[Any, Dialect]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "in.csv"
        path.write_bytes(data)
        reader = CsvReader(Source(str(path), "in.csv"), Wanted(), CsvFormat(**how))
        blocks = [block.rows() for block in reader.scan()]
        return [(block.frame.rows(), block.rejects, block.place, block.end) for block in blocks], reader.dialect


@MANY
@given(
    data=st.one_of(
        _files().map(lambda file: file[0]),
        st.one_of(csv_bytes(), long_csv_bytes()).map(b"text,more\n".__add__),
        st.tuples(st.sampled_from([b"sep=;\n", b"\xef\xbb\xbfsep=|\r\n", b"sep=,"]), csv_bytes()).map(b"".join),
        csv_bytes(),
    ),
    columns=st.sampled_from([(), (), ("text",), ("text", "b")]),
)
@example(data=b"sep=;\ntext;b\n1;2\nbad\n", columns=())
@example(data=b"text\n\xe9\n", columns=())
def test_what_was_detected_reads_as_if_it_had_been_named(data: bytes, columns: tuple[str, ...]) -> None:
    try:
        detected, dialect = _read(data, columns=columns)
    except InputError:
        return
    delimiter = ONE_COLUMN if dialect.delimiter == "none" else dialect.delimiter
    named, again = _read(data, columns=columns, delimiter=delimiter, encoding=dialect.encoding)
    assert named == detected
    assert (again.delimiter, again.encoding, again.detected) == (dialect.delimiter, dialect.encoding, [])


def _detected(data: bytes, columns: tuple[str, ...]) -> Dialect | str:
    """What is detected, or why not."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "in.csv"
        path.write_bytes(data)
        reader = CsvReader(Source(str(path), "in.csv"), Wanted(), CsvFormat(columns=columns))
        try:
            next(reader.scan())
        except InputError as error:
            if not reader.dialect.detected:
                return str(error).partition(": ")[2]
        return reader.dialect


@SOME
@given(file=_files(), more=st.binary(max_size=50), columns=st.sampled_from([(), ("text", "b")]))
def test_what_comes_behind_the_head_changes_nothing(
    file: tuple[bytes, list[list[str]], bool], more: bytes, columns: tuple[str, ...]
) -> None:
    head = (file[0] + file[0][4:] * SNIFF_BYTES)[
        : 3 * SNIFF_BYTES
    ]  # Of UTF-16, it takes twice as many, and a byte order mark.
    found = [_detected(head + rest, columns) for rest in (b"", more, b"\xff" * 10)]
    assert found == [found[0]] * 3
