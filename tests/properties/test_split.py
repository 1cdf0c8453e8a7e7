"""The hash split: a text's side depends on the text, the seed and the fraction, and on nothing else."""

from dataclasses import replace

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from pipeline.building.split import HashArrangement
from pipeline.text.encoder import hash_texts
from tests.building import HASH
from tests.strategies import SOME, texts

SEEDS = st.integers(0, 2**32 - 1)
FRACTIONS = st.floats(0, 0.999)


def sides(strings: list[str], seed: int = 828, fraction: float = 0.5) -> list[bool]:
    """Whether each text is held out."""
    arrangement = HashArrangement(replace(HASH, seed=seed, valid_fraction=fraction))
    held_out: list[bool] = arrangement.is_held_out(hash_texts(pa.array(strings, pa.large_string()), seed)).tolist()
    return held_out


@SOME
@given(strings=st.lists(texts(30), min_size=1, max_size=10), seed=SEEDS, fraction=FRACTIONS, data=st.data())
def test_a_text_has_one_side_wherever_it_stands(
    strings: list[str], seed: int, fraction: float, data: st.DataObject
) -> None:
    side = dict(zip(strings, sides(strings, seed, fraction), strict=True))
    mixed = data.draw(st.lists(st.sampled_from(strings), max_size=20))

    assert sides(mixed, seed, fraction) == [side[string] for string in mixed]


@SOME
@given(strings=st.lists(texts(30), max_size=10), seed=SEEDS, low=FRACTIONS, high=FRACTIONS)
def test_a_larger_fraction_holds_out_more_and_never_less(
    strings: list[str], seed: int, low: float, high: float
) -> None:
    low, high = sorted([low, high])
    fewer, more = sides(strings, seed, low), sides(strings, seed, high)

    assert all(more[row] for row in range(len(strings)) if fewer[row])
    assert not any(sides(strings, seed, 0.0))


def test_the_share_is_near_the_fraction_and_seeds_are_independent() -> None:
    strings = [f"title number {number}" for number in range(20_000)]
    for fraction in (0.01, 0.1, 0.5):
        first, second = (sides(strings, seed, fraction) for seed in (828, 829))
        for held_out in (first, second):
            assert abs(sum(held_out) / len(strings) - fraction) < 0.012
        both = sum(a and b for a, b in zip(first, second, strict=True)) / len(strings)
        assert abs(both - fraction**2) < 0.012
