"""The SQLite file of a ledger: opened, made, locked for a transaction, and its errors turned into charmill's."""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path

from jobs.drops.ledger.schema import FORMAT_VERSION, SCHEMA, Drop
from pipeline.errors import InputError, MismatchError, TemporaryError, UsageError

LEDGER = "ledger.sqlite"

_NOT_ALLOWED = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH}
_TEMPORARY = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_INTERRUPT,
    sqlite3.SQLITE_PROTOCOL,
}
_PAUSE_SECONDS = 0.02
_COLUMNS = ", ".join(field.name for field in fields(Drop))


class Database:
    """The file in an outbox, which is made if need be. Not to be shared by threads.

    Args:
        outbox: The folder.
        busy_seconds: How long to wait for the transaction of another process.
        read_only: Never write, as to look at the state of things.

    Raises:
        TemporaryError: The file is locked by another process for too long, or the disk is full.
        InputError: The file is damaged.
        MismatchError: It is of another format version.
    """

    def __init__(self, outbox: Path, *, busy_seconds: float = 30.0, read_only: bool = False) -> None:
        self.outbox = outbox
        self._path = outbox / LEDGER
        self._busy_seconds = busy_seconds
        with self._errors():
            self._connection = self._connect("?mode=ro" if read_only else "")
            if not read_only:
                self._set_log()
                # NORMAL could forget the last commits in a power cut.
                self._connection.execute("PRAGMA synchronous = FULL")
                self._connection.execute("PRAGMA foreign_keys = ON")
                self._create()
            (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        if version != FORMAT_VERSION:
            raise MismatchError(
                f"{self._path}: format_version is {version}, expected {FORMAT_VERSION}; use the charmill that made it, or another --outbox",
                path=self._path,
            )

    def _connect(self, mode: str) -> sqlite3.Connection:
        where = Path(os.path.realpath(self._path)).as_uri()
        connection = sqlite3.connect(where + mode, uri=True, timeout=self._busy_seconds, isolation_level=None)
        connection.row_factory = sqlite3.Row
        try:
            connection.execute("PRAGMA user_version")
        except sqlite3.OperationalError:
            connection.close()
            if not mode or self._path.with_name(f"{LEDGER}-wal").exists():
                raise
            # Even to read, SQLite wants to write beside the file, unless it is told that nobody else does; with no log, nobody has.
            connection = sqlite3.connect(f"{where}{mode}&immutable=1", uri=True, isolation_level=None)
            connection.row_factory = sqlite3.Row
        return connection

    def _set_log(self) -> None:
        """Keep a write-ahead log. SQLite does not wait here for another process that is just doing the same."""
        deadline = time.monotonic() + self._busy_seconds
        while True:
            try:
                self._connection.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
                time.sleep(_PAUSE_SECONDS)
            else:
                return

    def _create(self) -> None:
        with self.transaction() as connection:
            if not connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
                for statement in SCHEMA.split(";\n"):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {FORMAT_VERSION}")

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            code = error.sqlite_errorcode & 0xFF if error.sqlite_errorcode is not None else sqlite3.SQLITE_CORRUPT
            if code in _NOT_ALLOWED:
                raise UsageError(
                    f"{self._path}: the ledger may not be written ({error}); check the rights of its folder",
                    path=self._path,
                ) from error
            if code in _TEMPORARY:
                raise TemporaryError(
                    f"{self._path}: the ledger cannot be used now ({error}); run this again", path=self._path
                ) from error
            raise InputError(
                f"{self._path}: the ledger is damaged ({error}); restore it from a backup, or move it away and every drop is scored again",
                path=self._path,
            ) from error

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Write through the connection: all of it when the block ends, nothing of it when the block raises.

        Raises:
            CharmillError: The file cannot be written, or not now.
        """
        with self._errors():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def read(self, statement: str, *values: object) -> list[sqlite3.Row]:
        """The rows that a SELECT gives.

        Raises:
            CharmillError: The file cannot be read, or not now.
        """
        with self._errors():
            return self._connection.execute(statement, values).fetchall()

    def drops(self, where: str, *values: object) -> list[Drop]:
        """The drops for which a condition of SQL is true, as `read` gives rows."""
        return [Drop(**row) for row in self.read(f"SELECT {_COLUMNS} FROM drops WHERE {where}", *values)]  # noqa: S608  # words of our own
