"""Peak memory of processes that do one thing and end.

The figure is the kernel's VmHWM, asked for by the process itself. `ru_maxrss`, which a parent gets of its child, will not do: on Linux it
begins at the memory of the process that started the child.
"""

import os
import pickle
import runpy
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from jobs.bench.timing import Contestant, quiet

ROOT = Path(__file__).parents[2]

_CHILD = "import sys; from jobs.bench import memory; getattr(memory, sys.argv[1])(*sys.argv[2:])"
_STATUS = Path("/proc/self/status")


def peak_of(contestant: Contestant, folder: Path) -> float | None:
    """The peak memory in MiB of a fresh process that prepares a contestant and calls it once, libraries and all.

    Returns:
        None where the system has no such figure or the contestant did not get through.
    """
    if not _STATUS.exists():
        return None
    pickled, peak = folder / "contestant.pickle", folder / "peak"
    pickled.write_bytes(pickle.dumps(contestant))
    peak.unlink(missing_ok=True)
    # A session of its own: an interrupt at the terminal is for the parent, which ends the child.
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, "work_once", str(pickled), str(peak)],
        capture_output=True,
        check=False,
        cwd=ROOT,
        start_new_session=True,
    )
    return read_peak(peak) if done.returncode == 0 else None


def start_job(
    job: str, tokens: Sequence[str], peak: Path, *, stdin: int | IO[bytes] = subprocess.DEVNULL
) -> "subprocess.Popen[bytes]":
    """Start a job as a command in a process of its own, which leaves its peak memory in a file.

    Args:
        job: As in ``python -m jobs.JOB``.
        tokens: Its command line; paths must be absolute.
        peak: The file, for `read_peak`.
        stdin: As for `subprocess.Popen`.
    """
    peak.unlink(missing_ok=True)
    env = {name: value for name, value in os.environ.items() if not name.startswith("CHARMILL_")}
    return subprocess.Popen(
        [sys.executable, "-c", _CHILD, "run_job", str(peak), job, *tokens],
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        env=env,
        start_new_session=True,
    )


def read_peak(path: Path) -> float | None:
    """The peak memory in MiB that a process left; None where there is no such figure."""
    text = path.read_text() if path.exists() else ""
    return int(text) / 1024 if text else None


def work_once(pickled: str, peak: str) -> None:
    """In the child: prepare a contestant, call it, and leave the peak memory."""
    contestant = pickle.loads(Path(pickled).read_bytes())  # noqa: S301  # the parent wrote it, into a folder of its own
    with quiet():
        contestant.prepare()()
    _leave_peak(peak)


def run_job(peak: str, job: str, *tokens: str) -> None:
    """In the child: run a job as a command, and leave the peak memory."""
    sys.argv = [job, *tokens]
    try:
        runpy.run_module(f"jobs.{job}", run_name="__main__", alter_sys=True)
    finally:
        _leave_peak(peak)


def _leave_peak(path: str) -> None:
    lines = _STATUS.read_text().splitlines() if _STATUS.exists() else []
    Path(path).write_text("".join(line.split()[1] for line in lines if line.startswith("VmHWM:")))
