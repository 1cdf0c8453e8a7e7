"""The quarantine keeps every reject whole; the law and the allowed share are checked before anything is published."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.records.law import describe_reasons
from pipeline.records.quarantine import SCHEMA, QuarantineWriter, Reject, read_rejects

REJECTS = [
    Reject("a.csv", 0, 2, 10, "bad_quote", b'"a"b\0\xff', 6),
    Reject("a.csv", 5, 9, 70, "blank_text", b"", 0),
    Reject("b.csv", 1 << 40, 1 << 41, 1 << 42, "bad_quote", b"x" * 100_000, 100_000),
]


def writer(path: Path, *rejects: Reject, closed: bool = True) -> QuarantineWriter:
    made = QuarantineWriter(path)
    for reject in rejects:
        made.write([reject])
    if closed:
        made.close()
    return made


def test_what_was_written_comes_back(tmp_path: Path) -> None:
    quarantine = writer(tmp_path / "q.parquet", *REJECTS, closed=False)
    assert quarantine.close()
    stored = pq.read_table(quarantine.path)
    assert stored.schema.equals(SCHEMA)
    assert stored.to_pylist() == [vars(reject) for reject in REJECTS]
    assert (quarantine.num_rows, quarantine.reasons) == (3, {"bad_quote": 2, "blank_text": 1})
    assert describe_reasons(quarantine.reasons) == "bad_quote 2, blank_text 1"
    assert [reject for group in read_rejects(quarantine.path) for reject in group] == REJECTS


def test_no_file_where_nothing_was_rejected(tmp_path: Path) -> None:
    quarantine = QuarantineWriter(tmp_path / "q.parquet")
    quarantine.write([])
    assert not quarantine.close()
    assert list(tmp_path.iterdir()) == []


def test_closing_twice_is_closing_once(tmp_path: Path) -> None:
    quarantine = writer(tmp_path / "q.parquet", *REJECTS, closed=False)
    assert quarantine.close()
    before = quarantine.path.read_bytes()
    assert quarantine.close()
    assert quarantine.path.read_bytes() == before


def test_an_abandoned_quarantine_is_no_parquet(tmp_path: Path) -> None:
    quarantine = writer(tmp_path / "q.parquet", *REJECTS, closed=False)
    quarantine.abandon()
    del quarantine  # Its finalizers must be silent.
    with pytest.raises(pa.ArrowInvalid):
        pq.read_table(tmp_path / "q.parquet")
