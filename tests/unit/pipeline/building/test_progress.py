"""The progress file: what was written comes back, and nothing that is damaged or of another build is believed."""

import hashlib
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.building import journal
from pipeline.building.journal import Journal
from pipeline.building.progress import (
    PROGRESS,
    PROGRESS_VERSION,
    Border,
    HashedFile,
    Progress,
    part_name,
    read_progress,
)
from pipeline.building.shard_writer import ShardWriter
from pipeline.dataset.manifest import TRAIN, VALID, ShardEntry, SourceEntry
from pipeline.records.quarantine import Reject
from pipeline.records.rows import Place
from pipeline.storage.source import Source
from tests.building import CONFIG, numbered_rows

SHARD = ShardEntry(
    split=TRAIN,
    codes="a",
    labels="b",
    rows="c",
    num_rows=3,
    bytes={"codes": 1, "labels": 2, "rows": 3},
    sha256={"codes": "d", "labels": "e", "rows": "f"},
)
PROGRESS_MADE = Progress(
    fingerprint="f",
    mark=Border(
        source=1, place=Place(record=7, line=9, offset=50, stored_offset=3), rows={TRAIN: 5, VALID: 0}, rejects=2
    ),
    shards=[SHARD],
    labels=["ä", "\0"],
    sources=[
        SourceEntry(name="s", bytes=1, sha256="x", delimiter=",", encoding="utf-8", rows_in=3, rows=2, quarantined=1)
    ],
    prefix=HashedFile(bytes=4, sha256="y"),
    parts=[HashedFile(name=part_name(12), bytes=5, sha256="z")],
)


def test_what_was_written_comes_back(tmp_path: Path) -> None:
    for made in (PROGRESS_MADE, replace(PROGRESS_MADE, mark=replace(PROGRESS_MADE.mark, place=None), parts=[])):
        made.write(tmp_path)
        assert read_progress(tmp_path, "f") == made
    assert (PROGRESS_MADE.last_part, made.last_part) == (12, 0)


def test_another_build_or_nothing_is_nothing(tmp_path: Path) -> None:
    assert read_progress(tmp_path, "f") is None
    PROGRESS_MADE.write(tmp_path)
    assert read_progress(tmp_path, "g") is None


def test_no_damage_goes_unnoticed(tmp_path: Path) -> None:
    PROGRESS_MADE.write(tmp_path)
    path = tmp_path / PROGRESS
    data = path.read_bytes()
    for position in range(len(data)):
        path.write_bytes(data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :])
        assert read_progress(tmp_path, "f") is None, position
        path.write_bytes(data[:position])
        assert read_progress(tmp_path, "f") is None, position


def write_hashed(stage: Path, content: object) -> None:
    data = json.dumps(content).encode()
    (stage / PROGRESS).write_bytes(hashlib.sha256(data).hexdigest().encode() + b"\n" + data)


@pytest.mark.parametrize(
    "mark", [{"source": -1}, {"source": 2}, {"rows": {TRAIN: 5}}, {"rows": {TRAIN: 5, VALID: 0, "more": 1}}]
)
def test_a_mark_that_no_build_has_is_not_believed(tmp_path: Path, mark: dict[str, Any]) -> None:
    content: Any = {"format_version": PROGRESS_VERSION, **asdict(PROGRESS_MADE)}
    write_hashed(tmp_path, content)
    assert read_progress(tmp_path, "f") == PROGRESS_MADE
    content["mark"] |= mark
    write_hashed(tmp_path, content)
    assert read_progress(tmp_path, "f") is None


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/b", "", ".", ".."])
def test_names_that_leave_the_folder_are_not_believed(tmp_path: Path, name: str) -> None:
    content: Any = {"format_version": PROGRESS_VERSION, **asdict(PROGRESS_MADE)}
    for folder, key in [(content["shards"][0], kind) for kind in ("codes", "labels", "rows")] + [
        (content["parts"][0], "name")
    ]:
        kept, folder[key] = folder[key], name
        write_hashed(tmp_path, content)
        assert read_progress(tmp_path, "f") is None, key
        folder[key] = kept


