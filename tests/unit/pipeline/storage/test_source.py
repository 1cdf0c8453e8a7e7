"""Sources: every way of naming and packing an input gives its text, and counts and hashes what is stored."""

import gzip
import hashlib
import io
import os
import sys
from pathlib import Path

import pytest
import zstandard

from pipeline.errors import InputError, UsageError
from pipeline.storage.source import Source, find_sources
from pipeline.storage.streams import pass_over
from tests.reading import read_stream

TEXT = b"label,title\n" + b"1,some title that packs well\n" * 1000


def read_all(path: Path | str, num_bytes: int = 1000) -> tuple[bytes, Source]:
    source = Source(str(path), "name")
    with source.open() as stream:
        return read_stream(stream, num_bytes), source


def _gzip_members(data: bytes) -> bytes:
    half = len(data) // 2
    return gzip.compress(data[:half]) + gzip.compress(data[half:])


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.compress, _gzip_members])
@pytest.mark.parametrize("num_bytes", [1, 1000, 1 << 20])
def test_text_comes_out_and_the_stored_file_is_counted(tmp_path: Path, pack: object, num_bytes: int) -> None:
    stored = pack(TEXT)  # type: ignore[operator]
    path = tmp_path / "any-name-will-do"
    path.write_bytes(stored)

    text, source = read_all(path, num_bytes)

    assert text == TEXT
    assert source.size_bytes == source.bytes_read == len(stored)
    assert source.sha256 == hashlib.sha256(stored).hexdigest()


def test_hash_covers_what_the_consumer_did_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(TEXT)
    source = Source(str(path), "a")
    with source.open() as stream:
        stream.readinto(memoryview(bytearray(3)))
    assert source.sha256 == hashlib.sha256(TEXT).hexdigest()


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress])
def test_cut_off_data_is_an_input_error_wherever_it_is_cut(tmp_path: Path, pack: object) -> None:
    stored = pack(b"hello, hello, hello\n")  # type: ignore[operator]
    for length in range(4, len(stored)):
        path = tmp_path / "cut"
        path.write_bytes(stored[:length])
        with pytest.raises(InputError, match="damaged or cut off"):
            read_all(path)


def test_damaged_data_is_an_input_error(tmp_path: Path) -> None:
    stored = bytearray(gzip.compress(os.urandom(5000)))
    stored[2000] ^= 0xFF
    path = tmp_path / "damaged.gz"
    path.write_bytes(stored)
    with pytest.raises(InputError, match=r"damaged\.gz: the gzip data is damaged") as caught:
        read_all(path)
    assert caught.value.path == str(path)


@pytest.mark.parametrize("stored", [TEXT, gzip.compress(TEXT)])
def test_standard_input_may_be_compressed_too(monkeypatch: pytest.MonkeyPatch, stored: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stored)))
    text, source = read_all("-")
    assert text == TEXT
    assert (source.size_bytes, source.bytes_read) == (0, len(stored))
    assert not sys.stdin.buffer.closed


def test_what_cannot_be_opened_is_a_usage_error(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nothing"):
        with pytest.raises(UsageError, match="cannot read"):
            read_all(path)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("b.csv", "a.csv", "c[1].csv", "sub/a.csv", "dir.csv/x"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("patterns", "paths"),
    [
        (["b.csv", "a.csv"], ["b.csv", "a.csv"]),
        (["[ab].csv"], ["a.csv", "b.csv"]),
        (["*.csv"], ["a.csv", "b.csv", "c[1].csv"]),
        (["c[1].csv"], ["c[1].csv"]),  # A file of that very name comes before a pattern.
        (["**/a.csv"], ["a.csv", "sub/a.csv"]),
        (["b.csv", "a*.csv", "-"], ["b.csv", "a.csv", "-"]),
    ],
)
@pytest.mark.usefixtures("folder")
def test_paths_and_patterns(patterns: list[str], paths: list[str]) -> None:
    assert [source.path for source in find_sources(patterns)] == paths


@pytest.mark.usefixtures("folder")
def test_names_are_file_names_unless_two_would_be_the_same() -> None:
    assert [source.name for source in find_sources(["sub/a.csv", "b.csv", "-"])] == ["a.csv", "b.csv", "stdin"]
    assert [source.name for source in find_sources(["sub/a.csv", "a.csv"])] == ["sub/a.csv", "a.csv"]


def test_a_file_name_may_be_any_bytes(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/caf\xe9.csv"
    Path(os.fsdecode(path)).write_bytes(TEXT)
    (source,) = find_sources([os.fsdecode(path)])
    assert source.name == "caf\ufffd.csv"
    assert read_all(source.path)[0] == TEXT


@pytest.mark.parametrize(
    ("patterns", "message"),
    [
        (["nothing.csv"], "there is no such file"),
        (["x*.csv"], "no file matches"),
        (["sub"], r"it is a folder; name its files, as in 'sub/\*\.csv'"),
        (["a.csv", "[a].csv"], r"a\.csv: it is named twice"),
        (["-", "-"], "named twice"),
        ([], "no input"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_refused(patterns: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        find_sources(patterns)


def test_what_can_be_read_again_is_a_regular_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link to a pipe").symlink_to(tmp_path / "pipe")
    reader, writer = os.pipe()
    assert not Source(f"/dev/fd/{reader}", "x").is_file  # As `<(...)` of a shell.
    os.close(reader)
    os.close(writer)
    assert {path.name for path in tmp_path.iterdir() if Source(str(path), path.name).is_file} == {"file", "link"}
    assert not Source("-", "stdin").is_file
    assert not Source(str(tmp_path / "none"), "none").is_file


def test_a_stored_file_or_its_beginning_is_hashed(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    data = bytes(range(256)) * 10_000
    path.write_bytes(data)
    source = Source(str(path), "a.csv")
    for num_bytes in (None, 0, 1, 1 << 20, (1 << 20) + 5, len(data), len(data) + 1):
        assert source.hash_stored(num_bytes) == hashlib.sha256(data[:num_bytes]).hexdigest()
    path.unlink()
    with pytest.raises(UsageError):
        source.hash_stored()


def test_a_hash_that_is_known_is_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(TEXT)
    source = Source(str(path), "a")
    assert source.hash_stored(20_000, keep_at=15_000) == hashlib.sha256(TEXT[:20_000]).hexdigest()
    path.write_bytes(b"x" * 15_000 + TEXT[15_000:])  # Which is not looked at again.
    with source.open() as stream:
        assert pass_over(stream, 15_000) == 15_000
        assert read_stream(stream, 1000) == TEXT[15_000:]
    assert source.sha256 == hashlib.sha256(TEXT).hexdigest()
    assert source.bytes_read == len(TEXT)
