"""What a job's process is set up with; that signals end it is shown in tests/crash, since it ends the process."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest

from jobs.cli.process import prepare_libraries


@pytest.fixture(autouse=True)
def _environment() -> Iterator[None]:
    with mock.patch.dict(os.environ):
        os.environ.pop("NUMBA_CACHE_DIR", None)
        yield


def test_libraries_are_told_how_many_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    prepare_libraries(3, reads=False)
    assert {os.environ[f"{library}_NUM_THREADS"] for library in ("OMP", "OPENBLAS", "MKL", "NUMBA")} == {"3"}
    assert (os.environ["POLARS_MAX_THREADS"], os.environ["OMP_WAIT_POLICY"]) == ("3", "PASSIVE")
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    prepare_libraries(3, reads=False)
    assert os.environ["OMP_WAIT_POLICY"] == "ACTIVE"


def test_kernels_are_kept_in_a_folder_of_ones_own_where_nothing_else_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare_libraries(1, reads=False)
    assert "NUMBA_CACHE_DIR" not in os.environ
    monkeypatch.setattr(os, "access", lambda *_: False)  # Whoever runs the tests as root may write anywhere.
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    prepare_libraries(1, reads=False)
    chosen = Path(os.environ.pop("NUMBA_CACHE_DIR"))
    assert (chosen.parent, chosen.stat().st_mode & 0o777) == (tmp_path, 0o700)
    prepare_libraries(1, reads=False)
    assert os.environ.pop("NUMBA_CACHE_DIR") == str(chosen)  # The next process finds what this one compiled.
    chosen.chmod(0o777)  # Anyone could have put code there.
    prepare_libraries(1, reads=False)
    other = Path(os.environ["NUMBA_CACHE_DIR"])
    assert other != chosen
    assert (other.parent, other.stat().st_mode & 0o777) == (tmp_path, 0o700)
