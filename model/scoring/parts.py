"""Parts of scores: what is finished of a large source, so that a kill costs a part and not the whole. Needs no torch.

A part is a scores file and a quarantine file of consecutive blocks, complete and durable, with their sizes and hashes. Whoever keeps the
list of parts (`PartJournal`) decides what survives; a file that is in no list is rubbish.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.dataset.manifest import require_plain_name
from pipeline.records.quarantine import Reject, read_rejects
from pipeline.records.rows import Place
from pipeline.storage.checksum import sha256_of
from pipeline.storage.durable import sync_folder

COUNTS = ("rows_in", "rows_scored", "rows_quarantined", "rows_correct", "rows_abstained", "rows_abstained_correct")


@dataclass(frozen=True, kw_only=True)
class PartFile:
    """A file of a part: its name in the folder, its size and its SHA-256."""

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Part:
    """A finished part.

    Attributes:
        number: From 0, in the order of the source.
        scores: The scores file, without metadata.
        quarantine: The quarantine file; None where nothing was quarantined.
        counts: The numbers of `COUNTS`.
        reasons: Quarantined records by reason.
        end: Where the next part begins; None for the last one.
    """

    number: int
    scores: PartFile
    quarantine: PartFile | None
    counts: Mapping[str, int]
    reasons: Mapping[str, int]
    end: Place | None

    def to_json(self) -> dict[str, Any]:
        """All of it."""
        return asdict(self)


def part_from_json(content: dict[str, Any]) -> Part:
    """What `to_json` made.

    Raises:
        ValueError, KeyError, TypeError: It is not that, or a file name leaves the folder.
    """
    files = [None if content[name] is None else PartFile(**content[name]) for name in ("scores", "quarantine")]
    for file in files:
        if file is not None:
            require_plain_name(file.name)
    if files[0] is None:
        raise ValueError("a part has scores")
    return Part(
        number=int(content["number"]),
        scores=files[0],
        quarantine=files[1],
        counts={name: int(content["counts"][name]) for name in COUNTS},
        reasons={str(reason): int(count) for reason, count in content["reasons"].items()},
        end=Place(**{name: int(value) for name, value in content["end"].items()}),
    )


class PartJournal(Protocol):
    """Keeps the list of finished parts."""

    @property
    def parts(self) -> list[Part]:
        """Those finished before, verified, in order."""

    def add(self, part: Part) -> None:
        """Remember a part; once this returns, it survives a kill."""


class PartFolder:
    """Where parts are written.

    Args:
        path: The folder.
        prefix: Of every file name, so that two processes never write one file.
    """

    def __init__(self, path: Path, prefix: str = "") -> None:
        self._path = path
        self._prefix = prefix

    def paths(self, number: int | None) -> tuple[Path, Path]:
        """The scores and the quarantine file of a part, or of all parts joined (None)."""
        name = self._prefix + ("" if number is None else f"part-{number:05d}.")
        return self._path / f"{name}scores.parquet", self._path / f"{name}quarantine.parquet"

    def describe(self, number: int, end: Place | None, counts: Mapping[str, int], reasons: Mapping[str, int]) -> Part:
        """Describe a part whose files are complete and fsynced, and make their names durable."""
        sync_folder(self._path)
        scores, quarantine = self.paths(number)
        return Part(
            number=number,
            scores=_describe(scores),
            quarantine=_describe(quarantine) if reasons else None,
            counts=dict(counts),
            reasons=dict(reasons),
            end=end,
        )

    def is_whole(self, part: Part) -> bool:
        """Whether a part's files are what was described."""
        try:
            return all(
                _describe(self._path / file.name) == file for file in (part.scores, part.quarantine) if file is not None
            )
        except OSError:
            return False

    def read_scores(self, part: Part) -> Iterator[pa.Table]:
        """Read a part's scores back, a row group at a time."""
        with (self._path / part.scores.name).open("rb") as file:
            groups = pq.ParquetFile(file)
            for index in range(groups.num_row_groups):
                yield groups.read_row_group(index)

    def read_rejects(self, part: Part) -> Iterator[list[Reject]]:
        """Read a part's quarantine back, a row group at a time."""
        if part.quarantine is not None:
            yield from read_rejects(self._path / part.quarantine.name)


def _describe(path: Path) -> PartFile:
    return PartFile(name=path.name, bytes=path.stat().st_size, sha256=sha256_of(path))
