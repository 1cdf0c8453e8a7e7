"""The loop: when it ends, and what a daemon outlives."""

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from jobs.drops.loop import Loop
from model.runs.model_file import read_model
from pipeline.execution.meter import Meter, Meters, silent
from tests.datasets import make_csv, shared_run
from tests.drops import inbox_scorer, ledger, no_note, published


def test_a_growing_file_waits_and_does_not_hold_up_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inbox, outbox = tmp_path / "in", tmp_path / "out"
    inbox.mkdir()
    growing, sleep = inbox / "growing.csv", time.sleep

    def sleep_and_grow(seconds: float) -> None:
        sleep(seconds)
        growing.write_bytes(growing.read_bytes() + b"tools,awl\n")

    monkeypatch.setattr(time, "sleep", sleep_and_grow)
    with inbox_scorer(inbox, outbox, settle_seconds=0.7) as scorer:
        make_csv(growing, 10)
        make_csv(inbox / "still.csv", 10, seed=1)
        Loop(scorer, lambda: scorer.model, no_note).run_once()
        assert (scorer.report.scored, scorer.num_incomplete) == (1, 1)
        assert scorer.passed_over() == {"growing.csv": "still being written"}
    assert ledger(outbox, "name", "state") == [("still.csv", "scored")]


@contextmanager
def _daemon(
    inbox: Path,
    outbox: Path,
    *,
    run: Path,
    said: list[str],
    meters: Meters = silent,
    look_seconds: float,
    settle_seconds: float = 0,
) -> Iterator["Future[int]"]:
    """A daemon in a thread of its own, stopped at the end; its future gives how many drops it scored."""
    stopped = threading.Event()

    def note(event: str, **figures: Any) -> None:
        said.append(event)

    def work() -> int:
        with inbox_scorer(inbox, outbox, meters=meters, note=note, settle_seconds=settle_seconds) as scorer:
            Loop(scorer, lambda: read_model(run), note, look_seconds=look_seconds).run_until(stopped)
            return scorer.report.scored

    with ThreadPoolExecutor(1) as executor:
        future = executor.submit(work)
        try:
            yield future
        finally:
            stopped.set()


def _wait_for(daemon: "Future[int]", condition: Callable[[], object]) -> None:
    while not condition():
        assert not daemon.done(), daemon.result()
        time.sleep(0.005)


def test_a_daemon_outlives_trouble_and_takes_up_a_new_model(tmp_path: Path) -> None:
    inbox, outbox, run = tmp_path / "in", tmp_path / "out", tmp_path / "run"
    inbox.mkdir()
    shutil.copytree(shared_run(), run)
    said: list[str] = []
    with _daemon(inbox, outbox, run=run, said=said, look_seconds=0.05) as daemon:
        (run / "model.json").rename(run / "away.json")
        _wait_for(daemon, lambda: any("model.json is missing" in line for line in said))
        make_csv(inbox / "a.csv", 30)
        num_said = len(said)
        _wait_for(daemon, lambda: len(said) >= num_said + 2)
        assert published(outbox) == {}
        model = (run / "away.json").read_text()
        assert '"temperature": ' in model
        (run / "new.json").write_text(model.replace('"temperature": ', '"temperature": 1'))
        (run / "new.json").rename(run / "model.json")
        _wait_for(daemon, lambda: published(outbox))
    assert daemon.result() == 1
    assert "the model has changed" in said
    assert ledger(outbox, "name", "model") == [("a.csv", read_model(run).fingerprint)]


def test_a_daemon_says_once_what_it_passes_over_and_not_what_is_about_to_be_a_drop(tmp_path: Path) -> None:
    inbox, outbox = tmp_path / "in", tmp_path / "out"
    inbox.mkdir()
    (inbox / "notes.txt").touch()
    said: list[str] = []

    def passed_over() -> list[str]:
        return [line for line in said if "passed over" in line]

    upload = make_csv(tmp_path / "a.csv", 10)
    with _daemon(inbox, outbox, run=shared_run(), said=said, look_seconds=0.01, settle_seconds=1) as daemon:
        shutil.copy(upload, inbox / "a.csv.part")
        (inbox / "a.csv.part").rename(inbox / "a.csv")
        _wait_for(daemon, lambda: published(outbox) and passed_over())
        (inbox / "book.xlsx").touch()
        _wait_for(daemon, lambda: len(passed_over()) > 1)
        make_csv(inbox / "b.csv", 10, seed=1)
        _wait_for(daemon, lambda: len(published(outbox)) == 2)
    assert daemon.result() == 2
    assert [line.partition(" (")[0] for line in passed_over()] == [
        "passed over 1: notes.txt",
        "passed over 1: book.xlsx",
    ]


def test_what_comes_while_a_daemon_begins_is_not_left_until_something_else_comes(tmp_path: Path) -> None:
    inbox, outbox = tmp_path / "in", tmp_path / "out"
    inbox.mkdir()
    make_csv(inbox / "a.csv", 10)

    def meters(title: str, total: float) -> AbstractContextManager[Meter]:
        if title == "drop 1, a.csv":
            make_csv(inbox / "b.csv", 10, seed=1)
        return silent(title, total)

    with _daemon(inbox, outbox, run=shared_run(), said=[], meters=meters, look_seconds=1e6) as daemon:
        _wait_for(daemon, lambda: len(published(outbox)) == 2)
    assert daemon.result() == 2
