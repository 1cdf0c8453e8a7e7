"""The score job as a command; what it writes is in test_scoring.py."""

import csv as text_csv
import gzip
import io
import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import f1_score

from model.classifier import Classifier
from model.runs.accuracy import accuracy_of
from model.runs.model_file import read_model
from model.runs.training_texts import TrainingTexts, read_training_texts
from model.scoring import run as scoring
from model.scoring.part_writer import PartWriter
from pipeline.text.alphabet import get_profile
from tests.commands import call_here, environment, files_in, python
from tests.datasets import LABELS, make_csv, make_run, shared_dataset, shared_run, shrink_ngram, titles, write_csv

Capsys = pytest.CaptureFixture[str]


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    return make_csv(tmp_path / "in.csv", 60)


def test_the_report_has_what_the_contract_names(csv: Path, tmp_path: Path, capsys: Capsys) -> None:
    csv.write_bytes(csv.read_bytes() + b"animals,\n")
    out = tmp_path / "scores.parquet"
    tokens: list[object] = [csv, "--run", shared_run(), "--out", out, "--text", "title"]
    done = call_here(capsys, "score", *tokens, "--json", "--label", "label")
    assert (done.code, done.said) == (0, [])
    report = done.report
    assert (report["rows_in"], report["rows_out"], report["rows_quarantined"]) == (61, 60, 1)
    assert report["quarantined"] == {"blank_text": 1}
    assert report["accuracy"] > 0.9
    assert report["seconds"] > 0
    assert report["outputs"] == [str(out), str(tmp_path / "scores.quarantine.parquet")]
    done = call_here(capsys, "score", *tokens, "--overwrite", "--label", "label", "--min-confidence", "0.5")
    assert re.search(r"^rows in +61$", done.out, re.MULTILINE)
    assert re.search(r"^accuracy +\d+\.\d\d% \(\d+\.\d to \d+\.\d, 60 rows\)$", done.out, re.MULTILINE)


def test_rows_that_training_had_are_counted_and_left_out(tmp_path: Path, capsys: Capsys) -> None:
    rows = [("tools" if row % 3 == 0 else label, title) for row, (label, title) in enumerate(titles(600))]
    csv, again = (write_csv(tmp_path / name, rows) for name in ("in.csv", "again.csv"))  # Texts of the shared dataset.
    trained = {
        text
        for path in shared_dataset().glob("train-*.rows.parquet")
        for text in pq.read_table(path)["text"].to_pylist()
    }
    flags: list[object] = ["--run", shared_run(), "--text", "title"]
    done = call_here(capsys, "score", csv, *flags, "--label", "label", "--out", tmp_path / "s.parquet", "--json")
    report = done.report
    assert (report["accuracy_rows"], report["rows_told"], report["rows_seen"]) == (600, 600, len(trained))
    predicted = pq.read_table(tmp_path / "s.parquet")["prediction"].to_pylist()
    is_right = [label == answer for (label, title), answer in zip(rows, predicted, strict=True) if title not in trained]
    unseen = accuracy_of(sum(is_right), len(is_right))
    assert report["accuracy_unseen"] == unseen.share != report["accuracy"]
    assert report["accuracy_unseen_interval"] == [unseen.low, unseen.high]
    assert report["macro_f1"] == pytest.approx(f1_score([label for label, _ in rows], predicted, average="macro"))
    kept = call_here(
        capsys,
        "score",
        csv,
        *flags,
        "--label",
        "label",
        "--out",
        tmp_path / "k.parquet",
        "--min-confidence",
        0.99,
        "--json",
    ).report
    confident = pq.read_table(tmp_path / "k.parquet")["confidence"].to_numpy() >= np.float32(0.99)
    unseen_kept = [
        right
        for right, one in zip(is_right, confident[[title not in trained for _, title in rows]], strict=True)
        if one
    ]
    assert kept["accuracy_kept_unseen"] == pytest.approx(np.mean(unseen_kept))
    assert 0 < kept["accuracy_kept_unseen_rows"] == len(unseen_kept) < unseen.rows
    both = [csv, again, *flags, "--out", tmp_path / "both"]
    done = call_here(capsys, "score", *both, "--label", "label")
    assert re.search(rf"^  rows also in training +{2 * len(trained)}$", done.out, re.MULTILINE)
    without = rf"^  without those in training +{unseen.share:.2%} \(.*, {2 * unseen.rows} rows\)$"
    assert re.search(without, done.out, re.MULTILINE)
    assert "in training" not in call_here(capsys, "score", *both, "--overwrite").out
    fresh = make_csv(tmp_path / "fresh.csv", 60, seed=9)
    done = call_here(capsys, "score", fresh, *flags, "--label", "label", "--out", tmp_path / "f.parquet")
    assert "in training" not in done.out
    assert re.search(r"^macro-F1 +[01]\.\d{4}$", done.out, re.MULTILINE)


