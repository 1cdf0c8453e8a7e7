"""Appending CSVs to a dataset: each once, by content, with labels, profile and split as they are."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from pipeline.building.append import Base, choose_additions, read_base
from pipeline.dataset.manifest import read_manifest
from pipeline.dataset.shards import open_codes, open_labels, verify_shards
from pipeline.errors import InputError, UsageError
from pipeline.storage.source import Source, find_sources
from tests import naive
from tests.commands import Done, call_here, files_in
from tests.datasets import make_csv, titles, write_csv

Capsys = pytest.CaptureFixture[str]
FLAGS: list[object] = [
    *("--profile", "seed"),
    "--text",
    "title",
    "--max-length",
    16,
    "--valid-fraction",
    0.3,
    "--shard-rows",
    25,
    "--threads",
    1,
]


@pytest.fixture
def first(tmp_path: Path) -> Path:
    path = make_csv(tmp_path / "first.csv", 80)
    path.write_text(path.read_text() + "bad\n")
    return path


@pytest.fixture
def second(tmp_path: Path) -> Path:
    path = make_csv(tmp_path / "second.csv", 60, seed=1)
    path.write_text("label,title\nbad\nminerals,quartz\n" + path.read_text().partition("\n")[2])
    return path


@pytest.fixture
def dataset(first: Path, tmp_path: Path, capsys: Capsys) -> Path:
    assert call_here(capsys, "encode", first, "--out", tmp_path / "dataset", *FLAGS).code == 0
    return tmp_path / "dataset"


def append(capsys: Capsys, out: Path, *tokens: object) -> Done:
    return call_here(capsys, "encode", *tokens, "--append", "--out", out, "--text", "title", "--json")


def rows_of(folder: Path) -> dict[str, list[tuple[str, int, str]]]:
    manifest = read_manifest(folder)
    verify_shards(folder, manifest)
    rows: dict[str, list[tuple[str, int, str]]] = {"train": [], "valid": []}
    for shard in manifest.shards:
        frame = pl.read_parquet(folder / shard.rows)
        rows[shard.split] += frame.rows()
        length = manifest.profile.max_length
        assert open_codes(folder, shard).tolist() == [naive.encode_seed(text, length) for text in frame["text"]]
        assert {manifest.labels[label_id] for label_id in open_labels(folder, shard)} <= set(manifest.labels)
    return rows


def test_both_together_have_the_rows_of_both(
    dataset: Path, first: Path, second: Path, tmp_path: Path, capsys: Capsys
) -> None:
    before, files = read_manifest(dataset), files_in(dataset)
    report = append(capsys, dataset, second, "--shard-rows", 10).report
    assert (report["rows_in"], report["rows_out"], report["rows_quarantined"]) == (62, 60, 2)
    assert report["quarantined"] == {"too_few_fields": 1, "unknown_label": 1}
    assert (report["rows_total"], report["sources_skipped"]) == (140, [])
    whole = tmp_path / "whole"
    assert call_here(capsys, "encode", first, second, "--out", whole, *FLAGS).code == 0
    rows, expected = rows_of(dataset), rows_of(whole)
    for split in rows:
        assert rows[split] == [row for row in expected[split] if row[2] != "quartz"]
    after = read_manifest(dataset)
    assert (after.labels, after.profile, after.split) == (before.labels, before.profile, before.split)
    assert after.sources[0] == before.sources[0]
    assert [shard for shard in after.shards if shard in before.shards] == before.shards
    assert [shard.codes for shard in after.shards if shard.split == "train"] == [
        f"train-{number:05d}.codes.npy" for number in range(sum(shard.split == "train" for shard in after.shards))
    ]
    assert {
        name: data
        for name, data in files_in(dataset).items()
        if name.startswith(("train-0000", "valid-0000")) and name in files
    } == {name: data for name, data in files.items() if name.startswith(("train", "valid"))}
    quarantine = pl.read_parquet(dataset / "quarantine.parquet")
    assert quarantine["source"].to_list() == ["first.csv", "second.csv", "second.csv"]
    assert quarantine["reason"].to_list() == ["too_few_fields", "too_few_fields", "unknown_label"]


def test_labels_keep_their_ids_whatever_comes_first(dataset: Path, tmp_path: Path, capsys: Capsys) -> None:
    rows = sorted(titles(60, seed=2), reverse=True)
    assert append(capsys, dataset, write_csv(tmp_path / "tools first.csv", rows)).code == 0
    manifest = read_manifest(dataset)
    labels = {text: label for label, text in rows}
    found: dict[str, str] = {}
    for shard in manifest.shards:
        frame = pl.read_parquet(dataset / shard.rows).with_columns(id=np.array(open_labels(dataset, shard)))
        found |= {
            text: manifest.labels[label_id] for source, _, text, label_id in frame.rows() if source == "tools first.csv"
        }
    assert found == labels


def test_what_is_in_is_left_out_by_content(
    dataset: Path, first: Path, second: Path, tmp_path: Path, capsys: Capsys
) -> None:
    before = files_in(dataset)
    copy = shutil.copy(first, tmp_path / "another name.csv")
    done = append(capsys, dataset, first, copy)
    assert done.code == 0
    assert "nothing to add" in done.err
    assert (done.report["rows_in"], done.report["rows_out"], done.report["rows_total"]) == (0, 0, 80)
    assert done.report["sources_skipped"] == ["first.csv", "another name.csv"]
    assert files_in(dataset) == before
    twice = shutil.copy(second, tmp_path / "twice.csv")
    done = append(capsys, dataset, copy, second, twice)
    assert (done.report["rows_in"], done.report["sources_skipped"]) == (62, ["another name.csv", "twice.csv"])
    assert len(rows_of(dataset)["train"] + rows_of(dataset)["valid"]) == 140


def test_the_table_says_what_was_added_and_what_there_is(
    dataset: Path, first: Path, second: Path, capsys: Capsys
) -> None:
    done = call_here(capsys, "encode", first, second, "--append", "--out", dataset, "--text", "title")
    lines = [" ".join(line.split()) for line in done.out.splitlines()]
    assert {"rows in 62", "rows encoded 60", "rows in the dataset 140", "in the dataset already first.csv"} <= set(
        lines
    )


@pytest.mark.parametrize("there", ["nothing", "an empty folder", "a quarantine"])
def test_without_a_dataset_it_makes_one(first: Path, tmp_path: Path, capsys: Capsys, there: str) -> None:
    whole, out = tmp_path / "whole", tmp_path / "out"
    copy = shutil.copy(first, tmp_path / "copy.csv")
    assert call_here(capsys, "encode", first, "--out", whole, *FLAGS).code == 0
    if there != "nothing":
        out.mkdir()
    if there == "a quarantine":
        shutil.copy(whole / "quarantine.parquet", out)
    done = call_here(capsys, "encode", first, copy, "--append", "--out", out, *FLAGS, "--json")
    assert done.report["sources_skipped"] == ["copy.csv"]
    assert files_in(out) == files_in(whole)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--profile", "ascii"], ["profile mismatch", "seed/16 (", "ascii/16 ("]),
        (["--max-length", "0"], ["profile mismatch", "seed/16 (", "seed/64 ("]),
        (["--split", "random"], ["--split hash", "got random"]),
        (["--valid-fraction", "0.1"], ["--valid-fraction 0.3", "got 0.1"]),
        (["--split-seed", "7"], ["--split-seed 828", "got 7"]),
    ],
)
def test_a_flag_that_differs_is_refused_with_both_values(
    dataset: Path, second: Path, capsys: Capsys, flags: list[str], words: list[str]
) -> None:
    before = files_in(dataset.parent)
    done = append(capsys, dataset, second, *flags)
    assert done.code == 65
    assert all(word in done.error for word in words), done.error
    assert files_in(dataset.parent) == before


def test_the_same_flags_may_be_given(dataset: Path, second: Path, capsys: Capsys) -> None:
    tokens = ["--profile", "seed", "--max-length", 16, "--split", "hash", "--valid-fraction", 0.3, "--split-seed", 828]
    assert append(capsys, dataset, second, *tokens).code == 0


@pytest.mark.parametrize(
    ("tokens", "words"),
    [
        (["-"], "standard input cannot"),
        (["--overwrite"], "choose one of them"),
        (["--split", "random"], "it needs --split hash"),
    ],
)
def test_what_does_not_go_with_it(first: Path, tmp_path: Path, capsys: Capsys, tokens: list[str], words: str) -> None:
    done = append(capsys, tmp_path / "out", first, *tokens)
    assert done.code == 2
    assert words in done.error
    assert [path.name for path in tmp_path.iterdir()] == ["first.csv"]


def test_a_random_split_cannot_be_appended_to(first: Path, second: Path, tmp_path: Path, capsys: Capsys) -> None:
    out = tmp_path / "out"
    assert call_here(capsys, "encode", first, "--out", out, "--text", "title", "--split", "random").code == 0
    done = append(capsys, out, second)
    assert done.code == 65
    assert "encode all CSVs again with --split hash" in done.error


def test_too_much_quarantined_counts_the_new_records_and_leaves_the_dataset(
    dataset: Path, tmp_path: Path, capsys: Capsys
) -> None:
    before = files_in(dataset)
    csv = write_csv(tmp_path / "new.csv", [("minerals", "quartz"), *titles(5, seed=3)])
    done = append(capsys, dataset, csv)
    assert done.code == 65
    assert "1 of 6 records cannot be used (unknown_label 1)" in done.error
    assert files_in(dataset) == before
    assert pl.read_parquet(tmp_path / "dataset.quarantine.parquet")["source"].to_list() == ["new.csv"]


def fail_to_append(dataset: Path, capsys: Capsys) -> Path:
    """Where the quarantine was left."""
    csv = write_csv(dataset.with_name("new.csv"), [("minerals", "quartz")])
    assert append(capsys, dataset, csv).code == 65
    left = dataset.with_name("dataset.quarantine.parquet")
    assert left.exists()
    return left


@pytest.mark.parametrize("source", ["second.csv", "first.csv"])
def test_what_failed_before_leaves_nothing_after_a_success(
    dataset: Path, second: Path, capsys: Capsys, source: str
) -> None:
    left = fail_to_append(dataset, capsys)
    assert append(capsys, dataset, second.with_name(source)).code == 0
    assert not left.exists()


def test_nor_after_an_overwrite(dataset: Path, first: Path, capsys: Capsys) -> None:
    left = fail_to_append(dataset, capsys)
    assert call_here(capsys, "encode", first, "--overwrite", "--out", dataset, *FLAGS).code == 0
    assert not left.exists()


def test_a_pipe_with_a_path_is_refused_at_once(
    dataset: Path, second: Path, tmp_path: Path, capsys: Capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = files_in(dataset)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    monkeypatch.setattr(Source, "hash_stored", lambda *_: pytest.fail("it would wait, or eat what it reads"))
    for tokens in ([pipe], [pipe, second]):
        done = append(capsys, dataset, *tokens)
        assert (done.code, "save it as a file" in done.error) == (2, True)
    assert files_in(dataset) == before


def test_a_damaged_dataset_is_not_added_to(dataset: Path, second: Path, capsys: Capsys) -> None:
    path = dataset / "train-00000.codes.npy"
    path.write_bytes(path.read_bytes()[:-1])
    done = append(capsys, dataset, second)
    assert (done.code, "the shard is corrupt" in done.error) == (65, True)


@pytest.mark.parametrize("damage", [None, b"", b"PAR1"])
def test_a_dataset_whose_quarantine_is_gone_is_not_added_to(
    dataset: Path, second: Path, capsys: Capsys, damage: bytes | None
) -> None:
    (dataset / "quarantine.parquet").unlink()
    if damage is not None:
        (dataset / "quarantine.parquet").write_bytes(damage)
    assert append(capsys, dataset, second).code == 65


def test_files_of_somebody_else_are_not_replaced(dataset: Path, second: Path, tmp_path: Path, capsys: Capsys) -> None:
    (dataset / "notes.txt").write_text("mine")
    done = append(capsys, dataset, second)
    assert (done.code, "'notes.txt' does not belong" in done.error) == (2, True)
    other = tmp_path / "other"
    other.mkdir()
    (other / "notes.txt").write_text("mine")
    done = append(capsys, other, second)
    assert (done.code, "it is not a dataset" in done.error) == (2, True)


def test_a_source_that_changes_meanwhile_is_not_taken(
    dataset: Path, second: Path, capsys: Capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = files_in(dataset)

    def choose_and_change(*arguments: object) -> object:
        chosen = choose_additions(*arguments)  # type: ignore[arg-type]
        second.write_text(second.read_text() + "tools,one more\n")
        return chosen

    monkeypatch.setattr("pipeline.building.run.choose_additions", choose_and_change)
    done = append(capsys, dataset, second)
    assert (done.code, "it was changed while it was being read" in done.error) == (75, True)
    assert files_in(dataset) == before


def test_where_files_cannot_be_linked_they_are_copied(
    dataset: Path, second: Path, tmp_path: Path, capsys: Capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(dataset, tmp_path / "linked")
    assert append(capsys, tmp_path / "linked", second).code == 0

    def refuse(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("os.link", refuse)
    assert append(capsys, dataset, second).code == 0
    assert files_in(dataset) == files_in(tmp_path / "linked")


def base_with(dataset: Path, *names: str) -> Base:
    manifest = read_manifest(dataset)
    sources = [replace(manifest.sources[0], name=name, sha256=str(index)) for index, name in enumerate(names)]
    return Base(dataset, replace(manifest, sources=sources))


def test_a_name_that_is_taken_gives_way_to_the_path(dataset: Path, second: Path) -> None:
    path = str(second)
    for taken, name in (
        ((), "second.csv"),
        (("second.csv",), path),
        (("second.csv", path), f"{path}#2"),
        (("second.csv", path, f"{path}#2"), f"{path}#3"),
    ):
        additions = choose_additions(find_sources([path]), base_with(dataset, *taken))
        assert [source.name for source in additions.sources] == [name]


def test_a_file_that_is_changed_in_place_is_added_under_its_path(dataset: Path, first: Path, capsys: Capsys) -> None:
    first.write_text("label,title\ntools,a new chisel\n")
    assert append(capsys, dataset, first).code == 0
    assert [source.name for source in read_manifest(dataset).sources] == ["first.csv", str(first)]


def test_labels_stay_in_the_order_of_the_manifest(dataset: Path, second: Path, tmp_path: Path, capsys: Capsys) -> None:
    """Whoever made it: ids are what shards hold, and they are not written again."""
    path = dataset / "manifest.json"
    path.write_text(
        path.read_text().replace('"animals"', '"x"').replace('"tools"', '"animals"').replace('"x"', '"tools"')
    )
    assert append(capsys, dataset, second).code == 0
    manifest = read_manifest(dataset)
    assert manifest.labels == ["tools", "plants", "animals"]
    labels = {text: label for label, text in titles(60, seed=1)}
    for shard in manifest.shards:
        frame = pl.read_parquet(dataset / shard.rows).with_columns(id=np.array(open_labels(dataset, shard)))
        for source, _, text, label_id in frame.rows():
            assert source == "first.csv" or manifest.labels[label_id] == labels[text]


def test_no_dataset_no_base(tmp_path: Path) -> None:
    assert read_base(tmp_path) is None
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="it is a file"):
        read_base(tmp_path / "file")


def test_a_manifest_that_is_damaged_is_no_base(dataset: Path) -> None:
    (dataset / "manifest.json").write_text("{")
    with pytest.raises(InputError, match="it is damaged"):
        read_base(dataset)
