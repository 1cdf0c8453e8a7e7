"""Shards: codes and labels as npy files that numpy opens as memory maps, and the rows beside them as Parquet.

Loader workers import this module, so it must never import Polars.
"""

import hashlib
import os
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numpy.lib import format as npy

from pipeline.alphabet import Codes, Profile
from pipeline.errors import InputError, from_os_error
from pipeline.manifest import FILE_KINDS, Manifest, ShardEntry
from pipeline.parquet import ParquetSink

ROWS_SCHEMA = pa.schema(
    [
        pa.field("source", pa.string(), nullable=False),
        pa.field("record", pa.int64(), nullable=False),
        pa.field("text", pa.large_string(), nullable=False),
    ]
)

LabelIds = npt.NDArray[np.uint16]

_SYNC_THREADS = 6  # They wait for the disk, which makes many small files durable together as fast as one.


class NpyWriter:
    """Writes an npy file row by row, the number of rows being known only at the end.

    numpy pads the header so that the first axis can grow in place, which is what makes this possible.

    Args:
        path: Where to write.
        dtype: Of the array.
        row_shape: The shape of one row.
    """

    def __init__(self, path: Path, dtype: npt.DTypeLike, row_shape: tuple[int, ...]) -> None:
        self._file = path.open("wb")
        self._dtype = np.dtype(dtype)
        self._row_shape = row_shape
        self.num_rows = 0
        self._write_header()

    def _write_header(self) -> None:
        shape = (self.num_rows, *self._row_shape)
        npy.write_array_header_1_0(self._file, {"descr": self._dtype.str, "fortran_order": False, "shape": shape})

    def write(self, rows: npt.NDArray[Any]) -> None:
        """Append rows of the file's dtype and row shape."""
        self._file.write(np.ascontiguousarray(rows).data)
        self.num_rows += len(rows)

    def close(self) -> None:
        """Write the final header and make the file durable."""
        self._file.seek(0)
        self._write_header()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def abandon(self) -> None:
        """Let go of the file without finishing it; for clean-up after an error."""
        with suppress(OSError):
            self._file.close()


class _OpenShard:
    """The three files of a shard that is being written."""

    def __init__(self, paths: dict[str, Path], profile: Profile) -> None:
        self._codes = NpyWriter(paths["codes"], np.uint8, (profile.max_length,))
        self._label_ids = NpyWriter(paths["labels"], np.uint16, ())
        self._rows = ParquetSink(paths["rows"], ROWS_SCHEMA, compression="none")

    @property
    def num_rows(self) -> int:
        return self._codes.num_rows

    def write(self, codes_NL: Codes, label_ids: LabelIds, rows: pa.Table) -> None:
        self._codes.write(codes_NL)
        self._label_ids.write(label_ids)
        self._rows.write(rows)

    def close(self, kind: str) -> None:
        """Complete one of the files and make it durable."""
        if kind == "rows":
            self._rows.close({})
        else:
            (self._codes if kind == "codes" else self._label_ids).close()

    def abandon(self) -> None:
        self._codes.abandon()
        self._label_ids.abandon()
        self._rows.abandon()


class ShardWriter:
    """Writes the shards of one split, each of the same number of rows but the last.

    A finished shard never changes: its label ids are provisional and wait in a folder of their own until `finish` writes the final ones.

    Args:
        folder: Where codes, rows and final label ids go.
        scratch: Where provisional label ids go.
        split: The shards' prefix.
        profile: Of the codes.
        shard_rows: Rows a shard.
        first_shard: The number of the first shard.
        finished: What the `finished` of an earlier writer held that was killed.
        num_dealt: How many rows of this split came before the next; those that `finished` shards hold already are passed over.
        max_closing: So many shards are closed and hashed in a thread while the next one is written.

    Attributes:
        finished: The shards that are complete and durable, label ids provisional.
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

    def write(self, codes_NL: Codes, label_ids: LabelIds, rows: pa.Table) -> None:
        """Append rows.

        Args:
            codes_NL: uint8 [N, L].
            label_ids: uint16 [N], provisional.
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
            self._open.write(codes_NL[start:stop], label_ids[start:stop], rows.slice(start, stop - start))
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

    def finish(self, final_ids: LabelIds) -> list[ShardEntry]:
        """Close the last shard, give every label its final id and describe the shards; a writer is finished once.

        Args:
            final_ids: uint16 [K], the final id of each provisional one.
        """
        self.end()
        self._collect(0)
        entries = list(self._pool.map(lambda shard: self._with_final_ids(shard, final_ids), self.finished))
        self._pool.shutdown()
        return entries

    def _with_final_ids(self, shard: ShardEntry, final_ids: LabelIds) -> ShardEntry:
        path = self._folder / shard.labels
        final = NpyWriter(path, np.uint16, ())
        final.write(final_ids[np.load(self._scratch / shard.labels)])
        final.close()
        return replace(
            shard,
            bytes={**shard.bytes, "labels": path.stat().st_size},
            sha256={**shard.sha256, "labels": sha256_of(path)},
        )


def _close(shard: _OpenShard, kind: str, path: Path) -> tuple[int, str]:
    """Complete a shard's file; returns its size and SHA-256."""
    shard.close(kind)
    return path.stat().st_size, sha256_of(path)


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def verify_shards(folder: Path, manifest: Manifest, *, sizes_only: bool = False) -> None:
    """Compare every file of a dataset with its size and checksum.

    Args:
        folder: The dataset.
        manifest: Its manifest.
        sizes_only: Do not read the files.

    Raises:
        InputError: A file is missing, cut off or altered.
    """
    for shard in manifest.shards:
        for kind in FILE_KINDS:
            path = folder / getattr(shard, kind)
            try:
                size = path.stat().st_size
                if size != shard.bytes[kind]:
                    raise _corrupt(path, f"{shard.bytes[kind]:,} bytes", f"{size:,}")
                if sizes_only:
                    continue
                digest = sha256_of(path)
            except FileNotFoundError as error:
                raise _corrupt(path, "a file", "none") from error
            except OSError as error:
                raise from_os_error(error, "read", path) from error
            if digest != shard.sha256[kind]:
                raise _corrupt(path, f"SHA-256 {shard.sha256[kind][:16]}", digest[:16])


def _corrupt(path: Path, expected: str, got: str) -> InputError:
    return InputError(f"{path}: the shard is corrupt, expected {expected}, got {got}; encode the CSVs again", path=path)


def open_codes(folder: Path, shard: ShardEntry) -> Codes:
    """Map a shard's codes, uint8 [N, L]; read-only, valid as long as it is referenced."""
    codes_NL: Codes = np.load(folder / shard.codes, mmap_mode="r", allow_pickle=False)
    return codes_NL


def open_labels(folder: Path, shard: ShardEntry) -> LabelIds:
    """Map a shard's label ids, uint16 [N]; read-only, valid as long as it is referenced."""
    label_ids: LabelIds = np.load(folder / shard.labels, mmap_mode="r", allow_pickle=False)
    return label_ids


def require_rows(folder: Path, shard: ShardEntry, codes_NL: Codes, label_ids: LabelIds) -> None:
    """Refuse maps of other sizes than the manifest says.

    Raises:
        InputError: One of them has more rows or fewer.
    """
    for name, rows in ((shard.codes, codes_NL), (shard.labels, label_ids)):
        if len(rows) != shard.num_rows:
            raise _corrupt(folder / name, f"{shard.num_rows:,} rows", f"{len(rows):,}")
