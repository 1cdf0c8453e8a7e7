"""``python -m jobs.bench``: our numbers, each beside its peers and its ceilings, on the same work in the same run."""

import os
import platform
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import KW_ONLY, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from jobs.cli.command import run_command
from jobs.cli.flags import CommonConfig
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from jobs.bench.setup import Ground
    from jobs.bench.timing import Section

PACKAGES = (
    *("charmill", "numpy", "numba", "polars", "pyarrow", "torch", "scikit-learn"),
    *("fasttext-wheel", "fasttext", "onnxruntime"),
)

Part = Literal["encode", "load", "train", "score"]
PARTS: tuple[Part, ...] = ("encode", "load", "train", "score")


@Parameter(name="*")
@dataclass(frozen=True)
class BenchConfig:
    """Measure charmill in turn with its peers, on the same titles in the same run; quote the ratios, not the seconds.

    Peers that are not installed are named, and the others measured without them.
    """

    what: Annotated[
        Literal["all", "encode", "load", "train", "score", "growth"],
        Parameter(help="What to measure; all is all but growth."),
    ] = "all"
    _: KW_ONLY
    rows: int = 200_000
    "Rows of the CSV; titles are repeated to that number."
    train_rows: int = 20_000
    "Rows that train learns from at most, each title once."
    runs: int = 5
    "Runs of each, after one that is not counted."
    data: Literal["auto", "agnews", "synthetic"] = "auto"
    "auto takes AG News from the folder that AGNEWS_DIR names or from data/agnews, else made-up titles; with all, encode takes both."
    without: str = ""
    "Peers to leave out, with commas between: pyarrow, scikit-learn, fasttext, torch, torch.compile, onnxruntime."
    memory: bool = True
    "Measure the peak memory of each as well, by running it once more in a process of its own."
    growth: bool = False
    "Run encode and score on the sizes of --growth-rows too, as whole processes."
    growth_rows: str = "100000,1000000,10000000"
    "Rows of each size, with commas between."
    common: CommonConfig = field(default_factory=CommonConfig)

    def __post_init__(self) -> None:
        if self.rows < 100 or self.train_rows < 100:
            raise UsageError("--rows and --train-rows: expected 100 or more, since some are held out")
        if self.runs < 1:
            raise UsageError(f"--runs {self.runs}: expected 1 or more")
        _ = self.growth_sizes, self.left_out

    @property
    def growth_sizes(self) -> list[int]:
        """The sizes of `growth_rows`."""
        words = self.growth_rows.split(",")
        if not all(word.strip().isascii() and word.strip().isdigit() and int(word) >= 100 for word in words):
            raise UsageError(f"--growth-rows {self.growth_rows!r}: expected numbers from 100 with commas between")
        return [int(word) for word in words]

    @property
    def left_out(self) -> frozenset[str]:
        """The names in `without`."""
        from jobs.bench.setup import PEERS

        names = frozenset(name.strip() for name in self.without.split(",") if name.strip())
        unknown = sorted(names - PEERS.keys())
        if unknown:
            raise UsageError(f"--without {unknown[0]!r}: expected some of {', '.join(PEERS)}")
        return names

    @property
    def parts(self) -> tuple[Part, ...]:
        """What to time."""
        if self.what == "all":
            return PARTS
        return () if self.what == "growth" else (self.what,)


def run(config: BenchConfig) -> dict[str, Any]:
    """Measure.

    Raises:
        CharmillError: The titles cannot be read, or one of our own jobs failed; a peer that fails is named in the report.
    """
    from jobs.bench.growth import measure_growth
    from jobs.cli.console import make_log

    started = time.monotonic()
    log = make_log(config.common.log)
    with tempfile.TemporaryDirectory(prefix="charmill-bench-", ignore_cleanup_errors=True) as temporary:
        grounds = _grounds(config, Path(temporary).resolve())
        sections = [_measure(config, ground, section, log) for ground, section in _sections(config, grounds)]
        growth: list[dict[str, Any]] = []
        if config.growth or config.what == "growth":
            log.info("bench", at="growth", rows=config.growth_rows)
            growth = measure_growth(grounds[0], ("encode", "score"), config.growth_sizes)
    return {
        "what": config.what,
        "rows": config.rows,
        "runs": config.runs,
        "data": [ground.data.to_json() for ground in grounds],
        "machine": _machine(config),
        "sections": sections,
        "growth": growth,
        "seconds": round(time.monotonic() - started, 3),
    }


def _measure(config: BenchConfig, ground: "Ground", section: "Section", log: Any) -> dict[str, Any]:
    from jobs.bench.memory import peak_of
    from jobs.bench.timing import Contestant, measure

    def tell(event: str) -> None:
        log.info("bench", at=section.title, now=event)

    def peak(contestant: Contestant) -> float | None:
        return peak_of(contestant, ground.folder) if config.memory else None

    return measure(section, config.runs, tell=tell, peak=peak)


def _grounds(config: BenchConfig, folder: Path) -> "list[Ground]":
    """One for each kind of titles; the first one is for every part, the others for encode."""
    from jobs.bench.data import choose_kinds, make_data
    from jobs.bench.setup import Ground

    grounds = []
    for kind in choose_kinds(config.data, both=config.what == "all"):
        own = folder / kind
        own.mkdir()
        ground = Ground(
            folder=own,
            data=make_data(kind, own / "titles.csv", config.rows),
            train_rows=config.train_rows,
            num_threads=config.common.num_threads,
            log=config.common.log,
            without=config.left_out,
        )
        grounds.append(ground)
    return grounds


def _sections(config: BenchConfig, grounds: "list[Ground]") -> "Iterator[tuple[Ground, Section]]":
    """What to time, each made when the one before it is done."""
    from jobs.bench.encode import encode_section
    from jobs.bench.load import load_sections
    from jobs.bench.score import score_sections
    from jobs.bench.train import train_section

    first = grounds[0]
    if "encode" in config.parts:
        for ground in grounds:
            yield ground, encode_section(ground)
    makers: dict[str, Callable[[Ground], list[Section]]] = {
        "load": load_sections,
        "train": lambda ground: [train_section(ground)],
        "score": score_sections,
    }
    for part, make in makers.items():
        if part in config.parts:
            for section in make(first):
                yield first, section


def _machine(config: BenchConfig) -> dict[str, Any]:
    git = ["git", "rev-parse", "HEAD"]
    try:
        commit = subprocess.run(
            git, capture_output=True, text=True, check=False, cwd=Path(__file__).parent
        ).stdout.strip()
    except OSError:  # There is no git here.
        commit = ""
    return {
        "cpu": _cpu_name(),
        "cores": os.cpu_count(),
        "threads": config.common.num_threads,
        "waiting_threads": os.environ.get("OMP_WAIT_POLICY", "as the library will"),
        "python": platform.python_version(),
        "commit": commit or "unknown",
        "versions": {name: found for name in PACKAGES if (found := _version(name))},
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def render(report: dict[str, Any]) -> str:
    """The report as tables."""
    from jobs.bench.table import render as render_tables

    return render_tables(report)


if __name__ == "__main__":
    run_command("bench", BenchConfig, run, render)
