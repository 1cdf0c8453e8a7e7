"""Builds small datasets without the encode job."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.building.builder import BuildConfig, DatasetBuilder
from pipeline.building.shard_writer import MARK, Marks, ShardWriter
from pipeline.dataset.manifest import Manifest, SplitEntry
from pipeline.dataset.shards import ROWS_SCHEMA
from pipeline.formats.opening import Formats
from pipeline.records.wanted import Wanted
from pipeline.storage.source import find_sources
from pipeline.text.alphabet import PROFILES, Codes, get_profile
from pipeline.text.encoder import hash_texts

HASH = SplitEntry(method="hash", valid_fraction=0.25, seed=828, stratify=False)
RANDOM = replace(HASH, method="random")
CONFIG = BuildConfig(
    wanted=Wanted(label="label"),
    profile=get_profile("seed", 8),
    split=HASH,
    shard_rows=10,
    max_quarantined=0.1,
    num_threads=1,
)


def build(
    folder: Path, sources: Sequence[Path], formats: Formats | None = None, **changes: Any
) -> tuple[Path, Manifest]:
    """A dataset of CSVs: its folder, and its manifest."""
    folder.mkdir(parents=True, exist_ok=True)
    builder = DatasetBuilder(replace(CONFIG, **changes), formats or Formats(), folder)
    for source in find_sources([str(source) for source in sources]):
        builder.read(source, lambda _: None)
    manifest = builder.finish()
    return builder.folder, manifest


def numbered_rows(num_rows: int, first: int = 0, max_length: int = 3) -> tuple[Codes, Marks, pa.Table]:
    """Rows that tell which they are: row r has code r everywhere, label id r, record r and text r."""
    numbers = np.arange(first, first + num_rows)
    codes_NL = np.repeat(numbers[:, None], max_length, axis=1).astype(np.uint8)
    texts = [str(number) for number in numbers]
    marks_N = np.zeros(num_rows, MARK)
    marks_N["label"] = numbers
    marks_N["text"] = hash_texts(pa.array(texts, pa.large_string()), HASH.seed)
    return codes_NL, marks_N, pa.table([["s"] * num_rows, numbers, texts], schema=ROWS_SCHEMA)


def numbered_dataset(folder: Path, shard_sizes: Sequence[int], split: str = "train") -> Manifest:
    """A dataset whose row r has codes and label r, in shards of the given sizes."""
    folder.mkdir(parents=True, exist_ok=True)
    profile = replace(PROFILES["seed"], max_length=3)
    shards = []
    first = 0
    for number, size in enumerate(shard_sizes):
        writer = ShardWriter(
            folder, folder.with_name(f"{folder.name}-scratch"), f"{split}{number}", profile, max(size, 1)
        )
        writer.write(*numbered_rows(size, first))
        shards += [replace(entry, split=split) for entry in writer.finish(np.arange(1 << 16).astype(np.uint16))]
        first += size
    return Manifest(profile=profile, labels=["a"], label_names={}, split=HASH, sources=[], shards=shards)
