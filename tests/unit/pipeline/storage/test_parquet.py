"""A Parquet file's bytes depend on its rows and not on the pieces in which they came."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.errors import InputError, UsageError
from pipeline.storage.parquet import ParquetSink, open_parquet
from tests.strategies import FEW

SCHEMA = pa.schema([("number", pa.int64()), ("text", pa.large_string()), ("raw", pa.binary())])


def table(lengths: list[int]) -> pa.Table:
    return pa.table(
        [range(len(lengths)), ["a" * length for length in lengths], [b"b" * (length // 3) for length in lengths]],
        schema=SCHEMA,
    )


def written(path: Path, pieces: Iterator[pa.Table]) -> bytes:
    sink = ParquetSink(path, SCHEMA, group_rows=7, group_bytes=100)
    for piece in pieces:
        sink.write(piece)
    sink.close({"charmill": "é"})
    return path.read_bytes()


def cut(whole: pa.Table, stops: list[int]) -> Iterator[pa.Table]:
    bounds = [0, *sorted(min(stop, len(whole)) for stop in stops), len(whole)]
    for start, stop in itertools.pairwise(bounds):
        yield whole.slice(start, stop - start)


LENGTHS = st.lists(st.sampled_from([0, 0, 0, 0, 1, 5, 30, 80, 99, 100, 101, 250]), min_size=12, max_size=40)


@FEW
@given(lengths=LENGTHS, stops=st.lists(st.integers(0, 12), min_size=1, max_size=6))
@example(lengths=[30] * 12, stops=[1, 5])
@example(lengths=[0] * 12, stops=[3])
@example(lengths=[], stops=[])
def test_bytes_do_not_depend_on_the_pieces(
    tmp_path_factory: pytest.TempPathFactory, lengths: list[int], stops: list[int]
) -> None:
    folder = tmp_path_factory.getbasetemp()
    rows = table(lengths)
    whole = written(folder / "whole.parquet", iter([rows]))

    assert written(folder / "cut.parquet", cut(rows, stops)) == whole
    assert pq.read_table(folder / "whole.parquet") == rows


@pytest.mark.parametrize(
    ("lengths", "groups"),
    [([0] * 15, [7, 7, 1]), ([30] * 6, [3, 3]), ([250, 0, 0], [1, 2]), ([0, 250, 0], [2, 1]), ([0] * 7, [7]), ([], [])],
)
def test_a_row_group_ends_by_rows_or_by_bytes(tmp_path: Path, lengths: list[int], groups: list[int]) -> None:
    written(tmp_path / "a.parquet", iter([table(lengths)]))
    stored = pq.ParquetFile(tmp_path / "a.parquet").metadata
    assert [stored.row_group(index).num_rows for index in range(stored.num_row_groups)] == groups


def test_metadata_and_schema(tmp_path: Path) -> None:
    written(tmp_path / "a.parquet", iter([table([1])]))
    schema = pq.read_schema(tmp_path / "a.parquet")
    assert schema.equals(SCHEMA)
    assert pq.read_metadata(tmp_path / "a.parquet").metadata[b"charmill"] == "é".encode()


def test_nulls_have_no_bytes(tmp_path: Path) -> None:
    rows = pa.table([[1, 2], [None, "a"], [b"", None]], schema=SCHEMA)
    written(tmp_path / "a.parquet", iter([rows]))
    assert pq.read_table(tmp_path / "a.parquet") == rows


def test_an_abandoned_file_is_no_parquet(tmp_path: Path) -> None:
    sink = ParquetSink(tmp_path / "a.parquet", SCHEMA)
    sink.write(table([1]))
    sink.abandon()
    with pytest.raises(pa.ArrowInvalid):
        pq.read_table(tmp_path / "a.parquet")


def _read(path: Path) -> pa.Table:
    with open_parquet(path, SCHEMA, "make it again") as file:
        return file.read()


def test_a_file_of_the_schema_is_read(tmp_path: Path) -> None:
    rows = table([3, 0, 9])
    written(tmp_path / "a.parquet", iter([rows]))
    assert _read(tmp_path / "a.parquet") == rows


def test_damage_anywhere_is_told_or_harmless(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    data = written(path, iter([table([40, 0, 90])]))
    refused = 0
    for position in range(0, len(data), 3):
        path.write_bytes(data[:position] + bytes([data[position] ^ 0x55]) + data[position + 1 :])
        try:
            _read(path)
        except InputError as error:
            assert "it is damaged" in str(error)  # noqa: PT017
            refused += 1
    assert refused > 50
    for size in range(0, len(data), 7):
        path.write_bytes(data[:size])
        with pytest.raises(InputError, match=r"a\.parquet: it is damaged \(.*\); make it again$"):
            _read(path)


def test_another_schema_is_damage_and_a_missing_file_is_not(tmp_path: Path) -> None:
    pq.write_table(table([1]).drop_columns(["raw"]), tmp_path / "a.parquet")
    with pytest.raises(InputError, match="its columns are number, text, or of other types"):
        _read(tmp_path / "a.parquet")
    with pytest.raises(UsageError, match="there is no such file"):
        _read(tmp_path / "none.parquet")
