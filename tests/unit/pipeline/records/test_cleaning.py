"""Cleaning: whatever the format, a blank or unknown text or label costs that record, and the others are rows."""

from typing import Any

import numpy as np
import polars as pl
import pytest

from pipeline.records.cleaning import clean
from pipeline.records.wanted import Wanted

COLUMNS = {
    "title": pl.Series(["a saw", " ", "", "a hat", "tea", "\u3000"]),
    "more": pl.Series(["", "\t", "b", "", "", ""]),
    "class": pl.Series([" tools", "tools", "", " \n", "drinks ", ""]),
}
RECORDS = np.arange(40, 46)


@pytest.mark.parametrize(
    ("wanted", "rows", "reasons"),
    [
        ({"text": ["title"]}, [(40, "a saw"), (43, "a hat"), (44, "tea")], dict.fromkeys([41, 42, 45], "blank_text")),
        (
            {"text": ["title", "more"], "keep": ["class"]},
            [(40, "a saw ", " tools"), (42, " b", ""), (43, "a hat ", " \n"), (44, "tea ", "drinks ")],
            {41: "blank_text", 45: "blank_text"},
        ),
        (
            {"text": ["title"], "label": "class"},
            [(40, "a saw", "tools"), (44, "tea", "drinks")],
            {41: "blank_text", 42: "blank_text", 43: "blank_label", 45: "blank_text"},
        ),
        (
            {"text": ["title", "more"], "label": "class", "labels": ["tools"]},
            [(40, "a saw ", "tools")],
            {41: "blank_text", 42: "blank_label", 43: "blank_label", 44: "unknown_label", 45: "blank_text"},
        ),
    ],
)
@pytest.mark.parametrize("may_be_blank", [None, np.array([False, True, True, True, False, True])])
def test_rows_and_reasons(wanted: Any, rows: list[Any], reasons: dict[int, str], may_be_blank: Any) -> None:
    cleaned = clean(COLUMNS, RECORDS, Wanted(**wanted), may_be_blank=may_be_blank)
    frame, found = cleaned.frame, cleaned.reasons
    assert frame.rows() == rows
    assert found == reasons
