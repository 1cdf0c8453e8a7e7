"""No exception of a library underneath reaches a caller: whatever file is damaged, and however, a job works or ends as charmill ends."""

import random
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.dataset.manifest import FILE_KINDS, read_manifest
from pipeline.dataset.row_texts import read_rows, text_bytes
from pipeline.errors import CharmillError
from pipeline.storage.checksum import sha256_of
from tests.commands import run_here
from tests.datasets import make_csv, make_dataset, make_run, shrink_ngram

READING: list[object] = ["--text", "title", "--threads", 1]
TRAINING: list[object] = ["--epochs", 1, "--batch-size", 64, "--baseline", "none", "--threads", 1]


def _replace(path: Path, make: Callable[[], object]) -> None:
    path.unlink()
    make()


def _flip(seed: int, path: Path) -> None:
    data, choose = bytearray(path.read_bytes()), random.Random(seed)
    for _ in range(3 if data else 0):
        data[choose.randrange(len(data))] ^= 1 << choose.randrange(8)
    path.write_bytes(data)


def _write_npy(path: Path, array: object) -> None:
    with path.open("wb") as file:
        np.save(file, np.asarray(array), allow_pickle=True)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "missing": Path.unlink,
    "empty": lambda path: path.write_bytes(b""),
    "one byte": lambda path: path.write_bytes(b"{"),
    "cut in half": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "cut at the end": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "noise": lambda path: path.write_bytes(random.Random(0).randbytes(path.stat().st_size)),
    "no UTF-8": lambda path: path.write_bytes(b'{"format_version": 1, "labels": ["\xff\xfe"]}'),
    "another object": lambda path: path.write_text('{"format_version": 1, "name": "a web app"}'),
    "no object": lambda path: path.write_text("[1, null]"),
    "nested": lambda path: path.write_text("[" * 100_000),
    "floats": lambda path: _write_npy(path, np.ones((2, 2))),
    "pickles": lambda path: _write_npy(path, [{}]),
    "other columns": lambda path: pq.write_table(pa.table({"text": [1, None], "raw": ["a", "b"]}), path),
    "a folder": lambda path: _replace(path, path.mkdir),
    "a link to nowhere": lambda path: _replace(path, lambda: path.symlink_to("nowhere")),
    "a link to itself": lambda path: _replace(path, lambda: path.symlink_to(path.name)),
    **{f"flipped {seed}": partial(_flip, seed) for seed in range(4)},
}


