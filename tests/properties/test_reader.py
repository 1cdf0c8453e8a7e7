"""Scanner and reader equal their plain twin on any bytes, in blocks of any size; no record is lost; fields are those of Python's csv."""

import csv
import io
from typing import Literal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.errors import InputError
from pipeline.formats.csv.field_kernel import BEGINNING, ENDING
from pipeline.formats.csv.scanner import RecordScanner
from pipeline.formats.sniff import describe_foreign
from pipeline.records.rows import kept_name
from tests import naive_scanner
from tests.reading import read_bytes, scan_bytes
from tests.strategies import MANY, SOME, csv_bytes, csv_tables, csv_text, long_csv_bytes

BLOCK_BYTES = st.one_of(st.integers(1, 12), st.sampled_from([64, 1 << 16]))


@MANY
@given(
    data=csv_bytes(),
    block_bytes=BLOCK_BYTES,
    num_fields=st.integers(0, 3),
    max_record_bytes=st.one_of(st.integers(1, 30), st.just(1 << 20)),
)
@example(data=b'"a\r', block_bytes=1, num_fields=0, max_record_bytes=3)
@example(data=b'"a\n""', block_bytes=1, num_fields=1, max_record_bytes=4)
@example(data=b'"a\nb","c"d\n', block_bytes=1, num_fields=2, max_record_bytes=100)
def test_scanner_equals_its_twin(data: bytes, block_bytes: int, num_fields: int, max_record_bytes: int) -> None:
    expected = naive_scanner.scan(data, num_fields=num_fields, max_record_bytes=max_record_bytes)

    scanned = scan_bytes(data, block_bytes, num_fields=num_fields, max_record_bytes=max_record_bytes)

    assert scanned == [(record.start, record.line, record.raw, record.reason) for record in expected]


@MANY
@given(
    data=long_csv_bytes(),
    block_bytes=st.sampled_from([1, 63, 64, 65, 200, 1 << 16]),
    num_fields=st.integers(0, 3),
    max_record_bytes=st.sampled_from([20, 64, 65, 150, 1 << 20]),
)
@example(data=b'x","y\n' * 30, block_bytes=1 << 16, num_fields=2, max_record_bytes=64)
@example(data=b'x","y\n' * 30 + b'z","\n', block_bytes=1 << 16, num_fields=2, max_record_bytes=1 << 20)
@example(data=b'"' + b"a" * 62 + b'"\n' + b"b" * 64 + b'\n"c\n', block_bytes=64, num_fields=0, max_record_bytes=1 << 20)
def test_scanner_equals_its_twin_in_wide_steps(
    data: bytes, block_bytes: int, num_fields: int, max_record_bytes: int
) -> None:
    expected = naive_scanner.scan(data, num_fields=num_fields, max_record_bytes=max_record_bytes)

    scanned = scan_bytes(data, block_bytes, num_fields=num_fields, max_record_bytes=max_record_bytes)

    assert scanned == [(record.start, record.line, record.raw, record.reason) for record in expected]


@SOME
@given(data=csv_bytes(), block_bytes=BLOCK_BYTES, delimiter=st.sampled_from([b";", b"\t", b"a", b" ", b"\0"]))
def test_scanner_equals_its_twin_with_any_delimiter(data: bytes, block_bytes: int, delimiter: bytes) -> None:
    expected = naive_scanner.scan(data, delimiter=delimiter, num_fields=2)

    scanned = scan_bytes(data, block_bytes, delimiter=delimiter, num_fields=2)

    assert scanned == [(record.start, record.line, record.raw, record.reason) for record in expected]


@MANY
@given(data=long_csv_bytes(), num_fields=st.integers(1, 4), block_bytes=BLOCK_BYTES)
def test_fields_equal_the_twins(data: bytes, num_fields: int, block_bytes: int) -> None:
    records = naive_scanner.scan(data, num_fields=num_fields, max_record_bytes=1 << 20)
    expected = [record.fields for record in records if not record.reason]
    scanner = RecordScanner(io.BytesIO(data), delimiter=ord(","), max_record_bytes=1 << 20, block_bytes=block_bytes)
    scanner.num_fields = num_fields

    fields: list[list[bytes]] = [[] for _ in range(num_fields)]
    for block in scanner.blocks():
        block.check_encoding()
        for index, field in enumerate(block.fields(range(num_fields))):
            field.strings.validate(full=True)
            strings = [string.encode() for string in field.strings.to_pylist()]
            fields[index] += strings
            for string, edge in zip(strings, field.edges, strict=True):
                begins, ends = (not string or not 0x20 < string[place] < 0x7F for place in (0, -1))
                assert edge == begins * BEGINNING + ends * ENDING

    assert [list(record) for record in zip(*fields, strict=True)] == [list(record) for record in expected]


