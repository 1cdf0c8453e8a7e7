"""The reader, one promise each: headers and columns, what makes a row unusable, packing and encodings, and what is refused."""

import gzip
import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zstandard

from pipeline.errors import InputError, UsageError
from pipeline.formats.csv.detect_delimiter import ONE_COLUMN
from pipeline.records.rows import kept_name
from pipeline.storage.source import Source, find_sources
from tests import naive_scanner
from tests.reading import AUTO, read_bytes, read_source, split_options

Pack = Callable[[bytes], bytes]


def test_first_record_is_the_header() -> None:
    reading = read_bytes(b"\nlabel,title\nb,first\na,second\n", text=["title"], label="label")
    assert reading.frame.to_dict(as_series=False) == {
        "record": [0, 1],
        "text": ["first", "second"],
        "label": ["b", "a"],
    }
    assert reading.num_records == 2


def test_columns_name_a_file_without_header() -> None:
    reading = read_bytes(b"b,first\na,second\n", columns=["label", "text"], label="label")
    assert reading.column("text") == ["first", "second"]


def test_several_text_columns_are_joined_by_one_space() -> None:
    reading = read_bytes(b"a,b,c\n1,,3\n4,5,6\n", text=["c", "a", "b"])
    assert reading.column("text") == ["3 1 ", "6 4 5"]


def test_a_column_may_be_text_and_label_and_kept() -> None:
    reading = read_bytes(b"text,record\n a ,x\n", label="text", keep=["record", "text"])
    assert reading.frame.to_dict(as_series=False) == {
        "record": [0],
        "text": [" a "],
        "label": ["a"],
        kept_name("record"): ["x"],
        kept_name("text"): [" a "],
    }


def test_kept_columns_come_through_as_they_are() -> None:
    reading = read_bytes(b'id,text,url\n007,a," x "\n,b,\n"null",c,NA\n', keep=["url", "id"])
    assert reading.column(kept_name("id")) == ["007", "", "null"]
    assert reading.column(kept_name("url")) == [" x ", "", "NA"]
    assert reading.rejects == []


def test_quoted_header_with_a_newline_and_a_quote() -> None:
    reading = read_bytes(b'"the\ntext","a ""b""",5" c\nx,y,z\n', text=["the\ntext"], keep=['a "b"', '5" c'])
    assert reading.column("text") == ["x"]
    assert reading.column(kept_name('5" c')) == ["z"]


def test_single_column_files() -> None:
    reading = read_bytes(b'text\na\n""\n\n"b"\n', block_bytes=2)
    assert reading.column("text") == ["a", "b"]
    assert reading.reasons == [(1, "blank_text")]


def test_header_only_is_no_row_and_no_error() -> None:
    for data in (b"text,label", b"text,label\n", b"text,label\r\n\r\n"):
        assert read_bytes(data).num_records == 0


@pytest.mark.parametrize("ending", [b"", b"\n", b"\r\n", b"\r"])
def test_any_end_of_the_file(ending: bytes) -> None:
    reading = read_bytes(b"text,label\r\na,b" + ending, label="label")
    assert (reading.column("text"), reading.column("label")) == (["a"], ["b"])


def test_a_hundred_thousand_empty_lines() -> None:
    reading = read_bytes(b"text\n" + b"\n" * 100_000 + b"a\n", block_bytes=1000)
    assert (reading.column("text"), reading.num_records) == (["a"], 1)


def test_a_quote_in_the_middle_of_an_unquoted_field_is_a_character() -> None:
    reading = read_bytes(b'text,b\nit is 5" wide,"a ""b"""\n"x, y",5"\n', keep=["b"])
    assert reading.column("text") == ['it is 5" wide', "x, y"]
    assert reading.column(kept_name("b")) == ['a "b"', '5"']


@pytest.mark.parametrize("first", ["x^2 + y^2", "x\x01", "\ufeffa", "#", "\x1f", "PK", "BZh"])
def test_a_block_may_begin_with_what_looks_like_something_else(first: str) -> None:
    """Polars inflates a buffer that begins as zlib's data does, and drops a byte order mark."""
    reading = read_bytes(f"text\n{first} and then some ordinary words\n".encode())
    assert reading.column("text") == [f"{first} and then some ordinary words"]


