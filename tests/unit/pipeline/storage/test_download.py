"""Downloads against a server that breaks off, forgets ranges, lies and refuses."""

import errno
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.errors import InputError, MissingError, TemporaryError, UsageError
from pipeline.storage.download import CONNECT_SECONDS, Outcome, Patience, Show, download, is_there, open_client
from tests.web_server import CONTENT, ETAG, Answer, WebServer, closed_port, md5_of, serving

IMPATIENT = Patience(timeout_seconds=5, attempts=3, wait_seconds=0)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[WebServer]:
    monkeypatch.setenv("NO_PROXY", "*")
    with serving() as web_server:
        yield web_server


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "file.csv"


def partial_of(target: Path) -> Path:
    return target.with_name(f".{target.name}.partial")


def fetch(
    server: WebServer,
    target: Path,
    patience: Patience = IMPATIENT,
    *,
    show: Show | None = None,
    overwrite: bool = False,
) -> Outcome:
    url = f"{server.base}/file.csv"
    return download(url, target, md5_of(CONTENT), patience=patience, show=show, overwrite=overwrite)


def assert_published(target: Path) -> None:
    assert target.read_bytes() == CONTENT
    assert list(target.parent.iterdir()) == [target]


def assert_nothing_left(target: Path) -> None:
    assert list(target.parent.iterdir()) == []


def test_whole(server: WebServer, target: Path) -> None:
    seen: list[tuple[int, int]] = []
    outcome = fetch(server, target, show=lambda there, received: seen.append((there, received)))
    assert outcome == "downloaded"
    assert_published(target)
    assert server.ranges == [""]
    assert seen == sorted(seen)
    assert len(seen) > 1
    assert seen[-1] == (len(CONTENT), len(CONTENT))


