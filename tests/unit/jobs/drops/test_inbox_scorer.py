"""What becomes of drops whose files change, vanish or kill their process while they are scored."""

import gzip
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from jobs.drops.inbox_scorer import DropsReport
from jobs.drops.intake import Intake
from jobs.drops.loop import Loop
from pipeline.errors import InputError
from pipeline.execution.meter import Meter, Meters, silent
from tests.drops import fill, inbox_scorer, ledger, no_note


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    return fill(tmp_path / "in", num_drops=2)


@pytest.fixture
def outbox(tmp_path: Path) -> Path:
    return tmp_path / "out"


def _when_begun(act: Callable[[str], None]) -> Meters:
    """Meters that do something when a drop of a name begins to be scored."""

    def meters(title: str, total: float) -> AbstractContextManager[Meter]:
        act(title.partition(", ")[2])
        return silent(title, total)

    return meters


def _score(inbox: Path, outbox: Path, meters: Meters) -> DropsReport:
    with inbox_scorer(inbox, outbox, meters=meters) as scorer:
        Loop(scorer, lambda: scorer.model, no_note).run_once()
        return scorer.report


def test_a_drop_that_vanishes_or_changes_while_it_is_scored(inbox: Path, outbox: Path) -> None:
    (inbox / "twin.csv").unlink()
    names: list[str] = []

    def meddle(name: str) -> None:
        path = inbox / name
        if name == "drop0.csv" and name not in names:
            path.write_bytes(path.read_bytes() + b"tools,awl\n")
        if name == "drop1.csv":
            path.unlink()
        names.append(name)

    report = _score(inbox, outbox, _when_begun(meddle))
    assert sorted(names) == ["drop0.csv", "drop0.csv", "drop1.csv"]
    assert (report.scored, report.rows_in, report.errors) == (1, 62, [])
    assert sorted(ledger(outbox, "state")) == [("gone",), ("gone",), ("scored",)]


def test_a_drop_damaged_while_it_is_read_is_not_held_against_its_content(inbox: Path, outbox: Path) -> None:
    path = inbox / "packed.csv.gz"
    whole = gzip.compress((inbox / "drop0.csv").read_bytes() + b"tools,awl\n")
    path.write_bytes(whole)

    def cut(name: str) -> None:
        if name == path.name:
            path.write_bytes(whole[:-20])

    (error,) = _score(inbox, outbox, _when_begun(cut)).errors
    assert isinstance(error, InputError)  # The damaged file is a drop of its own, and that fails.
    path.write_bytes(whole)
    assert _score(inbox, outbox, silent).scored == 1


def test_a_drop_that_kills_its_process_does_not_keep_the_others_waiting(inbox: Path, tmp_path: Path) -> None:
    """Copies of the outbox stand in for what a killed process leaves."""
    outboxes = [tmp_path / f"out{number}" for number in range(4)]
    for outbox, left in pairwise(outboxes):

        def be_killed(name: str, outbox: Path = outbox, left: Path = left) -> None:
            if name == "drop0.csv":
                shutil.copytree(outbox, left)
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            _score(inbox, outbox, _when_begun(be_killed))
    assert ledger(outboxes[-1], "name", "state", "attempts")[:2] == [
        ("drop0.csv", "scoring", 3),
        ("drop1.csv", "scored", 1),
    ]


def test_an_interrupt_lets_a_drop_wait(inbox: Path, outbox: Path) -> None:
    def interrupt(name: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _score(inbox, outbox, _when_begun(interrupt))
    assert ledger(outbox, "name", "state") == [
        (f"{name}.csv", state) for name, state in (("drop0", "waiting"), ("drop1", "waiting"), ("twin", "duplicate"))
    ]
    assert list((outbox / ".work").iterdir()) == [outbox / ".work" / "drop-1"]


def test_a_defect_costs_its_drop_alone(inbox: Path, outbox: Path) -> None:
    def break_down(name: str) -> None:
        if name == "drop0.csv":
            raise RuntimeError("no such otter")

    report = _score(inbox, outbox, _when_begun(break_down))
    assert (report.scored, report.failed) == (1, 1)
    state, error, code = ledger(outbox, "state", "error", "exit_code")[0]
    assert (state, code) == ("failed", 70)
    assert "internal error: RuntimeError: no such otter; please report it" in error


def test_a_drop_that_another_process_has_just_taken_in_is_not_taken_for_lost(
    inbox: Path, outbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = Intake.look

    def look_before_another_process(intake: Intake, model: str) -> None:
        monkeypatch.undo()
        look(intake, model)
        (inbox / "late.csv").write_text("other\na\n")
        _score(inbox, outbox, silent)

    with inbox_scorer(inbox, outbox) as scorer:
        monkeypatch.setattr(Intake, "look", look_before_another_process)
        scorer.run_pass()
    assert ("late.csv", "failed") in ledger(outbox, "name", "state")


def test_a_new_model_tries_failed_drops_again(inbox: Path, outbox: Path) -> None:
    (inbox / "a.csv").write_text("other\na\n")
    with inbox_scorer(inbox, outbox) as scorer:
        for _ in range(2):
            scorer.run_pass()
        assert ("a.csv", "failed", 1) in ledger(outbox, "name", "state", "attempts")
        scorer.use_model(replace(scorer.model, temperature=9.0))
        scorer.run_pass()
    assert ("a.csv", "failed", 2) in ledger(outbox, "name", "state", "attempts")