@pytest.fixture(autouse=True)
def _small_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    shrink_ngram(monkeypatch)


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one of everything: `new.csv`, `data`, `run`, `scores.parquet`, `inbox` and `outbox`."""
    folder = tmp_path_factory.mktemp("originals")
    csv = make_csv(folder / "new.csv", 20, seed=1)
    csv.write_text(csv.read_text() + "bad\n")
    with pytest.MonkeyPatch.context() as patch:
        shrink_ngram(patch)
        data = make_dataset(folder / "made", 60, valid_fraction=0.3, max_length=16).rename(folder / "data")
        shutil.rmtree(folder / "made")
        make_run(data, folder / "run", epochs=1, batch_size=64)
    _score(folder, "scores.parquet")
    (folder / "inbox").mkdir()
    shutil.copy(csv, folder / "inbox")
    _drop(folder)
    return folder


class Reader(NamedTuple):
    """Files that may be damaged, by patterns, and what reads them in a folder."""

    files: tuple[str, ...]
    read: Callable[[Path], object]


def _encode(at: Path, how: str) -> None:
    run_here("encode", at / "new.csv", "--out", at / "data", how, *READING)


def _train(at: Path, out: str) -> None:
    run_here("train", at / "data", "--out", at / out, "--resume", *TRAINING)


def _score(at: Path, out: str) -> None:
    run_here("score", at / "new.csv", "--run", at / "run", "--out", at / out, "--overwrite", *READING)


def _drop(at: Path, *more: object) -> None:
    where = ["--inbox", at / "inbox", "--outbox", at / "outbox", "--run", at / "run"]
    run_here("drops", *where, "--once", "--settle", 0, "--max-attempts", 1, *READING, *more)


def _read_rows(at: Path) -> None:
    manifest = read_manifest(at / "data")
    text_bytes(at / "data", manifest.shards)
    num_rows = sum(shard.num_rows for shard in manifest.shards)
    assert list(read_rows(at / "data", manifest.shards, np.arange(num_rows), ["text"]))


MODEL = ("run/model.json", "run/model.safetensors")
READERS = {
    "train": Reader(("data/manifest.json", "data/*.npy", "data/*.rows.parquet"), lambda at: _train(at, "new")),
    "append": Reader(("data/*",), lambda at: _encode(at, "--append")),
    "overwrite": Reader(("data/*.json", "data/quarantine.parquet"), lambda at: _encode(at, "--overwrite")),
    "resume": Reader(("run/checkpoints/*", "run/.lock"), lambda at: _train(at, "run")),
    "report": Reader(("run/*.json*", "run/*.toml"), lambda at: run_here("report", at / "run", "--out", at / "a.html")),
    "export": Reader(MODEL, lambda at: run_here("export", at / "run", "--onnx", at / "new.onnx")),
    "score": Reader(MODEL, lambda at: _score(at, "new.parquet")),
    "score again": Reader(("scores.*",), lambda at: _score(at, "scores.parquet")),
    "drops": Reader(("outbox/*",), _drop),
    "drops again": Reader(("outbox/*",), lambda at: _drop(at, "--rescore")),
    "drops with another model": Reader(MODEL, lambda at: _drop(at, "--rescore")),
}
RESEALED = {
    "train": Reader(("data/*.npy",), lambda at: _train(at, "new")),
    "append": Reader(("data/*.npy", "data/*.rows.parquet"), lambda at: _encode(at, "--append")),
    "rows": Reader(("data/*.rows.parquet",), _read_rows),
}


def _require_no_leak(originals: Path, folder: Path, reader: Reader, damage: str, *, reseal: bool = False) -> None:
    """Damage each of the files in turn; reading may end as charmill ends, and no otherwise."""
    paths = [path for pattern in reader.files for path in sorted(originals.glob(pattern)) if path.is_file()]
    assert paths
    for file in (path.relative_to(originals) for path in paths):
        shutil.copytree(originals, folder)
        DAMAGES[damage](folder / file)
        if reseal:
            _reseal(folder / "data")
        try:
            reader.read(folder)
        except CharmillError as error:
            assert "\n" not in str(error)  # noqa: PT017
        except Exception as error:  # noqa: BLE001  # which is what is looked for
            pytest.fail(f"{file}: {type(error).__name__}: {error}")
        shutil.rmtree(folder)


def _reseal(dataset: Path) -> None:
    """Let the manifest say what the files are."""
    manifest = read_manifest(dataset)
    shards = []
    for shard in manifest.shards:
        paths = {kind: dataset / getattr(shard, kind) for kind in FILE_KINDS}
        there = {kind: path for kind, path in paths.items() if path.is_file()}
        sizes = {kind: path.stat().st_size for kind, path in there.items()}
        digests = {kind: sha256_of(path) for kind, path in there.items()}
        shards.append(replace(shard, bytes=shard.bytes | sizes, sha256=shard.sha256 | digests))
    (dataset / "manifest.json").write_bytes(replace(manifest, shards=shards).to_bytes())


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", READERS)
def test_damaged_files(name: str, damage: str, originals: Path, tmp_path: Path) -> None:
    _require_no_leak(originals, tmp_path / "damaged", READERS[name], damage)


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", RESEALED)
def test_damaged_shards_of_a_manifest_that_says_so(name: str, damage: str, originals: Path, tmp_path: Path) -> None:
    """Not what a disk does, but what another program may have written."""
    _require_no_leak(originals, tmp_path / "damaged", RESEALED[name], damage, reseal=True)
