"""How far a build came: a file in the staging folder from which the next run goes on where a killed one stopped.

The file names what is finished (shards, rejects, sources as far as they were read) with sizes and hashes, and a mark: a border between two
blocks from which the next run reads on. The next run compares all that is named with what is there before it uses it, and clears the rest.

The first line is the SHA-256 of the rest, which is JSON. A file is used only if it is, to the last byte, what this charmill would write.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path

import msgspec

from pipeline.dataset.manifest import TRAIN, VALID, ShardEntry, SourceEntry
from pipeline.errors import CharmillError
from pipeline.records.quarantine import Reject, is_quarantine, read_rejects
from pipeline.records.rows import Place
from pipeline.storage.checksum import sha256_of
from pipeline.storage.durable import replace_file
from pipeline.storage.json_file import reading
from pipeline.storage.source import Source

PROGRESS = "progress.json"
PROGRESS_VERSION = 3
DATASET, SCRATCH = "dataset", "scratch"
"""The subfolders of a staging folder: what will be published, and the marks of rows."""

_PART = re.compile(r"rejects-([0-9]{6,18})\.parquet")


@dataclass(frozen=True, kw_only=True)
class Border:
    """A border between two blocks of rows, from which a build can read on.

    Attributes:
        source: The index of the source that the next block comes from.
        place: Where in it; None for its beginning.
        rows: How many rows came before, by split.
        rejects: How many rejects came before.
    """

    source: int
    place: Place | None
    rows: dict[str, int]
    rejects: int


@dataclass(frozen=True, kw_only=True)
class HashedFile:
    """The size and hash of a file, or of the beginning of one, to tell whether it is still the same.

    Attributes:
        name: In the staging folder; empty for a source.
        bytes: How many.
        sha256: Of them.
    """

    name: str = ""
    bytes: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Progress:
    """What a build has finished.

    Attributes:
        fingerprint: Of all that determines the result.
        mark: Where the next run reads on.
        shards: Of both splits, with marks in the place of labels.
        labels: By provisional id.
        sources: Those read to their end.
        prefix: What was read of the next one.
        parts: Files of rejects, in order.
    """

    fingerprint: str
    mark: Border
    shards: list[ShardEntry]
    labels: list[str]
    sources: list[SourceEntry]
    prefix: HashedFile
    parts: list[HashedFile]

    def __post_init__(self) -> None:
        parts_are_named = all(_PART.fullmatch(part.name) for part in self.parts)
        splits_are_known = self.mark.rows.keys() == {TRAIN, VALID} >= {shard.split for shard in self.shards}
        if not (parts_are_named and splits_are_known and 0 <= self.mark.source <= len(self.sources)):
            raise ValueError("no build writes such a progress file")

    def to_bytes(self) -> bytes:
        """The bytes of the progress file."""
        content = json.dumps({"format_version": PROGRESS_VERSION, **asdict(self)}).encode()
        return hashlib.sha256(content).hexdigest().encode() + b"\n" + content

    def write(self, stage: Path) -> None:
        """Replace the progress file, durably."""
        replace_file(stage / PROGRESS, lambda file: file.write(self.to_bytes()))

    def shard_files(self, stage: Path) -> Iterator[tuple[Path, HashedFile]]:
        """The files of the finished shards."""
        for shard in self.shards:
            for kind, size in shard.bytes.items():
                folder = stage / (SCRATCH if kind == "labels" else DATASET)
                yield folder / getattr(shard, kind), HashedFile(bytes=size, sha256=shard.sha256[kind])

    def part_files(self, stage: Path) -> Iterator[tuple[Path, HashedFile]]:
        """The files of rejects."""
        return ((stage / part.name, part) for part in self.parts)

    @property
    def last_part(self) -> int:
        """The highest number of a file of rejects; the next run takes a higher one, since it reads this file while it writes."""
        return max((int(_PART.sub(r"\1", part.name)) for part in self.parts), default=0)

    def files(self, stage: Path) -> list[Path]:
        """All that the next run needs in the staging folder."""
        return [stage / PROGRESS, *(path for path, _ in chain(self.shard_files(stage), self.part_files(stage)))]

    def rejects(self, stage: Path) -> Iterator[list[Reject]]:
        """The rejects before the mark."""
        left = self.mark.rejects
        for path, _ in self.part_files(stage):
            for rejects in read_rejects(path):
                yield rejects[:left]
                left -= len(rejects[:left])

    def fits(self, stage: Path, sources: Sequence[Source]) -> bool:
        """Whether all that was finished, and all that was read, is still the same to the last byte."""
        if len(self.sources) >= len(sources):
            return False
        if not all(_is_same(path, stored) for path, stored in chain(self.shard_files(stage), self.part_files(stage))):
            return False
        if not all(is_quarantine(path) for path, _ in self.part_files(stage)):
            return False
        done, current = sources[: len(self.sources)], sources[len(self.sources)]
        # A reading from the mark need not hash again what is hashed here.
        begin = self.mark.place.stored_offset if self.mark.place and self.mark.source == len(done) else 0
        return current.hash_stored(self.prefix.bytes, keep_at=begin) == self.prefix.sha256 and all(
            (source.size_bytes, source.hash_stored()) == (entry.bytes, entry.sha256)
            for source, entry in zip(done, self.sources, strict=True)
        )


def part_name(number: int) -> str:
    """The name of a file of rejects in the staging folder."""
    return f"rejects-{number:06d}.parquet"


def _is_same(path: Path, stored: HashedFile) -> bool:
    try:
        return path.is_file() and path.stat().st_size == stored.bytes and sha256_of(path) == stored.sha256
    except (OSError, ValueError):  # It cannot be read, or its name is none.
        return False


def read_progress(stage: Path, fingerprint: str) -> Progress | None:
    """Read what an earlier run left; None where there is nothing, it is damaged or makes no sense, or it was another run."""
    path = stage / PROGRESS
    with suppress(CharmillError), reading(path, "start again"):
        stored = path.read_bytes()
        progress = msgspec.json.decode(stored.partition(b"\n")[2], type=Progress)
        # The same bytes mean the right hash and version, and no field that this charmill does not know.
        if progress.fingerprint == fingerprint and progress.to_bytes() == stored:
            return progress
    return None
