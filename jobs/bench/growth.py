"""Growth: whole processes on ever larger CSVs, whose time should grow with them and whose memory should not. For jobs.bench only."""

import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from jobs.bench.data import Data, make_data
from jobs.bench.memory import read_peak, start_job
from jobs.bench.models import make_run
from jobs.bench.setup import Ground
from pipeline.errors import CharmillError, TemporaryError


def measure_growth(ground: Ground, jobs: Sequence[str], sizes: Sequence[int]) -> list[dict[str, Any]]:
    """Run each job on each size once, after one that is not counted: the first process of all may have kernels to compile.

    Args:
        ground: What to stand on.
        jobs: Of ``encode`` and ``score``.
        sizes: Rows.

    Returns:
        A line for each run: rows, seconds of the whole process, its rows a second, seconds a million rows, peak memory.
    """
    run = make_run(ground, "ngram") if "score" in jobs else None
    lines: dict[str, list[dict[str, Any]]] = {job: [] for job in jobs}
    for number, size in enumerate([sizes[0], *sizes]):
        data = make_data(ground.data.kind, ground.folder / "growing.csv", size)
        for job in jobs:
            line = _run(replace(ground, data=data), job, run)
            if number:
                lines[job].append(line)
    return [line for job in jobs for line in lines[job]]


def _run(ground: Ground, job: str, run: Path | None) -> dict[str, Any]:
    data, peak = ground.data, ground.folder / "peak"
    outputs = {
        "encode": ["--out", "grown"],
        "score": ["--out", "grown.parquet", "--run", str(run), "--engine", "folded"],
    }
    name, target, *rest = outputs[job]
    tokens = [str(data.path), name, str((ground.folder / target).resolve()), *rest, *data.tokens]
    tokens += ["--overwrite", "--json", "--threads", str(ground.num_threads)]
    started = time.perf_counter()
    with start_job(job, tokens, peak.resolve()) as process:
        try:
            out, err = process.communicate()
        except BaseException:
            process.kill()
            raise
    seconds = time.perf_counter() - started
    if process.returncode:
        raise _failure(f"jobs.{job} on {data.num_rows:,} rows", process.returncode, err)
    report = json.loads(out)
    return _line(job, data, seconds, report) | {"peak_mebibytes": read_peak(peak)}


def _line(job: str, data: Data, seconds: float, report: dict[str, Any]) -> dict[str, Any]:
    return {
        "job": job,
        "rows": report["rows_in"],
        "megabytes": data.num_bytes / 1e6,
        "seconds": seconds,
        "rows_per_second": report["rows_in"] / seconds,
        "seconds_per_million_rows": seconds / report["rows_in"] * 1e6,
    }


def _failure(what: str, code: int, err: bytes) -> CharmillError:
    """The error of a job that did not get through, with its own exit code where that says to try again."""
    said = err.decode(errors="replace").strip().rpartition("\n")[2].removeprefix("error: ")
    kind = TemporaryError if code == TemporaryError.exit_code else CharmillError
    return kind(f"{what}: it ended with exit code {code}: {said}")
