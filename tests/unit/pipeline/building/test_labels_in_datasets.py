"""Corrections reach a dataset, new labels and names come into it as they are allowed to, and the law holds for all of it."""

import json
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipeline.building import labels
from pipeline.dataset.manifest import read_manifest
from pipeline.dataset.shards import open_labels, verify_shards
from tests.commands import Done, call_here, files_in
from tests.datasets import titles, write_csv

Capsys = pytest.CaptureFixture[str]
FLAGS: list[object] = [*("--text", "title", "--valid-fraction", 0.3, "--shard-rows", 25, "--threads", 1, "--json")]
ROWS = titles(80)
WRONG = [("plants" if label == "animals" else "animals", text) for label, text in ROWS[:6]]
CORRECTIONS = [*WRONG, *ROWS[6:9], ("tools", "a new chisel")]


@pytest.fixture
def dataset(tmp_path: Path, capsys: Capsys) -> Path:
    csv = write_csv(tmp_path / "first.csv", ROWS)
    assert call_here(capsys, "encode", csv, "--out", tmp_path / "dataset", *FLAGS).code == 0
    return tmp_path / "dataset"


def append(capsys: Capsys, dataset: Path, rows: list[tuple[str, str]], *tokens: object, name: str = "new.csv") -> Done:
    csv = write_csv(dataset.with_name(name), rows)
    return call_here(capsys, "encode", csv, "--append", "--out", dataset, *tokens, *FLAGS)


def labels_of(dataset: Path) -> dict[str, list[str]]:
    """The labels of each text, in the order of the rows; the law of the files is checked."""
    manifest = read_manifest(dataset)
    verify_shards(dataset, manifest)
    found: dict[str, list[str]] = {}
    for shard in manifest.shards:
        texts = pl.read_parquet(dataset / shard.rows)["text"]
        for text, label_id in zip(texts, open_labels(dataset, shard), strict=True):
            found.setdefault(text, []).append(manifest.labels[label_id])
    rejects = dataset / "quarantine.parquet"
    num_rejects = len(pl.read_parquet(rejects)) if rejects.exists() else 0
    content = json.loads((dataset / "manifest.json").read_bytes())
    assert content["rows_in"] == sum(map(len, found.values())) + num_rejects
    return found


def inodes(folder: Path, kind: str) -> dict[str, int]:
    return {path.name: path.stat().st_ino for path in folder.glob(f"*.{kind}")}


def test_both_rows_stay_and_the_conflict_is_said(dataset: Path, capsys: Capsys) -> None:
    done = append(capsys, dataset, CORRECTIONS)
    found = done.report["conflicts"]
    assert (found["texts"], found["texts_in_files"], found["rows_relabelled"], found["rows_quarantined"]) == (
        6,
        0,
        0,
        0,
    )
    assert found["example"] in [text for _, text in WRONG]
    assert done.report["rows_repeated"] == 9
    after = labels_of(dataset)
    assert [after[text] for _, text in ROWS[:6]] == [
        [old, new] for (old, _), (new, _) in zip(ROWS, WRONG, strict=False)
    ]


def test_keeping_what_there_is_quarantines_the_new_rows(dataset: Path, capsys: Capsys) -> None:
    before = labels_of(dataset)
    done = append(capsys, dataset, CORRECTIONS, "--on-conflict", "keep")
    assert (done.report["rows_out"], done.report["quarantined"]) == (4, {"conflicting_label": 6})
    assert done.report["conflicts"]["rows_quarantined"] == 6
    after = labels_of(dataset)
    assert [after[text] for _, text in ROWS[:6]] == [before[text] for _, text in ROWS[:6]]
    quarantine = pl.read_parquet(dataset / "quarantine.parquet")
    assert quarantine["reason"].to_list() == ["conflicting_label"] * 6
    assert quarantine["raw"].to_list() == [f"{label},{text}".encode() for label, text in WRONG]
    assert quarantine["record"].to_list() == [*range(6)]
    assert quarantine["line"].to_list() == [*range(2, 8)]


def test_a_file_of_nothing_but_conflicts_can_be_kept_out(dataset: Path, capsys: Capsys) -> None:
    before = files_in(dataset)
    assert append(capsys, dataset, WRONG, "--on-conflict", "keep", "--max-quarantined", 0).report["rows_out"] == 0
    after = files_in(dataset)
    assert {name for name in before if before[name] != after[name]} == {"manifest.json"}
    assert after.keys() - before.keys() == {"quarantine.parquet"}
    assert append(capsys, dataset, WRONG, "--on-conflict", "keep").report["sources_skipped"] == ["new.csv"]


