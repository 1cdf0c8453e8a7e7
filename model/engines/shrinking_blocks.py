"""Blocks of rows that shrink when the device's memory runs out, and stay small. Needs torch."""

from collections.abc import Callable, Iterator

import torch

from pipeline.errors import TemporaryError

Work = Callable[[int, int], Iterator[int]]
"""Takes a first row and the rows a block; yields after each block, in order, the row up to which all rows are done."""


class ShrinkingBlocks:
    """Runs work that may run out of the device's memory, in smaller blocks each time it does.

    Args:
        block_rows: Rows a block at first.
        release: Gives back what memory it can; called before a smaller block is tried.
    """

    def __init__(self, block_rows: int, release: Callable[[], None]) -> None:
        self.block_rows = block_rows
        self._release = release

    def run(self, num_rows: int, work: Work) -> None:
        """Do all rows; if a block does not fit, it and all later ones are halved, also in later calls.

        Args:
            num_rows: How many there are.
            work: Is called again, from the row that it came to and with smaller blocks, when a block does not fit.

        Raises:
            TemporaryError: A single row does not fit.
        """
        done = 0
        while done < num_rows:
            done, fits = self._try(done, work)
            if fits:
                return
            tried = min(self.block_rows, num_rows - done)
            if tried <= 1:
                raise TemporaryError(
                    "the device's memory does not hold a single row, expected room for one; "
                    "run it again when other programs have freed some, or with --device cpu"
                )
            self.block_rows = tried // 2
            # Only out here: within `except` the traceback still holds what the failed block had made.
            self._release()

    def _try(self, done: int, work: Work) -> tuple[int, bool]:
        try:
            for reached in work(done, self.block_rows):
                done = reached
        except torch.OutOfMemoryError:
            return done, False
        return done, True
