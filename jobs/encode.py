"""``python -m jobs.encode``: CSVs in, a dataset out."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from cyclopts import Parameter

from jobs.cli.command import run_command
from jobs.cli.flags import CommonConfig, CsvPaths
from jobs.cli.reading_flags import ReadingConfig
from pipeline.errors import InputError, UsageError

if TYPE_CHECKING:
    from pipeline.building.append import Base
    from pipeline.building.builder import BuildConfig, DatasetBuilder
    from pipeline.dataset.manifest import Manifest
    from pipeline.execution.meter import Meter
    from pipeline.storage.source import Source


@Parameter(name="*")
@dataclass(frozen=True)
class EncodeConfig:
    """Turn labelled CSVs into a dataset: shards of codes to train from, and a quarantine of what could not be used.

    A killed job, run again, goes on from its finished shards; with --split random or a pipe it starts again.
    """

    csv: CsvPaths
    _: KW_ONLY
    out: Path
    "The dataset's folder: new, empty, or with --overwrite or --append an earlier dataset."
    append: bool = False
    "Add the CSVs to the dataset at --out, each once, told by its content, labels as they are; make the dataset if there is none."
    label: str = "label"
    "The column of the class."
    reading: ReadingConfig = field(default_factory=ReadingConfig)
    profile: Literal["seed", "ascii", "bytes"] | None = None
    "Text to codes: bytes is UTF-8, ascii a-z, digits and punctuation, seed a-z and space; by default bytes, with --append the dataset's."
    max_length: int | None = None
    "Codes a row; 0 takes the profile's own: 64 for seed, 128 for ascii and bytes; by default 0, with --append the dataset's."
    split: Literal["hash", "random"] | None = None
    "Hold out by a hash of the text, which streams; or at random by scikit-learn, with 24 to 75 bytes of memory a row; by default hash."
    valid_fraction: float | None = None
    "The share of rows to hold out; by default 0.1, with --append the dataset's."
    split_seed: int | None = None
    "Seed of the split; by default 828, with --append the dataset's."
    stratify: bool = False
    "With --split random, hold out the same share of each class."
    shard_rows: int = 65536
    "Rows a shard."
    common: CommonConfig = field(default_factory=CommonConfig)

    def __post_init__(self) -> None:
        if self.valid_fraction is not None and not 0 <= self.valid_fraction < 1:
            raise UsageError(f"--valid-fraction {self.valid_fraction:g}: expected 0 or more and below 1")
        if self.split_seed is not None and not 0 <= self.split_seed < 1 << 32:
            raise UsageError(f"--split-seed {self.split_seed}: expected 0 to {(1 << 32) - 1}")
        if self.shard_rows < 1:
            raise UsageError(f"--shard-rows {self.shard_rows}: expected 1 or more")
        if self.max_length is not None and self.max_length < 0:
            raise UsageError(f"--max-length {self.max_length}: expected 0 or more")
        if self.stratify and self.split != "random":
            raise UsageError("--stratify: it goes with --split random; a hash of the text knows nothing of classes")
        if not self.label:
            raise UsageError("--label: name the column of the class")
        if self.append and self.common.overwrite:
            raise UsageError("--append: it keeps the dataset that --overwrite replaces; choose one of them")
        if self.append and "-" in self.csv:
            raise UsageError("--append: it reads its inputs twice, which standard input cannot; name a file")

    def build_config(self, base: "Base | None") -> "BuildConfig":
        """What the builder needs to know, with what was not given filled in.

        Args:
            base: The dataset to add to.

        Raises:
            UsageError: A flag makes no sense.
            MismatchError: A flag differs from the dataset.
        """
        from pipeline.building.builder import BuildConfig
        from pipeline.dataset.manifest import SplitEntry
        from pipeline.text.alphabet import DEFAULT_PROFILE, get_profile

        if base is not None:
            profile = base.require_profile(self.profile, self.max_length)
            split = base.require_split(self.split, self.valid_fraction, self.split_seed)
        else:
            profile = get_profile(self.profile or DEFAULT_PROFILE, self.max_length or 0)
            split = SplitEntry(
                method=self.split or "hash",
                valid_fraction=0.1 if self.valid_fraction is None else self.valid_fraction,
                seed=828 if self.split_seed is None else self.split_seed,
                stratify=self.stratify,
            )
            if self.append and split.method != "hash":
                raise UsageError("--append: it needs --split hash; --split random deals all rows at once")
        return BuildConfig(
            csv_format=self.reading.csv_format(label=self.label, labels=tuple(base.manifest.labels) if base else ()),
            profile=profile,
            split=split,
            shard_rows=self.shard_rows,
            max_quarantined=self.reading.max_quarantined,
            num_threads=self.common.num_threads,
        )


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """What there is to do: `sha256` holds the hash that each source must have, where it was told by that."""

    base: "Base | None"
    build: "BuildConfig"
    sources: "list[Source]"
    sha256: list[str]
    skipped: list[str]


def run(config: EncodeConfig) -> dict[str, Any]:
    """Encode.

    Raises:
        CharmillError: Nothing was published; a quarantine may have been kept.
    """
    from jobs.cli.console import metered
    from pipeline.building.builder import start_build
    from pipeline.building.output_folder import beside, remove_stale_quarantine
    from pipeline.building.progress import PROGRESS
    from pipeline.storage.publish import publish_folder
    from pipeline.storage.source import find_sources
    from pipeline.storage.staging import staging

    started = time.monotonic()
    sources = find_sources(config.csv)
    with staging(config.out, progress=PROGRESS) as stage:
        stale = beside(config.out)  # Once it is published, the folder one is in may be gone.
        plan = _make_plan(config, sources)
        num_bytes = sum(source.size_bytes for source in plan.sources)
        with metered(config.common.log, "encode", num_bytes) as meter, _noted_if_kept(stage / PROGRESS, meter):
            if plan.base is not None and not plan.sources:
                meter.note("nothing to add: every file is in the dataset already", files=len(plan.skipped))
                remove_stale_quarantine(stale)
                return _report(
                    config, plan, plan.base.manifest, None, _duplicates(config, config.out, plan.base.manifest), started
                )
            builder = start_build(plan.build, stage, plan.sources, plan.base)
            if builder.rows_reused or builder.num_shards_reused:
                meter.note(
                    "going on where an earlier run stopped",
                    rows_reused=builder.rows_reused,
                    shards_reused=builder.num_shards_reused,
                )
            manifest = _encode(config, plan, builder, meter, started)
            duplicates = _duplicates(config, builder.folder, manifest)
            _require_target(config, plan.base)  # Something may have come there meanwhile.
            publish_folder(builder.folder, config.out)
            remove_stale_quarantine(stale)
    return _report(config, plan, manifest, builder, duplicates, started)


def _make_plan(config: EncodeConfig, sources: "list[Source]") -> _Plan:
    """Find out what there is to do; the target's staging folder is held, so what is there stays."""
    from pipeline.building.append import choose_additions, read_base

    base = read_base(config.out) if config.append else None
    _require_target(config, base)
    build = config.build_config(base)
    if not config.append:
        return _Plan(base=base, build=build, sources=sources, sha256=[""] * len(sources), skipped=[])
    added = choose_additions(sources, base)
    return _Plan(base=base, build=build, sources=added.sources, sha256=added.sha256, skipped=added.skipped)


