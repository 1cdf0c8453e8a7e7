"""Peak memory of encode and score does not grow with the CSV, nor with a line; by gigabytes, `tests/benchmarks/memory.py` shows it."""

import gzip
import json
from pathlib import Path

import pytest

from jobs.bench.memory import read_peak, start_job
from tests.datasets import LABELS, shared_run

MOST_MEBIBYTES, MOST_GROWTH_MEBIBYTES = 1024, 100
SMALL_BYTES, TIMES = 20_000_000, 8


def _write_csv(path: Path, num_bytes: int) -> int:
    """Records with a long column beside the title, so that few are many bytes; returns how many."""
    block = "".join(f'{LABELS[row % 3]},otter and heron {row},"{row:>400}"\n' for row in range(1000)).encode()
    times = num_bytes // len(block)
    with path.open("wb") as file:
        file.write(b"label,title,description\n")
        for _ in range(times):
            file.write(block)
    return 1000 * times


@pytest.mark.parametrize("job", ["encode", "score"])
def test_peak_memory_does_not_grow_with_the_csv(job: str, tmp_path: Path) -> None:
    if not Path("/proc/self/status").exists():
        pytest.skip("the system does not say how much memory a process had")
    tokens = {"encode": ["--out", "out"], "score": ["--out", "out.parquet", "--run", str(shared_run())]}[job]
    tokens[1] = str(tmp_path / tokens[1])
    peaks = []
    for times in (1, TIMES):
        csv, peak = tmp_path / "in.csv", tmp_path / "peak"
        num_rows = _write_csv(csv, times * SMALL_BYTES)
        with start_job(job, [str(csv), *tokens, "--text", "title", "--json", "--overwrite"], peak) as process:
            out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        assert json.loads(out)["rows_out"] == num_rows
        peaks.append(read_peak(peak) or 0)
    assert peaks[0] > 50
    assert peaks[1] < MOST_MEBIBYTES, peaks
    assert peaks[1] - peaks[0] < MOST_GROWTH_MEBIBYTES, peaks


@pytest.mark.parametrize("job", ["encode", "score"])
def test_peak_memory_does_not_grow_with_a_line(job: str, tmp_path: Path) -> None:
    if not Path("/proc/self/status").exists():
        pytest.skip("the system does not say how much memory a process had")
    tokens = {"encode": ["--out", "out"], "score": ["--out", "out.parquet", "--run", str(shared_run())]}[job]
    tokens[1] = str(tmp_path / tokens[1])
    csv, peak = tmp_path / "in.csv.gz", tmp_path / "peak"
    parts = [
        f"label,title\n{LABELS[0]},otter\n{LABELS[1]},".encode(),
        b"x" * 100_000_000,
        f"\n{LABELS[2]},heron\n".encode(),
    ]
    first, line, last = (gzip.compress(part, 1) for part in parts)
    csv.write_bytes(first + 15 * line + last)
    options = ["--text", "title", "--json", "--max-quarantined", "0.5"]
    with start_job(job, [str(csv), *tokens, *options], peak) as process:
        out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    report = json.loads(out)
    assert (report["rows_in"], report["rows_out"], report["quarantined"]) == (3, 2, {"record_too_long": 1})
    assert (read_peak(peak) or 0) < MOST_MEBIBYTES
