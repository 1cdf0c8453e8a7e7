"""How a source is written: what a log says of it."""

import pytest

from pipeline.records.row_reader import Dialect


@pytest.mark.parametrize(
    ("dialect", "told"),
    [
        (Dialect(delimiter=",", encoding="utf-8", detected=["delimiter", "encoding"]), {}),
        (
            Dialect(delimiter="\t", encoding="utf-8", detected=["delimiter", "encoding"]),
            {"delimiter": "tab", "encoding": "utf-8"},
        ),
        (Dialect(delimiter=";", encoding="cp1252", detected=["encoding"]), {"encoding": "cp1252"}),
        (Dialect(delimiter=";", encoding="utf-8", detected=["encoding"]), {}),
        (Dialect(delimiter=";", encoding="cp1252"), {}),
    ],
)
def test_a_log_tells_what_was_detected_and_is_not_plain(dialect: Dialect, told: dict[str, str]) -> None:
    assert dialect.surprises() == told
