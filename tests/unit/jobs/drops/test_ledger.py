"""The ledger: who may do what with a drop, and what is remembered of it."""

import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jobs.drops import ledger as ledger_module
from jobs.drops.ledger import LeaseLostError, Ledger
from jobs.drops.schema import Drop
from jobs.drops.worker import Owner
from pipeline.errors import InputError, MismatchError, TemporaryError, UsageError

MODEL, OPTIONS = "m" * 16, "o" * 16


def _register(ledger: Ledger, name: str = "a.csv", sha256: str = "1" * 64, **more: Any) -> None:
    values: dict[str, Any] = {"num_bytes": 5, "model": MODEL, "options": OPTIONS, "rescore": False, "file": None}
    ledger.register(name=name, sha256=sha256, **(values | more))


def _claim(
    ledger: Ledger, sha256: str = "1" * 64, *, model: str = MODEL, options: str = OPTIONS, dead: bool = False
) -> Drop | None:
    return ledger.claim(sha256, model=model, options=options, is_dead=lambda _: dead)


def _claimed(ledger: Ledger, **more: Any) -> Drop:
    drop = _claim(ledger, **more)
    assert drop is not None
    return drop


def _states(ledger: Ledger) -> list[tuple[str, str]]:
    return [(drop.name, drop.state) for drop in ledger.drops()]


@pytest.fixture
def ours(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path, owner="here:a")


@pytest.fixture
def theirs(tmp_path: Path, ours: Ledger) -> Ledger:
    return Ledger(tmp_path, owner="here:b")


def test_a_drop_is_its_content(ours: Ledger) -> None:
    _register(ours)
    _register(ours)
    _register(ours, "b.csv")
    _register(ours, "b.csv")
    _register(ours, sha256="2" * 64)
    assert _states(ours) == [("a.csv", "waiting"), ("b.csv", "duplicate"), ("a.csv", "waiting")]
    first, twin, _ = ours.drops()
    assert twin.duplicate_of == first.id
    ours.finish(_claimed(ours), {"rows_in": 3})
    _register(ours, "c.csv", model="n" * 16)
    assert _states(ours)[0] == ("a.csv", "scored")
    assert _states(ours)[-1] == ("c.csv", "duplicate")
    assert _claim(ours) is None


def test_only_one_has_a_drop_at_a_time(ours: Ledger, theirs: Ledger) -> None:
    _register(ours)
    drop = _claimed(ours)
    assert (drop.state, drop.attempts, drop.owner) == ("scoring", 1, "here:a")
    assert _claim(theirs) is None
    assert _claim(ours) is None
    ours.release(drop)
    assert _claimed(theirs).attempts == 2
    with pytest.raises(LeaseLostError, match=r"a\.csv: another process"):
        ours.renew(drop)


