"""Rows as they were read: source, record and text by row number, out of the Parquet files beside the codes. Never imports Polars."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.dataset.manifest import ShardEntry
from pipeline.dataset.shards import REMEDY, ROWS_SCHEMA
from pipeline.storage.parquet import open_parquet

Rows = npt.NDArray[np.int64]


def read_rows(folder: Path, shards: Sequence[ShardEntry], rows_N: Rows, columns: Sequence[str]) -> Iterator[pa.Table]:
    """Read rows, one row group at a time, and only the row groups that hold any.

    Args:
        folder: A dataset.
        shards: Of it; row numbers run through them in this order.
        rows_N: int64 [N], rising.
        columns: Of `ROWS_SCHEMA`.

    Yields:
        Some of the rows, in order; N in all.
    """
    first = 0
    for shard in shards:
        begin, end = np.searchsorted(rows_N, (first, first + shard.num_rows))
        if begin < end:
            yield from _read_shard(folder / shard.rows, rows_N[begin:end] - first, columns)
        first += shard.num_rows


def _read_shard(path: Path, rows_N: Rows, columns: Sequence[str]) -> Iterator[pa.Table]:
    with open_parquet(path, ROWS_SCHEMA, REMEDY) as file:
        first = 0
        for group in range(file.num_row_groups):
            end = first + file.metadata.row_group(group).num_rows
            begin, stop = np.searchsorted(rows_N, (first, end))
            if begin < stop:
                table = file.read_row_group(group, columns=list(columns), use_threads=False)
                yield table.take(pa.array(rows_N[begin:stop] - first)).combine_chunks()
            first = end


def text_bytes(folder: Path, shards: Sequence[ShardEntry]) -> int:
    """Bytes of all texts, roughly, from the files' footers alone."""
    total = 0
    for shard in shards:
        with open_parquet(folder / shard.rows, ROWS_SCHEMA, REMEDY) as file:
            column = file.schema_arrow.names.index("text")
            groups = range(file.num_row_groups)
            total += sum(file.metadata.row_group(group).column(column).total_uncompressed_size for group in groups)
    return total
