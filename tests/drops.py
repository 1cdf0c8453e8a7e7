"""Inboxes to score: a few drops of each kind, and what an undisturbed run makes of them."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.commands import Done, call
from tests.datasets import make_csv, shared_run

FLAGS: tuple[object, ...] = ("--text", "title", "--settle", 0, "--threads", 1, "--retry-seconds", 0.01)

SMALL_PARTS = """
from model.scoring.scorer import Scorer
from pipeline.formats.csv import scanner
Scorer.__init__.__kwdefaults__["part_bytes"] = 2000
scanner.BLOCK_RECORDS = 20
"""
"""A prelude: a drop of 200 rows has several parts."""


def fill(inbox: Path, num_drops: int = 3, num_rows: int = 60) -> Path:
    """Drops with a bad line each, and a duplicate of the first one."""
    inbox.mkdir(parents=True, exist_ok=True)
    for number in range(num_drops):
        path = make_csv(inbox / f"drop{number}.csv", num_rows, seed=number)
        path.write_bytes(path.read_bytes() + b"bad\n")
    shutil.copy(inbox / "drop0.csv", inbox / "twin.csv")
    return inbox


def tokens(inbox: Path, outbox: Path, *more: object) -> list[object]:
    return ["--inbox", inbox, "--outbox", outbox, "--run", shared_run(), *FLAGS, *more]


def run_once(inbox: Path, outbox: Path, *more: object, **how: Any) -> Done:
    return call("drops", *tokens(inbox, outbox, "--once", "--json", *more), **how)


def published(outbox: Path) -> dict[str, bytes]:
    """What a user sees in an outbox, but for the ledger."""
    return {path.name: path.read_bytes() for path in sorted(outbox.glob("*.parquet"))}


def ledger(outbox: Path, *columns: str) -> list[tuple[Any, ...]]:
    """Columns of the ledger's drops, by name."""
    with closing(sqlite3.connect(outbox / "ledger.sqlite")) as connection:
        return connection.execute(f"SELECT {', '.join(columns)} FROM drops ORDER BY name").fetchall()


KILL_AT = """
import os, signal
from contextlib import contextmanager
from pathlib import Path
from jobs.drops.ledger import Ledger
left = [{step}]
def tick():
    left[0] -= 1
    if left[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)
def counted(change):
    def step(*args, **kwargs):
        tick()
        return change(*args, **kwargs)
    return step
os.fsync, os.mkdir = counted(os.fsync), counted(os.mkdir)
Path.replace, Path.unlink = counted(Path.replace), counted(Path.unlink)
transaction = Ledger._transaction
@contextmanager
def counted_transaction(self):
    with transaction(self) as connection:
        yield connection
        tick()
    tick()
Ledger._transaction = counted_transaction
"""
"""A prelude: SIGKILL before the STEP-th change that another process could see, ledger entries included."""
