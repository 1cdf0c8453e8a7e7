"""Errors say what to do next; and each room imports only what its place allows."""

import errno
import os
import subprocess
import sys
from pathlib import Path

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

ROOT = Path(__file__).parents[3]
ROOMS = ("pipeline", "model", "jobs")
FORBIDDEN = {"pipeline": {"model", "jobs", "tests"}, "model": {"jobs", "tests"}, "jobs": {"tests"}}


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


@pytest.mark.parametrize("folder", [*ROOMS, "tests", "tests/unit", "tests/properties"])
def test_init_files_are_empty(folder: str) -> None:
    assert (ROOT / folder / "__init__.py").read_bytes() == b""


@pytest.mark.parametrize(
    ("modules", "absent"),
    [
        ("pipeline.building.builder, pipeline.formats.csv.reader", {"torch"}),
        ("model.export.onnx_file", {"torch"}),
        (
            "model.measuring.held_out, model.measuring.baseline, pipeline.inspection.duplicates",
            {"torch", "polars", "sklearn"},
        ),
        (
            "pipeline.batches.shard_dataset",
            {"polars"},
        ),  # Loader workers import it, and Polars and worker processes do not mix.
        ("pipeline.errors", {"numpy", "polars", "numba", "torch"}),
    ],
)
def test_importing_does_not_drag_in(modules: str, absent: set[str]) -> None:
    code = f"import sys, {modules}; print(sorted({absent!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
