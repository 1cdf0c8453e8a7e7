"""The split: holds rows out by a hash of their text, which streams, or at random, as the article does with scikit-learn."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.building.shard_writer import MARK, Marks, ShardWriter
from pipeline.dataset.manifest import SplitEntry
from pipeline.dataset.shards import ROWS_SCHEMA, LabelIds
from pipeline.errors import InputError, MissingError
from pipeline.storage.npy import NpyWriter
from pipeline.text.alphabet import Codes, Profile
from pipeline.text.encode_kernel import Hashes

SPOOL_ROWS = 65_536
_NAMED_CLASSES = 3  # In a message.


class Arrangement(NamedTuple):
    """The order, int64 [N] or None for no other, and how many of the rows are then to train from."""

    order: npt.NDArray[np.int64] | None
    num_train: int


Arrange = Callable[[Hashes], Arrangement]
"""In which order `Splitter.write` wants rows whose texts have these hashes, seeded by the split; can be pickled, and called by several
threads at once."""


@dataclass(frozen=True)
class HashArrangement:
    """Holds out a row when the seeded hash of its text falls below the fraction: the same text is always on the same side.

    Attributes:
        split: The fraction and the seed.
    """

    split: SplitEntry

    def __call__(self, hashes_N: Hashes) -> Arrangement:
        """Those to train from first, then those held out, each in input order."""
        held_out = self.is_held_out(hashes_N)
        train, valid = np.flatnonzero(~held_out), np.flatnonzero(held_out)
        return Arrangement(np.concatenate([train, valid]) if len(valid) else None, len(train))

    def is_held_out(self, hashes_N: Hashes) -> npt.NDArray[np.bool_]:
        """Which texts are held out, bool [N], by their hashes with the split's seed."""
        return (hashes_N >> np.uint64(11)).astype(np.float64) < self.split.valid_fraction * 2.0**53


def arrange_as_read(hashes_N: Hashes) -> Arrangement:
    """Leave rows as they come, on one side: the random split makes its order when all are there."""
    return Arrangement(None, len(hashes_N))


class Splitter(Protocol):
    """Deals rows to two shard writers."""

    @property
    def arrange(self) -> Arrange:
        """In which order `write` wants rows."""
        ...

    def write(self, codes_NL: Codes, marks_N: Marks, rows: pa.Table, num_train: int) -> None:
        """Take arranged rows, as `ShardWriter.write` does, the first num_train to train from."""

    def finish(self, labels: Sequence[str]) -> None:
        """Deal what was kept back, since all rows have come; labels are in the order of provisional ids."""

    def abandon(self) -> None:
        """Let go of all files; for clean-up after an error. The shard writers are the caller's."""


class HashSplitter:
    """Deals rows as they come, by a hash of their text.

    Args:
        split: The fraction and the seed.
        train: Takes the training rows, in input order.
        valid: Takes the held-out rows, in input order.
    """

    def __init__(self, split: SplitEntry, train: ShardWriter, valid: ShardWriter) -> None:
        self.arrange = HashArrangement(split)
        self._train = train
        self._valid = valid

    def write(self, codes_NL: Codes, marks_N: Marks, rows: pa.Table, num_train: int) -> None:
        """Deal rows at once."""
        for writer, start, stop in ((self._train, 0, num_train), (self._valid, num_train, len(codes_NL))):
            if start < stop:
                writer.write(codes_NL[start:stop], marks_N[start:stop], rows.slice(start, stop - start))

    def finish(self, labels: Sequence[str]) -> None:
        """Nothing is kept back."""

    def abandon(self) -> None:
        """Nothing is open."""


