"""Tells from a file's first bytes whether it is in UTF-8 or in Windows' cp1252. Byte order marks of other encodings are for `sniff` to see.

The lines that are not plain ASCII decide. Nearly all of them must speak for the same encoding: one damaged character makes no cp1252 of a
file in UTF-8. Any bytes can be read as cp1252, but what was written in another alphabet or code page then has three accented letters in a
row, signs within words, as in `za¿ó³æ`, or letters where the languages of cp1252 have none, as in `pøes týden`. Icelandic has those as
well, so it has to be named.
"""

import codecs
import re

from pipeline.formats.sniff import UTF8, HeadError

CP1252 = "cp1252"
_MIN_SHARE = 0.9
_LETTER = rb"[A-Za-z\x8a\x8c\x8e\x9a\x9c\x9e\x9f\xc0-\xff]"
_SIGN = rb"[\x82-\x84\x86-\x89\x8b\x93\x94\x98\x9b\xa1-\xac\xae\xaf\xb1-\xb3\xb6\xb8-\xbf]"
_NOT_WESTERN = re.compile(
    b"|".join(
        [
            rb"[\xc0-\xff]{3}|[\xa1-\xff]{4}|[\x80-\xff]{5}",
            _LETTER + _SIGN + _LETTER,
            _LETTER + rb"[\xb9\xbf]",  # Polish; a superscript 1, or a question mark upside down.
            _LETTER + rb"{3}\xb3|\xb3[a-z]",  # Polish; a unit of volume is shorter, and ends with it.
            rb"[a-z][\x9a\x9e]|[\x9a\x9e][a-z]",  # Slavic and Baltic languages; in the West only names have these. And Mac OS Roman.
            rb"\xe7[b-eg-np-tv-z]",  # Latvian; a cedilla stands before a, o and u, or last.
            rb"[\xd0\xdd\xde\xf0\xfd\xfe]",  # Turkish, Czech and Romanian.
            rb"[\xec\xf9][a-z]",  # Czech; Italian and French have these letters at the ends of words.
            rb"\xf5(?!e)|\xd5(?!E)",  # Hungarian; Portuguese has them before e.
            rb"[a-z][\x8a\x8c\x8e\x9f]|\x99[a-z]",  # Mac OS Roman and cp850; capitals, and a trademark.
            rb"[a-z][\x96\x97][a-z]",  # Mac OS Roman; dashes, which have spaces or capitals beside them.
        ]
    )
)


def detect_encoding(head: bytes, *, is_whole: bool) -> str:
    """Return the name of the encoding, as `--encoding` takes it.

    Args:
        head: The first bytes of an input, text without a byte order mark of UTF-16 or UTF-32.
        is_whole: There are no further ones.

    Raises:
        HeadError: It may be one or the other, or none of them.
    """
    if _is_utf8(head, is_whole=is_whole):
        return UTF8
    lines = [line for line in head.splitlines(keepends=True) if not line.isascii()]
    others = [line for line in lines if not _is_utf8(line, is_whole=is_whole or line.endswith((b"\n", b"\r")))]
    num_utf8 = len(lines) - len(others)
    num_cp1252 = sum(map(_is_cp1252, others))
    if num_utf8 >= _MIN_SHARE * len(lines):
        return UTF8
    if not num_utf8 and num_cp1252 >= _MIN_SHARE * len(lines):
        return CP1252
    if num_utf8:
        raise HeadError(
            f"its encoding is not clear: of the first {len(lines):,} lines that are not plain ASCII, {num_utf8:,} are UTF-8 and "
            f"{len(others):,} are not; mend it, or add --encoding {UTF8} to quarantine what is not UTF-8, or --encoding {CP1252}"
        )
    raise HeadError(
        f"its encoding is not clear: it is neither UTF-8 nor, by its looks, {CP1252}; name it with --encoding, as in --encoding cp1250, "
        f"shift_jis or {CP1252} all the same"
    )


def _is_utf8(part: bytes, *, is_whole: bool) -> bool:
    """Whether bytes are UTF-8; where they are not whole, they may end within a character."""
    try:
        codecs.getincrementaldecoder(UTF8)().decode(part, final=is_whole)
    except UnicodeDecodeError:
        return False
    return True


def _is_cp1252(line: bytes) -> bool:
    try:
        line.decode(CP1252)
    except UnicodeDecodeError:
        return False
    return not _NOT_WESTERN.search(line)
