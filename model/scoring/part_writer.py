"""The writer of a part, or of a whole source: a scores file, a quarantine, and the counts of both."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from model.scoring.blocks import ScoredBlock
from model.scoring.parts import COUNTS, Part, PartFolder
from pipeline.records.quarantine import QuarantineWriter
from pipeline.records.row_reader import Dialect
from pipeline.records.rows import Place
from pipeline.storage.parquet import ParquetSink


@dataclass
class ScoreReport:
    """What was counted while a source was scored, and its outputs: the numbers that must add up, and those of accuracy."""

    source: str
    dialect: Dialect = field(default_factory=Dialect)
    rows_in: int = 0
    rows_scored: int = 0
    rows_quarantined: int = 0
    rows_correct: int = 0
    rows_abstained: int = 0
    rows_abstained_correct: int = 0
    rows_reused: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    outputs: list[str] = field(default_factory=list)

    def reuse(self, part: Part) -> None:
        """Count the rows of a part that an earlier process scored."""
        for name, count in part.counts.items():
            setattr(self, name, getattr(self, name) + count)
        self.rows_reused += part.counts["rows_in"]
        for reason, count in part.reasons.items():
            self.reasons[reason] = self.reasons.get(reason, 0) + count


class PartWriter:
    """Writes the scores and the quarantine of a part, or of all parts joined.

    Args:
        folder: Where to write.
        number: Of the part; None for all of them.
        schema: Of the scores.
    """

    def __init__(self, folder: PartFolder, number: int | None, schema: pa.Schema) -> None:
        self._folder = folder
        self._number = number
        self._counts = dict.fromkeys(COUNTS, 0)
        self.scores_path, quarantine_path = folder.paths(number)
        self._sink = ParquetSink(self.scores_path, schema)
        self.quarantine = QuarantineWriter(quarantine_path)

    def _count(self, report: ScoreReport, name: str, count: int) -> None:
        self._counts[name] += count
        setattr(report, name, getattr(report, name) + count)

    def write(self, block: ScoredBlock, report: ScoreReport) -> None:
        """Write and count a block: its rows and its rejects."""
        self._sink.write(block.table)
        self.quarantine.write(block.rejects)
        self._count(report, "rows_in", block.num_records)
        self._count(report, "rows_scored", len(block.table))
        self._count(report, "rows_quarantined", len(block.rejects))
        self._count(report, "rows_correct", block.num_correct)
        self._count(report, "rows_abstained", block.num_abstained)
        self._count(report, "rows_abstained_correct", block.num_abstained_correct)
        for reject in block.rejects:
            report.reasons[reject.reason] = report.reasons.get(reject.reason, 0) + 1

    def copy(self, table: pa.Table) -> None:
        """Write rows that are counted already."""
        self._sink.write(table)

    def finish(self, end: Place | None) -> Part:
        """Complete a part.

        Args:
            end: Where the next part begins; None for the last one.
        """
        self.close({})
        return self._folder.describe(self._number or 0, end, self._counts, self.quarantine.reasons)

    def close(self, metadata: Mapping[str, str]) -> Path | None:
        """Complete both files; returns the quarantine's path, if anything was quarantined."""
        self._sink.close(metadata)
        return self.quarantine.path if self.quarantine.close() else None

    def abandon(self) -> None:
        """Close both files without completing them, after an error."""
        self._sink.abandon()
        self.quarantine.abandon()