def test_carriage_returns_within_the_text_stay_whether_or_not_a_record_beside_it_is_malformed() -> None:
    assert read_bytes(b"text,b\na\r,b\n\rc,d\r\r\n", keep=["b"]).column("text") == ["a\r", "\rc"]
    assert read_bytes(b"text\na\rb\nc\r\r\n").column("text") == ["a\rb", "c\r"]
    assert read_bytes(b"text\na\rb\nc\r\r\nx,y\n").column("text") == ["a\rb", "c\r"]


def test_blank_and_unknown() -> None:
    data = "text,label\na, x \n\u2003 ,x\nb, \nc,y\n,\nd,x\n".encode()
    reading = read_bytes(data, label="label", labels=["x", "z"])
    assert reading.frame.to_dict(as_series=False) == {"record": [0, 5], "text": ["a", "d"], "label": ["x", "x"]}
    assert reading.reasons == [(1, "blank_text"), (2, "blank_label"), (3, "unknown_label"), (4, "blank_text")]
    assert [reject.raw for reject in reading.rejects] == ["\u2003 ,x".encode(), b"b, ", b"c,y", b","]


def test_without_label_the_label_may_be_blank() -> None:
    assert read_bytes(b"text,label\na,\n", labels=["x"]).rejects == []


def test_rejects_say_where_they_were() -> None:
    data = b'\xef\xbb\xbftext,b\n\n"a\nb",c\nd\n\xff,e\n  ,f\n'
    reading = read_bytes(data)
    assert [(r.source, r.record, r.line, r.byte_offset, r.reason, r.raw) for r in reading.rejects] == [
        ("input.csv", 1, 5, data.index(b"d\n"), "too_few_fields", b"d"),
        ("input.csv", 2, 6, data.index(b"\xff"), "invalid_encoding", b"\xff,e"),
        ("input.csv", 3, 7, data.index(b"  ,f"), "blank_text", b"  ,f"),
    ]
    assert (reading.numbers, reading.column("text")) == ([0], ["a\nb"])


def test_max_record_bytes() -> None:
    reading = read_bytes(b"text\nshort\nmuch too long\n", max_record_bytes=8)
    assert (reading.column("text"), reading.reasons) == (["short"], [(1, "record_too_long")])


@pytest.mark.parametrize("block_bytes", [1, 7, 1 << 16])
@pytest.mark.parametrize(
    "encoding", ["latin-1", "cp1252", "utf-16", "utf-16-be", "utf-32", "shift_jis", "utf-8-sig", "utf-8"]
)
def test_encodings_and_where_their_rejects_were(encoding: str, block_bytes: int) -> None:
    word = "日本" if encoding == "shift_jis" else "café"
    lines = ["text,b", word + ",x", f"{word},{word},{word}", f'"{word}\n",y', word, " ,z", word + ",end", ""]
    data = "\n".join(lines).encode(encoding)
    bom_bytes = len("".encode(encoding))
    plain = {"utf-16": "utf-16-le", "utf-32": "utf-32-le", "utf-8-sig": "utf-8"}.get(encoding, encoding)

    reading = read_bytes(data, block_bytes, encoding=encoding)

    assert reading.column("text") == [word, f"{word}\n", word]
    expected = [
        (1, 3, "too_many_fields", lines[2], 2),
        (3, 6, "too_few_fields", lines[4], 4),
        (4, 7, "blank_text", lines[5], 5),
    ]
    for reject, (record, line, reason, raw, index) in zip(reading.rejects, expected, strict=True):
        assert (reject.record, reject.line, reject.reason, reject.raw) == (record, line, reason, raw.encode(plain))
        assert reject.byte_offset == bom_bytes + len("".join(f"{before}\n" for before in lines[:index]).encode(plain))
        assert data[reject.byte_offset :].startswith(reject.raw)


@pytest.mark.parametrize(
    ("encoding", "bad"),
    [("cp1252", b"\x81"), ("shift_jis", b"\xff"), ("utf-8", b"\xc3"), ("utf-16-le", b"\x00\xdc"), ("ascii", b"\xe9")],
)
def test_bytes_that_the_codec_cannot_read(encoding: str, bad: bytes) -> None:
    def coded(text: str) -> bytes:
        return text.encode(encoding)

    data = coded("text\na\n") + bad + coded("b\nc\n")
    (reject,) = read_bytes(data, encoding=encoding).rejects
    assert (reject.record, reject.reason, reject.raw) == (1, "invalid_encoding", bad + coded("b"))
    assert reject.byte_offset == len(coded("text\na\n"))


