"""Shards: codes and labels as npy files that numpy opens as memory maps, and the rows beside them as Parquet.

Never imports Polars, since loader workers import it.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.dataset.manifest import FILE_KINDS, Manifest, ShardEntry
from pipeline.errors import InputError, from_os_error
from pipeline.storage.checksum import sha256_of
from pipeline.storage.npy import map_npy
from pipeline.text.alphabet import Codes

ROWS_SCHEMA = pa.schema(
    [
        pa.field("source", pa.string(), nullable=False),
        pa.field("record", pa.int64(), nullable=False),
        pa.field("text", pa.large_string(), nullable=False),
    ]
)

LabelIds = npt.NDArray[np.uint16]

REMEDY = "encode the CSVs again"
"""What to do where a file of a shard is damaged."""


def verify_shards(folder: Path, manifest: Manifest, *, sizes_only: bool = False) -> None:
    """Compare every file of a dataset with its size and checksum.

    Args:
        folder: The dataset.
        manifest: Its manifest.
        sizes_only: Do not read the files.

    Raises:
        InputError: A file is missing, cut off or altered.
    """
    for shard in manifest.shards:
        for kind in FILE_KINDS:
            path = folder / getattr(shard, kind)
            try:
                size = path.stat().st_size
                if size != shard.bytes[kind]:
                    raise _corrupt(path, f"{shard.bytes[kind]:,} bytes", f"{size:,}")
                if sizes_only:
                    continue
                digest = sha256_of(path)
            except FileNotFoundError as error:
                raise _corrupt(path, "a file", "none") from error
            except OSError as error:
                raise from_os_error(error, "read", path) from error
            if digest != shard.sha256[kind]:
                raise _corrupt(path, f"SHA-256 {shard.sha256[kind][:16]}", digest[:16])


def _corrupt(path: Path, expected: str, got: str) -> InputError:
    return InputError(f"{path}: the shard is corrupt, expected {expected}, got {got}; {REMEDY}", path=path)


def open_codes(folder: Path, shard: ShardEntry) -> Codes:
    """Map a shard's codes, uint8 [N, L]; read-only, valid as long as it is referenced."""
    codes_NL: Codes = map_npy(folder / shard.codes, np.uint8, 2, REMEDY)
    return codes_NL


def open_labels(folder: Path, shard: ShardEntry) -> LabelIds:
    """Map a shard's label ids, uint16 [N]; read-only, valid as long as it is referenced."""
    label_ids: LabelIds = map_npy(folder / shard.labels, np.uint16, 1, REMEDY)
    return label_ids


def require_rows(folder: Path, shard: ShardEntry, codes_NL: Codes, label_ids: LabelIds) -> None:
    """Refuse maps of other sizes than the manifest says.

    Raises:
        InputError: One of them has more rows or fewer.
    """
    for name, rows in ((shard.codes, codes_NL), (shard.labels, label_ids)):
        if len(rows) != shard.num_rows:
            raise _corrupt(folder / name, f"{shard.num_rows:,} rows", f"{len(rows):,}")
