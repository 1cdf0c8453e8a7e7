"""A reading from any block's end, and to any other's, gives what the whole reading gave there."""

import gzip
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import InputError
from pipeline.formats.csv.reader import CsvReader
from pipeline.records.rows import Place
from pipeline.storage.source import Source
from tests.reading import AUTO, split_options
from tests.strategies import SOME, csv_text, long_csv_bytes


def _blocks(
    path: Path, block_bytes: int, start: Place | None = None, end: Place | None = None, **options: Any
) -> tuple[list[Any], str]:
    source = Source(str(path), path.name)
    reader = CsvReader(source, *split_options(**options), block_bytes=block_bytes)
    blocks = [scanned.rows() for scanned in reader.scan(start, end)]
    told = [(block.frame.rows(), block.rejects, block.num_records, block.place, block.end) for block in blocks]
    return told, source.sha256


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


def _parts(path: Path, is_hashed: bool, places: list[Place | None], block_bytes: int, **how: Any) -> tuple[Any, ...]:
    """Rows, rejects and the number of records, read part by part, each by a reader of its own."""
    rows, rejects, num_records = [], [], 0
    for start, end in pairwise(places):
        source = Source(str(path), path.name, is_hashed=is_hashed)
        reader = CsvReader(source, *split_options(**how), block_bytes=block_bytes)
        for block in (scanned.rows() for scanned in reader.scan(start, end)):
            rows += block.frame.rows()
            rejects += block.rejects
            num_records += block.num_records
    return rows, rejects, num_records


@SOME
@given(
    data=st.one_of(csv_text(80), long_csv_bytes()),
    block_bytes=st.sampled_from([7, 64, 10_000]),
    encoding=st.sampled_from(["utf-8", "utf-8", "utf-16", "utf-8-sig"]),
    compressed=st.booleans(),
    is_hashed=st.booleans(),
    every=st.integers(1, 4),
)
def test_parts_are_the_whole(
    data: bytes, block_bytes: int, encoding: str, compressed: bool, is_hashed: bool, every: int
) -> None:
    """Wherever a file is cut at the ends of blocks, and whatever the size of blocks in the parts."""
    text = b"text,more\nfirst,1\n" + data
    stored = text if encoding == "utf-8" else text.decode(errors="replace").encode(encoding, "replace")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "in.csv"
        path.write_bytes(gzip.compress(stored) if compressed else stored)
        blocks, _ = _blocks(path, 7, encoding=encoding)
        places = [None, *(block[-1] for block in blocks[every - 1 :: every]), None]
        whole = _parts(path, True, [None, None], block_bytes, encoding=encoding)
        assert _parts(path, is_hashed, places, block_bytes, encoding=encoding) == whole


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize(("delimiter", "before"), [(";", ""), ("\t", ""), ("|", "sep=|\r\n")])
def test_every_part_detects_what_the_whole_does(
    tmp_path: Path, delimiter: str, before: str, encoding: str, compressed: bool
) -> None:
    rows = [f'{number}{delimiter}"café, {number};|\t\n"\r\n' for number in range(200)]
    rows[7], rows[150] = "bad\n", f"150{delimiter}{delimiter}é\n"
    data = (before + f"id{delimiter}text\r\n" + "".join(rows)).encode(encoding)
    path = tmp_path / "in.csv"
    path.write_bytes(gzip.compress(data) if compressed else data)
    named = _parts(path, True, [None, None], 500, delimiter=delimiter, encoding=encoding)
    assert len(named[0]) == 198
    blocks, _ = _blocks(path, 100, **AUTO)
    places = [None, *(block[-1] for block in blocks[::3]), None]
    assert _parts(path, False, places, 500, **AUTO) == named


def test_a_source_that_became_shorter_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_text("text\na\nb\n")
    with pytest.raises(InputError, match="shorter than it was"):
        _blocks(path, 64, Place(record=5, line=6, offset=100))
    reader = CsvReader(Source(str(path), path.name, is_hashed=False), *split_options())
    with pytest.raises(InputError, match="shorter than it was"):
        list(reader.scan(Place(record=5, line=6, offset=100)))
