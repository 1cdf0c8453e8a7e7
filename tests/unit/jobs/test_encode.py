"""The encode job as a command."""

import gzip
import io
import sys
from pathlib import Path

import pytest

from pipeline.building.builder import DatasetBuilder
from pipeline.dataset.manifest import Manifest, read_manifest
from tests.commands import call, call_here, files_in, start
from tests.datasets import make_csv, write_csv

Capsys = pytest.CaptureFixture[str]


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    return make_csv(tmp_path / "in.csv", 100)


def test_the_report_has_what_the_contract_names_and_is_all_there_is(csv: Path, tmp_path: Path, capsys: Capsys) -> None:
    csv.write_bytes(csv.read_bytes() + b"bad\n")
    out = tmp_path / "out"
    done = call_here(capsys, "encode", csv, "--out", out, "--text", "title", "--valid-fraction", 0.7, "--json")
    assert (done.code, done.said) == (0, [])
    report = done.report
    assert (report["rows_in"], report["rows_out"], report["rows_quarantined"]) == (101, 100, 1)
    assert report["quarantined"] == {"too_few_fields": 1}
    assert report["duplicates_across_splits"]["text"] == 0
    assert report["seconds"] > 0
    assert report["outputs"] == [str(out / "manifest.json"), str(out / "quarantine.parquet")]
    assert all(Path(path).is_file() for path in report["outputs"])


def test_the_table_says_the_same_to_a_person(csv: Path, tmp_path: Path, capsys: Capsys) -> None:
    done = call_here(capsys, "encode", csv, "--out", tmp_path / "out", "--text", "title")
    lines = dict(line.split(maxsplit=2)[::2] for line in done.out.splitlines() if line.startswith("rows "))
    assert lines["rows"]
    assert "rows in           100\n" in done.out
    assert "\x1b" not in done.out + done.err


def test_files_of_several_kinds_become_one_dataset(csv: Path, tmp_path: Path, capsys: Capsys) -> None:
    text = csv.read_text(encoding="utf-8").replace("and", "én")
    kinds = {
        "semicolons.csv": text.replace(",", ";").encode("cp1252"),
        "tabs.tsv": text.replace(",", "\t").encode("utf-16"),
        "bars.csv.gz": gzip.compress(text.replace(",", "|").encode(), mtime=0),
        "excel.csv": ("sep=;\n" + text.replace(",", ";")).encode("utf-8-sig"),
    }
    for name, data in kinds.items():
        (tmp_path / name).write_bytes(data)
    files = [csv, *(tmp_path / name for name in kinds)]
    flags = ["--text", "title", "--valid-fraction", 0.2]
    done = call_here(capsys, "encode", *files, "--out", tmp_path / "out", *flags, "--json")
    assert done.report["rows_out"] == 500
    found = {source.name: (source.delimiter, source.encoding) for source in read_manifest(tmp_path / "out").sources}
    assert found == {
        "in.csv": (",", "utf-8"),
        "semicolons.csv": (";", "cp1252"),
        "tabs.tsv": ("\t", "utf-16"),
        "bars.csv.gz": ("|", "utf-8"),
        "excel.csv": (";", "utf-8"),
    }
    assert [line.partition(" ")[2] for line in done.said] == [
        "semicolons.csv is read as  delimiter ;  encoding cp1252",
        "tabs.tsv is read as  delimiter tab  encoding utf-16",
        "bars.csv.gz is read as  delimiter |  encoding utf-8",
        "excel.csv is read as  delimiter ;  encoding utf-8",
    ]


def test_what_a_flag_says_is_not_repeated(csv: Path, tmp_path: Path, capsys: Capsys) -> None:
    csv.write_text(csv.read_text(encoding="utf-8").replace(",", ";"), encoding="cp1252")
    flags = ["--text", "title", "--valid-fraction", 0]
    assert call_here(capsys, "encode", csv, "--out", tmp_path / "a", *flags, "--delimiter", ";").said == []
    auto = call_here(capsys, "encode", csv, "--out", tmp_path / "b", *flags)
    assert len(auto.said) == 1
    assert files_in(tmp_path / "a") == files_in(tmp_path / "b")


def test_records_that_are_not_utf8_are_noted(csv: Path, tmp_path: Path, capsys: Capsys) -> None:
    csv.write_bytes(csv.read_bytes() * 100 + "a,café\n".encode("cp1252"))
    done = call_here(capsys, "encode", csv, "--out", tmp_path / "a", "--text", "title", "--json")
    assert done.report["quarantined"] == {"invalid_encoding": 1}
    assert done.said[0].endswith("try --encoding cp1252")


def test_duplicates_across_splits_are_said_of_the_whole_dataset(tmp_path: Path, capsys: Capsys) -> None:
    csv = write_csv(tmp_path / "in.csv", [("a", f"{'otter' * (row % 2)} {chr(97 + row % 26)}") for row in range(520)])
    flags: list[object] = ["--text", "title", "--split", "random", "--profile", "seed"]
    done = call_here(capsys, "encode", csv, "--out", tmp_path / "random", "--json", *flags)
    assert done.report["duplicates_across_splits"] == {"text": 52, "codes": 52}
    done = call_here(capsys, "encode", csv, "--out", tmp_path / "random", "--overwrite", *flags)
    assert "held-out rows also in training: 52 by text, 52 by codes\n" in done.out

    added = tmp_path / "added.csv"
    added.write_text(csv.read_text(encoding="utf-8").replace(" ", " - "), encoding="utf-8")
    tokens: list[object] = ["--out", tmp_path / "hash", "--text", "title", "--profile", "seed", "--json", "--append"]
    found = [call_here(capsys, "encode", path, *tokens).report for path in (csv, added, added)]
    assert found[0]["duplicates_across_splits"] == {"text": 0, "codes": 0}
    assert found[1]["duplicates_across_splits"]["codes"] > 0
    assert found[2]["rows_in"] == 0
    assert found[2]["duplicates_across_splits"] == found[1]["duplicates_across_splits"]


