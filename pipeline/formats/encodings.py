"""Text in any encoding: read as UTF-8, and turned back into the stored bytes for the quarantine.

A byte that the codec cannot decode becomes a lone surrogate, U+DC00 + byte. Written with "surrogatepass" that is not valid UTF-8,
so a reader's ordinary check quarantines the record as `invalid_encoding`, and `restore` gives back the very bytes.
"""

import codecs
import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.errors import InputError, UsageError
from pipeline.formats.detect_encoding import detect_encoding
from pipeline.formats.sniff import SNIFF_BYTES, UTF8, HeadError, bom_encoding, describe_foreign, describe_format
from pipeline.storage.streams import ByteStream, PeekableStream

AUTO = "auto"
_ASCII = "\t\n\r" + "".join(map(chr, range(32, 127)))
_ESCAPE = "charmill.escape"
_ESCAPED = re.compile("([\udc00-\udcff]+)")
_BOMS = {"utf-16": (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE), "utf-32": (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)}
_BOM_BYTES = 4  # Of the longest one.


@dataclass(frozen=True, kw_only=True)
class Text:
    """A source's text.

    Attributes:
        stream: In UTF-8, behind the byte order mark.
        encoding: Of the bytes as stored, their byte order settled.
        bom_bytes: Stored bytes before the first character.
        codec: The codec that was named or detected; with a byte order mark, the one that reads it.
    """

    stream: PeekableStream
    encoding: str
    bom_bytes: int
    codec: str


def open_text(stored: PeekableStream, encoding: str, path: str, *, expected: str, delimiter: str = ",") -> Text:
    """Read a source's bytes as text.

    Args:
        stored: The bytes as stored, after decompression.
        encoding: Any Python text codec, or `AUTO` for what the first bytes say, and nothing else. A byte order mark beats the name of
            another codec that contains ASCII: files in several encodings may share an inbox.
        path: What messages call the source.
        expected: What they say should have been in it.
        delimiter: See `describe_foreign`.

    Raises:
        InputError: It is in another encoding, or not text, or it is not clear in which encoding it is.
    """
    head = stored.peek(SNIFF_BYTES)
    named = UTF8 if encoding == AUTO else normalize_encoding(encoding)
    codec = named
    if _contains_ascii(named):
        if encoding == AUTO or named != UTF8:
            codec = bom_encoding(head) or (UTF8 if head.startswith(codecs.BOM_UTF8) else named)
        if codec == named:
            _refuse_foreign(describe_foreign(head, delimiter.encode()), f"{expected} in {named.upper()}", path)
            codec = _detect(head, path) if encoding == AUTO else named
    else:
        _refuse_foreign(describe_format(head), expected, path)
    if codec != UTF8:
        transcoder = Utf8Stream(stored, codec)
        stream = PeekableStream(transcoder)
        stream.peek(1)
        return Text(stream=stream, encoding=transcoder.encoding, bom_bytes=transcoder.bom_bytes, codec=codec)
    bom_bytes = stored.skip(len(codecs.BOM_UTF8)) if head.startswith(codecs.BOM_UTF8) else 0
    return Text(stream=stored, encoding=UTF8, bom_bytes=bom_bytes, codec=UTF8)


def _contains_ascii(codec: str) -> bool:
    """Whether text in ASCII has the same bytes in a codec."""
    return _ASCII.encode(codec, "replace") == _ASCII.encode()


def _refuse_foreign(foreign: tuple[str, str] | None, expected: str, path: str) -> None:
    if foreign:
        raise InputError(f"{path}: this is {foreign[0]}, expected {expected}; {foreign[1]}", path=path)


def _detect(head: bytes, path: str) -> str:
    try:
        return detect_encoding(head, is_whole=len(head) < SNIFF_BYTES)
    except HeadError as error:
        raise InputError(f"{path}: {error}", path=path) from error


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
