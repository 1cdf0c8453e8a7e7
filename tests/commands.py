"""Runs jobs as commands: in this process where only flags, messages and exit codes matter, in a process of their own where more does."""

import importlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from jobs.cli.command import run_command

ROOT = Path(__file__).parent.parent

_CONFIGS = {
    "encode": "EncodeConfig",
    "train": "TrainJobConfig",
    "score": "ScoreConfig",
    "drops": "DropsJobConfig",
    "export": "ExportConfig",
    "report": "ReportConfig",
    "bench": "BenchConfig",
}


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def report(self) -> dict[str, Any]:
        """The JSON object on standard output, which must be all there is."""
        report: dict[str, Any] = json.loads(self.out)
        return report

    @property
    def said(self) -> list[str]:
        """The lines on standard error that are no log lines; a slow machine has more of those."""
        return [line for line in self.err.splitlines() if not re.match(r"\d\d:\d\d:\d\d [a-z]+( \d+)?  ", line)]

    @property
    def error(self) -> str:
        """The last line on standard error, which must be the error's."""
        line = self.err.rstrip("\n").rpartition("\n")[2]
        assert line.startswith("error: "), self.err
        return line


def call_here(capsys: pytest.CaptureFixture[str], job: str, *tokens: object) -> Done:
    """Run a job in this process."""
    folder = ROOT / "jobs" / job
    part = ".command" if (folder / "command.py").exists() else ".__main__" if folder.is_dir() else ""
    module = importlib.import_module(f"jobs.{job}{part}")
    handler = signal.getsignal(signal.SIGTERM)
    capsys.readouterr()
    code = 0
    with mock.patch.dict(os.environ):
        try:
            run_command(
                job, getattr(module, _CONFIGS[job]), module.run, module.render, [str(token) for token in tokens]
            )
        except SystemExit as stop:
            code = int(stop.code or 0)
        finally:
            signal.signal(signal.SIGTERM, handler)
    shown = capsys.readouterr()
    return Done(code, shown.out, shown.err)


def python(job: str, prelude: str = "") -> list[str]:
    """The command line of a job; with a prelude, that is run first in the same process."""
    strict = [sys.executable, "-W", "error"]
    if not prelude:
        return [*strict, "-m", f"jobs.{job}"]
    return [
        *strict,
        "-c",
        f"import runpy, sys\n{prelude}\nsys.argv[0] = {job!r}\nrunpy.run_module('jobs.{job}', run_name='__main__', alter_sys=True)",
    ]


def environment(env: Mapping[str, str] | None = None) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CHARMILL_")}
    return clean | {"PYTHONPATH": str(ROOT), "NO_COLOR": "1"} | dict(env or {})


def call(
    job: str,
    *tokens: object,
    prelude: str = "",
    env: Mapping[str, str] | None = None,
    stdin: bytes = b"",
    cwd: Path = ROOT,
    timeout: float = 120,
) -> Done:
    """Run a job in a process of its own and wait for it."""
    done = subprocess.run(
        [*python(job, prelude), *map(str, tokens)],
        input=stdin,
        capture_output=True,
        env=environment(env),
        cwd=cwd,
        timeout=timeout,
        check=False,
    )
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())


def start(job: str, *tokens: object, prelude: str = "", stdin: int = subprocess.DEVNULL) -> "subprocess.Popen[bytes]":
    """Start a job in a process of its own."""
    return subprocess.Popen(
        [*python(job, prelude), *map(str, tokens)],
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
        cwd=ROOT,
    )


def has_traceback(said: bytes) -> bool:
    """Whether a traceback was shown.

    An interrupt may hit between the opening of a file and the block that closes it. Then Python closes it, and says so only because these
    processes make errors of warnings.
    """
    ignored = rb"Exception ignored in: <_io\.FileIO [^\n]*\nTraceback \(most recent call last\):\n(?: [^\n]*\n)*ResourceWarning: [^\n]*\n"
    return b"Traceback" in re.sub(ignored, b"", said)


def files_in(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, hidden ones too, by its path."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
