"""Warming up: after it no job has a kernel to compile, whatever the profile, the network and the files are."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from model.architectures.registry import CONFIGS
from pipeline.text.alphabet import PROFILES
from tests.commands import HIDE_TORCH, ROOT, call, environment
from tests.datasets import write_csv

JOBS = """
import sys
from pathlib import Path
from jobs import encode, predict, score, train
from jobs.cli.flags import CommonConfig, ThreadsConfig
from jobs.cli.reading_flags import ReadingConfig
from jobs.cli.scoring_flags import ScoringConfig

folder = Path(sys.argv[1])
profiles, architectures = (words.split(",") for words in sys.argv[2:])
csvs, common = tuple(map(str, sorted(folder.glob("*.csv")))), CommonConfig(overwrite=True)
for profile in profiles:
    for split in ("hash", "random"):
        encode.run(
            encode.EncodeConfig(
                csvs, out=folder / profile, profile=profile, split=split, valid_fraction=0.4, common=common, append=False,
                reading=ReadingConfig(max_quarantined=1), shard_rows=90,
            )
        )
    for arch in architectures:
        out = folder / f"{profile}-{arch}"
        train.run(train.TrainJobConfig(folder / profile, out=out, arch=arch, epochs=1, baseline="none", common=common))
        score.run(
            score.ScoreConfig(
                csvs, run=out, out=folder / "scores", common=common, reading=ReadingConfig(max_quarantined=1),
                scoring=ScoringConfig(label="label", probabilities="list", keep="text", engine="folded"),
            )
        )
        predict.run(predict.PredictConfig(("an otter", "ein Öl"), run=out, common=ThreadsConfig()))
"""


def _kernels(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*.nb[ic]")}


def _csvs(folder: Path) -> None:
    """Two files with all that makes reading take another way: quotes, line breaks, other alphabets, damage, one field more or less."""
    rows = [(f"class {row % 3}", f'"a ""title"" {row},\n{"née Öl" * (row % 2)}"') for row in range(150)]
    write_csv(
        folder / "a.csv", [*rows, ("class 1", ""), ("class 2", "x", "y"), ("class 0", "x" * 300)], header="label,text"
    )
    damaged = b'label,text\r\n"class 0",plain\r\nclass 1,bro\xffken\r\nclass 2\r\nclass 1,"never closed\r\n'
    (folder / "b.csv").write_bytes(damaged + b"class 0,title\r\n" * 40 + b"class 1,other\r\n" * 40)


@pytest.mark.slow
def test_no_job_has_anything_left_to_compile(tmp_path: Path) -> None:
    kernels = tmp_path / "kernels"
    env = {"NUMBA_CACHE_DIR": str(kernels)}
    report: dict[str, Any] = call("warm_up", "--json", env=env, timeout=3600).report
    before = _kernels(kernels)
    assert report["kernels"] >= len(before) / 2 > 20
    _csvs(tmp_path)
    words = [sys.executable, "-c", JOBS, str(tmp_path), ",".join(PROFILES), ",".join(CONFIGS)]
    done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, env=environment(env), check=False)
    assert done.returncode == 0, done.stderr
    assert "compiling" not in done.stderr
    assert _kernels(kernels) == before
    again = call("warm_up", "--json", env=env)
    assert again.report["kernels"] == 0
    assert "none; they were all there" in call("warm_up", env=env, prelude=HIDE_TORCH).out
    assert _kernels(kernels) == before
