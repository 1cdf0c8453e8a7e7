"""Peak memory of a job on gigabytes of CSV, from a pipe and from a file: ``python -m tests.benchmarks.memory --gigabytes 4 encode``.

A process of its own makes the CSV, a bad record in a thousand, so that the law has three numbers to balance. Nothing of it is asserted by
the default suite, which has a small version in `tests/crash/test_memory.py`.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from jobs.bench.data import make_data
from jobs.bench.memory import ROOT, read_peak, start_job
from jobs.bench.setup import Setup, make_run
from pipeline.text.synthetic import titles

BLOCK_ROWS = 20_000
BAD_EVERY = 1000
BAD_RECORD = '"unclosed, and so quarantined\n'
SMALL_BYTES = 50_000_000


def generate(num_bytes: int) -> None:
    """Write a CSV of about so many bytes to standard output, no more."""
    out = sys.stdout.buffer
    lines = [f'{label},"{title.replace(chr(34), chr(34) * 2)}"\n' for label, title in titles(BLOCK_ROWS, seed=1)]
    lines[BAD_EVERY - 1 :: BAD_EVERY] = [BAD_RECORD] * len(lines[BAD_EVERY - 1 :: BAD_EVERY])
    block = "".join(lines).encode()
    out.write(b"label,title\n")
    for _ in range(max(1, num_bytes // len(block))):
        out.write(block)
    out.flush()


def _generator(num_bytes: int, stdout: Any) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "tests.benchmarks.memory", "--generate", str(num_bytes)]
    return subprocess.Popen(command, stdout=stdout, cwd=ROOT)


def _run_job(job: str, csv: str, folder: Path, stdin: Any) -> tuple[dict[str, Any], float]:
    outputs = {
        "encode": ["--out", str(folder / "out")],
        "score": ["--out", str(folder / "out.parquet"), "--run", str(folder / "run-ngram")],
    }
    tokens = [csv, *outputs[job], "--text", "title", "--json", "--overwrite"]
    with start_job(job, tokens, folder / "peak", stdin=stdin) as process:
        out, err = process.communicate()
    if process.returncode:
        sys.exit(err.decode())
    return json.loads(out), read_peak(folder / "peak") or float("nan")


def measure(job: str, num_bytes: int, folder: Path, *, piped: bool) -> float:
    """Run a job on a CSV of so many bytes, print a line, and return its peak memory in MiB."""
    if piped:
        with _generator(num_bytes, subprocess.PIPE) as generator:
            report, peak = _run_job(job, "-", folder, generator.stdout)
    else:
        csv = folder / "in.csv"
        with csv.open("wb") as file, _generator(num_bytes, file) as generator:
            generator.wait()
        report, peak = _run_job(job, str(csv), folder, subprocess.DEVNULL)
        csv.unlink()
    rows_in, rows_out, rows_quarantined = (report[name] for name in ("rows_in", "rows_out", "rows_quarantined"))
    law = f"{rows_in:,} rows in = {rows_out:,} out + {rows_quarantined:,} quarantined"
    print(  # noqa: T201
        f"jobs.{job}, {num_bytes / 1e9:.2f} GB from a {'pipe' if piped else 'file'}: peak {peak:,.0f} MiB, "
        f"{peak * 2**20 / num_bytes:.1%} of the CSV; {law}{'' if rows_in == rows_out + rows_quarantined else ', WHICH IS WRONG'}",
        flush=True,
    )
    return peak


def main() -> None:
    """Measure a small CSV first, whose peak is what the large one's is held against."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("job", nargs="?", choices=["encode", "score"], default="encode")
    parser.add_argument("--gigabytes", type=float, default=4.0, help="Size of the CSV.")
    parser.add_argument("--generate", type=int, metavar="BYTES", help="Only write a CSV to standard output.")
    given = parser.parse_args()
    if given.generate:
        generate(given.generate)
        return
    with tempfile.TemporaryDirectory(prefix="charmill-memory-") as temporary:
        folder = Path(temporary).resolve()
        if given.job == "score":
            data = make_data("synthetic", folder / "titles.csv", 5_000)
            make_run(Setup(folder=folder, data=data, train_rows=5_000, num_threads=1), "ngram")
        for piped in (True, False):
            small = measure(given.job, SMALL_BYTES, folder, piped=piped)
            large = measure(given.job, int(given.gigabytes * 1e9), folder, piped=piped)
            print(f"  peak of the large CSV over that of the small one: {large / small:.2f}", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
