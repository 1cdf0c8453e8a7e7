"""Drops are scored exactly once, whatever is killed, and by however many processes."""

import random
import re
import resource
import shutil
import signal
import subprocess
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.commands import ROOT, call, environment, files_in, has_traceback, python, run_here, start
from tests.crash import drops_changes
from tests.crash.kills import kill_at, killed_states
from tests.datasets import make_csv, write_csv
from tests.drops import SMALL_PARTS, fill, ledger, published, score_drops, tokens, use_small_parts, wait_for

STATES = [("drop0.csv", "scored"), ("drop1.csv", "scored"), ("drop2.csv", "scored"), ("twin.csv", "duplicate")]

# Does something as soon as the ledger knows of a part.
AFTER_PART = """
import os, signal, time
from pathlib import Path
from jobs.drops.drop_scorer import DropJournal
add = DropJournal.add
def add_and_act(self, part):
    add(self, part)
    if part.number == {part}:
        act()
DropJournal.add = add_and_act
def act():
    {act}
"""
KILL_NOW = "os.kill(os.getpid(), signal.SIGKILL)"
WAIT = "Path({gate!r} + '.reached').touch()\n    while not Path({gate!r} + '.open').exists(): time.sleep(0.005)"


def _require_same(outbox: Path, whole: Path) -> None:
    """The same files with the same bytes, nothing left over, and every drop accounted for once."""
    assert published(outbox) == published(whole)
    columns = ("name", "state", "rows_in", "rows_scored", "rows_quarantined", "scores", "quarantine")
    assert ledger(outbox, *columns) == ledger(whole, *columns)
    assert _errors(outbox) == _errors(whole)
    assert {path.name for path in outbox.iterdir()} == {path.name for path in whole.iterdir()}
    assert files_in(outbox / ".work") == {}


def _errors(outbox: Path) -> list[str]:
    """Why drops failed, without the folders of files."""
    return [re.sub("/.*/", "", error) for (error,) in ledger(outbox, "error")]


def _start(inbox: Path, outbox: Path, *more: object, prelude: str = "") -> "subprocess.Popen[bytes]":
    return start("drops", *tokens(inbox, outbox, "--json", *more), prelude=prelude)


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An inbox of three drops and a duplicate; never to be written to."""
    return fill(tmp_path_factory.mktemp("few") / "in")


@pytest.fixture(scope="module")
def few_whole(few: Path) -> Path:
    """Its outbox, by a run that nobody disturbed."""
    score_drops(few, few.parent / "whole")
    assert ledger(few.parent / "whole", "name", "state") == STATES
    return few.parent / "whole"


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An inbox of one drop that has several parts; never to be written to."""
    inbox = tmp_path_factory.mktemp("large") / "in"
    inbox.mkdir()
    path = make_csv(inbox / "large.csv", 400)
    path.write_bytes(path.read_bytes().replace(b"\n", b"\nbad\n", 20))
    return inbox


@pytest.fixture(scope="module")
def large_whole(large: Path) -> Path:
    """Its outbox, by a run that nobody disturbed."""
    score_drops(large, large.parent / "whole")
    return large.parent / "whole"


@pytest.fixture(scope="module")
def killed(large: Path) -> Path:
    """Its outbox as a process left it that was killed after three parts; to be copied before it is used."""
    outbox = large.parent / "killed"
    prelude = SMALL_PARTS + AFTER_PART.format(part=2, act=KILL_NOW)
    done = call("drops", *tokens(large, outbox), prelude=prelude)
    assert done.code == -signal.SIGKILL, done.err
    assert len(list((outbox / ".work" / "drop-1").glob("*.scores.parquet"))) == 3
    return outbox


def _content(outbox: Path) -> dict[str, bytes]:
    """All that the next process could see: files, folders, and the ledger's log."""
    folders = {str(path.relative_to(outbox)): b"" for path in outbox.rglob("*") if path.is_dir()}
    # Shared memory is of the connections that were open; whoever opens the ledger next makes it anew.
    files = {name: data for name, data in files_in(outbox).items() if name != "ledger.sqlite-shm"}
    return folders | files


def _without_names_and_moments(outbox: Path) -> tuple[dict[str, bytes], list[Any]]:
    """What two processes must leave alike that were killed at the same change."""
    files = {
        re.sub(r"[0-9a-f]{12}\.", "", name): data
        for name, data in _content(outbox).items()
        if not name.startswith("ledger.sqlite")
    }
    return files, ledger(outbox, "name", "state", "attempts", "rows_scored", "scores")


