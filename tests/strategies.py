"""Hypothesis strategies that aim at what breaks text and CSV code, and the settings that properties share."""

from hypothesis import settings
from hypothesis import strategies as st

FEW = settings(max_examples=50, deadline=None)
SOME = settings(max_examples=150, deadline=None)
MANY = settings(max_examples=400, deadline=None)

BOM = "\ufeff"
_AWKWARD_CHARACTERS = (
    "aikzAIKZ09 \"\n\r\t\0,.'~\\_^`{|}éßſıµøÅ中あ́̇\u200b\u00a0\u2028\U0001f600\U0001d400\u212a\u0130" + BOM
)
_CSV_PIECES = (
    *('"', '"', '"', ",", ",", "\n", "\n", "\r\n", "\r", "a", "b", " "),
    *('""', '",', ',"', '"\n', '\n"', '5"', "x^", "x\x01", BOM, "é", "\U0001f600", "\0", "#", "long enough to matter"),
)


def texts(max_size: int = 200) -> st.SearchStrategy[str]:
    """Any string that UTF-8 can hold, with a preference for what the encoder treats in a way of its own."""
    characters = st.characters(exclude_categories=["Cs"])
    return st.one_of(
        st.text(st.one_of(st.sampled_from(_AWKWARD_CHARACTERS), characters), max_size=max_size),
        st.text("ab \u212a\u0130", max_size=max_size),
        st.text("ab ", min_size=max_size // 3, max_size=max_size),
    )


def csv_bytes(max_pieces: int = 40) -> st.SearchStrategy[bytes]:
    """Bytes that are nearly CSV, or any bytes at all."""
    pieces = st.sampled_from(_CSV_PIECES).map(str.encode)
    return st.one_of(
        st.lists(pieces, max_size=max_pieces).map(b"".join),
        st.lists(st.one_of(pieces, st.just(b"\xff"), st.just(b"\xc3")), max_size=max_pieces).map(b"".join),
        st.binary(max_size=60),
    )


def long_csv_bytes() -> st.SearchStrategy[bytes]:
    """As `csv_bytes`, but long enough for the scanner's wide steps: mostly clean records of any length, with trouble among them."""
    fields = st.one_of(
        st.integers(0, 70).map(lambda length: b"a" * length),
        st.integers(0, 70).map(lambda length: b'"' + b"b," * length + b'"'),
        st.sampled_from(
            [
                b'"c\nd"',
                b'"e""f"',
                b'""',
                b'""""',
                b'"g\r\n\n"',
                b"h\r",
                b'5"',
                b'"i"j',
                b'"k',
                b'a"',
                b"\r",
                b"\xff",
                b'x","y',
                b"",
            ]
        ),
    )
    ends = st.sampled_from([b"\n", b"\n", b"\n", b"\r\n", b"\r\n", b"\n\n", b"\r", b"\r\r\n", b""])
    records = st.tuples(st.lists(fields, min_size=1, max_size=3).map(b",".join), ends).map(b"".join)
    return st.lists(records, min_size=3, max_size=40).map(b"".join)


def csv_text(max_pieces: int = 40) -> st.SearchStrategy[bytes]:
    """UTF-8 that is nearly CSV, without the control characters that would make it look binary."""
    pieces = st.sampled_from([piece for piece in _CSV_PIECES if piece not in {"\0", "x\x01"}])
    return st.lists(pieces, max_size=max_pieces).map(lambda chosen: "".join(chosen).encode())


def csv_tables(num_columns: int) -> st.SearchStrategy[list[list[str]]]:
    """Rows for csv.writer: fields with quotes, delimiters and newlines."""
    pieces = st.sampled_from(["a", "b", '"', '"', ",", ";", "\n", "\r\n", "\t", "'", " ", "é", "x^", BOM])
    field = st.lists(pieces, max_size=8).map("".join)
    return st.lists(st.lists(field, min_size=num_columns, max_size=num_columns), min_size=1, max_size=8)
