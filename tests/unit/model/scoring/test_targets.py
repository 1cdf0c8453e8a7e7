"""Where scores go, and which outputs are refused with what to do instead."""

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from model.scoring.targets import find_targets, format_of, stream_quarantine
from pipeline.errors import UsageError
from pipeline.records.quarantine import SCHEMA
from pipeline.storage.source import Source, find_sources


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a.csv", "b.tsv.gz", "c.2024.txt"):
        (folder / name).write_text("title\n")
    return folder


def _sources(folder: Path, *names: str) -> list[Source]:
    return find_sources(str(folder / name) for name in names)


def _quarantine(path: Path) -> Path:
    pq.write_table(pa.table([[] for _ in SCHEMA], schema=SCHEMA), path, store_schema=False)
    return path


@pytest.mark.parametrize(
    ("out", "asked", "form"),
    [
        ("s.parquet", None, "parquet"),
        ("s.csv", None, "csv"),
        ("s.CSV", None, "csv"),
        ("s.jsonl", None, "jsonl"),
        ("s.ndjson", None, "jsonl"),
        ("folder", None, "parquet"),
        ("folder", "csv", "csv"),
        ("s.ndjson", "jsonl", "jsonl"),
        (None, None, "csv"),
        (None, "jsonl", "jsonl"),
    ],
)
def test_the_format_is_what_is_asked_for_or_what_the_name_says(out: str | None, asked: str | None, form: str) -> None:
    assert format_of(Path(out) if out else None, asked) == form  # type: ignore[arg-type]


def test_formats_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--out-format csv or jsonl"):
        format_of(None, "parquet")
    with pytest.raises(UsageError, match=r"s\.csv: the name is that of csv, and --out-format says parquet"):
        format_of(Path("s.csv"), "parquet")
    (tmp_path / "s.csv").mkdir()
    assert format_of(tmp_path / "s.csv", None) == "parquet"


def test_a_folder_gets_a_file_for_each_source_in_the_format(inputs: Path, tmp_path: Path) -> None:
    sources = _sources(inputs, "a.csv", "b.tsv.gz", "c.2024.txt")
    out = tmp_path / "out"
    for form, ending in (("parquet", ".parquet"), ("csv", ".csv"), ("jsonl", ".jsonl")):
        targets = find_targets(out, form, sources, overwrite=False)  # type: ignore[arg-type]
        assert targets == [out / f"{stem}{ending}" for stem in ("a", "b", "c.2024")]
    out.mkdir()
    assert find_targets(out, "csv", sources[:1], overwrite=False) == [out / "a.csv"]
    assert find_targets(out / "x.csv", "csv", sources[:1], overwrite=False) == [out / "x.csv"]


@pytest.mark.parametrize("name", ["s3.csv", "s3.parquet", "s3.jsonl"])
def test_a_folder_is_not_named_like_a_file(name: str, inputs: Path, tmp_path: Path) -> None:
    sources = _sources(inputs, "a.csv", "c.2024.txt")
    with pytest.raises(UsageError, match=rf"{name}: 2 CSVs cannot go into one file; name a folder"):
        find_targets(tmp_path / name, "csv", sources, overwrite=True)
    (tmp_path / name).mkdir()
    assert find_targets(tmp_path / name, "csv", sources, overwrite=False)[0] == tmp_path / name / "a.csv"


@pytest.mark.parametrize(
    ("out", "message"),
    [
        (
            "/dev/stdout",
            "^--out /dev/stdout: it is standard output and no file; write to standard output with --out -, as in ",
        ),
        ("/dev/fd/1", "a stream and no file; .* --out -"),
        ("/proc/self/fd/1", "a stream and no file"),
        ("/dev/null", "a device and no file; .* --out - > NAME"),
        ("pipe", "a pipe and no file; .* --out - > "),
        ("s.json", r"scores are written as \.parquet, \.csv, \.jsonl, \.ndjson"),
        ("s.csv.gz", "scores are written as"),
    ],
)
def test_what_is_no_file_is_refused(out: str, message: str, inputs: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match=message):
        find_targets(tmp_path / out, "csv", _sources(inputs, "a.csv"), overwrite=True)


def test_an_input_is_not_replaced(inputs: Path, tmp_path: Path) -> None:
    sources = _sources(inputs, "a.csv")
    os.link(inputs / "a.csv", tmp_path / "linked.csv")
    (tmp_path / "link.csv").symlink_to(inputs / "a.csv")
    outs = [inputs / "a.csv", inputs, tmp_path / "linked.csv", tmp_path / "link.csv"]
    for out in outs:
        with pytest.raises(UsageError, match="it is an input, and an output would replace it"):
            find_targets(out, "csv", sources, overwrite=True)
    os.link(inputs / "a.csv", tmp_path / "s.quarantine.parquet")
    with pytest.raises(UsageError, match=r"s\.quarantine\.parquet: it is an input"):
        find_targets(tmp_path / "s.csv", "csv", sources, overwrite=True)


def test_the_quarantine_of_scores_in_another_format_is_not_replaced_unasked(inputs: Path) -> None:
    sources = _sources(inputs, "a.csv")
    quarantine = _quarantine(inputs / "a.quarantine.parquet")
    out = inputs / "a.parquet"
    assert find_targets(out, "parquet", sources, overwrite=False) == [
        out
    ]  # Left by a run that failed; a.csv is the input.
    (inputs / "a.jsonl").write_text("")
    with pytest.raises(UsageError, match=rf"{quarantine}: it is the quarantine of .*a\.jsonl"):
        find_targets(out, "parquet", sources, overwrite=False)
    assert find_targets(out, "parquet", sources, overwrite=True) == [out]


def test_the_quarantine_of_standard_output_is_here_and_replaces_nothing_unasked(
    inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert stream_quarantine(Source("-", "stdin"), overwrite=False) == Path("stdin.quarantine.parquet")
    (source,) = _sources(inputs, "b.tsv.gz")
    quarantine = stream_quarantine(source, overwrite=False)
    assert quarantine == Path("b.quarantine.parquet")
    _quarantine(quarantine)
    with pytest.raises(
        UsageError, match=r"b\.quarantine\.parquet: .* exists already; move it away, or add --overwrite"
    ):
        stream_quarantine(source, overwrite=False)
    assert stream_quarantine(source, overwrite=True) == quarantine
