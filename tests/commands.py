"""Runs jobs as commands: in this process where only flags, messages and exit codes matter, in a process of their own where more does."""

import importlib
import json
import os
import re
import signal
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from jobs.__main__ import JOBS
from jobs.cli.command import run_command
from jobs.cli.parse import parse

ROOT = Path(__file__).parent.parent


def hide(*packages: str) -> str:
    """A prelude for a process in which packages are not installed."""
    return f"""
import importlib.util
HIDDEN = {set(packages)!r}
class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] in HIDDEN:
            raise ModuleNotFoundError(f'No module named {{name!r}}', name=name)
sys.meta_path.insert(0, Hidden())
_find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *a: None if name in HIDDEN else _find(name, *a)
"""


HIDE_TORCH = hide("torch", "einops", "jinja2", "matplotlib", "scipy", "sklearn")
"""A prelude for a process without what training needs."""

_EACH = """
import contextlib, importlib, io, json
from jobs.cli.command import run_command
for module, config, job, *tokens in json.load(sys.stdin):
    out, err, code = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            module = importlib.import_module(module)
            run_command(job, getattr(module, config), module.run, module.render, tokens)
        except SystemExit as stop:
            code = stop.code
    print(json.dumps([code, out.getvalue(), err.getvalue()]))
"""


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
        return [line for line in self.err.splitlines() if not re.match(r"[\dT:-]+ [a-z]+( \d+)?  ", line)]

    @property
    def error(self) -> str:
        """The last line on standard error, which must be the error's."""
        line = self.err.rstrip("\n").rpartition("\n")[2]
        assert line.startswith("error: "), self.err
        return line


def _job(job: str) -> tuple[Any, type[Any]]:
    module_name, config_name, _ = JOBS[job]
    module = importlib.import_module(module_name)
    return module, getattr(module, config_name)


def run_here(job: str, *tokens: object) -> dict[str, Any]:
    """Run a job in this process and give its report; what it raises is raised, and what it says is said."""
    module, config_type = _job(job)
    config = parse(job, config_type, [str(token) for token in tokens])
    report: dict[str, Any] = module.run(config)
    return report


def call_here(capsys: pytest.CaptureFixture[str], job: str, *tokens: object) -> Done:
    """Run a job in this process as a command."""
    module, config_type = _job(job)
    handler = signal.getsignal(signal.SIGTERM)
    capsys.readouterr()
    code = 0
    with mock.patch.dict(os.environ):
        try:
            run_command(job, config_type, module.run, module.render, [str(token) for token in tokens])
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


def write_charmill(folder: Path) -> Path:
    """Write the console script as an installation has it: a file in a folder of its own, which is what Python puts first on its path."""
    module, _, function = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"][
        "charmill"
    ].partition(":")
    script = folder / "charmill"
    lines = [
        f"#!{sys.executable} -Werror",
        f"from {module} import {function}",
        "if __name__ == '__main__':",
        f"    {function}()",
        "",
    ]
    script.write_text("\n".join(lines))
    script.chmod(0o755)
    return script


def call_charmill(*tokens: object, folder: Path, cwd: Path, env: Mapping[str, str] | None = None) -> Done:
    """Run the console script from a folder of its own."""
    command = [str(write_charmill(folder)), *map(str, tokens)]
    done = subprocess.run(command, capture_output=True, cwd=cwd, env=environment(env), check=False)
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())


def call_each(*commands: Sequence[object], prelude: str = "", env: Mapping[str, str] | None = None) -> list[Done]:
    """Run several jobs one after another in one process of their own; a command begins with the job's name."""
    given = [[*JOBS[str(job)][:2], job, *tokens] for job, *tokens in commands]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", f"import sys\n{prelude}\n{_EACH}"],
        input=json.dumps(given, default=str),
        capture_output=True,
        text=True,
        env=environment(env),
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [Done(*json.loads(line)) for line in done.stdout.splitlines()]


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
