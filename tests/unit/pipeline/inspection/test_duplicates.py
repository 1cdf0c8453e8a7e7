"""Held-out rows that training has as well are found as a set of Python tuples finds them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from pipeline.dataset import row_texts
from pipeline.dataset.manifest import TRAIN, VALID, Manifest, SplitEntry
from pipeline.dataset.shards import open_codes
from pipeline.inspection import duplicates
from pipeline.inspection.duplicates import SeenRows, find_seen
from pipeline.text.alphabet import get_profile
from tests.building import HASH, RANDOM, build
from tests.datasets import write_csv

TEXTS = ["Gold up", "gold UP!", "gold down", "gold down", "tin", "tin", "zinc 1", "zinc 2", "lead", "é", "ö", "!"]


def make(folder: Path, split: SplitEntry, max_length: int = 8, num_rows: int = 150) -> tuple[Path, Manifest]:
    generator = np.random.default_rng(0)
    texts = [
        f"{generator.choice(TEXTS)}{generator.choice(['', '', '', f' {row}', f' {chr(97 + row % 26)}'])}"
        for row in range(num_rows)
    ]
    csv = write_csv(folder / "in.csv", [("a", text) for text in texts], header="label,text")
    return build(folder / "built", [csv], split=split, profile=get_profile("seed", max_length), shard_rows=20)


def naive(folder: Path, manifest: Manifest, key: str) -> list[bool]:
    keys: dict[str, list[object]] = {TRAIN: [], VALID: []}
    for shard in manifest.shards:
        codes = [row.tobytes() for row in open_codes(folder, shard)]
        texts = pl.read_parquet(folder / shard.rows)["text"].to_list()
        keys[shard.split] += codes if key == "codes" else texts
    known = set(keys[TRAIN])
    return [one in known for one in keys[VALID]]


def check(folder: Path, manifest: Manifest, num_threads: int = 1, **how: int) -> SeenRows:
    seen = find_seen(folder, manifest, num_threads=num_threads, **how)
    assert seen.by_codes.tolist() == naive(folder, manifest, "codes")
    assert seen.by_text.tolist() == naive(folder, manifest, "text")
    return seen


@pytest.mark.parametrize(("max_length", "table_rows"), [(3, 1000), (5, 7), (8, 11), (13, 1000)])
def test_a_random_split_has_duplicates_and_they_are_found(tmp_path: Path, max_length: int, table_rows: int) -> None:
    folder, manifest = make(tmp_path, RANDOM, max_length)
    seen = check(folder, manifest, num_threads=2, table_rows=table_rows)
    assert 0 < seen.by_text.sum() < seen.by_codes.sum()


def test_duplicates_in_shards_of_several_blocks_are_found(tmp_path: Path) -> None:
    numbers = np.random.default_rng(1).integers(0, 90_000, 70_000)
    csv = write_csv(tmp_path / "in.csv", [("a", str(number)) for number in numbers], header="label,text")
    changes: dict[str, Any] = {"split": RANDOM, "profile": get_profile("ascii", 8), "shard_rows": 60_000}
    seen = check(*build(tmp_path / "built", [csv], **changes))
    assert 0.1 < seen.by_codes.mean() < 0.9


def test_a_hash_split_has_none_by_text_even_if_they_are_looked_for(tmp_path: Path) -> None:
    folder, manifest = make(tmp_path, HASH)
    seen = check(folder, manifest)
    assert seen.by_codes.any()
    looked_for = find_seen(folder, replace(manifest, split=RANDOM), num_threads=1)
    assert not looked_for.by_text.any()
    for shard in manifest.shards:  # Since it is so, no text is read.
        (folder / shard.rows).unlink()
    again = find_seen(folder, manifest, num_threads=1)
    assert (again.by_codes.tolist(), again.by_text.tolist()) == (seen.by_codes.tolist(), seen.by_text.tolist())


def test_nothing_held_out_and_nothing_to_train_from(tmp_path: Path) -> None:
    folder, manifest = make(tmp_path, replace(HASH, valid_fraction=0.0))
    assert not len(check(folder, manifest).by_codes)
    only_valid = replace(manifest, shards=[replace(shard, split=VALID) for shard in manifest.shards])
    assert not check(folder, only_valid).by_codes.any()


def test_texts_are_read_only_of_rows_whose_codes_are_equal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, manifest = make(tmp_path, RANDOM, num_rows=400)
    read = 0
    plain = row_texts.read_rows

    def counted(*arguments: object) -> list[object]:
        nonlocal read
        tables = list(plain(*arguments))  # type: ignore[arg-type]
        read += sum(map(len, tables))
        return tables

    monkeypatch.setattr(duplicates, "read_rows", counted)
    seen = check(folder, manifest)
    codes: dict[str, list[bytes]] = {TRAIN: [], VALID: []}
    for shard in manifest.shards:
        codes[shard.split] += [row.tobytes() for row in open_codes(folder, shard)]
    assert read == seen.by_codes.sum() + sum(one in set(codes[VALID]) for one in codes[TRAIN]) < 400
