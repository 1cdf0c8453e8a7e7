"""Scoring: one source in, one Parquet file of predictions out. The reader and the encoder are those of encoding. Needs no torch."""

import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from model.architectures.trained import Model, Probabilities
from model.engines.predictor import Predictor
from model.scoring.options import ScoreOptions
from model.scoring.part_writer import PartWriter, Scored, ScoreReport
from model.scoring.parts import Part, PartFolder, PartJournal
from pipeline.errors import InputError
from pipeline.execution.threads import overlap
from pipeline.formats.csv.reader import CsvReader, ScannedBlock
from pipeline.records.law import check_law, check_share
from pipeline.records.quarantine import is_quarantine
from pipeline.records.rows import LABEL, RECORD, TEXT, RowBlock, kept_name
from pipeline.storage.durable import sync_folder
from pipeline.storage.publish import publish_file
from pipeline.storage.source import Source
from pipeline.storage.staging import staging
from pipeline.text.encoder import Encoder, to_strings

FORMAT_VERSION = 2  # 1 wrote numbers with dictionaries.
METADATA_KEY = "charmill"
_FAILED = ".failed.quarantine.parquet"
PART_BYTES = 128 << 20  # What a kill can cost of a large drop, in text.


@dataclass(frozen=True, kw_only=True)
class Written:
    """Scores that are complete and durable, but not published.

    Attributes:
        report: Of what was scored; its outputs are empty.
        scores: The scores file.
        quarantine: The quarantine file; None where nothing was quarantined.
    """

    report: ScoreReport
    scores: Path
    quarantine: Path | None


def quarantine_path(target: Path) -> Path:
    """Where the quarantine of a scores file goes."""
    return target.with_name(f"{target.stem}.quarantine.parquet")


def failed_quarantine_path(target: Path) -> Path:
    """Where the quarantine goes when too much was quarantined: not into the place of that which belongs to earlier scores."""
    return target.with_name(f"{target.stem}{_FAILED}") if target.exists() else quarantine_path(target)


def _remove_stale(quarantine: Path) -> None:
    """Remove the quarantine of an earlier run, durably."""
    if is_quarantine(quarantine):
        quarantine.unlink()
        sync_folder(quarantine.parent)


