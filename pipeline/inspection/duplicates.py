"""Duplicates: held-out rows that training has as well, by codes and by text. Accuracy on them says how well a model remembers.

The training shards stream past a table of the held-out rows' hashes. Hashes have 64 bits: with ten million rows held out and a hundred
million to train from, the chance that any row is wrongly taken for a duplicate is 1 in 18,000.

Imports Polars only where texts have to be compared.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.dataset.manifest import TRAIN, VALID, Manifest, ShardEntry
from pipeline.dataset.row_texts import Rows, read_rows
from pipeline.dataset.shards import open_codes, open_labels, require_rows
from pipeline.inspection.duplicate_kernel import Hashes, find_slots, hash_words

Flags = npt.NDArray[np.bool_]

TABLE_ROWS = 1 << 22
"""34 to 50 bytes each, 200 MiB in all."""

_BLOCK_ROWS = 1 << 14  # Their hashes stay in a cache between the kernels.


@dataclass(frozen=True)
class SeenRows:
    """Held-out rows that occur among the training rows; numbered through the held-out shards.

    Attributes:
        by_codes: bool [N], whether the codes do, which is all that a network sees of a text.
        by_text: bool [N], whether the text does.
    """

    by_codes: Flags
    by_text: Flags


class _HashTable:
    """Hashes, and which of them were met.

    Args:
        hashes_N: uint64 [N], none of them 0.
    """

    def __init__(self, hashes_N: Hashes) -> None:
        self._table = np.zeros(1 << (2 * len(hashes_N)).bit_length(), np.uint64)
        self._is_met = np.zeros(len(self._table) + 1, np.bool_)  # The last one is for all that the table does not hold.
        self._slots_N = np.empty(len(hashes_N), np.uint64)
        find_slots(hashes_N, self._table, True, self._slots_N)

    def meet(self, hashes_B: Hashes) -> Flags:
        """Look hashes up, and remember those that were found; returns which ones, bool [B]. Several threads may do it at once."""
        slots_B = np.empty(len(hashes_B), np.uint64)
        find_slots(hashes_B, self._table, False, slots_B)
        self._is_met[slots_B] = True
        is_known_B: Flags = slots_B < len(self._table)
        return is_known_B

    def met(self) -> Flags:
        """Which of the hashes that the table was made of have been met, bool [N]."""
        return self._is_met[self._slots_N]


def find_seen(folder: Path, manifest: Manifest, *, num_threads: int, table_rows: int = TABLE_ROWS) -> SeenRows:
    """Find the held-out rows of a dataset that occur among its training rows.

    Of the rows' files only those with rows of equal codes are read, and none where the split is by a hash of the text, which puts equal
    texts on the same side.

    Args:
        folder: The dataset.
        manifest: Its manifest.
        num_threads: Shards are read side by side in so many threads.
        table_rows: Held-out rows looked for in one pass over the training shards.

    Raises:
        InputError: A shard has more rows than the manifest says, or fewer.
    """
    train, valid = ([shard for shard in manifest.shards if shard.split == split] for split in (TRAIN, VALID))
    num_rows = manifest.num_rows(VALID)
    by_codes, by_text = np.zeros(num_rows, np.bool_), np.zeros(num_rows, np.bool_)
    hashes_N = np.concatenate(
        [np.empty(0, np.uint64), *(hashes_B for shard in valid for hashes_B in _hashes(folder, shard))]
    )
    with ThreadPoolExecutor(num_threads, thread_name_prefix="charmill-duplicates") as pool:
        for start in range(0, num_rows, table_rows):
            here = slice(start, start + table_rows)
            table = _HashTable(hashes_N[here])
            for _ in pool.map(lambda shard: _meet_codes(folder, shard, table), train):  # noqa: B023  # It is done within the pass.
                pass
            by_codes[here] = table.met()
            candidates = start + np.flatnonzero(by_codes[here])
            if len(candidates) and manifest.split.method != "hash":
                by_text[candidates] = _find_texts(folder, valid, candidates, train, table)
    return SeenRows(by_codes=by_codes, by_text=by_text)


def _hashes(folder: Path, shard: ShardEntry) -> Iterator[Hashes]:
    """Hashes of a shard's codes, block by block."""
    codes_NL = open_codes(folder, shard)
    require_rows(folder, shard, codes_NL, open_labels(folder, shard))
    missing = -codes_NL.shape[1] % 8
    for start in range(0, shard.num_rows, _BLOCK_ROWS):
        codes_BL = codes_NL[start : start + _BLOCK_ROWS].view(np.ndarray)
        words_BW = (np.pad(codes_BL, ((0, 0), (0, missing))) if missing else codes_BL).view(np.uint64)
        words_BW.flags.writeable = False  # As a map is, so that Numba compiles one version.
        hashes_B = np.empty(len(codes_BL), np.uint64)
        hash_words(words_BW, hashes_B)
        yield hashes_B


def _meet_codes(folder: Path, shard: ShardEntry, table: _HashTable) -> Rows:
    """Look a shard up in the table; returns the rows that it holds, int64."""
    return np.flatnonzero(
        np.concatenate([table.meet(hashes_B) for hashes_B in _hashes(folder, shard)] or [np.empty(0, np.bool_)])
    )


def _find_texts(
    folder: Path, valid: Sequence[ShardEntry], candidates: Rows, train: Sequence[ShardEntry], codes: _HashTable
) -> Flags:
    """Which held-out rows have the text of a training row, of those whose codes are in training, bool [candidates].

    The training rows to read are looked up a second time rather than remembered, which would take memory for each of them.
    """
    texts = _HashTable(np.concatenate(list(_text_hashes(folder, valid, candidates))))
    for shard in train:
        for hashes_B in _text_hashes(folder, [shard], _meet_codes(folder, shard, codes)):
            texts.meet(hashes_B)
    return texts.met()


def _text_hashes(folder: Path, shards: Sequence[ShardEntry], rows_N: Rows) -> Iterator[Hashes]:
    """Hashes of the texts of rows, row group by row group."""
    from pipeline.text.encoder import hash_texts  # It imports Polars.

    for table in read_rows(folder, shards, rows_N, ["text"]):
        yield np.maximum(hash_texts(table["text"].combine_chunks(), 0), np.uint64(1))
