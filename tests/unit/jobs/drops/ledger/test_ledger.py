"""The ledger: what is a drop, a duplicate or nothing new, and what waits again."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from jobs.drops.ledger.database import Database
from jobs.drops.ledger.leases import Leases
from jobs.drops.ledger.ledger import Ledger

MODEL, OPTIONS = "m" * 16, "o" * 16


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with closing(Database(tmp_path)) as database:
        yield database


@pytest.fixture
def ledger(database: Database) -> Ledger:
    return Ledger(database)


def _register(ledger: Ledger, name: str = "a.csv", sha256: str = "1" * 64, **more: Any) -> None:
    values: dict[str, Any] = {"num_bytes": 5, "model": MODEL, "options": OPTIONS, "rescore": False, "file": None}
    ledger.register(name=name, sha256=sha256, **(values | more))


def _finish(database: Database, *, model: str = MODEL, options: str = OPTIONS) -> bool:
    """Score the drop that was registered; returns whether it waited for that."""
    lease = Leases(database, "here:a", lambda _: False, 30.0).claim("1" * 64, model=model, options=options)
    if lease is not None:
        lease.finish({"rows_in": 3})
    return lease is not None


def _states(ledger: Ledger) -> list[tuple[str, str]]:
    return [(drop.name, drop.state) for drop in ledger.drops()]


def test_a_drop_is_its_content(database: Database, ledger: Ledger) -> None:
    _register(ledger)
    _register(ledger)
    _register(ledger, "b.csv")
    _register(ledger, "b.csv")
    _register(ledger, sha256="2" * 64)
    assert _states(ledger) == [("a.csv", "waiting"), ("b.csv", "duplicate"), ("a.csv", "waiting")]
    first, twin, _ = ledger.drops()
    assert twin.duplicate_of == first.id
    assert _finish(database)
    _register(ledger, "c.csv", model="n" * 16)
    assert _states(ledger)[0] == ("a.csv", "scored")
    assert _states(ledger)[-1] == ("c.csv", "duplicate")
    assert not _finish(database)
    assert ledger.totals()["scored"].rows_in == 3


def test_rescore_is_for_another_model_or_other_flags(database: Database, ledger: Ledger) -> None:
    _register(ledger)
    assert _finish(database)
    _register(ledger, rescore=True)
    assert not _finish(database)
    _register(ledger, rescore=False, model="n" * 16)
    assert not _finish(database, model="n" * 16)
    _register(ledger, rescore=True, model="n" * 16)
    _register(ledger, rescore=True, model="n" * 16)
    assert [(drop.state, drop.model[0]) for drop in ledger.drops()] == [("scored", "m"), ("waiting", "n")]
    assert _finish(database, model="n" * 16)
    for options in "po":
        _register(ledger, "twin.csv", rescore=True, options=options * 16)
        assert _finish(database, options=options * 16)
    assert [(drop.name, drop.state, drop.model[0], drop.options[0]) for drop in ledger.drops()] == [
        ("a.csv", "replaced", "m", "o"),
        ("a.csv", "scored", "n", "o"),
        ("a.csv", "replaced", "m", "p"),
        ("a.csv", "scored", "m", "o"),
    ]
    assert ledger.totals()["scored"].rows_in == ledger.totals()["replaced"].rows_in == 6


def test_what_fails_to_be_scored_again_stays_scored(database: Database, ledger: Ledger) -> None:
    _register(ledger)
    assert _finish(database)
    leases = Leases(database, "here:a", lambda _: False, 30.0)
    for options in "pp":
        _register(ledger, rescore=True, options=options * 16)
        lease = leases.claim("1" * 64, model="n" * 16, options=options * 16)
        if lease is not None:
            lease.fail({"error": "bad", "exit_code": 65, "rows_in": 9})
    first, again = ledger.drops()
    assert (first.state, again.state, again.attempts) == ("scored", "failed", 1)
    assert ledger.totals()["scored"].rows_in == 3
    assert not ledger.take_back(again, model=MODEL, options="q" * 16)
    assert ledger.revive([again], model=MODEL, options="q" * 16) == 1
    lease = leases.claim("1" * 64, model=MODEL, options="q" * 16)
    assert lease is not None
    assert (lease.drop.id, lease.drop.rows_in) == (again.id, 0)
    lease.fail({"error": "bad", "exit_code": 65})
    assert ledger.take_back(again, model=MODEL, options=OPTIONS)
    assert ledger.drops() == [first]


def test_who_wants_a_drop_scored_again_as_it_is_wants_nothing(database: Database, ledger: Ledger) -> None:
    _register(ledger)
    assert _finish(database)
    _register(ledger, rescore=True, options="p" * 16)
    assert not _finish(database)
    assert _states(ledger) == [("a.csv", "scored")]


def test_what_waits_to_be_scored_again_is_forgotten_with_its_file(database: Database, ledger: Ledger) -> None:
    _register(ledger)
    assert _finish(database)
    _register(ledger, rescore=True, options="p" * 16)
    ledger.mark_gone(ledger.drops()[1])
    assert _states(ledger) == [("a.csv", "scored")]


def test_what_was_gone_waits_again_when_it_comes_back(ledger: Ledger) -> None:
    _register(ledger)
    ledger.mark_gone(ledger.drops()[0])
    assert _states(ledger) == [("a.csv", "gone")]
    assert ledger.wanted_again(model=MODEL, options=OPTIONS, rescore=False) == {"1" * 64}
    _register(ledger, "b.csv")
    assert _states(ledger) == [("b.csv", "waiting")]


def test_a_file_that_could_not_be_read_becomes_a_drop_when_it_can(ledger: Ledger) -> None:
    for attempts in (1, 2):
        drop = ledger.register_unreadable(
            name="a.csv", num_bytes=5, model=MODEL, options=OPTIONS, error="no rights", retry_at=0.0
        )
        assert (drop.state, drop.attempts, drop.error, drop.sha256) == ("waiting", attempts, "no rights", "")
    ledger.give_up(drop.id)
    assert _states(ledger) == [("a.csv", "failed")]
    _register(ledger)
    assert [(drop.state, drop.sha256[:1]) for drop in ledger.drops()] == [("waiting", "1")]


def test_hashed_files(ledger: Ledger) -> None:
    _register(ledger, file=(b"a\xff.csv", "1:2:3"))
    assert ledger.hashed_files() == {b"a\xff.csv": ("1:2:3", "1" * 64)}
    _register(ledger, sha256="2" * 64, file=(b"a\xff.csv", "1:2:4"))
    assert ledger.hashed_files() == {b"a\xff.csv": ("1:2:4", "2" * 64)}
    ledger.forget_files([b"a\xff.csv"])
    assert ledger.hashed_files() == {}
