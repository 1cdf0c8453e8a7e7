"""The predict job: texts on the command line, lines on standard input."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from model.classifier import Classifier
from tests.commands import call, call_here, environment, python, start
from tests.datasets import LABELS, shared_run, titles, write_csv

Capsys = pytest.CaptureFixture[str]
TITLES = [title for _, title in titles(300, seed=5)]


def _scores(tmp_path: Path, texts: list[str]) -> list[dict[str, Any]]:
    """What `jobs.score` says of the same texts."""
    csv = write_csv(tmp_path / "in.csv", [(text,) for text in texts], header="text")
    out = tmp_path / "scores.parquet"
    done = call("score", csv, "--run", shared_run(), "--out", out, "--probabilities")
    assert done.code == 0, done.err
    rows: list[dict[str, Any]] = pq.read_table(out).to_pylist()
    return rows


def _lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.split("\n")[:-1]]


def test_a_line_is_answered_as_score_answers_a_row(tmp_path: Path) -> None:
    done = call("predict", "--run", shared_run(), "--top", 2, stdin="\n".join(TITLES).encode())
    assert (done.code, done.said) == (0, []), done.err
    results = _lines(done.out)
    assert [result["text"] for result in results] == TITLES
    for result, row in zip(results, _scores(tmp_path, TITLES), strict=True):
        assert (result["prediction"], result["confidence"]) == (
            row["prediction"],
            pytest.approx(row["confidence"], rel=1e-7),
        )
        best = sorted(zip(LABELS, row["probabilities"], strict=True), key=lambda pair: -pair[1])[:2]
        assert [(each["label"], pytest.approx(each["probability"], rel=1e-7)) for each in result["top"]] == best


def test_tab_separated_lines_are_the_same_answers() -> None:
    stdin = "\n".join(TITLES[:20]).encode()
    results = _lines(call("predict", "--run", shared_run(), "--top", 3, stdin=stdin).out)
    done = call("predict", "--run", shared_run(), "--top", 3, "--format", "tsv", stdin=stdin)
    expected = [
        [result["text"], *(f"{value}" for each in result["top"] for value in (each["label"], each["probability"]))]
        for result in results
    ]
    got = [line.split("\t") for line in done.out.split("\n")[:-1]]
    assert [
        [field if index % 2 or not index else str(float(field)) for index, field in enumerate(line)] for line in got
    ] == expected


@pytest.mark.parametrize("form", ["jsonl", "tsv"])
def test_lines_in_are_lines_out(form: str) -> None:
    lines = [
        b"otter",
        b"",
        b"  \t ",
        b"tab\there",
        b"back\\slash",
        b"bro\xffken",
        "\x85 \u2028 x".encode(),
        b'"quoted"',
        b"\r",
        b"end",
    ]
    done = call("predict", "-", "--run", shared_run(), "--format", form, stdin=b"\r\n".join(lines))
    assert done.code == 65
    assert len(done.out.split("\n")[:-1]) == len(lines)
    if form == "jsonl":
        results = _lines(done.out)
        texts, classes = [result["text"] for result in results], [result["prediction"] for result in results]
    else:
        rows = [line.split("\t") for line in done.out.split("\n")[:-1]]
        texts = [
            row[0].encode().decode("unicode_escape").encode("latin-1").decode() if "\\" in row[0] else row[0]
            for row in rows
        ]
        classes = [row[1] or None for row in rows]
    assert texts == [line.decode(errors="replace") for line in lines]
    assert [each is None for each in classes] == [False, True, True, False, False, True, False, False, True, False]
    assert (
        "4 of 10 lines have no class (blank_text 3, invalid_encoding 1), the first damaged one is line 6; convert"
        in done.error
    )


def test_blank_lines_are_told_and_no_error() -> None:
    done = call("predict", "--run", shared_run(), stdin=b"otter\n\n")
    assert done.code == 0
    assert done.err.rstrip().endswith("predict  lines 2  blank 1")


def test_an_open_pipe_is_answered_as_lines_come() -> None:
    process = start("predict", "--run", shared_run(), stdin=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    with process:
        for text in ("otter and newt", "chisel and awl"):
            process.stdin.write(f"{text}\n".encode())
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["text"] == text
        process.stdin.write(b"no end of line")
        process.stdin.close()
        assert json.loads(process.stdout.readline())["text"] == "no end of line"
        assert process.stdout.read() == b""
    assert process.returncode == 0


def test_whoever_reads_one_line_ends_it_quietly() -> None:
    words = " ".join([*python("predict"), "--run", str(shared_run())])
    command = f"yes otter | {words} | head -1; exit ${{PIPESTATUS[1]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, env=environment(), check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["text"] == "otter"


def test_no_line_no_answer() -> None:
    done = call("predict", "--run", shared_run())
    assert (done.code, done.out, done.said) == (0, "", [])


def test_memory_does_not_grow_with_the_input() -> None:
    measure = "import atexit, resource; atexit.register(lambda: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr))"
    peaks = []
    for num_lines in (1_000, 400_000):
        done = call(
            "predict",
            "--run",
            shared_run(),
            "--threads",
            1,
            prelude=measure,
            stdin=b"an otter in the old mill\n" * num_lines,
        )
        assert done.code == 0
        peaks.append(int(done.err.splitlines()[-1]) / 1024)
    assert peaks[1] - peaks[0] < 60, peaks


def test_texts_on_the_command_line_make_a_table(capsys: Capsys) -> None:
    run = shared_run()
    done = call_here(capsys, "predict", "otter and newt", " ", "x" * 90, "--run", run)
    assert done.code == 0
    expected = Classifier.load(run, threads=1).predict(["otter and newt"])[0]
    head, first, blank, long = done.out.splitlines()
    assert head.split() == ["text", "class", "confidence"]
    assert first.split()[:-1] == ["otter", "and", "newt", expected]
    assert first.endswith("%")
    assert blank.split() == ["-", "-"]
    assert long.startswith("x" * 59 + "…  ")
    done = call_here(capsys, "predict", "otter and newt", "awl", "--run", run, "--top", 2)
    assert [line.startswith(" ") for line in done.out.splitlines()] == [False, False, True, False, True]


def test_texts_on_the_command_line_as_json(capsys: Capsys) -> None:
    texts = ["otter\u2028and newt", "", "two\nlines"]
    done = call_here(capsys, "predict", *texts, "--run", shared_run(), "--json", "--top", 9)
    report = done.report
    assert (report["rows_in"], report["rows_out"], report["rows_quarantined"]) == (3, 2, 1)
    assert [result["text"] for result in report["results"]] == texts
    assert [result["prediction"] is None for result in report["results"]] == [False, True, False]
    assert report["results"][1] == {"text": "", "prediction": None, "confidence": None, "top": None}
    assert {each["label"] for each in report["results"][0]["top"]} == set(LABELS)
    assert report["engine"] == "folded on cpu"
    done = call_here(capsys, "predict", *texts, "--run", shared_run(), "--format", "jsonl", "--top", 9)
    assert _lines(done.out) == report["results"]


def test_a_text_may_look_like_a_flag(capsys: Capsys) -> None:
    done = call_here(capsys, "predict", "--run", shared_run(), "--json", "--", "--otter", "-")
    assert [result["text"] for result in done.report["results"]] == ["--otter", "-"]


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        (["a", "--top", "0"], "--top 0: expected 1 or more"),
        (["a", "--json", "--format", "tsv"], "--json prints one object for all texts; leave it out with --format tsv"),
        (["--json"], "leave it out with standard input, where --format jsonl is the default"),
        (["-", "--json"], "leave it out with standard input"),
        (["a", "--engine", "folded", "--device", "cuda"], "--device cuda goes with --engine torch"),
        (["a", "--run", "nowhere"], "nowhere"),
    ],
)
def test_what_makes_no_sense_is_a_usage_error(tokens: list[str], message: str, capsys: Capsys) -> None:
    done = call_here(capsys, "predict", *tokens, *([] if "--run" in tokens else ["--run", shared_run()]))
    assert (done.code, done.out) == (2, "")
    assert message in done.error


def test_what_is_no_text_is_bad_input() -> None:
    done = call("predict", "--run", shared_run(), stdin="otter\n".encode("utf-16"))
    assert (done.code, done.out) == (65, "")
    assert "UTF-16" in done.error
