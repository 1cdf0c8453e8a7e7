"""The encode job without its flags and its console: labelled files in, a published dataset out."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.building.append import Base, choose_additions, read_base
from pipeline.building.builder import BuildConfig, Counts, DatasetBuilder
from pipeline.building.conflicts import Conflicts, OnConflict
from pipeline.building.output_folder import (
    keep_quarantine,
    quarantine_beside,
    remove_stale_quarantine,
    require_free_folder,
    require_only_dataset,
)
from pipeline.building.progress import PROGRESS
from pipeline.building.resume import start_build
from pipeline.dataset.manifest import MANIFEST, QUARANTINE, Manifest, SplitEntry
from pipeline.errors import InputError, UsageError
from pipeline.execution.meter import Meter, Meters, rates, silent
from pipeline.inspection.duplicates import find_seen
from pipeline.records.label_names import check_names, look_alikes
from pipeline.records.row_reader import RowReaders
from pipeline.records.wanted import Wanted
from pipeline.storage.publish import publish_folder
from pipeline.storage.source import STDIN, Source, find_sources
from pipeline.storage.staging import is_interruption, staging
from pipeline.text.alphabet import DEFAULT_PROFILE, get_profile


@dataclass(frozen=True, kw_only=True)
class EncodeOptions:
    """What dataset to make, and where. None is the default or, where a dataset is added to, that dataset's.

    Attributes:
        out: The dataset's folder.
        wanted: The columns that make a row, with a label. Its `label_names` are the dataset's where none are given.
        append: Add to the dataset at `out`, each source once, told by its content.
        overwrite: Replace the dataset at `out`.
        profile: Name of the profile.
        max_length: Codes a row; 0 for the profile's own.
        split: ``hash`` or ``random``.
        valid_fraction: The share of rows to hold out.
        split_seed: Seed of the split.
        stratify: With ``random``, hold out the same share of each class.
        shard_rows: Rows a shard.
        max_quarantined: Fail above this fraction.
        num_threads: Threads to use, at least 1.
        on_conflict: With `append`, what becomes of a text that is in the dataset with another label.
        new_labels: With `append`, there may be labels that the dataset has not.
    """

    out: Path
    wanted: Wanted
    append: bool = False
    overwrite: bool = False
    profile: str | None = None
    max_length: int | None = None
    split: str | None = None
    valid_fraction: float | None = None
    split_seed: int | None = None
    stratify: bool = False
    shard_rows: int = 65536
    max_quarantined: float = 0.1
    num_threads: int = 1
    on_conflict: OnConflict = "both"
    new_labels: bool = False

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
        if not self.wanted.label:
            raise UsageError("--label: name the column of the class")
        if self.append and self.overwrite:
            raise UsageError("--append: it keeps the dataset that --overwrite replaces; choose one of them")
        if self.on_conflict != "both" and not self.append:
            raise UsageError(
                f"--on-conflict {self.on_conflict}: it goes with --append, and says what becomes of labels in the dataset"
            )
        if self.new_labels and not self.append:
            raise UsageError("--new-labels: it goes with --append; a new dataset has all labels of its files")

    def build_config(self, base: Base | None) -> BuildConfig:
        """What the builder needs to know, with what was not given filled in.

        Args:
            base: The dataset to add to.

        Raises:
            UsageError: An option makes no sense.
            MismatchError: An option differs from the dataset.
        """
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
            wanted=self.wanted if base is None else base.require_labels(self.wanted, new_labels=self.new_labels),
            profile=profile,
            split=split,
            shard_rows=self.shard_rows,
            max_quarantined=self.max_quarantined,
            num_threads=self.num_threads,
            on_conflict=self.on_conflict,
        )


@dataclass(frozen=True, kw_only=True)
class Encoded:
    """A dataset that was published, and what it was made of this time.

    Attributes:
        manifest: Of the whole dataset.
        counts: Of the sources read this time.
        quarantined: Records quarantined this time, by reason.
        rows_reused: Of the rows that came in, how many an earlier run had read.
        skipped: Names of sources that the dataset has already.
        seen_text: Held-out rows of which training has the text.
        seen_codes: Held-out rows of which training has the codes.
        conflicts: Texts with more than one label, among the sources read this time and between them and the dataset.
        example: A text of one; empty where there is none.
        labels_added: Labels that the dataset had not.
        warnings: What is odd about the dataset.
        outputs: The manifest, and the quarantine where there is one.
    """

    manifest: Manifest
    counts: Counts = field(default_factory=Counts)
    quarantined: dict[str, int] = field(default_factory=dict)
    rows_reused: int = 0
    skipped: list[str]
    seen_text: int
    seen_codes: int
    conflicts: Conflicts = field(default_factory=Conflicts)
    example: str = ""
    labels_added: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    outputs: list[Path]


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """What there is to do: `sha256` is the hash that each source must have, empty where any will do."""

    base: Base | None
    build: BuildConfig
    sources: list[Source]
    sha256: list[str]
    skipped: list[str]


def encode(inputs: Sequence[str], options: EncodeOptions, readers: RowReaders, *, meters: Meters = silent) -> Encoded:
    """Make a dataset of files, or add them to one.

    A killed call, made again, goes on from its finished shards; with a random split or a pipe it starts again.

    Args:
        inputs: Paths and glob patterns; ``-`` is standard input.
        options: What to make, and where.
        readers: Make a reader for each source.
        meters: Open what shows the progress.

    Raises:
        CharmillError: Nothing was published; a quarantine may have been kept.
    """
    started = time.monotonic()
    if options.append and STDIN in inputs:
        raise UsageError("--append: it reads its inputs twice, which standard input cannot; name a file")
    sources = find_sources(inputs)
    with staging(options.out, progress=PROGRESS) as stage:
        stale = quarantine_beside(options.out)  # Named now: publishing may replace the current folder.
        plan = _make_plan(options, sources)
        num_bytes = sum(source.size_bytes for source in plan.sources)
        with meters("encode", num_bytes) as meter, _noted_if_kept(stage / PROGRESS, meter):
            if plan.base is not None and not plan.sources and options.on_conflict != "replace":
                return _nothing_to_add(options, plan, plan.base, meter, stale)
            builder = start_build(plan.build, readers, stage, plan.sources, plan.base)
            if builder.rows_reused or builder.num_shards_reused:
                meter.note(
                    "going on where an earlier run stopped",
                    rows_reused=builder.rows_reused,
                    shards_reused=builder.num_shards_reused,
                )
            manifest = _build(options, plan, builder, meter, started)
            if plan.base is not None and not plan.sources and not builder.conflicts.rows_relabelled:
                return _nothing_to_add(options, plan, plan.base, meter, stale)
            encoded = _describe(options, plan, manifest, builder.folder, builder)
            _require_target(options, plan.base)  # Something may have come there meanwhile.
            publish_folder(builder.folder, options.out)
            remove_stale_quarantine(stale)
    return encoded


def _nothing_to_add(options: EncodeOptions, plan: _Plan, base: Base, meter: Meter, stale: Path) -> Encoded:
    meter.note("nothing to add: every file is in the dataset already", files=len(plan.skipped))
    if base.manifest.num_quarantined:
        meter.note(f"to add records that are in {QUARANTINE}, put them, mended, into a file of their own")
    remove_stale_quarantine(stale)
    return _describe(options, plan, base.manifest, options.out, None)


def _make_plan(options: EncodeOptions, sources: list[Source]) -> _Plan:
    """Find out what there is to do; the target's staging folder is held, so what is there stays."""
    base = read_base(options.out) if options.append else None
    _require_target(options, base)
    build = options.build_config(base)
    if not options.append:
        return _Plan(base=base, build=build, sources=sources, sha256=[""] * len(sources), skipped=[])
    added = choose_additions(sources, base)
    return _Plan(base=base, build=build, sources=added.sources, sha256=added.sha256, skipped=added.skipped)


