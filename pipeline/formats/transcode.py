"""Other encodings than UTF-8, turned into UTF-8 before the scanner, and back again for the quarantine.

A byte that the codec cannot decode becomes a lone surrogate, U+DC00 + byte. Written with "surrogatepass" that is not valid UTF-8,
so the scanner's ordinary check quarantines the record as `invalid_encoding`, and `restore` gives back the very bytes.
"""

import codecs
import re

import numpy as np
import numpy.typing as npt

from pipeline.errors import UsageError
from pipeline.storage.streams import ByteStream

UTF8 = "utf-8"
_ESCAPE = "charmill.escape"
_ESCAPED = re.compile("([\udc00-\udcff]+)")
_BOMS = {"utf-16": (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE), "utf-32": (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)}
_BOM_BYTES = 4  # Of the longest one.


def _escape(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "".join(chr(0xDC00 + byte) for byte in error.object[error.start : error.end]), error.end


codecs.register_error(_ESCAPE, _escape)


def normalize_encoding(name: str) -> str:
    """Return Python's name of a text codec, `UTF8` for all spellings of UTF-8.

    Raises:
        UsageError: Python has no text codec of that name.
    """
    try:
        found = codecs.lookup(name).name
        b" ".decode(name, _ESCAPE)  # Refuses what is no text (base64) and what cannot go on after an error (idna).
    except (LookupError, ValueError) as error:
        raise UsageError(
            f"--encoding {name}: Python has no such text encoding; try utf-8, utf-16, latin-1 or cp1252"
        ) from error
    return UTF8 if found == "utf-8-sig" else found


class Utf8Stream:
    """Reads a stream in another encoding as UTF-8.

    Args:
        stream: The bytes as stored, after decompression.
        encoding: A name from `normalize_encoding`.

    Attributes:
        encoding: The codec; of UTF-16 and UTF-32 the variant that the byte order mark names, known after the first read.
        bom_bytes: Stored bytes before the first character, known after the first read.
    """

    def __init__(self, stream: ByteStream, encoding: str) -> None:
        self._stream = stream
        self.encoding = encoding
        self._decoder: codecs.IncrementalDecoder | None = None
        self._converted = b""
        self.bom_bytes = 0

    def readinto(self, buffer: memoryview, /) -> int:
        """Read and convert."""
        while not self._converted:
            stored = self._read(len(buffer))
            ended = not stored
            if self._decoder is None:
                stored = self._settle_byte_order(stored)
                self._decoder = codecs.getincrementaldecoder(self.encoding)(errors=_ESCAPE)
            self._converted = self._decoder.decode(stored, final=ended).encode(UTF8, "surrogatepass")
            if ended:
                break
        part, self._converted = self._converted[: len(buffer)], self._converted[len(buffer) :]
        buffer[: len(part)] = part
        return len(part)

    def _read(self, num_bytes: int) -> bytes:
        stored = bytearray(num_bytes)
        return bytes(stored[: self._stream.readinto(memoryview(stored))])

    def _settle_byte_order(self, stored: bytes) -> bytes:
        """Replace UTF-16 and UTF-32 by the variant that the byte order mark names, so that any part can be turned back."""
        if self.encoding not in _BOMS:
            return stored
        while len(stored) < _BOM_BYTES and (more := self._read(_BOM_BYTES - len(stored))):
            stored += more
        little, big = _BOMS[self.encoding]
        self.encoding += "-be" if stored.startswith(big) else "-le"
        self.bom_bytes = len(little) if stored.startswith((little, big)) else 0
        return stored[self.bom_bytes :]


def restore(utf8: bytes, encoding: str) -> bytes:
    """Give back the stored form of bytes that `Utf8Stream` returned, cut anywhere between characters.

    Where a codec has several forms of a character (the doubles of cp932, the shifts of UTF-7), they come in the form that the
    codec writes. A character that a part cut out of its state does not have (after a broken shift) becomes the codec's question mark.

    Args:
        utf8: What was returned; with `UTF8`, what is stored.
        encoding: `Utf8Stream.encoding`, or `UTF8`.
    """
    if encoding == UTF8:
        return utf8
    parts = _ESCAPED.split(utf8.decode(UTF8, "surrogatepass"))
    return b"".join(
        bytes(ord(character) - 0xDC00 for character in part) if index % 2 else part.encode(encoding, "replace")
        for index, part in enumerate(parts)
    )


def num_stored(utf8: npt.NDArray[np.uint8], encoding: str) -> int:
    """How many bytes a part of the data has as stored; see `restore`."""
    return len(utf8) if encoding == UTF8 else len(restore(utf8.tobytes(), encoding))
