"""The titles of a benchmark: real ones as they are, made-up ones where there are none, as many as asked for."""

import csv
from pathlib import Path

import pytest

from jobs.bench.data import Data, choose_kinds, make_data
from pipeline.errors import InputError


def _rows(data: Data) -> list[list[str]]:
    with data.path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    return rows[1:] if data.has_header else rows


@pytest.mark.parametrize("num_rows", [1, 2, 7, 8, 64])
def test_titles_are_repeated_to_size_or_taken_evenly(
    num_rows: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGNEWS_DIR", str(tmp_path))
    all_rows = [[str(row), f"title {row}", "more"] for row in range(7)]
    (tmp_path / "train.csv").write_text("".join(",".join(row) + "\n" for row in all_rows))
    data = make_data("agnews", tmp_path / "some.csv", num_rows, chunk_bytes=400)  # Two repeats.
    assert (data.num_rows, data.num_once) == (num_rows, min(num_rows, 7))
    assert data.num_bytes == data.path.stat().st_size
    wanted = [all_rows[row * 7 // min(num_rows, 7)] for row in range(min(num_rows, 7))]
    assert _rows(data) == [wanted[row % len(wanted)] for row in range(num_rows)]


def test_real_titles_stay_what_they_are(agnews: Path, tmp_path: Path) -> None:
    assert choose_kinds("auto", both=True) == ["agnews", "synthetic"]
    assert choose_kinds("auto", both=False) == choose_kinds("agnews", both=True) == ["agnews"]
    with agnews.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    data = make_data("agnews", tmp_path / "titles.csv", len(rows) + 5)
    assert _rows(data) == rows + rows[:5]


@pytest.mark.parametrize("content", [b"", b"1,two\n", b"1,\xff,3\n"])
def test_a_damaged_file_of_real_titles_is_refused(
    content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "train.csv").write_bytes(content)
    monkeypatch.setenv("AGNEWS_DIR", str(tmp_path))
    with pytest.raises(InputError, match="--data synthetic"):
        make_data("agnews", tmp_path / "titles.csv", 100)


def test_made_up_titles_are_the_same_however_many_are_wanted(tmp_path: Path) -> None:
    few, more = (make_data("synthetic", tmp_path / f"{num_rows}.csv", num_rows) for num_rows in (3, 50))
    assert (few.num_once, more.num_once) == (3, 50)
    assert _rows(few) == _rows(more)[:3]


def test_without_real_titles_made_up_ones_are_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AGNEWS_DIR", raising=False)
    monkeypatch.chdir(tmp_path)
    assert choose_kinds("auto", both=True) == ["synthetic"]
