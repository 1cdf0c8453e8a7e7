"""Whatever stands in a JSON file that charmill reads back: it is what was written, or it is refused as charmill refuses."""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.architectures.trained import Model
from model.runs.evaluation import RunEvaluation, read_evaluation
from model.runs.model_file import read_model
from model.scoring.parts import COUNTS, Part, PartFile, part_from_json
from pipeline.building.progress import PROGRESS, Progress, read_progress
from pipeline.dataset.manifest import Manifest, read_manifest
from pipeline.errors import CharmillError, InputError
from pipeline.records.rows import Place
from tests.records import make_record
from tests.strategies import SOME
from tests.unit.pipeline.building.test_progress import PROGRESS_MADE
from tests.unit.pipeline.dataset.test_manifest import MANIFEST

RECORD = make_record()
PART = Part(
    number=3,
    scores=PartFile(name="a.scores.parquet", bytes=9, sha256="ab"),
    quarantine=PartFile(name="a.quarantine.parquet", bytes=8, sha256="cd"),
    counts=dict.fromkeys(COUNTS, 7),
    reasons={"bad_quote": 1},
    end=Place(record=7, line=9, offset=50, stored_offset=3),
)


def _read_progress(folder: Path) -> Any:
    progress = read_progress(folder, PROGRESS_MADE.fingerprint)
    if progress is None:
        raise InputError("a build that has no progress begins again")
    return progress


@dataclass(frozen=True)
class Format:
    """A file, a value that it may hold, and what writes and reads it."""

    file: str
    value: Any
    write: Callable[[Any], bytes]
    read: Callable[[Path], Any]

    @property
    def stored(self) -> bytes:
        return self.write(self.value)

    def read_back(self, folder: Path, data: bytes) -> Any:
        (folder / self.file).write_bytes(data)
        return self.read(folder)

    def is_refused_or_the_same(self, folder: Path, content: Any) -> bool:
        """Of JSON in place of what the value would be."""
        data = json.dumps(content).encode()
        try:
            return bool(self.read_back(folder, _hashed(data) if self.file == PROGRESS else data) == self.value)
        except CharmillError:
            return True


def _hashed(data: bytes) -> bytes:
    return hashlib.sha256(data).hexdigest().encode() + b"\n" + data


FORMATS = {
    "manifest": Format("manifest.json", MANIFEST, Manifest.to_bytes, read_manifest),
    "model": Format("model.json", RECORD.model, Model.to_bytes, read_model),
    "evaluation": Format("evaluation.json", RECORD.evaluation, RunEvaluation.to_bytes, read_evaluation),
    "progress": Format(PROGRESS, PROGRESS_MADE, Progress.to_bytes, _read_progress),
    "part": Format(
        "part",
        PART,
        lambda part: part.to_json().encode(),
        lambda folder: part_from_json((folder / "part").read_bytes().decode(errors="surrogateescape")),
    ),
}
every_format = pytest.mark.parametrize("form", FORMATS.values(), ids=FORMATS)


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every object or list in a JSON value with every key or index of it."""
    for key in list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield value, key
        yield from _places(value[key])


WRONG: tuple[Any, ...] = (True, 1.5, "x", [[]], {"x": []})


def _content(form: Format) -> Any:
    return json.loads(form.stored[form.stored.index(b"{") :])


@every_format
def test_what_was_written_comes_back(form: Format, tmp_path: Path) -> None:
    assert form.read_back(tmp_path, form.stored) == form.value


@every_format
def test_a_value_of_another_type_is_refused(form: Format, tmp_path: Path) -> None:
    content = _content(form)
    for holder, key in _places(content):
        kept = holder[key]
        for wrong in WRONG:
            if type(wrong) is not type(kept):
                holder[key] = wrong
                assert form.is_refused_or_the_same(tmp_path, content), (key, wrong)
        holder[key] = kept


@every_format
def test_a_field_too_few_or_too_many_is_refused(form: Format, tmp_path: Path) -> None:
    content = _content(form)
    fields = [
        holder[key] for holder, key in _places(content) if key not in {"versions", "reasons", "label_names"}
    ]  # any names do there
    for inner in [content, *(each for each in fields if isinstance(each, dict))]:
        kept = dict(inner)
        for name in kept:
            del inner[name]
            assert form.is_refused_or_the_same(tmp_path, content), name
            inner.clear()
            inner.update(kept)
        inner["more"] = None
        assert form.is_refused_or_the_same(tmp_path, content), inner
        del inner["more"]


GARBAGE = [
    b"",
    b"{",
    b"[]",
    b"null",
    b"7",
    b"\xff",
    b"\xff\xfe{\0}\0",
    b'{"format_version": 1}',
    b"[" * 99_999,
    b'{"part":' * 9999,
]


@every_format
@pytest.mark.parametrize("data", GARBAGE, ids=lambda data: str(data[:30]))
def test_garbage_is_refused(form: Format, data: bytes, tmp_path: Path) -> None:
    for content in (data, _hashed(data)):
        with pytest.raises(CharmillError, match=r"damaged|begins again|format_version is 1"):
            form.read_back(tmp_path, content)


PIECES = [b"", b"\xff", b"\xed\xa0\x80", b"\\ud800", b"\0", b'"', b"}", b"1", b"-", b"NaN"]


@every_format
@SOME
@given(data=st.data())
def test_damaged_bytes_are_refused_or_still_make_sense(
    form: Format, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """What is still understood, as another digit in a number, can be written, and is then read as the same."""
    folder = tmp_path_factory.getbasetemp()
    stored = form.stored[form.stored.index(b"{") :]
    start, end = sorted(data.draw(st.tuples(*[st.integers(0, len(stored))] * 2)))
    piece = data.draw(st.sampled_from(PIECES) | st.binary(max_size=9))
    damaged = stored[:start] + piece + stored[data.draw(st.sampled_from([start, start + 1, end, len(stored)])) :]
    try:
        value = form.read_back(folder, _hashed(damaged) if form.file == PROGRESS else damaged)
    except CharmillError:
        return
    assert form.read_back(folder, form.write(value)) == value
