"""The oracle of the record scanner: the rules of RFC 4180 and of recovery in plain Python over whole bytes, slow and obvious."""

from dataclasses import dataclass

LF, CRLF, CR, QUOTE = b"\n", b"\r\n", b"\r", b'"'


@dataclass(frozen=True)
class NaiveRecord:
    """A record: where it begins, its bytes without the line ending, why it is malformed ("" where it is not), and its fields."""

    start: int
    line: int
    raw: bytes
    reason: str
    fields: tuple[bytes, ...] = ()


class _MalformedError(Exception):
    def __init__(self, reason: str, end: int) -> None:
        super().__init__(reason)
        self.reason = reason
        self.end = end  # Where the LF after the quarantined bytes is, or the end of the data.


def scan(
    data: bytes, *, delimiter: bytes = b",", num_fields: int = 0, max_record_bytes: int = 1 << 20
) -> list[NaiveRecord]:
    """All records of a file."""
    records = []
    start = 0
    while start < len(data):
        end = _end_of_line(data, start)
        if _without_ending(data[start:end]):
            line = 1 + data[:start].count(LF)
            try:
                fields, end = _parse(data, start, delimiter, max_record_bytes)
                reason = _judge(data[start:end], fields, num_fields, max_record_bytes)
            except _MalformedError as malformed:
                reason, end, fields = malformed.reason, malformed.end, []
            raw = _without_ending(data[start:end])
            records.append(NaiveRecord(start, line, raw, reason, () if reason else tuple(fields)))
        start = end + 1
    return records


def _end_of_line(data: bytes, start: int) -> int:
    end = data.find(LF, start)
    return len(data) if end < 0 else end


def _without_ending(line: bytes) -> bytes:
    """CR LF is a line ending like LF, and so is a lone CR at the end of the file."""
    return line.removesuffix(CR)


def _judge(record: bytes, fields: list[bytes], num_fields: int, max_record_bytes: int) -> str:
    if len(_without_ending(record)) > max_record_bytes:
        return "record_too_long"
    if num_fields and len(fields) != num_fields:
        return "too_few_fields" if len(fields) < num_fields else "too_many_fields"
    try:
        _without_ending(record).decode()
    except UnicodeDecodeError:
        return "invalid_encoding"
    return ""


def _parse(data: bytes, start: int, delimiter: bytes, max_record_bytes: int) -> tuple[list[bytes], int]:
    """The fields of the record at start, and where the LF after it is, or the end of the data."""
    fields = []
    position = start
    while True:
        if data[position : position + 1] == QUOTE:
            field, position = _quoted(data, start, position, delimiter, max_record_bytes)
            fields.append(field)
        else:
            end = _end_of_line(data, position)
            stop = data.find(delimiter, position, end)
            field = data[position:end] if stop < 0 else data[position:stop]
            position = end if stop < 0 else stop
            fields.append(_without_ending(field) if stop < 0 else field)
        if data[position : position + 1] != delimiter:
            return fields, position
        position += 1


def _quoted(data: bytes, start: int, opening: int, delimiter: bytes, max_record_bytes: int) -> tuple[bytes, int]:
    """A quoted field, and where the delimiter or the LF after it is, or the end of the data."""
    closing = _closing_quote(data, opening)
    limit = start + max_record_bytes
    if closing > limit and len(data) > limit:  # Still open when the record is already longer than allowed.
        if LF in data[start : limit + 1] and opening < limit:
            raise _MalformedError("unclosed_quote", _end_of_line(data, start))
        raise _MalformedError("record_too_long", _end_of_line(data, max(opening, limit) + 1))
    if closing == len(data):
        raise _MalformedError("unclosed_quote", _end_of_line(data, start))
    after = data[closing + 1 :]
    if after in (b"", CR):
        end = len(data)
    elif after.startswith((LF, CRLF)):
        end = data.index(LF, closing)
    elif after.startswith(delimiter):
        end = closing + 1
    elif LF in data[opening:closing]:
        raise _MalformedError("unclosed_quote", _end_of_line(data, start))
    else:
        end = _end_of_line(data, closing)
        too_long = len(_without_ending(data[start:end])) > max_record_bytes
        raise _MalformedError("record_too_long" if too_long else "bad_quote", end)
    return data[opening + 1 : closing].replace(QUOTE * 2, QUOTE), end


def _closing_quote(data: bytes, opening: int) -> int:
    """The first quote after the opening one that is not doubled; the end of the data where there is none."""
    position = data.find(QUOTE, opening + 1)
    while position >= 0 and data[position + 1 : position + 2] == QUOTE:
        position = data.find(QUOTE, position + 2)
    return len(data) if position < 0 else position
