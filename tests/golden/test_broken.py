"""Broken CSVs, each with the rows and the rejects that it has by the rules of DESIGN.md; read by hand before they were kept.

What fuzzing finds is added here. Bytes stand in the file as Latin-1.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.reading import read_bytes

CASES = json.loads((Path(__file__).parent / "broken.json").read_text())


@pytest.mark.parametrize("block_bytes", [1, 64, 1 << 16])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["why"])
def test_broken(case: dict[str, Any], block_bytes: int) -> None:
    reading = read_bytes(case["csv"].encode("latin-1"), block_bytes, **case["format"])
    assert [list(row) for row in zip(reading.numbers, reading.column("text"), strict=True)] == case["rows"]
    assert [
        [reject.record, reject.line, reject.byte_offset, reject.reason, reject.raw.decode("latin-1")]
        for reject in reading.rejects
    ] == case["rejects"]
    assert reading.num_records == len(case["rows"]) + len(case["rejects"])
