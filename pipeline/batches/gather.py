"""Gathering: rows by number, out of many memory-mapped shards into fresh arrays.

Of the ways tried, this took the fewest nanoseconds a row: NumPy's `take` shard by shard, then once more into the order asked for. It beats
a loop in Numba and indexing with arrays, and it releases the GIL. ``python -m tests.benchmarks.loader`` has the loader's rate.

Never imports Polars, since loader workers import it.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.batches.order import Rows
from pipeline.dataset.manifest import ShardEntry
from pipeline.dataset.shards import LabelIds, open_codes, open_labels, require_rows
from pipeline.text.alphabet import Codes


class ShardRows:
    """The rows of several shards under one numbering.

    Args:
        folder: A dataset.
        shards: Of it; row numbers run through them in this order.

    Raises:
        InputError: A shard has more rows than the manifest says, or fewer.
    """

    def __init__(self, folder: Path, shards: list[ShardEntry]) -> None:
        self._shards: list[tuple[Codes, LabelIds]] = []
        for shard in shards:
            codes_NL, label_ids_N = open_codes(folder, shard), open_labels(folder, shard)
            require_rows(folder, shard, codes_NL, label_ids_N)  # `take` clips row numbers instead of looking.
            # numpy's class for maps costs a microsecond at every use; a plain array over it keeps the map open just as well.
            self._shards.append((codes_NL.view(np.ndarray), label_ids_N.view(np.ndarray)))
        self._starts = np.cumsum([0, *(shard.num_rows for shard in shards)], dtype=np.int64)

    def gather(self, rows_B: Rows) -> tuple[Codes, npt.NDArray[np.int64]]:
        """Copy rows, at least one.

        Args:
            rows_B: int64 [B], row numbers of these shards.

        Returns:
            codes uint8 [B, L] and label ids int64 [B], owned by the caller.
        """
        num_shards = len(self._shards)
        shards_B = np.searchsorted(self._starts, rows_B, side="right") - 1
        # Small integers are sorted by radix, in linear time.
        order = np.argsort(shards_B.astype(np.min_scalar_type(num_shards)), kind="stable")
        bounds = np.searchsorted(shards_B[order], np.arange(num_shards + 1))
        codes_BL = np.empty((len(rows_B), self._shards[0][0].shape[1]), np.uint8)
        label_ids_B = np.empty(len(rows_B), np.uint16)
        for shard in np.flatnonzero(np.diff(bounds)):
            codes_NL, label_ids_N = self._shards[shard]
            here = slice(bounds[shard], bounds[shard + 1])
            rows = rows_B[order[here]] - self._starts[shard]
            # Any mode but the default writes straight into `out`.
            codes_NL.take(rows, axis=0, out=codes_BL[here], mode="clip")
            label_ids_N.take(rows, out=label_ids_B[here], mode="clip")
        places = np.empty_like(order)
        places[order] = np.arange(len(order))
        return codes_BL.take(places, axis=0), label_ids_B.take(places).astype(np.int64)
