"""The hashes of a dataset's training texts, as a run carries them to tell later whether it is asked about rows that it learned from.

Imports Polars only when it is called.
"""

from pathlib import Path

import numpy as np

from pipeline.dataset.manifest import TRAIN, Manifest
from pipeline.dataset.row_texts import read_rows
from pipeline.inspection.duplicate_kernel import Hashes

HASH_SEED = 0x7E_87_5E_E4_B1_0C_6A_55
"""Not one that a split would be given: all of its training texts have high hashes under its own seed."""


def smallest_hashes(folder: Path, manifest: Manifest, most: int) -> Hashes:
    """Hash the training texts as they were read, and keep the smallest hashes: a bottom-k sketch (Cohen 1997).

    Args:
        folder: The dataset.
        manifest: Its manifest.
        most: How many to keep, at least 1.

    Returns:
        uint64 [M], rising, each once.

    Raises:
        InputError: A shard's texts are damaged.
    """
    from pipeline.text.encoder import hash_texts

    shards = [shard for shard in manifest.shards if shard.split == TRAIN]
    kept_M = np.empty(0, np.uint64)
    for table in read_rows(folder, shards, np.arange(manifest.num_rows(TRAIN)), ["text"]):
        hashes_N = hash_texts(table["text"].combine_chunks(), HASH_SEED)
        if len(kept_M) == most:
            hashes_N = hashes_N[hashes_N < kept_M[-1]]
        if len(hashes_N):
            kept_M = np.union1d(kept_M, hashes_N)[:most]
    return kept_M
