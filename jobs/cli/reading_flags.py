"""The reading flags that encode and score share, and what they mean to the reader."""

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from jobs.cli.help import INPUT, RARE, RUNNING
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from pipeline.formats.opening import Formats
    from pipeline.records.wanted import Wanted

ALL = "all"
"""What --keep takes for every column; a column of that name alone is asked for in double quotes."""


@Parameter(name="*")
@INPUT
@dataclass(frozen=True, kw_only=True)
class ReadingConfig:
    """How the CSVs look."""

    text: Annotated[str, Parameter(alias="-t", metavar="COLUMN")] = "text"
    "The column to classify; several, with commas between, are joined by one space."
    columns: Annotated[str, Parameter(metavar="NAMES")] = ""
    "The names of all columns, with commas between, of a file that has no header."
    delimiter: Annotated[str, Parameter(metavar="CHARACTER")] = "auto"
    "A character; auto finds , ; | or tab in each file."
    encoding: Annotated[str, Parameter(metavar="NAME")] = "auto"
    "Any Python codec; auto finds UTF-8, UTF-16, cp1252."
    max_record_bytes: Annotated[int, RARE] = 1 << 20
    "A longer record is quarantined."
    max_quarantined: Annotated[float, RUNNING, Parameter(metavar="SHARE")] = 0.1
    "Fail, and publish nothing, when a larger fraction of the records is quarantined."

    def __post_init__(self) -> None:
        if not 0 <= self.max_quarantined <= 1:
            raise UsageError(f"--max-quarantined {self.max_quarantined:g}: expected a fraction from 0 to 1")

    def wanted(self, *, label: str, keep: str = "") -> "Wanted":
        """The columns that make a row.

        Raises:
            UsageError: A flag makes no sense.
        """
        from pipeline.records.wanted import Wanted

        keeps_all = keep.strip() == ALL
        return Wanted(
            text=split_names(self.text),
            label=label,
            keep=() if keeps_all else split_names(keep),
            keeps_all=keeps_all,
        )

    def formats(self) -> "Formats":
        """How the inputs are read.

        Raises:
            UsageError: A flag makes no sense.
        """
        from pipeline.formats.csv.csv_format import CsvFormat
        from pipeline.formats.csv.detect_delimiter import ONE_COLUMN
        from pipeline.formats.opening import Formats

        csv_format = CsvFormat(
            columns=split_names(self.columns),
            delimiter={"tab": "\t", "\\t": "\t", "none": ONE_COLUMN}.get(self.delimiter, self.delimiter),
            encoding=self.encoding,
            max_record_bytes=self.max_record_bytes,
        )
        return Formats(csv=csv_format)


def split_names(names: str) -> tuple[str, ...]:
    """Split names at commas, without the spaces around them; a name that contains one, or a line break, is quoted as in a CSV.

    Raises:
        UsageError: They are no such list.
    """
    try:
        return tuple(name.strip() for name in next(csv.reader([names]), []))
    except csv.Error as error:
        raise UsageError(
            f"{names!r}: expected names with commas between, got a line break outside of quotes; "
            "put a name that has one in double quotes"
        ) from error
