"""Resuming: a build goes on where a killed one stopped, if that was to give the same dataset."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from pipeline.building.append import Base
from pipeline.building.builder import BuildConfig, DatasetBuilder
from pipeline.building.progress import read_progress
from pipeline.dataset.manifest import FORMAT_VERSION
from pipeline.records.row_reader import RowReaders
from pipeline.storage.source import Source
from pipeline.storage.staging import clear_stage


def start_build(
    config: BuildConfig, readers: RowReaders, stage: Path, sources: Sequence[Source], base: Base | None
) -> DatasetBuilder:
    """A builder that goes on where a killed one stopped, if that was to build the same, or else starts from nothing.

    A pipe cannot be read again, and the random split deals rows only at the end; both always start.

    Args:
        config: What to make.
        readers: Make a reader for each source.
        stage: The staging folder, with all that an earlier job may have left in it.
        sources: All that will be read.
        base: The dataset to add to.
    """
    fingerprint = ""
    if config.split.method == "hash" and all(source.is_file for source in sources):
        fingerprint = fingerprint_of(
            {
                "format_version": FORMAT_VERSION,
                "profile": config.profile.fingerprint,
                "split": asdict(config.split),
                "shard_rows": config.shard_rows,
                "wanted": asdict(config.wanted),
                "on_conflict": config.on_conflict,
                "reading": readers.describe(),
                "sources": [(source.path, source.name) for source in sources],
                "base": base.manifest.fingerprint if base else "",
            }
        )
    progress = read_progress(stage, fingerprint) if fingerprint else None
    if progress is not None and not progress.fits(stage, sources):
        progress = None
    clear_stage(stage, progress.files(stage) if progress else ())
    return DatasetBuilder(config, readers, stage, base=base, fingerprint=fingerprint, progress=progress)


def fingerprint_of(content: dict[str, Any]) -> str:
    """Name a build by all that determines its result, the versions of the libraries that write it included."""
    versions = {"charmill": version("charmill"), **{of.__name__: of.__version__ for of in (np, pl, pa)}}
    return hashlib.sha256(json.dumps({**content, "versions": versions}, sort_keys=True).encode()).hexdigest()
