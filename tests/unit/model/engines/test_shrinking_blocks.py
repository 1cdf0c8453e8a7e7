"""Blocks become smaller where memory runs out, with nothing of the failed ones in it."""

from collections.abc import Iterator

import torch

from model.engines.shrinking_blocks import ShrinkingBlocks


def test_memory_is_released_after_each_failure_when_nothing_holds_on_to_it() -> None:
    held: list[object] = []
    released = []

    class Block:
        def __init__(self) -> None:
            held.append(id(self))

        def __del__(self) -> None:
            held.remove(id(self))

    def work(first: int, block_rows: int) -> Iterator[int]:
        block = Block()
        if block_rows > 2:
            raise torch.OutOfMemoryError
        yield 4
        del block

    ShrinkingBlocks(8, lambda: released.append(len(held))).run(4, work)
    assert released == [0]
