"""Leases: who may do what with a drop, and what is remembered of its parts."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from jobs.drops.ledger.database import Database
from jobs.drops.ledger.leases import Lease, LeaseLostError, Leases
from jobs.drops.ledger.ledger import Ledger

MODEL, OPTIONS = "m" * 16, "o" * 16


class Process:
    """A process at the ledger of an outbox; the names in `dead` are those of processes that have ended."""

    def __init__(self, database: Database, name: str, lease_seconds: float = 30.0) -> None:
        self.dead: set[str] = set()
        self.ledger = Ledger(database)
        self._leases = Leases(database, name, self.dead.__contains__, lease_seconds)

    def register(self, **more: Any) -> None:
        values: dict[str, Any] = {"model": MODEL, "options": OPTIONS, "rescore": False, "file": None}
        self.ledger.register(name="a.csv", num_bytes=5, sha256="1" * 64, **(values | more))

    def claim(self, *, model: str = MODEL, options: str = OPTIONS) -> Lease | None:
        return self._leases.claim("1" * 64, model=model, options=options)

    def claimed(self, **more: str) -> Lease:
        lease = self.claim(**more)
        assert lease is not None
        return lease


@pytest.fixture
def ours(tmp_path: Path) -> Iterator[Process]:
    with closing(Database(tmp_path)) as database:
        process = Process(database, "here:a")
        process.register()
        yield process


@pytest.fixture
def theirs(tmp_path: Path, ours: Process) -> Iterator[Process]:
    with closing(Database(tmp_path)) as database:
        yield Process(database, "here:b")


def test_only_one_has_a_drop_at_a_time(ours: Process, theirs: Process) -> None:
    lease = ours.claimed()
    assert (lease.drop.state, lease.drop.attempts, lease.drop.owner) == ("scoring", 1, "here:a")
    assert theirs.claim() is None
    assert ours.claim() is None
    lease.release()
    assert theirs.claimed().drop.attempts == 2
    with pytest.raises(LeaseLostError, match=r"a\.csv: another process"):
        lease.renew()


@pytest.mark.parametrize("how", ["dead", "silent"])
def test_a_lease_passes_to_another_and_its_former_holder_can_write_nothing(
    how: str, ours: Process, theirs: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease = ours.claimed()
    lease.add_part(0, "part")
    assert theirs.claim() is None
    if how == "silent":
        now = time.time()
        monkeypatch.setattr(time, "time", lambda: now + 31)
    else:
        theirs.dead.add("here:a")
    taken = theirs.claimed()
    assert taken.parts() == ["part"]
    writes: list[Callable[[], None]] = [
        lease.renew,
        lambda: lease.finish({"rows_in": 9}),
        lambda: lease.fail({"error": "x"}),
        lease.release,
        lambda: lease.note({"rows_in": 9}),
        lambda: lease.add_part(1, "late"),
    ]
    for write in writes:
        with pytest.raises(LeaseLostError):
            write()
    assert taken.parts() == ["part"]
    taken.finish({"rows_in": 1})
    assert [(drop.state, drop.rows_in) for drop in ours.ledger.drops()] == [("scored", 1)]


def test_a_renewed_lease_lasts(ours: Process, theirs: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    lease = ours.claimed()
    start = time.time()
    for seconds in (20, 40, 60):
        monkeypatch.setattr(time, "time", lambda seconds=seconds: start + seconds)
        lease.renew()
        assert theirs.claim() is None


def test_a_lease_is_kept_alive_while_a_block_takes_long(tmp_path: Path, ours: Process) -> None:
    with closing(Database(tmp_path)) as database:
        lease = Process(database, "here:c", lease_seconds=0.03).claimed()
        with lease.kept_alive():
            while ours.ledger.drops()[0].lease_until < lease.drop.lease_until + 0.1:
                time.sleep(0.005)


def test_parts_belong_to_a_model_and_flags(ours: Process) -> None:
    lease = ours.claimed()
    lease.add_part(0, "zero")
    lease.add_part(1, "one")
    lease.release()
    lease = ours.claimed()
    assert lease.parts() == ["zero", "one"]
    lease.forget_parts(1)
    assert lease.parts() == ["zero"]
    lease.release()
    lease = ours.claimed(options="p" * 16)
    assert lease.parts() == []
    lease.add_part(0, "zero")
    lease.finish({})
    assert lease.parts() == []


def test_a_waiting_drop_is_scored_with_the_model_at_hand_and_once(ours: Process) -> None:
    lease = ours.claimed(model="n" * 16)
    assert lease.drop.model == "n" * 16
    lease.finish({})
    assert ours.claim() is None


def test_what_was_scored_with_the_model_and_flags_meanwhile_is_not_scored_again(ours: Process) -> None:
    ours.claimed(model="n" * 16).finish({})
    ours.register(rescore=True)
    assert ours.claim(model="n" * 16) is None
    assert [drop.state for drop in ours.ledger.drops()] == ["scored"]


def test_temporary_trouble_is_not_tried_before_its_time(ours: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    ours.claimed().release({"error": "full", "exit_code": 75, "retry_at": time.time() + 100})
    assert ours.claim() is None
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 101)
    ours.claimed().fail({"error": "full", "exit_code": 75})
    assert ours.claim() is None
    ours.ledger.revive(ours.ledger.drops(), model=MODEL, options=OPTIONS)
    assert ours.claimed().drop.attempts == 3


def test_what_failed_for_good_stays_so(ours: Process) -> None:
    ours.claimed().fail({"error": "bad", "exit_code": 65})
    ours.ledger.revive(ours.ledger.drops(), model=MODEL, options=OPTIONS)
    ours.register()
    assert ours.claim() is None
    ours.register(rescore=True, options="p" * 16)
    assert ours.claimed(options="p" * 16).drop.error == ""


@pytest.mark.parametrize("other", [{"model": "n" * 16}, {"options": "p" * 16}])
def test_what_failed_waits_again_for_another_model_or_other_flags(ours: Process, other: dict[str, str]) -> None:
    ours.claimed().fail({"error": "bad", "exit_code": 65})
    changed = {"model": MODEL, "options": OPTIONS} | other
    assert ours.ledger.revive(ours.ledger.drops(), model=MODEL, options=OPTIONS) == 0
    assert ours.ledger.revive(ours.ledger.drops(), model=changed["model"], options=changed["options"]) == 1
    ours.claimed(**other).fail({"error": "bad", "exit_code": 65})
    assert ours.ledger.revive(ours.ledger.drops(), model=changed["model"], options=changed["options"]) == 0
    assert ours.ledger.revive(ours.ledger.drops(), model=MODEL, options=OPTIONS) == 1


def test_all_that_failed_can_be_tried_again(ours: Process) -> None:
    ours.claimed().fail({"error": "bad", "exit_code": 65})
    ours.ledger.revive(ours.ledger.drops(), model=MODEL, options=OPTIONS, all_failed=True)
    assert ours.claimed().drop.attempts == 2


def test_a_column_more_does_no_harm(tmp_path: Path, ours: Process) -> None:
    with closing(Database(tmp_path)) as database, database.transaction() as connection:
        connection.execute("ALTER TABLE drops ADD COLUMN note TEXT")
    assert ours.claim() is not None
