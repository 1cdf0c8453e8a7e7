"""The scoring of a source: one file in, one Parquet file of predictions out, through the same reader and encoder as encoding."""

import json
from collections.abc import Callable, Generator
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc

from model.architectures.trained import Model
from model.engines.predictor import Predictor
from model.runs.training_texts import TrainingTexts
from model.scoring.blocks import BlockScorer, ScoredBlock
from model.scoring.columns import ScoreOptions
from model.scoring.part_writer import PartWriter, ScoreReport
from model.scoring.parts import Part, PartFolder, PartJournal
from model.scoring.sinks import OutFormat, OutputClosedError, TextFormat, TextSink, open_sink
from model.scoring.staged_quarantine import StagedQuarantine
from pipeline.errors import InputError
from pipeline.execution.threads import Execute, in_threads
from pipeline.records.law import check_law, check_share
from pipeline.records.quarantine import QuarantineWriter, is_quarantine
from pipeline.records.row_reader import RowReader, RowReaders
from pipeline.records.rows import Place
from pipeline.storage.durable import sync_folder
from pipeline.storage.publish import publish_file
from pipeline.storage.source import Source
from pipeline.storage.staging import staging

FORMAT_VERSION = 3  # 1 wrote numbers with dictionaries, 2 did not say how the source was written.
METADATA_KEY = "charmill"
STDOUT = "standard output"
_NO_SCORES = "its scores were not published"
_FAILED = ".failed.quarantine.parquet"
PART_BYTES = 128 << 20  # The text that a kill can make to be scored again.


@dataclass(frozen=True, kw_only=True)
class WrittenScores:
    """Scores that are complete and durable, but not published.

    Attributes:
        report: What was counted; it has no outputs yet.
        scores: The scores file.
        quarantine: The quarantine file; None if nothing was quarantined.
    """

    report: ScoreReport
    scores: Path
    quarantine: Path | None


def quarantine_path(target: Path) -> Path:
    """Where the quarantine of a scores file goes."""
    return target.with_name(f"{target.stem}.quarantine.parquet")


def failed_quarantine_path(target: Path) -> Path:
    """Where the quarantine goes when too much was quarantined; if there are earlier scores, their quarantine stays."""
    return target.with_name(f"{target.stem}{_FAILED}") if target.exists() else quarantine_path(target)


def _remove_stale(quarantine: Path) -> None:
    """Remove the quarantine that an earlier scoring left, durably."""
    if is_quarantine(quarantine):
        quarantine.unlink()
        sync_folder(quarantine.parent)


