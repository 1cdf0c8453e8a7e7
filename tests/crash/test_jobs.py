"""Jobs that are killed, interrupted or run out of space publish the whole or nothing, and the next one cleans up after them."""

import fcntl
import resource
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import IO

import pytest

from pipeline.errors import MismatchError
from tests.commands import ROOT, call, environment, files_in, has_traceback, python, run_here, start
from tests.crash.kills import kill_at, killed_states
from tests.datasets import make_csv, shared_dataset, shared_run


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    path = make_csv(tmp_path / "in.csv", 300)
    path.write_bytes(path.read_bytes() + b"bad\n")
    return path


def _published(folder: Path) -> dict[str, bytes]:
    return {name: data for name, data in files_in(folder).items() if not name.startswith(".") and name != "in.csv"}


def test_scoring_killed_at_each_change(csv: Path, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()

    run = shared_run()

    def score(out: Path) -> list[object]:
        return [csv, "--run", run, "--out", out / "scores.parquet", "--text", "title", "--threads", 1]

    states = killed_states(folder, lambda: run_here("score", *score(folder)))
    whole = files_in(folder)
    assert set(whole) == {"scores.parquet", "scores.quarantine.parquet"}
    assert len(states) >= 4
    middle = len(states) // 2
    (killed := tmp_path / "killed").mkdir()
    kill_at(middle, "score", *score(killed))
    assert files_in(killed) == files_in(states[middle])
    for state in states:
        left = _published(state)
        assert left.items() <= whole.items()  # Whole files only, and the scores after their quarantine.
        assert "scores.parquet" not in left or len(left) == 2
        run_here("score", *score(state), "--overwrite")
        assert files_in(state) == whole


SLOW = (
    "import time\nfrom pipeline.formats.csv import csv_block, scanner\nscanner.BLOCK_RECORDS = 20\n"
    "_rows = csv_block.CsvBlock.rows\ncsv_block.CsvBlock.rows = lambda *a: (time.sleep(0.1), _rows(*a))[1]"
)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("job", ["encode", "score"])
def test_an_interrupted_job_publishes_nothing_and_leaves_nothing(
    job: str, number: signal.Signals, csv: Path, tmp_path: Path
) -> None:
    more = ["--run", shared_run()] if job == "score" else []
    out = tmp_path / ("out" if job == "encode" else "scores.parquet")
    process = start(job, csv, "--out", out, "--text", "title", *more, prelude=SLOW)
    staged = out.with_name(f".{out.name}.partial") / ("dataset" if job == "encode" else "scores.parquet")
    deadline = time.monotonic() + 60
    while not staged.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.1)
    process.send_signal(number)
    shown, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert said.decode().splitlines()[-1] == "error: interrupted; nothing half-finished was published"
    assert not has_traceback(said)
    assert not shown
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]


def _num_waiting(pipe: IO[bytes]) -> int:
    """Bytes in a pipe that nobody has read."""
    count = fcntl.ioctl(pipe, termios.FIONREAD, bytes(4))
    return int.from_bytes(count, sys.byteorder)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("job", ["encode", "score"])
def test_a_job_that_waits_for_a_pipe_can_be_interrupted(job: str, threads: int, tmp_path: Path) -> None:
    more = ["--run", shared_run()] if job == "score" else []
    out = tmp_path / ("out" if job == "encode" else "scores.parquet")
    process = start(job, "-", "--out", out, "--text", "title", "--threads", threads, *more, stdin=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.write(b"label,title\n1,otter\n")
    process.stdin.flush()
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob(".*.partial/*" if job == "score" else ".*.partial/dataset")):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    while _num_waiting(process.stdin):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    time.sleep(0.1)  # Until it reads on, and waits.
    process.send_signal(signal.SIGINT)
    try:
        process.wait(timeout=60)  # The pipe stays open: nothing but the interrupt may end the job.
    finally:
        process.kill()
        _, said = process.communicate()
    assert process.returncode == 130, said
    assert said.decode().splitlines()[-1] == "error: interrupted; nothing half-finished was published"
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_is_not_lost_where_nothing_can_be_raised(csv: Path, tmp_path: Path) -> None:
    swallowing = (
        "import time\nfrom model.scoring.scorer import Scorer\nclass Swallowing:\n    def __del__(self):\n        raise KeyboardInterrupt\n"
        "Scorer.write = lambda *a, **k: (Swallowing() and None, time.sleep(30))"
    )
    out = tmp_path / "scores.parquet"
    done = call("score", csv, "--run", shared_run(), "--out", out, "--text", "title", prelude=swallowing)
    assert (done.code, done.out) == (130, "")
    assert done.err == "error: interrupted; nothing half-finished was published\n"
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]


def test_an_interrupted_training_can_be_resumed(tmp_path: Path) -> None:
    flags = ["--arch", "charcnn", "--batch-size", 16, "--checkpoint-seconds", 0, "--threads", 1, "--baseline", "none"]
    out = tmp_path / "run"
    process = start("train", shared_dataset(), "--out", out, *flags, "--epochs", 200)
    deadline = time.monotonic() + 60
    while not (out / "checkpoints" / "last.safetensors").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert not has_traceback(said)
    assert not (out / "model.json").exists()
    with pytest.raises(MismatchError, match="epochs was 200 and is now 3"):
        run_here("train", shared_dataset(), "--out", out, *flags, "--resume", "--epochs", 3)


@pytest.mark.parametrize("job", ["encode", "score", "train"])
def test_no_space_is_temporary_and_publishes_nothing(job: str, csv: Path, tmp_path: Path) -> None:
    """RLIMIT_FSIZE stands in for a full disk: a write beyond it fails with EFBIG, as one beyond the disk fails with ENOSPC."""
    limit = {"encode": 2_000, "score": 1_000, "train": 50_000}[job]
    out = tmp_path / ("scores.parquet" if job == "score" else "out")
    given: list[object] = (
        [shared_dataset(), "--arch", "charcnn", "--epochs", 1] if job == "train" else [csv, "--text", "title"]
    )
    if job == "score":
        given += ["--run", shared_run()]
    done = subprocess.run(
        [*python(job), *map(str, given), "--out", str(out), "--threads", "1"],
        capture_output=True,
        env=environment({"NUMBA_DISABLE_PERFORMANCE_WARNINGS": "1"}),
        cwd=ROOT,
        timeout=120,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    said = done.stderr.decode().splitlines()
    assert done.returncode == 75, said
    assert said[-1].startswith("error: ")
    assert "File too large; free some space" in said[-1]
    assert "Traceback" not in done.stderr.decode()
    left = {path.name for path in tmp_path.iterdir()} - {"in.csv"}
    if job == "train":
        assert not {"model.json", "model.safetensors"} & {path.name for path in out.rglob("*")}
    else:
        assert not left
