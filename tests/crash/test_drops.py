"""Drops are scored exactly once, whatever is killed, and by however many processes."""

import random
import resource
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.commands import ROOT, Done, environment, files_in, has_traceback, python, start
from tests.datasets import make_csv, shared_run, write_csv
from tests.drops import KILL_AT, SMALL_PARTS, fill, ledger, published, run_once, tokens

STATES = [("drop0.csv", "scored"), ("drop1.csv", "scored"), ("drop2.csv", "scored"), ("twin.csv", "duplicate")]


def _require_same(outbox: Path, whole: Path) -> None:
    """The same files with the same bytes, nothing left over, and every drop accounted for once."""
    assert published(outbox) == published(whole)
    columns = ("name", "state", "rows_in", "rows_scored", "rows_quarantined", "scores", "quarantine", "error")
    assert ledger(outbox, *columns) == ledger(whole, *columns)
    assert {path.name for path in outbox.iterdir()} == {path.name for path in whole.iterdir()}
    assert files_in(outbox / ".work") == {}


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    """The outbox of a run that nobody disturbed."""
    done = run_once(fill(tmp_path / "in"), tmp_path / "whole")
    assert done.code == 0, done.err
    assert ledger(tmp_path / "whole", "name", "state") == STATES
    return tmp_path / "whole"


def test_killed_at_each_step(tmp_path: Path) -> None:
    inbox, whole = fill(tmp_path / "in", num_drops=1), tmp_path / "whole"
    assert run_once(inbox, whole).code == 0
    num_kills, again = 0, 0
    for step in range(1, 1000):
        outbox = tmp_path / f"out{step}"
        done = run_once(inbox, outbox, prelude=SMALL_PARTS + KILL_AT.format(step=step))
        if done.code == 0:
            break
        assert done.code == -signal.SIGKILL, done.err
        num_kills += 1
        left = published(outbox) if outbox.exists() else {}
        assert left.items() <= published(whole).items()  # Whole files only.
        if step % 3 == 1:  # Going on after all of them would take minutes.
            again += 1
            done = run_once(inbox, outbox)
            assert done.code == 0, done.err
            _require_same(outbox, whole)
        shutil.rmtree(outbox, ignore_errors=True)
    assert num_kills > 30
    assert again > 10


def test_killed_again_and_again_at_random_with_three_at_once(whole: Path, tmp_path: Path) -> None:
    choose = random.Random(1)
    outbox = tmp_path / "out"
    given = tokens(tmp_path / "in", outbox, "--once", "--json")
    for _ in range(6):
        processes = [start("drops", *given, prelude=SMALL_PARTS) for _ in range(3)]
        time.sleep(choose.uniform(0.3, 2.0))
        for process in processes:
            process.kill()
        for process in processes:
            process.communicate()
    processes = [start("drops", *given) for _ in range(3)]
    for process in processes:
        _, said = process.communicate(timeout=60)
        assert process.returncode == 0, said
    _require_same(outbox, whole)


def test_two_at_once_score_each_drop_once(tmp_path: Path) -> None:
    inbox, outbox = fill(tmp_path / "in", num_drops=8), tmp_path / "out"
    processes = [start("drops", *tokens(inbox, outbox, "--once", "--json")) for _ in range(2)]
    done = []
    for process in processes:
        shown, said = process.communicate(timeout=60)
        done.append(Done(process.returncode, shown.decode(), said.decode()))
    assert [one.code for one in done] == [0, 0]
    if sum(one.report["scored"] for one in done) < 8:  # One ended while the other still had its last drop.
        pytest.fail(str([one.report for one in done]))
    assert sum(one.report["scored"] for one in done) == 8
    assert {attempts for _, state, attempts in ledger(outbox, "name", "state", "attempts") if state == "scored"} == {1}


PAUSE = """
import time
from jobs.drops import work as drop_scoring
add = drop_scoring._Journal.add
def slow(self, part):
    add(self, part)
    time.sleep({seconds} if part.number == {part} else 0)
drop_scoring._Journal.add = slow
"""


