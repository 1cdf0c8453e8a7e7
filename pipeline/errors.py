"""Everything charmill raises, typed by what the caller can do next.

CharmillError
├── UsageError       the command cannot mean anything: change the command                (exit 2)
├── InputError       the input is bad: mend or replace it, retrying will not help        (exit 65)
│   └── MismatchError    two things that must belong together do not                     (exit 65)
├── MissingError     something needed is not installed or not reachable                  (exit 69)
├── TemporaryError   a lock is held, the disk is full: the same command may work later   (exit 75)
└── LawError         rows in != rows out + rows quarantined: a bug of ours, nothing is published (exit 70)
"""

import errno
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

EXIT_INTERRUPTED = 130

NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
NOT_ALLOWED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


class CharmillError(Exception):
    """Root of all errors that charmill raises on purpose.

    Args:
        message: One line: where, what, expected against got, what to do next.
        path: The file or folder concerned, where there is one.
        record: The 0-based record concerned, where there is one.
    """

    exit_code: ClassVar[int] = 70
    retryable: ClassVar[bool] = False
    report: Mapping[str, Any] | None = None
    """What was done all the same; a command prints it before the error."""

    def __init__(self, message: str, *, path: Path | str | None = None, record: int | None = None) -> None:
        super().__init__(message)
        self.path = path
        self.record = record


class UsageError(CharmillError):
    """The command itself is wrong."""

    exit_code = 2


class InputError(CharmillError):
    """The input is bad, and will be just as bad next time."""

    exit_code = 65


class MismatchError(InputError):
    """Two artefacts that must belong together carry different fingerprints or versions."""


class MissingError(CharmillError):
    """A package, a host or a device that the command needs is not there."""

    exit_code = 69


class TemporaryError(CharmillError):
    """The same command may succeed later."""

    exit_code = 75
    retryable = True


class LawError(CharmillError):
    """Rows were lost or invented, which would be a defect of charmill."""


def from_os_error(error: OSError, doing: str, path: Path | str) -> CharmillError:
    """Turn an operating system's error into the charmill error that says what to do next.

    Args:
        error: What the system raised.
        doing: What was being done, as in ``"write"``.
        path: The file or folder it was done to.
    """
    reason = error.strerror or str(error)
    if error.errno in NO_SPACE:
        return TemporaryError(f"{path}: cannot {doing}: {reason}; free some space and run it again", path=path)
    if error.errno in NOT_ALLOWED:
        return UsageError(f"{path}: cannot {doing}: {reason}; check the rights of the file and its folder", path=path)
    if isinstance(error, FileNotFoundError):
        return UsageError(f"{path}: cannot {doing}: there is no such file or folder", path=path)
    if isinstance(error, IsADirectoryError):
        return UsageError(f"{path}: cannot {doing}: it is a folder; name a file in it", path=path)
    if isinstance(error, NotADirectoryError | FileExistsError):
        return UsageError(f"{path}: cannot {doing}: {reason}; name another path", path=path)
    return TemporaryError(f"{path}: cannot {doing}: {reason}", path=path)
