"""Staging: one writer at a time, in a folder of its own that is gone afterwards unless it can be gone on with."""

import errno
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from pipeline.errors import InputError, LawError, TemporaryError, UsageError
from pipeline.storage.staging import clear_stage, exclusive, staging
from tests.commands import ROOT, files_in


def make_folder(folder: Path, content: str) -> Path:
    folder.mkdir(parents=True)
    (folder / f"{content}.txt").write_text(content)
    return folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_staging_is_empty_whatever_a_killed_job_left(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "target"
    left = target.with_name(".target.partial")
    make_folder(left / "folder", "old")
    (left / "file").write_text("old")
    (left / "lock").write_text("")
    (left / "link").symlink_to(tmp_path)
    with staging(target) as stage:
        assert names(stage) == ["lock"]
        assert stage.parent == target.parent
    assert names(target.parent) == []
    assert tmp_path.exists()


def test_the_second_writer_is_told_to_wait_and_disturbs_nothing(tmp_path: Path) -> None:
    target = tmp_path / "target"
    with staging(target) as stage:
        (stage / "mine").write_text("x")
        with pytest.raises(TemporaryError, match="another charmill process"), staging(target):
            pytest.fail("two hold it")
        assert names(stage) == ["lock", "mine"]
    with staging(target):
        pass


def test_another_process_is_told_too(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from pipeline.storage.staging import staging; from pipeline.errors import TemporaryError\n"
        "try:\n    with staging(Path(sys.argv[1])): print('held')\n"
        "except TemporaryError as error: print('told', error.exit_code)"
    )
    with staging(tmp_path / "target"):
        done = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / "target")], cwd=ROOT, capture_output=True, text=True, check=True
        )
    assert done.stdout == "told 75\n"


@pytest.mark.parametrize("step", ["mkdir", "iterdir"])
def test_a_folder_that_another_process_is_just_removing_is_busy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def removed(self: Path, *_: object, **__: object) -> None:
        raise FileExistsError(errno.EEXIST, "x") if step == "mkdir" else FileNotFoundError(errno.ENOENT, "x")

    monkeypatch.setattr(Path, step, removed)
    with pytest.raises(TemporaryError, match="another charmill process"), staging(tmp_path / "target"):
        pytest.fail("it has no folder")


def test_a_file_in_the_way_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / ".target.partial").write_text("x")
    with pytest.raises(UsageError, match=r"cannot write.* a file; move it away"), staging(tmp_path / "target"):
        pytest.fail("it has no folder")


@pytest.mark.parametrize("is_there", [True, False])
def test_a_link_in_the_way_is_not_followed(tmp_path: Path, is_there: bool) -> None:
    if is_there:
        make_folder(tmp_path / "mine", "precious")
    (tmp_path / ".target.partial").symlink_to(tmp_path / "mine")
    before = files_in(tmp_path)
    with pytest.raises(UsageError, match="a link; move it away"), staging(tmp_path / "target"):
        pytest.fail("it has no folder")
    assert files_in(tmp_path) == before
    assert (tmp_path / ".target.partial").is_symlink()


def test_a_folder_of_something_else_is_not_cleared(tmp_path: Path) -> None:
    make_folder(tmp_path / ".target.partial", "precious")
    before = files_in(tmp_path)
    with (
        pytest.raises(UsageError, match=r"a folder with 'precious\.txt' and no lock.*; move it away"),
        staging(tmp_path / "target"),
    ):
        pytest.fail("it has no folder")
    assert files_in(tmp_path) == before


def test_an_empty_folder_is_one_that_was_just_made(tmp_path: Path) -> None:
    (tmp_path / ".target.partial").mkdir()
    with staging(tmp_path / "target") as stage:
        assert names(stage) == ["lock"]
    assert names(tmp_path) == []


def test_what_cannot_be_removed_keeps_its_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or the next one would take it for a folder of something else."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, "x")

    with staging(tmp_path / "target") as stage:
        (stage / "file").write_text("x")
        monkeypatch.setattr(Path, "unlink", refuse)
    assert names(stage) == ["file", "lock"]


def test_the_root_of_all_folders_is_no_target() -> None:
    with pytest.raises(UsageError, match="name a path below it"), staging(Path("/")):
        pytest.fail("it has no name")


