"""The ledger of drops: what came, and what became of it. `leases` says who is at work on what."""

import sqlite3
import time
from collections.abc import Collection

from jobs.drops.ledger.database import Database
from jobs.drops.ledger.schema import (
    DUPLICATE,
    FAILED,
    GONE,
    IS_SCORED_SO,
    REPLACED,
    SCORED,
    STATES,
    WAITING,
    Drop,
    StateTotals,
)
from pipeline.errors import InputError


class Ledger:
    """The drops of an outbox. Each method is one transaction, and raises what a `Database` raises."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def drops(self) -> list[Drop]:
        """All drops, in the order in which they came."""
        return self._database.drops("TRUE ORDER BY id")

    def totals(self) -> dict[str, StateTotals]:
        """The drops of each state, counted."""
        rows = self._database.read(
            "SELECT state, count(*), sum(rows_in), sum(rows_scored), sum(rows_quarantined), max(finished_at) FROM drops GROUP BY state"
        )
        found = {row[0]: StateTotals(*row[1:]) for row in rows}
        return {state: found.get(state, StateTotals()) for state in STATES}

    def wanted_again(self, *, model: str, options: str, rescore: bool) -> set[str]:
        """Contents that `register` would let wait again: what was gone, and with rescore what was not scored with this model and flags."""
        rows = self._database.read("SELECT sha256 FROM drops WHERE state = 'gone'")
        if rescore:
            rows += self._database.read(
                "SELECT sha256 FROM drops WHERE state NOT IN ('duplicate', 'replaced') "
                "GROUP BY sha256 HAVING NOT sum(model = ? AND options = ?)",
                model,
                options,
            )
        return {row[0] for row in rows}

    def unfinished_drops(self) -> list[Drop]:
        """Those that wait, are being scored, or stand failed."""
        return self._database.drops("state IN ('waiting', 'scoring', 'failed') ORDER BY id")

    def open_drops(self) -> list[Drop]:
        """Those that wait or are being scored."""
        return self._database.drops("state IN ('waiting', 'scoring') ORDER BY id")

    def failed_drops(self) -> list[Drop]:
        """Those that stand failed."""
        return self._database.drops("state = ? ORDER BY id", FAILED)

    def scored_drops(self, *, model: str, options: str) -> list[Drop]:
        """Those that have scores by a model and with flags."""
        return self._database.drops("state = 'scored' AND model = ? AND options = ? ORDER BY id", model, options)

    def hashed_files(self) -> dict[bytes, tuple[str, str]]:
        """(signature, sha256) of the inbox's files by name, as `register` was told them."""
        return {row[0]: (row[1], row[2]) for row in self._database.read("SELECT * FROM files")}

    def forget_files(self, names: list[bytes]) -> None:
        """Forget what files that are no longer in the inbox had in them."""
        if names:
            with self._database.transaction() as connection:
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
        lost_scores: int | None = None,
    ) -> tuple[Drop, Drop] | None:
        """Take note of a file in the inbox: a new drop, a duplicate, or nothing new.

        Args:
            name: The file's.
            num_bytes: Its size.
            sha256: Its content.
            model: Fingerprint of the model at hand.
            options: Fingerprint of the flags at hand.
            rescore: Score it again if it was not scored with this model and these flags.
            file: The file's name as bytes and its signature, to know its content by the next time; None where that is not safe.
            lost_scores: The number of a drop of this content whose scores are no longer in the outbox, so that it counts as not scored.

        Returns:
            A duplicate that is new, and the drop whose bytes it has; None otherwise.
        """
        with self._database.transaction() as connection:
            if file is not None:
                connection.execute("INSERT OR REPLACE INTO files VALUES (?, ?, ?)", (*file, sha256))
            connection.execute("DELETE FROM drops WHERE name = ? AND sha256 = ''", (name,))
            if lost_scores is not None:
                _mark_lost(connection, lost_scores)
            known = self._database.drops("sha256 = ? ORDER BY id", sha256)
            same = [drop for drop in known if drop.state not in {DUPLICATE, REPLACED}]
            other = next((drop for drop in same if drop.state != SCORED), None)
            wanted = rescore and all((drop.model, drop.options) != (model, options) for drop in same)
            if other is not None and (other.state == GONE or (other.state == FAILED and wanted)):
                _wait_again(connection, other.id, name)
            elif not same or (wanted and other is None):
                # Under the name of the scores that it replaces.
                name = next((drop.name for drop in same if drop.model == model), name)
                _insert(connection, name, num_bytes, sha256, WAITING, model, options)
            elif all(drop.name != name for drop in known):
                first = same[0]
                twin = _insert(connection, name, num_bytes, sha256, DUPLICATE, first.model, first.options, first.id)
                return self._database.drops("id = ?", twin)[0], first
        return None

    def register_unreadable(
        self, *, name: str, num_bytes: int, model: str, options: str, error: str, retry_at: float
    ) -> Drop:
        """Take note of a file whose content cannot even be hashed for now."""
        with self._database.transaction() as connection:
            found = self._database.drops("name = ? AND sha256 = ''", name)
            drop_id = found[0].id if found else _insert(connection, name, num_bytes, "", WAITING, model, options)
            connection.execute(
                "UPDATE drops SET state = 'waiting', attempts = attempts + 1, error = ?, exit_code = 75, retry_at = ? WHERE id = ?",
                (error, retry_at, drop_id),
            )
        return self._database.drops("id = ?", drop_id)[0]

    def take_back(self, drop: Drop, *, model: str, options: str) -> bool:
        """Forget a drop that failed to be scored again, where there are its scores by a model and with flags; returns whether it was so."""
        with self._database.transaction() as connection:
            forgotten = connection.execute(
                f"DELETE FROM drops WHERE id = ? AND sha256 = ? AND state = 'failed' AND {IS_SCORED_SO}",  # noqa: S608  # words of our own
                (drop.id, drop.sha256, model, options),
            )
        return bool(forgotten.rowcount)

    def mark_lost(self, drop_id: int) -> None:
        """Note that the scores of a drop are no longer in the outbox, so that it counts as not scored."""
        with self._database.transaction() as connection:
            _mark_lost(connection, drop_id)

    def revive(self, drops: Collection[Drop], *, model: str, options: str, all_failed: bool = False) -> int:
        """Let drops wait again that failed for another reason than what is in them, or with another model or other flags.

        Args:
            drops: Those in question. Those of them that wait for their next attempt wait no longer.
            model: Fingerprint of the model at hand.
            options: Fingerprint of the flags at hand.
            all_failed: The others too.

        Returns:
            How many those are.
        """
        with self._database.transaction() as connection:
            revived = connection.executemany(
                "UPDATE drops SET state = 'waiting' WHERE id = ? AND sha256 = ? AND state = 'failed' "
                "AND (exit_code <> ? OR model <> ? OR options <> ? OR ?)",
                [(drop.id, drop.sha256, InputError.exit_code, model, options, all_failed) for drop in drops],
            ).rowcount
            connection.executemany(
                "UPDATE drops SET retry_at = 0 WHERE id = ? AND state = 'waiting'", [(drop.id,) for drop in drops]
            )
        return max(0, revived)

    def give_up(self, drop_id: int) -> None:
        """Let a waiting drop be failed, with the error that it has."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE drops SET state = 'failed', finished_at = ? WHERE id = ? AND state = 'waiting'",
                (time.time(), drop_id),
            )

    def mark_gone(self, drop: Drop) -> None:
        """Say that the file of a drop that waits, or failed, is no longer there as it was; forget the drop where there are scores of it."""
        this = "id = ? AND sha256 = ? AND state IN ('waiting', 'failed')"
        with self._database.transaction() as connection:
            is_scored = self._database.drops("sha256 = ? AND state = 'scored'", drop.sha256)
            change = "DELETE FROM drops" if is_scored else "UPDATE drops SET state = 'gone'"
            connection.execute(f"{change} WHERE {this}", (drop.id, drop.sha256))


def _insert(
    connection: sqlite3.Connection,
    name: str,
    num_bytes: int,
    sha256: str,
    state: str,
    model: str,
    options: str,
    duplicate_of: int | None = None,
) -> int:
    inserted = connection.execute(
        "INSERT INTO drops (name, bytes, sha256, state, model, options, duplicate_of, seen_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (name, num_bytes, sha256, state, model, options, duplicate_of, time.time()),
    )
    return int(inserted.lastrowid or 0)


def _mark_lost(connection: sqlite3.Connection, drop_id: int) -> None:
    connection.execute("UPDATE drops SET state = 'replaced' WHERE id = ? AND state = 'scored'", (drop_id,))


def _wait_again(connection: sqlite3.Connection, drop_id: int, name: str) -> None:
    connection.execute(
        "UPDATE drops SET state = 'waiting', name = ?, attempts = 0, error = '', exit_code = 0, retry_at = 0 WHERE id = ?",
        (name, drop_id),
    )
