"""Tells what stands between a file's fields from its first bytes, by how each candidate cuts them into records.

The scanner that will read the file cuts them here, so quotes, line breaks within them and damaged records mean the same. A delimiter is
clear where it cuts the header into columns and most records into as many fields, and no other candidate does as well.

A header of one column is clear, too: nothing stands between fields, and a comma is a part of the text. But where every record falls into
the same number of fields, the header seems to lack some.
"""

import csv
import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.formats.csv.scan_kernel import OK, RECORD_FIELDS, START, STATUS, STOP, Bytes, scan_records
from pipeline.formats.sniff import HeadError

CANDIDATES = (",", ";", "\t", "|")
ONE_COLUMN = "\udcf7"
"""No delimiter: stands for the byte 0xF7, which UTF-8 never has, so a record is one field whatever is in it."""

_SEPARATOR_LINE = re.compile(rb"""("?)sep=([\t -!#-/:-@[-`{-~])\1(?:\r?\n|\r?\Z)""", re.IGNORECASE)
_MAX_RECORDS = 10_000
_MIN_RECORDS = 10
"""Where so many disagree with the header, and none agrees, it is the header's delimiter that is in doubt, not the records."""
_MIN_RATIO = 5
"""So many times more records must agree with one candidate than with another. How many may be malformed, --max-quarantined says."""


def byte_of(delimiter: str) -> int:
    """The byte between fields."""
    return delimiter.encode(errors="surrogateescape")[0]


def find_separator_line(head: bytes) -> tuple[int, str]:
    """Find a first line such as ``sep=;``, in which Excel says what stands between fields.

    Args:
        head: The first bytes of a file in UTF-8, without byte order mark.

    Returns:
        (how many bytes the line has with its ending, the delimiter); 0 and nothing where there is none.
    """
    found = _SEPARATOR_LINE.match(head)
    return (found.end(), found[2].decode()) if found else (0, "")


@dataclass(frozen=True, kw_only=True)
class _Cut:
    """How a delimiter cuts the first records.

    Attributes:
        fields: That a record must have; 0 where the header is malformed.
        records: How many there are, the header not counted.
        agreeing: So many of them are well-formed and have as many fields as they must.
    """

    fields: int
    records: int
    agreeing: int

    @property
    def share(self) -> float:
        return self.agreeing / self.records if self.records else 1.0


@dataclass(frozen=True, kw_only=True)
class _Head:
    """The first bytes of a file, as the scanner takes them."""

    data: Bytes
    is_whole: bool
    max_record_bytes: int

    def cut(self, delimiter: str, num_columns: int = 0, position: int = 0) -> _Cut | None:
        """Cut what follows a position; None where no record ends there.

        Args:
            delimiter: With what.
            num_columns: Fields that each record must have; 0 where the first record is a header that says it.
            position: Where the first record begins.
        """
        first, end = self._scan(delimiter, position, 0, 1)
        if not len(first):
            return None
        fields = num_columns or self._count_fields(delimiter, first[0])
        table, _ = self._scan(delimiter, position if num_columns else end, fields, _MAX_RECORDS)
        return _Cut(fields=fields, records=len(table), agreeing=int(np.count_nonzero(table[:, STATUS] == OK)))

    def cut_behind_header(self, delimiter: str) -> _Cut | None:
        """Cut what follows a header of one column, as if the next record were the header."""
        return self.cut(delimiter, position=self._scan(ONE_COLUMN, 0, 0, 1)[1])

    def _count_fields(self, delimiter: str, record: npt.NDArray[np.int64]) -> int:
        raw = self.data[record[START] : record[STOP]].tobytes().decode(errors="replace")
        try:
            return len(next(csv.reader([raw], delimiter=delimiter))) if record[STATUS] == OK else 0
        except csv.Error:
            return 0

    def _scan(self, delimiter: str, position: int, fields: int, capacity: int) -> tuple[npt.NDArray[np.int64], int]:
        table = np.empty((capacity, RECORD_FIELDS), np.int64)
        count, position, _, _ = scan_records(
            self.data, position, 1, self.is_whole, byte_of(delimiter), fields, self.max_record_bytes, table
        )
        return table[:count], position

    def is_prose(self, delimiter: str) -> bool:
        """Whether a space follows wherever the delimiter stands, as in ordinary text."""
        data = self.data.tobytes()
        return data.count(delimiter.encode()) == data.count(f"{delimiter} ".encode())


