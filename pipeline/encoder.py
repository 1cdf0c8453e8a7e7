"""Text in, codes out: the only encoder there is, used by encoding, scoring and drops alike. May be imported by anyone."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import polars as pl

from pipeline.alphabet import Codes, Profile
from pipeline.kernels import Bytes, Hashes, Offsets, encode_bytes, encode_fold, hash_rows

ROWS_PER_TASK = 8192

_NO_BYTES = np.frombuffer(
    b"", np.uint8
)  # Read-only like Arrow's buffers, so that Numba compiles one version of a kernel.
_NO_OFFSETS = np.frombuffer(bytes(8), np.int64)


def text_buffers(text: pl.Series) -> tuple[Bytes, Offsets]:
    """Expose a string column as Arrow's large_string buffers.

    Args:
        text: String, no nulls.

    Returns:
        data: uint8 [bytes], UTF-8; a read-only view, valid as long as it is referenced.
        offsets: int64 [N + 1]; likewise.
    """
    array = text.rechunk().to_arrow(compat_level=pl.CompatLevel.oldest())
    _, offsets, data = array.buffers()
    if not len(array):
        return _NO_BYTES, _NO_OFFSETS
    positions = np.frombuffer(offsets, np.int64)[array.offset : array.offset + len(array) + 1]
    return np.frombuffer(data, np.uint8) if data is not None else _NO_BYTES, positions


def hash_texts(text: pl.Series, seed: int) -> Hashes:
    """Hash each text, uint64 [N], stable across machines and versions.

    Args:
        text: String [N], no nulls.
        seed: Any integer from 0 to 2**63 - 1.
    """
    data, offsets = text_buffers(text)
    hashes = np.empty(len(text), np.uint64)
    hash_rows(data, offsets, seed, hashes)
    return hashes


class Encoder:
    """Turns text columns into codes for one profile.

    Args:
        profile: How.
        num_threads: Rows are cut into slices that run side by side in this many threads; the codes do not depend on it.
    """

    def __init__(self, profile: Profile, num_threads: int = 1) -> None:
        self.profile = profile
        self._table = profile.table()
        self._suffix = profile.suffix_codes()
        self._pool = ThreadPoolExecutor(num_threads) if num_threads > 1 else None

    def encode(self, text: pl.Series) -> Codes:
        """Encode a column.

        Args:
            text: String [N], no nulls.

        Returns:
            uint8 [N, L], owned by the caller.
        """
        data, offsets = text_buffers(text)
        codes_NL = np.empty((len(text), self.profile.max_length), np.uint8)
        starts = range(0, len(text), ROWS_PER_TASK)
        if self._pool is None or len(starts) < 2:
            self._encode_slice(data, offsets, codes_NL)
            return codes_NL
        tasks = [
            self._pool.submit(
                self._encode_slice,
                data,
                offsets[start : start + ROWS_PER_TASK + 1],
                codes_NL[start : start + ROWS_PER_TASK],
            )
            for start in starts
        ]
        for task in tasks:
            task.result()
        return codes_NL

    def _encode_slice(self, data: Bytes, offsets: Offsets, codes_NL: Codes) -> None:
        profile = self.profile
        if profile.cleaning == "none":
            encode_bytes(data, offsets, profile.fill, codes_NL)
            return
        alphabet = profile.alphabet
        encode_fold(
            data,
            offsets,
            self._table,
            alphabet.index(" "),
            self._suffix,
            profile.fill,
            alphabet.index("i"),
            alphabet.index("k"),
            codes_NL,
        )
