"""Cleaning: columns of strings become a frame of rows, and the rows that cannot be used are told with the reason. Polars does it."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import polars as pl

from pipeline.records.quarantine import BLANK_LABEL, BLANK_TEXT, UNKNOWN_LABEL
from pipeline.records.rows import LABEL, TEXT, kept_name
from pipeline.records.wanted import Wanted

Flags = npt.NDArray[np.bool_]


def make_frame(columns: Mapping[str, pl.Series], wanted: Wanted, *, strip_label: bool = True) -> pl.DataFrame:
    """Arrange columns as `RowBlock.frame` has them, but for the numbers of the records.

    Args:
        columns: String [N] without nulls, at least those that are wanted.
        wanted: Which is which.
        strip_label: Some label may have white space around it, which is taken off.
    """
    arranged = [_joined([columns[name] for name in wanted.text]).alias(TEXT)]
    if wanted.label:
        label = columns[wanted.label]
        arranged.append((label.str.strip_chars() if strip_label else label).alias(LABEL))
    return pl.DataFrame([*arranged, *(columns[name].alias(kept_name(name)) for name in wanted.keep)])


def find_unusable(frame: pl.DataFrame, wanted: Wanted, may_be_blank: Flags | None = None) -> dict[int, str]:
    """Which rows of a frame cannot be used, and why.

    Args:
        frame: Of `make_frame`, N rows.
        wanted: Says whether there is a label, and which ones are known.
        may_be_blank: bool [N]; no other row has a blank text or label. None where nothing is known.
    """
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


def _joined(texts: list[pl.Series]) -> pl.Series:
    """Columns joined by a space."""
    if len(texts) == 1:
        return texts[0]
    named = [text.alias(str(number)) for number, text in enumerate(texts)]
    return pl.DataFrame(named).select(pl.concat_str(pl.all(), separator=" ")).to_series()