def test_is_published_only_when_it_is_durable(server: WebServer, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[tuple[int, bool]] = []
    fsync = os.fsync

    def spy(descriptor: int) -> None:
        fsync(descriptor)
        synced.append((os.fstat(descriptor).st_size, target.exists()))

    monkeypatch.setattr(os, "fsync", spy)
    fetch(server, target)
    assert synced[0] == (len(CONTENT), False)
    assert synced[-1][1]


def test_goes_on_after_a_break(server: WebServer, target: Path) -> None:
    server.script = [Answer(breaks_after=100_000)]
    assert fetch(server, target) == "resumed"
    assert_published(target)
    assert server.ranges == ["", "bytes=100000-"]
    assert server.requests[1][1]["if-range"] == ETAG


def test_keeps_what_came_when_it_always_breaks(server: WebServer, target: Path) -> None:
    server.default = Answer(breaks_after=50_000)
    with pytest.raises(TemporaryError, match=r"broke off.*attempts: 3.*150,000 bytes are kept: run it again") as caught:
        fetch(server, target)
    assert caught.value.exit_code == 75
    assert server.ranges == ["", "bytes=50000-", "bytes=100000-"]
    assert not target.exists()
    assert partial_of(target).read_bytes() == CONTENT[:150_000]

    server.default = Answer()
    seen: list[tuple[int, int]] = []
    outcome = fetch(server, target, show=lambda there, received: seen.append((there, received)))
    assert outcome == "resumed"
    assert server.ranges[3:] == ["bytes=150000-"]
    assert seen[-1] == (len(CONTENT), 150_000)
    assert_published(target)


def test_silence_is_a_break(server: WebServer, target: Path) -> None:
    with socket.socket() as mute:  # the kernel accepts the connection, and nobody ever answers it
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        with pytest.raises(TemporaryError, match=r"timed out \(attempts: 2\); run it again later"):
            download(
                f"http://127.0.0.1:{mute.getsockname()[1]}/file.csv",
                target,
                md5_of(CONTENT),
                patience=Patience(timeout_seconds=0.05, attempts=2, wait_seconds=0),
            )
    assert_nothing_left(target)


@pytest.mark.parametrize("seconds", [1.0, 60.0])
def test_every_wait_is_bounded(seconds: float) -> None:
    with open_client("http://127.0.0.1", Patience(timeout_seconds=seconds)) as client:
        assert client.timeout.read == seconds
        assert client.timeout.connect == min(seconds, CONNECT_SECONDS)


def test_starts_from_zero_when_the_server_knows_no_ranges(server: WebServer, target: Path) -> None:
    server.script = [Answer(breaks_after=100_000), Answer(knows_ranges=False)]
    assert fetch(server, target) == "downloaded"
    assert_published(target)
    assert server.ranges == ["", "bytes=100000-"]


def test_starts_from_zero_when_the_file_has_changed(server: WebServer, target: Path) -> None:
    server.script = [Answer(breaks_after=100_000, content=CONTENT[::-1], headers={"ETag": '"before"'})]
    assert fetch(server, target) == "downloaded"
    assert server.requests[1][1]["if-range"] == '"before"'
    assert_published(target)


def test_a_weak_tag_is_no_promise(server: WebServer, target: Path) -> None:
    date = "Mon, 01 Jan 2024 00:00:00 GMT"
    server.script = [Answer(breaks_after=9, headers={"ETag": 'W/"828"', "Last-Modified": date})]
    fetch(server, target)
    assert server.requests[1][1]["if-range"] == date
    assert_published(target)


@pytest.mark.parametrize("extra", [0, 7])
def test_starts_from_zero_when_the_server_has_nothing_there(server: WebServer, target: Path, extra: int) -> None:
    partial_of(target).write_bytes(bytes(len(CONTENT) + extra))
    assert fetch(server, target, Patience(attempts=1)) == "downloaded"
    assert server.ranges == [f"bytes={len(CONTENT) + extra}-", ""]
    assert_published(target)


def test_publishes_what_a_killed_process_had_completed(server: WebServer, target: Path) -> None:
    partial_of(target).write_bytes(CONTENT)
    assert fetch(server, target) == "resumed"
    assert server.requests == []
    assert_published(target)


@pytest.mark.parametrize(("old", "shift"), [(bytes(1000), 0), (CONTENT[:1000], 5)])
def test_starts_from_zero_when_the_pieces_do_not_fit(server: WebServer, target: Path, old: bytes, shift: int) -> None:
    partial_of(target).write_bytes(old)
    server.script = [Answer(shift=shift)]
    assert fetch(server, target) == "downloaded"
    assert server.ranges == ["bytes=1000-", ""]
    assert_published(target)


@pytest.mark.parametrize("broken_off", [False, True])
def test_wrong_file(server: WebServer, target: Path, broken_off: bool) -> None:
    wrong = b"<html>Please log in</html>"
    server.default = Answer(content=wrong)
    server.script = [Answer(content=wrong, breaks_after=5)] if broken_off else []
    with pytest.raises(InputError, match=f"expected md5 {md5_of(CONTENT)}, got {md5_of(wrong)}") as caught:
        fetch(server, target)
    assert caught.value.exit_code == 65
    assert len(server.requests) == (3 if broken_off else 1)
    assert_nothing_left(target)


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_refused(server: WebServer, target: Path, status: int) -> None:
    server.default = Answer(status=status)
    with pytest.raises(MissingError, match=f"the server answered {status} [A-Z]") as caught:
        fetch(server, target)
    assert caught.value.exit_code == 69
    assert len(server.requests) == 1
    assert_nothing_left(target)


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_asked_to_come_later(server: WebServer, target: Path, status: int) -> None:
    server.default = Answer(status=status)
    with pytest.raises(TemporaryError, match=rf"answered {status} .*\(attempts: 3\); run it again later") as caught:
        fetch(server, target)
    assert caught.value.exit_code == 75
    assert len(server.requests) == 3
    assert_nothing_left(target)


def test_comes_later_and_succeeds(server: WebServer, target: Path) -> None:
    server.script = [Answer(status=503), Answer(breaks_after=10)]
    assert fetch(server, target) == "resumed"
    assert_published(target)


def test_waits_longer_each_time(server: WebServer, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr("tenacity.nap.time.sleep", waits.append)
    server.default = Answer(status=500)
    with pytest.raises(TemporaryError):
        fetch(server, target, Patience(attempts=4, wait_seconds=0.25))
    assert waits == [0.25, 0.5, 1.0]


def test_host_is_not_reachable(server: WebServer, target: Path) -> None:
    url = f"http://127.0.0.1:{closed_port()}/file.csv"
    with pytest.raises(MissingError, match=r"cannot reach 127\.0\.0\.1: .*refused") as caught:
        download(url, target, md5_of(CONTENT), patience=IMPATIENT)
    assert str(caught.value).startswith(url)
    assert "\n" not in str(caught.value)
    assert_nothing_left(target)


def test_host_goes_away_in_the_middle(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    with serving() as server:
        server.script = [Answer(breaks_after=1000)]

        def close(_there: int, _received: int) -> None:
            server.socket.close()

        with pytest.raises(TemporaryError, match=r"1,000 bytes are kept") as caught:
            fetch(server, target, show=close)
    assert "refused" in str(caught.value)
    assert partial_of(target).read_bytes() == CONTENT[:1000]


def test_follows_redirects(server: WebServer, target: Path) -> None:
    server.script = [Answer(status=302, headers={"Location": "/file.csv?moved"}), Answer(content=CONTENT)]
    assert fetch(server, target) == "downloaded"
    assert [path for path, _ in server.requests] == ["/file.csv", "/file.csv?moved"]
    assert_published(target)


@pytest.mark.parametrize("location", ["/file.csv", "ftp://127.0.0.1/file.csv"])
def test_leads_nowhere(server: WebServer, target: Path, location: str) -> None:
    server.default = Answer(status=302, headers={"Location": location})
    with pytest.raises(MissingError, match="it leads nowhere"):
        fetch(server, target)


@pytest.mark.parametrize("url", ["http://127.0.0.1:port/f", "http://a..b/f", "http://\x7f/f"])
def test_no_address(server: WebServer, target: Path, url: str) -> None:
    with pytest.raises(UsageError, match="it is not a web address"):
        download(url, target, md5_of(CONTENT), patience=IMPATIENT)


@pytest.mark.parametrize(
    ("variable", "value"),
    [("HTTP_PROXY", "foo://127.0.0.1"), ("HTTP_PROXY", "http://127.0.0.1:port"), ("SSL_CERT_FILE", "/no/such/file")],
)
def test_environment_makes_no_sense(
    server: WebServer, target: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv(variable, value)
    with pytest.raises(MissingError, match=r"cannot prepare a connection: .*; check the proxy and SSL_CERT_FILE"):
        fetch(server, target)


def test_asks_for_the_bytes_as_they_are(server: WebServer, target: Path) -> None:
    fetch(server, target)
    assert server.requests[0][1]["accept-encoding"] == "identity"


def test_already_there(server: WebServer, target: Path) -> None:
    target.write_bytes(CONTENT)
    before = target.stat()
    assert is_there(target, md5_of(CONTENT))
    assert fetch(server, target) == "already there"
    assert server.requests == []
    assert (target.stat().st_ino, target.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_another_file_is_there(server: WebServer, target: Path) -> None:
    target.write_bytes(b"mine")
    with pytest.raises(UsageError, match=r"another file is there: expected md5 .*, got .*--overwrite") as caught:
        fetch(server, target)
    assert caught.value.exit_code == 2
    assert server.requests == []
    assert target.read_bytes() == b"mine"

    assert not is_there(target, md5_of(CONTENT), overwrite=True)
    assert fetch(server, target, overwrite=True) == "downloaded"
    assert_published(target)


def test_a_failure_leaves_the_file_to_overwrite(server: WebServer, target: Path) -> None:
    target.write_bytes(b"mine")
    server.default = Answer(content=b"wrong")
    with pytest.raises(InputError):
        fetch(server, target, overwrite=True)
    assert target.read_bytes() == b"mine"


def test_a_folder_is_there(server: WebServer, target: Path) -> None:
    target.mkdir()
    with pytest.raises(UsageError, match="it is a folder"):
        fetch(server, target, overwrite=True)


def test_disk_is_full(server: WebServer, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(TemporaryError, match=r"cannot write: No space left on device; free some space"):
        fetch(server, target)
    assert len(server.requests) == 1
    assert not target.exists()
