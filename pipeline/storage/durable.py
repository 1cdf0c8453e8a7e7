"""Durable writing: a file or a folder's names are on the disk before the program goes on."""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from pipeline.errors import from_os_error


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_durably(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Create a file through `write` and fsync it."""
    with path.open("wb") as file:
        write(file)
        file.flush()
        os.fsync(file.fileno())


def replace_file(path: Path, write: Callable[[BinaryIO], object], *, is_shared: bool = False) -> None:
    """Write a file so that a reader sees the old one or the new one, whole, whatever happens in between.

    Args:
        path: The file.
        write: Writes its content.
        is_shared: Several processes may write it at once. Otherwise the temporary name is fixed, and what a kill leaves is used again.

    Raises:
        CharmillError: The disk is full, or the folder may not be written; the old file is still there.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial" if is_shared else f".{path.name}.partial")
    try:
        temporary.unlink(missing_ok=True)  # It may be a link.
        write_durably(temporary, write)
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        raise from_os_error(error, "write", path) from error
