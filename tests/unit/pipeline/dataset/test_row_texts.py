"""Rows by number are those of the whole file, whatever shards and row groups they lie in."""

from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest

from pipeline.dataset.manifest import TRAIN
from pipeline.dataset.row_texts import read_rows, text_bytes
from tests.building import build
from tests.datasets import titles, write_csv


@pytest.mark.parametrize("num_rows", [0, 1, 9, 60])
def test_rows_are_found_across_shards_and_row_groups(tmp_path: Path, num_rows: int) -> None:
    csv = write_csv(tmp_path / "in.csv", titles(90), "label,text")
    folder, manifest = build(tmp_path / "built", [csv], shard_rows=20)
    shards = [shard for shard in manifest.shards if shard.split == TRAIN]
    for shard in shards:
        pq.write_table(pq.read_table(folder / shard.rows), folder / shard.rows, row_group_size=7)
    whole = pl.concat([pl.read_parquet(folder / shard.rows) for shard in shards])
    chosen = np.sort(np.random.default_rng(num_rows).choice(len(whole), num_rows, replace=False))
    tables = list(read_rows(folder, shards, chosen, ["source", "record", "text"]))
    got = [row for table in tables for row in table.to_pylist()]
    assert got == whole[chosen].select("source", "record", "text").to_dicts()
    assert max(map(len, tables), default=0) <= 7
    assert text_bytes(folder, shards) >= whole["text"].str.len_bytes().sum()
