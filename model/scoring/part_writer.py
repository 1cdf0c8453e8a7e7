"""The writer of a part, or of a whole source: a scores file, a quarantine, and the counts of both."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from model.scoring.blocks import ScoredBlock
from model.scoring.parts import COUNTS, Part
from model.scoring.sinks import ScoreSink
from model.scoring.tally import Tally
from pipeline.records.law import encoding_hint
from pipeline.records.quarantine import UNKNOWN_LABEL, QuarantineWriter
from pipeline.records.row_reader import Dialect
from pipeline.records.unknown_labels import add_unknown, unknown_hint


@dataclass
class ScoreReport:
    """What was counted while a source was scored, and its outputs: the numbers that must add up, and those of accuracy.

    Attributes:
        labels: The model's.
    """

    source: str
    dialect: Dialect = field(default_factory=Dialect)
    rows_in: int = 0
    rows_scored: int = 0
    rows_quarantined: int = 0
    rows_correct: int = 0
    rows_abstained: int = 0
    rows_abstained_correct: int = 0
    rows_reused: int = 0
    tally: Tally | None = field(default=None, compare=False)
    reasons: dict[str, int] = field(default_factory=dict)
    unknown_labels: dict[str, int] = field(default_factory=dict)
    outputs: list[str] = field(default_factory=list)
    labels: Sequence[str] = ()

    @property
    def hint(self) -> str:
        """What to do about what was quarantined; empty where nothing comes to mind."""
        share = self.reasons.get(UNKNOWN_LABEL, 0) / max(1, self.rows_in)
        unknown = unknown_hint(self.unknown_labels, self.labels, "model", share=share)
        return "; ".join(filter(None, [unknown, encoding_hint(self.reasons, [self.dialect.encoding])]))

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
        sink: Where the scores go.
        quarantine: Where the rejects go.

    Attributes:
        counts: The numbers of `COUNTS`.
    """

    def __init__(self, sink: ScoreSink, quarantine: QuarantineWriter) -> None:
        self.counts = dict.fromkeys(COUNTS, 0)
        self.sink = sink
        self.quarantine = quarantine

    def _count(self, report: ScoreReport, name: str, count: int) -> None:
        self.counts[name] += count
        setattr(report, name, getattr(report, name) + count)

    def write(self, block: ScoredBlock, report: ScoreReport) -> None:
        """Write and count a block: its rows and its rejects."""
        self.sink.write(block.table)
        self.quarantine.write(block.rejects)
        self._count(report, "rows_in", block.num_records)
        self._count(report, "rows_scored", len(block.table))
        self._count(report, "rows_quarantined", len(block.rejects))
        self._count(report, "rows_correct", block.num_correct)
        self._count(report, "rows_abstained", block.num_abstained)
        self._count(report, "rows_abstained_correct", block.num_abstained_correct)
        if block.tally is not None:
            report.tally = block.tally if report.tally is None else report.tally + block.tally
        for reject in block.rejects:
            report.reasons[reject.reason] = report.reasons.get(reject.reason, 0) + 1
        add_unknown(report.unknown_labels, block.unknown_labels)

    def close(self, metadata: Mapping[str, str]) -> Path | None:
        """Complete both files; returns the quarantine's path, if anything was quarantined."""
        self.sink.close(metadata)
        return self.quarantine.path if self.quarantine.close() else None

    def abandon(self) -> None:
        """Close both files without completing them, after an error."""
        self.sink.abandon()
        self.quarantine.abandon()
