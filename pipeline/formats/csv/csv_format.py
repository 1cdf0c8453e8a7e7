"""How a CSV looks: what stands between its fields, how it is encoded, and whether it has a header."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.errors import UsageError
from pipeline.formats.encodings import UTF8, normalize_encoding
from pipeline.records.wanted import require_distinct

MAX_RECORD_BYTES = 1 << 30


@dataclass(frozen=True, kw_only=True)
class CsvFormat:
    """How the CSVs of a job look.

    Attributes:
        columns: The names of the columns of a file without a header; empty where the first record is the header.
        delimiter: One ASCII character between fields.
        encoding: Any Python text codec.
        max_record_bytes: A longer record is quarantined.
    """

    columns: Sequence[str] = ()
    delimiter: str = ","
    encoding: str = UTF8
    max_record_bytes: int = 1 << 20

    def __post_init__(self) -> None:
        if len(self.delimiter) != 1 or not self.delimiter.isascii() or self.delimiter in '"\r\n':
            raise UsageError(
                f"--delimiter {self.delimiter!r}: expected one ASCII character other than a quote or a line ending"
            )
        if not 1 <= self.max_record_bytes <= MAX_RECORD_BYTES:
            raise UsageError(f"--max-record-bytes {self.max_record_bytes}: expected 1 to {MAX_RECORD_BYTES:,}")
        require_distinct("--columns", self.columns)
        normalize_encoding(self.encoding)
