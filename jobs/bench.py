"""``python -m jobs.bench``: our numbers, each beside its peers on the same work in the same run."""

import os
import platform
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from jobs.command import CommonConfig, run_command
from jobs.reading import ReadingConfig
from jobs.scoring import ScoringConfig
from pipeline.errors import UsageError

PLAIN_PYTHON_ROWS = 5_000
PACKAGES = ("charmill", "numpy", "numba", "polars", "pyarrow", "torch")


@Parameter(name="*")
@dataclass(frozen=True)
class BenchConfig:
    """Measure encoding and scoring on made-up titles, in turn with their peers; quote the ratios, not the seconds."""

    what: Annotated[Literal["all", "encode", "score"], Parameter(help="What to measure.")] = "all"
    _: KW_ONLY
    rows: int = 200_000
    "Rows of the CSV that is made for it."
    runs: int = 5
    "Runs of each, after one that is not counted."
    common: CommonConfig = field(default_factory=CommonConfig)

    def __post_init__(self) -> None:
        if self.rows < 1 or self.runs < 1:
            raise UsageError("--rows and --runs: expected 1 or more")


@dataclass(frozen=True)
class Contestant:
    """Something to time: it works through num_rows rows when called."""

    name: str
    num_rows: int
    work: Callable[[], object]


def run(config: BenchConfig) -> dict[str, Any]:
    """Measure."""
    from pipeline.synthetic import write_titles

    results: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        csv = folder / "titles.csv"
        write_titles(csv, config.rows, seed=1)
        if config.what in {"all", "encode"}:
            results += _measure("encode", _encoders(csv, folder, config), config.runs)
        if config.what in {"all", "score"}:
            results += _measure("score", _scorers(csv, folder, config), config.runs)
    return {"rows": config.rows, "runs": config.runs, "machine": _machine(config), "results": results}


def _measure(what: str, contestants: list[Contestant], num_runs: int) -> list[dict[str, Any]]:
    """Time the contestants in turn, so that a slow moment of the machine hits all of them; the first one is ours."""
    first_call = [_seconds(contestant) for contestant in contestants]
    seconds: list[list[float]] = [[] for _ in contestants]
    for _ in range(num_runs):
        for index, contestant in enumerate(contestants):
            seconds[index].append(_seconds(contestant))
    rates = [[c.num_rows / s for s in runs] for c, runs in zip(contestants, seconds, strict=True)]
    return [
        {
            "what": what,
            "name": contestant.name,
            "rows_per_second": round(statistics.median(own)),
            "lowest": round(min(own)),
            "highest": round(max(own)),
            "ours_against_it": statistics.median(o / r for o, r in zip(rates[0], own, strict=True)),
            "first_call_seconds": round(first, 3),
        }
        for contestant, own, first in zip(contestants, rates, first_call, strict=True)
    ]


def _seconds(contestant: Contestant) -> float:
    started = time.perf_counter()
    contestant.work()
    return time.perf_counter() - started


def _encoders(csv: Path, folder: Path, config: BenchConfig) -> list[Contestant]:
    import polars as pl

    from jobs import encode

    job = encode.EncodeConfig(
        (str(csv),),
        out=folder / "dataset",
        reading=ReadingConfig(text="title"),
        common=CommonConfig(overwrite=True, threads=config.common.threads),
    )
    sample = pl.read_csv(csv)["title"].head(PLAIN_PYTHON_ROWS).to_list()
    return [
        Contestant("jobs.encode, CSV to published shards", config.rows, lambda: encode.run(job)),
        Contestant("polars.read_csv alone", config.rows, lambda: pl.read_csv(csv)),
        Contestant("file read alone", config.rows, csv.read_bytes),
        Contestant("plain Python, a string at a time, to one-hot", len(sample), lambda: _encode_plainly(sample)),
    ]


def _encode_plainly(titles: list[str]) -> list[Any]:
    """What the article does to a title: clean it with regular expressions, look up each character, one-hot, pad."""
    import re

    import numpy as np

    alphabet = "abcdefghijklmnopqrstuvwxyz "
    encoded = []
    for title in titles:
        text = re.sub(r" +", " ", re.sub(r"[^a-z]", " ", title.lower())).strip() + " eos"
        one_hot = np.eye(28)[[alphabet.index(character) for character in text[:64]]]
        encoded.append(np.concatenate([one_hot, np.zeros((64 - len(one_hot), 28))]))
    return encoded


def _scorers(csv: Path, folder: Path, config: BenchConfig) -> list[Contestant]:
    if find_spec("torch") is None:
        return []
    from jobs import encode, score, train

    threads = CommonConfig(overwrite=True, threads=config.common.threads)
    reading = ReadingConfig(text="title")
    small, dataset, run_folder = folder / "small.csv", folder / "scored", folder / "run"
    with csv.open("rb") as file:
        small.write_bytes(b"".join(file.readlines()[: 1 + PLAIN_PYTHON_ROWS]))
    encode.run(encode.EncodeConfig((str(small),), out=dataset, reading=reading, common=threads))
    train.run(train.TrainJobConfig(dataset, out=run_folder, epochs=1, common=threads))

    def scorer(engine: Literal["folded", "torch"]) -> Contestant:
        job = score.ScoreConfig(
            (str(csv),),
            run=run_folder,
            out=folder / f"{engine}.parquet",
            scoring=ScoringConfig(engine=engine),
            reading=reading,
            common=threads,
        )
        return Contestant(
            f"jobs.score, default model, {engine} engine, CSV to Parquet", config.rows, lambda: score.run(job)
        )

    return [scorer("folded"), scorer("torch")]


def _machine(config: BenchConfig) -> dict[str, str]:
    git = ["git", "rev-parse", "HEAD"]
    commit = subprocess.run(git, capture_output=True, text=True, check=False, cwd=Path(__file__).parent)
    return {
        "cpu": _cpu_name(),
        "cores": str(os.cpu_count()),
        "threads": str(config.common.num_threads),
        "python": platform.python_version(),
        "commit": commit.stdout.strip() or "unknown",
        **{name: version(name) for name in PACKAGES if find_spec(name) or name == "charmill"},
    }


def _cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def render(report: dict[str, Any]) -> str:
    """The report as a table."""
    rows: list[tuple[str, ...]] = [("", "rows/s, median", "lowest", "highest", "ours / it", "first call, s")]
    for result in report["results"]:
        rates = [f"{result[name]:,}" for name in ("rows_per_second", "lowest", "highest")]
        rows.append(
            (
                f"{result['what']}: {result['name']}",
                *rates,
                f"{result['ours_against_it']:.2f}",
                f"{result['first_call_seconds']:.2f}",
            )
        )
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    lines = [
        "  ".join(
            f"{cell:<{w}}" if i == 0 else f"{cell:>{w}}" for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    machine = ", ".join(f"{name} {value}" for name, value in report["machine"].items())
    return "\n".join([*lines, "", f"{report['rows']:,} made-up titles, {report['runs']} runs in turn; {machine}"])


if __name__ == "__main__":
    run_command("bench", BenchConfig, run, render)
