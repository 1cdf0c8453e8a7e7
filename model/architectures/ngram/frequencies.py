"""Document frequencies for the `ngram` network: in how many rows each bucket occurs. Needs no torch."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from model.architectures.ngram.config import NgramConfig
from model.architectures.ngram.folded import make_tables
from model.architectures.ngram.ids_kernel import count_rows
from pipeline.text.alphabet import Codes, Profile


def document_frequencies(
    config: NgramConfig, profile: Profile, blocks: Iterable[Codes]
) -> tuple[npt.NDArray[np.int64], int]:
    """Count in how many rows each bucket occurs.

    Args:
        config: Sizes, complete.
        profile: Of the codes.
        blocks: Codes uint8 [N, L] each, contiguous.

    Returns:
        int64 [buckets], and the number of rows.
    """
    nothing = np.zeros((0, 4), np.float32)
    tables = make_tables(config, profile, vectors=nothing, weight=nothing, bias=np.zeros(0, np.float32))
    counts, last_rows = np.zeros(config.buckets, np.int64), np.full(config.buckets, -1, np.int64)
    num_rows = 0
    for codes_NL in blocks:
        read_only = codes_NL.view(np.ndarray)
        read_only.flags.writeable = False  # Of a view; so Numba compiles one version.
        count_rows(read_only, tables, num_rows, counts, last_rows)
        num_rows += len(codes_NL)
    return counts, num_rows
