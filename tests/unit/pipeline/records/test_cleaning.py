"""Cleaning, row by row in Python's own terms: what a text is made of, and which rows cannot be used."""

from typing import Any

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from pipeline.records.cleaning import find_unusable, make_frame
from pipeline.records.quarantine import BLANK_LABEL, BLANK_TEXT, UNKNOWN_LABEL
from pipeline.records.rows import LABEL, TEXT, kept_name
from pipeline.records.wanted import Wanted
from tests.strategies import SOME

NAMES = ("a", "b", "c")
FIELDS = st.sampled_from(["", " ", "\t\u00a0", "x", " x ", "y\n", "x y", "é"])


def reason(text: str, label: str, wanted: Wanted) -> str:
    """Why a row cannot be used; of several reasons the first."""
    if not text.strip():
        return BLANK_TEXT
    if wanted.label and not label:
        return BLANK_LABEL
    if wanted.label and wanted.labels and label not in wanted.labels:
        return UNKNOWN_LABEL
    return ""


@SOME
@given(
    rows=st.lists(st.tuples(FIELDS, FIELDS, FIELDS), max_size=8),
    wanted=st.builds(
        Wanted,
        text=st.lists(st.sampled_from(NAMES), min_size=1, max_size=3),
        label=st.sampled_from(["", *NAMES]),
        keep=st.lists(st.sampled_from(NAMES), unique=True),
        labels=st.sampled_from([(), ("x", "y")]),
    ),
)
def test_rows_are_cleaned_as_one_by_one(rows: list[tuple[str, str, str]], wanted: Wanted) -> None:
    fields = [dict(zip(NAMES, row, strict=True)) for row in rows]
    columns = {name: pl.Series([row[name] for row in fields], dtype=pl.String) for name in NAMES}
    frame = make_frame(columns, wanted)
    texts = [" ".join(row[name] for name in wanted.text) for row in fields]
    labels = [row[wanted.label].strip() if wanted.label else "" for row in fields]
    expected: dict[str, Any] = {TEXT: texts}
    if wanted.label:
        expected[LABEL] = labels
    expected |= {kept_name(name): [row[name] for row in fields] for name in wanted.keep}
    assert frame.to_dict(as_series=False) == expected
    reasons = [reason(text, label, wanted) for text, label in zip(texts, labels, strict=True)]
    unusable = {row: said for row, said in enumerate(reasons) if said}
    assert find_unusable(frame, wanted) == unusable
    may_be_blank = np.array([said in {BLANK_TEXT, BLANK_LABEL} for said in reasons], np.bool_)
    assert find_unusable(frame, wanted, may_be_blank) == unusable
