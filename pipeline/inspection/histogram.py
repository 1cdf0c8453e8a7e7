"""Histograms of a split: its rows by class and by length, and its characters. Never imports Polars."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.dataset.manifest import Manifest
from pipeline.dataset.shards import open_codes, open_labels
from pipeline.inspection.count_kernel import Histogram, count_codes
from pipeline.text.alphabet import Profile

BLOCK_ROWS = 1 << 16


@dataclass(frozen=True)
class CodeCounts:
    """Histograms of the rows of a split.

    Attributes:
        lengths: int64 [L + 1], rows by number of codes before the fill.
        codes: int64 [256], how often each code occurs, the fill not counted.
    """

    lengths: Histogram
    codes: Histogram


def count_split(folder: Path, manifest: Manifest, split: str, block_rows: int = BLOCK_ROWS) -> CodeCounts:
    """Count the lengths and codes of a split, over memory maps.

    Args:
        folder: A dataset.
        manifest: Its manifest.
        split: ``train`` or ``valid``.
        block_rows: Counted at once.
    """
    profile = manifest.profile
    counts = CodeCounts(np.zeros(profile.max_length + 1, np.int64), np.zeros(256, np.int64))
    for shard in manifest.shards:
        if shard.split == split:
            codes_NL = open_codes(folder, shard).view(np.ndarray)
            for start in range(0, len(codes_NL), block_rows):
                count_codes(codes_NL[start : start + block_rows], profile.fill, counts.lengths, counts.codes)
    return counts


def count_classes(folder: Path, manifest: Manifest, split: str) -> Histogram:
    """Rows of a split by label id, int64 [K].

    Args:
        folder: A dataset.
        manifest: Its manifest.
        split: ``train`` or ``valid``.
    """
    counts = np.zeros(len(manifest.labels), np.int64)
    for shard in manifest.shards:
        if shard.split == split:
            counts += np.bincount(open_labels(folder, shard), minlength=len(counts))
    return counts


def character_names(profile: Profile) -> list[str]:
    """What each code stands for, fill apart: a character, or of raw bytes beyond printable ASCII the byte as ``0xe2``."""
    if profile.cleaning == "fold":
        return list(profile.alphabet)
    return [
        chr(code) if chr(code).isascii() and chr(code).isprintable() else f"0x{code:02x}"
        for code in range(profile.fill)
    ]