class RandomSplitter:
    """Holds out rows with scikit-learn's `train_test_split` over all of them; both sides come in the order that it gives.

    All rows are spooled to disk first. While the order is made it takes 24 bytes of memory a
    row, 75 where stratified (tracemalloc, 2 million rows).

    Args:
        split: The fraction, the seed and whether to stratify by label.
        train: Takes the training rows.
        valid: Takes the held-out rows.
        folder: Where to spool; the caller removes it.
        profile: Of the codes.

    Raises:
        MissingError: scikit-learn is not installed.
    """

    def __init__(
        self, split: SplitEntry, train: ShardWriter, valid: ShardWriter, folder: Path, profile: Profile
    ) -> None:
        if find_spec("sklearn") is None:
            raise MissingError(
                "--split random needs scikit-learn: pip install scikit-learn, or leave it out for --split hash"
            )
        self.arrange = arrange_as_read
        self._split = split
        self._writers = (train, valid)
        folder.mkdir()
        self._paths = [folder / name for name in ("codes.npy", "marks.npy", "rows.arrow")]
        self._codes = NpyWriter(self._paths[0], np.uint8, (profile.max_length,))
        self._marks = NpyWriter(self._paths[1], MARK, ())
        self._rows_file = self._paths[2].open("wb")
        self._rows = pa.ipc.new_file(self._rows_file, ROWS_SCHEMA)

    def write(self, codes_NL: Codes, marks_N: Marks, rows: pa.Table, num_train: int) -> None:  # noqa: ARG002
        """Spool rows."""
        self._codes.write(codes_NL)
        self._marks.write(marks_N)
        self._rows.write_table(rows, max_chunksize=SPOOL_ROWS)

    def finish(self, labels: Sequence[str]) -> None:
        """Make the order and deal the rows.

        Args:
            labels: By provisional id; a class that is too small is named.

        Raises:
            InputError: There are too few rows, or too few of a class, to be split so.
        """
        self._codes.close()
        self._marks.close()
        self._rows.close()
        self._rows_file.close()
        marks_N = np.load(self._paths[1], mmap_mode="r")
        for writer, indices in zip(self._writers, self._order(marks_N["label"], labels), strict=True):
            self._deal(writer, indices, marks_N)

    def abandon(self) -> None:
        """Let go of the spool."""
        self._codes.abandon()
        self._marks.abandon()
        with suppress(OSError):
            self._rows_file.close()

    def _order(self, label_ids: LabelIds, labels: Sequence[str]) -> list[npt.NDArray[np.int64]]:
        from sklearn.model_selection import train_test_split  # Two seconds that the hash split need not wait.

        if self._split.valid_fraction == 0:
            return [np.arange(len(label_ids)), np.empty(0, np.int64)]
        if self._split.stratify:
            _require_two_of_each(label_ids, labels)
        try:
            return list(
                train_test_split(
                    np.arange(len(label_ids)),
                    test_size=self._split.valid_fraction,
                    random_state=self._split.seed,
                    stratify=label_ids if self._split.stratify else None,
                )
            )
        except ValueError as error:
            raise InputError(
                f"--split random cannot hold out {self._split.valid_fraction:g} of {len(label_ids):,} rows"
                f"{' by class' if self._split.stratify else ''}: {error} Give more rows, or use --split hash"
            ) from error

    def _deal(self, writer: ShardWriter, indices: npt.NDArray[np.int64], marks_N: Marks) -> None:
        codes_NL = np.load(self._paths[0], mmap_mode="r")
        with pa.memory_map(str(self._paths[2])) as mapped:
            spooled = pa.ipc.open_file(mapped)
            batches = [spooled.get_batch(index) for index in range(spooled.num_record_batches)]
            starts = np.cumsum([0, *(len(batch) for batch in batches)])
            for chosen in _pieces(indices):
                writer.write(codes_NL[chosen], marks_N[chosen], _take(batches, starts, chosen))


def _require_two_of_each(label_ids: LabelIds, labels: Sequence[str]) -> None:
    """Refuse to hold out a share of a class of one row.

    Raises:
        InputError: Names some of those classes.
    """
    single = np.flatnonzero(np.bincount(label_ids, minlength=len(labels)) == 1)
    if len(single):
        more = f" and {len(single) - _NAMED_CLASSES:,} more" if len(single) > _NAMED_CLASSES else ""
        names = ", ".join(repr(labels[index]) for index in single[:_NAMED_CLASSES])
        raise InputError(
            f"--stratify: there is only 1 row of class {names}{more}, expected 2 or more, to train from and to hold out; "
            "give more rows, leave the class out, or do without --stratify"
        )


def _pieces(indices: npt.NDArray[np.int64]) -> Iterator[npt.NDArray[np.int64]]:
    for start in range(0, len(indices), SPOOL_ROWS):
        yield indices[start : start + SPOOL_ROWS]


def _take(batches: list[pa.RecordBatch], starts: npt.NDArray[np.int64], chosen: npt.NDArray[np.int64]) -> pa.Table:
    """Gather rows by index, batch by batch, so that Arrow never joins all batches into one."""
    order = np.argsort(chosen, kind="stable")
    ascending = chosen[order]
    bounds = np.searchsorted(ascending, starts)
    taken = [
        batches[index].take(pa.array(ascending[bounds[index] : bounds[index + 1]] - starts[index]))
        for index in range(len(batches))
        if bounds[index] < bounds[index + 1]
    ]
    inverse = np.empty_like(order)
    inverse[order] = np.arange(len(order))
    return pa.Table.from_batches(taken, schema=ROWS_SCHEMA).combine_chunks().take(pa.array(inverse))


def make_splitter(split: SplitEntry, train: ShardWriter, valid: ShardWriter, spool: Path, profile: Profile) -> Splitter:
    """The splitter of a method, ``hash`` or ``random``."""
    if split.method == "random":
        return RandomSplitter(split, train, valid, spool, profile)
    return HashSplitter(split, train, valid)
