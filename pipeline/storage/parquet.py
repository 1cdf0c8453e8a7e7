"""Parquet files whose bytes depend on their rows alone, not on the pieces in which the rows came.

Rows are buffered into row groups that end after a fixed number of rows or of payload bytes, whichever comes first.
"""

import base64
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.storage.json_file import reading

GROUP_ROWS = 65_536
GROUP_BYTES = 64 << 20


def _row_bytes(table: pa.Table) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Bytes of variable length in each row, int64 [N]."""
    total = np.zeros(len(table), np.int64)
    for column in table.columns:
        if _has_own_bytes(column.type):
            total += pc.fill_null(pc.binary_length(column), 0).to_numpy()
    return total


def _table_bytes(table: pa.Table) -> int:
    """The sum of `_row_bytes`, from the ends of Arrow's offsets alone."""
    total = 0
    for column in table.columns:
        if _has_own_bytes(column.type):
            width = np.int64 if pa.types.is_large_string(column.type) else np.int32
            for chunk in column.chunks:
                if len(chunk):
                    offsets = np.frombuffer(chunk.buffers()[1], width)
                    total += int(offsets[chunk.offset + len(chunk)]) - int(offsets[chunk.offset])
    return total


def _has_own_bytes(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_binary(kind))


def _is_long(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_string(kind))


class ParquetSink:
    """Writes one Parquet file row group by row group.

    Errors of the file system pass through as OSError with their errno: the file is opened by Python, not by Arrow.

    Args:
        path: Where to write; must not be read before `close` has returned.
        schema: Of every table that will be written.
        compression: ``zstd``, or ``none`` for what is made and read again on the same machine: compressing takes longer than all the rest.
        group_rows: A row group ends with so many rows.
        group_bytes: Or with so many bytes of strings, if they come first.
    """

    def __init__(
        self,
        path: Path,
        schema: pa.Schema,
        *,
        compression: Literal["zstd", "none"] = "zstd",
        group_rows: int = GROUP_ROWS,
        group_bytes: int = GROUP_BYTES,
    ) -> None:
        self._path = path
        self._file = path.open("wb")
        # Binary and large_string columns hold what is different in each row and may be long: a dictionary and the least and greatest value
        # would be of no use, and with a value of 100 MB they took 600 MB.
        ordered = [field.name for field in schema if not _is_long(field.type)]
        self._writer = pq.ParquetWriter(
            self._file,
            schema,
            compression=compression,
            store_schema=False,
            use_dictionary=[name for name in ordered if not pa.types.is_primitive(schema.field(name).type)],
            write_statistics=ordered,
            column_encoding={field.name: "DELTA_BINARY_PACKED" for field in schema if pa.types.is_int64(field.type)},
        )
        self._schema = schema
        self._group_rows = group_rows
        self._group_bytes = group_bytes
        self._pending: list[pa.Table] = []
        self._pending_rows = 0
        self._pending_bytes = 0

    def write(self, table: pa.Table) -> None:
        """Append rows. The last row group is written by `close`, which may be called in another thread."""
        if not len(table):
            return
        num_bytes = _table_bytes(table)
        if self._pending_rows + len(table) <= self._group_rows and self._pending_bytes + num_bytes < self._group_bytes:
            self._hold(table, num_bytes)
            return
        row_bytes = np.cumsum(_row_bytes(table))
        start = 0
        while start < len(table):
            if self._pending_rows >= self._group_rows:
                self._flush()
            before = int(row_bytes[start - 1]) if start else 0
            by_bytes = int(np.searchsorted(row_bytes, before + self._group_bytes - self._pending_bytes)) + 1
            stop = min(len(table), start + self._group_rows - self._pending_rows, max(by_bytes, start + 1))
            self._hold(table.slice(start, stop - start), int(row_bytes[stop - 1]) - before)
            if self._pending_bytes >= self._group_bytes:
                self._flush()  # Many bytes do not wait.
            start = stop

    def _hold(self, table: pa.Table, num_bytes: int) -> None:
        self._pending.append(table)
        self._pending_rows += len(table)
        self._pending_bytes += num_bytes

    def _flush(self) -> None:
        group = pa.concat_tables(self._pending).combine_chunks()
        self._writer.write_table(group, row_group_size=max(1, len(group)))
        self._pending, self._pending_rows, self._pending_bytes = [], 0, 0

    def close(self, metadata: Mapping[str, str]) -> None:
        """Write what is buffered and the footer, and make the file durable.

        Args:
            metadata: Key-value metadata of the file.
        """
        if self._pending:
            self._flush()
        # Arrow keeps its own copy of the schema, with its types, and readers that ask the schema for metadata look there alone. It is
        # written here and not by the writer, which would write it before the metadata is known.
        arrow_schema = self._schema.with_metadata(dict(metadata)).serialize().to_pybytes()
        self._writer.add_key_value_metadata({**metadata, "ARROW:schema": base64.b64encode(arrow_schema).decode()})
        self._writer.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def count_rows(self) -> int:
        """The rows of the finished file, as its footer has them."""
        with self._path.open("rb") as file:
            return int(pq.read_metadata(file).num_rows)

    def abandon(self) -> None:
        """Let go of the file without finishing it; for clean-up after an error."""
        self._writer.is_open = False  # Or its finalizer would try to finish the file, and complain on standard error.
        with suppress(OSError):
            self._file.close()


@contextmanager
def open_parquet(path: Path, schema: pa.Schema, remedy: str) -> Iterator[pq.ParquetFile]:
    """Read a Parquet file, errors of reading it within this context included.

    Args:
        path: The file.
        schema: What it must have, its metadata apart.
        remedy: What to do where it is damaged.

    Raises:
        InputError: It is damaged, or of another schema.
        CharmillError: It cannot be read.
    """
    with reading(path, remedy):
        try:
            with pq.ParquetFile(path) as file:
                if not file.schema_arrow.equals(schema):
                    raise ValueError(f"its columns are {', '.join(file.schema_arrow.names)}, or of other types")
                yield file
        except (pa.ArrowException, OSError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise
            raise ValueError(" ".join(str(error).split())) from error  # What Arrow says of a damaged file.
