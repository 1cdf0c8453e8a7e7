"""Durable writing: the old file or the new one, whole, and on the disk."""

import os
from pathlib import Path
from typing import BinaryIO

import pytest

from pipeline.errors import UsageError
from pipeline.storage.durable import replace_file


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "file"
    replace_file(path, lambda file: file.write(b"first"))

    def fail(file: BinaryIO) -> None:
        file.write(b"sec")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        replace_file(path, fail)
    assert path.read_bytes() == b"first"
    replace_file(path, lambda file: file.write(b"second"))
    assert path.read_bytes() == b"second"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_where_none_can_be_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="cannot write"):
        replace_file(tmp_path / "file" / "below", lambda file: file.write(b"x"))


def test_content_is_durable_before_the_rename_and_the_name_after_it(tmp_path: Path, steps: list[str]) -> None:
    replace_file(tmp_path / "file", lambda file: file.write(b"x"))
    assert steps == ["sync .file.partial", "rename .file.partial", f"sync {tmp_path.name}"]


def test_several_processes_may_write_it_at_once(tmp_path: Path) -> None:
    path, inner = tmp_path / "file", tmp_path / f".file.{os.getpid()}.partial"

    def write(file: BinaryIO) -> None:
        assert list(tmp_path.iterdir()) == [inner]  # Under a name that no other process takes.
        file.write(b"x")

    replace_file(path, write, is_shared=True)
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_under_the_temporary_name_is_not_written_through(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("mine")
    (tmp_path / ".file.partial").symlink_to(precious)
    replace_file(tmp_path / "file", lambda file: file.write(b"x"))
    assert precious.read_text() == "mine"
    assert not (tmp_path / "file").is_symlink()
