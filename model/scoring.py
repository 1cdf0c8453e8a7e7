"""Scoring: one source in, one Parquet file of predictions out. The reader and the encoder are those of encoding. Needs no torch."""

import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from model.predictor import Predictor, Probabilities
from model.runfile import Model
from pipeline.alphabet import Codes
from pipeline.encoder import Encoder
from pipeline.errors import InputError, UsageError
from pipeline.parquet import ParquetSink
from pipeline.publish import publish_file, staging
from pipeline.quarantine import QuarantineWriter, check_law, check_share
from pipeline.reader import LABEL, RECORD, TEXT, CsvFormat, CsvReader, kept_name
from pipeline.source import Source

FORMAT_VERSION = 1
METADATA_KEY = "charmill"
PREDICT_ROWS = 16_384  # Rows are predicted in pieces of this size, whatever the reader's blocks are.


@dataclass(frozen=True, kw_only=True)
class ScoreOptions:
    """What a scores file contains.

    Attributes:
        csv_format: How the CSVs look; with a label, the accuracy is measured.
        probabilities: Add the probabilities of all classes.
        min_confidence: Add `abstained`, true below this confidence; None for no such column.
        max_quarantined: Fail above this fraction.
    """

    csv_format: CsvFormat
    probabilities: bool = False
    min_confidence: float | None = None
    max_quarantined: float = 0.1

    def __post_init__(self) -> None:
        if self.min_confidence is not None and not 0 <= self.min_confidence <= 1:
            raise UsageError(f"--min-confidence {self.min_confidence:g}: expected 0 to 1")
        clashes = [name for name in self.csv_format.keep if name in self.columns]
        if clashes:
            raise UsageError(
                f"--keep {clashes[0]}: the scores have a column of that name themselves; rename it in the CSV or leave it out"
            )

    @property
    def columns(self) -> list[str]:
        """The output columns beside the kept ones, in order."""
        return [
            RECORD,
            *([LABEL] if self.csv_format.label else []),
            "prediction",
            "confidence",
            *(["probabilities"] if self.probabilities else []),
            *(["abstained"] if self.min_confidence is not None else []),
        ]

    def schema(self, num_classes: int) -> pa.Schema:
        """Of the scores file."""
        types = {
            RECORD: pa.int64(),
            LABEL: pa.large_string(),
            "prediction": pa.dictionary(pa.int32(), pa.string()),
            "confidence": pa.float32(),
            "probabilities": pa.list_(pa.field("element", pa.float32(), nullable=False), num_classes),
            "abstained": pa.bool_(),
        }
        fields = [pa.field(name, types[name], nullable=False) for name in self.columns]
        kept = [pa.field(name, pa.large_string(), nullable=False) for name in self.csv_format.keep]
        return pa.schema([fields[0], *kept, *fields[1:]])


@dataclass
class ScoreReport:
    """The law's numbers of one scored source, and where its outputs are."""

    source: str
    rows_in: int = 0
    rows_scored: int = 0
    rows_quarantined: int = 0
    rows_correct: int = 0
    rows_abstained: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    outputs: list[str] = field(default_factory=list)


def quarantine_path(target: Path) -> Path:
    """Where the quarantine of a scores file goes."""
    return target.with_name(f"{target.stem}.quarantine.parquet")