def detect_delimiter(head: bytes, *, is_whole: bool, num_columns: int, max_record_bytes: int) -> str:
    """Return what stands between fields: one of `CANDIDATES`, or `ONE_COLUMN`.

    Args:
        head: The first bytes of a file in UTF-8, without byte order mark and separator line.
        is_whole: There are no further ones.
        num_columns: How many columns a file without header has; 0 where the first record is the header.
        max_record_bytes: As the file will be read.

    Raises:
        HeadError: It may be one or the other, or none of them.
    """
    scanned = _Head(data=np.frombuffer(head, np.uint8), is_whole=is_whole, max_record_bytes=max_record_bytes)
    cuts = {delimiter: cut for delimiter in CANDIDATES if (cut := scanned.cut(delimiter, num_columns))}
    if not cuts and not is_whole:
        raise HeadError(
            f"its first record does not end within {len(head):,} bytes, so it is not clear what stands between its fields; "
            "name it with --delimiter"
        )
    cuts = {delimiter: cut for delimiter, cut in cuts.items() if cut.fields}
    if not cuts:
        return CANDIDATES[0]  # There is no record, or no good header, and the reader says so.
    if all(cut.fields == 1 for cut in cuts.values()):
        _require_one_column(scanned, has_header=not num_columns)
        return ONE_COLUMN
    cuts = {delimiter: cut for delimiter, cut in cuts.items() if cut.fields > 1}
    shares = sorted(cut.share for cut in cuts.values())
    best = max(cuts, key=lambda delimiter: cuts[delimiter].share)
    second, share = [0.0, *shares][-2:]
    if second < share == 1 or share > _MIN_RATIO * second:
        return best
    if len(cuts) == 1 and not num_columns and cuts[best].records < _MIN_RECORDS:
        return best
    if not share and num_columns:
        raise HeadError(_describe_misfit(scanned, num_columns))
    header = [] if num_columns else ["the header"]
    found = []
    for delimiter, cut in cuts.items():
        if cut.share or not share:
            records = [f"{cut.agreeing:,} of {cut.records:,} records"] if cut.records else []
            found.append(f"{_shown(delimiter)} cuts {' and '.join(header + records)} into {cut.fields:,} fields")
    raise HeadError(
        f"it is not clear what stands between its fields: {', '.join(found)}; "
        "name it with --delimiter (none for a file of one column), or mend the file"
    )


def _require_one_column(head: _Head, *, has_header: bool) -> None:
    for delimiter in CANDIDATES:
        cut = head.cut_behind_header(delimiter) if has_header else head.cut(delimiter)
        if cut and cut.fields > 1 and cut.share == 1 and not head.is_prose(delimiter):
            named, todo = ("the header", "mend it") if has_header else ("--columns", "name them all")
            records = f"each of the first {cut.records + 1:,} records" if cut.records else "the only record"
            raise HeadError(
                f"{named} names one column, but {_shown(delimiter)} cuts {records} into {cut.fields:,} fields; "
                f"{todo}, or add --delimiter none if a record is one text"
            )


def _describe_misfit(head: _Head, num_columns: int) -> str:
    cuts = {delimiter: cut.fields for delimiter in CANDIDATES if (cut := head.cut(delimiter))}
    nearest = max(cuts, key=cuts.__getitem__)
    return (
        f"--columns names {num_columns} columns, but its first record has {max(cuts[nearest], 1)} with {_shown(nearest)} between them, "
        "and no other delimiter fits; correct --columns, or name the --delimiter"
    )


def _shown(delimiter: str) -> str:
    return {"\t": "a tab"}.get(delimiter, repr(delimiter))