@SOME
@given(data=csv_bytes(), block_bytes=BLOCK_BYTES)
def test_every_byte_is_in_a_record_or_is_a_line_ending(data: bytes, block_bytes: int) -> None:
    between = []
    position = 0
    for offset, _, raw, _ in scan_bytes(data, block_bytes):
        assert data[offset : offset + len(raw)] == raw
        between.append(data[position:offset])
        position = offset + len(raw)

    assert set(b"".join([*between, data[position:]])) <= set(b"\r\n")


@MANY
@given(data=csv_text(), block_bytes=BLOCK_BYTES, num_columns=st.integers(1, 3))
@example(data=b"a\r\r\nb,c\n", block_bytes=1 << 16, num_columns=1)
@example(data=b"a\r,", block_bytes=1, num_columns=2)
@example(data=b"x^2 + y^2\nb\n", block_bytes=1, num_columns=1)
@example(data="a\n\ufeffb\n".encode(), block_bytes=1, num_columns=1)
def test_reader_equals_the_twins_fields(data: bytes, block_bytes: int, num_columns: int) -> None:
    columns = [f"c{index}" for index in range(num_columns)]
    body = (
        b"first" + b"," * (num_columns - 1) + b"\n" + data
    )  # So that there is a record, and no byte order mark to drop.
    records = naive_scanner.scan(body, num_fields=num_columns)

    reading = read_bytes(body, block_bytes, columns=columns, text=columns[:1], keep=columns)

    assert reading.num_records == len(records)
    assert len(reading.frame) + len(reading.rejects) == len(records)
    rejected = {reject.record: reject for reject in reading.rejects}
    rows = [number for number in range(len(records)) if number not in rejected]
    assert reading.numbers == rows
    for number, reject in rejected.items():
        record = records[number]
        blank = not record.reason
        assert (reject.line, reject.byte_offset, reject.raw) == (record.line, record.start, record.raw)
        assert reject.reason == ("blank_text" if blank else record.reason)
        assert not blank or not record.fields[0].decode().strip()
    for index, name in enumerate(columns):
        assert reading.column(kept_name(name)) == [records[number].fields[index].decode() for number in rows]


@SOME
@given(
    lines=st.lists(st.sampled_from(["", "", "a", '""', '"b"', "c d", '"e\n\nf"', 'g"', "\r"]), max_size=8),
    line_ending=st.sampled_from(["\n", "\r\n"]),
    block_bytes=BLOCK_BYTES,
)
def test_single_columns_with_blank_lines(lines: list[str], line_ending: str, block_bytes: int) -> None:
    data = line_ending.join(["text", "first", *lines]).encode()
    records = naive_scanner.scan(data, num_fields=1)[1:]

    reading = read_bytes(data, block_bytes)

    assert reading.num_records == len(records)
    filled = {number: text for number, record in enumerate(records) if (text := record.fields[0].decode()).strip()}
    assert dict(zip(reading.numbers, reading.column("text"), strict=True)) == filled


@SOME
@given(data=csv_bytes(), block_bytes=BLOCK_BYTES)
def test_records_are_rows_and_rejects_for_any_bytes(data: bytes, block_bytes: int) -> None:
    content = data.removeprefix(b"\xef\xbb\xbf")
    records = naive_scanner.scan(content, num_fields=2)
    if describe_foreign(data) or data.startswith((b"\x1f\x8b", b"\x28\xb5\x2f\xfd")) or not records:
        with pytest.raises(InputError):
            read_bytes(data, block_bytes, columns=["label", "text"], label="label")
        return

    reading = read_bytes(data, block_bytes, columns=["label", "text"], label="label")

    assert reading.num_records == len(reading.frame) + len(reading.rejects) == len(records)
    numbers = sorted([*reading.numbers, *(reject.record for reject in reading.rejects)])
    assert numbers == list(range(len(records)))


@SOME
@given(
    rows=csv_tables(3),
    delimiter=st.sampled_from([",", ";", "\t", "|", "\x01"]),
    line_ending=st.sampled_from(["\n", "\r\n"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    block_bytes=BLOCK_BYTES,
)
def test_what_csv_writer_wrote_is_read(
    rows: list[list[str]], delimiter: str, line_ending: str, quoting: Literal[0, 1], block_bytes: int
) -> None:
    rows = [["filled", *row[1:]] for row in rows]
    file = io.StringIO()
    csv.writer(file, delimiter=delimiter, lineterminator=line_ending, quoting=quoting).writerows(
        [["text", "b", "c"], *rows]
    )

    reading = read_bytes(file.getvalue().encode(), block_bytes, keep=["b", "c"], delimiter=delimiter)

    assert reading.rejects == []
    assert [reading.column(kept_name(name)) for name in "bc"] == [[row[index] for row in rows] for index in (1, 2)]
