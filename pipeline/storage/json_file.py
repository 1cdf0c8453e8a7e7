"""JSON that is read back: every value is checked against a type, and damage is told by the name of the file and of the field.

Classes beside their formats say what a file holds; msgspec checks it. Its errors are `ValueError`, as are those of whoever finds that
values of the right type make no sense, so that `reading` answers for both.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import msgspec

from pipeline.errors import InputError, MismatchError, UsageError, from_os_error

T = TypeVar("T")


class _Versioned(msgspec.Struct):
    format_version: int


@contextmanager
def reading(path: Path | str, remedy: str) -> Iterator[None]:
    """Name the file in every error of reading and understanding it.

    Args:
        path: The file, or in words what is read.
        remedy: What to do where it is damaged.

    Raises:
        InputError: It is damaged: a ValueError was raised within, or a UsageError, by what takes its values from commands as well.
        CharmillError: It cannot be read.
    """
    try:
        yield
    except OSError as error:
        raise from_os_error(error, "read", path) from error
    except (ValueError, RecursionError, UsageError) as error:
        # msgspec ends with a JSON path, as in " - at `$.labels[3]`".
        damage = re.sub(r" - at `\$\.?", ", at `", str(error)).replace("`", "'")
        raise InputError(f"{path}: it is damaged ({damage}); {remedy}", path=path) from error


def read_json(path: Path, kind: type[T], versions: Sequence[int], remedy: str) -> T:
    """Read a JSON file as a value of a type.

    Args:
        path: The file, an object with a `format_version`.
        kind: A dataclass or a msgspec struct.
        versions: Those that can be read, the current one last.
        remedy: What to do where it is damaged or of another version.

    Raises:
        InputError: It is damaged.
        MismatchError: It is of another format version.
        CharmillError: It cannot be read.
    """
    with reading(path, remedy):
        data = path.read_bytes()
        version = msgspec.json.decode(data, type=_Versioned).format_version
        if version not in versions:
            raise MismatchError(f"{path}: format_version is {version}, expected {versions[-1]}; {remedy}", path=path)
        return msgspec.json.decode(data, type=kind)
