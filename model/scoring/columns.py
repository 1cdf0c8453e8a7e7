"""The columns of a scores file: the only list of them, with the option that asks for each, its type and its values.

N rows, K classes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from model.architectures.trained import Probabilities
from pipeline.errors import UsageError
from pipeline.records.rows import LABEL, RECORD, kept_columns, kept_name
from pipeline.records.wanted import Wanted

ProbabilitiesForm = Literal["none", "list", "columns"]


@dataclass(frozen=True, kw_only=True)
class ScoreOptions:
    """What a scores file contains, and how much of its source may be quarantined.

    Attributes:
        wanted: The columns to read; with a label, the accuracy is measured.
        probabilities: Add the probabilities of all classes: ``list`` is one column of lists, ``columns`` a column `p_CLASS` for each.
        min_confidence: Add `abstained`, true below this confidence; None for no such column.
        max_quarantined: Fail if a larger fraction of the records is quarantined.
    """

    wanted: Wanted = field(default_factory=Wanted)
    probabilities: ProbabilitiesForm = "none"
    min_confidence: float | None = None
    max_quarantined: float = 0.1

    def __post_init__(self) -> None:
        if self.min_confidence is not None and not 0 <= self.min_confidence <= 1:
            raise UsageError(f"--min-confidence {self.min_confidence:g}: expected 0 to 1")
        self.require_no_clash(())

    def columns(self, labels: Sequence[str]) -> list["Column"]:
        """The columns that are asked for, in order, without those that are passed through.

        Args:
            labels: The model's.
        """
        columns = [column for column in COLUMNS if column.is_asked_for(self)]
        if self.probabilities == "columns":
            columns += [_class_column(index, label) for index, label in enumerate(labels)]
        return columns

    def require_no_clash(self, labels: Sequence[str]) -> None:
        """Refuse to pass a column through under the name of another one.

        Args:
            labels: The model's.

        Raises:
            UsageError: One is named so.
        """
        own = {column.name for column in self.columns(labels)}
        for name in self.wanted.keep:
            if name in own:
                raise UsageError(
                    f"--keep {name}: the scores have a column of that name themselves; rename it in the CSV or leave it out"
                )

    def schema(self, labels: Sequence[str], kept: Sequence[str]) -> pa.Schema:
        """The schema of the scores file.

        Args:
            labels: The model's.
            kept: The columns that are passed through; they stand after the record's number.
        """
        first, *others = [pa.field(each.name, each.kind(len(labels)), nullable=False) for each in self.columns(labels)]
        passed = [pa.field(name, pa.large_string(), nullable=False) for name in kept]
        return pa.schema([first, *passed, *others])


@dataclass(frozen=True, kw_only=True)
class Answers:
    """Rows, and the predictions of a model for them: what columns are made of.

    Attributes:
        frame: The rows; see `RowBlock`.
        labels: The model's, string [K].
        probabilities: float32 [N, K].
        predicted: int64 [N], indices into labels.
        confidence: float32 [N].
        abstained: bool [N].
    """

    frame: pl.DataFrame
    labels: pa.StringArray
    probabilities: Probabilities
    predicted: npt.NDArray[np.int64]
    confidence: npt.NDArray[np.float32]
    abstained: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Column:
    """A column of the scores.

    Attributes:
        name: Its name in the file.
        is_asked_for: Whether a file has it, by the options.
        kind: Its type, by the number of classes.
        values: Makes its values, [N].
    """

    name: str
    is_asked_for: Callable[[ScoreOptions], bool]
    kind: Callable[[int], pa.DataType]
    values: Callable[[Answers], pa.Array]


def string_column(frame: pl.DataFrame, name: str) -> pa.Array:
    """A column of strings as the scores have it, large_string [N]."""
    return frame[name].to_arrow(compat_level=pl.CompatLevel.oldest())


def table_of(answers: Answers, options: ScoreOptions, labels: Sequence[str]) -> pa.Table:
    """Make the rows of a scores file.

    Args:
        answers: Of N rows.
        options: Which columns to make.
        labels: The model's.
    """
    kept = kept_columns(answers.frame)
    schema = options.schema(labels, kept)
    arrays = {name: string_column(answers.frame, kept_name(name)) for name in kept}
    arrays |= {column.name: column.values(answers) for column in options.columns(labels)}
    return pa.table([arrays[name] for name in schema.names], schema=schema)


def _probabilities_type(num_classes: int) -> pa.DataType:
    return pa.list_(pa.field("element", pa.float32(), nullable=False), num_classes)


def _probabilities(answers: Answers) -> pa.Array:
    values = pa.array(answers.probabilities.reshape(-1))
    return pa.FixedSizeListArray.from_arrays(values, type=_probabilities_type(len(answers.labels)))


def _class_column(index: int, label: str) -> Column:
    return Column(f"p_{label}", lambda _: True, lambda _: pa.float32(), partial(_probability, index))


def _probability(index: int, answers: Answers) -> pa.Array:
    return pa.array(answers.probabilities[:, index])


COLUMNS = (
    Column(RECORD, lambda _: True, lambda _: pa.int64(), lambda answers: answers.frame[RECORD].to_arrow()),
    Column(
        LABEL,
        lambda options: bool(options.wanted.label),
        lambda _: pa.large_string(),
        lambda answers: string_column(answers.frame, LABEL),
    ),
    Column(
        "prediction",
        lambda _: True,
        lambda _: pa.dictionary(pa.int32(), pa.string()),
        lambda answers: pa.DictionaryArray.from_arrays(pa.array(answers.predicted.astype(np.int32)), answers.labels),
    ),
    Column("confidence", lambda _: True, lambda _: pa.float32(), lambda answers: pa.array(answers.confidence)),
    Column("probabilities", lambda options: options.probabilities == "list", _probabilities_type, _probabilities),
    Column(
        "abstained",
        lambda options: options.min_confidence is not None,
        lambda _: pa.bool_(),
        lambda answers: pa.array(answers.abstained),
    ),
)
"""In the order in which they stand in the file; those of single classes stand behind them."""
