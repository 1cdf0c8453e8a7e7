"""The loop around an inbox: look after look, until nothing is due any more, or until somebody says stop."""

import threading
import time
from collections.abc import Callable

from jobs.drops.inbox_scorer import InboxScorer, Note
from jobs.drops.prometheus import MetricsFile
from model.architectures.trained import Model
from pipeline.errors import CharmillError

LOOK_SECONDS = 10.0  # A network file system may not tell of changes, so the inbox is listed so often in any case.
_TICK_SECONDS = 1.0


class Loop:
    """Looks at an inbox again and again.

    Args:
        scorer: Scores what is there.
        read_model: Reads the model; a new one is taken up for what comes after it.
        note: Told of trouble.
        metrics: Written after each look.
        look_seconds: The longest pause between two looks of a daemon.
    """

    def __init__(
        self,
        scorer: InboxScorer,
        read_model: Callable[[], Model],
        note: Note,
        *,
        metrics: MetricsFile | None = None,
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        self._scorer = scorer
        self._read_model = read_model
        self._note = note
        self._metrics = metrics
        self._look_seconds = look_seconds

    def run_once(self) -> None:
        """Score what is there. Waits for what is not complete yet, and for second attempts, but not for files that keep growing.

        Raises:
            CharmillError: Nothing can be scored.
        """
        while True:
            self._scorer.run_pass()
            self.write_metrics()
            due = self._scorer.seconds_until_due(skip_growing=True)
            if due is None:
                self._scorer.note_passed_over(is_final=True)
                return
            time.sleep(due)

    def run_until(self, stopped: threading.Event) -> None:
        """Score what is there and what comes, until the event is set. Trouble is noted, and tried again at the next look.

        Raises:
            KeyboardInterrupt: It came without the event. With it, it only ends whatever was going on.
        """
        from watchfiles import watch

        ticks = watch(
            self._scorer.inbox,
            recursive=False,
            watch_filter=None,
            stop_event=stopped,
            rust_timeout=int(1000 * min(_TICK_SECONDS, self._look_seconds)),
            yield_on_timeout=True,
        )
        try:
            self._look()
            look_at = 0.0  # The watch begins with the first tick, so what came just before it is looked for once more.
            for changes in ticks:
                if changes or time.monotonic() >= look_at:
                    look_at = time.monotonic() + self._look()
        except KeyboardInterrupt:
            if not stopped.is_set():
                raise

    def _look(self) -> float:
        """Take up a new model, score what is there, and return after how many seconds to look again."""
        due: float | None = None
        try:
            self._scorer.use_model(self._read_model())
            self._scorer.run_pass()
            self._scorer.note_passed_over(is_final=False)
            due = self._scorer.seconds_until_due(skip_growing=False)
        except CharmillError as error:
            # The disk is full, the model is just being replaced, the inbox is gone for a moment.
            self._note(str(error), tried_again_in=f"{self._look_seconds:g} s")
        self._scorer.report.outputs.clear()  # These would grow for ever, and the ledger has them.
        self._scorer.report.errors.clear()
        self.write_metrics()
        return self._look_seconds if due is None else min(self._look_seconds, due)

    def write_metrics(self) -> None:
        """Write the state of things, where that is wanted."""
        try:
            if self._metrics is not None:
                self._metrics.write(self._scorer.totals())
        except CharmillError as error:  # Scores are worth more than figures about them.
            self._note(f"no metrics were written: {error}")