class Scorer:
    """Scores sources with one model.

    Args:
        model: The model.
        predictor: The model, loaded.
        options: What the scores contain. Rows with a label that the model does not have are quarantined.
        readers: Open a reader for each source.
        texts: What training had, to tally rows with a true class; None not to.
        num_threads: How many blocks are encoded and predicted at once.
        part_bytes: A part of a large source ends with the block that reaches so many bytes of text.
        execute: Runs the scoring of blocks; by default in `num_threads` threads.
    """

    def __init__(
        self,
        model: Model,
        predictor: Predictor,
        options: ScoreOptions,
        readers: RowReaders,
        *,
        texts: TrainingTexts | None = None,
        num_threads: int,
        part_bytes: int = PART_BYTES,
        execute: Execute | None = None,
    ) -> None:
        self._model = model
        self._engine = predictor.name
        self._options = options
        reserved = [column.name for column in options.columns(model.labels)]
        self._wanted = replace(
            options.wanted, labels=tuple(model.labels), label_names=model.label_names, reserved=reserved
        )
        self._readers = readers
        self._part_bytes = part_bytes
        self._execute = execute or in_threads(num_threads)
        self._score_block = BlockScorer(model, predictor, options, texts)

    def score(
        self,
        source: Source,
        target: Path,
        on_block: Callable[[ScoreReport], None],
        form: OutFormat = "parquet",
    ) -> ScoreReport:
        """Score a source into a file, and its quarantine into another beside it.

        Args:
            source: What to read.
            target: The scores file; replaced if it is there.
            on_block: Told the numbers so far after each block.
            form: Of the scores.

        Raises:
            CharmillError: No scores were published; if too much was quarantined, the quarantine was.
        """
        with staging(target) as stage:
            return self.publish(self.write(source, PartFolder(stage), on_block, form=form), source.path, target)

    def stream(
        self,
        source: Source,
        file: BinaryIO,
        quarantine: Path,
        on_block: Callable[[ScoreReport], None],
        form: TextFormat = "csv",
    ) -> ScoreReport:
        """Score a source to standard output, and its quarantine into a file, which is kept after an error, too.

        Args:
            source: What to read.
            file: Where the scores go; it stays open.
            quarantine: The quarantine file; replaced if it is there.
            on_block: Told the numbers so far after each block.
            form: Of the scores.

        Raises:
            OutputClosedError: Nobody reads the scores any more; no quarantine was published.
            CharmillError: The source cannot be read to its end, too much was quarantined, or the law does not hold. A note of the error
                says what has been written.
        """
        report = ScoreReport(source.name, labels=self._model.labels)
        with ExitStack() as stack:
            rejects = StagedQuarantine(quarantine, stack)
            try:
                self._stream(source, report, file, form, rejects, on_block)
            except OutputClosedError:
                rejects.abandon()
                raise
            except BaseException as error:
                if report.rows_scored:
                    error.add_note(f"{report.rows_scored:,} rows had gone to {STDOUT} before")
                with suppress(OSError):
                    if rejects.publish():
                        error.add_note(f"the quarantine up to there is {quarantine}")
                raise
            if rejects.publish():
                report.outputs = [str(quarantine)]
            else:
                _remove_stale(quarantine)
        self._check_share(source.path, report, quarantine, f"the other rows are on {STDOUT}")
        return report

    def _check_share(self, where: str, report: ScoreReport, quarantine: Path, outcome: str) -> None:
        try:
            check_share(
                where,
                report.rows_in,
                report.reasons,
                self._options.max_quarantined,
                hint=report.hint,
                outcome=outcome,
            )
        except InputError as error:
            raise InputError(f"{error}; the quarantine is {quarantine}", path=error.path) from error

    def _stream(
        self,
        source: Source,
        report: ScoreReport,
        file: BinaryIO,
        form: TextFormat,
        rejects: StagedQuarantine,
        on_block: Callable[[ScoreReport], None],
    ) -> None:
        reader = self._readers.open(source, self._wanted)
        output: PartWriter | None = None

        def open_output() -> PartWriter:
            report.dialect = reader.dialect
            return PartWriter(TextSink(file, form, self._schema(reader), self._model.labels, STDOUT), rejects)

        with closing(self._scored(reader, None)) as blocks:
            for block in blocks:
                output = output or open_output()
                output.write(block, report)
                on_block(report)
        output = output or open_output()
        output.sink.close({})
        outcome = f"what has gone to {STDOUT} is not right"
        check_law(source.path, report.rows_in, output.sink.count_rows(), report.rows_quarantined, outcome=outcome)

    def publish(self, written: WrittenScores, where: str, target: Path) -> ScoreReport:
        """Move scores and quarantine to their places, the scores last.

        Args:
            written: What `write` returned.
            where: The source's name in messages.
            target: The scores file; replaced if it is there.

        Raises:
            InputError: Too much was quarantined; only the quarantine was published.
        """
        report = written.report
        kept = failed_quarantine_path(target)
        try:
            self._check_share(where, report, kept, _NO_SCORES)
        except InputError:
            if written.quarantine is not None:
                publish_file(written.quarantine, kept)
                report.outputs = [str(kept)]
            raise
        report.outputs = [str(target)]
        if written.quarantine is not None:
            publish_file(written.quarantine, quarantine_path(target))
            report.outputs.append(str(quarantine_path(target)))
        publish_file(written.scores, target)
        _remove_stale(target.with_name(f"{target.stem}{_FAILED}"))
        if written.quarantine is None:
            _remove_stale(quarantine_path(target))
        return report

    def write(
        self,
        source: Source,
        folder: PartFolder,
        on_block: Callable[[ScoreReport], None],
        journal: PartJournal | None = None,
        form: OutFormat = "parquet",
    ) -> WrittenScores:
        """Score a source into files that are not published yet.

        Args:
            source: What to read.
            folder: Where to write.
            on_block: Told the numbers so far after each block.
            journal: The list of finished parts of a large source, so that another process can go on after them; None for no parts.
            form: Of the scores; with a journal, it is Parquet.

        Raises:
            CharmillError: The source cannot be read, or the disk is full.
        """
        report = ScoreReport(source.name, labels=self._model.labels)
        finished = list(journal.parts) if journal is not None else []
        for part in finished:
            report.reuse(part)
        start = part_start = finished[-1].end if finished else None
        reader = self._readers.open(source, self._wanted)
        output: PartWriter | None = None

        def open_output(*, is_whole: bool = journal is None) -> PartWriter:
            scores, quarantine = folder.paths(None if is_whole else len(finished))
            sink = open_sink(scores, form, self._schema(reader), self._model.labels)
            return PartWriter(sink, QuarantineWriter(quarantine))

        def finish(part: PartWriter, end: Place | None) -> None:
            part.close({})
            finished.append(folder.describe(len(finished), end, part.counts, part.quarantine.reasons))

        try:
            with closing(self._scored(reader, start)) as blocks:
                for block in blocks:
                    report.dialect = reader.dialect
                    part_start = part_start or block.place
                    output = output or open_output()
                    output.write(block, report)
                    if journal is not None and block.end.offset - part_start.offset >= self._part_bytes:
                        part_start = block.end
                        finish(output, block.end)
                        journal.add(finished[-1])
                        output = None
                    on_block(report)
            report.dialect = reader.dialect
            if finished:
                output = output or open_output()
                finish(output, None)
                output = open_output(is_whole=True)
                self._join(finished, folder, output)
            output = output or open_output()
            quarantine = output.close({METADATA_KEY: json.dumps(self._metadata(source, report))})
        except BaseException:
            if output is not None:
                output.abandon()
            raise
        rows_out = output.sink.count_rows()
        check_law(source.path, report.rows_in, rows_out, report.rows_quarantined, outcome=_NO_SCORES)
        scores, _ = folder.paths(None if finished or journal is None else 0)
        return WrittenScores(report=report, scores=scores, quarantine=quarantine)

    def _scored(self, reader: RowReader, start: Place | None) -> Generator[ScoredBlock, None, None]:
        row_bytes = self._model.profile.max_length
        return self._execute(reader.scan(start), self._score_block, lambda block: block.size_bytes(row_bytes))

    def _schema(self, reader: RowReader) -> pa.Schema:
        return self._options.schema(self._model.labels, reader.wanted.keep)

    def _join(self, parts: list[Part], folder: PartFolder, output: PartWriter) -> None:
        """Join parts; a Parquet file's bytes depend on its rows alone, so they are the same as without parts."""
        labels = self._score_block.labels
        for part in parts:
            for table in folder.read_scores(part):
                index = table.column_names.index("prediction")
                ids = pc.index_in(table.column(index).combine_chunks().cast(pa.string()), labels)
                predictions = pa.DictionaryArray.from_arrays(ids, labels)
                output.sink.write(table.set_column(index, table.schema.field(index), predictions))
            for rejects in folder.read_rejects(part):
                output.quarantine.write(rejects)

    def _metadata(self, source: Source, report: ScoreReport) -> dict[str, Any]:
        return {
            "format_version": FORMAT_VERSION,
            "rows_in": report.rows_in,
            "rows_scored": report.rows_scored,
            "rows_quarantined": report.rows_quarantined,
            "source": {
                "name": source.name,
                "bytes": source.bytes_read,
                "sha256": source.sha256,
                "delimiter": report.dialect.delimiter,
                "encoding": report.dialect.encoding,
            },
            "labels": list(self._model.labels),
            "model_fingerprint": self._model.fingerprint,
            "profile_fingerprint": self._model.profile.fingerprint,
            "label_names": self._model.label_names,
            "engine": self._engine,
            "program_version": version("charmill"),
        }
