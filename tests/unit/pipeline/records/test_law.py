"""The law and the allowed share are checked before anything is published."""

from pathlib import Path

import pytest

from pipeline.errors import InputError, LawError
from pipeline.records.law import check_law, check_share, encoding_hint

REASONS = {"bad_quote": 2, "blank_text": 1}


def test_law() -> None:
    check_law("here", 5, 3, 2)
    check_law("here", 0, 0, 0)
    for numbers in [(5, 3, 1), (5, 4, 2), (0, 1, 0)]:
        with pytest.raises(LawError, match="here"):
            check_law("here", *numbers)


@pytest.mark.parametrize(("rows_in", "share"), [(30, 0.1), (3, 1.0), (300, 0.01), (100, 0.03)])
def test_share_may_be_reached(tmp_path: Path, rows_in: int, share: float) -> None:
    check_share("here", rows_in, REASONS, share)


@pytest.mark.parametrize(("rows_in", "share"), [(29, 0.1), (3, 0.99), (1000, 0.0)])
def test_share_may_not_be_passed(tmp_path: Path, rows_in: int, share: float) -> None:
    with pytest.raises(InputError, match=r"here: 3 of .*bad_quote 2, blank_text 1.*--max-quarantined"):
        check_share("here", rows_in, REASONS, share)


def test_what_is_not_utf8_suggests_cp1252_unless_it_was_read_as_that() -> None:
    reasons = {"invalid_encoding": 3, "bad_quote": 1}
    with pytest.raises(InputError, match=r"look at the quarantine; invalid_encoding: .* try --encoding cp1252$"):
        check_share("here", 10, reasons, 0.1, hint=encoding_hint(reasons, ["cp1252", "utf-8"]))
    for reasons_seen, encoding in ((reasons, "cp1252"), ({"bad_quote": 4}, "utf-8")):
        with pytest.raises(InputError, match=r"or check --columns, --delimiter and --encoding$"):
            check_share("here", 10, reasons_seen, 0.1, hint=encoding_hint(reasons_seen, [encoding]))


def test_share_is_compared_as_it_reads(tmp_path: Path) -> None:
    """29 of 100 is 0.29, although 0.29 * 100 is less than 29 in floating point."""
    check_share("here", 100, {"bad_quote": 29}, 0.29)


def test_nothing_read_is_no_share(tmp_path: Path) -> None:
    check_share("here", 0, {}, 0.0)
