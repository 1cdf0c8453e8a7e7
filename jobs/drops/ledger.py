"""The ledger of drops: one SQLite file in the outbox that says what came, what became of it, and who is at work on it.

Each change of state is one transaction. A process holds a drop by a lease that it renews while it works; whoever finds the lease run out,
or its holder dead, takes the drop over, and the former holder's next write is refused (`LeaseLostError`).
"""

import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

from jobs.drops.schema import (
    DUPLICATE,
    FAILED,
    FORMAT_VERSION,
    GONE,
    SCHEMA,
    SCORED,
    SCORING,
    STATES,
    WAITING,
    Drop,
    StateTotals,
)
from pipeline.errors import InputError, MismatchError, TemporaryError, UsageError

LEDGER = "ledger.sqlite"
BUSY_SECONDS = 30.0

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
_COLUMNS = ", ".join(field.name for field in fields(Drop))


class LeaseLostError(TemporaryError):
    """Another process has taken the drop over; whatever this one has made of it is not published."""


class Ledger:
    """The ledger in an outbox, which is made if need be.

    Every method is one transaction. Not to be shared by threads.

    Args:
        outbox: The folder.
        owner: The name under which this process holds leases.
        lease_seconds: How long a lease lasts unless it is renewed.
        read_only: Never write, as to look at the state of things.

    Raises:
        TemporaryError: The file is locked by another process for too long, or the disk is full.
        InputError: The file is damaged.
        MismatchError: It is of another format version.
    """

    def __init__(self, outbox: Path, *, owner: str = "", lease_seconds: float = 30.0, read_only: bool = False) -> None:
        self.path = outbox / LEDGER
        self._owner = owner
        self._lease_seconds = lease_seconds
        with self._errors():
            self._connection = self._connect("?mode=ro" if read_only else "")
            if not read_only:
                self._connection.execute("PRAGMA journal_mode = WAL")
                # NORMAL could forget the last commits in a power cut.
                self._connection.execute("PRAGMA synchronous = FULL")
                self._connection.execute("PRAGMA foreign_keys = ON")
                self._create()
            (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        if version != FORMAT_VERSION:
            raise MismatchError(
                f"{self.path}: format_version is {version}, expected {FORMAT_VERSION}; use the charmill that made it, or another --outbox",
                path=self.path,
            )

    def _connect(self, mode: str) -> sqlite3.Connection:
        where = self.path.resolve().as_uri()
        connection = sqlite3.connect(where + mode, uri=True, timeout=BUSY_SECONDS, isolation_level=None)
        connection.row_factory = sqlite3.Row
        try:
            connection.execute("PRAGMA user_version")
        except sqlite3.OperationalError:
            connection.close()
            if not mode or self.path.with_name(f"{LEDGER}-wal").exists():
                raise
            # Even to read, SQLite wants to write beside the file, unless it is told that nobody else does; with no log, nobody has.
            connection = sqlite3.connect(f"{where}{mode}&immutable=1", uri=True, isolation_level=None)
            connection.row_factory = sqlite3.Row
        return connection

    def _create(self) -> None:
        with self._transaction() as connection:
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
                    f"{self.path}: the ledger may not be written ({error}); check the rights of its folder",
                    path=self.path,
                ) from error
            if code in _TEMPORARY:
                raise TemporaryError(
                    f"{self.path}: the ledger cannot be used now ({error}); run this again", path=self.path
                ) from error
            raise InputError(
                f"{self.path}: the ledger is damaged ({error}); restore it from a backup, or move it away and every drop is scored again",
                path=self.path,
            ) from error

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._errors():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def _select(self, where: str, *values: object) -> list[Drop]:
        with self._errors():
            rows = self._connection.execute(f"SELECT {_COLUMNS} FROM drops WHERE {where}", values)  # noqa: S608  # words of our own
            return [Drop(**row) for row in rows]

    def drops(self) -> list[Drop]:
        """All drops, in the order in which they came."""
        return self._select("TRUE ORDER BY id")

    def totals(self) -> dict[str, StateTotals]:
        """The drops of each state, counted."""
        with self._errors():
            rows = self._connection.execute(
                "SELECT state, count(*), sum(rows_in), sum(rows_scored), sum(rows_quarantined), max(finished_at) FROM drops GROUP BY state"
            )
            found = {row[0]: StateTotals(*row[1:]) for row in rows}
        return {state: found.get(state, StateTotals()) for state in STATES}

    def wanted_again(self, *, model: str, options: str, rescore: bool) -> set[str]:
        """Contents that `register` would let wait again: what was gone, and with rescore what was not scored with this model and flags."""
        with self._errors():
            wanted = {row[0] for row in self._connection.execute("SELECT sha256 FROM drops WHERE state = 'gone'")}
            if rescore:
                rows = self._connection.execute(
                    "SELECT sha256 FROM drops GROUP BY sha256 HAVING NOT sum(model = ? AND options = ?)",
                    (model, options),
                )
                wanted |= {row[0] for row in rows}
        return wanted

    def open_drops(self) -> list[Drop]:
        """Those that wait or are being scored."""
        return self._select("state IN ('waiting', 'scoring') ORDER BY id")

    def hashed_files(self) -> dict[bytes, tuple[str, str]]:
        """(signature, sha256) of the inbox's files by name, as `register` was told them."""
        with self._errors():
            return {row[0]: (row[1], row[2]) for row in self._connection.execute("SELECT * FROM files")}

    def forget_files(self, names: list[bytes]) -> None:
        """Forget what files that are no longer in the inbox had in them."""
        if names:
            with self._transaction() as connection:
                connection.executemany("DELETE FROM files WHERE name = ?", [(name,) for name in names])

    def register(
        self,
        *,
        name: str,
        num_bytes: int,
        sha256: str,
        model: str,
        options: str,
        rescore: bool,
        file: tuple[bytes, str] | None,
    ) -> None:
        """Take note of a file in the inbox: a new drop, a duplicate, or nothing new.

        Args:
            name: The file's.
            num_bytes: Its size.
            sha256: Its content.
            model: Fingerprint of the model at hand.
            options: Fingerprint of the flags at hand.
            rescore: Score it again if it was not scored with this model and these flags.
            file: The file's name as bytes and its signature, to know its content by the next time; None where that is not safe.
        """
        with self._transaction() as connection:
            if file is not None:
                connection.execute("INSERT OR REPLACE INTO files VALUES (?, ?, ?)", (*file, sha256))
            connection.execute("DELETE FROM drops WHERE name = ? AND sha256 = ''", (name,))
            known = self._select("sha256 = ? ORDER BY id", sha256)
            same = [drop for drop in known if drop.state != DUPLICATE]
            gone = next((drop for drop in same if drop.state == GONE), None)
            is_open = any(drop.state in {WAITING, SCORING} for drop in same)
            if gone is not None and not is_open:
                self._wait_again(gone.id, name)
            elif rescore and not is_open and all((drop.model, drop.options) != (model, options) for drop in same):
                other = next((drop for drop in same if drop.model == model), None)
                if other is not None:
                    self._wait_again(other.id, name)
                else:
                    self._insert(name, num_bytes, sha256, WAITING, model, options)
            elif not same:
                self._insert(name, num_bytes, sha256, WAITING, model, options)
            elif all(drop.name != name for drop in known):
                self._insert(name, num_bytes, sha256, DUPLICATE, same[0].model, same[0].options, same[0].id)

    def _insert(
        self,
        name: str,
        num_bytes: int,
        sha256: str,
        state: str,
        model: str,
        options: str,
        duplicate_of: int | None = None,
    ) -> int:
        inserted = self._connection.execute(
            "INSERT INTO drops (name, bytes, sha256, state, model, options, duplicate_of, seen_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (name, num_bytes, sha256, state, model, options, duplicate_of, time.time()),
        )
        return int(inserted.lastrowid or 0)

    def _wait_again(self, drop_id: int, name: str) -> None:
        self._connection.execute(
            "UPDATE drops SET state = 'waiting', name = ?, attempts = 0, error = '', exit_code = 0, retry_at = 0 WHERE id = ?",
            (name, drop_id),
        )

    def register_unreadable(
        self, *, name: str, num_bytes: int, model: str, options: str, error: str, retry_at: float
    ) -> Drop:
        """Take note of a file whose content cannot even be hashed for now."""
        with self._transaction() as connection:
            found = self._select("name = ? AND sha256 = ''", name)
            drop_id = found[0].id if found else self._insert(name, num_bytes, "", WAITING, model, options)
            connection.execute(
                "UPDATE drops SET state = 'waiting', attempts = attempts + 1, error = ?, exit_code = 75, retry_at = ? WHERE id = ?",
                (error, retry_at, drop_id),
            )
        return self._select("id = ?", drop_id)[0]

    def revive(self, *, all_failed: bool = False) -> None:
        """Let drops wait again that failed for other reasons than what is in them, as when a new process begins.

        Args:
            all_failed: The others too.
        """
        with self._transaction() as connection:
            connection.execute(
                "UPDATE drops SET state = 'waiting' WHERE state = 'failed' AND (exit_code <> ? OR ?)",
                (InputError.exit_code, all_failed),
            )
            connection.execute("UPDATE drops SET retry_at = 0 WHERE state = 'waiting'")

    def give_up(self, drop_id: int) -> None:
        """Let a waiting drop be failed, with the error that it has."""
        with self._transaction() as connection:
            connection.execute(
                "UPDATE drops SET state = 'failed', finished_at = ? WHERE id = ? AND state = 'waiting'",
                (time.time(), drop_id),
            )

    def mark_gone(self, drop_id: int) -> None:
        """Say that a waiting drop's file is no longer there."""
        with self._transaction() as connection:
            connection.execute("UPDATE drops SET state = 'gone' WHERE id = ? AND state = 'waiting'", (drop_id,))

    def claim(self, sha256: str, *, model: str, options: str, is_dead: Callable[[str], bool]) -> Drop | None:
        """Begin to score the drop of a content, if it waits for that, or if whoever began it has died.

        Args:
            sha256: The content.
            model: Fingerprint of the model at hand.
            options: Fingerprint of the flags at hand. Parts that were made with others are forgotten.
            is_dead: Whether the process of a name has ended.

        Returns:
            The drop, leased to this process; None where there is nothing to do, or another process does it.
        """
        now = time.time()
        with self._transaction() as connection:
            for drop in self._select("sha256 = ? AND state IN ('waiting', 'scoring') ORDER BY id", sha256):
                if drop.state == WAITING and drop.retry_at > now:
                    continue
                if drop.state == SCORING and drop.lease_until > now and not is_dead(drop.owner):
                    continue
                if (drop.model, drop.options) != (model, options):
                    connection.execute("DELETE FROM parts WHERE drop_id = ?", (drop.id,))
                other = self._select(
                    "sha256 = ? AND model = ? AND id <> ? AND state <> 'duplicate'", sha256, model, drop.id
                )
                if other:  # It was scored with this model meanwhile.
                    connection.execute(
                        "UPDATE drops SET state = 'duplicate', duplicate_of = ? WHERE id = ?", (other[0].id, drop.id)
                    )
                    continue
                connection.execute(
                    "UPDATE drops SET state = 'scoring', model = ?, options = ?, attempts = attempts + 1, error = '', exit_code = 0, "
                    "started_at = ?, finished_at = NULL, owner = ?, lease_until = ? WHERE id = ?",
                    (model, options, now, self._owner, now + self._lease_seconds, drop.id),
                )
                return self._select("id = ?", drop.id)[0]
        return None

    def renew(self, drop: Drop) -> None:
        """Extend a lease.

        Raises:
            LeaseLostError: Another process has the drop now.
        """
        self._update_held(drop, {"lease_until": time.time() + self._lease_seconds})

    def note(self, drop: Drop, values: Mapping[str, object]) -> None:
        """Write columns of a drop that goes on being scored."""
        self._update_held(drop, values)

    def finish(self, drop: Drop, values: Mapping[str, object]) -> None:
        """Say that a drop is scored; values are columns."""
        self._update_held(drop, {"state": SCORED, "finished_at": time.time(), **values}, forget_parts=True)

    def fail(self, drop: Drop, values: Mapping[str, object]) -> None:
        """Say that a drop cannot be scored; values are columns. Its parts are kept, in case it is tried again."""
        self._update_held(drop, {"state": FAILED, "finished_at": time.time(), **values})

    def release(self, drop: Drop, values: Mapping[str, object] | None = None) -> None:
        """Let a drop wait again; its parts are kept. Values are columns, such as its error."""
        self._update_held(drop, {"state": WAITING, "owner": "", "lease_until": 0.0, **(values or {})})

    def _update_held(self, drop: Drop, values: Mapping[str, Any], *, forget_parts: bool = False) -> None:
        with self._transaction() as connection:
            columns = ", ".join(f"{name} = ?" for name in values)
            updated = connection.execute(
                f"UPDATE drops SET {columns} WHERE id = ? AND state = 'scoring' AND owner = ?",  # noqa: S608  # words of our own
                (*values.values(), drop.id, self._owner),
            )
            if not updated.rowcount:
                raise _lease_lost(drop)
            if forget_parts:
                connection.execute("DELETE FROM parts WHERE drop_id = ?", (drop.id,))

    def parts(self, drop: Drop) -> list[str]:
        """What `add_part` was given for a drop, in order."""
        with self._errors():
            rows = self._connection.execute("SELECT content FROM parts WHERE drop_id = ? ORDER BY number", (drop.id,))
            return [row[0] for row in rows]

    def add_part(self, drop: Drop, number: int, content: str) -> None:
        """Remember a finished part.

        Raises:
            LeaseLostError: Another process has the drop now.
        """
        with self._transaction() as connection:
            added = connection.execute(
                "INSERT OR REPLACE INTO parts SELECT id, ?, ? FROM drops WHERE id = ? AND state = 'scoring' AND owner = ?",
                (number, content, drop.id, self._owner),
            )
            if not added.rowcount:
                raise _lease_lost(drop)

    def forget_parts(self, drop: Drop, first: int) -> None:
        """Forget the parts of a drop from a number on."""
        with self._transaction() as connection:
            connection.execute("DELETE FROM parts WHERE drop_id = ? AND number >= ?", (drop.id, first))


def _lease_lost(drop: Drop) -> LeaseLostError:
    return LeaseLostError(f"{drop.name}: another process has taken it over", path=drop.name)
