"""Which delimiter is taken, and what is not clear, with its message."""

from typing import Any

import pytest

from pipeline.formats.csv.detect_delimiter import ONE_COLUMN, detect_delimiter, find_separator_line
from pipeline.formats.sniff import SNIFF_BYTES, HeadError


def detect(head: str, **changes: Any) -> str:
    given = {"is_whole": True, "num_columns": 0, "max_record_bytes": 1 << 20}
    return detect_delimiter(head.encode(), **given | changes)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize(
    "text",
    [
        "id_text",
        "id_text\n",
        "\r\n\r\nid_text\r\n1_a\r\n",
        'id_text\n1_"a, b; c | d\te"\n2_"f,\ng;\n\nh|i\tj"\n3_plain',
        '"id, with ; and | and \t"_text\n1_a\n',
        'id_"the\ntext"\n1_a\n',
        "id_text_\n1_a_\n",
        'id_text\n1_a 5" nail\n',
        "id_text\nbroken\n1_a\n_2_b\n",
        'id_text\n1_"never closed and so on\n2_b\n',
        "id_text\n" + "broken\n" * 9,
        "id_text\n" + "broken\n" * 1000 + "1_a\n",
    ],
)
def test_the_only_one_in_the_header(text: str, delimiter: str) -> None:
    assert detect(text.replace("_", delimiter)) == delimiter


@pytest.mark.parametrize(
    ("text", "num_columns", "delimiter"),
    [
        ("id;price, in euro\n1;2,50\n2;3\n", 0, ";"),  # Decimal commas.
        ("id;price, in euro;text\n1;2,50;a, b\n2;3;b\n", 0, ";"),
        ("id,a|b\n1,x\n2,y\n", 0, ","),
        ("id\ta,b;c\n1\tx, y; z\n2\tx; y\n3\tx, y\n", 0, "\t"),
        ("id,a|b\n1,x\n2\n3,z|z\n4,y\n5,y\n6,y\n", 0, ","),  # A malformed record in a plain file.
        ("1;2,50\n2;3\n", 2, ";"),
        ("1;one, two\n2;three, four, five\n", 2, ";"),
        ("1;one\n2;two\nmalformed\n4,5;;\n5;five\n6;six\n7;seven\n8;eight\n", 2, ";"),
        ('"1","a;b"\n"2","c;d"\n', 2, ","),
        ("1|a\n", 2, "|"),
    ],
)
def test_the_one_that_the_records_agree_with(text: str, num_columns: int, delimiter: str) -> None:
    assert detect(text, num_columns=num_columns) == delimiter


@pytest.mark.parametrize(
    ("text", "num_columns"),
    [
        ("text", 0),
        ("text\na\n", 0),
        ('"a, b; c"\nx\n', 0),
        ("text\nof one word\nof two, that is; more\nand | three\n", 0),
        ("text\nHello, world\nGoodbye, world\n", 0),  # Ordinary text, which has a space after a comma.
        ('text\n"1,2"\n"3,4"\n', 0),
        ("of one word\nof two, that is\n", 1),
    ],
)
def test_one_column(text: str, num_columns: int) -> None:
    assert detect(text, num_columns=num_columns) == ONE_COLUMN


def test_what_the_reader_refuses_is_left_to_it() -> None:
    for text in ("", "\n\r\n", '"text\n', '"a"b\n1\n', "text\ra\rb"):
        assert detect(text) in {",", ONE_COLUMN}


UNCLEAR = "it is not clear what stands between its fields: "
TODO = "; name it with --delimiter (none for a file of one column), or mend the file"
MISFIT = "--columns names 2 columns, but its first record has"
FITS_NOT = ", and no other delimiter fits; correct --columns, or name the --delimiter"


@pytest.mark.parametrize(
    ("text", "num_columns", "message"),
    [
        (
            "id;price, in euro\n1;2,50\n2;3,50\n",
            0,
            f"{UNCLEAR}',' cuts the header and 2 of 2 records into 2 fields, ';' cuts the header and 2 of 2 records into 2 fields{TODO}",
        ),
        (
            "id\ta|b\n",
            0,
            f"{UNCLEAR}a tab cuts the header into 2 fields, '|' cuts the header into 2 fields{TODO}",
        ),
        (
            "title, in english\n" + "a\n" * 10,
            0,
            f"{UNCLEAR}',' cuts the header and 0 of 10 records into 2 fields{TODO}",
        ),
        (
            "a,b|c\n1,2\n3\n4|5\n",
            0,
            f"{UNCLEAR}',' cuts the header and 1 of 3 records into 2 fields, '|' cuts the header and 1 of 3 records into 2 fields{TODO}",
        ),
        (
            "1;2,50\n2;3,50\n",
            2,
            f"{UNCLEAR}',' cuts 2 of 2 records into 2 fields, ';' cuts 2 of 2 records into 2 fields{TODO}",
        ),
        (
            "1,a,b\n2,c,d\n",
            2,
            f"{MISFIT} 3 with ',' between them{FITS_NOT}",
        ),
        ("one\ntwo\n", 2, f"{MISFIT} 1 with ',' between them{FITS_NOT}"),
    ],
)
def test_not_clear(text: str, num_columns: int, message: str) -> None:
    with pytest.raises(HeadError) as caught:
        detect(text, num_columns=num_columns)
    assert str(caught.value) == message


def test_one_column_is_named_but_the_records_have_several() -> None:
    end = "or add --delimiter none if a record is one text"
    with pytest.raises(HeadError) as caught:
        detect("text\n1,a\n2,b\n")
    assert (
        str(caught.value)
        == f"the header names one column, but ',' cuts each of the first 2 records into 2 fields; mend it, {end}"
    )
    with pytest.raises(HeadError) as caught:
        detect("1\ta\tb\n", num_columns=1)
    assert (
        str(caught.value)
        == f"--columns names one column, but a tab cuts the only record into 3 fields; name them all, {end}"
    )


@pytest.mark.parametrize("num_columns", [0, 2])
def test_a_record_that_ends_behind_the_head_does_not_count(num_columns: int) -> None:
    head = "id;text, as it is\n" + "1;a\n" * 3
    assert detect(head + '2;"b, c\n' + "d, e\n" * 1000, is_whole=False) == ";"
    assert detect(head + "2,2", is_whole=False) == ";"
    with pytest.raises(HeadError, match="first record does not end within 65,536 bytes"):
        detect("x," * (SNIFF_BYTES // 2), is_whole=False, num_columns=num_columns)


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"sep=;\na;b\n", (6, ";")),
        (b"sep=,\r\na,b\n", (7, ",")),
        (b"SEP=\t\na\tb\n", (6, "\t")),
        (b'"sep=|"\r\na|b\r\n', (9, "|")),
        (b"sep=;", (5, ";")),
        (b"sep=\n", (0, "")),
        (b"sep=a\n", (0, "")),
        (b"sep=;;\n", (0, "")),
        (b"sep=; \n", (0, "")),
        (b'sep="\n', (0, "")),
        (b"sep=;,text\n", (0, "")),
        (b"\nsep=;\n", (0, "")),
        (b"", (0, "")),
    ],
)
def test_a_separator_line(head: bytes, expected: tuple[int, str]) -> None:
    assert find_separator_line(head) == expected
