"""What a look at the inbox enters in the ledger."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from jobs.drops.config import DropsConfig
from jobs.drops.inbox import InboxFile
from jobs.drops.intake import Intake
from jobs.drops.ledger.database import Database
from jobs.drops.ledger.leases import Leases
from jobs.drops.ledger.ledger import Ledger
from pipeline.errors import TemporaryError
from tests.datasets import make_csv


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    with closing(Database(tmp_path / "out")) as database:
        yield database


def _intake(database: Database, options: str = "o", only: str = "") -> Intake:
    def on_unreadable(file: InboxFile, error: TemporaryError) -> float:
        raise error

    inbox = database.outbox.parent / "in"
    config = DropsConfig(inbox=inbox, outbox=database.outbox, settle_seconds=0, rescore=True, only=only)
    return Intake(config, options, Ledger(database), on_unreadable, lambda drop, first: None)


def _finish_all(database: Database, intake: Intake, options: str) -> int:
    """Score what waits with some flags; returns how much that was."""
    leases = Leases(database, "here:a", lambda _: False, 30.0)
    claimed = [leases.claim(sha256, model="m", options=options) for sha256 in intake.files]
    for lease in claimed:
        if lease is not None:
            lease.finish({})
    return sum(lease is not None for lease in claimed)


def test_two_processes_with_other_flags_do_not_rescore_each_others_drops_for_ever(
    tmp_path: Path, database: Database
) -> None:
    make_csv(tmp_path / "in" / "a.csv", 10)
    intakes = {options: _intake(database, options) for options in "op"}
    num_scored = []
    for _ in range(4):
        for options, intake in intakes.items():
            intake.look("m")
            num_scored.append(_finish_all(database, intake, options))
    assert num_scored == [1, 1, 0, 0, 0, 0, 0, 0]
    intakes["o"].look("n")
    assert [(drop.model, drop.state) for drop in Ledger(database).drops()] == [
        ("m", "replaced"),
        ("m", "scored"),
        ("n", "waiting"),
    ]


def test_a_drop_is_lost_when_its_file_is_gone_or_has_other_content(tmp_path: Path, database: Database) -> None:
    path = make_csv(tmp_path / "in" / "a.csv", 10)
    intake = _intake(database)
    intake.look("m")
    (drop,) = Ledger(database).drops()
    assert (intake.has(drop), intake.has_lost(drop)) == (True, False)
    path.rename(tmp_path / "in" / "b.csv")
    intake.look("m")
    assert (intake.has(drop), intake.has_lost(drop)) == (True, False)
    make_csv(tmp_path / "in" / "b.csv", 11)
    intake.look("m")
    assert (intake.has(drop), intake.has_lost(drop)) == (False, True)


def test_other_files_are_neither_hashed_nor_forgotten(
    tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[str] = []

    def hash_file(file: InboxFile) -> tuple[str, bool]:
        hashed.append(file.name)
        return file.name, True

    monkeypatch.setattr("jobs.drops.intake.hash_file", hash_file)
    for name in ("a1.csv", "a2.csv", "b.csv"):
        make_csv(tmp_path / "in" / name, 10)
    _intake(database, only="b*").look("m")
    _intake(database, only="a?.csv").look("m")
    assert sorted(hashed) == ["a1.csv", "a2.csv", "b.csv"]
    _intake(database).look("m")
    assert len(hashed) == 3