def test_a_correction_replaces_the_label_of_all_rows_of_its_text(dataset: Path, capsys: Capsys, tmp_path: Path) -> None:
    old = shutil.copytree(dataset, tmp_path / "copy", copy_function=lambda a, b: Path(b).hardlink_to(a))
    content, before, kept = files_in(old), read_manifest(dataset), inodes(dataset, "codes.npy")
    done = append(capsys, dataset, CORRECTIONS, "--on-conflict", "replace")
    found = done.report["conflicts"]
    assert (found["texts"], found["rows_relabelled"], found["rows_settled"], found["rows_quarantined"]) == (6, 6, 0, 0)
    after = labels_of(dataset)
    assert [after[text] for _, text in ROWS[:6]] == [[label, label] for label, _ in WRONG]
    assert all(after[text] == [label] * len(after[text]) for label, text in ROWS[6:])
    assert files_in(old) == content, "a shard was changed in place"
    assert {name: inode for name, inode in inodes(dataset, "codes.npy").items() if name in kept} == kept
    assert read_manifest(dataset).sources[:-1] == before.sources


def test_of_several_corrections_the_last_one_holds(dataset: Path, capsys: Capsys) -> None:
    text = ROWS[0][1]
    rows = [("animals", text), ("tools", text), ("plants", "x"), ("plants", text), ("tools", "x")]
    report = append(capsys, dataset, rows, "--on-conflict", "replace").report
    assert (report["conflicts"]["texts"], report["conflicts"]["texts_in_files"]) == (1, 2)
    after = labels_of(dataset)
    assert (after[text], after["x"]) == (["plants"] * 4, ["tools"] * 2)


def test_a_conflict_that_is_in_the_dataset_can_be_settled_later(dataset: Path, capsys: Capsys) -> None:
    append(capsys, dataset, CORRECTIONS)
    done = append(capsys, dataset, CORRECTIONS, "--on-conflict", "replace")
    report, found = done.report, done.report["conflicts"]
    assert (report["rows_in"], report["sources_skipped"]) == (0, ["new.csv"])
    assert (found["rows_relabelled"], found["rows_settled"]) == (6, 6)
    assert [labels_of(dataset)[text] for _, text in WRONG] == [[label] * 2 for label, _ in WRONG]
    before = files_in(dataset)
    done = append(capsys, dataset, CORRECTIONS, "--on-conflict", "replace")
    assert "nothing to add" in done.err
    assert files_in(dataset) == before


def test_conflicts_within_the_files_of_a_new_dataset_are_counted(tmp_path: Path, capsys: Capsys) -> None:
    for split in ("hash", "random"):
        csv = write_csv(tmp_path / "a.csv", [*ROWS, *WRONG])
        report = call_here(capsys, "encode", csv, "--out", tmp_path / split, "--split", split, *FLAGS).report
        found = report["conflicts"]
        assert (found["texts"], found["texts_in_files"], report["rows_repeated"]) == (0, 6, 6)
        assert found["example"] in [text for _, text in WRONG]


@pytest.mark.parametrize("method", ["keep", "replace"])
def test_the_first_append_makes_the_dataset(method: str, tmp_path: Path, capsys: Capsys) -> None:
    append(capsys, tmp_path / "out", [*ROWS, *WRONG], "--on-conflict", method)
    after = labels_of(tmp_path / "out")
    expected = {"keep": [(old, new) for (old, _), (new, _) in zip(ROWS, WRONG, strict=False)]}
    assert [tuple(after[text]) for _, text in WRONG] == expected.get(method, [(label, label) for label, _ in WRONG])


@pytest.mark.parametrize(
    ("tokens", "words"),
    [
        (["--on-conflict", "keep"], "--on-conflict keep: it goes with --append"),
        (["--on-conflict", "replace"], "--on-conflict replace: it goes with --append"),
        (["--new-labels"], "--new-labels: it goes with --append"),
    ],
)
def test_what_goes_with_append_alone(tokens: list[str], words: str, tmp_path: Path, capsys: Capsys) -> None:
    csv = write_csv(tmp_path / "a.csv", ROWS)
    done = call_here(capsys, "encode", csv, "--out", tmp_path / "out", *tokens, *FLAGS)
    assert (done.code, words in done.error) == (2, True)


NEW = [*titles(20, seed=1), ("minerals", "quartz"), ("Fungi", "chanterelle")]