def test_of_too_many_training_texts_a_share_is_told(
    tmp_path: Path, capsys: Capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = read_training_texts(shared_run(), read_model(shared_run()))
    monkeypatch.setattr(scoring, "read_training_texts", lambda *_: TrainingTexts(texts.hashes[:300], 300))
    csv = make_csv(tmp_path / "in.csv", 600)
    flags: list[object] = ["--run", shared_run(), "--out", tmp_path / "s.parquet", "--text", "title"]
    report = call_here(capsys, "score", csv, *flags, "--label", "label", "--json").report
    assert report["rows_seen"] == 300 < report["rows_told"] == 300 + report["accuracy_unseen_rows"] < 600
    done = call_here(capsys, "score", csv, *flags, "--label", "label", "--overwrite")
    said = rf"^  rows also in training +about {300 / report['rows_told']:.0%}, judged by {report['rows_told']} rows$"
    assert re.search(said, done.out, re.MULTILINE)


def test_the_training_texts_are_needed_with_a_label_alone(csv: Path, tmp_path: Path, capsys: Capsys) -> None:
    run = Path(shutil.copytree(shared_run(), tmp_path / "run"))
    (run / "training_texts.npy").unlink()
    flags: list[object] = ["--run", run, "--out", tmp_path / "s.parquet", "--text", "title"]
    done = call_here(capsys, "score", csv, *flags, "--label", "label")
    assert done.code == 65
    assert "training_texts.npy: the hashes of the training texts are missing" in done.error
    assert call_here(capsys, "score", csv, *flags).code == 0


def test_names_of_classes_go_from_the_dataset_through_the_model_to_the_scores(
    tmp_path: Path, capsys: Capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files may have codes, names or both; a class has one name from there on."""
    shrink_ngram(monkeypatch)
    codes = {"animals": "30", "plants": "4", "tools": "5"}
    rows = titles(600)
    csv = write_csv(tmp_path / "codes.csv", [(codes[label], title) for label, title in rows])
    tokens: list[object] = [
        "--text",
        "title",
        "--label-names",
        "4=plants,30=animals,5=Sägen & Co",
        "--valid-fraction",
        0.2,
    ]
    assert call_here(capsys, "encode", csv, "--out", tmp_path / "dataset", *tokens).code == 0
    run = make_run(tmp_path / "dataset", tmp_path / "run", epochs=6, batch_size=32)
    named = {"animals": "animals", "plants": "4", "tools": "Sägen & Co"}
    mixed = [(named[label], title) for label, title in rows[:100]] + [("stones", "quartz")]
    reports = []
    for name, path in (("codes", csv), ("mixed", write_csv(tmp_path / "mixed.csv", mixed))):
        scored = [
            path,
            "--run",
            run,
            "--out",
            tmp_path / f"{name}.parquet",
            "--text",
            "title",
            "--label",
            "label",
            "--json",
        ]
        reports.append(call_here(capsys, "score", *scored).report)
    assert [report["quarantined"] for report in reports] == [{}, {"unknown_label": 1}]
    assert min(report["accuracy"] for report in reports) > 0.9
    table = pq.read_table(tmp_path / "mixed.parquet")
    assert (
        set(table["label"].to_pylist()) == set(table["prediction"].to_pylist()) == {"plants", "Sägen & Co", "animals"}
    )
    about = json.loads(table.schema.metadata[b"charmill"])
    assert about["label_names"] == {"4": "plants", "30": "animals", "5": "Sägen & Co"}
    assert Classifier.load(run).labels == ["plants", "Sägen & Co", "animals"]


def test_each_file_is_read_as_it_is_written_and_a_note_says_how(csv: Path, tmp_path: Path, capsys: Capsys) -> None:
    text = csv.read_text(encoding="utf-8").replace("and", "\u00e9n")
    csv.write_text(text, encoding="utf-8")
    (tmp_path / "b.csv").write_bytes(text.replace(",", ";").encode("cp1252"))
    (tmp_path / "c.tsv").write_bytes(text.replace(",", "\t").encode("utf-16"))
    files = [csv, tmp_path / "b.csv", tmp_path / "c.tsv"]
    out = tmp_path / "out"
    done = call_here(capsys, "score", *files, "--run", shared_run(), "--out", out, "--text", "title")
    assert [line.partition(" ")[2] for line in done.said] == [
        "b.csv is read as  delimiter ;  encoding cp1252",
        "c.tsv is read as  delimiter tab  encoding utf-16",
    ]
    tables = [pq.read_table(out / f"{name}.parquet") for name in ("in", "b", "c")]
    assert tables[0].equals(tables[1])
    assert tables[0].equals(tables[2])
    sources = [json.loads(table.schema.metadata[b"charmill"])["source"] for table in tables]
    found = [(source["delimiter"], source["encoding"]) for source in sources]
    assert found == [(",", "utf-8"), (";", "cp1252"), ("\t", "utf-16")]


def test_a_person_can_read_the_report_of_no_rows(tmp_path: Path, capsys: Capsys) -> None:
    csv = tmp_path / "in.csv"
    csv.write_text("label,title\n")
    flags = ["--run", shared_run(), "--out", tmp_path / "s.parquet", "--text", "title", "--label", "label"]
    done = call_here(capsys, "score", csv, *flags)
    assert done.code == 0, done.err
    assert "accuracy" not in done.out


def test_another_profile_is_refused_with_both_fingerprints(csv: Path, tmp_path: Path, capsys: Capsys) -> None:
    tokens: list[object] = [csv, "--run", shared_run(), "--out", tmp_path / "s.parquet", "--text", "title"]
    done = call_here(capsys, "score", *tokens, "--profile", "ascii")
    assert done.code == 65
    for name in ("seed", "ascii"):
        assert get_profile(name).fingerprint in done.error
    assert call_here(capsys, "score", *tokens, "--profile", "seed").code == 0


@pytest.mark.parametrize("damage", ["cut", "flipped", "missing"])
def test_a_corrupt_model_is_refused(damage: str, csv: Path, tmp_path: Path, capsys: Capsys) -> None:
    run = Path(shutil.copytree(shared_run(), tmp_path / "run"))
    path = run / "model.safetensors"
    data = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(data[:-1] if damage == "cut" else data[:-1] + bytes([data[-1] ^ 1]))
    done = call_here(capsys, "score", csv, "--run", run, "--out", tmp_path / "s.parquet", "--text", "title")
    assert done.code == 65
    assert "model.safetensors: the model" in done.error
    assert not list(tmp_path.glob("*.parquet"))


def test_a_run_that_is_none_is_refused(csv: Path, tmp_path: Path, capsys: Capsys) -> None:
    for run in (tmp_path / "nowhere", tmp_path):
        done = call_here(capsys, "score", csv, "--run", run, "--out", tmp_path / "s.parquet", "--text", "title")
        assert done.code == 2
        assert str(run) in done.error


def test_the_folded_engine_runs_on_the_cpu(csv: Path, tmp_path: Path, capsys: Capsys) -> None:
    flags = ["--run", shared_run(), "--out", tmp_path / "s.parquet", "--engine", "folded", "--device", "cuda"]
    done = call_here(capsys, "score", csv, *flags)
    assert done.code == 2
    assert "--engine torch" in done.error


def test_both_engines_predict_the_same(csv: Path, tmp_path: Path, capsys: Capsys) -> None:
    import polars as pl

    for arch in ("charcnn", "lstm", "ngram"):
        frames = []
        for engine in ("folded", "torch"):
            out = tmp_path / f"{arch}-{engine}.parquet"
            flags = ["--run", shared_run(arch), "--out", out, "--text", "title", "--engine", engine, "--device", "cpu"]
            assert call_here(capsys, "score", csv, *flags).code == 0
            frames.append(pl.read_parquet(out))
        assert frames[0]["prediction"].to_list() == frames[1]["prediction"].to_list()
        assert (frames[0]["confidence"] - frames[1]["confidence"]).abs().max() < 1e-5  # type: ignore[operator]


def test_standard_input_is_a_hyphen(csv: Path, tmp_path: Path, capsys: Capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(csv.read_bytes())))
    done = call_here(
        capsys, "score", "-", "--run", shared_run(), "--out", tmp_path / "out", "--text", "title", "--json"
    )
    assert done.code == 0, done.err
    assert done.report["rows_out"] == 60
    assert list(files_in(tmp_path / "out")) == ["stdin.parquet"]


def test_files_without_a_header_take_their_names_from_a_flag(tmp_path: Path, capsys: Capsys) -> None:
    csv = tmp_path / "in.csv"
    csv.write_text('"a otter",1\n"a sedge",2\n')
    flags = [
        "--run",
        shared_run(),
        "--out",
        tmp_path / "s.parquet",
        "--columns",
        "title,id",
        "--text",
        "title",
        "--keep",
        "id",
    ]
    done = call_here(capsys, "score", csv, *flags, "--json")
    assert done.code == 0, done.err
    assert done.report["rows_in"] == 2


def test_what_is_no_quarantine_is_not_replaced_by_one(csv: Path, tmp_path: Path, capsys: Capsys) -> None:
    foreign = tmp_path / "scores.quarantine.parquet"
    foreign.write_bytes(b"mine")
    done = call_here(
        capsys, "score", csv, "--run", shared_run(), "--out", tmp_path / "scores.parquet", "--text", "title"
    )
    assert done.code == 2
    assert str(foreign) in done.error
    assert foreign.read_bytes() == b"mine"
    assert not (tmp_path / "scores.parquet").exists()


def test_the_metadata_is_where_readers_look_for_it(csv: Path, tmp_path: Path, capsys: Capsys) -> None:
    out = tmp_path / "scores.parquet"
    assert call_here(capsys, "score", csv, "--run", shared_run(), "--out", out, "--text", "title").code == 0
    in_file, in_schema = pq.read_metadata(out).metadata[b"charmill"], pq.read_schema(out).metadata[b"charmill"]
    assert in_file == in_schema == pq.read_table(out).schema.metadata[b"charmill"]
    assert pa.types.is_dictionary(pq.read_schema(out).field("prediction").type)


def test_a_link_keeps_pointing_to_the_scores(csv: Path, tmp_path: Path, capsys: Capsys) -> None:
    (tmp_path / "disk").mkdir()
    link = tmp_path / "scores.parquet"
    link.symlink_to(tmp_path / "disk" / "scores.parquet")
    assert call_here(capsys, "score", csv, "--run", shared_run(), "--out", link, "--text", "title").code == 0
    assert link.is_symlink()
    assert pq.read_metadata(tmp_path / "disk" / "scores.parquet").num_rows == 60


def test_standard_output_has_the_scores_and_nothing_else(
    csv: Path, tmp_path: Path, capsys: Capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    csv.write_bytes(csv.read_bytes() + b"animals,\n")
    tokens: list[object] = [csv, "--run", shared_run(), "--text", "title", "--label", "label"]
    assert call_here(capsys, "score", *tokens, "--out", "scores.csv").code == 0
    (tmp_path / "scores.quarantine.parquet").rename(tmp_path / "expected")
    done = call_here(capsys, "score", *tokens, "--out", "-")
    assert done.code == 0
    assert done.out == (tmp_path / "scores.csv").read_text()
    assert re.search(r"^rows quarantined +1$", done.err, re.MULTILINE)
    assert re.search(r"^files +in\.quarantine\.parquet$", done.err, re.MULTILINE)
    assert (tmp_path / "in.quarantine.parquet").read_bytes() == (tmp_path / "expected").read_bytes()
    monkeypatch.setenv("CHARMILL_OUT", "-")
    refused = call_here(capsys, "score", *tokens)
    assert (refused.code, refused.out) == (2, "")
    assert "in.quarantine.parquet: the quarantine would go there, but it exists already" in refused.error
    done = call_here(capsys, "score", *tokens, "--overwrite", "--out-format", "jsonl", "--probabilities", "--json")
    rows = [json.loads(line) for line in done.out.splitlines()]
    assert [row["record"] for row in rows] == list(range(60))
    assert all(tuple(row["probabilities"]) == LABELS for row in rows)
    assert json.loads(done.err)["outputs"] == ["in.quarantine.parquet"]
    csv.write_bytes(csv.read_bytes().removesuffix(b"animals,\n"))
    assert call_here(capsys, "score", *tokens, "--overwrite").code == 0
    assert sorted(files_in(tmp_path)) == ["expected", "in.csv", "scores.csv"]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--out", "-", "--out-format", "parquet"], "add --out-format csv or jsonl"),
        (["other.csv", "--out", "-"], "--out -: 2 CSVs cannot go into one output"),
        (["--out", "/dev/stdout"], "write to standard output with --out -"),
        (["--out", "in.csv", "--overwrite"], "in.csv: it is an input"),
    ],
)
def test_an_output_that_makes_no_sense_is_refused(
    flags: list[str], message: str, csv: Path, tmp_path: Path, capsys: Capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    make_csv(tmp_path / "other.csv", 3)
    before = files_in(tmp_path)
    done = call_here(capsys, "score", "in.csv", *flags, "--run", shared_run(), "--text", "title")
    assert (done.code, done.out) == (2, "")
    assert message in done.error
    assert files_in(tmp_path) == before


def test_standard_output_keeps_what_was_quarantined_when_it_is_too_much(
    csv: Path, tmp_path: Path, capsys: Capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    csv.write_bytes(csv.read_bytes() + b"animals,\n" * 40)
    done = call_here(capsys, "score", csv, "--run", shared_run(), "--text", "title", "--out", "-")
    assert done.code == 65
    assert len(done.out.splitlines()) == 61
    assert "the other rows are on standard output" in done.error
    assert done.error.endswith("the quarantine is in.quarantine.parquet")
    assert pq.read_metadata(tmp_path / "in.quarantine.parquet").num_rows == 40


def test_standard_output_keeps_what_was_quarantined_before_the_input_breaks_off(
    tmp_path: Path, capsys: Capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = 300 * make_csv(tmp_path / "plain.csv", 1000).read_bytes().partition(b"\n")[2]
    stored = gzip.compress(b"label,title\nbad\n" + rows)
    (tmp_path / "in.csv.gz").write_bytes(stored[: len(stored) * 3 // 4])
    tokens = ["in.csv.gz", "--run", shared_run(), "--text", "title", "--out", "-", "--threads", "1"]
    done = call_here(capsys, "score", *tokens)
    assert done.code == 65
    num_rows = len(done.out.splitlines()) - 1
    assert num_rows > 0
    assert f"{num_rows:,} rows had gone to standard output before; the quarantine up to there is in.qu" in done.error
    assert pq.read_metadata(tmp_path / "in.quarantine.parquet").num_rows == 1
    assert sorted(files_in(tmp_path)) == ["in.csv.gz", "in.quarantine.parquet", "plain.csv"]


def test_the_law_is_checked_when_all_is_written(
    csv: Path, tmp_path: Path, capsys: Capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(PartWriter, "write", _lose_a_row(PartWriter.write))
    for out in ("-", "scores.csv", "scores.parquet"):
        done = call_here(capsys, "score", csv, "--run", shared_run(), "--text", "title", "--out", out)
        assert done.code == 70
        assert "60 rows came in, but 59 + 0 went out" in done.error
        assert ("has gone to standard output is not right" if out == "-" else "were not published") in done.error
    assert sorted(files_in(tmp_path)) == ["in.csv"]


def _lose_a_row(write: Any) -> Any:
    def losing(self: PartWriter, block: Any, report: Any) -> None:
        write(self, replace(block, table=block.table.slice(1)), report)

    return losing


def test_a_pipe_that_is_closed_ends_the_scoring_without_a_word(tmp_path: Path) -> None:
    csv = make_csv(tmp_path / "in.csv", 50_000)
    csv.write_bytes(b"label,title\nbad\n" + csv.read_bytes().partition(b"\n")[2])
    command = [*python("score"), str(csv), "--run", str(shared_run()), "--text", "title", "--out", "-"]

    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, cwd=tmp_path, env=environment()) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"record,prediction,confidence\n"
        process.stdout.close()
        said = process.stderr.read().decode()
    assert process.returncode == 0, said
    assert not [line for line in said.splitlines() if "error" in line or "rows" in line], said
    assert sorted(files_in(tmp_path)) == ["in.csv"]


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_text_is_published_with_its_quarantine_or_not_at_all(
    ending: str, csv: Path, tmp_path: Path, capsys: Capsys
) -> None:
    good = csv.read_bytes()
    csv.write_bytes(good + b"bad\n")
    out = tmp_path / f"scores.{ending}"
    tokens: list[object] = [csv, "--run", shared_run(), "--text", "title", "--out", out]
    assert call_here(capsys, "score", *tokens).code == 0
    before = out.read_bytes()
    assert len(before.splitlines()) == 60 + (ending == "csv")
    assert sorted(files_in(tmp_path)) == sorted(["in.csv", out.name, "scores.quarantine.parquet"])
    csv.write_bytes(good + b"bad\n" * 50)
    done = call_here(capsys, "score", *tokens, "--overwrite")
    assert done.code == 65
    assert "its scores were not published" in done.error
    assert out.read_bytes() == before
    assert pq.read_metadata(tmp_path / "scores.failed.quarantine.parquet").num_rows == 50
    csv.write_bytes(good)
    assert call_here(capsys, "score", *tokens, "--overwrite").code == 0
    assert sorted(files_in(tmp_path)) == sorted(["in.csv", out.name])


def test_what_was_published_before_an_error_is_named(tmp_path: Path, capsys: Capsys) -> None:
    files = [make_csv(tmp_path / f"{name}.csv", 3) for name in "abcdef"]
    files[5].write_text("label\n1\n")
    out = tmp_path / "out"
    tokens: list[object] = ["--run", shared_run(), "--text", "title", "--out", out]
    done = call_here(capsys, "score", files[0], files[5], files[1], *tokens)
    assert done.code == 65
    assert done.error.endswith(f"; published before: {out / 'a.parquet'}")
    assert list(files_in(out)) == ["a.parquet"]
    done = call_here(capsys, "score", *files, *tokens, "--overwrite")
    assert done.error.endswith(f"published before: {', '.join(str(out / f'{n}.parquet') for n in 'abc')} and 2 more")
    done = call_here(capsys, "score", files[5], *tokens)
    assert "published before" not in done.error


def test_every_column_is_kept_in_the_order_of_the_file(tmp_path: Path, capsys: Capsys) -> None:
    (tmp_path / "a.csv").write_text(',label,"x,y",title,all\n0,tools,"a ""b""\nc",an awl,z\n')
    (tmp_path / "b.csv").write_text("title;label\nan otter;animals\n")
    (tmp_path / "c.csv").write_text("title,label,only\n")
    out = tmp_path / "out"
    tokens: list[object] = [*sorted(tmp_path.glob("*.csv")), "--run", shared_run(), "--text", "title", "--out", out]
    assert call_here(capsys, "score", *tokens, "--keep", "all").code == 0
    tables = [pq.read_table(out / f"{name}.parquet") for name in "abc"]
    end = ["prediction", "confidence"]
    assert tables[0].column_names == ["record", "", "label", "x,y", "title", "all", *end]
    assert tables[1].column_names == ["record", "title", "label", *end]
    assert tables[2].column_names == ["record", "title", "label", "only", *end]
    assert [table.num_rows for table in tables] == [1, 1, 0]
    assert list(tables[0].to_pylist()[0].values())[:6] == [0, "0", "tools", 'a "b"\nc', "an awl", "z"]
    # The label has a column of its own; where that is called so, it is the file's.
    assert call_here(capsys, "score", *tokens, "--keep", "all", "--label", "label", "--overwrite").code == 0
    assert pq.read_schema(out / "b.parquet").names == ["record", "title", "label", *end]
    assert call_here(capsys, "score", tokens[0], *tokens[3:], "--keep", '"all"', "--overwrite").code == 0
    assert pq.read_schema(out / "a.parquet").names == ["record", "all", *end]


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("record,title,id", "the scores have a column 'record', too; .* as in --keep title,id"),
        ('confidence,title,"a,b"', "the scores have a column 'confidence', too; .* as in --keep 'title,\"a,b\"'"),
        ("title,x,x", "the header names 'x' twice; .* as in --keep title"),
    ],
)
def test_a_file_with_a_column_that_scores_have_is_refused_with_the_others_to_keep(
    header: str, message: str, tmp_path: Path, capsys: Capsys
) -> None:
    (tmp_path / "in.csv").write_text(f"{header}\n1,an otter,2\n")
    flags = ["--run", shared_run(), "--text", "title", "--keep", "all", "--out", tmp_path / "out.csv"]
    done = call_here(capsys, "score", tmp_path / "in.csv", *flags)
    assert done.code == 65
    assert re.search(f"in.csv: --keep all: {message}", done.error), done.error
    assert list(files_in(tmp_path)) == ["in.csv"]


def test_probabilities_are_a_list_or_columns(
    csv: Path, tmp_path: Path, capsys: Capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens: list[object] = [csv, "--run", shared_run(), "--text", "title", "--overwrite"]

    def score(*flags: object, ending: str = "parquet") -> Path:
        out = tmp_path / f"s.{ending}"
        done = call_here(capsys, "score", *tokens, *flags, "--out", out)
        assert done.code == 0, done.err
        return out

    listed = pq.read_table(score("--probabilities"))
    spread = pq.read_table(score("--probabilities", "columns", "--min-confidence", "0.5"))
    assert json.loads(listed.schema.metadata[b"charmill"])["labels"] == list(LABELS)
    names = [f"p_{label}" for label in LABELS]
    assert spread.column_names == ["record", "prediction", "confidence", "abstained", *names]
    assert all(spread.schema.field(name).type == pa.float32() for name in names)
    rows = list(zip(*(spread[name].to_pylist() for name in names), strict=True))
    assert rows == list(map(tuple, listed["probabilities"].to_pylist()))
    with score("--probabilities", "list", ending="csv").open(newline="") as file:
        assert [tuple(np.float32(row[name]) for name in names) for row in text_csv.DictReader(file)] == rows
    monkeypatch.setenv("CHARMILL_PROBABILITIES", "columns")
    assert pq.read_schema(score()).names[-3:] == names
    assert pq.read_schema(score("--no-probabilities")).names[-1] == "confidence"
    monkeypatch.setenv("CHARMILL_PROBABILITIES", "true")
    assert pq.read_schema(score()).names[-1] == "probabilities"
    config = tmp_path / "config.toml"
    config.write_text("probabilities = false\n")
    monkeypatch.delenv("CHARMILL_PROBABILITIES")
    assert pq.read_schema(score("--config", config)).names[-1] == "confidence"
    done = call_here(capsys, "score", *tokens, "--out", tmp_path / "x.csv", "--probabilities=both")
    assert (done.code, "expected one of none, list, columns, got both" in done.error) == (2, True)


def test_a_kept_column_may_not_be_called_like_that_of_a_class(tmp_path: Path, capsys: Capsys) -> None:
    (tmp_path / "in.csv").write_text("p_tools,title\n1,an otter\n")
    tokens: list[object] = [tmp_path / "in.csv", "--run", shared_run(), "--text", "title", "--keep", "p_tools"]
    done = call_here(capsys, "score", *tokens, "--out", tmp_path / "s.csv", "--probabilities")
    assert (done.code, "--keep p_tools: the scores have a column of that name" in done.error) == (2, True)
    assert call_here(capsys, "score", *tokens, "--out", tmp_path / "s.jsonl", "--probabilities").code == 0


def test_a_wrong_model_is_told_by_its_labels(tmp_path: Path, capsys: Capsys) -> None:
    (tmp_path / "in.csv").write_text("label,title\nspam,a\nham,b\nspam,c\ntools,d\n")
    tokens: list[object] = [tmp_path / "in.csv", "--run", shared_run(), "--text", "title", "--label", "label"]
    hint = "unknown labels 'spam', 'ham'; the model knows 'animals', 'plants', 'tools': a model of other classes, or"
    done = call_here(capsys, "score", *tokens, "--out", tmp_path / "s.parquet")
    assert done.code == 65
    assert hint in done.error
    assert "--delimiter" not in done.error
    done = call_here(capsys, "score", *tokens, "--out", tmp_path / "s.parquet", "--max-quarantined", "1")
    assert any(hint in line for line in done.said)
