"""What a job wants of every record: the columns of the text, the label, and those that are passed through."""

import difflib
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

from pipeline.errors import InputError, UsageError
from pipeline.records.rows import LABEL, TEXT

_MAX_NAME = 40
_MIN_SIMILARITY = 0.75  # One letter of four.
_SEVERAL = re.compile(r"\S[,;|\t^]\S")


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """The columns that make a row, whatever the format of the file.

    Attributes:
        text: Columns joined by one space to make the text.
        label: The column of the true label; empty for none.
        keep: Columns passed through.
        keeps_all: Pass every column of a file through; `in_file` says which those are.
        reserved: Names that no column may have that is passed through with all others.
        labels: Where not empty, the only labels that are known; others are quarantined.
        label_names: The label that a value of the label's column stands for, where it is another one.
    """

    text: Sequence[str] = (TEXT,)
    label: str = ""
    keep: Sequence[str] = ()
    keeps_all: bool = False
    reserved: Sequence[str] = ()
    labels: Sequence[str] = ()
    label_names: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.text or not all(self.text):
            raise UsageError("--text: name at least one column")
        require_distinct("--keep", self.keep)

    @property
    def columns(self) -> set[str]:
        """All columns that have to be read."""
        return {*self.text, *self.keep, *([self.label] if self.label else [])}

    def in_file(self, names: Sequence[str], where: str) -> Self:
        """The same for a file of these columns: `keep` has all that are passed through.

        Raises:
            InputError: A column has a reserved name, or two have the same.
        """
        if not self.keeps_all:
            return self
        keep = [name for name in names if not name == self.label == LABEL]  # The label has a column of that name.
        for name in keep:
            is_reserved = name in self.reserved
            if is_reserved or keep.count(name) > 1:
                what = f"the scores have a column {name!r}, too" if is_reserved else f"the header names {name!r} twice"
                free = [each for each in keep if each not in self.reserved and keep.count(each) == 1]
                raise InputError(
                    f"{where}: --keep all: {what}; rename it in the file, or name what is to be kept, "
                    f"as in --keep {_as_flag(free)}",
                    path=where,
                )
        return replace(self, keep=keep, keeps_all=False)

    def require_in(
        self,
        names: Sequence[str],
        where: str,
        hint: str = "",
        sample: Callable[[], Sequence[Sequence[str]]] = tuple,
    ) -> None:
        """Refuse an input that lacks a wanted column.

        Args:
            names: The input's columns.
            where: What the message calls the input.
            hint: What else to do where a column is missing.
            sample: Some values of each column, for a message that says which of them looks like the text.

        Raises:
            InputError: A column is missing, or there are two of its name.
        """
        wanted = [("--text", name) for name in self.text] + [("--keep", name) for name in self.keep]
        if self.label:
            wanted.append(("--label", self.label))
        for flag, name in wanted:
            if name not in names:
                lead = ""
                if near := _nearest(name, names):
                    lead = f"did you mean {near!r}? "
                elif (flag, name) == ("--text", TEXT) and (text := self._likely_text(names, sample())):
                    lead = f"add --text {_as_flag([text])}, which looks like text; "
                raise InputError(
                    f"{where}: there is no column {name!r} for {flag}; {lead}the columns are {_listed(names)}{hint}",
                    path=where,
                )
            if list(names).count(name) > 1:
                raise InputError(f"{where}: the header names {name!r} twice, so {flag} is ambiguous", path=where)

    def _likely_text(self, names: Sequence[str], sample: Sequence[Sequence[str]]) -> str:
        """The one column that looks like text: several words, and twice as long as any other; empty where there is none."""
        if not all(any(map(str.isalpha, name)) and len(name) <= _MAX_NAME for name in names):
            return ""  # That is no header.
        if len(names) == 1 and _SEVERAL.search(names[0]):
            return ""  # Those are several columns.
        lengths = {
            name: sum(map(len, values)) / len(values)
            for name, values in zip(names, sample, strict=False)
            if name != self.label and values and sum(map(_is_worded, values)) * 2 > len(values)
        }
        longest, *others = sorted(lengths, key=lengths.__getitem__, reverse=True) or [""]
        return "" if others and lengths[others[0]] * 2 > lengths[longest] else longest


def require_distinct(flag: str, names: Sequence[str]) -> None:
    """Refuse a list of names in which one occurs twice.

    Raises:
        UsageError: One does.
    """
    twice = sorted({name for name in names if list(names).count(name) > 1})
    if twice:
        raise UsageError(f"{flag}: {', '.join(twice)} is named twice")


def _nearest(name: str, names: Sequence[str]) -> str:
    """The column whose name differs in case or by about a letter; empty where there is none."""
    folded = {each.casefold(): each for each in reversed(names) if abs(len(each) - len(name)) <= 1}
    near = difflib.get_close_matches(name.casefold(), folded, 1, _MIN_SIMILARITY)
    return folded[near[0]] if near else ""


def _as_flag(names: Sequence[str]) -> str:
    """Columns as a flag takes them on a command line."""
    quoted = ('"{}"'.format(name.replace('"', '""')) if set(name) & set(',"\r\n') else name for name in names)
    return shlex.quote(",".join(quoted))


def _is_worded(value: str) -> bool:
    """Whether a value has letters and is more than one word, or in a script that may do without spaces."""
    words = value.split()
    return any(map(str.isalpha, value)) and (len(words) > 1 or not value.isascii())


def _listed(names: Sequence[str]) -> str:
    """The names in quotes, long ones and long lists cut."""
    shown = [repr(name if len(name) <= _MAX_NAME else f"{name[:_MAX_NAME]}...") for name in names[:20]]
    return ", ".join(shown) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