@pytest.mark.parametrize(
    "pack", [gzip.compress, zstandard.compress, lambda data: gzip.compress(data) + gzip.compress(b"c\n")]
)
def test_packed_files(pack: Pack) -> None:
    reading = read_bytes(pack(b"text\na\nb,x\n"))
    assert reading.column("text")[0] == "a"
    assert [(reject.byte_offset, reject.raw) for reject in reading.rejects] == [(7, b"b,x")]


def test_both_members_of_a_gzip_file_are_read() -> None:
    assert read_bytes(gzip.compress(b"text\na\n") + gzip.compress(b"b\n")).column("text") == ["a", "b"]


def test_packed_utf16() -> None:
    assert read_bytes(gzip.compress("text\né\n".encode("utf-16")), encoding="utf-16").column("text") == ["é"]


def test_truncated_gzip_is_refused_however_much_of_it_was_read() -> None:
    data = gzip.compress(b"text\n" + b"".join(b"title number %d\n" % number for number in range(20_000)))
    with pytest.raises(InputError, match="cut off"):
        read_bytes(data[:-20], block_bytes=1000)


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"text\na\n,b\n")))
    (source,) = find_sources(["-"])
    reading = read_source(source)
    assert reading.column("text") == ["a"]
    assert [reject.source for reject in reading.rejects] == ["stdin"]


KINDS = {
    "commas": ("utf-8", "text,label\n", ","),
    "semicolons": ("cp1252", "text;label\n", ";"),
    "tabs": ("utf-16", "text\tlabel\n", "\t"),
    "big-endian": ("utf-16-be", "\ufefftext|label\n", "|"),
    "separator line": ("utf-8-sig", "sep=;\ntext;label\n", ";"),
    "separator line in UTF-16": ("utf-16", "sep=|\ntext|label\n", "|"),
}


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.compress], ids=["plain", "gzip", "zstd"])
@pytest.mark.parametrize("line_ending", ["\n", "\r\n"])
@pytest.mark.parametrize("kind", KINDS)
def test_files_of_any_kind_and_where_their_rejects_were(kind: str, line_ending: str, pack: Pack) -> None:
    encoding, header, delimiter = KINDS[kind]
    first, bad = f'"café, {{a}}; b|c\td\n"{delimiter}x\n', "much" + f"{delimiter}too" * 2 + f"{delimiter}much\n"
    text = (header + first + bad + f"{delimiter}x\n").replace("\n", line_ending)
    data = text.encode(encoding)
    stored = {"utf-16": "utf-16-le", "utf-8-sig": "utf-8"}.get(encoding, encoding)

    reading = read_bytes(pack(data), label="label", **AUTO)

    assert reading.column("text") == [f"café, {{a}}; b|c\td{line_ending}"]
    lines = header.count("\n") + 3
    assert [(reject.record, reject.line, reject.reason) for reject in reading.rejects] == [
        (1, lines, "too_many_fields"),
        (2, lines + 1, "blank_text"),
    ]
    for reject, raw in zip(reading.rejects, (bad, f"{delimiter}x"), strict=True):
        assert reject.raw == raw.rstrip().encode(stored)
        assert data[reject.byte_offset :].startswith(reject.raw)


def test_a_separator_line_is_no_record_whatever_the_flags_say() -> None:
    data = b"sep=;\r\na;b,c\r\nbad\r\n"
    semicolons = read_bytes(data, columns=["text", "b"])
    assert (semicolons.numbers, [reject.record for reject in semicolons.rejects]) == ([0], [1])
    assert [(reject.line, reject.byte_offset) for reject in semicolons.rejects] == [(3, 14)]
    assert read_bytes(data, columns=["text", "b"], delimiter=",").column("text") == ["a;b"]
    for empty in (b"sep=;", b"sep=;\n\n"):
        with pytest.raises(InputError, match="there is no record in it"):
            read_bytes(empty, **AUTO)


@pytest.mark.parametrize("shift", range(4))
def test_the_first_bytes_may_end_within_a_character_and_a_record(shift: int) -> None:
    reading = read_bytes(b"text;b\n" + b"x" * shift + "\U0001f600".encode() * 30_000 + b";\n", **AUTO)
    assert reading.column("text") == ["x" * shift + "\U0001f600" * 30_000]


