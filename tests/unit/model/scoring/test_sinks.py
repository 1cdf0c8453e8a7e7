"""Scores as text read back as they were, by Polars, by Python and by charmill; and what happens where they cannot be written."""

import csv
import io
import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.scoring.sinks import OutputClosedError, TextFormat, TextSink, open_sink
from pipeline.errors import TemporaryError
from pipeline.formats.csv.csv_format import CsvFormat
from pipeline.formats.opening import Formats
from pipeline.records.rows import kept_name
from pipeline.records.wanted import Wanted
from pipeline.storage.source import Source

LABELS = ["good", 'b,"ad\n']
SCHEMA = pa.schema(
    [
        pa.field("record", pa.int64(), nullable=False),
        pa.field("", pa.large_string(), nullable=False),
        pa.field('say "x,\ny"', pa.large_string(), nullable=False),
        pa.field("prediction", pa.dictionary(pa.int32(), pa.string()), nullable=False),
        pa.field("confidence", pa.float32(), nullable=False),
        pa.field("abstained", pa.bool_(), nullable=False),
    ]
)
TEXT = st.text(st.one_of(st.sampled_from('",;\n\r\t \0é\u2028\U0001f642'), st.characters(codec="utf-8")), max_size=12)
FLOAT = st.floats(0, 1, width=32)


def _table(texts: Sequence[str], floats: Sequence[float]) -> pa.Table:
    number = len(texts)
    predicted = pa.DictionaryArray.from_arrays(pa.array([row % 2 for row in range(number)], pa.int32()), LABELS)
    columns = [range(number), texts, texts[::-1], predicted, np.array(floats, np.float32), [True] * number]
    return pa.table([pa.array(column, field.type) for column, field in zip(columns, SCHEMA, strict=True)], SCHEMA)


def _write(form: TextFormat, *tables: pa.Table) -> bytes:
    file = io.BytesIO()
    sink = TextSink(file, form, tables[0].schema, LABELS, "here")
    for table in tables:
        sink.write(table)
    sink.close({})
    assert sink.count_rows() == sum(map(len, tables))
    return file.getvalue()


ROWS = st.lists(st.tuples(TEXT, FLOAT), max_size=8).map(
    lambda rows: _table([row[0] for row in rows], [row[1] for row in rows])
)


@given(table=ROWS)
def test_csv_reads_back_as_it_was(table: pa.Table) -> None:
    data = _write("csv", table)
    names, *rows = csv.reader(io.StringIO(data.decode(), newline=""))
    assert names == table.column_names
    frame = pl.read_csv(data, new_columns=names, schema_overrides=[pl.Int64, *[pl.String] * 3, pl.Float32, pl.Boolean])
    assert frame.to_dict(as_series=False) == table.to_pydict()
    assert [row[1:4] for row in rows] == [list(row[1:4]) for row in frame.rows()]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "in.csv"
        path.write_bytes(data)
        wanted = Wanted(text=["prediction"], keep=["record", "confidence", ""])
        reader = Formats(csv=CsvFormat(delimiter=",", encoding="utf-8")).open(Source(str(path), "in.csv"), wanted)
        blocks = [block.rows() for block in reader.scan()]
    assert not any(block.rejects for block in blocks)
    if not rows:
        return
    read = pl.concat([block.frame for block in blocks])
    assert read[kept_name("")].to_list() == table[""].to_pylist()
    confidences = read[kept_name("confidence")].cast(pl.Float32)
    assert confidences.to_list() == table["confidence"].to_pylist()


@given(table=ROWS)
def test_json_lines_read_back_as_they_were_with_probabilities_by_class(table: pa.Table) -> None:
    confidences = table["confidence"].combine_chunks()
    pairs = pa.array(np.column_stack([confidences, np.float32(1) - confidences.to_numpy()]).reshape(-1), pa.float32())
    kind = pa.list_(pa.field("element", pa.float32(), nullable=False), 2)
    lists = pa.FixedSizeListArray.from_arrays(pairs, type=kind)
    table = table.append_column(pa.field("probabilities", kind, nullable=False), lists)
    rows = [json.loads(line) for line in _write("jsonl", table).decode().split("\n")[:-1]]
    probabilities = [tuple(row.pop("probabilities").items()) for row in rows]
    assert [np.float32(row.pop("confidence")) for row in rows] == table["confidence"].to_pylist()
    assert rows == table.drop_columns(["confidence", "probabilities"]).to_pylist()
    for row, pair in zip(probabilities, lists.to_pylist(), strict=True):
        assert [label for label, _ in row] == LABELS
        assert [np.float32(value) for _, value in row] == pair


@pytest.mark.parametrize("form", ["csv", "jsonl"])
@given(table=ROWS, cut=st.integers(0, 8))
def test_the_bytes_do_not_depend_on_the_pieces(form: TextFormat, table: pa.Table, cut: int) -> None:
    whole = _write(form, table)
    assert _write(form, table.slice(0, cut), table.slice(cut)) == whole
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "out"
        sink = open_sink(path, form, SCHEMA, LABELS)
        sink.write(table)
        sink.close({})
        assert path.read_bytes() == whole
        assert sink.count_rows() == len(table)


def test_a_pipe_that_nobody_reads_and_a_full_disk_are_told_apart() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb", buffering=0) as pipe, pytest.raises(OutputClosedError, match="here"):
        TextSink(pipe, "csv", SCHEMA, LABELS, "here")
    with Path("/dev/full").open("wb", buffering=0) as full, pytest.raises(TemporaryError, match="here: cannot write"):
        TextSink(full, "csv", SCHEMA, LABELS, "here")