class Scorer:
    """Scores sources with one model.

    Args:
        model: The model.
        predictor: It, loaded.
        options: What to write.
        num_threads: For encoding.
    """

    def __init__(self, model: Model, predictor: Predictor, options: ScoreOptions, *, num_threads: int) -> None:
        self._model = model
        self._predictor = predictor
        self._options = options
        self._encoder = Encoder(model.profile, num_threads)
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
        quarantine_target = quarantine_path(target)
        with staging(target) as stage:
            quarantine = QuarantineWriter(stage / "quarantine.parquet")
            scores = stage / "scores.parquet"
            report = self._score(source, scores, quarantine, on_block)
            if quarantine.close():
                publish_file(quarantine.path, quarantine_target)
                report.outputs.append(str(quarantine_target))
            try:
                check_share(source.path, report.rows_in, quarantine, self._options.max_quarantined)
            except InputError as error:
                raise InputError(f"{error}; the quarantine is {quarantine_target}", path=error.path) from error
            publish_file(scores, target)
            report.outputs.insert(0, str(target))
            if not quarantine.num_rows:
                quarantine_target.unlink(missing_ok=True)
        return report

    def _score(
        self, source: Source, path: Path, quarantine: QuarantineWriter, on_block: Callable[[ScoreReport], None]
    ) -> ScoreReport:
        report = ScoreReport(source.name, reasons=quarantine.reasons)
        sink = ParquetSink(path, self._schema)
        try:
            self._write_rows(source, sink, quarantine, report, on_block)
            report.rows_quarantined = quarantine.num_rows
            sink.close({METADATA_KEY: json.dumps(self._metadata(source, report))})
        except BaseException:
            sink.abandon()
            quarantine.abandon()
            raise
        with path.open("rb") as file:
            check_law(source.path, report.rows_in, pq.read_metadata(file).num_rows, report.rows_quarantined)
        return report

    def _write_rows(
        self,
        source: Source,
        sink: ParquetSink,
        quarantine: QuarantineWriter,
        report: ScoreReport,
        on_block: Callable[[ScoreReport], None],
    ) -> None:
        pieces = _Pieces()
        with closing(CsvReader(source, self._options.csv_format).blocks()) as blocks:
            for block in blocks:
                report.rows_in += block.num_records
                quarantine.write(block.rejects)
                if len(block.frame):
                    pieces.add(self._encoder.encode(block.frame[TEXT]), block.frame.drop(TEXT))
                for codes_NL, frame in pieces.take(final=False):
                    sink.write(self._predict(codes_NL, frame, report))
                on_block(report)
        for codes_NL, frame in pieces.take(final=True):
            sink.write(self._predict(codes_NL, frame, report))

    def _predict(self, codes_NL: Codes, frame: pl.DataFrame, report: ScoreReport) -> pa.Table:
        probabilities_NK = self._predictor.predict(codes_NL)
        predicted = probabilities_NK.argmax(axis=1)
        confidence = probabilities_NK.max(axis=1)
        report.rows_scored += len(frame)
        columns: dict[str, Any] = {
            RECORD: frame[RECORD].to_arrow(),
            "prediction": pa.DictionaryArray.from_arrays(pa.array(predicted.astype(np.int32)), self._labels),
            "confidence": pa.array(confidence),
        }
        for name in self._options.csv_format.keep:
            columns[name] = frame[kept_name(name)].to_arrow(compat_level=pl.CompatLevel.oldest())
        if self._options.csv_format.label:
            columns[LABEL] = frame[LABEL].to_arrow(compat_level=pl.CompatLevel.oldest())
            report.rows_correct += int(
                (np.array(self._model.labels, object)[predicted] == frame[LABEL].to_numpy()).sum()
            )
        if self._options.probabilities:
            columns["probabilities"] = _fixed_size_list(probabilities_NK, self._schema.field("probabilities").type)
        if self._options.min_confidence is not None:
            abstained = confidence < np.float32(self._options.min_confidence)
            columns["abstained"] = pa.array(abstained)
            report.rows_abstained += int(abstained.sum())
        return pa.table([columns[name] for name in self._schema.names], schema=self._schema)

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


class _Pieces:
    """Joins and cuts rows into pieces of `PREDICT_ROWS`, the last one perhaps shorter."""

    def __init__(self) -> None:
        self._codes: list[Codes] = []
        self._frames: list[pl.DataFrame] = []
        self._num_rows = 0

    def add(self, codes_NL: Codes, frame: pl.DataFrame) -> None:
        self._codes.append(codes_NL)
        self._frames.append(frame)
        self._num_rows += len(frame)

    def take(self, *, final: bool) -> list[tuple[Codes, pl.DataFrame]]:
        """Whole pieces; with final, all the rest."""
        ready = self._num_rows if final else self._num_rows - self._num_rows % PREDICT_ROWS
        if not ready:
            return []
        codes_NL, frame = np.concatenate(self._codes), pl.concat(self._frames)
        rest = len(frame) - ready
        self._codes, self._frames, self._num_rows = ([codes_NL[ready:]], [frame[ready:]], rest) if rest else ([], [], 0)
        return [
            (codes_NL[start : min(start + PREDICT_ROWS, ready)], frame[start : min(start + PREDICT_ROWS, ready)])
            for start in range(0, ready, PREDICT_ROWS)
        ]


def _fixed_size_list(probabilities_NK: Probabilities, kind: pa.DataType) -> pa.Array:
    values = pa.array(probabilities_NK.reshape(-1))
    return pa.FixedSizeListArray.from_arrays(values, type=kind)
