"""The file of a ledger: what is made, what is refused, and what becomes of errors."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from threading import Timer

import pytest

from jobs.drops.ledger.database import Database
from pipeline.errors import InputError, MismatchError, TemporaryError, UsageError

FILE = "INSERT INTO files VALUES (x'61', 's', 'h')"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with closing(Database(tmp_path)) as database:
        yield database


def _num_files(database: Database) -> int:
    return len(database.read("SELECT * FROM files"))


def _change(outbox: Path, *statements: str) -> None:
    """Do something to the file that charmill would not do."""
    with closing(sqlite3.connect(outbox / "ledger.sqlite")) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def test_it_is_durable_and_written_ahead(database: Database) -> None:
    with database.transaction() as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
        assert connection.execute("PRAGMA synchronous").fetchone()[0] == 2


def test_a_transaction_is_seen_by_others_as_a_whole(tmp_path: Path, database: Database) -> None:
    with closing(Database(tmp_path, read_only=True)) as other:
        with database.transaction() as connection:
            connection.execute(FILE)
            assert (_num_files(database), _num_files(other)) == (1, 0)
        assert _num_files(other) == 1


def test_an_error_within_a_transaction_undoes_it(database: Database) -> None:
    def interrupted() -> None:
        with database.transaction() as connection:
            connection.execute(FILE)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert _num_files(database) == 0


def test_a_reader_changes_nothing(tmp_path: Path, database: Database) -> None:
    with closing(Database(tmp_path, read_only=True)) as reader:
        assert reader.drops("TRUE") == []
        with pytest.raises(UsageError, match=r"may not be written.*readonly"), reader.transaction() as connection:
            connection.execute(FILE)


@pytest.mark.parametrize("statement", ["DROP TABLE drops", "ALTER TABLE drops RENAME COLUMN rows_in TO other"])
def test_a_ledger_of_another_shape_is_damaged(tmp_path: Path, database: Database, statement: str) -> None:
    database.close()
    _change(tmp_path, "DROP INDEX drops_scored_once", statement)
    with closing(Database(tmp_path)) as damaged, pytest.raises(InputError, match="the ledger is damaged"):
        damaged.drops("TRUE")


def test_a_file_that_is_no_ledger(tmp_path: Path) -> None:
    (tmp_path / "ledger.sqlite").write_bytes(b"not a database, but long enough to look like one" * 100)
    with pytest.raises(InputError, match="the ledger is damaged"):
        Database(tmp_path)


def test_another_format_version(tmp_path: Path, database: Database) -> None:
    database.close()
    _change(tmp_path, "PRAGMA user_version = 1")
    with pytest.raises(
        MismatchError, match="format_version is 1, expected 2; use the charmill that made it, or another --outbox"
    ):
        Database(tmp_path)


def test_a_ledger_locked_for_too_long_is_temporary(tmp_path: Path, database: Database) -> None:
    with closing(Database(tmp_path, busy_seconds=0.01)) as other:
        with database.transaction(), pytest.raises(TemporaryError, match="locked"), other.transaction():
            pass
        with other.transaction() as connection:
            connection.execute(FILE)
    assert _num_files(database) == 1


def test_it_waits_for_another_process_that_is_making_it(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "ledger.sqlite", isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        timer = Timer(0.2, other.execute, ["ROLLBACK"])
        timer.start()
        Database(tmp_path).close()
        timer.join()
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(TemporaryError, match="database is locked"):
            Database(tmp_path, busy_seconds=0.1)
        other.execute("ROLLBACK")
