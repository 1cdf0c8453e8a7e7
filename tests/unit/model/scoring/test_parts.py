"""Parts survive in a list that somebody keeps; from any of them scoring goes on, and ends with the bytes of one that was never stopped."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from model.engines.load import load_predictor
from model.runs.model_file import read_model
from model.scoring.columns import ScoreOptions
from model.scoring.part_writer import ScoreReport
from model.scoring.parts import COUNTS, Part, PartFile, PartFolder, part_from_json
from model.scoring.scorer import Scorer
from pipeline.errors import InputError
from pipeline.formats.csv import scanner
from pipeline.formats.opening import Formats
from pipeline.records.wanted import Wanted
from pipeline.storage.source import Source
from tests.datasets import make_csv, shared_run


class Journal:
    def __init__(self, parts: list[Part]) -> None:
        self.parts = parts

    def add(self, part: Part) -> None:
        self.parts.append(part_from_json(part.to_json()))


@pytest.fixture
def csv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(scanner, "BLOCK_RECORDS", 7)
    path = make_csv(tmp_path / "in.csv", 200)
    path.write_bytes(path.read_bytes().replace(b"\n", b"\nbad\n", 20))
    return path


ONE = {"wanted": Wanted(text=["title"], keep=["title"], label="label"), "probabilities": "list"}
ALL = {"wanted": Wanted(text=["title"], keeps_all=True), "probabilities": "columns"}


def _scorer(options: Mapping[str, Any]) -> Scorer:
    model = read_model(shared_run())
    predictor = load_predictor(shared_run(), model, engine="folded", device="auto", num_threads=1)
    return Scorer(
        model,
        predictor,
        ScoreOptions(**options, min_confidence=0.5),
        Formats(),
        num_threads=1,
        part_bytes=1500,
    )


def _folder(path: Path) -> PartFolder:
    path.mkdir(exist_ok=True)
    return PartFolder(path)


def _score(
    csv: Path, folder: Path, journal: Journal | None, options: Mapping[str, Any] = ONE
) -> tuple[bytes, bytes, ScoreReport]:
    written = _scorer(options).write(Source(str(csv), csv.name), _folder(folder), lambda _: None, journal)
    assert written.quarantine is not None
    return written.scores.read_bytes(), written.quarantine.read_bytes(), written.report


@pytest.mark.parametrize("options", [ONE, ALL])
def test_goes_on_behind_every_part(options: Mapping[str, Any], csv: Path, tmp_path: Path) -> None:
    scores, quarantine, report = _score(csv, tmp_path / "whole", None, options)
    assert (report.rows_in, report.rows_scored, report.rows_quarantined, report.rows_reused) == (220, 200, 20, 0)
    journal = Journal([])
    folder = tmp_path / "parts"
    again = _score(csv, folder, journal, options)
    assert again == (scores, quarantine, report)
    finished = list(journal.parts)
    assert len(finished) >= 4
    for number in range(1, len(finished) + 1):
        once_more = _score(csv, folder, Journal(finished[:number]), options)
        reused = sum(part.counts["rows_in"] for part in finished[:number])
        assert once_more == (scores, quarantine, replace(report, rows_reused=reused))


def test_a_part_that_was_touched_is_not_whole(csv: Path, tmp_path: Path) -> None:
    journal = Journal([])
    _score(csv, tmp_path / "parts", journal)
    folder = _folder(tmp_path / "parts")
    part = next(part for part in journal.parts if part.quarantine is not None)
    assert folder.is_whole(part)
    path = tmp_path / "parts" / part.scores.name
    data = path.read_bytes()
    for wrong in (data[:-1], data[:-5] + bytes([data[-5] ^ 1]) + data[-4:], None):
        path.unlink() if wrong is None else path.write_bytes(wrong)
        assert not folder.is_whole(part)
    path.write_bytes(data)
    assert folder.is_whole(part)
    assert part.quarantine is not None
    (tmp_path / "parts" / part.quarantine.name).unlink()
    assert not folder.is_whole(part)


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/b"])
def test_a_part_cannot_name_a_file_elsewhere(csv: Path, tmp_path: Path, name: str) -> None:
    journal = Journal([])
    _score(csv, tmp_path / "parts", journal)
    part = journal.parts[0]
    stored = part.to_json()
    with pytest.raises(InputError, match=r"leaves the folder, at 'part\.scores'"):
        part_from_json(stored.replace(part.scores.name, name))


def test_a_part_of_another_charmill_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    file = PartFile(name="scores.parquet", bytes=1, sha256="a")
    part = Part(number=0, scores=file, quarantine=None, counts=dict.fromkeys(COUNTS, 1), reasons={}, end=None)
    stored = part.to_json()
    assert part_from_json(stored) == part
    monkeypatch.setattr("model.scoring.parts.version", lambda name: "0")
    with pytest.raises(InputError, match="would not have written it"):
        part_from_json(stored)