def _require_target(config: EncodeConfig, base: "Base | None") -> None:
    from pipeline.building.output_folder import require_free_folder, require_only_dataset

    if base is not None:
        require_only_dataset(config.out, base.manifest)
    else:
        require_free_folder(config.out, overwrite=config.common.overwrite)


@contextmanager
def _noted_if_kept(progress: Path, meter: "Meter") -> Iterator[None]:
    """Say so when an interruption leaves something to go on from."""
    from pipeline.storage.staging import is_interruption

    try:
        yield
    except BaseException as error:
        if progress.is_file() and is_interruption(error):
            meter.note("finished shards are kept; the same command goes on from there")
        raise


def _encode(config: EncodeConfig, plan: _Plan, builder: "DatasetBuilder", meter: "Meter", started: float) -> "Manifest":
    from pipeline.building.output_folder import keep_quarantine
    from pipeline.execution.meter import rates

    counts = builder.counts
    num_done, bytes_done = len(counts.sources), sum(source.bytes for source in counts.sources)

    def show(_: object) -> None:
        num_bytes = sum(source.bytes_read for source in plan.sources)
        meter.update(bytes_done + num_bytes, lambda: rates(started, counts.rows_in - builder.rows_reused, num_bytes))

    try:
        for source, sha256 in list(zip(plan.sources, plan.sha256, strict=True))[num_done:]:
            builder.read(source, show, sha256)
        return builder.finish()
    except InputError as error:
        kept = keep_quarantine(builder.quarantine, config.out)
        raise InputError(f"{error}; the quarantine is {kept}" if kept else str(error), path=error.path) from error


