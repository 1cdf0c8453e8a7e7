"""``python -m jobs.score``: CSVs and a run in, Parquet files of predictions out."""

import time
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from cyclopts import Parameter

from jobs.cli.command import run_command
from jobs.cli.flags import CommonConfig, CsvPaths
from jobs.cli.reading_flags import ReadingConfig
from jobs.cli.scoring_flags import ScoringConfig
from pipeline.errors import MismatchError, UsageError

if TYPE_CHECKING:
    from model.architectures.trained import Model
    from model.scoring.part_writer import ScoreReport
    from pipeline.storage.source import Source

_STRIPPED = {".gz", ".zst", ".csv", ".tsv", ".txt"}


@Parameter(name="*")
@dataclass(frozen=True)
class ScoreConfig:
    """Classify the rows of CSVs with a trained model. Needs no torch."""

    csv: CsvPaths
    _: KW_ONLY
    run: Path
    "The folder that python -m jobs.train wrote."
    out: Path
    "A file NAME.parquet for one CSV, or a folder that gets a file for each."
    profile: Literal["seed", "ascii", "bytes"] | None = None
    "Refuse a run of another profile than this; by default any will do."
    scoring: ScoringConfig = field(default_factory=ScoringConfig)
    reading: ReadingConfig = field(default_factory=ReadingConfig)
    common: CommonConfig = field(default_factory=CommonConfig)


def run(config: ScoreConfig) -> dict[str, Any]:
    """Score.

    Raises:
        CharmillError: The source at hand was not published; those before it were.
    """
    from jobs.cli.console import metered
    from model.runs.model_file import read_model
    from model.scoring.scorer import Scorer
    from pipeline.execution.meter import rates
    from pipeline.storage.source import find_sources

    started = time.monotonic()
    num_threads = config.common.num_threads
    model = read_model(config.run)
    _require_profile(config, model)
    options = config.scoring.options(config.reading, model)
    sources = find_sources(config.csv)
    targets = _targets(config, sources)
    predictor = config.scoring.load(config.run, model, num_threads)
    scorer = Scorer(model, predictor, options, num_threads=num_threads)
    reports: list[ScoreReport] = []
    with metered(config.common.log, "score", sum(source.size_bytes for source in sources)) as meter:

        def show(now: "ScoreReport") -> None:
            num_bytes = sum(source.bytes_read for source in sources)
            num_rows = sum(report.rows_in for report in reports) + now.rows_in
            meter.update(num_bytes, lambda: rates(started, num_rows, num_bytes))

        for source, target in zip(sources, targets, strict=True):
            reports.append(scorer.score(source, target, show))
    return _summary(config, model, predictor.name, reports) | {"seconds": round(time.monotonic() - started, 3)}


def _require_profile(config: ScoreConfig, model: "Model") -> None:
    from pipeline.text.alphabet import get_profile, require_same_profile

    if config.profile is not None and config.profile != model.profile.name:
        require_same_profile(
            str(config.run), model.profile.to_json(), "--profile", get_profile(config.profile).to_json()
        )
        raise MismatchError(f"{config.run}: its profile is {model.profile.name}, not {config.profile}")


def _targets(config: ScoreConfig, sources: "list[Source]") -> list[Path]:
    """The scores file of each source.

    Raises:
        UsageError: Two sources would share one, or one exists already.
    """
    from model.scoring.scorer import quarantine_path
    from pipeline.records.quarantine import require_no_foreign_file
    from pipeline.storage.publish import require_new_file
    from pipeline.storage.source import STDIN

    out = config.out
    if out.suffix == ".parquet" and not out.is_dir():
        if len(sources) > 1:
            raise UsageError(f"{out}: {len(sources)} CSVs cannot go into one file; name a folder with --out")
        targets = [out]
    else:
        targets = []
        taken: set[Path] = set()
        for source in sources:
            name = Path("stdin" if source.path == STDIN else source.path)
            while name.suffix in _STRIPPED and name.stem:
                name = name.with_suffix("")
            target = out / f"{name.name}.parquet"
            for output in (target, quarantine_path(target)):
                if output in taken:
                    raise UsageError(f"{output}: two CSVs would write it; score them into different folders")
            taken |= {target, quarantine_path(target)}
            targets.append(target)
    for target in targets:
        require_new_file(target, overwrite=config.common.overwrite)
        require_no_foreign_file(quarantine_path(target), overwrite=config.common.overwrite)
    return targets


def _summary(config: ScoreConfig, model: "Model", engine: str, reports: "list[ScoreReport]") -> dict[str, Any]:
    def total(name: str) -> int:
        return sum(getattr(report, name) for report in reports)

    reasons: dict[str, int] = {}
    for report in reports:
        for reason, count in report.reasons.items():
            reasons[reason] = reasons.get(reason, 0) + count
    summary: dict[str, Any] = {
        "rows_in": total("rows_in"),
        "rows_out": total("rows_scored"),
        "rows_quarantined": total("rows_quarantined"),
        "quarantined": reasons,
        "engine": engine,
        "model": model.fingerprint,
        "outputs": [output for report in reports for output in report.outputs],
    }
    scored, correct, abstained = total("rows_scored"), total("rows_correct"), total("rows_abstained")
    if config.scoring.label:
        summary["accuracy"] = correct / scored if scored else None
    if config.scoring.min_confidence is not None:
        summary["rows_abstained"] = abstained
        if config.scoring.label:
            kept_correct = correct - total("rows_abstained_correct")
            summary["accuracy_kept"] = kept_correct / (scored - abstained) if scored > abstained else None
    return summary


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
            **{
                title: f"{report[name]:.2%}"
                for title, name in (("accuracy", "accuracy"), ("  without those abstained", "accuracy_kept"))
                if report.get(name) is not None
            },
            "engine": report["engine"],
            "model": report["model"],
            "seconds": report["seconds"],
            "rows/s": round(report["rows_in"] / max(report["seconds"], 1e-9)),
            "files": report["outputs"],
        }
    )


if __name__ == "__main__":
    run_command("score", ScoreConfig, run, render)
