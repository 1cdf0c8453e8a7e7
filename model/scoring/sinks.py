"""What scores are written to: Parquet, or text, which is CSV or JSON Lines and can go to a pipe.

Polars formats text, in UTF-8. Numbers have the digits that tell a float32 from others. CSV quotes what has a comma, a quote or an end of a
line in it, and a text that is empty. JSON Lines has an object for each row; its list of probabilities is an object with the labels as keys.
"""

import io
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Literal, Protocol, cast

import polars as pl
import pyarrow as pa

from pipeline.errors import from_os_error
from pipeline.storage.parquet import ParquetSink

OutFormat = Literal["parquet", "csv", "jsonl"]
TextFormat = Literal["csv", "jsonl"]


class ScoreSink(Protocol):
    """What scores are written to."""

    def write(self, table: pa.Table) -> None:
        """Append rows."""

    def close(self, metadata: Mapping[str, str], /) -> None:
        """Complete it, and make it durable where it is a file."""

    def count_rows(self) -> int:
        """The rows of what is complete."""

    def abandon(self) -> None:
        """Let go of it, after an error."""


class OutputClosedError(Exception):
    """Nobody reads the pipe any more that scores are written to."""


class TextSink:
    """Writes scores as text.

    Args:
        file: Where to write.
        form: ``csv`` or ``jsonl``.
        schema: Of every table that will be written.
        labels: The model's.
        where: What messages call the file.
        is_file: It is a regular file, which `close` makes durable and closes; standard output stays open.

    Raises:
        OutputClosedError: Nobody reads the pipe any more. So do `write` and `close`.
        CharmillError: It cannot be written, as where the disk is full. So do `write` and `close`.
    """

    def __init__(
        self,
        file: BinaryIO,
        form: TextFormat,
        schema: pa.Schema,
        labels: Sequence[str],
        where: str,
        *,
        is_file: bool = False,
    ) -> None:
        self._file = file
        self._is_file = is_file
        self._form = form
        self._labels = labels
        self._where = where
        self._num_rows = 0
        if form == "csv":
            self._append(_frame(schema.empty_table()).write_csv().encode())

    def write(self, table: pa.Table) -> None:
        """Append rows."""
        if not len(table):
            return
        frame, text = _frame(table), io.BytesIO()
        if self._form == "csv":
            frame.write_csv(text, include_header=False)
        else:
            lists = [name for name, kind in frame.schema.items() if isinstance(kind, pl.Array)]
            frame.with_columns(pl.col(lists).arr.to_struct(list(self._labels))).write_ndjson(text)
        self._append(text.getbuffer())
        self._num_rows += len(table)

    def close(self, _metadata: Mapping[str, str], /) -> None:
        """Complete the text, and make it durable where it is a regular file; text has no place for metadata."""
        with self._writing():
            self._file.flush()
            if self._is_file:
                os.fsync(self._file.fileno())
                self._file.close()

    def count_rows(self) -> int:
        """The rows written."""
        return self._num_rows

    def abandon(self) -> None:
        """Let go of the file, after an error."""
        if self._is_file:
            with suppress(OSError):
                self._file.close()

    def _append(self, text: bytes | memoryview) -> None:
        with self._writing():
            self._file.write(text)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError as error:
            raise OutputClosedError(f"{self._where}: nobody reads it any more") from error
        except OSError as error:
            raise from_os_error(error, "write", self._where) from error


def open_sink(path: Path, form: OutFormat, schema: pa.Schema, labels: Sequence[str]) -> ScoreSink:
    """A new scores file.

    Args:
        path: The file.
        form: Its format.
        schema: Of every table that will be written.
        labels: The model's.
    """
    if form == "parquet":
        return ParquetSink(path, schema)
    return TextSink(path.open("wb"), form, schema, labels, str(path), is_file=True)


def _frame(table: pa.Table) -> pl.DataFrame:
    frame = cast("pl.DataFrame", pl.from_arrow(table))
    frame.columns = table.column_names  # Polars renames a column whose name is empty.
    return frame
