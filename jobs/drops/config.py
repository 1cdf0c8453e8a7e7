"""What to watch and how: the settings of an inbox and its outbox, which are flags of ``charmill drops``, checked."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from jobs.cli.help import INPUT, OUTPUT, RARE, RUNNING
from pipeline.errors import UsageError
from pipeline.storage.endings import has_ending
from pipeline.storage.publish import require_local

MAX_SECONDS = 86_400.0


@Parameter(name="*")
@RUNNING
@dataclass(frozen=True, kw_only=True)
class DropsConfig:
    """What to watch and how."""

    inbox: Annotated[Path, INPUT, Parameter(metavar="DIR")]
    "The folder where CSVs land: NAME.csv or .tsv, plain, .gz or .zst. What else is there is passed over."
    outbox: Annotated[Path, OUTPUT, Parameter(metavar="DIR")]
    "The folder for scores, quarantines and the ledger; on a local disk."
    settle_seconds: Annotated[float, Parameter(name="--settle", metavar="SECONDS")] = 5.0
    "How long a file must be unchanged to count as complete."
    ready_suffix: Annotated[str, Parameter(metavar="SUFFIX")] = ""
    "With .done: NAME.csv is complete once NAME.csv.done is there."
    rescore: bool = False
    "Score again what was scored with another model or other flags."
    retry_failed: bool = False
    "Try all failed drops again, not only those of another model or flags."
    only: Annotated[str, RARE, Parameter(metavar="PATTERN")] = ""
    "Look at files of such names alone, as '12*.csv', with flags that fit these; the others stay as they are."
    max_attempts: Annotated[int, RARE] = 5
    "Attempts at a drop that meets temporary trouble, such as a full disk, before it is left to the next run."
    retry_seconds: Annotated[float, RARE, Parameter(metavar="SECONDS")] = 1.0
    "Pause before the second attempt; it doubles with each one, up to five minutes."
    lease_seconds: Annotated[float, RARE, Parameter(name="--lease", metavar="SECONDS")] = 30.0
    "Seconds without a sign of life after which another process takes over the drop that a process on another host is scoring."

    def __post_init__(self) -> None:
        require_local(self.outbox, flag="--outbox", remedy="name a folder")
        for flag, seconds, least in (
            ("--settle", self.settle_seconds, 0.0),
            ("--retry-seconds", self.retry_seconds, 0.0),
            ("--lease", self.lease_seconds, 1.0),
        ):
            if not least <= seconds <= MAX_SECONDS:
                raise UsageError(f"{flag} {seconds:g}: expected {least:g} to {MAX_SECONDS:g} seconds")
        if self.max_attempts < 1:
            raise UsageError(f"--max-attempts {self.max_attempts}: expected 1 or more")
        if (
            "/" in self.ready_suffix
            or self.ready_suffix[:1].isalnum()
            or (self.ready_suffix and has_ending(f"a.csv{self.ready_suffix}"))
        ):
            raise UsageError(
                f"--ready-suffix {self.ready_suffix}: expected a suffix such as .done, which makes NAME.csv.done of NAME.csv"
            )
        if "/" in self.only:
            raise UsageError(f"--only {self.only}: expected a pattern of file names in the inbox, without a folder")
        if self.inbox.resolve() == self.outbox.resolve():
            raise UsageError(f"--outbox {self.outbox}: it is the inbox; name another folder", path=self.outbox)
