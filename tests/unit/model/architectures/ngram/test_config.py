"""The sizes of the `ngram` network follow the number of classes."""

from model.architectures.ngram.config import NgramConfig


def test_sizes_follow_the_number_of_classes() -> None:
    sizes = {num: NgramConfig().sized(num) for num in (2, 4, 5, 16, 17, 1000)}
    assert [(config.buckets, config.dim) for config in sizes.values()] == [
        *((1 << 20, 0), (1 << 20, 0), (1 << 19, 0), (1 << 18, 0), (1 << 18, 16), (1 << 18, 16)),
    ]
    assert NgramConfig(buckets=7).sized(4) == NgramConfig(buckets=7)