@pytest.mark.parametrize("how", ["dead", "silent"])
def test_a_lease_passes_to_another_and_its_former_holder_can_write_nothing(
    how: str, ours: Ledger, theirs: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    _register(ours)
    drop = _claimed(ours)
    ours.add_part(drop, 0, "part")
    if how == "silent":
        now = time.time()
        monkeypatch.setattr(time, "time", lambda: now + 31)
    taken = _claimed(theirs, dead=how == "dead")
    assert theirs.parts(taken) == ["part"]
    writes: list[Callable[[], None]] = [
        lambda: ours.renew(drop),
        lambda: ours.finish(drop, {"rows_in": 9}),
        lambda: ours.fail(drop, {"error": "x"}),
        lambda: ours.release(drop),
        lambda: ours.note(drop, {"rows_in": 9}),
        lambda: ours.add_part(drop, 1, "late"),
    ]
    for write in writes:
        with pytest.raises(LeaseLostError):
            write()
    assert theirs.parts(taken) == ["part"]
    theirs.finish(taken, {"rows_in": 1})
    assert [(drop.state, drop.rows_in) for drop in ours.drops()] == [("scored", 1)]


def test_a_renewed_lease_lasts(ours: Ledger, theirs: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    _register(ours)
    drop = _claimed(ours)
    start = time.time()
    for seconds in (20, 40, 60):
        monkeypatch.setattr(time, "time", lambda seconds=seconds: start + seconds)
        ours.renew(drop)
        assert _claim(theirs) is None


def test_parts_belong_to_a_model_and_flags(ours: Ledger) -> None:
    _register(ours)
    drop = _claimed(ours)
    ours.add_part(drop, 0, "zero")
    ours.add_part(drop, 1, "one")
    ours.release(drop)
    assert ours.parts(_claimed(ours)) == ["zero", "one"]
    ours.forget_parts(drop, 1)
    assert ours.parts(drop) == ["zero"]
    ours.release(drop)
    assert ours.parts(_claimed(ours, options="p" * 16)) == []
    ours.add_part(drop, 0, "zero")
    ours.finish(drop, {})
    assert ours.parts(drop) == []


def test_rescore_is_for_another_model_or_other_flags(ours: Ledger) -> None:
    _register(ours)
    ours.finish(_claimed(ours), {})
    _register(ours, rescore=True)
    assert _claim(ours) is None
    _register(ours, rescore=False, model="n" * 16)
    assert _claim(ours, model="n" * 16) is None
    _register(ours, rescore=True, model="n" * 16)
    _register(ours, rescore=True, model="n" * 16)
    assert _claimed(ours, model="n" * 16).model == "n" * 16
    assert [(drop.state, drop.model[0]) for drop in ours.drops()] == [("scored", "m"), ("scoring", "n")]
    ours.finish(ours.drops()[1], {})
    _register(ours, rescore=True, options="p" * 16)
    ours.finish(_claimed(ours, options="p" * 16), {})
    assert [(drop.state, drop.model[0], drop.options[0]) for drop in ours.drops()] == [
        ("scored", "m", "p"),
        ("scored", "n", "o"),
    ]


def test_a_waiting_drop_is_scored_with_the_model_at_hand_and_once(ours: Ledger) -> None:
    _register(ours)
    drop = _claimed(ours, model="n" * 16)
    assert drop.model == "n" * 16
    ours.finish(drop, {})
    assert _claim(ours) is None


def test_temporary_trouble_is_not_tried_before_its_time(ours: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    _register(ours)
    ours.release(_claimed(ours), {"error": "full", "exit_code": 75, "retry_at": time.time() + 100})
    assert _claim(ours) is None
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 101)
    ours.fail(_claimed(ours), {"error": "full", "exit_code": 75})
    assert _claim(ours) is None
    ours.revive()
    assert _claimed(ours).attempts == 3


def test_what_failed_for_good_stays_so(ours: Ledger) -> None:
    _register(ours)
    ours.fail(_claimed(ours), {"error": "bad", "exit_code": 65})
    ours.revive()
    _register(ours)
    assert _claim(ours) is None
    _register(ours, rescore=True, options="p" * 16)
    assert _claimed(ours, options="p" * 16).error == ""


def test_all_that_failed_can_be_tried_again(ours: Ledger) -> None:
    _register(ours)
    ours.fail(_claimed(ours), {"error": "bad", "exit_code": 65})
    ours.revive(all_failed=True)
    assert _claimed(ours).attempts == 2


def test_what_was_gone_waits_again_when_it_comes_back(ours: Ledger) -> None:
    _register(ours)
    ours.mark_gone(1)
    assert _claim(ours) is None
    _register(ours, "b.csv")
    assert _states(ours) == [("b.csv", "waiting")]


def test_a_file_that_could_not_be_read_becomes_a_drop_when_it_can(ours: Ledger) -> None:
    for attempts in (1, 2):
        drop = ours.register_unreadable(
            name="a.csv", num_bytes=5, model=MODEL, options=OPTIONS, error="no rights", retry_at=0.0
        )
        assert (drop.state, drop.attempts, drop.error, drop.sha256) == ("waiting", attempts, "no rights", "")
    ours.give_up(drop.id)
    assert _states(ours) == [("a.csv", "failed")]
    _register(ours)
    assert [(drop.state, drop.sha256[:1]) for drop in ours.drops()] == [("waiting", "1")]


def test_hashed_files(ours: Ledger) -> None:
    _register(ours, file=(b"a\xff.csv", "1:2:3"))
    assert ours.hashed_files() == {b"a\xff.csv": ("1:2:3", "1" * 64)}
    _register(ours, sha256="2" * 64, file=(b"a\xff.csv", "1:2:4"))
    assert ours.hashed_files() == {b"a\xff.csv": ("1:2:4", "2" * 64)}
    ours.forget_files([b"a\xff.csv"])
    assert ours.hashed_files() == {}


def test_it_is_durable_and_written_ahead(ours: Ledger) -> None:
    connection = ours._connection
    assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    assert connection.execute("PRAGMA synchronous").fetchone()[0] == 2


def test_a_reader_changes_nothing(tmp_path: Path, ours: Ledger) -> None:
    _register(ours)
    reader = Ledger(tmp_path, read_only=True)
    assert _states(reader) == [("a.csv", "waiting")]
    with pytest.raises(UsageError, match=r"may not be written.*readonly"):
        _register(reader, "b.csv")


@pytest.mark.parametrize("statement", ["DROP TABLE drops", "ALTER TABLE drops RENAME COLUMN rows_in TO other"])
def test_a_ledger_of_another_shape_is_damaged(tmp_path: Path, ours: Ledger, statement: str) -> None:
    ours._connection.execute("DROP INDEX drops_once")
    ours._connection.execute(statement)
    ours.close()
    with pytest.raises(InputError, match="the ledger is damaged"):
        Ledger(tmp_path).drops()


def test_a_column_more_does_no_harm(ours: Ledger) -> None:
    ours._connection.execute("ALTER TABLE drops ADD COLUMN note TEXT")
    _register(ours)
    assert _claim(ours) is not None


def test_a_file_that_is_no_ledger(tmp_path: Path) -> None:
    (tmp_path / "ledger.sqlite").write_bytes(b"not a database, but long enough to look like one" * 100)
    with pytest.raises(InputError, match="the ledger is damaged"):
        Ledger(tmp_path)


def test_another_format_version(tmp_path: Path, ours: Ledger) -> None:
    ours.close()
    with sqlite3.connect(tmp_path / "ledger.sqlite") as connection:
        connection.execute("PRAGMA user_version = 2")
    connection.close()
    with pytest.raises(MismatchError, match="format_version is 2, expected 1"):
        Ledger(tmp_path)


def test_a_ledger_locked_for_too_long_is_temporary(
    tmp_path: Path, ours: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_module, "BUSY_SECONDS", 0.01)
    theirs = Ledger(tmp_path)
    with ours._transaction(), pytest.raises(TemporaryError, match="locked"):
        _register(theirs)
    _register(theirs)


def test_an_error_within_a_transaction_undoes_it(ours: Ledger) -> None:
    def interrupted() -> None:
        with ours._transaction() as connection:
            connection.execute("INSERT INTO files VALUES (x'61', 's', 'h')")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert ours.hashed_files() == {}


def test_owners(tmp_path: Path) -> None:
    mine = Owner(tmp_path)
    assert not mine.is_dead(mine.name)
    code = f"import sys; sys.path.insert(0, {str(Path.cwd())!r}); from pathlib import Path; from jobs.drops.worker import Owner\n"
    code += f"owner = Owner(Path({str(tmp_path)!r})); print(owner.name, flush=True); sys.stdin.read()"
    other = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    name = other.stdout.readline().strip()
    assert not mine.is_dead(name)
    assert not mine.is_dead(f"another-{name}")  # Of another host nothing is known.
    other.kill()
    other.communicate()
    assert mine.is_dead(name)
    assert mine.is_dead(name)
    mine.sweep()
    mine.close()
    assert list(tmp_path.iterdir()) == []
    assert Owner(tmp_path).is_dead(mine.name)
