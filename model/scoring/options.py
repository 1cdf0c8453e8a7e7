"""What a scores file contains: its columns, in which order, and of which types. Needs no torch."""

from dataclasses import dataclass

import pyarrow as pa

from pipeline.errors import UsageError
from pipeline.formats.csv.reader import CsvFormat
from pipeline.records.rows import LABEL, RECORD


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
