"""Other encodings: the text comes out as UTF-8, and the stored bytes can be had back, broken ones too."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import UsageError
from pipeline.formats.encodings import Utf8Stream, normalize_encoding, restore
from tests.reading import read_stream
from tests.strategies import FEW

ENCODINGS = [
    "latin-1",
    "cp1252",
    "shift_jis",
    "cp932",
    "euc_jp",
    "gb18030",
    "big5",
    "koi8_r",
    "utf-16",
    "utf-16-be",
    "utf-32",
    "cp037",
]


def convert(stored: bytes, encoding: str, num_bytes: int) -> tuple[bytes, Utf8Stream]:
    stream = Utf8Stream(io.BytesIO(stored), normalize_encoding(encoding))
    return read_stream(stream, num_bytes), stream


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("num_bytes", [1, 4, 5, 1000])
def test_text_comes_out_and_goes_back(encoding: str, num_bytes: int) -> None:
    text = 'label,title\n1,"sold\nagain"\n'
    stored = text.encode(encoding)
    utf8, stream = convert(stored, encoding, num_bytes)
    assert utf8 == text.encode()
    assert stored[stream.bom_bytes :] == restore(utf8, stream.encoding)


@FEW
@given(
    stored=st.binary(max_size=50),
    num_bytes=st.integers(1, 9),
    encoding=st.sampled_from(["latin-1", "cp1252", "shift_jis", "euc_jp", "utf-16-le", "utf-32-be", "ascii", "koi8_r"]),
)
def test_any_bytes_can_be_had_back(stored: bytes, num_bytes: int, encoding: str) -> None:
    utf8, stream = convert(stored, encoding, num_bytes)
    assert restore(utf8, stream.encoding) == stored


def test_a_broken_byte_does_not_become_valid_text() -> None:
    utf8, stream = convert(b"a\x81b\n", "cp1252", 100)
    with pytest.raises(UnicodeDecodeError):
        utf8.decode()
    assert restore(utf8, stream.encoding) == b"a\x81b\n"


@pytest.mark.parametrize(
    ("bom", "encoding"), [(b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"), (b"", "utf-16-le")]
)
def test_the_byte_order_mark_names_the_order_and_is_dropped(bom: bytes, encoding: str) -> None:
    utf8, stream = convert(bom + "aé".encode(encoding), "utf-16", 100)
    assert utf8 == "aé".encode()
    assert stream.bom_bytes == len(bom)


@pytest.mark.parametrize("name", ["utf8", "UTF-8", "U8", "utf_8_sig"])
def test_all_spellings_of_utf8_are_one(name: str) -> None:
    assert normalize_encoding(name) == "utf-8"


@pytest.mark.parametrize(
    "name", ["klingon", "", "base64", "hex", "rot13", "idna", "punycode", "undefined", "a\0b", "é"]
)
def test_what_is_no_text_encoding_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="--encoding"):
        normalize_encoding(name)
