"""A build that breaks off anywhere and goes on gives the same bytes; a dataset that was added to has the rows of all its CSVs."""

import json
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.building import journal
from pipeline.building.append import Base
from pipeline.building.builder import BuildConfig
from pipeline.building.conflicts import OnConflict
from pipeline.building.progress import PROGRESS
from pipeline.building.resume import start_build
from pipeline.dataset.manifest import read_manifest
from pipeline.dataset.shards import open_labels, verify_shards
from pipeline.errors import InputError
from pipeline.formats.csv import scanner
from pipeline.formats.opening import Formats
from pipeline.records.quarantine import Reject, read_rejects
from pipeline.storage.source import find_sources
from tests.building import CONFIG, build
from tests.commands import files_in
from tests.strategies import FEW, csv_text, long_csv_bytes

HEADER = b"text,label\n"
RECORDS = st.lists(
    st.sampled_from(
        [b"a,x", b"b,y", b"c d,x", b"e,z", b'"f\nf",y', b"g", b'"h"h,x', b" ,x", b"i,", b"j\xff,x", b"", b"k,10"]
    ),
    max_size=40,
).map(lambda records: b"\n".join([*records, b""]))
CSVS = st.lists(st.one_of(RECORDS, RECORDS, csv_text(60), long_csv_bytes()), min_size=1, max_size=3)


class Killed(Exception):  # noqa: N818  # it is no error
    """Stands for SIGKILL: what is on disk stays."""


def write_csvs(folder: Path, csvs: Sequence[bytes]) -> list[str]:
    paths = [folder / f"{number}.csv" for number in range(len(csvs))]
    for path, data in zip(paths, csvs, strict=True):
        path.write_bytes(HEADER + data)
    return [str(path) for path in paths]


def run_until(config: BuildConfig, stage: Path, paths: Sequence[str], num_blocks: int, base: Base | None = None) -> int:
    """Build, or break off after so many blocks; returns the rows that were not read again."""
    left = [num_blocks]

    def on_block(_: object) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise Killed

    sources = find_sources(paths)
    builder = start_build(config, Formats(), stage, sources, base)
    for source in sources[len(builder.counts.sources) :]:
        builder.read(source, on_block)
    builder.finish()
    return builder.rows_reused


@settings(FEW, suppress_health_check=[HealthCheck.too_slow])
@given(
    csvs=CSVS,
    kills=st.lists(st.integers(1, 12), max_size=4),
    shard_rows=st.integers(1, 5),
    valid_fraction=st.sampled_from([0.0, 0.2, 0.5]),
    block_records=st.integers(1, 6),
    finished_before=st.booleans(),
)
def test_broken_off_anywhere(
    csvs: list[bytes],
    kills: list[int],
    shard_rows: int,
    valid_fraction: float,
    block_records: int,
    finished_before: bool,
) -> None:
    config = replace(
        CONFIG,
        shard_rows=shard_rows,
        split=replace(CONFIG.split, valid_fraction=valid_fraction),
        max_quarantined=1.0,
    )
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        folder, stage = Path(name), Path(name) / "stage"
        stage.mkdir()
        paths = write_csvs(folder, csvs)
        try:
            whole, _ = build(folder / "whole", [Path(path) for path in paths], **vars(config))
        except InputError:
            return
        patch.setattr(scanner, "BLOCK_RECORDS", block_records)
        patch.setattr(journal, "PROGRESS_SECONDS", 0)
        for num_blocks in kills:
            try:
                run_until(config, stage, paths, num_blocks)
            except Killed:
                continue
        if finished_before:
            run_until(config, stage, paths, 0)
        run_until(config, stage, paths, 0)
        assert files_in(stage / "dataset") == files_in(whole)


def content(folder: Path) -> tuple[list[tuple[str, str, int, str, str]], list[Reject]]:
    """Split, source, record, text and label of all rows, in order; and the rejects."""
    manifest = read_manifest(folder)
    verify_shards(folder, manifest)
    rows: list[tuple[str, str, int, str, str]] = [
        (shard.split, *row, manifest.labels[label_id])
        for shard in manifest.shards
        for row, label_id in zip(
            pl.read_parquet(folder / shard.rows).iter_rows(), open_labels(folder, shard), strict=True
        )
    ]
    path = folder / "quarantine.parquet"
    return rows, [reject for rejects in read_rejects(path) for reject in rejects] if path.exists() else []


