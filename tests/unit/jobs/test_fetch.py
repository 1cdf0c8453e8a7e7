"""The fetch job: its flags, its report, and its exit codes."""

import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

from jobs.cli.flags import CommonConfig
from jobs.cli.parse import parse
from jobs.fetch import DATASETS, FetchConfig, RemoteDataset, RemoteFile, render, run
from pipeline.errors import InputError, MissingError, TemporaryError, UsageError
from pipeline.storage.staging import exclusive
from tests.commands import call_here
from tests.web_server import Answer, WebServer, closed_port, md5_of, serving

Capsys = pytest.CaptureFixture[str]
FILES = {"train.csv": random.Random(1).randbytes(200_000), "test.csv": random.Random(2).randbytes(20_000)}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[WebServer]:
    """Serves two small files."""
    monkeypatch.setenv("NO_PROXY", "*")
    with serving() as web_server:
        web_server.files = dict(FILES)
        yield web_server


def _fetch(server: WebServer, **flags: Any) -> dict[str, Any]:
    """Run the job, with those two files as the data set."""
    files = tuple(RemoteFile(name=name, md5=md5_of(content)) for name, content in FILES.items())
    dataset = RemoteDataset(url=server.base, files=files, folder_variable="AGNEWS_DIR")
    return run(FetchConfig("agnews", **flags), datasets={"agnews": dataset}, wait_seconds=0)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "data" / "agnews"


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_downloads_and_reports(server: WebServer, out: Path) -> None:
    report = _fetch(server, out=out)
    assert report.pop("seconds") >= 0
    assert report == {
        "dataset": "agnews",
        "files": {"train.csv": "downloaded", "test.csv": "downloaded"},
        "bytes": 220_000,
        "bytes_received": 220_000,
        "outputs": [str(out / "train.csv"), str(out / "test.csv")],
    }
    assert {name: (out / name).read_bytes() for name in FILES} == FILES
    assert names_in(out) == {*FILES, ".lock"}
    text = render(report | {"seconds": 1.5})
    assert re.search(r"^train.csv +downloaded$", text, re.MULTILINE)
    assert re.search(r"^bytes +220,000$", text, re.MULTILINE)


def test_each_file_has_its_outcome(server: WebServer, out: Path) -> None:
    out.mkdir(parents=True)
    (out / "test.csv").write_bytes(FILES["test.csv"])
    server.script = [Answer(breaks_after=50_000)]
    report = _fetch(server, out=out)
    assert report["files"] == {"train.csv": "resumed", "test.csv": "already there"}
    assert report["bytes_received"] == 200_000
    assert server.ranges == ["", "bytes=50000-"]


def test_breaks_and_goes_on_in_the_next_run(server: WebServer, out: Path) -> None:
    server.default = Answer(breaks_after=10_000)
    with pytest.raises(TemporaryError, match="20,000 bytes are kept: run it again to go on from there"):
        _fetch(server, out=out, retries=2)
    server.default = Answer()
    report = _fetch(server, out=out)
    assert report["files"] == {"train.csv": "resumed", "test.csv": "downloaded"}
    assert report["bytes_received"] == 200_000
    assert (out / "train.csv").read_bytes() == FILES["train.csv"]
    assert server.ranges == ["", "bytes=10000-", "bytes=20000-", ""]


def test_leaves_alone_what_is_there(server: WebServer, out: Path) -> None:
    out.mkdir(parents=True)
    for name, content in FILES.items():
        (out / name).write_bytes(content)
    report = _fetch(server, out=out, common=CommonConfig(overwrite=True))
    assert set(report["files"].values()) == {"already there"}
    assert report["bytes_received"] == 0
    assert server.requests == []
    assert names_in(out) == set(FILES)  # no lock: such a folder may be read-only


def test_refuses_a_foreign_file_before_the_first_byte(server: WebServer, out: Path) -> None:
    out.mkdir(parents=True)
    (out / "test.csv").write_bytes(b"mine")
    with pytest.raises(UsageError, match="another file is there"):
        _fetch(server, out=out)
    assert server.requests == []
    assert names_in(out) == {"test.csv"}

    report = _fetch(server, out=out, common=CommonConfig(overwrite=True))
    assert set(report["files"].values()) == {"downloaded"}
    assert (out / "test.csv").read_bytes() == FILES["test.csv"]


