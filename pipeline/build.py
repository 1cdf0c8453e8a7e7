"""Builds a dataset: sources in, a finished folder out. Used by the encode job, within a staging folder."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from pipeline.alphabet import Profile
from pipeline.encoder import Encoder
from pipeline.errors import InputError, UsageError
from pipeline.labels import LabelIndex
from pipeline.manifest import FILE_KINDS, MANIFEST, QUARANTINE, TRAIN, VALID, Manifest, SourceEntry, SplitEntry
from pipeline.publish import publish_file, sync_folder, write_durably
from pipeline.quarantine import QuarantineWriter, check_law, check_share
from pipeline.reader import LABEL, RECORD, TEXT, CsvFormat, CsvReader, RowBlock
from pipeline.shards import ROWS_SCHEMA, ShardWriter
from pipeline.source import Source
from pipeline.split import make_splitter


@dataclass(frozen=True, kw_only=True)
class BuildConfig:
    """What a dataset is made of.

    Attributes:
        csv_format: How the CSVs look; with a label.
        profile: How text becomes codes.
        split: How rows are held out.
        shard_rows: Rows a shard.
        max_quarantined: Fail above this fraction.
        num_threads: For encoding.
    """

    csv_format: CsvFormat
    profile: Profile
    split: SplitEntry
    shard_rows: int
    max_quarantined: float
    num_threads: int


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
        folder: An empty staging folder; the dataset is its subfolder ``dataset``, complete once `finish` has returned.
    """

    def __init__(self, config: BuildConfig, folder: Path) -> None:
        self.folder = folder / "dataset"
        self.folder.mkdir()
        self.counts = Counts()
        self.quarantine = QuarantineWriter(self.folder / QUARANTINE)
        self._config = config
        self._encoder = Encoder(config.profile, config.num_threads)
        self._labels = LabelIndex()
        train, valid = (ShardWriter(self.folder, split, config.profile, config.shard_rows) for split in (TRAIN, VALID))
        self._writers = (train, valid)
        self._splitter = make_splitter(config.split, train, valid, folder / "spool", config.profile)

    def read(self, source: Source, on_block: Callable[[Counts], None]) -> None:
        """Take all rows of a source.

        Args:
            source: What to read.
            on_block: Told of the counts after each block.

        Raises:
            CharmillError: The source cannot be used.
        """
        with self._abandoned_on_error():
            self._read(source, on_block)

    def _read(self, source: Source, on_block: Callable[[Counts], None]) -> None:
        counts, before = self.counts, (self.counts.rows_in, self.counts.rows_out, self.counts.rows_quarantined)
        with closing(CsvReader(source, self._config.csv_format).blocks()) as blocks:
            for block in blocks:
                self._take(source, block)
                self.quarantine.write(block.rejects)
                counts.rows_in += block.num_records
                counts.rows_out += len(block.frame)
                counts.rows_quarantined += len(block.rejects)
                on_block(counts)
        rows_in, rows, quarantined = (
            now - then
            for now, then in zip((counts.rows_in, counts.rows_out, counts.rows_quarantined), before, strict=True)
        )
        check_law(source.path, rows_in, rows, quarantined)
        counts.sources.append(
            SourceEntry(
                name=source.name,
                bytes=source.bytes_read,
                sha256=source.sha256,
                rows_in=rows_in,
                rows=rows,
                quarantined=quarantined,
            )
        )

    def _take(self, source: Source, block: RowBlock) -> None:
        frame = block.frame
        if frame.is_empty():
            return
        rows = pa.table(
            [
                pa.array([source.name], pa.string()).take(pa.array([0] * len(frame))),
                frame[RECORD].to_arrow(),
                frame[TEXT].to_arrow(),
            ],
            schema=ROWS_SCHEMA,
        )
        self._splitter.write(self._encoder.encode(frame[TEXT]), self._labels.ids(frame[LABEL]), rows)

    def finish(self) -> Manifest:
        """Check the law, complete the dataset and write its manifest.

        Raises:
            InputError: Too much was quarantined (the quarantine file is then complete), or there are no rows.
            LawError: Rows were lost.
        """
        with self._abandoned_on_error():
            return self._finish()

    def _finish(self) -> Manifest:
        has_quarantine = self.quarantine.close()
        counts = self.counts
        where = counts.sources[0].name if len(counts.sources) == 1 else f"{len(counts.sources)} files"
        check_share(where, counts.rows_in, self.quarantine.reasons, self._config.max_quarantined)
        if not counts.rows_out:
            what = f"all {counts.rows_in:,} records went to quarantine" if counts.rows_in else "there is only a header"
            raise InputError(f"{where}: there is no row to encode, {what}")
        self._splitter.finish()
        labels, final_ids = self._labels.finish()
        manifest = Manifest(
            profile=self._config.profile,
            labels=labels,
            split=self._config.split,
            sources=counts.sources,
            shards=[shard for writer in self._writers for shard in writer.finish(final_ids)],
        )
        check_law(where, counts.rows_in, sum(shard.num_rows for shard in manifest.shards), self.quarantine.num_rows)
        if not has_quarantine:
            self.quarantine.path.unlink(missing_ok=True)
        write_durably(self.folder / MANIFEST, lambda file: file.write(manifest.to_bytes()))
        return manifest

    @contextmanager
    def _abandoned_on_error(self) -> Iterator[None]:
        """Let go of all files if it fails; where the input is to blame, the quarantine is completed, since it may be kept."""
        try:
            yield
        except BaseException as error:
            for unfinished in (*self._writers, self._splitter):
                unfinished.abandon()
            if isinstance(error, InputError):
                self.quarantine.close()
            else:
                self.quarantine.abandon()
            raise

    def keep_quarantine(self, target: Path) -> Path | None:
        """Save the quarantine of a build that failed; returns where it is, or None where there is none.

        It goes into the target folder, unless a dataset is there, which stays as it is; then beside it.
        """
        if not self.quarantine.close():
            return None
        kept = target / QUARANTINE
        if (target / MANIFEST).exists():
            kept = target.with_name(f"{target.name}.{QUARANTINE}")
        else:
            target.mkdir(exist_ok=True)
            sync_folder(target.parent)
        publish_file(self.quarantine.path, kept)
        return kept


def require_free_folder(folder: Path, *, overwrite: bool) -> None:
    """Refuse to build a dataset over anything but what may be replaced.

    Raises:
        UsageError: The folder is a file, is not empty, or holds files that no dataset has.
    """
    if not folder.exists():
        return
    if not folder.is_dir():
        raise UsageError(f"{folder}: it is a file; --out names the dataset's folder", path=folder)
    names = sorted(entry.name for entry in folder.iterdir())
    if not set(names) - {QUARANTINE}:
        return
    if not overwrite:
        raise UsageError(
            f"{folder}: the folder is not empty; name another --out, or add --overwrite to replace the dataset in it",
            path=folder,
        )
    foreign = [name for name in names if not _is_ours(name)]
    if foreign:
        raise UsageError(
            f"{folder}: --overwrite replaces a dataset only, and {foreign[0]!r} belongs to none; name another --out or move it away",
            path=folder,
        )


def _is_ours(name: str) -> bool:
    prefix, _, kind = name.partition(".")
    return name in {MANIFEST, QUARANTINE} or (
        prefix.rpartition("-")[0] in {TRAIN, VALID} and kind in FILE_KINDS.values()
    )
