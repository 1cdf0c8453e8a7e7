"""The law of the house: rows in = rows out + rows quarantined, and the share that may be quarantined."""

from collections.abc import Collection, Mapping

from pipeline.errors import InputError, LawError
from pipeline.records.quarantine import INVALID_ENCODING


def describe_reasons(reasons: Mapping[str, int]) -> str:
    """The reasons with their counts, most frequent first, as in ``blank_text 3, bad_quote 1``."""
    return ", ".join(
        f"{reason} {count:,}" for reason, count in sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
    )


NOTHING_PUBLISHED = "nothing was published"


def check_law(
    where: str, rows_in: int, rows_out: int, rows_quarantined: int, *, outcome: str = NOTHING_PUBLISHED
) -> None:
    """Check the law of the house: rows in = rows out + rows quarantined.

    Args:
        where: What the message calls the input.
        rows_in: Records that came in.
        rows_out: Rows that are in the output.
        rows_quarantined: Records that are in the quarantine.
        outcome: What the message says of the output.

    Raises:
        LawError: They differ; nothing may be published.
    """
    if rows_in != rows_out + rows_quarantined:
        raise LawError(
            f"{where}: {rows_in:,} rows came in, but {rows_out:,} + {rows_quarantined:,} went out or to quarantine; "
            f"{outcome}; this is a defect of charmill, please report it with the file"
        )


def encoding_hint(reasons: Mapping[str, int], encodings: Collection[str]) -> str:
    """What to try where quarantined records are not UTF-8, in which they were read; empty where there are none."""
    if not reasons.get(INVALID_ENCODING) or "utf-8" not in encodings:
        return ""
    return f"{INVALID_ENCODING}: what is not UTF-8 may be text from Windows, try --encoding cp1252"


def check_share(
    where: str,
    rows_in: int,
    reasons: Mapping[str, int],
    max_quarantined: float,
    *,
    hint: str = "",
    outcome: str = NOTHING_PUBLISHED,
) -> None:
    """Refuse to publish when too many records were quarantined.

    Args:
        where: What the message calls the input.
        rows_in: Records that came in.
        reasons: Quarantined records by reason.
        max_quarantined: The fraction that is allowed.
        hint: What to do about what was quarantined.
        outcome: What the message says of the output.

    Raises:
        InputError: The share is above max_quarantined.
    """
    num_rows = sum(reasons.values())
    if rows_in and num_rows / rows_in > max_quarantined:
        raise InputError(
            f"{where}: {num_rows:,} of {rows_in:,} records cannot be used ({describe_reasons(reasons)}), "
            f"more than --max-quarantined {max_quarantined:g}; {outcome}; "
            f"look at the quarantine{f'; {hint}' if hint else ', or check --columns, --delimiter and --encoding'}"
        )
