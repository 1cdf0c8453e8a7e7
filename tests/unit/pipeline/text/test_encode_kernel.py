"""What the kernels promise beside equality with the oracle: they write every code, and read no byte outside their rows."""

import numpy as np
import pytest

from pipeline.text.alphabet import PROFILES
from pipeline.text.encode_kernel import encode_bytes, encode_fold, hash_rows


def fold(data: bytes, offsets: list[int]) -> list[list[int]]:
    profile = PROFILES["seed"]
    codes_NL = np.full((len(offsets) - 1, 4), 200, np.uint8)
    encode_fold(
        np.frombuffer(data, np.uint8),
        np.array(offsets),
        profile.table(),
        26,
        profile.suffix_codes(),
        27,
        8,
        10,
        codes_NL,
    )
    result: list[list[int]] = codes_NL.tolist()
    return result


@pytest.mark.parametrize(
    ("data", "cut"), [("\u212a".encode(), 1), ("\u212a".encode(), 2), ("\u0130".encode(), 1), ("e\u212a".encode(), 2)]
)
def test_a_special_character_is_not_completed_from_the_next_row(data: bytes, cut: int) -> None:
    """No valid column ends in half a character; if one did, the rows must still not mix."""
    assert fold(data, [0, cut, len(data)])[0] == fold(data[:cut], [0, cut])[0]


def test_rows_need_not_begin_at_the_start_of_the_data() -> None:
    assert fold(b"zzabzz", [2, 3, 4]) == [[0, 26, 4, 14], [1, 26, 4, 14]]


def test_nothing_is_written_behind_the_last_row() -> None:
    profile = PROFILES["seed"]
    for text in (b"abcd e", b"abc d", b"ab cd", b"abcd", b"abc", "abc\u0130".encode()):
        codes_NL = np.full((2, 4), 200, np.uint8)
        encode_fold(
            np.frombuffer(text, np.uint8),
            np.array([0, len(text)]),
            profile.table(),
            26,
            profile.suffix_codes(),
            27,
            8,
            10,
            codes_NL[:1],
        )
        assert codes_NL[1].tolist() == [200] * 4


def test_bytes_write_every_code() -> None:
    codes_NL = np.full((3, 2), 200, np.uint8)
    encode_bytes(np.frombuffer(b"abc", np.uint8), np.array([0, 0, 1, 3]), 255, codes_NL)
    assert codes_NL.tolist() == [[255, 255], [97, 255], [98, 99]]


def test_hash_of_a_row_depends_on_its_bytes_and_the_seed_only() -> None:
    def hashes(data: bytes, offsets: list[int], seed: int) -> list[int]:
        out = np.empty(len(offsets) - 1, np.uint64)
        hash_rows(np.frombuffer(data, np.uint8), np.array(offsets), seed, out)
        return [int(number) for number in out]

    first, second = hashes(b"abab", [0, 2, 4], 1)
    assert first == second == hashes(b"xxab", [2, 4], 1)[0]
    assert len({first, hashes(b"ab", [0, 2], 2)[0], hashes(b"ba", [0, 2], 1)[0]}) == 3
