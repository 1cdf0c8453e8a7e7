"""How a CSV looks: what stands between its fields, how it is encoded, and whether it has a header."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.errors import UsageError
from pipeline.formats.csv.detect_delimiter import ONE_COLUMN
from pipeline.formats.encodings import AUTO, normalize_encoding
from pipeline.records.wanted import require_distinct

MAX_RECORD_BYTES = 1 << 28  # So that no block passes the 2 GiB that offsets of Arrow reach.


@dataclass(frozen=True, kw_only=True)
class CsvFormat:
    """How the CSVs of a job look.

    Attributes:
        columns: The names of the columns of a file without a header; empty where the first record is the header.
        delimiter: One ASCII character between fields, or `ONE_COLUMN`; with `AUTO`, what the first bytes of each file say.
        encoding: Any Python text codec; with `AUTO` likewise.
        max_record_bytes: A longer record is quarantined.
    """

    columns: Sequence[str] = ()
    delimiter: str = AUTO
    encoding: str = AUTO
    max_record_bytes: int = 1 << 20

    def __post_init__(self) -> None:
        is_character = len(self.delimiter) == 1 and self.delimiter.isascii() and self.delimiter not in '"\r\n'
        if not is_character and self.delimiter not in {AUTO, ONE_COLUMN}:
            raise UsageError(
                f"--delimiter {self.delimiter!r}: expected one ASCII character other than a quote or a line ending, or tab, none or auto"
            )
        if not 1 <= self.max_record_bytes <= MAX_RECORD_BYTES:
            raise UsageError(f"--max-record-bytes {self.max_record_bytes}: expected 1 to {MAX_RECORD_BYTES:,}")
        require_distinct("--columns", self.columns)
        if self.encoding != AUTO:
            normalize_encoding(self.encoding)