def test_an_address_is_no_target() -> None:
    with (
        pytest.raises(UsageError, match="an address and no file; name a file or a folder"),
        staging(Path("s3://bucket/x.parquet")),
    ):
        pytest.fail("that would be a folder called s3:")


def test_an_exception_leaves_nothing(tmp_path: Path) -> None:
    def fail(stage: Path) -> None:
        make_folder(stage / "half", "x")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), staging(tmp_path / "target") as stage:
        fail(stage)
    assert names(tmp_path) == []


INTERRUPTIONS = [KeyboardInterrupt(), MemoryError(), TemporaryError("x"), OSError(errno.ENOSPC, "full")]


def break_off(target: Path, error: BaseException, *, with_progress: bool) -> None:
    with suppress(type(error), TemporaryError, UsageError), staging(target, progress="progress") as stage:
        make_folder(stage / "folder", "half")
        if with_progress:
            (stage / "progress").write_text("x")
        raise error


@pytest.mark.parametrize("error", INTERRUPTIONS, ids=repr)
def test_progress_outlives_an_interruption(tmp_path: Path, error: BaseException) -> None:
    target = tmp_path / "target"
    break_off(target, error, with_progress=False)
    assert names(tmp_path) == []
    break_off(target, error, with_progress=True)
    with staging(target, progress="progress") as stage:
        assert names(stage) == ["folder", "lock", "progress"]
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    "error",
    [UsageError("x"), InputError("x"), LawError("x"), ZeroDivisionError(), OSError(errno.EACCES, "no")],
    ids=repr,
)
def test_progress_does_not_outlive_what_would_happen_again(tmp_path: Path, error: BaseException) -> None:
    break_off(tmp_path / "target", error, with_progress=True)
    assert names(tmp_path) == []


def test_progress_is_for_those_who_ask(tmp_path: Path) -> None:
    break_off(tmp_path / "target", KeyboardInterrupt(), with_progress=True)
    with staging(tmp_path / "target") as stage:
        assert names(stage) == ["lock"]


def test_clearing_leaves_what_is_to_be_kept(tmp_path: Path) -> None:
    for name in ("a/b/keep", "a/b/drop", "a/drop", "c/drop", "keep", "drop", "lock"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "link").symlink_to(ROOT)
    clear_stage(tmp_path, [tmp_path / "a" / "b" / "keep", tmp_path / "keep"])
    assert list(files_in(tmp_path)) == ["a/b/keep", "keep", "lock"]
    clear_stage(tmp_path)
    assert names(tmp_path) == ["lock"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_temporary_and_leaves_nothing(tmp_path: Path, number: int) -> None:
    with pytest.raises(TemporaryError, match="free some space") as caught, staging(tmp_path / "target"):
        raise OSError(number, os.strerror(number))
    assert caught.value.path == tmp_path / "target"
    assert names(tmp_path) == []


def test_a_file_that_may_not_grow_is_temporary(tmp_path: Path) -> None:
    """A real limit of the system instead of a made-up error, through Arrow and numpy too."""
    source = tmp_path / "a.csv"
    source.write_text("text,label\n" + "".join(f"title {number},x\n" for number in range(20_000)))
    code = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from tests.building import build; from pipeline.storage.staging import staging; from pipeline.errors import TemporaryError\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, resource.RLIM_INFINITY))\n"
        "try:\n    with staging(Path(sys.argv[2])) as stage: build(stage, [Path(sys.argv[1])], shard_rows=10**6)\n"
        "except TemporaryError as error: print(error.exit_code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(source), str(tmp_path / "target")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr, done.returncode) == ("75\n", "", 0)
    assert names(tmp_path) == ["a.csv"]


def test_a_folder_that_may_not_be_made_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="cannot write"), staging(tmp_path / "file" / "target"):
        pytest.fail("there is no such folder")


def test_exclusive_holds_a_folder(tmp_path: Path) -> None:
    with exclusive(tmp_path), pytest.raises(TemporaryError), exclusive(tmp_path):
        pytest.fail("two hold it")
    with exclusive(tmp_path):
        pass


def test_something_else_in_the_place_of_the_lock_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / ".lock").mkdir()
    with pytest.raises(UsageError, match=r"\.lock: cannot lock"), exclusive(tmp_path):
        pytest.fail("there is no lock")
