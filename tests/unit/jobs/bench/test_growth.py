"""Growth: each job on each size, in processes of their own; a job that fails says why."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from jobs.bench import growth
from jobs.bench.data import make_data
from jobs.bench.growth import Ended, measure_growth, run_process
from jobs.bench.setup import Setup
from pipeline.errors import CharmillError, TemporaryError


def _setup(folder: Path) -> Setup:
    data = make_data("synthetic", folder / "titles.csv", 100)
    return Setup(folder=folder, data=data, train_rows=100, num_threads=1)


def test_a_process_leaves_its_report_and_its_peak_memory(tmp_path: Path) -> None:
    data = _setup(tmp_path).data
    ended = run_process("encode", [str(data.path), "--out", str(tmp_path / "out"), *data.tokens, "--json"], tmp_path)
    assert ended.code == 0, ended.err
    assert '"rows_in": 100' in ended.out
    assert ended.seconds > 0
    assert ended.peak_mebibytes is None or ended.peak_mebibytes > 50  # A process with Polars and Numba in it.


@pytest.mark.parametrize(("code", "kind"), [(75, TemporaryError), (65, CharmillError)])
def test_a_job_that_fails_is_named_with_what_it_said(
    code: int, kind: type[CharmillError], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_job: str, _tokens: Sequence[str], _folder: Path) -> Ended:
        return Ended(code=code, out="", err="a log line\nerror: the disk is full\n", seconds=1, peak_mebibytes=None)

    monkeypatch.setattr(growth, "run_process", fail)
    with pytest.raises(kind, match=rf"^jobs\.encode on 300 rows: .* exit code {code}: the disk is full$") as caught:
        measure_growth(_setup(tmp_path), ["encode"], [300])
    assert type(caught.value) is kind
