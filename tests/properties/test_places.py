"""A reading that goes on from any block's end gives what the whole reading gave from there."""

import gzip
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import InputError
from pipeline.formats.csv.reader import CsvFormat, CsvReader
from pipeline.records.rows import Place
from pipeline.storage.source import Source
from tests.strategies import SOME, csv_text, long_csv_bytes


def _blocks(path: Path, block_bytes: int, start: Place | None = None, **csv_format: Any) -> tuple[list[Any], str]:
    source = Source(str(path), path.name)
    reader = CsvReader(source, CsvFormat(**csv_format), block_bytes=block_bytes)
    blocks = [
        (block.frame.rows(), block.rejects, block.num_records, block.place, block.end) for block in reader.blocks(start)
    ]
    return blocks, source.sha256


@SOME
@given(
    data=st.one_of(csv_text(80), long_csv_bytes()),
    block_bytes=st.sampled_from([1, 7, 64, 200]),
    encoding=st.sampled_from(["utf-8", "utf-8", "utf-16", "cp1252", "utf-8-sig"]),
    compressed=st.booleans(),
)
def test_goes_on_from_every_place(data: bytes, block_bytes: int, encoding: str, compressed: bool) -> None:
    text = b"text,more\nfirst,1\n" + data
    stored = text if encoding == "utf-8" else text.decode(errors="replace").encode(encoding, "replace")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "in.csv"
        path.write_bytes(gzip.compress(stored) if compressed else stored)
        whole, sha256 = _blocks(path, block_bytes, encoding=encoding)
        for index, block in enumerate(whole):
            assert _blocks(path, block_bytes, block[-1], encoding=encoding) == (whole[index + 1 :], sha256)
            assert block[-2] == (whole[index - 1][-1] if index else block[-2])


def test_a_source_that_became_shorter_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_text("text\na\nb\n")
    with pytest.raises(InputError, match="shorter than it was"):
        _blocks(path, 64, Place(record=5, line=6, offset=100))