def test_killed_at_each_change(tmp_path: Path) -> None:
    """To the next process a copy is what a kill leaves: the first one's `.alive` file is there, and nobody holds its lock."""
    inbox, whole, folder = fill(tmp_path / "in", num_drops=1, num_rows=150), tmp_path / "whole", tmp_path / "folder"
    outbox = folder / "out"
    score_drops(inbox, whole)
    folder.mkdir()
    given = tokens(inbox, outbox, "--lease", 1000)  # Nobody renews it, which would be a change at any time.
    with pytest.MonkeyPatch.context() as patch:
        use_small_parts(patch)
        states = killed_states(folder, lambda: run_here("drops", *given), drops_changes.CHANGES)
    _require_same(outbox, whole)
    for number in range(len(states) // 4, len(states), len(states) // 4):
        shutil.rmtree(outbox)
        kill_at(number, "drops", *given, setup=SMALL_PARTS, changes="drops_changes")
        copy = shutil.copytree(states[number], tmp_path / f"copy of {number}") / "out"
        assert _without_names_and_moments(outbox) == _without_names_and_moments(copy), states[number]
    seen: list[dict[str, bytes]] = []
    reused = set()
    for state in states:
        assert not (state / "out").exists() or published(state / "out").items() <= published(whole).items()
        content = _content(state / "out")
        if content not in seen:
            seen.append(content)
            reused.add(score_drops(inbox, state / "out")["rows_reused"])
            _require_same(state / "out", whole)
    kinds = {"fsync", "replace", "unlink", "rmtree", "mkdir", "rmdir", "transaction", "close"}
    assert {state.name.partition(" ")[2] for state in states} == kinds
    assert len(seen) > 20
    assert len(reused) > 2


def test_killed_at_each_change_while_a_drop_fails_and_while_other_flags_try_it_again_or_score_it_again(
    tmp_path: Path,
) -> None:
    inbox, folder = tmp_path / "in", tmp_path / "folder"
    inbox.mkdir()
    folder.mkdir()
    (inbox / "a.csv").write_text("label,title\n" + "bad\n" * 5 + "tools,chisel\n")
    (inbox / "empty.csv").touch()
    whole = tmp_path / "whole"
    for more in ([], ["--max-quarantined", 1], ["--keep", "tilte"], ["--keep", "title", "--max-quarantined", 1]):
        flags = ["--allow-failed", "--rescore", *more]
        score_drops(inbox, whole, *flags)
        given = tokens(inbox, folder / "out", "--lease", 1000, *flags)
        states = killed_states(folder, partial(run_here, "drops", *given), drops_changes.CHANGES)
        _require_same(folder / "out", whole)
        for state in states:
            score_drops(inbox, state / "out", *flags)
            _require_same(state / "out", whole)
        assert len(states) > 20
        shutil.rmtree(tmp_path / "folder, killed")
    assert ledger(whole, "name", "state", "rows_scored") == [
        ("a.csv", "replaced", 1),
        ("a.csv", "scored", 1),
        ("empty.csv", "failed", 0),
    ]


def _start_together(inbox: Path, outbox: Path, number: int, prelude: str = "") -> list["subprocess.Popen[bytes]"]:
    """Start so many processes, and wait until one of them is at work, or was."""
    before = set(outbox.glob(".work/*.alive"))
    processes = [_start(inbox, outbox, prelude=prelude) for _ in range(number)]
    wait_for(processes[0], lambda: set(outbox.glob(".work/*.alive")) - before or processes[0].poll() is not None)
    return processes


def test_killed_again_and_again_at_random_with_three_at_once(few: Path, few_whole: Path, tmp_path: Path) -> None:
    choose = random.Random(1)
    outbox = tmp_path / "out"
    for _ in range(2):
        processes = _start_together(few, outbox, 3, SMALL_PARTS)
        for process in choose.sample(processes, 3):
            time.sleep(choose.uniform(0, 0.3))
            process.kill()
            process.communicate()
    processes = _start_together(few, outbox, 2)
    score_drops(few, outbox)
    for process in processes:
        _, said = process.communicate()
        assert process.returncode == 0, said
    _require_same(outbox, few_whole)


def test_two_at_once_score_each_drop_once(tmp_path: Path) -> None:
    inbox, outbox = fill(tmp_path / "in", num_drops=20), tmp_path / "out"
    process = _start(inbox, outbox)
    wait_for(process, lambda: published(outbox))
    score_drops(inbox, outbox)
    _, said = process.communicate()
    assert process.returncode == 0, said
    assert ledger(outbox, "state", "attempts") == [*[("scored", 1)] * 20, ("duplicate", 0)]


def test_a_large_drop_goes_on_behind_its_finished_parts(
    large: Path, large_whole: Path, killed: Path, tmp_path: Path
) -> None:
    outbox = shutil.copytree(killed, tmp_path / "out")
    report = score_drops(large, outbox)
    assert report["rows_in"] == 420
    assert 100 < report["rows_reused"] < 400
    _require_same(outbox, large_whole)


@pytest.mark.parametrize("trouble", ["cut", "altered", "missing", "flags"])
def test_finished_parts_are_not_trusted(
    trouble: str, large: Path, large_whole: Path, killed: Path, tmp_path: Path
) -> None:
    outbox = shutil.copytree(killed, tmp_path / "out")
    part = next((outbox / ".work" / "drop-1").glob("*part-00001.scores.parquet"))
    data = part.read_bytes()
    if trouble == "missing":
        part.unlink()
    elif trouble != "flags":
        part.write_bytes(data[:-1] if trouble == "cut" else data[:-9] + bytes([data[-9] ^ 1]) + data[-8:])
    report = score_drops(large, outbox, *(["--keep", "label"] if trouble == "flags" else []))
    assert (report["rows_reused"] == 0) == (trouble == "flags")
    assert report["rows_reused"] < 100
    if trouble != "flags":
        _require_same(outbox, large_whole)


def _start_and_wait_for_part(inbox: Path, outbox: Path, gate: Path, *more: object) -> "subprocess.Popen[bytes]":
    """Start a process that waits, once its second part is finished, until the gate is opened."""
    process = _start(
        inbox, outbox, *more, prelude=SMALL_PARTS + AFTER_PART.format(part=1, act=WAIT.format(gate=str(gate)))
    )
    wait_for(process, gate.with_suffix(".reached").exists)
    return process


def test_a_living_process_keeps_its_drop_and_others_do_not_wait_for_it(large: Path, tmp_path: Path) -> None:
    outbox = tmp_path / "out"
    process = _start_and_wait_for_part(large, outbox, tmp_path / "gate")
    report = score_drops(large, outbox)
    assert report["scored"] == 0
    assert report["drops"]["scoring"] == 1
    process.kill()
    process.communicate()
    assert score_drops(large, outbox)["scored"] == 1


def test_a_process_that_was_frozen_loses_its_drop_and_spoils_nothing(
    large: Path, large_whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox = tmp_path / "out"
    process = _start_and_wait_for_part(large, outbox, tmp_path / "gate")
    process.send_signal(signal.SIGSTOP)
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + 60)
    assert score_drops(large, outbox)["scored"] == 1
    (tmp_path / "gate.open").touch()
    process.send_signal(signal.SIGCONT)
    shown, said = process.communicate()
    assert process.returncode == 0, said
    assert b'"scored": 0' in shown
    assert b"another process has taken it over" in said
    _require_same(outbox, large_whole)


def _require_end(process: "subprocess.Popen[bytes]", number: signal.Signals) -> None:
    """A signal ends a daemon cleanly: SIGTERM well, Ctrl-C as an interrupt."""
    process.send_signal(number)
    shown, said = process.communicate()
    assert process.returncode == (0 if number == signal.SIGTERM else 130), said
    assert not has_traceback(said)
    assert (b'"scored"' in shown) == (number == signal.SIGTERM)


def _wait_until_scored(process: "subprocess.Popen[bytes]", outbox: Path, count: int) -> None:
    wait_for(process, lambda: len(published(outbox)) == count)
    wait_for(
        process, lambda: ledger(outbox, "state") == [("scored",)] * count
    )  # The ledger's word comes after the file.


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_daemon_scores_what_comes_and_ends_cleanly(number: signal.Signals, tmp_path: Path) -> None:
    inbox, outbox = tmp_path / "in", tmp_path / "out"
    inbox.mkdir()
    process = _start(inbox, outbox, "--watch")
    for count in (1, 2):
        make_csv(inbox / "new.csv.tmp", 30, seed=count).rename(inbox / f"new{count}.csv")
        _wait_until_scored(process, outbox, count)
    _require_end(process, number)
    score_drops(inbox, tmp_path / "whole")
    _require_same(outbox, tmp_path / "whole")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_busy_daemon_ends_cleanly(number: signal.Signals, large: Path, large_whole: Path, tmp_path: Path) -> None:
    outbox = tmp_path / "out"
    process = _start_and_wait_for_part(large, outbox, tmp_path / "gate", "--watch")
    _require_end(process, number)
    assert ledger(outbox, "state") == [("waiting",)]
    assert score_drops(large, outbox)["rows_reused"] > 0
    _require_same(outbox, large_whole)


def test_no_space_is_tried_again_and_then_left_to_the_next_run(few: Path, few_whole: Path, tmp_path: Path) -> None:
    """RLIMIT_FSIZE stands in for a full disk: the ledger is smaller than the limit, the scores of the big drop are not."""
    choose = random.Random(2)
    inbox, outbox = shutil.copytree(few, tmp_path / "in"), tmp_path / "out"
    write_csv(inbox / "big.csv", [[choose.randbytes(30).hex(), f"otter {row}"] for row in range(20_000)])
    limit = 500_000
    done = subprocess.run(
        [*python("drops"), *map(str, tokens(inbox, outbox, "--max-attempts", 3, "--keep", "label"))],
        capture_output=True,
        env=environment(),
        cwd=ROOT,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    said = done.stderr.decode()
    assert done.returncode == 75, said
    assert "free some space" in said.splitlines()[-1]
    assert "Traceback" not in said
    assert ledger(outbox, "name", "state", "attempts", "exit_code")[0] == ("big.csv", "failed", 3, 75)
    assert len(published(outbox)) == len(published(few_whole))  # The others were scored all the same.
    assert score_drops(inbox, outbox, "--keep", "label")["scored"] == 1
