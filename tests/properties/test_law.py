"""Rows in = rows out + rows quarantined, for encode and score, for any bytes at all: or exit code 65, a message, and no result."""

import gzip
import random
import tempfile
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from jobs import encode, score
from jobs.cli.reading_flags import ReadingConfig
from pipeline.errors import InputError
from pipeline.formats.csv.reader import CsvReader
from pipeline.storage.source import Source
from tests.datasets import QUIET, make_csv, shared_run
from tests.reading import split_options
from tests.strategies import csv_bytes, long_csv_bytes

HEADER = b"label,title\ntools,a chisel\n"


def _mutated(seed: int) -> bytes:
    """A clean CSV with a few bytes overwritten, cut out, doubled or put in."""
    choose = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        data = bytearray(make_csv(Path(folder) / "in.csv", 40, seed).read_bytes())
    for _ in range(choose.randrange(1, 12)):
        at = choose.randrange(len(data))
        put = choose.choice(
            [b'"', b'"', b"\n", b",", b"\r", b"\0", b"\xff", b"\xef\xbb\xbf", b'""', bytes(data[at : at + 30])]
        )
        data[at : at + choose.choice([0, 0, 1, 20])] = put
    return bytes(data)


def _encode_and_score(data: bytes, name: str = "in.csv", **how: Any) -> None:
    reading = ReadingConfig(text="title", max_quarantined=1.0, **how)
    with tempfile.TemporaryDirectory() as folder:
        path, dataset, scores = Path(folder) / name, Path(folder) / "dataset", Path(folder) / "scores.parquet"
        path.write_bytes(data)
        try:
            encoded = encode.run(encode.EncodeConfig((str(path),), out=dataset, reading=reading, common=QUIET))
        except InputError:
            assert not (dataset / "manifest.json").exists()
        else:
            files = [pq.read_metadata(path).num_rows for path in dataset.glob("*.rows.parquet")]
            assert encoded["rows_in"] == encoded["rows_out"] + encoded["rows_quarantined"]
            assert (sum(files), _num_rejects(dataset)) == (encoded["rows_out"], encoded["rows_quarantined"])
        try:
            scored = score.run(
                score.ScoreConfig((str(path),), run=shared_run(), out=scores, reading=reading, common=QUIET)
            )
        except InputError:
            assert not scores.exists()
        else:
            assert scored["rows_in"] == scored["rows_out"] + scored["rows_quarantined"]
            assert pq.read_metadata(scores).num_rows == scored["rows_out"]
            records = set(pl.read_parquet(scores)["record"])
            rejects = Path(folder) / "scores.quarantine.parquet"
            if rejects.exists():
                records |= set(pl.read_parquet(rejects)["record"])
            assert records == set(range(scored["rows_in"]))


def _num_rejects(dataset: Path) -> int:
    path = dataset / "quarantine.parquet"
    return pq.read_metadata(path).num_rows if path.exists() else 0


@settings(max_examples=60, deadline=None)
@given(
    data=st.one_of(
        st.one_of(csv_bytes(), long_csv_bytes()).map(HEADER.__add__),
        csv_bytes(),
        st.binary(max_size=200),
        st.integers(0, 1 << 32).map(_mutated),
    ),
    how=st.sampled_from([{}, {}, {"delimiter": ",", "encoding": "utf-8"}, {"delimiter": ";"}, {"encoding": "cp1252"}]),
)
@example(data=b"", how={})
@example(data=b"label,title", how={})
@example(data=HEADER + b'"' * 1001, how={})
def test_the_law_holds_for_any_bytes(data: bytes, how: dict[str, str]) -> None:
    _encode_and_score(data, **how)


@settings(max_examples=20, deadline=None)
@given(cut=st.integers(0, 300), seed=st.integers(0, 9))
def test_the_law_holds_for_gzip_that_is_cut_off(cut: int, seed: int) -> None:
    data = gzip.compress(_mutated(seed), mtime=0)
    _encode_and_score(data[: max(1, len(data) - cut)], "in.csv.gz")


def _count(path: Path, **how: object) -> tuple[int, int, list[str], int]:
    """(records, rows, reasons, bytes of raw) of a file."""
    num_records = num_rows = num_bytes = 0
    reasons: set[str] = set()
    options = split_options(**{"label": "label", "text": ["title"], **how})
    for scanned in CsvReader(Source(str(path), path.name), *options).scan():
        block = scanned.rows()
        num_records += block.num_records
        num_rows += len(block.frame)
        reasons |= {reject.reason for reject in block.rejects}
        num_bytes += sum(reject.raw_bytes for reject in block.rejects)
    return num_records, num_rows, sorted(reasons), num_bytes


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (HEADER + b"x" * 100_000_000 + b"\ntools,b\n", (3, 2, ["record_too_long"], 100_000_000)),
        (HEADER + b'"' + b"x" * 100_000_000 + b"\ntools,b\n", (3, 2, ["record_too_long"], 100_000_001)),
        (HEADER + b"a," * 9_999 + b"a\ntools,b\n", (3, 2, ["too_many_fields"], 19_999)),
        (HEADER + b"\n" * 1_000_000 + b"tools,b\n" + b"\r\n" * 1_000_000, (2, 2, [], 0)),
        (HEADER + b'x","y\n' * 200_000, (200_001, 1, ["unclosed_quote"], 1_000_000)),
        (HEADER + b'tools,"b\n' * 99_999, (100_000, 1, ["unclosed_quote"], 799_992)),
        (HEADER + b'tools,5" wide\n' * 100_000, (100_001, 100_001, [], 0)),
        (HEADER + b'tools,"' + b"b\n" * 524_000 + b'"\n', (2, 2, [], 0)),
    ],
    ids=[
        "a line of 100 MB",
        "within quotes",
        "10,000 fields",
        "blank lines",
        "half quotes",
        "open quotes",
        "inches",
        "1 MiB of lines",
    ],
)
def test_what_is_large_or_many(data: bytes, expected: tuple[int, int, list[str], int], tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_bytes(data)
    assert _count(path) == expected
