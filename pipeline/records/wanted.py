"""What a job wants of every record: the columns of the text, the label, and those that are passed through."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.errors import InputError, UsageError
from pipeline.records.rows import TEXT


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """The columns that make a row, whatever the format of the file.

    Attributes:
        text: Columns joined by one space to make the text.
        label: The column of the true label; empty for none.
        keep: Columns passed through.
        labels: Where not empty, the only labels that are known; others are quarantined.
    """

    text: Sequence[str] = (TEXT,)
    label: str = ""
    keep: Sequence[str] = ()
    labels: Sequence[str] = ()

    def __post_init__(self) -> None:
        if not self.text or not all(self.text):
            raise UsageError("--text: name at least one column")
        require_distinct("--keep", self.keep)

    @property
    def columns(self) -> set[str]:
        """All columns that have to be read."""
        return {name for name in (*self.text, *self.keep, self.label) if name}

    def require_in(self, names: Sequence[str], where: str, hint: str = "") -> None:
        """Refuse an input that lacks a wanted column.

        Args:
            names: The input's columns.
            where: What the message calls the input.
            hint: What else to do where a column is missing.

        Raises:
            InputError: A column is missing, or there are two of its name.
        """
        wanted = [("--text", name) for name in self.text] + [("--keep", name) for name in self.keep]
        if self.label:
            wanted.append(("--label", self.label))
        for flag, name in wanted:
            if name not in names:
                raise InputError(
                    f"{where}: there is no column {name!r} for {flag}; the columns are {_listed(names)}{hint}",
                    path=where,
                )
            if list(names).count(name) > 1:
                raise InputError(f"{where}: the header names {name!r} twice, so {flag} is ambiguous", path=where)


def require_distinct(flag: str, names: Sequence[str]) -> None:
    """Refuse a list of names in which one occurs twice.

    Raises:
        UsageError: One does.
    """
    twice = sorted({name for name in names if list(names).count(name) > 1})
    if twice:
        raise UsageError(f"{flag}: {', '.join(twice)} is named twice")


def _listed(names: Sequence[str]) -> str:
    """The names in quotes, long ones and long lists cut."""
    shown = [repr(name if len(name) <= 40 else f"{name[:40]}...") for name in names[:20]]
    return ", ".join(shown) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