def _start_and_wait_for_part(inbox: Path, outbox: Path, part: int, seconds: int = 30) -> "subprocess.Popen[bytes]":
    prelude = SMALL_PARTS + PAUSE.format(part=part, seconds=seconds)
    process = start("drops", *tokens(inbox, outbox, "--once", "--json"), prelude=prelude)
    deadline = time.monotonic() + 60
    while len(list((outbox / ".work").glob("drop-1/*.scores.parquet"))) <= part and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.3)
    return process


@pytest.fixture
def large(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    path = make_csv(tmp_path / "in" / "large.csv", 400)
    path.write_bytes(path.read_bytes().replace(b"\n", b"\nbad\n", 20))
    return path


def _undisturbed(large: Path, tmp_path: Path) -> Path:
    assert run_once(large.parent, tmp_path / "whole").code == 0
    return tmp_path / "whole"


def test_a_large_drop_goes_on_behind_its_finished_parts(large: Path, tmp_path: Path) -> None:
    outbox = tmp_path / "out"
    process = _start_and_wait_for_part(large.parent, outbox, 2)
    process.kill()
    process.communicate()
    before = {path.name: path.stat().st_mtime_ns for path in (outbox / ".work" / "drop-1").glob("*part*")}
    assert len([name for name in before if name.endswith(".scores.parquet")]) == 3
    done = run_once(large.parent, outbox, prelude=SMALL_PARTS)
    assert done.code == 0, done.err
    assert done.report["rows_in"] == 420
    assert 100 < done.report["rows_reused"] < 400
    _require_same(outbox, _undisturbed(large, tmp_path))


@pytest.mark.parametrize("trouble", ["cut", "altered", "missing", "flags"])
def test_finished_parts_are_not_trusted(trouble: str, large: Path, tmp_path: Path) -> None:
    outbox = tmp_path / "out"
    process = _start_and_wait_for_part(large.parent, outbox, 2)
    process.kill()
    process.communicate()
    part = next((outbox / ".work" / "drop-1").glob("*part-00001.scores.parquet"))
    data = part.read_bytes()
    if trouble == "missing":
        part.unlink()
    elif trouble != "flags":
        part.write_bytes(data[:-1] if trouble == "cut" else data[:-9] + bytes([data[-9] ^ 1]) + data[-8:])
    more = ["--keep", "label"] if trouble == "flags" else []
    done = run_once(large.parent, outbox, *more, prelude=SMALL_PARTS)
    assert done.code == 0, done.err
    assert (done.report["rows_reused"] == 0) == (trouble == "flags")
    assert done.report["rows_reused"] < 100
    if trouble != "flags":
        _require_same(outbox, _undisturbed(large, tmp_path))


def test_a_living_process_keeps_its_drop_and_others_do_not_wait_for_it(large: Path, tmp_path: Path) -> None:
    outbox = tmp_path / "out"
    process = _start_and_wait_for_part(large.parent, outbox, 1)
    done = run_once(large.parent, outbox)
    assert (done.code, done.report["scored"]) == (0, 0)
    assert done.report["drops"]["scoring"] == 1
    process.kill()
    process.communicate()
    assert run_once(large.parent, outbox).report["scored"] == 1


def test_a_process_that_was_frozen_loses_its_drop_and_spoils_nothing(large: Path, tmp_path: Path) -> None:
    outbox = tmp_path / "out"
    process = _start_and_wait_for_part(large.parent, outbox, 1, seconds=3)
    process.send_signal(signal.SIGSTOP)
    later = "import time\nnow = time.time\ntime.time = lambda: now() + 60"
    done = run_once(large.parent, outbox, prelude=SMALL_PARTS + later)
    assert (done.code, done.report["scored"]) == (0, 1)
    process.send_signal(signal.SIGCONT)
    shown, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert b'"scored": 0' in shown
    assert b"another process has taken it over" in said
    _require_same(outbox, _undisturbed(large, tmp_path))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
@pytest.mark.parametrize("busy", [False, True])
def test_a_daemon_ends_cleanly(number: signal.Signals, code: int, busy: bool, large: Path, tmp_path: Path) -> None:
    outbox = tmp_path / "out"
    prelude = SMALL_PARTS + PAUSE.format(part=1, seconds=30) if busy else ""
    process = start("drops", *tokens(large.parent, outbox, "--watch", "--json"), prelude=prelude)
    wanted = outbox / ".work" / "drop-1" if busy else outbox
    deadline = time.monotonic() + 60
    while len(list(wanted.glob("*.parquet"))) < 2 + busy and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.5)
    process.send_signal(number)
    shown, said = process.communicate(timeout=60)
    assert process.returncode == code, said
    assert not has_traceback(said)
    assert (b'"scored"' in shown) == (code == 0)
    assert [state for (state,) in ledger(outbox, "state")] == ["waiting" if busy else "scored"]
    if busy:
        done = run_once(large.parent, outbox)
        assert done.report["rows_reused"] > 0
    _require_same(outbox, _undisturbed(large, tmp_path))


