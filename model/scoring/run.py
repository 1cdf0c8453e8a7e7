"""The scoring of files: sources and a run in, scores files out. What `jobs.score` does, without its flags and console."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from model.architectures.trained import Model
from model.engines.load import load_predictor
from model.engines.predictor import Device, Engine
from model.runs.model_file import read_model
from model.scoring.columns import ScoreOptions
from model.scoring.part_writer import ScoreReport
from model.scoring.scorer import Scorer, quarantine_path
from pipeline.errors import MismatchError, UsageError
from pipeline.execution.meter import Meters, rates, silent
from pipeline.records.law import encoding_hint
from pipeline.records.quarantine import require_no_foreign_file
from pipeline.records.row_reader import Dialect, RowReaders
from pipeline.storage.endings import stem
from pipeline.storage.publish import require_new_file
from pipeline.storage.source import STDIN, Source, find_sources
from pipeline.text.alphabet import get_profile, require_same_profile


@dataclass(frozen=True, kw_only=True)
class ScoreRequest:
    """What to score with, and where the scores go.

    Attributes:
        run: The run's folder.
        out: A file NAME.parquet for one source, or a folder that gets a file for each.
        options: What the scores contain.
        profile: Refuse a run of any other profile; None for no check.
        engine: See `load_predictor`.
        device: See `load_predictor`.
        overwrite: Replace scores that are there.
        num_threads: Threads to use, at least 1.
    """

    run: Path
    out: Path
    options: ScoreOptions = field(default_factory=ScoreOptions)
    profile: str | None = None
    engine: Engine = "auto"
    device: Device = "auto"
    overwrite: bool = False
    num_threads: int = 1


@dataclass(frozen=True, kw_only=True)
class Scores:
    """What came of scoring several sources.

    Attributes:
        model: The model.
        engine: The engine and its device.
        reports: A report for each source, in order.
    """

    model: Model
    engine: str
    reports: list[ScoreReport]

    def total(self, name: str) -> int:
        """The sum of one number over all reports."""
        return sum(getattr(report, name) for report in self.reports)

    @property
    def reasons(self) -> dict[str, int]:
        """Quarantined records by reason."""
        reasons: dict[str, int] = {}
        for report in self.reports:
            for reason, count in report.reasons.items():
                reasons[reason] = reasons.get(reason, 0) + count
        return reasons

    @property
    def accuracy(self) -> float | None:
        """The share of rows whose class is the predicted one; None without rows."""
        return _share(self.total("rows_correct"), self.total("rows_scored"))

    @property
    def accuracy_kept(self) -> float | None:
        """The same for the rows that do not abstain."""
        correct = self.total("rows_correct") - self.total("rows_abstained_correct")
        return _share(correct, self.total("rows_scored") - self.total("rows_abstained"))


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def score(inputs: Sequence[str], request: ScoreRequest, readers: RowReaders, *, meters: Meters = silent) -> Scores:
    """Score files, each into a Parquet file of its own.

    Args:
        inputs: Paths and glob patterns; ``-`` is standard input.
        request: What to score with, and where the scores go.
        readers: Open a reader for each source.
        meters: Open what shows the progress.

    Raises:
        CharmillError: The scores of the current source were not published; those of earlier ones were.
    """
    started = time.monotonic()
    model = read_model(request.run)
    _require_profile(request, model)
    sources = find_sources(inputs)
    targets = _targets(request, sources)
    predictor = load_predictor(
        request.run, model, engine=request.engine, device=request.device, num_threads=request.num_threads
    )
    scorer = Scorer(model, predictor, request.options, readers, num_threads=request.num_threads)
    scores = Scores(model=model, engine=predictor.name, reports=[])
    with meters("score", sum(source.size_bytes for source in sources)) as meter:
        noted = Dialect()

        def show(now: ScoreReport) -> None:
            nonlocal noted
            if now.dialect is not noted:
                noted = now.dialect
                if detected := noted.surprises():
                    meter.note(f"{now.source} is read as", **detected)
            num_bytes = sum(source.bytes_read for source in sources)
            meter.update(num_bytes, lambda: rates(started, scores.total("rows_in") + now.rows_in, num_bytes))

        for source, target in zip(sources, targets, strict=True):
            report = scorer.score(source, target, show)
            scores.reports.append(report)
            if hint := encoding_hint(report.reasons, [report.dialect.encoding]):
                meter.note(f"{source.name}: {hint}")
    return scores


def _require_profile(request: ScoreRequest, model: Model) -> None:
    if request.profile is not None and request.profile != model.profile.name:
        require_same_profile(
            str(request.run), model.profile.to_json(), "--profile", get_profile(request.profile).to_json()
        )
        raise MismatchError(f"{request.run}: its profile is {model.profile.name}, not {request.profile}")


def _targets(request: ScoreRequest, sources: Sequence[Source]) -> list[Path]:
    """The path of each source's scores.

    Raises:
        UsageError: Two sources would share a file, or a file exists already.
    """
    out = request.out
    if out.suffix == ".parquet" and not out.is_dir():
        if len(sources) > 1:
            raise UsageError(f"{out}: {len(sources)} CSVs cannot go into one file; name a folder with --out")
        targets = [out]
    else:
        targets = []
        taken: set[Path] = set()
        for source in sources:
            name = "stdin" if source.path == STDIN else Path(source.path).name
            target = out / f"{stem(name)}.parquet"
            for output in (target, quarantine_path(target)):
                if output in taken:
                    raise UsageError(f"{output}: two CSVs would write it; score them into different folders")
            taken |= {target, quarantine_path(target)}
            targets.append(target)
    for target in targets:
        require_new_file(target, overwrite=request.overwrite)
        require_no_foreign_file(quarantine_path(target), overwrite=request.overwrite)
    return targets
