"""The titles that a benchmark works on: real ones where they are, made-up ones where not, repeated to size."""

import csv
import io
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from jobs.cli.reading_flags import ReadingConfig
from pipeline.errors import InputError, MissingError, from_os_error

Choice = Literal["auto", "agnews", "synthetic"]
Kind = Literal["agnews", "synthetic"]

MADE_UP_ROWS = 100_000
"""Made-up titles are repeated beyond this: their words come from a short list anyway."""

_AGNEWS_COLUMNS = "label,title,description"
_TITLES = {"agnews": "AG News titles", "synthetic": "made-up titles"}


@dataclass(frozen=True, kw_only=True)
class Data:
    """A CSV of titles.

    Attributes:
        kind: Where the titles are from.
        path: The CSV; absolute, so that a process elsewhere finds it.
        num_rows: Its records.
        num_bytes: Its size.
        num_once: Its records before they were repeated.
    """

    kind: Kind
    path: Path
    num_rows: int
    num_bytes: int
    num_once: int

    @property
    def title(self) -> str:
        """What they are, for a person."""
        return _TITLES[self.kind]

    @property
    def has_header(self) -> bool:
        """Whether the first record names the columns."""
        return self.kind == "synthetic"

    @property
    def reading(self) -> ReadingConfig:
        """The flags that read it."""
        return ReadingConfig(text="title", columns="" if self.has_header else _AGNEWS_COLUMNS)

    @property
    def tokens(self) -> list[str]:
        """The same flags, as words of a command line."""
        return ["--text", "title", *([] if self.has_header else ["--columns", _AGNEWS_COLUMNS])]

    def to_json(self) -> dict[str, Any]:
        """What the report says of it."""
        return asdict(self) | {"title": self.title, "path": self.path.name}


def find_agnews() -> Path | None:
    """train.csv of AG News, in the folder that AGNEWS_DIR names or in data/agnews."""
    folders = [Path(named)] if (named := os.environ.get("AGNEWS_DIR", "")) else []
    return next((path for folder in [*folders, Path("data/agnews")] if (path := folder / "train.csv").is_file()), None)


def choose_kinds(choice: Choice, *, both: bool) -> list[Kind]:
    """Which titles to take.

    Args:
        choice: What was asked for; ``auto`` takes real titles where they are.
        both: With ``auto``, take the made-up ones as well.

    Raises:
        MissingError: Real titles were asked for and are not there.
    """
    if choice == "synthetic":
        return ["synthetic"]
    if find_agnews() is not None:
        return ["agnews", "synthetic"] if both and choice == "auto" else ["agnews"]
    if choice == "agnews":
        raise MissingError(
            "--data agnews: there is no train.csv in data/agnews, nor in a folder that AGNEWS_DIR names; "
            "fetch it with charmill fetch agnews, or take --data synthetic"
        )
    return ["synthetic"]


def make_data(kind: Kind, path: Path, num_rows: int, *, chunk_bytes: int = 16 << 20) -> Data:
    """Write a CSV of so many rows: fewer than there are titles come evenly from all of them, for more they are repeated.

    Args:
        kind: Of titles.
        path: The CSV.
        num_rows: Its records.
        chunk_bytes: Written at once.

    Raises:
        InputError: The real titles cannot be read.
    """
    header, records = _records(kind, num_rows)
    once = len(records)
    if num_rows < once:
        records = [records[row * once // num_rows] for row in range(num_rows)]
    _write(path, header, records, num_rows, chunk_bytes)
    return Data(
        kind=kind,
        path=path.resolve(),
        num_rows=num_rows,
        num_bytes=path.stat().st_size,
        num_once=min(num_rows, once),
    )


def _write(path: Path, header: bytes, records: Sequence[bytes], num_rows: int, chunk_bytes: int) -> None:
    whole = b"".join(records)
    repeats = max(1, chunk_bytes // max(1, len(whole)))
    chunk, chunk_rows = whole * repeats, len(records) * repeats
    with path.open("wb") as file:
        file.write(header)
        for _ in range(num_rows // chunk_rows):
            file.write(chunk)
        rest = num_rows % chunk_rows
        file.write(whole * (rest // len(records)))
        file.write(b"".join(records[: rest % len(records)]))


def _records(kind: Kind, num_rows: int) -> tuple[bytes, Sequence[bytes]]:
    """The header and the records of a CSV, each with its line end; of made-up ones no more than are wanted."""
    from pipeline.text.synthetic import HEADER

    if kind == "synthetic":
        return _line(HEADER, csv.QUOTE_MINIMAL), _make_up(min(num_rows, MADE_UP_ROWS))
    path = find_agnews()
    if path is None:
        raise MissingError("AG News: train.csv has gone since it was found; run it again")
    return b"", _read_agnews(path.resolve())


@cache
def _make_up(num_rows: int) -> Sequence[bytes]:
    from pipeline.text.synthetic import titles

    return [_line(row, csv.QUOTE_MINIMAL) for row in titles(num_rows, seed=1)]


@cache
def _read_agnews(path: Path) -> Sequence[bytes]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file))
    except OSError as error:
        raise from_os_error(error, "read", path) from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise InputError(
            f"{path}: it is no CSV in UTF-8 ({error}); fetch it again, or take --data synthetic"
        ) from error
    if not rows or {len(row) for row in rows} != {3}:
        raise InputError(
            f"{path}: expected records of {_AGNEWS_COLUMNS} and no header; fetch it again, or take --data synthetic",
            path=path,
        )
    return [_line(row, csv.QUOTE_ALL) for row in rows]


def _line(row: Sequence[str], quoting: Literal[0, 1]) -> bytes:
    line = io.StringIO()
    csv.writer(line, quoting=quoting, lineterminator="\n").writerow(row)
    return line.getvalue().encode()
