"""Hashes tell rows of codes apart, however alike they are, and the table of them holds what a set does."""

import numpy as np

from pipeline.inspection.duplicate_kernel import find_slots, hash_words


def test_hashes_do_not_collide_where_texts_are_alike() -> None:
    codes_NL = np.zeros((64 * 27 + 1, 64), np.uint8)
    for row in range(64 * 27):
        codes_NL[row, row // 27] = row % 27 + 1
    hashes_N = np.empty(len(codes_NL), np.uint64)
    words_NW = codes_NL.view(np.uint64)
    words_NW.flags.writeable = False
    hash_words(words_NW, hashes_N)
    assert len(set(hashes_N.tolist())) == len(codes_NL)
    assert len({hash_ & 0xFFFF_FFFF for hash_ in hashes_N.tolist()}) > len(codes_NL) - 3


def test_the_table_is_a_set_whatever_collides() -> None:
    """Hashes with few different low bits, which decide where the search begins."""
    generator = np.random.default_rng(0)
    hashes_N = generator.integers(1, 5, 400, np.uint64) + (generator.integers(0, 60, 400, np.uint64) << np.uint64(32))
    table, slots_N = np.zeros(512, np.uint64), np.empty(200, np.uint64)
    find_slots(hashes_N[:200], table, True, slots_N)
    slot_of = dict(zip(hashes_N[:200].tolist(), slots_N.tolist(), strict=True))
    assert len(set(slot_of.values())) == len(slot_of) < 200
    assert [slot_of[hash_] for hash_ in hashes_N[:200].tolist()] == slots_N.tolist()
    before = table.copy()
    found_N = np.empty(400, np.uint64)
    find_slots(hashes_N, table, False, found_N)
    assert found_N.tolist() == [slot_of.get(hash_, 512) for hash_ in hashes_N.tolist()]
    assert 512 in found_N
    assert table.tolist() == before.tolist()
