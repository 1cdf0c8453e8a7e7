"""The hashes of n-grams: one page of integer arithmetic that the torch network, the Numba kernel and the ONNX file all follow.

All arithmetic is on 64-bit words and wraps. Position i of a row adds (code + 1) * BASE**i to a running sum. The difference of two such
sums, divided by BASE to the power of the position where it starts, is a hash of the codes between them that does not depend on where they
stand; BASE is odd, so it has an inverse modulo 2**64. splitmix64's finaliser (Vigna) spreads the hash over the buckets, and a salt
keeps n-grams of different kinds apart. Characters, words and pairs of words are read with capitals as small letters; a word that has
capitals is read once more as it is written.
"""

import numpy as np
import numpy.typing as npt

from pipeline.text.alphabet import Profile

BASE = 0x9E3779B97F4A7C15
_WRAP = 1 << 64
INVERSE = pow(BASE, -1, _WRAP)

MULTIPLIER_1 = 0xBF58476D1CE4E5B9
MULTIPLIER_2 = 0x94D049BB133111EB
SALT = 0xD6E8FEB86659FD93
PAIR_FACTOR = 0xA0761D6478BD642F
WORD_SALT, PAIR_SALT, CASED_SALT = 101, 102, 103


def powers(base: int, count: int) -> npt.NDArray[np.uint64]:
    """base**0 ... base**(count - 1) modulo 2**64, uint64 [count]."""
    values = [1]
    for _ in range(count - 1):
        values.append(values[-1] * base % _WRAP)
    return np.array(values, np.uint64)


def signed(value: int) -> int:
    """The int64 with the same lowest 64 bits, for torch and ONNX, whose int64 multiply and add as unsigned words do."""
    return (value + (1 << 63)) % _WRAP - (1 << 63)


def word_codes(profile: Profile) -> npt.NDArray[np.bool_]:
    """Which codes belong to words, bool [256]: letters and digits, and every byte of a character outside ASCII."""
    table = np.zeros(256, np.bool_)
    if profile.cleaning == "none":
        for byte in range(256):
            table[byte] = chr(byte).isalnum() if byte < 128 else byte != profile.fill
    else:
        for code, character in enumerate(profile.alphabet):
            table[code] = character.isalnum()
    return table


def folded_codes(profile: Profile) -> npt.NDArray[np.uint8]:
    """The code of the small letter for each code, uint8 [256]; other codes stay.

    Capitals are the bytes A to Z, since others take more than one byte; profiles other than bytes have none.
    """
    table = np.arange(256, dtype=np.uint8)
    if profile.cleaning == "none":
        table[ord("A") : ord("Z") + 1] += ord("a") - ord("A")
    return table


def has_capitals(profile: Profile) -> bool:
    """Whether a profile's codes tell capitals from small letters."""
    return bool((folded_codes(profile) != np.arange(256)).any())
