"""The score job as a command; what it writes is in test_scoring.py."""

import io
import json
import re
import shutil
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.text.alphabet import get_profile
from tests.commands import call_here, files_in
from tests.datasets import make_csv, shared_run

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
    assert re.search(r"^accuracy +\d+\.\d\d%$", done.out, re.MULTILINE)


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
