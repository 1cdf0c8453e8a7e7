"""The scoring of a source: one file in, one Parquet file of predictions out, through the same reader and encoder as encoding."""

import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from model.architectures.trained import Model
from model.engines.predictor import Predictor
from model.scoring.blocks import BlockScorer
from model.scoring.columns import ScoreOptions
from model.scoring.part_writer import PartWriter, ScoreReport
from model.scoring.parts import Part, PartFolder, PartJournal
from pipeline.errors import InputError
from pipeline.execution.threads import Execute, in_threads
from pipeline.records.law import check_law, check_share
from pipeline.records.quarantine import is_quarantine
from pipeline.records.row_reader import RowReaders
from pipeline.storage.durable import sync_folder
from pipeline.storage.publish import publish_file
from pipeline.storage.source import Source
from pipeline.storage.staging import staging

FORMAT_VERSION = 3  # 1 wrote numbers with dictionaries, 2 did not say how the source was written.
METADATA_KEY = "charmill"
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
        num_threads: int,
        part_bytes: int = PART_BYTES,
        execute: Execute | None = None,
    ) -> None:
        self._model = model
        self._engine = predictor.name
        self._max_quarantined = options.max_quarantined
        self._wanted = replace(options.wanted, labels=tuple(model.labels))
        self._readers = readers
        self._part_bytes = part_bytes
        self._execute = execute or in_threads(num_threads)
        self._score_block = BlockScorer(model, predictor, options)
        self._schema, self._labels = self._score_block.schema, self._score_block.labels

    def score(self, source: Source, target: Path, on_block: Callable[[ScoreReport], None]) -> ScoreReport:
        """Score a source into a Parquet file, and its quarantine into another beside it.

        Args:
            source: What to read.
            target: The scores file; replaced if it is there.
            on_block: Told the numbers so far after each block.

        Raises:
            CharmillError: No scores were published; if too much was quarantined, the quarantine was.
        """
        with staging(target) as stage:
            return self.publish(self.write(source, PartFolder(stage), on_block), source.path, target)

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
        try:
            check_share(where, report.rows_in, report.reasons, self._max_quarantined, [report.dialect.encoding])
        except InputError as error:
            kept = failed_quarantine_path(target)
            if written.quarantine is not None:
                publish_file(written.quarantine, kept)
                report.outputs = [str(kept)]
            raise InputError(f"{error}; the quarantine is {kept}", path=error.path) from error
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
    ) -> WrittenScores:
        """Score a source into files that are not published yet.

        Args:
            source: What to read.
            folder: Where to write.
            on_block: Told the numbers so far after each block.
            journal: The list of finished parts of a large source, so that another process can go on after them; None for no parts.

        Raises:
            CharmillError: The source cannot be read, or the disk is full.
        """
        report = ScoreReport(source.name)
        finished = list(journal.parts) if journal is not None else []
        for part in finished:
            report.reuse(part)
        output = PartWriter(folder, None if journal is None else len(finished), self._schema)
        start = part_start = finished[-1].end if finished else None
        row_bytes = self._model.profile.max_length
        try:
            reader = self._readers.open(source, self._wanted)
            scanned = reader.scan(start)
            with closing(
                self._execute(scanned, self._score_block, lambda block: block.size_bytes(row_bytes))
            ) as blocks:
                for block in blocks:
                    report.dialect = reader.dialect
                    part_start = part_start or block.place
                    output.write(block, report)
                    if journal is not None and block.end.offset - part_start.offset >= self._part_bytes:
                        part_start = block.end
                        finished.append(output.finish(block.end))
                        journal.add(finished[-1])
                        output = PartWriter(folder, len(finished), self._schema)
                    on_block(report)
            report.dialect = reader.dialect
            metadata = {METADATA_KEY: json.dumps(self._metadata(source, report))}
            if finished:
                finished.append(output.finish(None))
                output = self._assemble(finished, folder)
            written = WrittenScores(report=report, scores=output.scores_path, quarantine=output.close(metadata))
        except BaseException:
            output.abandon()
            raise
        with written.scores.open("rb") as file:
            check_law(source.path, report.rows_in, pq.read_metadata(file).num_rows, report.rows_quarantined)
        return written

    def _assemble(self, parts: list[Part], folder: PartFolder) -> PartWriter:
        """Join parts; a Parquet file's bytes depend on its rows alone, so they are the same as without parts."""
        output = PartWriter(folder, None, self._schema)
        index = self._schema.names.index("prediction")
        try:
            for part in parts:
                for table in folder.read_scores(part):
                    ids = pc.index_in(table.column(index).combine_chunks().cast(pa.string()), self._labels)
                    predictions = pa.DictionaryArray.from_arrays(ids, self._labels)
                    output.copy(table.set_column(index, self._schema.field(index), predictions))
                for rejects in folder.read_rejects(part):
                    output.quarantine.write(rejects)
        except BaseException:
            output.abandon()
            raise
        return output

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
            "model_fingerprint": self._model.fingerprint,
            "profile_fingerprint": self._model.profile.fingerprint,
            "engine": self._engine,
            "program_version": version("charmill"),
        }