def _require_target(options: EncodeOptions, base: Base | None) -> None:
    if base is not None:
        require_only_dataset(options.out, base.manifest)
    else:
        require_free_folder(options.out, overwrite=options.overwrite)


@contextmanager
def _noted_if_kept(progress: Path, meter: Meter) -> Iterator[None]:
    """Note that an interrupted build has kept its finished shards."""
    try:
        yield
    except BaseException as error:
        if progress.is_file() and is_interruption(error):
            meter.note("finished shards are kept; the same command goes on from there")
        raise


def _build(options: EncodeOptions, plan: _Plan, builder: DatasetBuilder, meter: Meter, started: float) -> Manifest:
    counts = builder.counts
    num_done, bytes_done = len(counts.sources), sum(source.bytes for source in counts.sources)
    noted = builder.dialect

    def show(_: object) -> None:
        nonlocal noted
        if builder.dialect is not noted:
            noted = builder.dialect
            if detected := noted.surprises():
                meter.note(f"{plan.sources[len(counts.sources)].name} is read as", **detected)
        num_bytes = sum(source.bytes_read for source in plan.sources)
        meter.update(bytes_done + num_bytes, lambda: rates(started, counts.rows_in - builder.rows_reused, num_bytes))

    try:
        for source, sha256 in list(zip(plan.sources, plan.sha256, strict=True))[num_done:]:
            builder.read(source, show, sha256)
        manifest = builder.finish()
    except InputError as error:
        kept = keep_quarantine(builder.quarantine, options.out)
        raise InputError(f"{error}; the quarantine is {kept}" if kept else str(error), path=error.path) from error
    names = manifest.label_names if options.wanted.label_names else {}
    builder.warnings += [*check_names(names, manifest.labels), *look_alikes(manifest.labels, manifest.label_names)]
    hints = builder.hints("to add rows of theirs, append them in a file of their own with --new-labels")
    for said in (*hints, *builder.warnings):
        meter.note(said)
    return manifest


def _describe(
    options: EncodeOptions, plan: _Plan, manifest: Manifest, dataset: Path, builder: DatasetBuilder | None
) -> Encoded:
    """Describe a dataset that is complete; without a builder there was nothing to add."""
    seen = find_seen(dataset, manifest, num_threads=options.num_threads)
    names = [MANIFEST, *([QUARANTINE] if manifest.num_quarantined else [])]
    return Encoded(
        manifest=manifest,
        counts=builder.counts if builder else Counts(),
        quarantined=builder.quarantine.reasons if builder else {},
        rows_reused=builder.rows_reused if builder else 0,
        skipped=plan.skipped,
        seen_text=int(seen.by_text.sum()),
        seen_codes=int(seen.by_codes.sum()),
        conflicts=builder.conflicts if builder else Conflicts(),
        example=builder.example if builder else "",
        labels_added=manifest.labels[len(plan.base.manifest.labels) :] if plan.base else [],
        warnings=builder.warnings if builder else [],
        outputs=[options.out / name for name in names],
    )
