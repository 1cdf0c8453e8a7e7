"""The builder: sources in, a finished dataset in a staging folder out."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

import numpy as np
import polars as pl

from pipeline.building.append import Base, require_same_content
from pipeline.building.assembly import complete_folder, example_text, finish_shards, with_ids
from pipeline.building.blocks import BlockEncoder
from pipeline.building.conflicts import Conflicts, KnownTexts, OnConflict, find_conflicts, write_marks
from pipeline.building.journal import Journal
from pipeline.building.labels import LabelIndex, LocalLabels
from pipeline.building.progress import DATASET, SCRATCH, Border, Progress
from pipeline.building.shard_writer import MARK, ShardWriter
from pipeline.building.split import make_splitter
from pipeline.dataset.manifest import (
    MANIFEST,
    QUARANTINE,
    TRAIN,
    VALID,
    Manifest,
    SourceEntry,
    SplitEntry,
)
from pipeline.dataset.shards import LabelIds
from pipeline.errors import InputError
from pipeline.execution.threads import Execute, in_threads
from pipeline.inspection.label_column import check_held_out, check_label_column, first_columns, likely_labels
from pipeline.records.law import check_law, check_share, encoding_hint
from pipeline.records.quarantine import CONFLICTING_LABEL, UNKNOWN_LABEL, QuarantineWriter
from pipeline.records.row_reader import Dialect, RowReaders
from pipeline.records.rows import Place
from pipeline.records.unknown_labels import add_unknown, unknown_hint
from pipeline.records.wanted import Wanted
from pipeline.storage.durable import write_durably
from pipeline.storage.source import Source
from pipeline.text.alphabet import Profile
from pipeline.text.encoder import Encoder


@dataclass(frozen=True, kw_only=True)
class BuildConfig:
    """What a dataset is made of.

    Attributes:
        wanted: The columns that make a row; with a label, and those that are known where a dataset is added to.
        profile: How text becomes codes.
        split: How rows are held out.
        shard_rows: Rows a shard.
        max_quarantined: Fail above this fraction.
        num_threads: For encoding.
        on_conflict: What becomes of a text that is in the dataset with another label.
    """

    wanted: Wanted
    profile: Profile
    split: SplitEntry
    shard_rows: int
    max_quarantined: float
    num_threads: int
    on_conflict: OnConflict = "both"


@dataclass
class Counts:
    """The law's numbers, so far."""

    rows_in: int = 0
    rows_out: int = 0
    rows_quarantined: int = 0
    sources: list[SourceEntry] = field(default_factory=list)