def test_what_cannot_be_opened_or_is_too_much_does_not_fit(tmp_path: Path) -> None:
    csv = tmp_path / "a.csv"
    csv.write_text("x")
    source = Source(str(csv), "a.csv")
    empty = replace(
        PROGRESS_MADE,
        mark=replace(PROGRESS_MADE.mark, source=0),
        shards=[],
        parts=[],
        sources=[],
        prefix=HashedFile(bytes=1, sha256=hashlib.sha256(b"x").hexdigest()),
    )
    assert empty.fits(tmp_path, [source])
    assert not empty.fits(tmp_path, [])
    assert not replace(empty, sources=PROGRESS_MADE.sources).fits(tmp_path, [source])
    for name in ("\0", "x" * 300):
        shard = replace(SHARD, codes=name)
        assert not replace(empty, shards=[shard]).fits(tmp_path, [source])
    part = HashedFile(name=part_name(1), bytes=1, sha256=hashlib.sha256(b"x").hexdigest())
    (tmp_path / part.name).write_text("x")
    assert not replace(empty, parts=[part]).fits(tmp_path, [source])


def start(tmp_path: Path) -> tuple[Journal, list[ShardWriter], Source]:
    writers = [
        ShardWriter(tmp_path, tmp_path / "scratch", split, replace(CONFIG.profile, max_length=3), 4)
        for split in (TRAIN, VALID)
    ]
    source = Source(str(tmp_path / "a.csv"), "a.csv")
    return Journal(tmp_path, "f", writers, None), writers, source


def note_border(journal: Journal, writers: list[ShardWriter], record: int) -> None:
    rows = {writer.split: writer.num_dealt for writer in writers}
    journal.note_border(Border(source=0, place=Place(record=record, line=1, offset=0), rows=rows, rejects=0))


def test_the_next_run_reads_on_before_the_first_row_that_no_finished_shard_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "PROGRESS_SECONDS", 0)
    kept, (train, valid), source = start(tmp_path)
    places = []
    for step, (num_train, num_valid) in enumerate([(2, 0), (3, 1), (4, 0), (3, 3), (4, 0)]):
        for writer, num_rows in ((train, num_train), (valid, num_valid)):
            writer.write(*numbered_rows(num_rows))
        note_border(kept, [train, valid], step + 1)
        kept.write([], [], source)
        progress = read_progress(tmp_path, "f")
        places.append(progress.mark.place.record if progress and progress.mark.place else None)
    # Of 2, 5, 9, 12 and 16 training rows, 0, 4, 8, 12 and 16 are in shards; of 0, 1, 1, 4 and 4 held-out rows 0, 0, 0, 4 and 4.
    assert places == [None, 1, 1, 4, 5]


def test_progress_is_written_when_a_shard_was_finished_and_not_all_the_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, (train, valid), source = start(tmp_path)
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    written = []
    for num_rows, seconds in ((3, 0), (1, 0), (4, 0.1), (0, 1), (3, 5), (1, 0)):
        now[0] += seconds
        train.write(*numbered_rows(num_rows))
        note_border(kept, [train, valid], 1)
        (tmp_path / PROGRESS).unlink(missing_ok=True)
        kept.write([], [], source)
        written.append((tmp_path / PROGRESS).exists())
    assert written == [False, True, False, True, False, True]


def test_rejects_come_back_as_far_as_the_mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "PROGRESS_SECONDS", 0)
    kept, (train, valid), source = start(tmp_path)
    rejects = [Reject("a.csv", number, number, number, "bad_quote", b"x", 1) for number in range(9)]
    for number in range(3):
        kept.take(rejects[3 * number : 3 * number + 3])
        train.write(*numbered_rows(4))
        note_border(kept, [train, valid], 1)
        kept.write([], [], source)
    progress = read_progress(tmp_path, "f")
    assert progress is not None
    assert len(progress.parts) == 3
    for num_rejects in (0, 1, 3, 5, 9):
        cut = replace(progress, mark=replace(progress.mark, rejects=num_rejects))
        assert [reject for part in cut.rejects(tmp_path) for reject in part] == rejects[:num_rejects]
