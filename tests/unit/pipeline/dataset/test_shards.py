"""Shards are maps that cannot be written, and no damaged file goes unnoticed."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.dataset.manifest import FILE_KINDS, Manifest
from pipeline.dataset.shards import open_codes, open_labels, verify_shards
from pipeline.errors import InputError
from tests.building import numbered_dataset


def test_maps_are_read_only(tmp_path: Path) -> None:
    (shard,) = numbered_dataset(tmp_path, [3]).shards
    for mapped in (open_codes(tmp_path, shard), open_labels(tmp_path, shard)):
        assert isinstance(mapped, np.memmap)
        with pytest.raises(ValueError, match="read-only"):
            mapped[0] = 1


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    made = numbered_dataset(tmp_path, [3, 2])
    verify_shards(tmp_path, made)
    return made


@pytest.mark.parametrize("kind", FILE_KINDS)
def test_one_altered_bit_is_noticed(tmp_path: Path, manifest: Manifest, kind: str) -> None:
    path = tmp_path / getattr(manifest.shards[1], kind)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(InputError, match="expected SHA-256") as caught:
        verify_shards(tmp_path, manifest)
    assert caught.value.path == path


@pytest.mark.parametrize("kind", FILE_KINDS)
def test_a_cut_off_or_missing_file_is_noticed(tmp_path: Path, manifest: Manifest, kind: str) -> None:
    path = tmp_path / getattr(manifest.shards[0], kind)
    size = path.stat().st_size
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InputError, match=f"expected {size:,} bytes, got {size - 1:,}"):
        verify_shards(tmp_path, manifest)
    path.unlink()
    with pytest.raises(InputError, match="expected a file, got none"):
        verify_shards(tmp_path, manifest)
