"""What a person sees on a terminal, and what a machine reads where there is none."""

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from jobs.cli.console import make_log, metered, print_result, table
from tests.commands import ROOT, environment, python
from tests.datasets import make_csv

Capsys = pytest.CaptureFixture[str]


def test_a_log_line_has_its_fields_in_a_fixed_order(capsys: Capsys) -> None:
    with metered("text", "encode", 200, line_seconds=0) as meter:
        meter.update(50, lambda: {"rows": 12345, "rows/s": 1000, "MB/s": 1.5})
        meter.note("epoch 1", valid_accuracy=0.5, name="x")
    lines = capsys.readouterr().err.splitlines()
    now = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d"
    assert re.fullmatch(rf"{now} encode  done 25%  left 0:00  rows 12,345  rows/s 1,000  MB/s 1\.5", lines[0])
    assert re.fullmatch(rf"{now} epoch 1  valid_accuracy 0\.5  name x", lines[1])


def test_a_log_line_on_a_terminal_has_no_date(capsys: Capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    make_log("text").info("here", rows=3)
    assert re.fullmatch(r"\d\d:\d\d:\d\d here  rows 3\n", capsys.readouterr().err)


def test_log_lines_for_machines_are_json_with_numbers(capsys: Capsys) -> None:
    with metered("json", "encode", 200, line_seconds=0) as meter:
        meter.update(50, lambda: {"rows": 12345})
        meter.note("epoch 1", valid_accuracy=0.5)
    first, second = map(json.loads, capsys.readouterr().err.splitlines())
    assert list(first) == ["timestamp", "level", "event", "done", "seconds_left", "rows"]
    assert (first["done"], first["rows"], first["event"]) == (0.25, 12345, "encode")
    assert second["valid_accuracy"] == 0.5


@pytest.mark.parametrize(("total", "done"), [(0, 10), (10, 0), (10, 20), (0, 0)])
def test_an_unknown_or_wrong_total_does_no_harm(total: float, done: float, capsys: Capsys) -> None:
    with metered("text", "encode", total, line_seconds=0) as meter:
        meter.update(done, lambda: {"rows": 1})
    line = capsys.readouterr().err
    assert ("done 100%  left 0:00" in line) == (done > total > 0)
    assert "rows 1" in line


def test_figures_are_asked_for_only_when_something_is_shown(capsys: Capsys) -> None:
    with metered("text", "encode", 100) as meter:
        for done in range(100):
            meter.update(done, lambda: pytest.fail("nothing is due"))
    assert not capsys.readouterr().err


def test_a_report_is_a_table_or_one_line_of_json(capsys: Capsys) -> None:
    assert table({"rows": 1234567, "share": 0.5, "done": True, "none": None, "files": ["a", "b"]}) == (
        "rows   1,234,567\nshare  0.50\ndone   yes\nnone   -\nfiles  a, b"
    )
    print_result({"name": "é\n"}, as_json=True, render=str)
    assert capsys.readouterr().out == '{"name": "é\\n"}\n'


def _on_terminal(command: list[str], *, when: Callable[[bytes, int], None] | None = None) -> tuple[int, str]:
    """Run a command on a pseudo-terminal of 80 columns; returns its exit code and all that was written."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    env = environment({"TERM": "xterm"})
    process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env=env, cwd=ROOT, close_fds=True)
    os.close(slave)
    written = b""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        ready, _, _ = select.select([master], [], [], 0.05)
        if not ready:
            if process.poll() is not None:
                break
            continue
        try:
            part = os.read(master, 65536)
        except OSError:  # Linux says so when the other side is closed.
            break
        if not part:
            break
        written += part
        if when is not None:
            when(written, process.pid)
    os.close(master)
    return process.wait(timeout=60), written.decode()


def _last_screen(written: str) -> list[str]:
    """The lines that stay, for the few sequences that rich writes."""
    lines, row = [""], 0
    for part in re.findall(r"\x1b\[[0-9;?]*[a-zA-Z]|\r|\n|[^\x1b\r\n]+", written):
        if part == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif part == "\x1b[2K":
            lines[row] = ""
        elif part == "\x1b[1A":
            row -= 1
        elif not part.startswith(("\x1b", "\r")):
            lines[row] += part
    return [line for line in lines if line.strip()]


SLOW = (
    "import time\nfrom pipeline.formats.csv import csv_block, scanner\nscanner.BLOCK_RECORDS = 20\n"
    "_rows = csv_block.CsvBlock.rows\ncsv_block.CsvBlock.rows = lambda *a: (time.sleep(0.03), _rows(*a))[1]"
)


def test_on_a_terminal_there_is_a_bar_and_nothing_of_it_stays(tmp_path: Path) -> None:
    csv = make_csv(tmp_path / "in.csv", 600)
    code, written = _on_terminal([*python("encode", SLOW), str(csv), "--out", str(tmp_path / "out"), "--text", "title"])
    assert code == 0, written
    assert "rows/s" in written
    assert "MB/s" in written
    assert written.rindex("\x1b[?25h") > written.rindex("\x1b[?25l")  # The cursor is back.
    screen = _last_screen(written)
    assert screen[0].startswith("rows in "), screen
    assert not any("MB/s" in line for line in screen)


def test_an_interrupted_bar_leaves_the_terminal_as_it_was(tmp_path: Path) -> None:
    csv = make_csv(tmp_path / "in.csv", 5_000)
    sent: list[bool] = []

    def interrupt(written: bytes, pid: int) -> None:
        if not sent and b"MB/s" in written:
            sent.append(True)
            os.kill(pid, signal.SIGINT)

    command = [*python("encode", SLOW), str(csv), "--out", str(tmp_path / "out"), "--text", "title"]
    code, written = _on_terminal(command, when=interrupt)
    assert code == 130, written
    assert written.rindex("\x1b[?25h") > written.rindex("\x1b[?25l")
    assert _last_screen(written) == ["error: interrupted; nothing half-finished was published"]
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]