def test_threads_do_not_change_a_byte(tmp_path: Path, capsys: Capsys) -> None:
    csv = make_csv(tmp_path / "large.csv", 20_000)
    outs = [tmp_path / "one", tmp_path / "two", tmp_path / "again"]
    for threads, out in zip((1, 2, 2), outs, strict=True):
        assert call_here(capsys, "encode", csv, "--out", out, "--text", "title", "--threads", threads).code == 0
    one, two, again = map(files_in, outs)
    assert one == two == again


def test_a_folder_that_is_not_empty_is_refused_and_overwritten_only_if_it_is_a_dataset(
    csv: Path, tmp_path: Path, capsys: Capsys
) -> None:
    out = tmp_path / "out"
    tokens: list[object] = [csv, "--out", out, "--text", "title"]
    assert call_here(capsys, "encode", *tokens).code == 0
    before = files_in(out)
    done = call_here(capsys, "encode", *tokens)
    assert done.code == 2
    assert "--overwrite" in done.error
    assert files_in(out) == before
    assert call_here(capsys, "encode", *tokens, "--overwrite", "--max-length", 8).code == 0
    assert files_in(out) != before
    (out / "notes.txt").write_text("mine")
    before = files_in(out)
    assert call_here(capsys, "encode", *tokens, "--overwrite").code == 2
    assert files_in(out) == before


def test_standard_input_is_a_hyphen(csv: Path, tmp_path: Path, capsys: Capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    tokens: list[object] = ["-", "--text", "title", "--valid-fraction", 0, "--json"]
    for name, data in (("plain", csv.read_bytes()), ("gzip", gzip.compress(csv.read_bytes()))):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        done = call_here(capsys, "encode", *tokens, "--out", tmp_path / name)
        assert done.code == 0, done.err
        assert done.report["rows_out"] == 100
    done = call("encode", *tokens, "--out", tmp_path / "pipe", stdin=csv.read_bytes())
    assert (done.code, done.said) == (0, [])
    assert files_in(tmp_path / "pipe") == files_in(tmp_path / "plain")


def test_too_much_quarantined_keeps_the_quarantine_alone(csv: Path, tmp_path: Path, capsys: Capsys) -> None:
    csv.write_bytes(csv.read_bytes() + b"bad\n" * 50)
    out = tmp_path / "out"
    tokens: list[object] = [csv, "--out", out, "--text", "title"]
    done = call_here(capsys, "encode", *tokens)
    assert done.code == 65
    assert "too_few_fields 50" in done.error
    assert list(files_in(tmp_path)) == ["in.csv", "out/quarantine.parquet"]
    assert call_here(capsys, "encode", *tokens, "--max-quarantined", "0.5").code == 0


def test_what_came_into_the_folder_meanwhile_is_kept(
    csv: Path, tmp_path: Path, capsys: Capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    finish = DatasetBuilder.finish

    def finish_late(builder: DatasetBuilder) -> Manifest:
        out.mkdir()
        (out / "notes.txt").write_text("mine")
        return finish(builder)

    monkeypatch.setattr(DatasetBuilder, "finish", finish_late)
    assert call_here(capsys, "encode", csv, "--out", out, "--text", "title").code == 2
    assert files_in(out) == {"notes.txt": b"mine"}


def test_the_folder_one_is_in_can_be_the_dataset(
    csv: Path, tmp_path: Path, capsys: Capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "here"
    out.mkdir()
    monkeypatch.chdir(out)
    assert call_here(capsys, "encode", csv, "--out", ".", "--text", "title").code == 0
    assert (out / "manifest.json").exists()


@pytest.mark.parametrize("flag", ["--text", "--columns"])
@pytest.mark.parametrize("names", ["te\nx", "te\rx,label"])
def test_a_line_break_in_a_list_of_names_is_a_usage_error(
    csv: Path, tmp_path: Path, capsys: Capsys, flag: str, names: str
) -> None:
    done = call_here(capsys, "encode", csv, "--out", tmp_path / "out", flag, names)
    assert (done.code, done.said) == (2, [done.error])
    assert f"{names!r}: expected names with commas between" in done.error


def test_a_name_with_a_line_break_is_quoted(tmp_path: Path, capsys: Capsys) -> None:
    path = tmp_path / "a.csv"
    path.write_text('"te\nx",label\n' + "".join(f"title {number},x\n" for number in range(30)))
    assert call_here(capsys, "encode", path, "--out", tmp_path / "out", "--text", '"te\nx"').code == 0


def test_the_root_of_all_folders_is_no_dataset(csv: Path, capsys: Capsys) -> None:
    done = call_here(capsys, "encode", csv, "--out", "/", "--text", "title")
    assert (done.code, "name a path below it" in done.error) == (2, True)


def test_one_file_under_two_names_is_refused(csv: Path, tmp_path: Path, capsys: Capsys) -> None:
    (tmp_path / "link.csv").symlink_to(csv)
    done = call_here(capsys, "encode", csv, tmp_path / "link.csv", "--out", tmp_path / "out", "--text", "title")
    assert done.code == 2
    assert "twice" in done.error


def test_a_job_whose_result_nobody_reads_is_done(csv: Path, tmp_path: Path) -> None:
    with start("encode", csv, "--out", tmp_path / "out", "--text", "title") as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait() == 0
    assert (tmp_path / "out" / "manifest.json").exists()
