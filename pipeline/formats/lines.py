"""Bytes to lines of text as they come: what one read brings is one block, so that whoever keeps a pipe open is answered at once."""

from codecs import BOM_UTF8
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from pipeline.errors import InputError
from pipeline.formats.sniff import describe_foreign
from pipeline.records.quarantine import INVALID_ENCODING

RECORD_TOO_LONG = "record_too_long"
MAX_LINE_BYTES = 1 << 20
_READ_BYTES = 1 << 20


@dataclass(frozen=True)
class LineBlock:
    """Consecutive lines without their ends, which are LF or CRLF.

    Attributes:
        texts: One for each line. U+FFFD stands for what is not UTF-8, and a line of more than `MAX_LINE_BYTES` is cut there.
        unusable: The reason, by index into texts, where something like that was done to a line.
    """

    texts: list[str] = field(default_factory=list)
    unusable: dict[int, str] = field(default_factory=dict)

    def add(self, line: bytes) -> None:
        """Add a line, or more than `MAX_LINE_BYTES` of its beginning."""
        index, stored = len(self.texts), line[:MAX_LINE_BYTES].removesuffix(b"\r")
        if len(line) > MAX_LINE_BYTES:
            self.unusable[index] = RECORD_TOO_LONG
        try:
            self.texts.append(stored.decode())
        except UnicodeDecodeError:
            self.unusable.setdefault(index, INVALID_ENCODING)
            self.texts.append(stored.decode(errors="replace"))


def read_lines(read: Callable[[int], bytes | None]) -> Iterator[LineBlock]:
    """Read lines of UTF-8 to the end.

    Args:
        read: Returns bytes, so many at most, as soon as there are some; none at the end.

    Raises:
        InputError: It is something else, such as UTF-16 or a PDF.
        OSError: It cannot be read.
    """
    rest, is_first = b"", True
    while stored := read(_READ_BYTES):
        if is_first and (foreign := describe_foreign(stored)):
            raise InputError(f"standard input is {foreign[0]}, expected lines of text in UTF-8; convert it first")
        if is_first:
            stored, is_first = stored.removeprefix(BOM_UTF8), False
        block = LineBlock()
        *lines, rest = (rest + stored).split(b"\n")
        for line in lines:
            block.add(line)
        rest = rest[: MAX_LINE_BYTES + 1]
        if lines:
            yield block
    if rest:
        block = LineBlock()
        block.add(rest)
        yield block
