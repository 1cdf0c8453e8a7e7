"""Rows: clean records, whatever the format of their file, in blocks that know where in their source they begin."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

from pipeline.records.quarantine import Reject

RECORD, TEXT, LABEL = "record", "text", "label"


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where in a source a block begins.

    Attributes:
        record: The 0-based number of the record there, the header not counted.
        line: The 1-based physical line.
        offset: Bytes of the UTF-8 stream before it.
        stored_offset: Bytes before it in the file as stored, after decompression.
    """

    record: int
    line: int
    offset: int
    stored_offset: int = 0


@dataclass(frozen=True, kw_only=True)
class RowBlock:
    """Consecutive clean rows, and the records among and before them that did not become rows.

    Attributes:
        frame: Columns `record` Int64, `text` String, `label` String where wanted, and the kept columns, String; no nulls.
            Kept columns carry the prefix of `kept_name`.
        rejects: In the order of their records.
        unknown_labels: The most frequent labels of the rejects whose label is unknown, with their counts.
        num_records: Rows and rejects together, counted when the block was scanned.
        place: Where the block begins.
        end: Where the next one begins.
    """

    frame: pl.DataFrame
    rejects: list[Reject] = field(default_factory=list)
    unknown_labels: Mapping[str, int] = field(default_factory=dict)
    num_records: int
    place: Place
    end: Place


_KEPT = "keep:"


def kept_name(name: str) -> str:
    """The frame's name of a kept column, which cannot collide with the reader's own columns."""
    return f"{_KEPT}{name}"


def kept_columns(frame: pl.DataFrame) -> list[str]:
    """The columns that are passed through, by their names in the file, in order."""
    return [name.removeprefix(_KEPT) for name in frame.columns if name.startswith(_KEPT)]
