"""Lines of a stream: whatever pieces it comes in, they are the lines of its bytes, and none is lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import InputError
from pipeline.formats.lines import MAX_LINE_BYTES, LineBlock, read_lines

PIECES = st.lists(
    st.binary(max_size=6) | st.sampled_from([b"\n", b"\r\n", b"\r", b"\xef\xbb\xbf", b"a b", "é€".encode()]),
    max_size=30,
)


def _read(pieces: list[bytes]) -> list[LineBlock]:
    left = iter([piece for piece in pieces if piece])
    return list(read_lines(lambda _: next(left, b"")))


def _lines(blocks: list[LineBlock]) -> list[tuple[str, str]]:
    """Each text and why it cannot be used."""
    return [(text, block.unusable.get(index, "")) for block in blocks for index, text in enumerate(block.texts)]


@given(PIECES)
def test_the_lines_are_those_of_all_bytes_together(pieces: list[bytes]) -> None:
    try:
        blocks = _read([b"begins as text ", *pieces])
    except InputError:  # The first piece was made long enough not to be taken for anything else.
        raise AssertionError from None
    stored = b"begins as text " + b"".join(pieces)
    expected = stored.removesuffix(b"\n").split(b"\n")
    got = _lines(blocks)
    assert len(got) == len(expected)
    for (text, reason), ended in zip(got, expected, strict=True):
        line = ended.removesuffix(b"\r")
        assert text == line.decode(errors="replace")
        assert reason == ("" if text.encode() == line else "invalid_encoding")


def test_a_line_is_there_as_soon_as_its_end_is() -> None:
    pieces = iter([b"one\ntw", b"o\n", b"three"])
    read: list[bytes] = []

    def piece(_: int) -> bytes:
        read.append(next(pieces, b""))
        return read[-1]

    seen = [(block.texts, len(read)) for block in read_lines(piece)]
    assert seen == [(["one"], 1), (["two"], 2), (["three"], 4)]


@pytest.mark.parametrize(
    ("stored", "texts"),
    [
        (b"", []),
        (b"\n", [""]),
        (b"\n\n", ["", ""]),
        (b"a", ["a"]),
        (b"\xef\xbb\xbfa\r\n\r\nb\rc\n", ["a", "", "b\rc"]),
        ("a\u2028b\x85c\x0b\n".encode(), ["a\u2028b\x85c\x0b"]),
    ],
)
def test_what_ends_a_line(stored: bytes, texts: list[str]) -> None:
    assert _lines(_read([stored])) == [(text, "") for text in texts]


@pytest.mark.parametrize("piece_bytes", [1 << 16, 1 << 20, 5 << 20])
def test_a_line_that_is_too_long_costs_itself_alone_and_no_memory(piece_bytes: int) -> None:
    stored = b"before\n" + b"x" * (3 * MAX_LINE_BYTES) + b"\n" + b"y" * MAX_LINE_BYTES + b"\nafter\n"
    pieces = [stored[start : start + piece_bytes] for start in range(0, len(stored), piece_bytes)]
    assert _lines(_read(pieces)) == [
        ("before", ""),
        ("x" * MAX_LINE_BYTES, "record_too_long"),
        ("y" * MAX_LINE_BYTES, ""),
        ("after", ""),
    ]


@pytest.mark.parametrize(
    ("stored", "what"), [("title\n".encode("utf-16"), "UTF-16"), (b"%PDF-1.7\n", "a PDF"), (bytes(range(32)), "binary")]
)
def test_what_is_no_text_is_refused(stored: bytes, what: str) -> None:
    with pytest.raises(InputError, match=f"standard input is {what}.*expected lines of text in UTF-8"):
        _read([stored])
