"""Shards as they are written: codes, labels and rows of one split, cut into files of equal length."""

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.dataset.manifest import FILE_KINDS, ShardEntry
from pipeline.dataset.shards import ROWS_SCHEMA, LabelIds
from pipeline.storage.checksum import sha256_of
from pipeline.storage.npy import NpyWriter
from pipeline.storage.parquet import ParquetSink
from pipeline.text.alphabet import Codes, Profile

MARK = np.dtype([("label", "<u2"), ("text", "<u8")])
"""What is known of a row until its final label is: the provisional label id, and the hash of its text with the split's seed."""

Marks = npt.NDArray[np.void]
"""Of `MARK`."""

_SYNC_THREADS = 6  # They wait for the disk, which makes many small files durable together as fast as one.


class Change(NamedTuple):
    """Rows of a shard, int64 [N], and the label ids that they get, uint16 [N]."""

    rows: npt.NDArray[np.int64]
    label_ids: LabelIds


class _OpenShard:
    """The three files of a shard that is being written."""

    def __init__(self, paths: dict[str, Path], profile: Profile) -> None:
        self._codes = NpyWriter(paths["codes"], np.uint8, (profile.max_length,))
        self._marks = NpyWriter(paths["labels"], MARK, ())
        self._rows = ParquetSink(paths["rows"], ROWS_SCHEMA, compression="none")

    @property
    def num_rows(self) -> int:
        return self._codes.num_rows

    def write(self, codes_NL: Codes, marks_N: Marks, rows: pa.Table) -> None:
        self._codes.write(codes_NL)
        self._marks.write(marks_N)
        self._rows.write(rows)

    def close(self, kind: str) -> None:
        """Complete one of the files and make it durable."""
        if kind == "rows":
            self._rows.close({})
        else:
            (self._codes if kind == "codes" else self._marks).close()

    def abandon(self) -> None:
        self._codes.abandon()
        self._marks.abandon()
        self._rows.abandon()


