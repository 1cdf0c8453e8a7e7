"""The record scanner's rules, one example each; tests/properties/test_reader.py holds them for any bytes."""

import io
from typing import Any

import numpy as np
import pytest

from pipeline.formats.csv.record_block import RecordBlock, is_utf8
from pipeline.formats.csv.scanner import RecordScanner
from pipeline.records.quarantine import RAW_BYTES
from tests import naive_scanner
from tests.reading import read_bytes, scan_bytes


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"a,b\nc,d\n", [(b"a,b", ""), (b"c,d", "")]),
        (b"a,b\r\nc,d", [(b"a,b", ""), (b"c,d", "")]),
        (b"\n\r\na,b\n\n\r\n", [(b"a,b", "")]),
        (b'"a\nb",c\n', [(b'"a\nb",c', "")]),
        (b'"a""b",c\n', [(b'"a""b",c', "")]),
        (b'it is 5" wide,b\n', [(b'it is 5" wide,b', "")]),
        (b'"a"b,c\nd,e\n', [(b'"a"b,c', "bad_quote"), (b"d,e", "")]),
        (b'"a" ,c\nd,e\n', [(b'"a" ,c', "bad_quote"), (b"d,e", "")]),
        (b"a\nb,c,d\ne,f\n", [(b"a", "too_few_fields"), (b"b,c,d", "too_many_fields"), (b"e,f", "")]),
        # A quoted field that runs past its line and closes wrongly costs the one line where the record began.
        (
            b'"a,b\nc,d\ne,"f\ng,h\n',
            [(b'"a,b', "unclosed_quote"), (b"c,d", ""), (b'e,"f', "unclosed_quote"), (b"g,h", "")],
        ),
        (b'"a,b\nc,d\n', [(b'"a,b', "unclosed_quote"), (b"c,d", "")]),
        (b'a,"', [(b'a,"', "unclosed_quote")]),
        (b'a,"b\r', [(b'a,"b', "unclosed_quote")]),
        (b"a,b\r", [(b"a,b", "")]),
        (b"a\rb,c\n", [(b"a\rb,c", "")]),
        (b"\xff,b\nc,d\n", [(b"\xff,b", "invalid_encoding"), (b"c,d", "")]),
        (b"\xed\xb0\x80,b\n", [(b"\xed\xb0\x80,b", "invalid_encoding")]),
        (b"\xc3\n", [(b"\xc3", "too_few_fields")]),
        (b"", []),
        (b"\n", []),
        (b"\r", []),
    ],
)
def test_rules(data: bytes, expected: list[tuple[bytes, str]]) -> None:
    for block_bytes in (1, 3, 1000):
        assert [record[2:] for record in scan_bytes(data, block_bytes, num_fields=2)] == expected
    assert [(record.raw, record.reason) for record in naive_scanner.scan(data, num_fields=2)] == expected


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"12345,7\nab\n", ["record_too_long", ""]),
        (b"123456\r\nab\r\n", ["", ""]),  # The line ending does not count.
        (b"1234567\n", ["record_too_long"]),
        (b'"12345"\nab\n', ["record_too_long", ""]),
        (b'"1234"\nab\n', ["", ""]),
        (b'"1\n345678"\nab\n', ["unclosed_quote", "record_too_long", ""]),
        (b'"1\n34"\nab\n', ["", ""]),
    ],
)
def test_max_record_bytes(data: bytes, expected: list[str]) -> None:
    for block_bytes in (1, 1000):
        assert [record[3] for record in scan_bytes(data, block_bytes, max_record_bytes=6)] == expected
    assert [record.reason for record in naive_scanner.scan(data, max_record_bytes=6)] == expected


def test_lines_count_blank_ones_and_those_within_records() -> None:
    data = b'\na\n\n"b\n\nc"\n\r\nd\n'
    assert [(offset, line) for offset, line, _, _ in scan_bytes(data, 1)] == [(1, 2), (4, 4), (13, 8)]


def test_a_hundred_thousand_empty_lines() -> None:
    assert scan_bytes(b"\n" * 100_000 + b"a\n", 1000) == [(100_000, 100_001, b"a", "")]
    assert scan_bytes(b"\r\n" * 100_000, 1001) == []


def test_a_record_far_longer_than_a_block_is_read_in_geometric_steps() -> None:
    class Counting(io.BytesIO):
        num_reads = 0

        def readinto(self, buffer: Any, /) -> int:
            self.num_reads += 1
            return super().readinto(buffer)

    stream = Counting(b"a" * 100_000 + b"\nb\n")
    scanner = RecordScanner(stream, delimiter=ord(","), max_record_bytes=1 << 20, block_bytes=1)
    assert sum(len(block.table) for block in scanner.blocks()) == 2
    assert stream.num_reads < 50