@settings(FEW, suppress_health_check=[HealthCheck.too_slow])
@given(csvs=st.tuples(RECORDS, RECORDS), kills=st.lists(st.integers(1, 8), max_size=3), shard_rows=st.integers(1, 6))
def test_added_rows_are_the_rows_of_their_csv(csvs: tuple[bytes, bytes], kills: list[int], shard_rows: int) -> None:
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        folder, stage = Path(name), Path(name) / "stage"
        stage.mkdir()
        first, second = write_csvs(folder, csvs)
        try:
            before, manifest = build(folder / "first", [Path(first)], max_quarantined=1.0)
            wanted = replace(CONFIG.wanted, labels=manifest.labels)
            config = replace(CONFIG, max_quarantined=1.0, shard_rows=shard_rows, wanted=wanted)
            alone, _ = build(folder / "second", [Path(second)], **vars(config))
        except InputError:
            return
        patch.setattr(scanner, "BLOCK_RECORDS", 4)
        patch.setattr(journal, "PROGRESS_SECONDS", 0)
        base = Base(before, manifest)
        for num_blocks in [*kills, 0]:
            try:
                run_until(config, stage, [second], num_blocks, base)
            except Killed:
                continue
        rows, rejects = content(stage / "dataset")
        first_rows, first_rejects = content(before)
        second_rows, second_rejects = content(alone)
        for split in ("train", "valid"):
            assert [row for row in rows if row[0] == split] == [
                row for row in first_rows + second_rows if row[0] == split
            ]
        assert rejects == first_rejects + second_rejects


@settings(FEW, suppress_health_check=[HealthCheck.too_slow])
@given(
    csvs=st.tuples(RECORDS, RECORDS),
    kills=st.lists(st.integers(1, 8), max_size=3),
    shard_rows=st.integers(1, 6),
    method=st.sampled_from(["keep", "replace"]),
)
def test_conflicts_are_settled_wherever_it_breaks_off(
    csvs: tuple[bytes, bytes], kills: list[int], shard_rows: int, method: OnConflict
) -> None:
    """With replace, two CSVs one after another give each row the label that both at once give it; with keep, what there was stays."""
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        folder, stage = Path(name), Path(name) / "stage"
        stage.mkdir()
        first, second = write_csvs(folder, csvs)
        config = replace(CONFIG, max_quarantined=1.0, shard_rows=shard_rows, on_conflict=method)
        try:
            before, manifest = build(folder / "first", [Path(first)], max_quarantined=1.0)
            build(folder / "second", [Path(second)], max_quarantined=1.0)
            both, _ = build(folder / "both", [Path(first), Path(second)], **vars(config))
        except InputError:
            return
        files = files_in(before)
        patch.setattr(scanner, "BLOCK_RECORDS", 4)
        patch.setattr(journal, "PROGRESS_SECONDS", 0)
        base = Base(before, manifest)
        for num_blocks in [*kills, 0]:
            try:
                run_until(config, stage, [second], num_blocks, base)
            except Killed:
                continue
        (folder / "undisturbed").mkdir()
        run_until(config, folder / "undisturbed", [second], 0, base)
        assert files_in(stage / "dataset") == files_in(folder / "undisturbed" / "dataset")
        assert files_in(before) == files
        rows, rejects = content(stage / "dataset")
        if method == "replace":
            assert sorted(rows) == sorted(content(both)[0])
            return
        old = content(before)[0]
        labels: dict[str, set[str]] = {}
        for *_, text, label in old:
            labels.setdefault(text, set()).add(label)
        assert rows[: sum(row[0] == "train" for row in old)] == [row for row in old if row[0] == "train"]
        new = [row for row in rows if row[1] == "1.csv"]
        assert all(labels.get(text, {label}) == {label} for *_, text, label in new)
        conflicting = [reject for reject in rejects if reject.reason == "conflicting_label"]
        everything = [row for row in content(both)[0] if row[1] == "1.csv"]
        assert len(new) + len(conflicting) == len(everything)


def test_a_border_in_an_earlier_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A held-out shard stays open for long, so the next run may have to read on in a source that was read to its end."""
    monkeypatch.setattr(scanner, "BLOCK_RECORDS", 5)
    monkeypatch.setattr(journal, "PROGRESS_SECONDS", 0)
    config = replace(CONFIG, shard_rows=4, split=replace(CONFIG.split, valid_fraction=0.1))
    paths = write_csvs(tmp_path, [b"".join(b"%d %d,x\n" % (file, row) for row in range(20)) for file in range(3)])
    whole, _ = build(tmp_path / "whole", [Path(path) for path in paths], **vars(config))
    borders = set()
    for num_blocks in range(1, 13):
        stage = tmp_path / str(num_blocks)
        stage.mkdir()
        with pytest.raises(Killed):
            run_until(config, stage, paths, num_blocks)
        kept = json.loads((stage / PROGRESS).read_bytes().partition(b"\n")[2]) if (stage / PROGRESS).exists() else None
        borders.add((kept["mark"]["source"], len(kept["sources"])) if kept else None)
        run_until(config, stage, paths, 0)
        assert files_in(stage / "dataset") == files_in(whole)
    assert borders & {(0, 1), (0, 2), (1, 2)}, borders


def test_the_property_reaches_what_it_is_about(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scanner, "BLOCK_RECORDS", 5)
    monkeypatch.setattr(journal, "PROGRESS_SECONDS", 0)
    paths = write_csvs(tmp_path, [b"a,x\nb,y\n" * 20])
    (tmp_path / "stage").mkdir()
    with pytest.raises(Killed):
        run_until(replace(CONFIG, shard_rows=3), tmp_path / "stage", paths, 6)
    assert run_until(replace(CONFIG, shard_rows=3), tmp_path / "stage", paths, 0) > 0
