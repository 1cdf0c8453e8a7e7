"""Sources: the inputs of a job, which are files or standard input, plain or compressed. The only module that opens an input.

A source is read once, front to back. What it counts and hashes is the stored file, before decompression; what it returns is
the text after decompression.
"""

import glob
import hashlib
import io
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline.errors import UsageError, from_os_error
from pipeline.storage.streams import READ_BYTES, CountingStream, HashedPrefix, PeekableStream, decompressed

STDIN = "-"


class Source:
    """One input of a job.

    Args:
        path: A file, or ``-`` for standard input.
        name: What outputs call it.
        follow_links: Open what a symbolic link points to; otherwise a link is refused.
        is_hashed: Read and hash all of the stored file, whatever part of it is wanted.
    """

    def __init__(self, path: str, name: str, *, follow_links: bool = True, is_hashed: bool = True) -> None:
        self.path = path
        self.name = name
        self._follow_links = follow_links
        self._is_hashed = is_hashed
        self._prefix: HashedPrefix | None = None
        self._counting: CountingStream | None = None

    @property
    def is_file(self) -> bool:
        """Whether it is a regular file, which can be read again; a pipe cannot, and it may have a path, as ``/dev/fd/63``."""
        return self.path != STDIN and Path(self.path).is_file()

    @property
    def size_bytes(self) -> int:
        """The stored size in bytes, 0 where it is not known beforehand (a pipe)."""
        return 0 if self.path == STDIN else Path(self.path).stat().st_size

    @property
    def bytes_read(self) -> int:
        """Stored bytes read so far."""
        return self._counting.num_bytes if self._counting else 0

    @property
    def sha256(self) -> str:
        """Of the stored bytes read so far; of the whole file once `open` has ended without an exception."""
        return self.passed()[1]

    def passed(self) -> tuple[int, str]:
        """How many stored bytes were read so far, and their SHA-256; the two belong together while another thread reads on."""
        return self._counting.passed() if self._counting else (0, hashlib.sha256().hexdigest())

    def hash_stored(self, num_bytes: int | None = None, *, keep_at: int = 0) -> str:
        """Read and hash the stored file, or only its first bytes; not for a pipe, which can be read once.

        Args:
            num_bytes: How many; None for all.
            keep_at: A reading that skips to this byte need not read and hash again what lies before it.

        Raises:
            UsageError: There is no such file, or it may not be read.
        """
        digest = hashlib.sha256()
        done = 0
        try:
            with open_stored(self.path, follow_links=self._follow_links) as stored:
                while True:
                    until = keep_at if done < keep_at and (num_bytes is None or keep_at <= num_bytes) else num_bytes
                    part = stored.read(READ_BYTES if until is None else min(READ_BYTES, until - done))
                    if not part:
                        break
                    digest.update(part)
                    done += len(part)
                    if done == keep_at:
                        self._prefix = HashedPrefix(done, digest.copy())
        except OSError as error:
            raise from_os_error(error, "read", self.path) from error
        return digest.hexdigest()

    @contextmanager
    def open(self) -> Iterator[PeekableStream]:
        """Open for reading, decompressing if need be.

        Raises:
            UsageError: There is no such file, it is a folder, or it may not be read.
            InputError: The compressed data is damaged or cut off.
        """
        try:
            stored: Any = (
                open_stdin() if self.path == STDIN else open_stored(self.path, follow_links=self._follow_links)
            )
        except OSError as error:
            raise from_os_error(error, "read", self.path) from error
        try:
            counting = self._counting = CountingStream(stored, is_hashed=self._is_hashed, prefix=self._prefix)
            yield decompressed(counting, self.path)
            rest = memoryview(bytearray(READ_BYTES))
            while self._is_hashed and counting.readinto(rest):  # Of what nobody read: the hash covers the whole file.
                pass
        except OSError as error:
            raise from_os_error(error, "read", self.path) from error
        finally:
            if self.path != STDIN:
                stored.close()


def open_stdin() -> Any:
    """Standard input, unbuffered: a thread that waits in a buffered read holds a lock that the interpreter wants when it ends."""
    if sys.stdin is None:
        raise UsageError("standard input is closed; name a file, or pipe one in")
    try:
        return io.FileIO(sys.stdin.fileno(), "rb", closefd=False)
    except io.UnsupportedOperation:  # Something else stands in for it.
        return sys.stdin.buffer


def open_stored(path: str | Path, *, follow_links: bool) -> io.FileIO:
    """Open a file's stored bytes, unbuffered.

    Raises:
        OSError: It cannot be opened, or it is a link and those are not to be followed.
    """
    flags = os.O_RDONLY | os.O_CLOEXEC | (0 if follow_links else os.O_NOFOLLOW | os.O_NONBLOCK)
    return io.FileIO(os.open(path, flags), "rb")


def find_sources(patterns: Iterable[str]) -> list[Source]:
    """Turn paths and glob patterns into sources, in the order given, each pattern's matches sorted.

    A source's name is its file name; where two inputs share one, both are named by the path that was given.

    Raises:
        UsageError: A path does not exist or is a folder, or a pattern matches nothing.
    """
    paths: list[str] = []
    for pattern in patterns:
        if pattern != STDIN and not Path(pattern).exists() and glob.has_magic(pattern):
            matches = sorted(match for match in glob.glob(pattern, recursive=True) if Path(match).is_file())
            if not matches:
                raise UsageError(f"{pattern}: no file matches", path=pattern)
            paths += matches
        else:
            paths.append(pattern)
    for path in paths:
        if path != STDIN and Path(path).is_dir():
            raise UsageError(f"{path}: it is a folder; name its files, as in '{path.rstrip('/')}/*.csv'", path=path)
        if path != STDIN and not Path(path).exists():
            todo = "; inputs are local files, fetch it first" if "://" in path else ""
            raise UsageError(f"{path}: there is no such file{todo}", path=path)
    if not paths:
        raise UsageError("no input: name at least one CSV, or - for standard input")
    same = Counter(os.path.realpath(path) for path in paths)
    if len(same) < len(paths):
        twice = next(path for path in paths if same[os.path.realpath(path)] > 1)
        raise UsageError(f"{twice}: it is named twice; each input is read once", path=twice)
    names = ["stdin" if path == STDIN else Path(path).name for path in paths]
    counts = Counter(names)
    return [Source(path, as_text(name if counts[name] == 1 else path)) for path, name in zip(paths, names, strict=True)]


def as_text(path: str) -> str:
    """A path as Parquet and JSON can hold it: a file name may be any bytes, and those that are not UTF-8 show as U+FFFD."""
    return os.fsencode(path).decode(errors="replace")