def test_a_stream_may_give_less_than_asked_for() -> None:
    class Slow(io.BytesIO):
        def readinto(self, buffer: Any, /) -> int:
            return super().readinto(buffer[:1])

    scanner = RecordScanner(Slow(b'a,b\n"c\nd",e\n'), delimiter=ord(","), max_record_bytes=100, block_bytes=1000)
    blocks = list(scanner.blocks())
    assert [block.raw(index) for block in blocks for index in range(len(block.table))] == [b"a,b", b'"c\nd",e']


def test_header_is_taken_off_and_records_are_numbered_behind_it() -> None:
    scanner = RecordScanner(io.BytesIO(b"\nh,i\na,b\n"), delimiter=ord(","), max_record_bytes=100, block_bytes=1000)
    header = next(scanner.blocks(max_records=1))
    assert header.raw(0) == b"h,i"
    scanner.count_from_here()
    scanner.num_fields = 2
    (block,) = scanner.blocks()
    assert (block.place.record, block.place.offset, block.raw(0)) == (0, 5, b"a,b")


def test_no_header_where_there_is_no_record() -> None:
    scanner = RecordScanner(io.BytesIO(b"\n\r\n"), delimiter=ord(","), max_record_bytes=100)
    assert [len(block.table) for block in scanner.blocks(max_records=1)] == [0]


@pytest.mark.parametrize(
    "data", [b"", b"a", "é中\U0001f600\0".encode(), b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xc0\x80", b"\xf4\x90\x80\x80"]
)
def test_is_utf8_judges_as_python_does(data: bytes) -> None:
    try:
        data.decode()
        expected = True
    except UnicodeDecodeError:
        expected = False
    assert is_utf8(np.frombuffer(data, np.uint8)) == expected


def _only_block(data: bytes, num_fields: int) -> RecordBlock:
    scanner = RecordScanner(io.BytesIO(data), delimiter=ord(","), max_record_bytes=100)
    scanner.num_fields = num_fields
    (block,) = scanner.blocks()
    return block


@pytest.mark.parametrize(
    ("record", "fields"),
    [
        (b'5",b', ['5"', "b"]),
        (b'"a,""b",c"', ['a,"b', 'c"']),
        (b'",",5",', [",", '5"', ""]),
        (b'"a\nb",c', ["a\nb", "c"]),
        (b"a\r", ["a\r"]),
        (b"a\r,\r,b\rc,d", ["a\r", "\r", "b\rc", "d"]),
        (b'5"\r', ['5"\r']),
        (b'"",""""', ["", '"']),
        (b"twelve bytes,thirteen byte", ["twelve bytes", "thirteen byte"]),
        (b'"twelve ""bytes","thirteen ""byte"', ['twelve "bytes', 'thirteen "byte']),
    ],
)
def test_fields(record: bytes, fields: list[str]) -> None:
    block = _only_block(record + b"\r\n", len(fields))
    assert [field.strings.to_pylist() for field in block.fields(range(len(fields)))] == [[field] for field in fields]
    last = len(fields) - 1
    assert block.fields([last])[0].strings.to_pylist() == fields[-1:]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "cp1252"])
@pytest.mark.parametrize("block_bytes", [1, 1000, 1 << 16, 1 << 20])
@pytest.mark.parametrize("ending", ["\n", "\r\n", ""])
def test_of_a_record_that_is_too_long_the_beginning_is_kept(encoding: str, block_bytes: int, ending: str) -> None:
    long = '"a\nb",' + "€ü" * 100_000 + ',"c'
    text = "x,y\n" + long + ending
    data = text.encode(encoding)
    reading = read_bytes(data, block_bytes, columns=("l", "text"), encoding=encoding, max_record_bytes=500)
    (reject,) = reading.rejects
    raw = long.encode(encoding)
    assert (reject.record, reject.line, reject.byte_offset) == (1, 2, len("x,y\n".encode(encoding)))
    assert (reject.reason, reject.raw, reject.raw_bytes) == ("record_too_long", raw[:RAW_BYTES], len(raw))


def test_numbers_and_offsets_go_on_behind_a_record_that_is_too_long() -> None:
    long = 'ü"' * 50_000
    data = f"a,b\n{long}\n\n{long}\nc\nd,e".encode("utf-16-le")
    for block_bytes in (1, 1 << 14, 1 << 20):
        reading = read_bytes(data, block_bytes, columns=("l", "text"), encoding="utf-16-le", max_record_bytes=70)
        offsets = [8, 8 + 200_000 + 4, 8 + 400_000 + 6]
        assert [(r.record, r.line, r.byte_offset) for r in reading.rejects] == list(
            zip([1, 2, 3], [2, 4, 5], offsets, strict=True)
        )
        assert [r.reason for r in reading.rejects] == ["record_too_long", "record_too_long", "too_few_fields"]
        assert reading.frame["text"].to_list() == ["b", "e"]
