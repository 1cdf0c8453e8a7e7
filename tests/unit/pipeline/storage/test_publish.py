"""Publishing: the old whole or the new whole, durably, and nothing unasked."""

import errno
import os
import sys
from pathlib import Path

import pytest

from pipeline.errors import UsageError
from pipeline.storage import publish
from pipeline.storage.publish import exchange, publish_file, publish_folder, require_new_file
from pipeline.storage.staging import staging


@pytest.fixture(params=["exchange", "fallback"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways of replacing a folder: in one step on Linux, and in two elsewhere."""
    if request.param == "fallback":
        monkeypatch.setattr(publish, "exchange", lambda *_: False)
    return str(request.param)


def make_folder(folder: Path, content: str) -> Path:
    folder.mkdir(parents=True)
    (folder / f"{content}.txt").write_text(content)
    return folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.usefixtures("way")
def test_a_folder_appears_whole_and_replaces_the_old_one(tmp_path: Path) -> None:
    target = tmp_path / "target"
    publish_folder(make_folder(tmp_path / "stage" / "first", "first"), target)
    assert names(target) == ["first.txt"]
    with staging(target) as stage:
        publish_folder(make_folder(stage / "dataset", "second"), target)
    assert names(target) == ["second.txt"]
    assert names(tmp_path) == ["stage", "target"]


@pytest.mark.usefixtures("way")
def test_an_empty_folder_may_be_there(tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    publish_folder(make_folder(tmp_path / "stage", "new"), tmp_path / "target")
    assert names(tmp_path / "target") == ["new.txt"]


def test_both_ways_are_what_they_say(tmp_path: Path, way: str) -> None:
    staged, target = make_folder(tmp_path / "stage", "new"), make_folder(tmp_path / "target", "old")
    inode = target.stat().st_ino
    publish_folder(staged, target)
    assert (staged.exists() and staged.stat().st_ino == inode) == (way == "exchange")


def test_what_the_system_cannot_exchange_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outer, other = make_folder(tmp_path / "outer", "old"), make_folder(tmp_path / "other", "new")
    assert not exchange(
        outer, make_folder(outer / "inner", "new")
    )  # The kernel answers EINVAL, as some file systems do.
    monkeypatch.setattr(sys, "platform", "elsewhere")
    assert not exchange(outer, other)
    assert (names(outer), names(other)) == (["inner", "old.txt"], ["new.txt"])


def test_the_fallback_puts_the_old_one_back_if_the_new_one_cannot_take_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish, "exchange", lambda *_: False)
    staged, target = make_folder(tmp_path / "stage", "new"), make_folder(tmp_path / "target", "old")
    rename = Path.replace

    def refuse(self: Path, goal: Path) -> Path:
        if self == staged:
            raise OSError(errno.ENOSPC, "full")
        return rename(self, goal)

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(OSError, match="full"):
        publish_folder(staged, target)
    assert names(target) == ["old.txt"]


def test_publish_file_replaces(tmp_path: Path) -> None:
    staged, target = tmp_path / "a", tmp_path / "b"
    staged.write_text("new")
    target.write_text("old")
    publish_file(staged, target)
    assert (target.read_text(), staged.exists()) == ("new", False)


def test_names_are_made_durable_after_the_rename_and_content_before_it(tmp_path: Path, steps: list[str]) -> None:
    publish_folder(make_folder(tmp_path / "stage", "new"), tmp_path / "target")
    assert steps == ["sync stage", "rename stage", f"sync {tmp_path.name}"]


def test_a_file_is_not_replaced_unasked(tmp_path: Path) -> None:
    target = tmp_path / "file"
    require_new_file(target, overwrite=False)
    target.write_text("x")
    require_new_file(target, overwrite=True)
    with pytest.raises(UsageError, match="--overwrite"):
        require_new_file(target, overwrite=False)
    with pytest.raises(UsageError, match=r"it is a folder; name a file such as a\.txt$"):
        require_new_file(tmp_path, overwrite=True, example="a.txt")


@pytest.mark.parametrize(
    ("out", "kind"),
    [
        ("-", "standard output"),
        ("/dev/stdout", "standard output"),
        ("/dev/fd/1", "a stream"),
        ("/proc/self/fd/2", "a stream"),
        ("/dev/null", "a device"),
        ("pipe", "a pipe"),
    ],
)
def test_what_no_file_can_take_the_place_of_is_refused(
    out: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    with pytest.raises(UsageError, match=f"^--onnx {out}: it is {kind} and no file; name a file$"):
        require_new_file(Path(out), overwrite=True, flag="--onnx")
    require_new_file(tmp_path / "-.txt", overwrite=False)
