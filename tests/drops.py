"""Inboxes to score: a few drops of each kind, and ways to score them, in this process or in one that may be killed."""

import shutil
import sqlite3
import subprocess
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jobs.cli.reading_flags import ReadingConfig
from jobs.cli.scoring_flags import ScoringConfig
from jobs.drops.config import DropsConfig
from jobs.drops.inbox_scorer import InboxScorer, Note
from model.architectures.trained import Model
from model.runs.model_file import read_model
from model.scoring.scorer import Scorer
from pipeline.execution.meter import Meters, silent
from pipeline.formats.csv import scanner
from tests.commands import run_here
from tests.datasets import make_csv, shared_run

READING = ReadingConfig(text="title")

SMALL_PARTS = """
from model.scoring.scorer import Scorer
from pipeline.formats.csv import scanner
Scorer.__init__.__kwdefaults__["part_bytes"] = 2000
scanner.BLOCK_RECORDS = 20
"""
"""A prelude: a drop of 200 rows has several parts."""


def use_small_parts(patch: pytest.MonkeyPatch) -> None:
    """As `SMALL_PARTS` does."""
    defaults = Scorer.__init__.__kwdefaults__ or {}
    patch.setitem(defaults, "part_bytes", 2000)
    patch.setattr(scanner, "BLOCK_RECORDS", 20)


def fill(inbox: Path, num_drops: int = 3, num_rows: int = 60) -> Path:
    """Drops with a bad line each, and a duplicate of the first one."""
    inbox.mkdir(parents=True, exist_ok=True)
    for number in range(num_drops):
        path = make_csv(inbox / f"drop{number}.csv", num_rows, seed=number)
        path.write_bytes(path.read_bytes() + b"bad\n")
    shutil.copy(inbox / "drop0.csv", inbox / "twin.csv")
    return inbox


def tokens(
    inbox: Path, outbox: Path, *more: object, run: Path | None = None, settle_seconds: float = 0
) -> list[object]:
    """The flags of a command that scores drops."""
    folders = ["--inbox", inbox, "--outbox", outbox, "--run", run or shared_run()]
    return [*folders, "--text", "title", "--settle", settle_seconds, "--threads", 1, "--retry-seconds", 0.01, *more]


def score_drops(inbox: Path, outbox: Path, *more: object) -> dict[str, Any]:
    """Score once, in this process; returns the report."""
    return run_here("drops", *tokens(inbox, outbox, *more))


def no_note(event: str, **figures: Any) -> None:
    """Say nothing."""


def inbox_scorer(
    inbox: Path, outbox: Path, *, meters: Meters = silent, note: Note = no_note, **settings: Any
) -> InboxScorer:
    """What the command would make, without a console."""
    config = DropsConfig(inbox=inbox, outbox=outbox, settle_seconds=0, retry_seconds=0.01)
    flags = ScoringConfig()

    def make_scorer(model: Model) -> Scorer:
        predictor = flags.load(shared_run(), model, 1)
        return Scorer(model, predictor, flags.options(READING), READING.formats(), num_threads=1)

    model = read_model(shared_run())
    return InboxScorer(replace(config, **settings), model, flags.fingerprint(READING), make_scorer, meters, note)


def published(outbox: Path) -> dict[str, bytes]:
    """What a user sees in an outbox, but for the ledger."""
    return {path.name: path.read_bytes() for path in sorted(outbox.glob("*.parquet"))}


def ledger(outbox: Path, *columns: str) -> list[tuple[Any, ...]]:
    """Columns of the ledger's drops, by name."""
    with closing(sqlite3.connect(outbox / "ledger.sqlite")) as connection:
        return connection.execute(f"SELECT {', '.join(columns)} FROM drops ORDER BY name").fetchall()


def wait_for(process: "subprocess.Popen[bytes]", condition: Callable[[], object]) -> None:
    """Wait until something is so that a process brings about."""
    while not condition():
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)