class DatasetBuilder:
    """Reads sources one after another and writes a dataset.

    Args:
        config: What to make.
        readers: Make a reader for each source.
        folder: A staging folder, empty but for what progress names; the dataset is its subfolder ``dataset``, complete once `finish` has
            returned.
        base: The dataset to add to; it has the same profile and split.
        fingerprint: Of all that determines the result; where empty, no progress is kept.
        progress: What a killed builder with the same fingerprint left, compared already.
        execute: Encodes the blocks; by default in the config's threads.

    Attributes:
        counts: Of the new sources. Those that `counts.sources` has from the start need not be read again.
        quarantine: Of the new sources.
        dialect: How the source is written that the last block came from.
        rows_reused: Of `counts.rows_in`, how many are not scanned again.
        num_shards_reused: How many shards are not written again.
        conflicts: Known when the dataset is finished.
        example: A text with a conflict, then; empty where there is none.
        warnings: What is odd about the dataset, then.
    """

    def __init__(
        self,
        config: BuildConfig,
        readers: RowReaders,
        folder: Path,
        *,
        base: Base | None = None,
        fingerprint: str = "",
        progress: Progress | None = None,
        execute: Execute | None = None,
    ) -> None:
        self.folder = folder / DATASET
        self.folder.mkdir(exist_ok=True)
        self.quarantine = QuarantineWriter(folder / QUARANTINE)
        self.dialect = Dialect()
        self._config = config
        self._readers = readers
        self._execute = execute or in_threads(config.num_threads)
        self._base = base
        self._encoder = Encoder(config.profile)
        fixed = base.manifest.labels if base else ()
        self._labels = LabelIndex(progress.labels if progress else fixed, len(fixed))
        self._unknown_labels: dict[str, int] = {}
        self.conflicts, self.example = Conflicts(), ""
        self.warnings: list[str] = []
        self._path: str | None = None
        self._base_marks: list[Path] = []
        if base is not None:
            self._base_marks = write_marks(base.folder, base.manifest, folder / SCRATCH, config.num_threads)
        self._known = KnownTexts(self._base_marks, fixed) if config.on_conflict == "keep" else None
        mark = progress.mark if progress else Border(source=0, place=None, rows={TRAIN: 0, VALID: 0}, rejects=0)
        train, valid = (self._make_writer(folder / SCRATCH, split, mark, progress) for split in (TRAIN, VALID))
        self._writers = (train, valid)
        self._splitter = make_splitter(config.split, train, valid, folder / "spool", config.profile)
        self._journal = Journal(folder, fingerprint, self._writers, progress)
        self._journal.note_border(mark)
        self._start: Place | None = mark.place
        self.counts = _counts_at(mark, progress)
        self.rows_reused = self.counts.rows_in
        self.num_shards_reused = len(progress.shards) if progress else 0
        for rejects in progress.rejects(folder) if progress else ():
            self.quarantine.write(rejects)

    def _make_writer(self, scratch: Path, split: str, mark: Border, progress: Progress | None) -> ShardWriter:
        return ShardWriter(
            self.folder,
            scratch,
            split,
            self._config.profile,
            self._config.shard_rows,
            first_shard=self._base.num_shards(split) if self._base else 0,
            finished=[shard for shard in progress.shards if shard.split == split] if progress else (),
            num_dealt=mark.rows[split],
            max_closing=min(1, self._config.num_threads - 1),
        )

    def read(self, source: Source, on_block: Callable[[Counts], None], expected_sha256: str = "") -> None:
        """Take all rows of the next source.

        Args:
            source: What to read.
            on_block: Told of the counts after each block.
            expected_sha256: Of its stored bytes, where that is known.

        Raises:
            CharmillError: The source cannot be used.
        """
        with self._abandoned_on_error():
            self._read(source, on_block)
            if expected_sha256:
                require_same_content(source, expected_sha256)

    def _read(self, source: Source, on_block: Callable[[Counts], None]) -> None:
        counts = self.counts
        start, self._start = self._start, None
        self._path = source.path if source.is_file else None
        encode = BlockEncoder(source.name, self._encoder, self._splitter.arrange, self._config.split.seed, self._known)
        reader = self._readers.open(source, self._config.wanted)
        scanned = reader.scan(start)
        row_bytes = self._config.profile.max_length
        with closing(self._execute(scanned, encode, lambda block: block.size_bytes(row_bytes))) as blocks:
            for block in blocks:
                marks_N = np.empty(len(block.rows), MARK)
                marks_N["label"], marks_N["text"] = self._label_ids(block.labels), block.hashes
                self._splitter.write(block.codes, marks_N, block.rows, block.num_train)
                self.quarantine.write(block.rejects)
                add_unknown(self._unknown_labels, block.unknown_labels)
                self._journal.take(block.rejects)
                self.dialect = reader.dialect
                counts.rows_in += block.num_records
                counts.rows_out += len(block.rows)
                counts.rows_quarantined += len(block.rejects)
                self._note_border(block.end)
                self._journal.write(self._labels.labels, counts.sources, source)
                on_block(counts)
        entry = SourceEntry(
            name=source.name,
            bytes=source.bytes_read,
            sha256=source.sha256,
            delimiter=reader.dialect.delimiter,
            encoding=reader.dialect.encoding,
            rows_in=counts.rows_in - sum(done.rows_in for done in counts.sources),
            rows=counts.rows_out - sum(done.rows for done in counts.sources),
            quarantined=counts.rows_quarantined - sum(done.quarantined for done in counts.sources),
        )
        check_law(source.path, entry.rows_in, entry.rows, entry.quarantined)
        counts.sources.append(entry)
        self._note_border(None)

    def _label_ids(self, labels: LocalLabels) -> LabelIds:
        try:
            return self._labels.ids(labels)
        except InputError as error:
            column = self._config.wanted.label
            raise InputError(f"--label {column}: {error}; {likely_labels(column, self._columns)}") from error

    def _columns(self) -> Mapping[str, pl.Series]:
        """The first values of all columns of the source that was read last; nothing of a pipe."""
        if self._path is None:
            return {}
        return first_columns(self._readers.open(Source(self._path, self._path), self._config.wanted))

    def _note_border(self, place: Place | None) -> None:
        self._journal.note_border(
            Border(
                source=len(self.counts.sources),
                place=place,
                rows={writer.split: writer.num_dealt for writer in self._writers},
                rejects=self.quarantine.num_rows,
            )
        )

    def finish(self) -> Manifest:
        """Check the law, complete the dataset and write its manifest.

        Raises:
            InputError: Too much was quarantined (the quarantine file is then complete), or there are no rows.
            LawError: Rows were lost.
        """
        with self._abandoned_on_error():
            return self._finish()

    def _finish(self) -> Manifest:
        counts = self.counts
        self.quarantine.close()
        self._journal.abandon()  # A run that is killed from here on is resumed from what was written before.
        where = counts.sources[0].name if len(counts.sources) == 1 else f"{len(counts.sources)} files"
        malformed = {reason: count for reason, count in self.quarantine.reasons.items() if reason != CONFLICTING_LABEL}
        hint = "; ".join(self.hints("--new-labels lets new ones in"))
        check_share(where, counts.rows_in, malformed, self._config.max_quarantined, hint=hint)
        if not counts.rows_out and counts.sources and len(malformed) == len(self.quarantine.reasons):
            what = f"all {counts.rows_in:,} records went to quarantine" if counts.rows_in else "there is only a header"
            raise InputError(f"{where}: there is no row to encode, {what}")
        self._splitter.finish(self._labels.labels)
        for writer in self._writers:  # Both at once.
            writer.end()
        labels, final_ids = self._labels.finish(self._config.wanted.label_names)
        self._check_labels(len(labels))
        manifest = Manifest(
            profile=self._config.profile,
            labels=labels,
            label_names=dict(self._config.wanted.label_names),
            split=self._config.split,
            sources=counts.sources,
            shards=[],
        )
        marks = [path for writer in self._writers for path in writer.close()]
        self.conflicts = find_conflicts(self._base_marks, marks, replaces=self._config.on_conflict == "replace")
        changes = iter(self.conflicts.changes)
        of_base = [with_ids(change, final_ids) for change in islice(changes, len(self._base_marks))]
        manifest = replace(manifest, shards=finish_shards(self._writers, final_ids, changes))
        self.example = example_text(self.folder, manifest.shards, self.conflicts)
        manifest = complete_folder(self.folder, manifest, self._base, of_base, self.quarantine)
        write_durably(self.folder / MANIFEST, lambda file: file.write(manifest.to_bytes()))
        return manifest

    def hints(self, about_labels: str) -> list[str]:
        """What to try about what was quarantined.

        Args:
            about_labels: What to do about labels that the dataset does not know.
        """
        reasons, counts = self.quarantine.reasons, self.counts
        share = reasons.get(UNKNOWN_LABEL, 0) / max(1, counts.rows_in)
        unknown = unknown_hint(self._unknown_labels, self._config.wanted.labels, "dataset", share=share)
        hints = [
            encoding_hint(reasons, {source.encoding for source in counts.sources}),
            f"{unknown}; {about_labels}" if unknown else "",
        ]
        return [hint for hint in hints if hint]

    def _check_labels(self, num_labels: int) -> None:
        """Warn of labels that are hardly any, and of too few held-out rows; or refuse."""
        num_train, num_valid = (
            writer.num_dealt + (self._base.manifest.num_rows(writer.split) if self._base else 0)
            for writer in self._writers
        )
        column, fraction = self._config.wanted.label, self._config.split.valid_fraction
        warnings = [
            check_label_column(column, num_labels, num_train + num_valid, self._columns),
            check_held_out(num_train, num_valid, fraction),
        ]
        self.warnings = [warning for warning in warnings if warning]

    @contextmanager
    def _abandoned_on_error(self) -> Iterator[None]:
        """Let go of all files on an error; where the input is to blame, complete the quarantine first, since it may be kept."""
        try:
            yield
        except BaseException as error:
            for unfinished in (*self._writers, self._splitter, self._journal):
                unfinished.abandon()
            if isinstance(error, InputError):
                self.quarantine.close()
            else:
                self.quarantine.abandon()
            raise


def _counts_at(mark: Border, progress: Progress | None) -> Counts:
    """The counts at a mark: of the sources before it, and of its own source up to there."""
    sources = progress.sources[: mark.source] if progress else []
    return Counts(
        rows_in=sum(source.rows_in for source in sources) + (mark.place.record if mark.place else 0),
        rows_out=sum(mark.rows.values()),
        rows_quarantined=mark.rejects,
        sources=sources,
    )