def test_a_first_record_that_is_longer_than_what_is_looked_at() -> None:
    data = b'"' + b"one,two;" * 10_000 + b'";b\n'
    with pytest.raises(InputError, match="its first record does not end within 65,536 bytes"):
        read_bytes(data, columns=["text", "b"], **AUTO)
    assert read_bytes(data, columns=["text", "b"], delimiter=";", encoding="auto").num_records == 1


def test_what_is_not_utf8_behind_an_ascii_head_is_quarantined() -> None:
    plain = b"text,label\n" + b"an ordinary title,x\n" * 4000
    reading = read_bytes(plain + "café,x\n".encode("cp1252") + "thé,x\n".encode(), **AUTO)
    assert reading.reasons == [(4000, "invalid_encoding")]
    assert reading.column("text")[-1] == "thé"


def test_a_file_of_one_column_may_have_any_character_in_its_text() -> None:
    text = 'text\nno comma\none, or two; or a | and a \t\n"quoted, too"\n'
    expected = ["no comma", "one, or two; or a | and a \t", "quoted, too"]
    assert read_bytes(text.encode(), **AUTO).column("text") == expected
    assert read_bytes(text.encode(), delimiter=ONE_COLUMN).column("text") == expected
    assert read_bytes(text.encode(), columns=["title"], text=["title"], **AUTO).column("text") == ["text", *expected]


