"""Gathered rows are those of plain indexing, in any order, from any shards, and the caller's own."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.batches.gather import ShardRows
from pipeline.errors import InputError
from tests.building import numbered_dataset


@pytest.mark.parametrize(
    "sizes", [[10], [5, 1, 4], [1] * 10, [3, 200, 7], [1] * 257], ids=lambda sizes: f"{len(sizes)} shards"
)
def test_gathering_equals_indexing(tmp_path: Path, sizes: list[int]) -> None:
    """Over 256 shards as well, where their numbers need another type."""
    manifest = numbered_dataset(tmp_path, sizes)
    shards = ShardRows(tmp_path, manifest.shards)
    generator = np.random.default_rng(len(sizes))
    for num_rows in (1, 2, 50):
        rows = generator.integers(0, sum(sizes), num_rows)
        before = rows.copy()
        codes_BL, label_ids_B = shards.gather(rows)
        assert (str(codes_BL.dtype), str(label_ids_B.dtype)) == ("uint8", "int64")
        assert label_ids_B.tolist() == rows.tolist()
        assert codes_BL.tolist() == [[row % 256] * 3 for row in rows.tolist()]
        assert codes_BL.flags.c_contiguous
        assert codes_BL.flags.writeable
        assert rows.tolist() == before.tolist()
        codes_BL.fill(99)
        label_ids_B.fill(-1)
        assert shards.gather(rows)[1].tolist() == rows.tolist()


@pytest.mark.parametrize("num_rows", [3, 5])
def test_a_shard_of_another_size_than_the_manifest_says_is_refused(tmp_path: Path, num_rows: int) -> None:
    manifest = numbered_dataset(tmp_path, [4, 4])
    shards = [manifest.shards[0], replace(manifest.shards[1], num_rows=num_rows)]
    with pytest.raises(InputError, match=rf"codes\.npy: the shard is corrupt, expected {num_rows} rows, got 4"):
        ShardRows(tmp_path, shards)
