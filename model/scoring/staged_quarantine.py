"""A quarantine whose staging folder is made when there is something to put into it: the current folder may not be ours to write."""

from contextlib import ExitStack
from pathlib import Path

from pipeline.records.quarantine import QuarantineWriter, Reject
from pipeline.storage.publish import publish_file
from pipeline.storage.staging import staging


class StagedQuarantine(QuarantineWriter):
    """Writes rejects beside their place.

    Args:
        target: Where the quarantine will be.
        stack: Holds the staging folder.
    """

    def __init__(self, target: Path, stack: ExitStack) -> None:
        super().__init__(target)
        self._target = target
        self._stack = stack

    def write(self, rejects: list[Reject]) -> None:
        """Append rejects.

        Raises:
            CharmillError: The folder cannot be written.
        """
        if rejects and not self.num_rows:
            self.path = self._stack.enter_context(staging(self._target)) / self._target.name
        super().write(rejects)

    def publish(self) -> bool:
        """Complete the quarantine and put it into its place; returns whether there is one."""
        is_there = self.close()
        if is_there:
            publish_file(self.path, self._target)
        return is_there
