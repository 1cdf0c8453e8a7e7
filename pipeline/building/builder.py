"""The builder: sources in, a finished dataset in a staging folder out."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.building.append import Base, require_same_content
from pipeline.building.blocks import BlockEncoder
from pipeline.building.journal import Journal
from pipeline.building.labels import LabelIndex
from pipeline.building.progress import DATASET, SCRATCH, Border, Progress
from pipeline.building.shard_writer import ShardWriter
from pipeline.building.split import make_splitter
from pipeline.dataset.manifest import MANIFEST, QUARANTINE, TRAIN, VALID, Manifest, SourceEntry, SplitEntry
from pipeline.errors import InputError
from pipeline.execution.threads import Execute, in_threads
from pipeline.records.law import check_law, check_share, encoding_hint
from pipeline.records.quarantine import QuarantineWriter
from pipeline.records.row_reader import Dialect, RowReaders
from pipeline.records.rows import Place
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
    """

    wanted: Wanted
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
        readers: Make a reader for each source.
        folder: A staging folder, empty but for what progress names; the dataset is its subfolder ``dataset``, complete once `finish` has
            returned.
        base: The dataset to add to; it has the same profile and split, and its labels are the known ones.
        fingerprint: Of all that determines the result; where empty, no progress is kept.
        progress: What a killed builder with the same fingerprint left, compared already.
        execute: Encodes the blocks; by default in the config's threads.

    Attributes:
        counts: Of the new sources. Those that `counts.sources` has from the start need not be read again.
        quarantine: Of the new sources.
        dialect: How the source is written that the last block came from.
        rows_reused: Of `counts.rows_in`, how many are not scanned again.
        num_shards_reused: How many shards are not written again.
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
        known = progress.labels if progress else base.manifest.labels if base else ()
        self._labels = LabelIndex(known)
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
        encode = BlockEncoder(source.name, self._encoder, self._splitter.arrange)
        reader = self._readers.open(source, self._config.wanted)
        scanned = reader.scan(start)
        row_bytes = self._config.profile.max_length
        with closing(self._execute(scanned, encode, lambda block: block.size_bytes(row_bytes))) as blocks:
            for block in blocks:
                label_ids = self._labels.ids(block.labels)
                self._splitter.write(block.codes, label_ids, block.rows, block.num_train)
                self.quarantine.write(block.rejects)
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
        encodings = {source.encoding for source in counts.sources}
        reasons = self.quarantine.reasons
        hint = encoding_hint(reasons, encodings)
        check_share(where, counts.rows_in, reasons, self._config.max_quarantined, hint=hint)
        if not counts.rows_out:
            what = f"all {counts.rows_in:,} records went to quarantine" if counts.rows_in else "there is only a header"
            raise InputError(f"{where}: there is no row to encode, {what}")
        self._splitter.finish(self._labels.labels)
        for writer in self._writers:  # Both at once.
            writer.end()
        labels, final_ids = self._labels.finish(in_order=self._base is not None)
        manifest = Manifest(
            profile=self._config.profile,
            labels=labels,
            split=self._config.split,
            sources=counts.sources,
            shards=[shard for writer in self._writers for shard in writer.finish(final_ids)],
        )
        _check_dataset(where, manifest, self.quarantine)
        manifest = self._joined(manifest)
        write_durably(self.folder / MANIFEST, lambda file: file.write(manifest.to_bytes()))
        return manifest

    def _joined(self, manifest: Manifest) -> Manifest:
        """Complete the folder with what is in the base already, and with the quarantine."""
        if self._base is None:
            if self.quarantine.num_rows:
                self.quarantine.path.rename(self.folder / QUARANTINE)
            return manifest
        self._base.link_shards(self.folder)
        quarantine = self._base.join_quarantine(self.quarantine, self.folder / QUARANTINE)
        joined = self._base.extended(manifest)
        _check_dataset(str(self._base.folder), joined, quarantine)
        return joined

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


def _check_dataset(where: str, manifest: Manifest, quarantine: QuarantineWriter) -> None:
    rows_in = sum(source.rows_in for source in manifest.sources)
    check_law(where, rows_in, sum(shard.num_rows for shard in manifest.shards), quarantine.num_rows)
