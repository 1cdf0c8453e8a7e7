"""The benchmark as a job: our numbers, each beside its peers and its ceilings, on the same work in the same run."""

import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from jobs.bench.setup import PEERS, Setup
from jobs.cli.command import run_command
from jobs.cli.flags import CommonConfig
from jobs.cli.help import INPUT, RUNNING
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from jobs.bench.timing import Section

Part = Literal["encode", "load", "train", "score"]
PARTS: tuple[Part, ...] = ("encode", "load", "train", "score")


@Parameter(name="*")
@RUNNING
@dataclass(frozen=True)
class BenchConfig:
    """Measure charmill in turn with its peers, on the same titles in the same run; quote the ratios, not the seconds.

    Peers that are not installed are named, and the others measured without them.

    Examples:
        bench encode --rows 20000 --runs 3
    """

    what: Annotated[
        Literal["all", "encode", "load", "train", "score", "growth"],
        INPUT,
        Parameter(name="WHAT", help="What to measure; all is all but growth."),
    ] = "all"
    _: KW_ONLY
    rows: Annotated[int, INPUT] = 200_000
    "Rows of the CSV; titles are repeated to that number."
    train_rows: Annotated[int, INPUT] = 20_000
    "Rows that train learns from at most, each title once."
    runs: int = 5
    "Runs of each, after one that is not counted."
    data: Annotated[Literal["auto", "agnews", "synthetic"], INPUT] = "auto"
    "auto takes AG News from the folder that AGNEWS_DIR names or from data/agnews, else made-up titles; with all, encode takes both."
    without: Annotated[str, Parameter(metavar="NAMES")] = ""
    "Peers to leave out, with commas between: pyarrow, scikit-learn, fasttext, torch, torch.compile, onnxruntime."
    memory: bool = True
    "Measure the peak memory of each as well, by running it once more in a process of its own."
    growth: bool = False
    "Run encode and score on the sizes of --growth-rows too, as whole processes."
    growth_rows: Annotated[str, Parameter(metavar="N,N")] = "100000,1000000,10000000"
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
        names = frozenset(name.strip() for name in self.without.split(",") if name.strip())
        unknown = sorted(names - PEERS.keys())
        if unknown:
            raise UsageError(f"--without {unknown[0]!r}: expected some of {', '.join(PEERS)}")
        return names

    @property
    def parts(self) -> tuple[Part, ...]:
        """The parts to time."""
        if self.what == "all":
            return PARTS
        return () if self.what == "growth" else (self.what,)


def run(config: BenchConfig) -> dict[str, Any]:
    """Measure.

    Raises:
        CharmillError: The titles cannot be read, or one of our own jobs failed; a peer that fails is named in the report.
    """
    from jobs.bench.growth import measure_growth
    from jobs.bench.machine import describe_machine
    from jobs.cli.console import make_log

    started = time.monotonic()
    log = make_log(config.common.log)
    with tempfile.TemporaryDirectory(prefix="charmill-bench-", ignore_cleanup_errors=True) as temporary:
        setups = _make_setups(config, Path(temporary).resolve())
        sections = [_measure(config, setup, section, log) for setup, section in _sections(config, setups)]
        growth: list[dict[str, Any]] = []
        if config.growth or config.what == "growth":
            log.info("bench", at="growth", rows=config.growth_rows)
            growth = measure_growth(setups[0], ("encode", "score"), config.growth_sizes)
    return {
        "what": config.what,
        "rows": config.rows,
        "runs": config.runs,
        "data": [setup.data.to_json() for setup in setups],
        "machine": describe_machine(config.common.num_threads),
        "sections": sections,
        "growth": growth,
        "seconds": round(time.monotonic() - started, 3),
    }


def _make_setups(config: BenchConfig, folder: Path) -> list[Setup]:
    """One for each kind of titles; the first is for every part, the others are for encode."""
    from jobs.bench.data import choose_kinds, make_data

    setups = []
    for kind in choose_kinds(config.data, both=config.what == "all"):
        own = folder / kind
        own.mkdir()
        setup = Setup(
            folder=own,
            data=make_data(kind, own / "titles.csv", config.rows),
            train_rows=config.train_rows,
            num_threads=config.common.num_threads,
            log=config.common.log,
            without=config.left_out,
        )
        setups.append(setup)
    return setups


def _sections(config: BenchConfig, setups: list[Setup]) -> "Iterator[tuple[Setup, Section]]":
    """What to measure, the sections of a part made when those before it are done."""
    from jobs.bench.encode import encode_sections
    from jobs.bench.load import load_sections
    from jobs.bench.score import score_sections
    from jobs.bench.train import train_sections

    makers: dict[Part, Callable[[Setup], list[Section]]] = {
        "encode": encode_sections,
        "load": load_sections,
        "train": train_sections,
        "score": score_sections,
    }
    for part in config.parts:
        for setup in setups if part == "encode" else setups[:1]:
            for section in makers[part](setup):
                yield setup, section


def _measure(config: BenchConfig, setup: Setup, section: "Section", log: Any) -> dict[str, Any]:
    from jobs.bench.memory import peak_of
    from jobs.bench.timing import Contestant, measure

    def tell(event: str) -> None:
        log.info("bench", at=section.title, now=event)

    def peak(contestant: Contestant) -> float | None:
        return peak_of(contestant, setup.folder) if config.memory else None

    return measure(section, config.runs, tell=tell, peak=peak)


def render(report: dict[str, Any]) -> str:
    """The report as tables."""
    from jobs.bench.table import render as render_tables

    return render_tables(report)


def main() -> None:
    """Run the command."""
    run_command("bench", BenchConfig, run, render, reads=True)
