"""The Numba kernel that counts how long rows of codes are, and which codes they are made of. Pure."""

import numpy as np
import numpy.typing as npt
from numba import njit

from pipeline.text.alphabet import Codes

Histogram = npt.NDArray[np.int64]


@njit(nogil=True, cache=True)
def count_codes(codes_NL: Codes, fill: int, lengths: Histogram, codes: Histogram) -> None:
    """Add rows to two histograms.

    Args:
        codes_NL: uint8 [N, L].
        fill: The code after the text; it never stands before another one.
        lengths: int64 [L + 1], rows by number of codes before the fill; added to.
        codes: int64 [256], how often each code occurs; added to.
    """
    for row in range(codes_NL.shape[0]):
        length = 0
        while length < codes_NL.shape[1] and codes_NL[row, length] != fill:
            codes[codes_NL[row, length]] += 1
            length += 1
        lengths[length] += 1
