"""An encode that is killed or out of space, and run again, keeps its finished shards and gives the bytes of one that was not."""

import json
import os
import random
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.building import journal
from pipeline.formats.csv import scanner
from tests.commands import ROOT, Done, call, call_here, environment, files_in, python, run_here, start
from tests.crash.kills import kill_at, killed_states, one_of_each_kind
from tests.datasets import make_csv

Capsys = pytest.CaptureFixture[str]
Rerun = Callable[..., Done]

SMALL_BLOCKS = """
from pipeline.building import journal
from pipeline.formats.csv import scanner
scanner.BLOCK_RECORDS, journal.PROGRESS_SECONDS = 15, 0
"""

SLOW = f"""
import time
from pipeline.formats.csv import csv_block
{SMALL_BLOCKS}
_rows = csv_block.CsvBlock.rows
csv_block.CsvBlock.rows = lambda *a: (time.sleep(0.02), _rows(*a))[1]
"""
FLAGS: list[object] = [
    *("--text", "title", "--valid-fraction", 0.5),
    *("--max-length", 16, "--shard-rows", 12, "--threads", 1),
]
NAMES = ("a.csv", "b.csv")


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two files with something for the quarantine at their beginning, in the middle and at their end."""
    folder = tmp_path_factory.mktemp("originals")
    paths = [make_csv(folder / name, 45, seed) for seed, name in enumerate(NAMES)]
    for path in paths:
        header, *lines = path.read_text().splitlines()
        lines[20:20] = ["bad in the middle", ",no label"]
        path.write_text("\n".join([header, "bad first", *lines, "bad last"]) + "\n")
    return paths


@pytest.fixture
def csvs(originals: list[Path], tmp_path: Path) -> list[Path]:
    """The two files, to be changed."""
    return [Path(shutil.copy(path, tmp_path)) for path in originals]


@pytest.fixture
def encode(capsys: Capsys, monkeypatch: pytest.MonkeyPatch) -> Rerun:
    """Encodes in this process, with small blocks too, and gives the report."""
    use_small_blocks(monkeypatch)

    def run(*tokens: object) -> Done:
        return call_here(capsys, "encode", *tokens, *FLAGS, "--json")

    return run


def use_small_blocks(patch: pytest.MonkeyPatch) -> None:
    """As `SMALL_BLOCKS` does."""
    patch.setattr(journal, "PROGRESS_SECONDS", 0)
    patch.setattr(scanner, "BLOCK_RECORDS", 15)


@pytest.fixture(scope="module")
def states(originals: list[Path], tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Folders as they were before each change of a job of both files by their names; `out` is what it makes."""
    folder = tmp_path_factory.mktemp("encode") / "folder"
    folder.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        use_small_blocks(patch)
        patch.chdir(originals[0].parent)
        return killed_states(folder, lambda: run_here("encode", *NAMES, "--out", folder / "out", *FLAGS))


