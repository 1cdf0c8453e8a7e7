"""``python -m jobs.score``: CSVs and a run in, Parquet files of predictions out."""

import sys
import time
from dataclasses import KW_ONLY, dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from jobs.cli.accuracies import scores_fields, scores_rows
from jobs.cli.command import run_command
from jobs.cli.compiling import says_what_compiles
from jobs.cli.flags import CommonConfig, CsvPaths, RunFolder
from jobs.cli.help import OUTPUT, RARE
from jobs.cli.process import until_unread
from jobs.cli.reading_flags import ReadingConfig
from jobs.cli.scoring_flags import ScoringConfig


@Parameter(name="*")
@OUTPUT
@dataclass(frozen=True)
class ScoreConfig:
    """Classify the rows of CSVs with a trained model. Needs no torch.

    With --out - there are scores on standard output and nothing else: what it prints, with --json too, goes to standard error, and
    quarantined records go into NAME.quarantine.parquet in the current folder.

    Examples:
        score data/agnews/test.csv --columns label,title,description --text title --label label --run data/ag-run --out data/ag.parquet
        score new.csv --text title --run data/ag-run --out - --out-format jsonl
    """

    csv: CsvPaths
    _: KW_ONLY
    run: RunFolder
    out: Annotated[Path, Parameter(alias="-o", metavar="PATH")]
    "A file NAME.parquet, .csv or .jsonl for one CSV, a folder that gets a file for each, or - for standard output."
    out_format: Annotated[
        Literal["parquet", "csv", "jsonl"] | None,
        Parameter(show_default="by the name of --out; csv on standard output"),
    ] = None
    "Format of the scores."
    profile: Annotated[Literal["seed", "ascii", "bytes"] | None, RARE, Parameter(show_default="any")] = None
    "Refuse a run of another profile than this."
    reading: ReadingConfig = field(default_factory=ReadingConfig)
    scoring: ScoringConfig = field(default_factory=ScoringConfig)
    common: CommonConfig = field(default_factory=CommonConfig)

    @property
    def result_on_stderr(self) -> bool:
        """Whether the scores have standard output."""
        return str(self.out) == "-"


@says_what_compiles
def run(config: ScoreConfig) -> dict[str, Any]:
    """Score CSVs, and report.

    Raises:
        CharmillError: The scores of the current source were not published; those of earlier ones were.
        SystemExit: Nobody reads standard output any more.
    """
    from jobs.cli.console import metered
    from model.scoring.run import ScoreRequest, score
    from model.scoring.sinks import OutputClosedError

    started = time.monotonic()
    request = ScoreRequest(
        run=config.run,
        out=sys.stdout.buffer if config.result_on_stderr else config.out,
        out_format=config.out_format,
        options=config.scoring.options(config.reading),
        profile=config.profile,
        engine=config.scoring.engine,
        device=config.scoring.device,
        overwrite=config.common.overwrite,
        num_threads=config.common.num_threads,
    )
    with_bar = not (config.result_on_stderr and sys.stdout.isatty())
    meters = partial(metered, config.common.log, with_bar=with_bar)
    try:
        scores = score(config.csv, request, config.reading.formats(), meters=meters)
    except OutputClosedError as error:
        with until_unread():
            raise BrokenPipeError from error
        raise SystemExit(0) from error
    report: dict[str, Any] = {
        "rows_in": scores.total("rows_in"),
        "rows_out": scores.total("rows_scored"),
        "rows_quarantined": scores.total("rows_quarantined"),
        "quarantined": scores.reasons,
        "engine": scores.engine,
        "model": scores.model.fingerprint,
        "outputs": [output for report in scores.reports for output in report.outputs],
    }
    if config.scoring.label:
        report |= scores_fields(scores, has_threshold=config.scoring.min_confidence is not None)
    if config.scoring.min_confidence is not None:
        report["rows_abstained"] = scores.total("rows_abstained")
    return report | {"seconds": round(time.monotonic() - started, 3)}


def render(report: dict[str, Any]) -> str:
    """The report as text."""
    from jobs.cli.console import table

    return table(
        {
            "rows in": report["rows_in"],
            "rows scored": report["rows_out"],
            **({"  of which abstained": report["rows_abstained"]} if "rows_abstained" in report else {}),
            "rows quarantined": report["rows_quarantined"],
            **{f"  {reason}": count for reason, count in sorted(report["quarantined"].items())},
            **scores_rows(report),
            "engine": report["engine"],
            "model": report["model"],
            "seconds": report["seconds"],
            "rows/s": round(report["rows_in"] / max(report["seconds"], 1e-9)),
            "files": report["outputs"],
        }
    )


def main() -> None:
    """Run the command."""
    run_command("score", ScoreConfig, run, render, reads=True)


if __name__ == "__main__":
    main()