def test_an_unknown_label_is_named_with_the_flag(dataset: Path, capsys: Capsys) -> None:
    before = files_in(dataset)
    done = append(capsys, dataset, NEW, "--max-quarantined", 0.05)
    assert done.code == 65
    said = "unknown labels 'Fungi', 'minerals'; the dataset knows 'animals', 'plants', 'tools'; --new-labels lets new ones in"
    assert said in done.error
    assert files_in(dataset) == before
    done = append(capsys, dataset, NEW)
    assert (done.code, done.report["quarantined"]) == (0, {"unknown_label": 2})
    assert "append them in a file of their own with --new-labels" in done.err


def test_new_labels_come_behind_the_others_and_change_no_id(dataset: Path, capsys: Capsys) -> None:
    before, kept = read_manifest(dataset), inodes(dataset, "labels.npy")
    report = append(capsys, dataset, NEW, "--new-labels").report
    assert (report["rows_quarantined"], report["labels_added"]) == (0, ["Fungi", "minerals"])
    after = read_manifest(dataset)
    assert after.labels == [*before.labels, "Fungi", "minerals"]
    assert {name: inode for name, inode in inodes(dataset, "labels.npy").items() if name in kept} == kept
    found = labels_of(dataset)
    assert (found["quartz"], found["chanterelle"]) == (["minerals"], ["Fungi"])
    assert append(capsys, dataset, [("Fungi", "morel")] * 2, name="more.csv").report["rows_out"] == 2


def test_more_labels_than_ids_are_refused_when_appending_too(
    dataset: Path, capsys: Capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(labels, "MAX_LABELS", 4)
    before = files_in(dataset)
    done = append(capsys, dataset, NEW, "--new-labels")
    assert (done.code, "more than 4 different labels" in done.error) == (65, True)
    assert files_in(dataset) == before


CODED = [(str(("tools", "plants", "animals").index(label) + 1), text) for label, text in ROWS]
NAMES = "1=tools,2=plants,3=animals"


@pytest.fixture
def named(tmp_path: Path, capsys: Capsys) -> Path:
    csv = write_csv(tmp_path / "coded.csv", CODED)
    assert call_here(capsys, "encode", csv, "--out", tmp_path / "named", "--label-names", NAMES, *FLAGS).code == 0
    return tmp_path / "named"


def test_names_are_the_labels_and_change_no_id(named: Path, tmp_path: Path, capsys: Capsys) -> None:
    assert call_here(capsys, "encode", tmp_path / "coded.csv", "--out", tmp_path / "codes", *FLAGS).code == 0
    manifest, codes = read_manifest(named), read_manifest(tmp_path / "codes")
    assert (manifest.labels, codes.labels) == (["tools", "plants", "animals"], ["1", "2", "3"])
    assert (manifest.label_names, codes.label_names) == ({"1": "tools", "2": "plants", "3": "animals"}, {})
    assert manifest.shards == codes.shards
    assert {text: each for text, (each,) in labels_of(named).items()} == {text: label for label, text in ROWS}


def test_ids_go_by_number_where_files_have_numbers(tmp_path: Path, capsys: Capsys) -> None:
    csv = write_csv(tmp_path / "a.csv", [("10", "x"), ("Zebra", "y"), ("9", "z"), ("2", "w")])
    call_here(capsys, "encode", csv, "--out", tmp_path / "out", "--label-names", "9=Zebra,10=ant", *FLAGS)
    assert read_manifest(tmp_path / "out").labels == ["2", "Zebra", "ant"]


@pytest.mark.parametrize(
    "flags",
    [[], ["--label-names", NAMES], ["--label-names", "3=animals,2=plants,1=tools"], ["--label-names", "2=plants"]],
)
def test_later_files_may_say_code_or_name(named: Path, capsys: Capsys, flags: list[str]) -> None:
    report = append(capsys, named, [("1", "one"), (" tools ", "two"), ("3", "three")], *flags).report
    assert (report["rows_quarantined"], report["labels_added"]) == (0, [])
    found = labels_of(named)
    assert (found["one"], found["two"], found["three"]) == (["tools"], ["tools"], ["animals"])


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ("1=tools,2=plants,3=beasts", "the dataset has 3=animals, expected the same, got 3=beasts"),
        (f"{NAMES},4=stones", "the dataset has no name for '4', expected the same, got 4=stones"),
    ],
)
def test_other_names_are_refused(named: Path, capsys: Capsys, names: str, words: str) -> None:
    before = files_in(named)
    done = append(capsys, named, CODED[:3], "--label-names", names)
    assert (done.code, words in done.error) == (65, True), done.error
    assert ("--new-labels" in done.error) == ("4=stones" in names)
    assert files_in(named) == before


