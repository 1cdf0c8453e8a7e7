"""What counts as a drop, and when its content may be trusted."""

import os
import time
from pathlib import Path

import pytest

from jobs.drops.inbox import FOLDER, HIDDEN, LINK, OTHER_ENDING, SPECIAL, hash_file, is_drop_name, list_inbox
from pipeline.errors import TemporaryError, UsageError
from pipeline.storage.source import Source


@pytest.mark.parametrize("name", ["a.csv", "a.CSV", "a.csv.gz", "a.csv.zst", "a.tsv", "a b.Csv.GZ"])
def test_drop_names(name: str) -> None:
    assert is_drop_name(name)


@pytest.mark.parametrize(
    "name", [".a.csv", "a.csv.tmp", "a.csv.part", "a.csv.crdownload", "a.txt", "csv", "a.csv.done", "a.csv.bz2", ".csv"]
)
def test_names_that_are_no_drops(name: str) -> None:
    assert not is_drop_name(name)


def test_what_is_no_drop_is_passed_over_with_a_reason(tmp_path: Path) -> None:
    outside = tmp_path / "outside.csv"
    outside.write_text("text\nsecret\n")
    inbox = tmp_path / "in"
    (inbox / "folder.csv").mkdir(parents=True)
    (inbox / "link.csv").symlink_to(outside)
    (inbox / "dangling.csv").symlink_to("nowhere")
    os.mkfifo(inbox / "pipe.csv")
    (inbox / "a.csv").write_text("text\na\n")
    for name in (".hidden.csv", "notes.txt", "b.csv.part"):
        (inbox / name).write_text("text\na\n")
    listing = list_inbox(inbox)
    assert [file.name for file in listing.files] == ["a.csv"]
    assert {each.name: each.why for each in listing.passed_over} == {
        ".hidden.csv": HIDDEN,
        "b.csv.part": OTHER_ENDING,
        "dangling.csv": LINK,
        "folder.csv": FOLDER,
        "link.csv": LINK,
        "notes.txt": OTHER_ENDING,
        "pipe.csv": SPECIAL,
    }


def test_a_file_that_became_a_link_is_not_read(tmp_path: Path) -> None:
    outside = tmp_path / "outside.csv"
    outside.write_text("text\nsecret\n")
    path = tmp_path / "in" / "a.csv"
    path.parent.mkdir()
    path.write_text("text\na\n")
    (file,) = list_inbox(path.parent).files
    path.unlink()
    path.symlink_to(outside)
    with pytest.raises(TemporaryError):
        hash_file(file)
    with pytest.raises(TemporaryError), Source(str(path), "a.csv", follow_links=False).open():
        pass


def test_a_file_that_became_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("text\na\n")
    (file,) = list_inbox(tmp_path).files
    path.unlink()
    os.mkfifo(path)
    assert hash_file(file) is None


def test_the_signature_changes_with_any_touch(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("text\na\n")
    (before,) = list_inbox(tmp_path).files
    assert list_inbox(tmp_path).files == [before]
    status = path.stat()
    time.sleep(0.02)
    path.write_text("text\nb\n")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    (after,) = list_inbox(tmp_path).files
    assert after.signature != before.signature
    assert hash_file(before) is None
    assert hash_file(after) is not None


def test_a_hash_is_remembered_only_when_a_later_change_would_show(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.csv").write_text("text\na\n")
    (file,) = list_inbox(tmp_path).files
    fresh = hash_file(file)
    assert fresh is not None
    assert not fresh[1]
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 10)
    assert hash_file(file) == (fresh[0], True)


def test_ready_suffix(tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv", "b.csv.done", "c.csv.done"):
        (tmp_path / name).write_text("text\na\n")
    listing = list_inbox(tmp_path, ".done")
    assert [(file.name, file.is_signalled) for file in listing.files] == [("b.csv", True)]
    assert [(each.name, each.why) for each in listing.passed_over] == [("a.csv", "no .done file beside it yet")]
    assert [(file.name, file.is_signalled) for file in list_inbox(tmp_path).files] == [
        ("a.csv", False),
        ("b.csv", False),
    ]


def test_a_missing_inbox_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no such inbox"):
        list_inbox(tmp_path / "nowhere")


def test_a_name_that_is_not_utf8(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/a\xff.csv"))
    path.write_text("text\na\n")
    (file,) = list_inbox(tmp_path).files
    assert (file.name, file.key) == ("a\ufffd.csv", b"a\xff.csv")
