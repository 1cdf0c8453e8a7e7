"""Cleaning: columns of strings become rows, or rejects with a reason where the text or the label is blank or unknown. Polars does it."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from pipeline.records.quarantine import BLANK_LABEL, BLANK_TEXT, UNKNOWN_LABEL
from pipeline.records.rows import LABEL, RECORD, TEXT, kept_name
from pipeline.records.unknown_labels import frequent_labels
from pipeline.records.wanted import Wanted

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Cleaned:
    """What became of some records.

    Attributes:
        frame: The rows, as `RowBlock.frame` has them.
        reasons: Why the other records are none, by their numbers.
        unknown_labels: See `RowBlock`.
    """

    frame: pl.DataFrame
    reasons: dict[int, str]
    unknown_labels: Mapping[str, int]


def clean(
    columns: Mapping[str, pl.Series],
    records: npt.NDArray[np.int64],
    wanted: Wanted,
    *,
    strip_label: bool = True,
    may_be_blank: Flags | None = None,
) -> Cleaned:
    """Make rows of records.

    Args:
        columns: String [N] without nulls, at least those that are wanted.
        records: int64 [N], their numbers.
        wanted: Which column is which, which labels are known, and what they are called.
        strip_label: Some label may have white space around it, which is taken off.
        may_be_blank: bool [N]; no other record has a blank text or label. None where nothing is known.
    """
    frame = _arrange(columns, wanted, strip_label=strip_label)
    unusable = _find_unusable(frame, wanted, may_be_blank)
    reasons = {int(records[row]): reason for row, reason in unusable.items()}
    unknown = [row for row, reason in unusable.items() if reason == UNKNOWN_LABEL]
    unknown_labels = frequent_labels(frame[LABEL].gather(unknown)) if unknown else {}
    if unusable:
        is_row = np.ones(len(records), np.bool_)
        is_row[list(unusable)] = False
        frame, records = frame.filter(pl.Series(is_row)), records[is_row]
    frame.insert_column(0, pl.Series(RECORD, records, pl.Int64))
    return Cleaned(frame=frame, reasons=reasons, unknown_labels=unknown_labels)


def _arrange(columns: Mapping[str, pl.Series], wanted: Wanted, *, strip_label: bool) -> pl.DataFrame:
    arranged = [_joined([columns[name] for name in wanted.text]).alias(TEXT)]
    if wanted.label:
        label = columns[wanted.label]
        label = label.str.strip_chars() if strip_label else label
        arranged.append((label.replace(wanted.label_names) if wanted.label_names else label).alias(LABEL))
    return pl.DataFrame([*arranged, *(columns[name].alias(kept_name(name)) for name in wanted.keep)])


def _joined(texts: list[pl.Series]) -> pl.Series:
    """Columns joined by a space."""
    if len(texts) == 1:
        return texts[0]
    named = [text.alias(str(number)) for number, text in enumerate(texts)]
    return pl.DataFrame(named).select(pl.concat_str(pl.all(), separator=" ")).to_series()


def _find_unusable(frame: pl.DataFrame, wanted: Wanted, may_be_blank: Flags | None) -> dict[int, str]:
    """The reason for each row of a frame that cannot be used."""
    rules = [(pl.col(TEXT).str.strip_chars() == "", BLANK_TEXT)]
    if wanted.label:
        rules.append((pl.col(LABEL) == "", BLANK_LABEL))
    suspects = np.arange(len(frame)) if may_be_blank is None else np.flatnonzero(may_be_blank)
    if wanted.label and wanted.labels:
        rules.append((~pl.col(LABEL).is_in(list(wanted.labels)), UNKNOWN_LABEL))
        suspects = np.arange(len(frame))
    if not len(suspects):
        return {}
    reasons = (
        (frame if len(suspects) == len(frame) else frame[suspects])
        .select(pl.coalesce(pl.when(rule).then(pl.lit(name)) for rule, name in rules))
        .to_series()
    )
    return {int(suspects[index]): reasons[index] for index in reasons.is_not_null().arg_true()}