class Scorer:
    """Scores sources with one model.

    Args:
        model: The model.
        predictor: It, loaded.
        options: What to write.
        num_threads: So many blocks are encoded and predicted at once.
        part_bytes: A part of a large source ends after the block that reaches so many bytes of text.
    """

    def __init__(
        self,
        model: Model,
        predictor: Predictor,
        options: ScoreOptions,
        *,
        num_threads: int,
        part_bytes: int = PART_BYTES,
    ) -> None:
        self._model = model
        self._predictor = predictor
        self._options = options
        self._part_bytes = part_bytes
        self._encoder = Encoder(model.profile)
        self._num_threads = num_threads
        self._schema = options.schema(len(model.labels))
        self._labels = pa.array(model.labels, pa.string())

    def score(self, source: Source, target: Path, on_block: Callable[[ScoreReport], None]) -> ScoreReport:
        """Score a source into a Parquet file, and its quarantine into another beside it.

        Args:
            source: What to read.
            target: The scores file; replaced if it is there.
            on_block: Told of the numbers after each block.

        Raises:
            CharmillError: No scores were published; where too much was quarantined, the quarantine was.
        """
        with staging(target) as stage:
            return self.publish(self.write(source, PartFolder(stage), on_block), source.path, target)

    def publish(self, written: Written, where: str, target: Path) -> ScoreReport:
        """Move scores and quarantine to their places, the scores last.

        Args:
            written: What `write` returned.
            where: What messages call the source.
            target: The scores file; replaced if it is there.

        Raises:
            InputError: Too much was quarantined; only the quarantine was published.
        """
        report = written.report
        try:
            check_share(where, report.rows_in, report.reasons, self._options.max_quarantined)
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
    ) -> Written:
        """Score a source into files that nobody else sees yet.

        Args:
            source: What to read.
            folder: Where to write.
            on_block: Told of the numbers after each block.
            journal: Where finished parts of a large source are kept, so that another process can go on behind them; None for no parts.

        Raises:
            CharmillError: The source cannot be read, or the disk is full.
        """
        report = ScoreReport(source.name)
        finished = list(journal.parts) if journal is not None else []
        for part in finished:
            report.reuse(part)
        output = PartWriter(folder, None if journal is None else len(finished), self._schema)
        start = part_start = finished[-1].end if finished else None
        reader = CsvReader(source, self._options.csv_format)

        def score(block: ScannedBlock) -> tuple[RowBlock, Scored]:
            rows = reader.rows(block)
            return rows, self._predict(rows.frame)

        try:
            scanned = reader.scan(start)
            with closing(
                overlap(
                    scanned, score, lambda block: block.size_bytes(self._model.profile.max_length), self._num_threads
                )
            ) as blocks:
                for block, scored in blocks:
                    part_start = part_start or block.place
                    output.reject(block, report)
                    output.write(scored, report)
                    if journal is not None and block.end.offset - part_start.offset >= self._part_bytes:
                        part_start = block.end
                        finished.append(output.finish(block.end))
                        journal.add(finished[-1])
                        output = PartWriter(folder, len(finished), self._schema)
                    on_block(report)
            metadata = {METADATA_KEY: json.dumps(self._metadata(source, report))}
            if finished:
                finished.append(output.finish(None))
                output = self._assemble(finished, folder)
            written = Written(report=report, scores=output.scores_path, quarantine=output.close(metadata))
        except BaseException:
            output.abandon()
            raise
        with written.scores.open("rb") as file:
            check_law(source.path, report.rows_in, pq.read_metadata(file).num_rows, report.rows_quarantined)
        return written

    def _assemble(self, parts: list[Part], folder: PartFolder) -> PartWriter:
        """Join parts: since a Parquet file's bytes depend on its rows alone, it is as if there had been no parts."""
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

    def _predict(self, frame: pl.DataFrame) -> Scored:
        probabilities_NK = self._predictor.predict(self._encoder.encode(to_strings(frame[TEXT])))
        predicted = probabilities_NK.argmax(axis=1)
        confidence = probabilities_NK.max(axis=1)
        is_right = np.zeros(len(predicted), np.bool_)
        abstained = np.zeros(len(predicted), np.bool_)
        columns: dict[str, Any] = {
            RECORD: frame[RECORD].to_arrow(),
            "prediction": pa.DictionaryArray.from_arrays(pa.array(predicted.astype(np.int32)), self._labels),
            "confidence": pa.array(confidence),
        }
        for name in self._options.csv_format.keep:
            columns[name] = frame[kept_name(name)].to_arrow(compat_level=pl.CompatLevel.oldest())
        if self._options.csv_format.label:
            columns[LABEL] = frame[LABEL].to_arrow(compat_level=pl.CompatLevel.oldest())
            is_right = np.array(self._model.labels, object)[predicted] == frame[LABEL].to_numpy()
        if self._options.probabilities:
            columns["probabilities"] = _fixed_size_list(probabilities_NK, self._schema.field("probabilities").type)
        if self._options.min_confidence is not None:
            abstained = confidence < np.float32(self._options.min_confidence)
            columns["abstained"] = pa.array(abstained)
        table = pa.table([columns[name] for name in self._schema.names], schema=self._schema)
        return Scored(table, int(is_right.sum()), int(abstained.sum()), int((is_right & abstained).sum()))

    def _metadata(self, source: Source, report: ScoreReport) -> dict[str, Any]:
        return {
            "format_version": FORMAT_VERSION,
            "rows_in": report.rows_in,
            "rows_scored": report.rows_scored,
            "rows_quarantined": report.rows_quarantined,
            "source": {"name": source.name, "bytes": source.bytes_read, "sha256": source.sha256},
            "model_fingerprint": self._model.fingerprint,
            "profile_fingerprint": self._model.profile.fingerprint,
            "engine": self._predictor.name,
            "program_version": version("charmill"),
        }


def _fixed_size_list(probabilities_NK: Probabilities, kind: pa.DataType) -> pa.Array:
    values = pa.array(probabilities_NK.reshape(-1))
    return pa.FixedSizeListArray.from_arrays(values, type=kind)