class ShardWriter:
    """Writes the shards of one split, each of the same number of rows but the last.

    A finished shard never changes: the marks of its rows wait in a folder of their own until `finish` writes the final label ids.

    Args:
        folder: Where codes, rows and final label ids go.
        scratch: Where marks go.
        split: The shards' prefix.
        profile: Of the codes.
        shard_rows: Rows a shard.
        first_shard: The number of the first shard.
        finished: The `finished` of an earlier writer, which was killed.
        num_dealt: How many rows of this split came before the next; those that `finished` shards hold already are passed over.
        max_closing: So many shards are closed and hashed in a thread while the next one is written.

    Attributes:
        finished: The shards that are complete and durable, marks in the place of labels.
        num_dealt: Rows of this split so far, those passed over included.
    """

    def __init__(
        self,
        folder: Path,
        scratch: Path,
        split: str,
        profile: Profile,
        shard_rows: int,
        *,
        first_shard: int = 0,
        finished: Sequence[ShardEntry] = (),
        num_dealt: int = 0,
        max_closing: int = 0,
    ) -> None:
        self.split = split
        self._max_closing = max_closing
        self.finished = list(finished)
        self.num_dealt = num_dealt
        self.num_finished_rows = sum(shard.num_rows for shard in finished)
        self._num_held = self.num_finished_rows  # By finished shards and the open one.
        self._folder = folder
        self._scratch = scratch
        self._profile = profile
        self._shard_rows = shard_rows
        self._first_shard = first_shard
        self._open: _OpenShard | None = None
        self._closing: deque[tuple[_OpenShard, dict[str, Future[tuple[int, str]]]]] = deque()
        # With one thread its files are closed in order.
        self._pool = ThreadPoolExecutor(_SYNC_THREADS if max_closing else 1, thread_name_prefix="charmill-shards")

    @property
    def _next_shard(self) -> int:
        return self._first_shard + len(self.finished) + len(self._closing)

    def _paths(self, shard: int) -> dict[str, Path]:
        """Where a shard is until `finish`."""
        return {
            kind: (self._scratch if kind == "labels" else self._folder) / f"{self.split}-{shard:05d}.{ending}"
            for kind, ending in FILE_KINDS.items()
        }

    def _begin(self) -> _OpenShard:
        self._scratch.mkdir(exist_ok=True)
        return _OpenShard(self._paths(self._next_shard), self._profile)

    def write(self, codes_NL: Codes, marks_N: Marks, rows: pa.Table) -> None:
        """Append rows.

        Args:
            codes_NL: uint8 [N, L].
            marks_N: `MARK` [N].
            rows: N rows of `ROWS_SCHEMA`.
        """
        self._collect(self._max_closing)
        start = min(len(codes_NL), self._num_held - self.num_dealt)
        self.num_dealt += len(codes_NL)
        self._num_held = max(self._num_held, self.num_dealt)
        while start < len(codes_NL):
            if self._open is None:
                self._open = self._begin()
            stop = min(len(codes_NL), start + self._shard_rows - self._open.num_rows)
            self._open.write(codes_NL[start:stop], marks_N[start:stop], rows.slice(start, stop - start))
            if self._open.num_rows == self._shard_rows:
                self.end()
            start = stop

    def end(self) -> None:
        """Begin to close the last shard: no more rows will come."""
        if self._open is None:
            return
        paths = self._paths(self._next_shard)
        files = {kind: self._pool.submit(_close, self._open, kind, path) for kind, path in paths.items()}
        self._closing.append((self._open, files))
        self._open = None
        self._collect(self._max_closing)

    def _collect(self, num_left: int) -> None:
        """Take closed shards, waiting until so many are left."""
        while self._closing and (len(self._closing) > num_left or self._is_closed(0)):
            shard, files = self._closing[0]
            closed = {kind: file.result() for kind, file in files.items()}
            self._closing.popleft()
            self.finished.append(
                ShardEntry(
                    split=self.split,
                    num_rows=shard.num_rows,
                    bytes={kind: size for kind, (size, _) in closed.items()},
                    sha256={kind: digest for kind, (_, digest) in closed.items()},
                    **{kind: path.name for kind, path in self._paths(self._first_shard + len(self.finished)).items()},
                )
            )
            self.num_finished_rows += shard.num_rows

    def _is_closed(self, index: int) -> bool:
        return all(file.done() for file in self._closing[index][1].values())

    def abandon(self) -> None:
        """Let go of the open shards; for clean-up after an error."""
        self._pool.shutdown(cancel_futures=True)
        for shard in (*(shard for shard, _ in self._closing), *([self._open] if self._open else [])):
            shard.abandon()
        self._closing.clear()
        self._open = None

    def close(self) -> list[Path]:
        """Close the last shard; returns the files of all shards' marks, in order."""
        self.end()
        self._collect(0)
        return [self._scratch / shard.labels for shard in self.finished]

    def finish(self, final_ids: LabelIds, changes: Sequence[Change | None] = ()) -> list[ShardEntry]:
        """Close the last shard, give every row its final label id and describe the shards; a writer is finished once.

        Args:
            final_ids: uint16 [K], the final id of each provisional one.
            changes: Of each shard, where there are any.
        """
        marks = self.close()
        given = changes or [None] * len(marks)
        entries = list(self._pool.map(partial(self._with_final_ids, final_ids), self.finished, marks, given))
        self._pool.shutdown()
        return entries

    def _with_final_ids(self, final_ids: LabelIds, shard: ShardEntry, marks: Path, change: Change | None) -> ShardEntry:
        return write_labels(self._folder, shard, final_ids[np.load(marks)["label"]], change)


def write_labels(folder: Path, shard: ShardEntry, label_ids: LabelIds, change: Change | None) -> ShardEntry:
    """Write a shard's label ids into a new file, durably, and describe the shard with it.

    Args:
        folder: Where its files are.
        shard: It has no labels there yet.
        label_ids: uint16 [N], owned by this call.
        change: What to change of them.
    """
    path = folder / shard.labels
    if change is not None:
        label_ids[change.rows] = change.label_ids
    labels = NpyWriter(path, np.uint16, ())
    labels.write(label_ids)
    labels.close()
    return replace(
        shard,
        bytes={**shard.bytes, "labels": path.stat().st_size},
        sha256={**shard.sha256, "labels": sha256_of(path)},
    )


def _close(shard: _OpenShard, kind: str, path: Path) -> tuple[int, str]:
    """Complete a shard's file; returns its size and SHA-256."""
    shard.close(kind)
    return path.stat().st_size, sha256_of(path)