@pytest.fixture(scope="module")
def append_states(originals: list[Path], tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """As `states`, of a job that adds the second file to a dataset of the first."""
    folder = tmp_path_factory.mktemp("append") / "folder"
    folder.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        use_small_blocks(patch)
        patch.chdir(originals[0].parent)
        run_here("encode", NAMES[0], "--out", folder / "out", *FLAGS)
        return killed_states(folder, lambda: run_here("encode", NAMES[1], "--append", "--out", folder / "out", *FLAGS))


def write_corrections(folder: Path) -> Path:
    """A third file, which has other labels for some texts of the first one."""
    lines = (folder / NAMES[0]).read_text().splitlines()[2:12]
    path = folder / "corrections.csv"
    path.write_text("label,title\n" + "".join(f"corrected,{line.partition(',')[2]}\n" for line in lines))
    return path


def test_corrections_killed_at_each_change(csvs: list[Path], tmp_path: Path, encode: Rerun) -> None:
    """The dataset is the old one or the new one, with files that are linked and files that are not, and the old one stays what it was."""
    write_corrections(tmp_path)
    folder = tmp_path / "folder"
    folder.mkdir()
    assert encode(*csvs, "--out", folder / "out").code == 0
    before = files_in(folder / "out")
    tokens: list[object] = [tmp_path / "corrections.csv", "--append", "--new-labels", "--on-conflict", "replace"]
    shutil.copytree(folder / "out", tmp_path / "whole")
    report = encode(*tokens, "--out", tmp_path / "whole").report
    assert (report["conflicts"]["texts"], report["conflicts"]["rows_relabelled"]) == (10, 10)
    whole = files_in(tmp_path / "whole")
    changed = {name for name in before if name.endswith("labels.npy") and before[name] != whole[name]}
    assert changed
    assert len(changed) < sum(name.endswith("labels.npy") for name in before)
    shutil.copytree(folder / "out", tmp_path / "linked", copy_function=os.link)
    is_published = []
    for state in killed_states(folder, lambda: run_here("encode", *tokens, "--out", folder / "out", *FLAGS)):
        out = state / "out"
        is_published.append(files_in(out) == whole)
        assert is_published[-1] or files_in(out) == before, state.name
        report = encode(*tokens, "--out", out).report
        assert report["conflicts"]["rows_relabelled"] == (0 if is_published[-1] else 10)
        assert files_in(out) == whole, state.name
        assert left_beside(out) == []
    assert is_published == sorted(is_published)
    assert set(is_published) == {False, True}
    assert files_in(folder / "out") == whole
    assert files_in(tmp_path / "linked") == before


def progress_of(out: Path) -> dict[str, Any] | None:
    path = out.with_name(f".{out.name}.partial") / "progress.json"
    if not path.exists():
        return None
    content: dict[str, Any] = json.loads(path.read_bytes().partition(b"\n")[2])
    return content


def finished_inodes(out: Path) -> dict[str, int]:
    """The finished shards' files that a killed job left and that will not be written again."""
    stage, progress = out.with_name(f".{out.name}.partial"), progress_of(out)
    names = [shard[kind] for shard in (progress["shards"] if progress else []) for kind in ("codes", "rows")]
    return {name: (stage / "dataset" / name).stat().st_ino for name in names if (stage / "dataset" / name).exists()}


def left_beside(out: Path) -> list[str]:
    return [path.name for path in out.parent.iterdir() if path.name.startswith(".")]


def test_a_kill_leaves_what_the_copies_have(
    states: list[Path], append_states: list[Path], originals: list[Path], tmp_path: Path
) -> None:
    killed = set()
    for of_job, tokens in ((append_states, [NAMES[1], "--append"]), (states, [*NAMES])):
        for kind, number in one_of_each_kind(of_job).items():
            if kind in killed:
                continue
            killed.add(kind)
            folder = tmp_path / kind
            folder.mkdir()
            if of_job is append_states:
                shutil.copytree(of_job[0] / "out", folder / "out")
            flags = ["--out", folder / "out", *FLAGS]
            kill_at(number, "encode", *tokens, *flags, setup=SMALL_BLOCKS, cwd=originals[0].parent)
            assert files_in(folder) == files_in(of_job[number]), (kind, number)
    assert killed == {"fsync", "link", "replace", "rename", "unlink", "exchange", "rmtree"}


def test_killed_at_each_change(
    states: list[Path], csvs: list[Path], tmp_path: Path, encode: Rerun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(csvs[0].parent)
    assert encode(*NAMES, "--out", tmp_path / "whole").report["rows_quarantined"] == 8
    whole = files_in(tmp_path / "whole")
    assert len([name for name in whole if "codes" in name]) >= 6
    assert len(states) > 30
    reused, is_published = set(), []
    for state in states:
        out = Path(shutil.copytree(state, tmp_path / state.name)) / "out"
        is_published.append(out.exists())
        if is_published[-1]:
            assert files_in(out) == whole
            assert encode(*NAMES, "--out", out).code == 2
        else:
            inodes = finished_inodes(out)
            report = encode(*NAMES, "--out", out).report
            reused.add(report["rows_reused"])
            assert files_in(out) == whole, state.name
            assert {name: (out / name).stat().st_ino for name in inodes} == inodes
            assert bool(inodes) or not report["rows_reused"]
        assert left_beside(out) == []
    assert is_published == sorted(is_published)
    assert set(is_published) == {False, True}
    assert len(reused) > 2
    assert max(reused) > 49  # In the second file.


def test_an_append_killed_at_each_change(
    append_states: list[Path], csvs: list[Path], tmp_path: Path, encode: Rerun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(csvs[0].parent)
    before = files_in(append_states[0] / "out")
    shutil.copytree(append_states[0] / "out", tmp_path / "whole")
    assert encode(*NAMES, "--append", "--out", tmp_path / "whole").report["sources_skipped"] == ["a.csv"]
    whole = files_in(tmp_path / "whole")
    assert len(append_states) > 30
    reused, is_published = set(), []
    for state in append_states:
        out = Path(shutil.copytree(state, tmp_path / state.name)) / "out"
        inodes = {name: (out / name).stat().st_ino for name in before if name.endswith((".npy", ".rows.parquet"))}
        is_published.append(files_in(out) == whole)
        assert is_published[-1] or files_in(out) == before, state.name
        inodes |= {} if is_published[-1] else finished_inodes(out)
        report = encode(NAMES[1], "--append", "--out", out).report
        reused.add(report["rows_reused"])
        assert report["sources_skipped"] == (["b.csv"] if is_published[-1] else [])
        assert files_in(out) == whole, state.name
        assert {name: (out / name).stat().st_ino for name in inodes} == inodes
        assert left_beside(out) == []
    assert is_published == sorted(is_published)
    assert set(is_published) == {False, True}
    assert max(reused) > 0


def test_a_killed_job_that_reads_a_pipe_by_its_path_starts_again(
    csvs: list[Path], tmp_path: Path, encode: Rerun
) -> None:
    """What it had read of the pipe is gone, and what is compared of the next one would be gone too."""
    data = csvs[0].read_bytes()
    out, whole = tmp_path / "out", tmp_path / "whole"
    tokens: list[object] = ["/dev/stdin", "--out", out, *FLAGS]
    kill_at(24, "encode", *tokens, setup=SMALL_BLOCKS, stdin=data)
    assert any((tmp_path / ".out.partial" / "dataset").iterdir())
    assert progress_of(out) is None
    assert call("encode", *tokens, stdin=data, prelude=SMALL_BLOCKS).code == 0
    shutil.copy(csvs[0], tmp_path / "stdin")
    assert encode(tmp_path / "stdin", "--out", whole).code == 0
    assert files_in(out) == files_in(whole)


@pytest.mark.parametrize("seed", range(2))
def test_killed_again_and_again_at_any_time(seed: int, tmp_path: Path, encode: Rerun) -> None:
    csvs = [make_csv(tmp_path / f"{name}.csv", 300, number) for number, name in enumerate("ab")]
    csvs[0].write_text(csvs[0].read_text().replace(" 17", ' 17"x'))
    assert encode(*csvs, "--out", tmp_path / "whole").code == 0
    choose = random.Random(seed)
    out = tmp_path / "out"
    rows_reused = []
    for _ in range(4):
        process = start("encode", *csvs, "--out", out, *FLAGS, prelude=SLOW)
        deadline = time.monotonic() + 60
        had = finished_inodes(out)
        while finished_inodes(out).keys() <= had.keys() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(choose.random() / 8)
        process.kill()
        process.communicate(timeout=60)
        if out.exists():
            break
        progress = progress_of(out)
        rows_reused.append(progress["mark"]["rows"]["train"] if progress else 0)
    assert rows_reused == sorted(rows_reused)
    if not out.exists():
        assert encode(*csvs, "--out", out).report["rows_reused"] > 0
    assert files_in(out) == files_in(tmp_path / "whole")


@pytest.fixture
def killed(states: list[Path], csvs: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a job of both files, by their names, should have gone that was killed in the second one."""
    monkeypatch.chdir(csvs[0].parent)
    for state in states:
        progress = progress_of(state / "out")
        if progress is not None and progress["mark"]["source"] == 1 and progress["mark"]["place"] is not None:
            return Path(shutil.copytree(state, tmp_path / "killed")) / "out"
    raise AssertionError


def test_whatever_does_not_fit_starts_afresh(killed: Path, csvs: list[Path], tmp_path: Path, encode: Rerun) -> None:
    stage = killed.with_name(f".{killed.name}.partial")
    shutil.copytree(stage, tmp_path / "kept")
    shards = [stage / "scratch" / "train-00000.labels.npy", stage / "dataset" / "valid-00000.codes.npy"]
    shards.append(stage / "dataset" / "train-00001.rows.parquet")
    progress = progress_of(killed)
    assert progress is not None
    parts = [stage / part["name"] for part in progress["parts"]]
    assert parts
    originals = [path.read_bytes() for path in csvs]
    for path in [*shards, *parts, stage / "progress.json", *csvs]:
        data = bytearray(path.read_bytes())
        data[-20] ^= 1
        path.write_bytes(data)
        done = encode(*NAMES, "--out", killed)
        # Of the second file only what was read counts; so small a file was read whole.
        assert done.report["rows_reused"] == 0, path
        encode(*NAMES, "--out", tmp_path / "whole", "--overwrite")
        assert files_in(killed) == files_in(tmp_path / "whole")
        for csv, original in zip(csvs, originals, strict=True):
            csv.write_bytes(original)
        shutil.rmtree(killed)
        shutil.copytree(tmp_path / "kept", stage)
    assert encode(*NAMES, "--out", killed).report["rows_reused"] > 0  # Where nothing was touched.


@pytest.mark.parametrize(
    "flags", [["--split-seed", 1], ["--profile", "ascii"], ["--max-record-bytes", 9999], ["--split", "random"]], ids=str
)
def test_other_flags_start_afresh(killed: Path, tmp_path: Path, encode: Rerun, flags: list[object]) -> None:
    assert encode(*NAMES, "--out", killed, *flags).report["rows_reused"] == 0
    encode(*NAMES, "--out", tmp_path / "whole", *flags)
    assert files_in(killed) == files_in(tmp_path / "whole")
    assert left_beside(killed) == []


def test_what_was_killed_can_become_wrong(killed: Path, encode: Rerun) -> None:
    assert encode(*NAMES, "--out", killed, "--max-quarantined", 0).code == 65
    assert left_beside(killed) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_job_keeps_finished_shards(
    csvs: list[Path], tmp_path: Path, encode: Rerun, number: signal.Signals
) -> None:
    out = tmp_path / "out"
    process = start("encode", *csvs, "--out", out, *FLAGS, prelude=SLOW)
    deadline = time.monotonic() + 60
    while not finished_inodes(out) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(number)
    shown, said = process.communicate(timeout=60)
    assert (process.returncode, shown) == (130, b"")
    lines = said.decode().splitlines()
    assert lines[-1] == "error: interrupted; nothing half-finished was published"
    assert "the same command goes on from there" in lines[-2]
    _require_going_on(csvs, out, tmp_path, encode)


def _require_going_on(csvs: list[Path], out: Path, tmp_path: Path, encode: Rerun) -> None:
    """The same command uses the very files of the finished shards, and ends with the bytes of a run that nobody disturbed."""
    assert not out.exists()
    inodes = finished_inodes(out)
    assert inodes
    assert encode(*csvs, "--out", out).code == 0
    assert {name: (out / name).stat().st_ino for name in inodes} == inodes
    assert encode(*csvs, "--out", tmp_path / "whole").code == 0
    assert files_in(out) == files_in(tmp_path / "whole")


def test_a_full_disk_keeps_finished_shards(csvs: list[Path], tmp_path: Path, encode: Rerun) -> None:
    """RLIMIT_FSIZE stands in for a full disk; shards are small, and the one progress file that is too large breaks off the job."""
    out = tmp_path / "out"
    done = subprocess.run(
        [*python("encode", SMALL_BLOCKS), *map(str, [*csvs, "--out", out, *FLAGS])],
        capture_output=True,
        env=environment(),
        cwd=ROOT,
        timeout=120,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4_000, 4_000)),
    )
    lines = done.stderr.decode().splitlines()
    assert done.returncode == 75, lines
    assert "free some space" in lines[-1]
    assert "the same command goes on from there" in lines[-2]
    _require_going_on(csvs, out, tmp_path, encode)


def test_two_appends_at_once(csvs: list[Path], tmp_path: Path, encode: Rerun) -> None:
    out = tmp_path / "out"
    assert encode(csvs[0], "--out", out).code == 0
    process = start("encode", csvs[1], "--append", "--out", out, *FLAGS, prelude=SLOW)
    deadline = time.monotonic() + 60
    while not left_beside(out) and time.monotonic() < deadline:
        time.sleep(0.01)
    done = encode(csvs[1], "--append", "--out", out)
    assert process.wait(60) == 0
    process.communicate()
    assert done.code == 75
    assert "another charmill process" in done.error
    report = encode(csvs[1], "--append", "--out", out).report
    assert (report["sources_skipped"], report["rows_in"]) == (["b.csv"], 0)
