"""Foreign content: what is not text in UTF-8 is known by its first bytes, so that it is refused and never read as garbage."""

import codecs
import json
import re

SNIFF_BYTES = 1 << 16
UTF8 = "utf-8"

_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_FORMATS = (
    (b"PK\x03\x04", "a zip archive or an Excel workbook", "unpack it, or export it as CSV"),
    (b"PAR1\x15", "a Parquet file", "export it as CSV"),
    (b"SQLite format 3\0", "an SQLite database", "export a table as CSV"),
    (b"%PDF-", "a PDF", "export its table as CSV"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook", "export it as CSV"),
    *((b"BZh%d1AY&SY" % level, "bzip2 data", "unpack it, or pack it with gzip or zstd") for level in range(1, 10)),
    (b"\xfd7zXZ\0", "xz data", "unpack it, or pack it with gzip or zstd"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it, or pack it with gzip or zstd"),
    (b"\x1f\x8b", "gzip data within compressed data", "unpack it once"),
    (b"\x28\xb5\x2f\xfd", "zstd data within compressed data", "unpack it once"),
    (b"\x89PNG", "a picture", "name a CSV file"),
)
_HTML = re.compile(rb"\s*<(!doctype html|html)\b", re.IGNORECASE)
_CONTROLS = bytes(set(range(32)) - set(b"\t\n\v\f\r\x1b"))
_MAX_CONTROL_SHARE = 0.1
_MIN_ZERO_SHARE = 0.7  # Of every other byte: what UTF-16 makes of text that is mostly ASCII.


class HeadError(ValueError):
    """The first bytes of an input do not say how to read it; the message says what to do, but not which input it is."""


def bom_encoding(head: bytes) -> str:
    """The encoding that a byte order mark other than UTF-8's names; empty where there is none."""
    return next((encoding for bom, encoding in _BOMS if head.startswith(bom)), "")


def describe_format(head: bytes) -> tuple[str, str] | None:
    """Tell which other format the beginning of an input is of, whatever encoding was named.

    Args:
        head: The first bytes, `SNIFF_BYTES` of them or all there are.

    Returns:
        (what it is, what to do about it), or None.
    """
    for magic, what, todo in _FORMATS:
        if head.startswith(magic):
            return what, todo
    if _HTML.match(head):
        return "an HTML page", "download the file itself"
    if head.lstrip().startswith(b"<?xml"):
        return "XML", "export it as CSV"
    if head.startswith(b"{") and _is_json_object(head.partition(b"\n")[0]):
        return "JSON Lines", "export it as CSV"
    return None


def _is_json_object(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def describe_foreign(head: bytes, delimiter: bytes = b",") -> tuple[str, str] | None:
    """Tell what the beginning of an input is, if it is not lines of text in UTF-8 or another encoding that contains ASCII.

    Args:
        head: The first bytes, `SNIFF_BYTES` of them or all there are.
        delimiter: One byte; a control character such as Hive's 0x01 does not make a file binary where it stands between fields.

    Returns:
        (what it is, what to do about it), or None for what can be read.
    """
    if encoding := bom_encoding(head):
        return f"{encoding.upper()} text", f"add --encoding {encoding}"
    if foreign := describe_format(head):
        return foreign
    head = head.replace(delimiter, b",")
    if len(head) >= 4:
        even, odd = head[::2], head[1::2]
        if odd.count(0) > _MIN_ZERO_SHARE * len(odd) and even.count(0) < len(even) / 10:
            return "UTF-16 text", "add --encoding utf-16-le"
        if even.count(0) > _MIN_ZERO_SHARE * len(even) and odd.count(0) < len(odd) / 10:
            return "UTF-16 text", "add --encoding utf-16-be"
    num_controls = len(head) - len(head.translate(None, _CONTROLS))
    if num_controls > _MAX_CONTROL_SHARE * len(head):
        return "binary data", "name a CSV file, or its --encoding if it is text"
    if b"\n" not in head and b"\r" in head.rstrip(b"\r"):
        return "text whose lines end with CR alone", "make LF of each CR, as tr does: tr '\\r' '\\n'"
    return None
