"""The journal of a build: keeps its progress file up to date, and the rejects in files beside it.

A split's finished shards hold its first rows, so the next run can read on from any border before the first row that is in none of them. The
journal takes the last border that is good for both splits; rows after it that are in finished shards already are passed over.
"""

import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from pipeline.building.progress import Border, HashedFile, Progress, part_name
from pipeline.building.shard_writer import ShardWriter
from pipeline.dataset.manifest import SourceEntry
from pipeline.records.quarantine import QuarantineWriter, Reject
from pipeline.storage.checksum import sha256_of
from pipeline.storage.source import Source

PROGRESS_SECONDS = 1.0
"""Time between two progress files. Each costs two fsyncs and, after 1,500 shards, a megabyte of JSON; a kill loses this much work more."""


class Journal:
    """Writes progress files.

    Args:
        stage: The staging folder.
        fingerprint: Of all that determines the result; where empty, nothing is written.
        writers: Of the training and the held-out shards.
        progress: What the build goes on from.
    """

    def __init__(
        self, stage: Path, fingerprint: str, writers: Sequence[ShardWriter], progress: Progress | None
    ) -> None:
        self._stage = stage
        self._fingerprint = fingerprint
        self._writers = writers
        self._borders: deque[Border] = deque()
        self._parts: list[HashedFile] = []
        self._num_parts = progress.last_part if progress else 0
        self._part = self._begin_part()
        self._num_written = self._num_shards
        self._written_at = float("-inf")
        if progress is not None:
            for rejects in progress.rejects(stage):
                self.take(rejects)

    @property
    def _num_shards(self) -> int:
        return sum(len(writer.finished) for writer in self._writers)

    def _begin_part(self) -> QuarantineWriter:
        self._num_parts += 1
        return QuarantineWriter(self._stage / part_name(self._num_parts))

    def take(self, rejects: list[Reject]) -> None:
        """Keep rejects for the next run."""
        if self._fingerprint:
            self._part.write(rejects)

    def note_border(self, border: Border) -> None:
        """Note a border between blocks; all that came before was written."""
        self._borders.append(border)
        while len(self._borders) > 1 and self._is_in_shards(self._borders[1]):
            self._borders.popleft()

    def _is_in_shards(self, border: Border) -> bool:
        """Whether every row before the border is in a finished shard."""
        return all(border.rows[writer.split] <= writer.num_finished_rows for writer in self._writers)

    def write(self, labels: list[str], sources: list[SourceEntry], current: Source) -> None:
        """Write the progress file, if there is a new shard and the last one is not too recent.

        Args:
            labels: By provisional id.
            sources: Those read to their end.
            current: The one being read.
        """
        now = time.monotonic()
        if not self._fingerprint or self._num_shards == self._num_written or now - self._written_at < PROGRESS_SECONDS:
            return
        self._finish_part()
        num_bytes, digest = current.passed()
        Progress(
            fingerprint=self._fingerprint,
            mark=self._borders[0],
            shards=[shard for writer in self._writers for shard in writer.finished],
            labels=labels,
            sources=sources,
            prefix=HashedFile(bytes=num_bytes, sha256=digest),
            parts=self._parts,
        ).write(self._stage)
        self._num_written, self._written_at = self._num_shards, now

    def _finish_part(self) -> None:
        if not self._part.close():
            return
        path = self._part.path
        self._parts.append(HashedFile(name=path.name, bytes=path.stat().st_size, sha256=sha256_of(path)))
        self._part = self._begin_part()

    def abandon(self) -> None:
        """Let go of all files; for clean-up after an error."""
        self._part.abandon()