def test_a_wrong_file_leaves_those_before_it(server: WebServer, out: Path) -> None:
    server.files["test.csv"] = b"something else"
    with pytest.raises(InputError, match=f"expected md5 {md5_of(FILES['test.csv'])}, got {md5_of(b'something else')}"):
        _fetch(server, out=out)
    assert names_in(out) == {"train.csv", ".lock"}


def test_says_how_to_do_it_by_hand(server: WebServer, out: Path) -> None:
    server.files = {}
    with pytest.raises(MissingError) as caught:
        _fetch(server, out=out)
    assert str(caught.value) == (
        f"{server.base}/train.csv: the server answered 404 Not Found; "
        f"to do it by hand, put train.csv and test.csv into {out} and set AGNEWS_DIR={out}"
    )


def test_a_mirror(server: WebServer, out: Path) -> None:
    server.files = {f"mirror/{name}": content for name, content in FILES.items()}
    _fetch(server, out=out, url=f"{server.base}/mirror/")
    assert [path for path, _ in server.requests] == ["/mirror/train.csv", "/mirror/test.csv"]


def test_two_at_once_do_not_mix(server: WebServer, out: Path) -> None:
    out.mkdir(parents=True)
    with exclusive(out), pytest.raises(TemporaryError, match="another charmill process"):
        _fetch(server, out=out)
    assert server.requests == []


def test_out_is_a_file(server: WebServer, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UsageError, match=r"file: cannot write"):
        _fetch(server, out=tmp_path / "file")


def test_flags() -> None:
    tokens = ["agnews", "--out", "x", "--url", "http://h", "--timeout-seconds", "3", "--retries", "1", "--overwrite"]
    config = parse("fetch", FetchConfig, tokens)
    assert config == FetchConfig(
        "agnews", out=Path("x"), url="http://h", timeout_seconds=3, retries=1, common=CommonConfig(overwrite=True)
    )
    assert parse("fetch", FetchConfig, ["agnews"]) == FetchConfig("agnews", out=Path("data/agnews"))


@pytest.mark.parametrize(
    "tokens",
    [
        [],
        ["imdb"],
        ["agnews", "--url", "ftp://h"],
        ["agnews", "--timeout-seconds", "0"],
        ["agnews", "--timeout-seconds", "nan"],
        ["agnews", "--timeout-seconds", "inf"],
        ["agnews", "--retries", "0"],
    ],
)
def test_flags_that_make_no_sense(tokens: list[str]) -> None:
    with pytest.raises(UsageError):
        parse("fetch", FetchConfig, tokens)


def test_the_flag_knows_the_data_sets_of_the_table() -> None:
    annotated = get_type_hints(FetchConfig)["dataset"]
    assert set(get_args(annotated)) == set(DATASETS)


@pytest.mark.parametrize(
    ("answer", "code", "message"),
    [
        (Answer(status=404), 69, "404 Not Found; to do it by hand"),
        (Answer(status=500), 75, "500 Internal Server Error"),
        (Answer(breaks_after=1000), 75, "1,000 bytes are kept"),
        (Answer(), 65, "expected md5 b1a00f826fdfbd249f79597b59e1dc12, got "),
    ],
)
def test_exit_codes(server: WebServer, out: Path, answer: Answer, code: int, message: str, capsys: Capsys) -> None:
    server.default = answer
    done = call_here(capsys, "fetch", "agnews", "--out", out, "--url", server.base, "--retries", 1)
    assert (done.code, done.out) == (code, "")
    assert re.fullmatch(rf"error: {re.escape(server.base)}/train\.csv: .*{re.escape(message)}.*\n", done.err)


def test_exit_code_when_nobody_listens(out: Path, capsys: Capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    done = call_here(capsys, "fetch", "agnews", "--out", out, "--url", f"http://127.0.0.1:{closed_port()}")
    assert done.code == 69
    assert re.fullmatch(r"error: http://127\.0\.0\.1:\d+/train\.csv: cannot reach .*AGNEWS_DIR=.*\n", done.err)


def test_exit_code_of_a_foreign_file(out: Path, capsys: Capsys) -> None:
    out.mkdir(parents=True)
    (out / "train.csv").write_bytes(b"mine")
    done = call_here(capsys, "fetch", "agnews", "--out", out)
    assert done.code == 2
    assert re.fullmatch(r"error: .*train\.csv: another file is there: .*--overwrite to replace it\n", done.err)
