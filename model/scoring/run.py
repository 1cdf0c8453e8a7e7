"""The scoring of files: sources and a run in, scores files out. What `jobs.score` does, without its flags and console."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

from model.architectures.trained import Model
from model.engines.load import load_predictor
from model.engines.predictor import Device, Engine
from model.runs.accuracy import Accuracy, accuracy_of
from model.runs.model_file import read_model
from model.runs.training_texts import read_training_texts
from model.scoring.columns import ScoreOptions
from model.scoring.part_writer import ScoreReport
from model.scoring.scorer import Scorer
from model.scoring.sinks import OutFormat
from model.scoring.tally import Tally
from model.scoring.targets import find_targets, format_of, stream_quarantine
from pipeline.errors import MismatchError, UsageError
from pipeline.execution.meter import Meters, rates, silent
from pipeline.records.row_reader import Dialect, RowReaders
from pipeline.storage.source import find_sources
from pipeline.text.alphabet import get_profile, require_same_profile

_MAX_NAMED = 3


@dataclass(frozen=True, kw_only=True)
class ScoreRequest:
    """What to score with, and where the scores go.

    Attributes:
        run: The run's folder.
        out: A file for one source, or a folder that gets a file for each, or what stands for standard output, for one source.
        out_format: The format of the scores; None for what the name of `out` says.
        options: What the scores contain.
        profile: Refuse a run of any other profile; None for no check.
        engine: See `load_predictor`.
        device: See `load_predictor`.
        overwrite: Replace scores that are there.
        num_threads: Threads to use, at least 1.
    """

    run: Path
    out: Path | BinaryIO
    out_format: OutFormat | None = None
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
    def tally(self) -> Tally | None:
        """Of all rows, by their true classes; None where no source has any, or no true class."""
        tallies = [report.tally for report in self.reports if report.tally is not None]
        return sum(tallies[1:], tallies[0]) if tallies else None

    @property
    def accuracy(self) -> Accuracy | None:
        """Of the rows, where right are those whose class is the predicted one; None without rows."""
        return _accuracy(self.total("rows_correct"), self.total("rows_scored"))

    @property
    def accuracy_kept(self) -> Accuracy | None:
        """The same for the rows that do not abstain."""
        correct = self.total("rows_correct") - self.total("rows_abstained_correct")
        return _accuracy(correct, self.total("rows_scored") - self.total("rows_abstained"))


def _accuracy(num_right: int, num_rows: int) -> Accuracy | None:
    return accuracy_of(num_right, num_rows) if num_rows else None


def score(inputs: Sequence[str], request: ScoreRequest, readers: RowReaders, *, meters: Meters = silent) -> Scores:
    """Score files, each into a file of its own, or one to standard output.

    Args:
        inputs: Paths and glob patterns; ``-`` is standard input.
        request: What to score with, and where the scores go.
        readers: Open a reader for each source.
        meters: Open what shows the progress.

    Raises:
        OutputClosedError: Nobody reads standard output any more.
        CharmillError: The scores of the current source were not published; those of earlier ones were, and a note of the error names them.
    """
    started = time.monotonic()
    model = read_model(request.run)
    _require_profile(request, model)
    sources = find_sources(inputs)
    out = request.out if isinstance(request.out, Path) else None
    form = format_of(out, request.out_format)
    if out is not None:
        targets = find_targets(out, form, sources, overwrite=request.overwrite)
    elif len(sources) == 1:
        targets = [stream_quarantine(sources[0], overwrite=request.overwrite)]
    else:
        raise UsageError(f"--out -: {len(sources)} CSVs cannot go into one output; score one by one, or into a folder")
    options = request.options
    if form == "csv" and options.probabilities == "list":
        options = replace(options, probabilities="columns")  # CSV has no lists.
    predictor = load_predictor(
        request.run, model, engine=request.engine, device=request.device, num_threads=request.num_threads
    )
    texts = read_training_texts(request.run, model) if options.wanted.label else None
    scorer = Scorer(model, predictor, options, readers, texts=texts, num_threads=request.num_threads)
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
            with _published_noted(scores):
                if isinstance(request.out, Path):
                    report = scorer.score(source, target, show, form)
                else:
                    report = scorer.stream(source, request.out, target, show, "jsonl" if form == "jsonl" else "csv")
            scores.reports.append(report)
            if report.hint:
                meter.note(f"{source.name}: {report.hint}")
    return scores


@contextmanager
def _published_noted(scores: Scores) -> Iterator[None]:
    """Say with an error what was published before it."""
    try:
        yield
    except BaseException as error:
        published = [output for report in scores.reports for output in report.outputs]
        if published:
            more = f" and {len(published) - _MAX_NAMED:,} more" if len(published) > _MAX_NAMED else ""
            error.add_note(f"published before: {', '.join(published[:_MAX_NAMED])}{more}")
        raise


def _require_profile(request: ScoreRequest, model: Model) -> None:
    if request.profile is not None and request.profile != model.profile.name:
        require_same_profile(
            str(request.run), model.profile.to_json(), "--profile", get_profile(request.profile).to_json()
        )
        raise MismatchError(f"{request.run}: its profile is {model.profile.name}, not {request.profile}")
