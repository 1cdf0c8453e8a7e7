"""Leases: who is scoring which drop. Whoever finds a lease run out, or its holder dead, takes the drop over.

A process renews its lease while it works. Once another one has taken the drop over, every write of the former holder is refused.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from typing import Any

from jobs.drops.ledger.database import Database
from jobs.drops.ledger.schema import FAILED, IS_SCORED_SO, SCORED, SCORING, WAITING, Drop
from pipeline.errors import CharmillError, TemporaryError


class LeaseLostError(TemporaryError):
    """Another process has taken the drop over; whatever this one has made of it is not published."""


class Lease:
    """A drop that this process holds. Each method is one transaction.

    Args:
        database: The ledger's.
        drop: As it was when it was claimed.
        owner: This process's name in the ledger.
        seconds: How long the lease lasts unless it is renewed.
    """

    def __init__(self, database: Database, drop: Drop, owner: str, seconds: float) -> None:
        self.drop = drop
        self._database = database
        self._owner = owner
        self._seconds = seconds

    def renew(self) -> None:
        """Let the lease begin anew.

        Raises:
            LeaseLostError: Another process has the drop now. So do all other methods that write.
        """
        self._update({"lease_until": time.time() + self._seconds})

    @contextmanager
    def kept_alive(self) -> Iterator[None]:
        """Renew the lease from a thread of its own, since a block may take longer than a lease."""
        stopped = threading.Event()

        def renew() -> None:
            while not stopped.wait(self._seconds / 3):
                # The disk may be full for a moment; a lost lease is noticed where it matters.
                with suppress(CharmillError), closing(Database(self._database.outbox)) as database:
                    Lease(database, self.drop, self._owner, self._seconds).renew()

        thread = threading.Thread(target=renew, name="lease", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stopped.set()
            thread.join()

    def note(self, values: Mapping[str, object]) -> None:
        """Write columns of the drop, which goes on being scored."""
        self._update(values)

    def finish(self, values: Mapping[str, object]) -> None:
        """Say that the drop is scored; values are columns. Its parts are forgotten, and its earlier scores by this model are replaced."""
        self._update({"state": SCORED, "finished_at": time.time(), **values}, is_scored=True)

    def fail(self, values: Mapping[str, object]) -> None:
        """Say that the drop cannot be scored; values are columns. Its parts are kept, in case it is tried again."""
        self._update({"state": FAILED, "finished_at": time.time(), **values})

    def release(self, values: Mapping[str, object] | None = None) -> None:
        """Let the drop wait again; its parts are kept. Values are columns, such as its error."""
        self._update({"state": WAITING, "owner": "", "lease_until": 0.0, **(values or {})})

    def _update(self, values: Mapping[str, Any], *, is_scored: bool = False) -> None:
        with self._database.transaction() as connection:
            if is_scored:
                connection.execute(
                    "UPDATE drops SET state = 'replaced' WHERE sha256 = ? AND model = ? AND state = 'scored'",
                    (self.drop.sha256, self.drop.model),
                )
            columns = ", ".join(f"{name} = ?" for name in values)
            updated = connection.execute(
                f"UPDATE drops SET {columns} WHERE id = ? AND state = 'scoring' AND owner = ?",  # noqa: S608  # words of our own
                (*values.values(), self.drop.id, self._owner),
            )
            if not updated.rowcount:
                raise self._lost()
            if is_scored:
                connection.execute("DELETE FROM parts WHERE drop_id = ?", (self.drop.id,))

    def _lost(self) -> LeaseLostError:
        return LeaseLostError(f"{self.drop.called}: another process has taken it over", path=self.drop.name)

    def parts(self) -> list[str]:
        """What `add_part` was given for the drop, by earlier holders too, in order."""
        rows = self._database.read("SELECT content FROM parts WHERE drop_id = ? ORDER BY number", self.drop.id)
        return [row[0] for row in rows]

    def add_part(self, number: int, content: str) -> None:
        """Remember a finished part."""
        with self._database.transaction() as connection:
            added = connection.execute(
                "INSERT OR REPLACE INTO parts SELECT id, ?, ? FROM drops WHERE id = ? AND state = 'scoring' AND owner = ?",
                (number, content, self.drop.id, self._owner),
            )
            if not added.rowcount:
                raise self._lost()

    def forget_parts(self, first: int) -> None:
        """Forget the parts from a number on, whoever holds the drop now."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM parts WHERE drop_id = ? AND number >= ?", (self.drop.id, first))


class Leases:
    """Claims drops for this process.

    Args:
        database: The ledger's.
        owner: This process's name in the ledger.
        is_dead: Whether the process of such a name has surely ended.
        seconds: How long a lease lasts unless it is renewed.
    """

    def __init__(self, database: Database, owner: str, is_dead: Callable[[str], bool], seconds: float) -> None:
        self._database = database
        self._owner = owner
        self._is_dead = is_dead
        self._seconds = seconds

    def claim(self, sha256: str, *, model: str, options: str) -> Lease | None:
        """Begin to score the drop of a content, if it waits for that, or if whoever began it has died.

        Args:
            sha256: The content.
            model: Fingerprint of the model at hand.
            options: Fingerprint of the flags at hand. Parts that were made with others are forgotten, and the drop itself where
                scores by this model and these flags are there.

        Returns:
            A lease; None where there is nothing to do, or another process does it.
        """
        now = time.time()
        with self._database.transaction() as connection:
            for drop in self._database.drops("sha256 = ? AND state IN ('waiting', 'scoring') ORDER BY id", sha256):
                if drop.state == WAITING and drop.retry_at > now:
                    continue
                if drop.state == SCORING and drop.lease_until > now and not self._is_dead(drop.owner):
                    continue
                if (drop.model, drop.options) != (model, options):
                    connection.execute("DELETE FROM parts WHERE drop_id = ?", (drop.id,))
                if self._database.drops(f"id = ? AND {IS_SCORED_SO}", drop.id, model, options):
                    connection.execute("DELETE FROM drops WHERE id = ?", (drop.id,))
                    continue
                connection.execute(
                    "UPDATE drops SET state = 'scoring', model = ?, options = ?, attempts = attempts + 1, error = '', exit_code = 0, "
                    "rows_in = 0, rows_scored = 0, rows_quarantined = 0, "
                    "started_at = ?, finished_at = NULL, owner = ?, lease_until = ? WHERE id = ?",
                    (model, options, now, self._owner, now + self._seconds, drop.id),
                )
                (claimed,) = self._database.drops("id = ?", drop.id)
                return Lease(self._database, claimed, self._owner, self._seconds)
        return None
