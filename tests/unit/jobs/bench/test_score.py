"""What scoring is held against: matrix products of as many operations as the network needs."""

from jobs.bench.score import count_flops
from model.architectures.charcnn.config import CharCnnConfig
from pipeline.text.alphabet import get_profile


def test_the_operations_of_the_articles_network() -> None:
    by_hand = 64 * (28 * 3 * 32 + 32 * 3 * 28) + 64 * 28 * 64 + 64 * 4
    assert count_flops(CharCnnConfig(), get_profile("seed", 0), 4) == 2 * by_hand
