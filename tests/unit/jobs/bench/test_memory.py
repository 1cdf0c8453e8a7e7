"""Peak memory is of the process that is asked about, and of nothing that started it."""

from pathlib import Path

import pytest

from jobs.bench.memory import peak_of
from jobs.bench.setup import ready
from jobs.bench.timing import Contestant


def test_peak_memory_is_that_of_the_contestants_own_process(tmp_path: Path) -> None:
    if not Path("/proc/self/status").exists():
        pytest.skip("the system does not say how much memory a process had")
    ballast = b"x" * (300 << 20)  # Of this process, which no child may be charged with.
    peaks = []
    for mebibytes in (1, 200):
        prepare = ready(b"x".__mul__, mebibytes << 20)
        peaks.append(peak_of(Contestant("it", "peer", 1, prepare), tmp_path) or 0)
    assert len(ballast) == 300 << 20
    assert 5 < peaks[0] < 150
    assert 190 < peaks[1] - peaks[0] < 210
    failing = Contestant("it", "peer", 1, ready(int, "no number"))
    assert peak_of(failing, tmp_path) is None
