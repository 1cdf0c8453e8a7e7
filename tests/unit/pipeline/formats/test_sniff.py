"""What is no CSV is recognised; what is one, however odd, is let through."""

import bz2
import lzma
import random
import zipfile
from io import BytesIO

import polars as pl
import pytest

from pipeline.formats.sniff import describe_foreign


def _zip() -> bytes:
    file = BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.csv", "a,b\n")
    return file.getvalue()


def _parquet(frame: pl.DataFrame) -> bytes:
    file = BytesIO()
    frame.write_parquet(file)
    return file.getvalue()


TEXT = "label,title\n1,an ordinary title\n"


@pytest.mark.parametrize(
    ("head", "what", "todo"),
    [
        (TEXT.encode("utf-16"), "UTF-16", "--encoding utf-16"),
        (b"\xfe\xff" + TEXT.encode("utf-16-be"), "UTF-16", "--encoding utf-16"),
        (TEXT.encode("utf-16-le"), "UTF-16", "--encoding utf-16-le"),
        (TEXT.encode("utf-16-be"), "UTF-16", "--encoding utf-16-be"),
        (TEXT.encode("utf-32"), "UTF-32", "--encoding utf-32"),
        (_zip(), "zip", "unpack"),
        (bz2.compress(TEXT.encode()), "bzip2", "unpack"),
        (bz2.compress(TEXT.encode(), 1), "bzip2", "unpack"),
        (lzma.compress(TEXT.encode()), "xz", "unpack"),
        (_parquet(pl.DataFrame({"a": ["b"]})), "Parquet", "CSV"),
        (_parquet(pl.DataFrame({"a": []}, schema={"a": pl.String})), "Parquet", "CSV"),
        (random.Random(0).randbytes(2000), "binary", "--encoding"),
        (bytes(100), "binary", "--encoding"),
    ],
)
def test_refused_with_what_to_do(head: bytes, what: str, todo: str) -> None:
    described = describe_foreign(head)
    assert described is not None
    assert what in described[0]
    assert todo in described[1]


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"a",
        TEXT.encode(),
        b"\xef\xbb\xbf" + TEXT.encode(),
        "título,日本語,\U0001f600\n".encode(),
        "日本語のテキスト\n".encode() * 50,
        TEXT.encode("latin-1") + b"\xe9\xe8\n",
        TEXT.encode() + b"\0a title with a NUL\n",
        b"PAR1,PAR2\n1,2\n",
        b"BZh,name\n1,2\n",
    ],
)
def test_let_through(head: bytes) -> None:
    assert describe_foreign(head) is None


@pytest.mark.parametrize("delimiter", [b"\x01", b"\x1e", b"\0"])
def test_control_characters_may_stand_between_fields(delimiter: bytes) -> None:
    head = delimiter.join([b"1", b"2", b"3"]) + b"\n"
    assert describe_foreign(head) is not None
    assert describe_foreign(head, delimiter) is None
