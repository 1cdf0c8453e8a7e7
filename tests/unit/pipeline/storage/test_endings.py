"""What is taken off a file name, so that outputs have the same name with other endings."""

import pytest

from pipeline.storage.endings import has_ending, stem


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.csv", "a"),
        ("A.b.CSV.GZ", "A.b"),
        ("a.tsv.zst", "a"),
        ("a.csv.csv", "a"),
        ("a.txt", "a"),
        ("a.txt.gz", "a"),
        (".csv", ".csv"),
        (".csv.gz", ".csv"),
        ("a.parquet", "a.parquet"),
        ("stdin", "stdin"),
    ],
)
def test_stems(name: str, expected: str) -> None:
    assert stem(name) == expected


@pytest.mark.parametrize("name", ["a.txt", "a.gz", "a.csv.bz2", "csv", "a.csv.done"])
def test_other_endings(name: str) -> None:
    assert not has_ending(name)
