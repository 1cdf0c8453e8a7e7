"""The encoder: text in, codes out. There is only this one, for encoding, scoring and drops alike."""

import numpy as np
import polars as pl
import pyarrow as pa

from pipeline.text.alphabet import Codes, Profile
from pipeline.text.encode_kernel import Bytes, Hashes, Offsets, encode_bytes, encode_fold, hash_rows

# Read-only like Arrow's buffers, so that Numba compiles one version of a kernel.
_NO_BYTES = np.frombuffer(b"", np.uint8)
_NO_OFFSETS = np.frombuffer(bytes(8), np.int64)


def to_strings(text: pl.Series) -> pa.LargeStringArray:
    """Copy a string column into Arrow's large_string, one string behind the other.

    Args:
        text: String, no nulls.
    """
    return text.rechunk().to_arrow(compat_level=pl.CompatLevel.oldest())


def _buffers(text: pa.LargeStringArray) -> tuple[Bytes, Offsets]:
    """Bytes uint8 [bytes] and offsets int64 [N + 1]; read-only views, valid as long as they are referenced."""
    _, offsets, data = text.buffers()
    if not len(text):
        return _NO_BYTES, _NO_OFFSETS
    positions = np.frombuffer(offsets, np.int64)[text.offset : text.offset + len(text) + 1]
    characters = np.frombuffer(data, np.uint8) if data is not None else _NO_BYTES
    for view in (positions, characters):
        view.flags.writeable = False  # Some of Arrow's buffers may be written.
    return characters, positions


def hash_texts(text: pa.LargeStringArray, seed: int) -> Hashes:
    """Hash each text, uint64 [N], stable across machines and versions.

    Args:
        text: [N], no nulls.
        seed: Any integer from 0 to 2**63 - 1.
    """
    hashes = np.empty(len(text), np.uint64)
    hash_rows(*_buffers(text), seed, hashes)
    return hashes


class Encoder:
    """Turns texts into codes for one profile; may be used by several threads at once.

    Args:
        profile: How.
    """

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        self._table = profile.table()
        self._suffix = profile.suffix_codes()

    def encode(self, text: pa.LargeStringArray) -> Codes:
        """Encode texts.

        Args:
            text: [N], no nulls.

        Returns:
            uint8 [N, L], owned by the caller.
        """
        profile, alphabet = self.profile, self.profile.alphabet
        data, offsets = _buffers(text)
        codes_NL = np.empty((len(text), profile.max_length), np.uint8)
        if profile.cleaning == "none":
            encode_bytes(data, offsets, profile.fill, codes_NL)
        else:
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
        return codes_NL
