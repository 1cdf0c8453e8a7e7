"""What all contestants of a benchmark stand on, and who of them can be there at all. For jobs.bench only."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from jobs.bench.data import Data
from jobs.bench.timing import Contestant, Role, Section, Work, quiet
from jobs.cli.flags import CommonConfig

ProfileName = Literal["seed", "ascii", "bytes"]

PEERS = {
    "pyarrow": ("pyarrow",),
    "scikit-learn": ("sklearn",),
    "fasttext": ("fasttext",),
    "torch": ("torch", "einops"),
    "torch.compile": ("torch", "einops"),
    "onnxruntime": ("onnxruntime", "jobs.export", "torch", "einops"),
}
"""The modules that each needs."""


@dataclass(frozen=True, kw_only=True)
class Ground:
    """Where and on what to measure.

    Attributes:
        folder: For everything that is made; goes when the benchmark ends.
        data: The titles.
        train_rows: Rows to train on at most.
        num_threads: For everyone who can be told.
        log: Form of the jobs' log lines.
        without: Peers to leave out.
    """

    folder: Path
    data: Data
    train_rows: int
    num_threads: int
    log: Literal["text", "json"]
    without: frozenset[str] = frozenset()

    @property
    def common(self) -> CommonConfig:
        """The flags that every job takes."""
        return CommonConfig(threads=self.num_threads, log=self.log, overwrite=True)

    def absence(self, peer: str) -> str | None:
        """Why a peer cannot be there; None where it can."""
        if peer in self.without:
            return "left out by --without"
        missing = [module for module in PEERS[peer] if find_spec(module) is None]
        ours = [module for module in missing if module.startswith("jobs.")]
        if ours:
            return f"this charmill has no {ours[0]}"
        return f"not installed: {', '.join(missing)}" if missing else None


class Lineup:
    """Gathers the contestants of a section.

    Args:
        ground: What they stand on.
        part: Of the benchmark.
        title: The task, for a person.
    """

    def __init__(self, ground: Ground, part: str, title: str) -> None:
        self._ground = ground
        self.section = Section(part=part, title=title, contestants=[])

    def add(
        self, name: str, role: Role, num_rows: int, prepare: Callable[[], Work], *, needs: tuple[str, ...] = ()
    ) -> None:
        """Let a contestant take part if what it needs of `PEERS` is there; otherwise say why not."""
        if self.has(name, *needs):
            self.section.contestants.append(Contestant(name=name, role=role, num_rows=num_rows, prepare=prepare))

    def has(self, name: str, *needs: str) -> bool:
        """Whether a contestant can be there; says why, where it cannot."""
        reasons = [reason for peer in needs if (reason := self._ground.absence(peer)) is not None]
        if reasons:
            self.leave_out(name, reasons[0])
        return not reasons

    def leave_out(self, name: str, reason: str) -> None:
        """Name a contestant that is not there."""
        self.section.left_out[name] = reason


def ready(function: Callable[..., object], *arguments: object) -> Callable[[], Work]:
    """A `Contestant.prepare` for what needs no preparation."""
    return partial(partial, function, *arguments)


def encoded(ground: Ground, data: Data, name: str, profile: ProfileName = "bytes") -> Path:
    """A dataset of a CSV, made once for each profile."""
    from jobs import encode

    folder = ground.folder / f"{name}-{profile}"
    if not folder.exists():
        with quiet():
            encode.run(
                encode.EncodeConfig(
                    (str(data.path),), out=folder, profile=profile, reading=data.reading, common=ground.common
                )
            )
    return folder
