"""Streams of bytes, read once from front to back: counted and hashed, looked at ahead, decompressed, passed over, cut short."""

import errno
import hashlib
import io
import os
import threading
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import pyarrow as pa

from pipeline.errors import InputError

READ_BYTES = 1 << 20
_MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}


class ByteStream(Protocol):
    """What can be read."""

    def readinto(self, buffer: memoryview, /) -> int:
        """Read up to as many bytes as the buffer holds; returns how many, 0 only at the end."""
        ...


@runtime_checkable
class SkippingStream(ByteStream, Protocol):
    """A stream that may know a quicker way over bytes than to read them."""

    def skip(self, num_bytes: int, /) -> int:
        """Pass over bytes; returns over how many, fewer only at the end."""
        ...


def pass_over(stream: ByteStream, num_bytes: int) -> int:
    """Pass over bytes of a stream, in the quickest way that it has; returns over how many, fewer only at the end."""
    return stream.skip(num_bytes) if isinstance(stream, SkippingStream) else _read_over(stream, num_bytes)


def _read_over(stream: ByteStream, num_bytes: int) -> int:
    scratch = memoryview(bytearray(min(num_bytes, READ_BYTES)))
    left = num_bytes
    while left and (num_read := stream.readinto(scratch[:left])):
        left -= num_read
    return num_bytes - left


class _File(Protocol):
    def readinto(self, buffer: Any, /) -> int | None: ...

    def seekable(self) -> bool: ...

    def seek(self, offset: int, whence: int = 0, /) -> int: ...


@dataclass(frozen=True)
class HashedPrefix:
    """The first bytes of a stored file, hashed."""

    num_bytes: int
    digest: Any


class CountingStream:
    """Counts and hashes the bytes of an open file as they pass. One thread reads, any may ask.

    Args:
        file: What to read.
        is_hashed: Hash what passes; otherwise bytes that are skipped are not read where the file can seek.
        prefix: Bytes that were hashed before; they are not read again to be skipped.
    """

    def __init__(self, file: _File, *, is_hashed: bool = True, prefix: HashedPrefix | None = None) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._digest = hashlib.sha256()
        self._is_hashed = is_hashed
        self._prefix = prefix
        self.num_bytes = 0

    def readinto(self, buffer: memoryview, /) -> int:
        """Read, count and hash."""
        num_read = self._file.readinto(buffer)
        if num_read is None:
            raise BlockingIOError(errno.EAGAIN, "it is set not to wait for data")
        with self._lock:
            self.num_bytes += num_read
            if self._is_hashed:
                self._digest.update(buffer[:num_read])
        return num_read

    def skip(self, num_bytes: int, /) -> int:
        """Pass over bytes, which are not read where nobody wants their hash or it is known."""
        target = self.num_bytes + num_bytes
        is_known = self._prefix is not None and self._prefix.num_bytes == target
        if not num_bytes or not (is_known or not self._is_hashed) or not self._file.seekable():
            return _read_over(self, num_bytes)
        passed = min(target, self._file.seek(0, os.SEEK_END)) - self.num_bytes
        self._file.seek(self.num_bytes + passed)
        with self._lock:
            self.num_bytes += passed
            if self._prefix is not None and passed == num_bytes:
                self._digest = self._prefix.digest.copy()
        return passed

    def passed(self) -> tuple[int, str]:
        """How many bytes were read so far, and their SHA-256, in hexadecimal."""
        with self._lock:
            return self.num_bytes, self._digest.hexdigest()


class PeekableStream(io.RawIOBase):
    """A stream whose next bytes can be looked at before they are read.

    Args:
        stream: What to read.
    """

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self._head = b""

    def peek(self, num_bytes: int) -> bytes:
        """Return the next bytes without consuming them, fewer only where the stream ends."""
        buffer = memoryview(bytearray(num_bytes))
        while (missing := num_bytes - len(self._head)) > 0 and (num_read := self._stream.readinto(buffer[:missing])):
            self._head += buffer[:num_read]
        return self._head[:num_bytes]

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: Any, /) -> int:
        """See `ByteStream`."""
        view = memoryview(buffer)
        if not self._head:
            return self._stream.readinto(view)
        part, self._head = self._head[: len(view)], self._head[len(view) :]
        view[: len(part)] = part
        return len(part)

    def skip(self, num_bytes: int, /) -> int:
        """See `SkippingStream`."""
        passed = min(num_bytes, len(self._head))
        self._head = self._head[passed:]
        return passed + pass_over(self._stream, num_bytes - passed)


class LimitedStream:
    """The first bytes of a stream.

    Args:
        stream: What to read.
        num_bytes: How many.
    """

    def __init__(self, stream: ByteStream, num_bytes: int) -> None:
        self._stream = stream
        self._left = num_bytes

    def readinto(self, buffer: memoryview, /) -> int:
        """See `ByteStream`."""
        num_read = self._stream.readinto(buffer[: self._left])
        self._left -= num_read
        return num_read

    def skip(self, num_bytes: int, /) -> int:
        """See `SkippingStream`."""
        passed = pass_over(self._stream, min(num_bytes, self._left))
        self._left -= passed
        return passed


def decompressed(stored: ByteStream, path: str) -> PeekableStream:
    """A stream's text: what it holds in gzip or zstd, or else the bytes themselves.

    Compression is told from the first bytes, not from a name, so a pipe may be compressed too.

    Args:
        stored: The bytes as stored.
        path: What messages call it.
    """
    stream = PeekableStream(stored)
    kind = next((kind for magic, kind in _MAGIC.items() if stream.peek(4).startswith(magic)), None)
    return stream if kind is None else PeekableStream(_Decompressed(stream, kind, path))


class _Decompressed:
    """A gzip or zstd stream, its library's errors turned into ours."""

    def __init__(self, stored: PeekableStream, kind: str, path: str) -> None:
        self._kind = kind
        self._path = path
        self._stream = pa.CompressedInputStream(pa.PythonFile(stored, mode="r"), kind)

    def readinto(self, buffer: memoryview, /) -> int:
        try:
            return int(self._stream.readinto(buffer))
        except OSError as error:
            raise InputError(
                f"{self._path}: the {self._kind} data is damaged or cut off ({error}); fetch the file again",
                path=self._path,
            ) from error
