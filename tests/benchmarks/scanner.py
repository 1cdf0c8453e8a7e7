"""What scanning and cutting all fields costs beside Polars' own parse of the same blocks: ``python -m tests.benchmarks.scanner [CSV]``.

Core-seconds are those of all threads, by `time.process_time`. Both are timed in turn, block by block.
"""

import io
import statistics
import sys
import tempfile
import time
from pathlib import Path

import polars as pl

from pipeline.formats.csv.record_block import RecordBlock
from pipeline.formats.csv.scanner import RecordScanner
from pipeline.text.synthetic import write_titles

RUNS = 7
SIZE_BYTES = 100 << 20


def _repeated(data: bytes) -> bytes:
    return data * max(1, SIZE_BYTES // len(data))


def _scan(data: bytes, num_fields: int) -> list[RecordBlock]:
    scanner = RecordScanner(io.BytesIO(data), delimiter=ord(","), max_record_bytes=1 << 20)
    scanner.num_fields = num_fields
    return list(scanner.blocks())


def _scan_block(data: bytes, num_fields: int) -> None:
    (block,) = _scan(data, num_fields)
    block.check_encoding()
    block.fields(range(num_fields))


def _parse_block(data: bytes, num_fields: int) -> int:
    schema = {f"column_{index + 1}": pl.String for index in range(num_fields)}
    return len(pl.read_csv(data, has_header=False, schema=schema, empty_string_is_null=False))


def measure(name: str, data: bytes, num_fields: int) -> None:
    """Print a line: the share that scanning takes, and how fast it is."""
    blocks = [block.data.tobytes() for block in _scan(data, num_fields)]
    shares, speeds = [], []
    for run in range(RUNS + 1):
        scanned = parsed = 0.0
        for block in blocks:
            begun = time.process_time()
            _scan_block(block, num_fields)
            between = time.process_time()
            _parse_block(block, num_fields)
            scanned += between - begun
            parsed += time.process_time() - between
        if run:  # The first one warms up.
            shares.append(scanned / parsed)
            speeds.append(len(data) / scanned / 1e9)
    print(  # noqa: T201
        f"{name:<40} {statistics.median(shares):6.1%} of Polars' parse ({min(shares):.1%} to {max(shares):.1%}), "
        f"{statistics.median(speeds):.2f} GB/s"
    )


def main() -> None:
    """Measure on a CSV of three columns without a header, and on made-up titles."""
    if len(sys.argv) > 1:
        measure(Path(sys.argv[1]).name, _repeated(Path(sys.argv[1]).read_bytes()), 3)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "titles.csv"
        write_titles(path, 200_000, seed=1)
        _, _, rows = path.read_bytes().partition(b"\n")
    measure("made-up titles, two columns", _repeated(rows), 2)


if __name__ == "__main__":
    main()
