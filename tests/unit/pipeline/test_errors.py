"""Errors say what to do next, and end with the exit code of the contract."""

import errno
import os

import pytest

from pipeline.errors import (
    CharmillError,
    InputError,
    LawError,
    MismatchError,
    MissingError,
    TemporaryError,
    UsageError,
    from_os_error,
)


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOSPC, TemporaryError),
        (errno.EDQUOT, TemporaryError),
        (errno.EFBIG, TemporaryError),
        (errno.EIO, TemporaryError),
        (errno.EACCES, UsageError),
        (errno.EPERM, UsageError),
        (errno.EROFS, UsageError),
        (errno.ENOENT, UsageError),
        (errno.EISDIR, UsageError),
        (errno.ENOTDIR, UsageError),
        (errno.EEXIST, UsageError),
    ],
    ids=lambda value: errno.errorcode[value] if isinstance(value, int) else "",
)
def test_from_os_error(number: int, kind: type[CharmillError]) -> None:
    error = from_os_error(OSError(number, os.strerror(number)), "write", "some/file")

    assert type(error) is kind
    assert str(error).startswith("some/file: cannot write: ")
    assert error.path == "some/file"
    assert "\n" not in str(error)


def test_an_os_error_without_a_number_keeps_its_text() -> None:
    assert "it broke" in str(from_os_error(OSError("it broke"), "read", "file"))


def test_exit_codes_are_the_contracts() -> None:
    codes = {
        kind: kind.exit_code for kind in (UsageError, InputError, MismatchError, MissingError, TemporaryError, LawError)
    }
    assert codes == {
        UsageError: 2,
        InputError: 65,
        MismatchError: 65,
        MissingError: 69,
        TemporaryError: 75,
        LawError: 70,
    }
    assert [kind for kind in codes if kind.retryable] == [TemporaryError]