def _duplicates(config: EncodeConfig, dataset: Path, manifest: "Manifest") -> dict[str, int]:
    """How many held-out rows of a dataset are among its training rows as well."""
    from pipeline.inspection.duplicates import find_seen

    seen = find_seen(dataset, manifest, num_threads=config.common.num_threads)
    return {"text": int(seen.by_text.sum()), "codes": int(seen.by_codes.sum())}


def _report(
    config: EncodeConfig,
    plan: _Plan,
    manifest: "Manifest",
    builder: "DatasetBuilder | None",
    duplicates: dict[str, int],
    started: float,
) -> dict[str, Any]:
    """The report; without a builder there was nothing to add."""
    outputs = ["manifest.json", *(["quarantine.parquet"] if manifest.num_quarantined else [])]
    return {
        "rows_in": builder.counts.rows_in if builder else 0,
        "rows_out": builder.counts.rows_out if builder else 0,
        "rows_quarantined": builder.counts.rows_quarantined if builder else 0,
        "quarantined": builder.quarantine.reasons if builder else {},
        "rows_reused": builder.rows_reused if builder else 0,
        "sources_skipped": plan.skipped,
        "rows_total": manifest.num_rows("train") + manifest.num_rows("valid"),
        "rows_train": manifest.num_rows("train"),
        "rows_valid": manifest.num_rows("valid"),
        "duplicates_across_splits": duplicates,
        "num_labels": len(manifest.labels),
        "profile": manifest.profile.to_json(),
        "fingerprint": manifest.fingerprint,
        "seconds": round(time.monotonic() - started, 3),
        "outputs": [str(config.out / name) for name in outputs],
    }


def render(report: dict[str, Any]) -> str:
    """The report as text."""
    from jobs.cli.console import table

    profile, skipped, reused = report["profile"], report["sources_skipped"], report["rows_reused"]
    duplicates = report["duplicates_across_splits"]
    is_larger = report["rows_total"] > report["rows_out"]
    return table(
        {
            "rows in": report["rows_in"],
            **({"  read by an earlier run": reused} if reused else {}),
            "rows encoded": report["rows_out"],
            **({"rows in the dataset": report["rows_total"]} if is_larger else {}),
            "  to train from": report["rows_train"],
            "  held out": report["rows_valid"],
            "duplicates": f"held-out rows also in training: {duplicates['text']:,} by text, {duplicates['codes']:,} by codes",
            "rows quarantined": report["rows_quarantined"],
            **{f"  {reason}": count for reason, count in sorted(report["quarantined"].items())},
            **({"in the dataset already": skipped} if skipped else {}),
            "classes": report["num_labels"],
            "profile": f"{profile['name']}, {profile['max_length']} codes a row ({profile['fingerprint']})",
            "dataset": report["fingerprint"],
            "seconds": report["seconds"],
            "rows/s": round((report["rows_in"] - reused) / max(report["seconds"], 1e-9)),
            "files": report["outputs"],
        }
    )


if __name__ == "__main__":
    run_command("encode", EncodeConfig, run, render)
