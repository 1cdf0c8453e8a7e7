"""What is synced and renamed, in order."""

import os
from pathlib import Path

import pytest


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Grows by `sync NAME` and `rename NAME` as they happen."""
    steps: list[str] = []
    sync, rename = os.fsync, Path.replace

    def fsync(descriptor: int) -> None:
        steps.append(f"sync {Path(f'/proc/self/fd/{descriptor}').readlink().name}")
        sync(descriptor)

    def replace(self: Path, goal: Path) -> Path:
        steps.append(f"rename {self.name}")
        return rename(self, goal)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", replace)
    return steps
