"""What a process may touch in the work folder of drops: its own files, and what surely belongs to nobody."""

from pathlib import Path

import pytest

from jobs.drops.ledger import Ledger
from jobs.drops.schema import Drop
from jobs.drops.work import WORK, DropScorer, _Journal, output_name
from jobs.drops.worker import Owner


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    (tmp_path / WORK).mkdir()
    return Ledger(tmp_path, owner="here:a")


def _claimed(ledger: Ledger, name: str = "a.csv") -> Drop:
    ledger.register(name=name, num_bytes=1, sha256="1" * 64, model="m" * 16, options="o", rescore=False, file=None)
    drop = ledger.claim("1" * 64, model="m" * 16, options="o", is_dead=lambda _: False)
    assert drop is not None
    return drop


def test_who_lost_a_drop_removes_only_its_own_files(ledger: Ledger, tmp_path: Path) -> None:
    work = tmp_path / WORK / "drop-1"
    work.mkdir()
    (work / "b.part-00000.scores.parquet").touch()
    journal = _Journal(ledger, _claimed(ledger), work, prefix="a.")
    assert list(work.iterdir()) == []  # With the lease it may remove what belongs to no part.
    for name in ("a.part-00000.scores.parquet", "b.part-00000.scores.parquet"):
        (work / name).touch()
    journal.remove_unfinished()
    assert [path.name for path in work.iterdir()] == ["b.part-00000.scores.parquet"]


def test_a_folder_that_comes_while_rubbish_is_removed_is_none(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / WORK / "drop-5").mkdir()
    open_drops = Ledger.open_drops

    def slow(self: Ledger) -> list[Drop]:
        drops = open_drops(self)
        (tmp_path / WORK / "drop-7").mkdir()
        return drops

    monkeypatch.setattr(Ledger, "open_drops", slow)
    DropScorer(tmp_path, ledger, Owner(tmp_path / WORK), lease_seconds=30, overwrite=False)
    assert [path.name for path in (tmp_path / WORK).glob("drop-*")] == ["drop-7"]


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("a.csv", "a"),
        ("a.b.CSV.GZ", "a.b"),
        ("a.tsv.zst", "a"),
        ("x" * 251 + ".csv", "x" * 180),
        ("\u00e9" * 125 + ".csv", "\u00e9" * 90),
        ("../up.csv", ".._up"),
    ],
)
def test_output_names(ledger: Ledger, name: str, stem: str) -> None:
    assert output_name(_claimed(ledger, name)) == f"{stem}-{'1' * 12}-{'m' * 8}.parquet"
    assert len(f".{output_name(ledger.drops()[0])}.quarantine.parquet".encode()) <= 255
