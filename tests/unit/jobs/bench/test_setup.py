"""What a section of a benchmark says of contestants that cannot take part."""

import sys
from pathlib import Path

import pytest

from jobs.bench.data import make_data
from jobs.bench.setup import Setup, ready
from jobs.bench.timing import Contestant


def test_a_section_names_what_each_contestant_lacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fasttext", None)
    data = make_data("synthetic", tmp_path / "titles.csv", 1)
    setup = Setup(folder=tmp_path, data=data, train_rows=1, num_threads=1, without=frozenset({"pyarrow"}))
    present = Contestant("it", "ours", 1, ready(int))
    unwanted = Contestant("unwanted", "peer", 1, ready(int), needs=("pyarrow",))
    missing = Contestant("missing", "peer", 1, ready(int), needs=("fasttext", "pyarrow"))
    section = setup.section("encode", "a title", [present, unwanted, missing])
    assert (section.part, section.title, section.contestants) == ("encode", "a title", [present])
    assert section.left_out == {"unwanted": "left out by --without", "missing": "not installed: fasttext"}