def test_a_daemon_scores_what_comes(tmp_path: Path) -> None:
    inbox, outbox = tmp_path / "in", tmp_path / "out"
    inbox.mkdir()
    process = start("drops", *tokens(inbox, outbox, "--watch", "--json"))
    for number in range(3):
        temporary = make_csv(inbox / "new.csv.tmp", 30, seed=number)
        temporary.rename(inbox / f"new{number}.csv")
        deadline = time.monotonic() + 60
        while len(published(outbox)) < number + 1 and time.monotonic() < deadline:
            time.sleep(0.02)
        assert len(published(outbox)) == number + 1
        while ledger(outbox, "state").count(("scored",)) < number + 1 and time.monotonic() < deadline:
            time.sleep(0.02)  # The ledger's word comes after the file.
    process.terminate()
    shown, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert b'"scored": 3' in shown


def test_a_daemon_outlives_trouble(tmp_path: Path) -> None:
    inbox, outbox, run = tmp_path / "in", tmp_path / "out", tmp_path / "run"
    inbox.mkdir()
    shutil.copytree(shared_run(), run)
    given = [token if token != shared_run() else run for token in tokens(inbox, outbox, "--watch", "--json")]
    process = start("drops", *given, prelude="from jobs.drops import watch as drops\ndrops.LOOK_SECONDS = 0.1")
    deadline = time.monotonic() + 60
    while not (outbox / "ledger.sqlite").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.5)
    (run / "model.json").rename(run / "away.json")
    make_csv(inbox / "a.csv", 30)
    time.sleep(1.5)
    assert process.poll() is None
    assert published(outbox) == {}
    (run / "away.json").rename(run / "model.json")
    while not published(outbox) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.terminate()
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert b"model.json is missing" in said
    assert len(published(outbox)) == 1


def test_no_space_is_tried_again_and_then_left_to_the_next_run(whole: Path, tmp_path: Path) -> None:
    """RLIMIT_FSIZE stands in for a full disk: the ledger is smaller than the limit, the scores of the big drop are not."""
    choose = random.Random(2)
    rows = [[choose.randbytes(30).hex(), f"otter {row}"] for row in range(50_000)]
    write_csv(tmp_path / "in" / "big.csv", rows)
    outbox = tmp_path / "out"
    limit = 1_000_000
    done = subprocess.run(
        [
            *python("drops"),
            *map(str, tokens(tmp_path / "in", outbox, "--once", "--json", "--max-attempts", 3, "--keep", "label")),
        ],
        capture_output=True,
        env=environment(),
        cwd=ROOT,
        timeout=120,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    said = done.stderr.decode()
    assert done.returncode == 75, said
    assert "free some space" in said.splitlines()[-1]
    assert "Traceback" not in said
    assert ledger(outbox, "name", "state", "attempts", "exit_code")[0] == ("big.csv", "failed", 3, 75)
    assert len(published(outbox)) == len(published(whole))  # The others were scored all the same.
    again = run_once(tmp_path / "in", outbox, "--keep", "label")
    assert (again.code, again.report["scored"]) == (0, 1)


def test_the_run_may_be_read_only(tmp_path: Path) -> None:
    inbox = fill(tmp_path / "in")
    for path in inbox.iterdir():
        path.chmod(0o444)
    assert run_once(inbox, tmp_path / "out").code == 0
    assert shared_run().exists()
