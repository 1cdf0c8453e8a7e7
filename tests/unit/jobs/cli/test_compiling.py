"""What is said of kernels that are compiled: nothing where they are there already, one line where not."""

import json
from pathlib import Path

from tests.commands import call
from tests.datasets import make_csv

NOTE = "compiling  kernels of this job, once after an installation"


def test_the_first_job_says_that_it_compiles_and_the_second_has_nothing_to_say(tmp_path: Path) -> None:
    csv, env = make_csv(tmp_path / "in.csv", 40), {"NUMBA_CACHE_DIR": str(tmp_path / "kernels")}
    first = call("encode", csv, "--out", tmp_path / "a", "--text", "title", env=env)
    assert first.err.count(NOTE) == 1
    assert "charmill warm-up" in first.err
    second = call("encode", csv, "--out", tmp_path / "b", "--text", "title", env=env)
    assert (second.code, NOTE in second.err) == (0, False)
    assert (tmp_path / "a" / "manifest.json").read_bytes() == (tmp_path / "b" / "manifest.json").read_bytes()


def test_a_machine_is_told_in_its_own_form(tmp_path: Path) -> None:
    csv, env = make_csv(tmp_path / "in.csv", 40), {"NUMBA_CACHE_DIR": str(tmp_path / "kernels")}
    done = call("encode", csv, "--out", tmp_path / "a", "--text", "title", "--log", "json", env=env)
    events = [json.loads(line) for line in done.err.splitlines()]
    assert [event["event"] for event in events].count("compiling") == 1
