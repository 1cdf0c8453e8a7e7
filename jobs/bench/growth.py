"""Growth: whole processes on ever larger CSVs, whose time should grow with them and whose memory should not."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from jobs.bench.data import Data, make_data
from jobs.bench.memory import read_peak, start_job
from jobs.bench.setup import Setup, make_run
from pipeline.errors import CharmillError, TemporaryError


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How the process of a job ended."""

    code: int
    out: str
    err: str
    seconds: float
    peak_mebibytes: float | None


def measure_growth(setup: Setup, jobs: Sequence[str], sizes: Sequence[int]) -> list[dict[str, Any]]:
    """Run each job on each size once, after one that is not counted: the first process of all may have kernels to compile.

    Args:
        setup: Where, and on what kind of titles.
        jobs: Of ``encode`` and ``score``.
        sizes: Rows.

    Returns:
        A line for each run: rows, seconds of the whole process, its rows a second, seconds a million rows, peak memory.

    Raises:
        TemporaryError: A job ended with the exit code that says to try again.
        CharmillError: A job did not get through.
    """
    run = make_run(setup, "ngram") if "score" in jobs else None
    lines: dict[str, list[dict[str, Any]]] = {job: [] for job in jobs}
    for number, size in enumerate([sizes[0], *sizes]):
        data = make_data(setup.data.kind, setup.folder / "growing.csv", size)
        for job in jobs:
            ended = run_process(job, _command_line(replace(setup, data=data), job, run), setup.folder)
            if ended.code:
                raise _failure(f"jobs.{job} on {size:,} rows", ended)
            if number:
                lines[job].append(_line(job, data, ended))
    return [line for job in jobs for line in lines[job]]


def run_process(job: str, tokens: Sequence[str], folder: Path) -> Ended:
    """Run a job in a process of its own, and wait for it.

    Args:
        job: As in ``python -m jobs.JOB``.
        tokens: Its command line; paths must be absolute.
        folder: Where the process leaves its peak memory.
    """
    peak = folder.resolve() / "peak"
    started = time.perf_counter()
    with start_job(job, tokens, peak) as process:
        try:
            out, err = process.communicate()
        except BaseException:
            process.kill()
            raise
    return Ended(
        code=process.returncode,
        out=out.decode(),
        err=err.decode(errors="replace"),
        seconds=time.perf_counter() - started,
        peak_mebibytes=read_peak(peak),
    )


def _command_line(setup: Setup, job: str, run: Path | None) -> list[str]:
    folder = setup.folder.resolve()
    outputs = {
        "encode": ["--out", str(folder / "grown")],
        "score": ["--out", str(folder / "grown.parquet"), "--run", str(run), "--engine", "folded"],
    }
    common = ["--overwrite", "--json", "--threads", str(setup.num_threads)]
    return [str(setup.data.path), *outputs[job], *setup.data.tokens, *common]


def _line(job: str, data: Data, ended: Ended) -> dict[str, Any]:
    rows = json.loads(ended.out)["rows_in"]
    return {
        "job": job,
        "rows": rows,
        "megabytes": data.num_bytes / 1e6,
        "seconds": ended.seconds,
        "rows_per_second": rows / ended.seconds,
        "seconds_per_million_rows": ended.seconds / rows * 1e6,
        "peak_mebibytes": ended.peak_mebibytes,
    }


def _failure(what: str, ended: Ended) -> CharmillError:
    said = ended.err.strip().rpartition("\n")[2].removeprefix("error: ")
    kind = TemporaryError if ended.code == TemporaryError.exit_code else CharmillError
    return kind(f"{what}: it ended with exit code {ended.code}: {said}")
