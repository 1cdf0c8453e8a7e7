"""``python -m jobs.encode``: CSVs in, a dataset out."""

import time
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import Any, Literal

from cyclopts import Parameter

from jobs.command import CommonConfig, CsvPaths, run_command
from jobs.reading import ReadingConfig
from pipeline.errors import InputError, UsageError


@Parameter(name="*")
@dataclass(frozen=True)
class EncodeConfig:
    """Turn labelled CSVs into a dataset: shards of codes to train from, and a quarantine of what could not be used."""

    csv: CsvPaths
    _: KW_ONLY
    out: Path
    "The dataset's folder: new, empty, or with --overwrite an earlier dataset."
    label: str = "label"
    "The column of the class."
    reading: ReadingConfig = field(default_factory=ReadingConfig)
    profile: Literal["seed", "ascii", "bytes"] = "seed"
    "How text becomes codes: seed is a-z and space, ascii adds digits and punctuation, bytes takes UTF-8 as it is."
    max_length: int = 0
    "Codes a row; 0 takes the profile's own: 64 for seed, 128 for ascii and bytes."
    split: Literal["hash", "random"] = "hash"
    "How rows are held out: hash streams and keeps equal texts together; random is scikit-learn's, with 24 to 75 bytes of memory a row."
    valid_fraction: float = 0.1
    "The share of rows to hold out."
    split_seed: int = 828
    "Seed of the split."
    stratify: bool = False
    "With --split random, hold out the same share of each class."
    shard_rows: int = 65536
    "Rows a shard."
    common: CommonConfig = field(default_factory=CommonConfig)

    def __post_init__(self) -> None:
        if not 0 <= self.valid_fraction < 1:
            raise UsageError(f"--valid-fraction {self.valid_fraction:g}: expected 0 or more and below 1")
        if not 0 <= self.split_seed < 1 << 32:
            raise UsageError(f"--split-seed {self.split_seed}: expected 0 to {(1 << 32) - 1}")
        if self.shard_rows < 1:
            raise UsageError(f"--shard-rows {self.shard_rows}: expected 1 or more")
        if self.max_length < 0:
            raise UsageError(f"--max-length {self.max_length}: expected 0 or more")
        if self.stratify and self.split != "random":
            raise UsageError("--stratify: it goes with --split random; a hash of the text knows nothing of classes")
        if not self.label:
            raise UsageError("--label: name the column of the class")


def run(config: EncodeConfig) -> dict[str, Any]:
    """Encode.

    Raises:
        CharmillError: Nothing was published; a quarantine may have been kept.
    """
    from jobs.console import metered, rates
    from pipeline.alphabet import get_profile
    from pipeline.build import BuildConfig, DatasetBuilder, require_free_folder
    from pipeline.manifest import SplitEntry
    from pipeline.publish import publish_folder, staging
    from pipeline.source import find_sources

    started = time.monotonic()
    build = BuildConfig(
        csv_format=config.reading.csv_format(label=config.label),
        profile=get_profile(config.profile, config.max_length),
        split=SplitEntry(
            method=config.split, valid_fraction=config.valid_fraction, seed=config.split_seed, stratify=config.stratify
        ),
        shard_rows=config.shard_rows,
        max_quarantined=config.reading.max_quarantined,
        num_threads=config.common.num_threads,
    )
    sources = find_sources(config.csv)
    require_free_folder(config.out, overwrite=config.common.overwrite)
    with (
        staging(config.out) as stage,
        metered(config.common.log, "encode", sum(source.size_bytes for source in sources)) as meter,
    ):
        builder = DatasetBuilder(build, stage)
        counts = builder.counts

        def show(_: object) -> None:
            num_bytes = sum(source.bytes_read for source in sources)
            meter.update(num_bytes, lambda: rates(started, counts.rows_in, num_bytes))

        try:
            for source in sources:
                builder.read(source, show)
            manifest = builder.finish()
        except InputError as error:
            kept = builder.keep_quarantine(config.out)
            raise InputError(f"{error}; the quarantine is {kept}" if kept else str(error), path=error.path) from error
        require_free_folder(config.out, overwrite=config.common.overwrite)  # Something may have come there meanwhile.
        publish_folder(builder.folder, config.out)
    outputs = ["manifest.json", *(["quarantine.parquet"] if counts.rows_quarantined else [])]
    return {
        "rows_in": counts.rows_in,
        "rows_out": counts.rows_out,
        "rows_quarantined": counts.rows_quarantined,
        "quarantined": builder.quarantine.reasons,
        "rows_train": manifest.num_rows("train"),
        "rows_valid": manifest.num_rows("valid"),
        "num_labels": len(manifest.labels),
        "profile": manifest.profile.to_json(),
        "fingerprint": manifest.fingerprint,
        "seconds": round(time.monotonic() - started, 3),
        "outputs": [str(config.out / name) for name in outputs],
    }


def render(report: dict[str, Any]) -> str:
    """The report as text."""
    from jobs.console import table

    profile = report["profile"]
    return table(
        {
            "rows in": report["rows_in"],
            "rows encoded": report["rows_out"],
            "  to train from": report["rows_train"],
            "  held out": report["rows_valid"],
            "rows quarantined": report["rows_quarantined"],
            **{f"  {reason}": count for reason, count in sorted(report["quarantined"].items())},
            "classes": report["num_labels"],
            "profile": f"{profile['name']}, {profile['max_length']} codes a row ({profile['fingerprint']})",
            "dataset": report["fingerprint"],
            "seconds": report["seconds"],
            "rows/s": round(report["rows_in"] / max(report["seconds"], 1e-9)),
            "files": report["outputs"],
        }
    )


if __name__ == "__main__":
    run_command("encode", EncodeConfig, run, render)
