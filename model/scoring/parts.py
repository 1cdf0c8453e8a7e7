"""The parts of a large source's scores, each durable when it is finished, so that a kill costs one part and not the whole.

A part is a scores file and a quarantine file of consecutive blocks, with their sizes and hashes. The list of parts (`PartJournal`) decides
what survives: a file that is in no list is rubbish.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.dataset.manifest import require_plain_name
from pipeline.records.quarantine import Reject, read_rejects
from pipeline.records.rows import Place
from pipeline.storage.checksum import sha256_of
from pipeline.storage.durable import sync_folder
from pipeline.storage.json_file import reading

COUNTS = ("rows_in", "rows_scored", "rows_quarantined", "rows_correct", "rows_abstained", "rows_abstained_correct")


@dataclass(frozen=True, kw_only=True)
class PartFile:
    """A file of a part: its name in the folder, its size and its SHA-256."""

    name: str
    bytes: int
    sha256: str

    def __post_init__(self) -> None:
        require_plain_name(self.name)


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

    def __post_init__(self) -> None:
        if self.counts.keys() != set(COUNTS):
            raise ValueError(f"counts: expected {', '.join(COUNTS)}")

    def to_json(self) -> str:
        """What a list of parts stores; with charmill's version, since another one may score otherwise."""
        return json.dumps({"version": version("charmill"), "part": asdict(self)})


@dataclass(frozen=True, kw_only=True)
class _StoredPart:
    version: str
    part: Part


def part_from_json(stored: str) -> Part:
    """What `Part.to_json` made.

    Raises:
        InputError: It is not that, or another charmill made it.
    """
    with reading("a part in the ledger", "score it again"):
        part = msgspec.json.decode(stored, type=_StoredPart).part
        if part.to_json() != stored:  # nor may it have another version, or fields that this charmill does not know
            raise ValueError("this charmill would not have written it")
        return part


class PartJournal(Protocol):
    """The list of finished parts, wherever it is kept."""

    @property
    def parts(self) -> list[Part]:
        """The parts that are finished already, verified, in order."""

    def add(self, part: Part) -> None:
        """Add a part; once this returns, the part survives a kill."""


class PartFolder:
    """The folder where parts are written.

    Args:
        path: The folder.
        prefix: Of all file names, so that two processes never write the same file.
    """

    def __init__(self, path: Path, prefix: str = "") -> None:
        self._path = path
        self._prefix = prefix

    def paths(self, number: int | None) -> tuple[Path, Path]:
        """The paths of a part's scores and quarantine, or, for None, of all parts joined."""
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
        """Whether a part's files are still as described."""
        try:
            return all(
                _describe(self._path / file.name) == file for file in (part.scores, part.quarantine) if file is not None
            )
        except (OSError, ValueError):  # ValueError: a name that no system allows
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