@pytest.mark.parametrize("names", [f"{NAMES},4=stones", "4=stones"])
def test_names_for_new_labels_go_with_new_labels(named: Path, capsys: Capsys, names: str) -> None:
    report = append(
        capsys, named, [("4", "quartz"), ("stones", "flint"), ("1", "x")], "--label-names", names, "--new-labels"
    ).report
    assert report["labels_added"] == ["stones"]
    manifest = read_manifest(named)
    assert manifest.labels == ["tools", "plants", "animals", "stones"]
    assert manifest.label_names["4"] == "stones"
    found = labels_of(named)
    assert (found["quartz"], found["flint"]) == (["stones"], ["stones"])


def test_a_label_that_is_there_cannot_be_named_later(dataset: Path, capsys: Capsys) -> None:
    done = append(capsys, dataset, ROWS[:3], "--label-names", "tools=Tools", "--new-labels")
    assert (done.code, "encode all files again" in done.error) == (65, True), done.error


@pytest.mark.parametrize("more", [[], ["--new-labels"]])
def test_a_file_may_call_a_label_that_is_there_otherwise(dataset: Path, capsys: Capsys, more: list[str]) -> None:
    labels = read_manifest(dataset).labels
    report = append(capsys, dataset, [("9", "one"), ("tools", "two")], "--label-names", "9=tools", *more).report
    assert (report["rows_quarantined"], report["labels_added"], report["labels"]) == (0, [], labels)
    assert [labels_of(dataset)[text] for text in ("one", "two")] == [["tools"], ["tools"]]


def test_what_names_lack_is_said(tmp_path: Path, capsys: Capsys) -> None:
    csv = write_csv(tmp_path / "a.csv", CODED)
    tokens: list[Any] = [csv, "--out", tmp_path / "out", "--label-names", "1=tools,2=plants,7=stones", *FLAGS]
    done = call_here(capsys, "encode", *tokens)
    assert "no row has 7=stones" in done.err
    assert "labels without a name keep their own: '3'" in done.err
    assert [line for line in done.report["warnings"] if "--label-names" in line] == [
        "--label-names: no row has 7=stones",
        "--label-names: labels without a name keep their own: '3'",
    ]
    assert read_manifest(tmp_path / "out").labels == ["tools", "plants", "3"]


def test_a_column_that_is_no_label_is_refused_and_another_one_named(tmp_path: Path, capsys: Capsys) -> None:
    rows = [(str(number), label, text) for number, (label, text) in enumerate(titles(120))]
    csv = write_csv(tmp_path / "a.csv", rows, "id,kind,title")
    done = call_here(capsys, "encode", csv, "--out", tmp_path / "out", "--label", "id", *FLAGS)
    assert done.code == 65
    assert "--label id: there are 120 different labels in 120 rows" in done.error
    assert "such as 'kind' (3 different values in the first rows)" in done.error
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_the_column_that_looks_like_a_label_is_named_where_there_are_too_many(
    tmp_path: Path, capsys: Capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(labels, "MAX_LABELS", 100)
    rows = [(str(number), label, text) for number, (label, text) in enumerate(titles(120))]
    csv = write_csv(tmp_path / "a.csv", rows, "id,kind,title")
    done = call_here(capsys, "encode", csv, "--out", tmp_path / "out", "--label", "id", *FLAGS)
    assert (done.code, "such as 'kind' (3 different" in done.error) == (65, True)


@pytest.mark.parametrize(
    ("rows", "method", "words"),
    [
        (WRONG[:1], "both", "conflicts 1 text is in the dataset with another label, such as"),
        (WRONG, "both", "conflicts 6 texts are in the dataset with another label, such as"),
        (WRONG[:1], "keep", "conflicts 1 row is in quarantine, its text being in the dataset with another label"),
        (WRONG, "replace", "relabelled 6 rows, with the label that came last for the text"),
        ([("a", "x"), ("b", "x")], "both", "conflicts in files 1 text comes with several labels, such as 'x'"),
        (ROWS[:3], "both", "rows repeated 3 with a text that came before"),
    ],
)
def test_the_table_says_it_in_words(
    dataset: Path, capsys: Capsys, rows: list[tuple[str, str]], method: str, words: str
) -> None:
    csv = write_csv(dataset.with_name("new.csv"), rows)
    tokens = ["--append", "--new-labels", "--on-conflict", method, "--out", dataset, *FLAGS[:-1]]
    said = " ".join(call_here(capsys, "encode", csv, *tokens).out.split())
    assert words in said
