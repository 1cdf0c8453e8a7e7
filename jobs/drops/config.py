"""What to watch and how: the settings of an inbox and its outbox, checked."""

from dataclasses import dataclass
from pathlib import Path

from jobs.drops.inbox import is_drop_name
from pipeline.errors import UsageError

MAX_SECONDS = 86_400.0


@dataclass(frozen=True, kw_only=True)
class DropsConfig:
    """What to watch and how.

    Attributes:
        inbox: The folder where CSVs land.
        outbox: The folder for scores, quarantines and the ledger.
        settle_seconds: A file counts as complete when it has not changed for so long.
        ready_suffix: Where not empty, NAME counts as complete when there is a file NAME + ready_suffix, and not before.
        rescore: Score once more what was scored with another model or other flags.
        retry_failed: Try once more what failed before.
        max_attempts: Temporary trouble with one drop is tried so often.
        retry_seconds: The pause before the second attempt; it doubles each time.
        lease_seconds: A process that gives no sign for so long loses its drop to another.
        overwrite: Replace a file in the outbox that is not the drop's.
    """

    inbox: Path
    outbox: Path
    settle_seconds: float = 5.0
    ready_suffix: str = ""
    rescore: bool = False
    retry_failed: bool = False
    max_attempts: int = 5
    retry_seconds: float = 1.0
    lease_seconds: float = 30.0
    overwrite: bool = False

    def __post_init__(self) -> None:
        for flag, seconds, least in (
            ("--settle", self.settle_seconds, 0.0),
            ("--retry-seconds", self.retry_seconds, 0.0),
            ("--lease", self.lease_seconds, 1.0),
        ):
            if not least <= seconds <= MAX_SECONDS:
                raise UsageError(f"{flag} {seconds:g}: expected {least:g} to {MAX_SECONDS:g} seconds")
        if self.max_attempts < 1:
            raise UsageError(f"--max-attempts {self.max_attempts}: expected 1 or more")
        if "/" in self.ready_suffix or (self.ready_suffix and is_drop_name(f"a.csv{self.ready_suffix}")):
            raise UsageError(f"--ready-suffix {self.ready_suffix!r}: expected an ending such as .done")
        if self.inbox.resolve() == self.outbox.resolve():
            raise UsageError(f"--outbox {self.outbox}: it is the inbox; name another folder", path=self.outbox)
