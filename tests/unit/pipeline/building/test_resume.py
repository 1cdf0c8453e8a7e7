"""Resuming: what a killed build left is used where it is of the same build, and its inputs can be read again."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.building import journal
from pipeline.building.builder import BuildConfig, DatasetBuilder
from pipeline.building.resume import fingerprint_of, start_build
from pipeline.formats.opening import Formats
from pipeline.storage.source import Source, find_sources
from tests.building import CONFIG
from tests.datasets import write_csv

ROWS = [(str(number % 3), f"Title number {number}") for number in range(60)]


@pytest.mark.parametrize("with_pipe", [False, True])
def test_progress_is_kept_and_used_where_all_sources_can_be_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, with_pipe: bool
) -> None:
    """To compare a pipe with what was read of it would eat it: rows would be lost, and nobody would know."""
    monkeypatch.setattr(journal, "PROGRESS_SECONDS", 0)
    paths = [write_csv(tmp_path / "a.csv", ROWS, "label,text"), write_csv(tmp_path / "b.csv", ROWS, "label,text")]
    (tmp_path / "stage").mkdir()

    def break_off() -> DatasetBuilder:
        def interrupt(_: object) -> None:
            raise KeyboardInterrupt

        sources = find_sources(map(str, paths))
        builder = start_build(CONFIG, Formats(), tmp_path / "stage", sources, None)
        with pytest.raises(KeyboardInterrupt):
            builder.read(sources[0], interrupt)
        return builder

    assert break_off().num_shards_reused == 0
    assert (tmp_path / "stage" / "progress.json").exists()
    if with_pipe:
        paths[1].unlink()
        os.mkfifo(paths[1])
        monkeypatch.setattr(Source, "hash_stored", lambda *_: pytest.fail("it would wait, or eat what it reads"))
    assert (break_off().num_shards_reused > 0) == (not with_pipe)
    assert (tmp_path / "stage" / "progress.json").exists() == (not with_pipe)


def test_the_fingerprint_covers_the_libraries_that_write(monkeypatch: pytest.MonkeyPatch) -> None:
    before = fingerprint_of({"a": 1})
    assert before == fingerprint_of({"a": 1}) != fingerprint_of({"a": 2})
    monkeypatch.setattr("pipeline.building.resume.version", lambda name: "0")
    assert fingerprint_of({"a": 1}) != before


@pytest.mark.parametrize(
    "changed",
    [
        replace(CONFIG, on_conflict="keep"),
        replace(CONFIG, wanted=replace(CONFIG.wanted, label_names={"1": "one"})),
        replace(CONFIG, wanted=replace(CONFIG.wanted, labels=("0", "1"))),
    ],
)
def test_a_build_with_other_labels_starts_afresh(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: BuildConfig
) -> None:
    monkeypatch.setattr(journal, "PROGRESS_SECONDS", 0)
    path = write_csv(tmp_path / "a.csv", ROWS, "label,text")
    (tmp_path / "stage").mkdir()

    def break_off(config: BuildConfig) -> int:
        def interrupt(_: object) -> None:
            raise KeyboardInterrupt

        sources = find_sources([str(path)])
        builder = start_build(config, Formats(), tmp_path / "stage", sources, None)
        with pytest.raises(KeyboardInterrupt):
            builder.read(sources[0], interrupt)
        return builder.num_shards_reused

    break_off(CONFIG)
    assert break_off(CONFIG) > 0
    assert break_off(changed) == 0