@pytest.mark.parametrize("encoding", ["auto", "cp1250", "shift_jis"])
@pytest.mark.parametrize("stored", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_beats_the_encoding_that_was_named(encoding: str, stored: str) -> None:
    data = "text\nGrößte ąść\n".encode(stored)
    assert read_bytes(data, encoding=encoding).column("text") == ["Größte ąść"]


def test_header_names_lose_surrounding_spaces() -> None:
    reading = read_bytes(b' label ," text", my id\t\na, b ,c\n', label="label", keep=["my id"])
    assert (reading.column("text"), reading.column(kept_name("my id"))) == ([" b "], ["c"])


@pytest.mark.parametrize(
    ("data", "flags", "message"),
    [
        (b"a;price, in euro\n1;2,5\n", {}, "input.csv: it is not clear what stands between its fields: "),
        (
            "text\n\u041f\u0440\u0438\n".encode("cp1251"),
            {},
            "input.csv: its encoding is not clear: it is neither UTF-8",
        ),
        (b"text\n1,2\n", {}, "input.csv: the header names one column, but ',' cuts the only record into 2 fields"),
        (b"1,2\n", {"columns": ["text"]}, "--columns names one column"),
        ("text\na\n".encode("utf-16-le"), {}, "this is UTF-16 text, expected CSV in UTF-8; add --encoding utf-16-le"),
        (b"PK\x03\x04aaaa", {}, "zip"),
        (b"", {}, "there is no record in it"),
        (b"", {"columns": ["text", "b"]}, "there is no record in it"),
        (b'"text\n1\n', {}, "header on line 1 is malformed .unclosed_quote"),
        (
            b"a:text\n1:2\n",
            {},
            "something other than , ; . or a tab stands between its columns, name it with --delimiter",
        ),
    ],
)
def test_refused_where_it_looks_by_itself(data: bytes, flags: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read_bytes(data, **AUTO | flags)
    assert str(caught.value.path).endswith("input.csv")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("data", "flags", "message"),
    [
        (b"", {}, "there is no record in it"),
        (b"\n\r\n", {}, "there is no record in it"),
        (b"", {"columns": ["text"]}, "there is no record in it"),
        (b"\xef\xbb\xbf", {}, "there is no record in it"),
        (
            b"a,b\n1,2\n",
            {},
            r"no column 'text' for --text; the columns are 'a', 'b'; if the file has no header.*--columns",
        ),
        (b"text,b\n1,2\n", {"label": "c"}, "no column 'c' for --label; the columns are 'text', 'b'"),
        (b"text,b\n1,2\n", {"keep": ["c"]}, "no column 'c' for --keep"),
        (b"1,2\n", {"columns": ["a", "b"]}, r"the columns are 'a', 'b'$"),
        (",".join(f"c{number}" for number in range(30)).encode(), {}, "'c19' and 10 more"),
        (b"text,text\n1,2\n", {}, "names 'text' twice"),
        (b'"text\n1\n', {}, "header on line 1 is malformed .unclosed_quote"),
        (b'\n\n"a"b\n1\n', {}, "header on line 3 is malformed .bad_quote"),
        (b"text,\xff\n1,2\n", {}, "malformed .invalid_encoding"),
        (b"text\ra\rb\rc", {}, "lines end with CR alone.*make LF"),
        (b"text," + b"b" * 200_000 + b"\n", {}, "header on line 1 cannot be read"),
        ("text\na\n".encode("utf-16"), {}, "UTF-16.*--encoding utf-16"),
        ("text\na\n".encode("utf-16-le"), {}, "UTF-16.*--encoding utf-16-le"),
        (bytes(range(256)) * 10, {}, "binary data"),
        (b"PK\x03\x04aaaa", {}, "zip"),
        (b"PK\x03\x04aaaa", {"encoding": "utf-16-le"}, "zip"),
        (b"\x89PNG\r\n\x1a\n", {"encoding": "latin-1", "columns": ["text"]}, "a picture, expected CSV.*; name a CSV"),
        (bytes(range(256)) * 10, {"encoding": "cp1250"}, "binary data, expected CSV in CP1250"),
        (b"text\ra\rb\rc", {"encoding": "latin-1"}, "lines end with CR alone"),
        (b"text,a\rb\n1,2\n", {}, "header on line 1 cannot be read .there is a CR within it"),
        (b"\n<!DOCTYPE HTML>\n<title>No access</title>", {}, "an HTML page"),
        (b'<?xml version="1.0"?>\n<a/>\n', {"columns": ["text"]}, "this is XML"),
        (b'{"text": "a"}\n{"text": "b"}\n', {}, "JSON Lines"),
        (b"text,b\n1,2\n", {"columns": ["text", "b"]}, "its first record is a header.*leave --columns out"),
        (b"sep=;\ntext,b\n1,2\n", {"delimiter": "auto"}, "its first line says what stands between fields"),
        (b"text;b\n1;2\n", {"text": ["a"], "delimiter": ","}, r"no column 'a' for --text; the columns are 'text;b'"),
        (gzip.compress(gzip.compress(b"text\n", mtime=0), mtime=0), {}, "gzip data within compressed data"),
        (gzip.compress(b"", mtime=0), {}, "there is no record in it"),
    ],
)
def test_refused_input(data: bytes, flags: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read_bytes(data, **flags)
    assert str(caught.value.path).endswith("input.csv")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"text": []}, "--text"),
        ({"text": [""]}, "--text"),
        ({"delimiter": ""}, "--delimiter"),
        ({"delimiter": ",,"}, "--delimiter"),
        ({"delimiter": "é"}, "--delimiter"),
        ({"delimiter": '"'}, "--delimiter"),
        ({"delimiter": "\n"}, "--delimiter"),
        ({"max_record_bytes": 0}, "--max-record-bytes"),
        ({"columns": ["a", "b", "a"]}, "--columns: a is named twice"),
        ({"keep": ["a", "a"]}, "--keep: a is named twice"),
        ({"encoding": "klingon"}, "--encoding klingon"),
    ],
)
def test_refused_format(flags: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        split_options(**flags)


@pytest.mark.parametrize("delimiter", [chr(number) for number in range(128) if chr(number) not in '"\r\n'])
def test_any_ascii_delimiter(delimiter: str) -> None:
    names = ["T", "U"] if delimiter in "tu" else ["t", "u"]
    quoted, other = f'"1{delimiter}2"', "4" if delimiter == "3" else "3"
    data = f"{delimiter.join(names)}\n{quoted}{delimiter}{other}\n{other}{delimiter}{quoted}\n"
    reading = read_bytes(data.encode(), text=names[:1], keep=names[1:], delimiter=delimiter)
    expected = [f"1{delimiter}2", other]
    assert [reading.column("text"), reading.column(kept_name(names[1]))] == [expected, expected[::-1]]


def test_real_titles(agnews: Path) -> None:
    with agnews.open("rb") as file:
        head = file.read(1 << 18)
    head = head[: head.rindex(b"\n") + 1]
    columns = ["label", "text", "description"]
    records = naive_scanner.scan(head, num_fields=3)

    reading = read_bytes(head, 100_000, columns=columns, label="label", keep=["description"])

    assert reading.num_records == len(records) > 800
    assert reading.rejects == []
    for name, index in (("label", 0), ("text", 1), (kept_name("description"), 2)):
        assert reading.column(name) == [record.fields[index].decode() for record in records]


def test_a_reader_of_a_missing_file() -> None:
    with pytest.raises(UsageError, match="cannot read"):
        read_source(Source("/nowhere/at/all.csv", "all.csv"))
