"""Fixtures, and the rule by which a test that needs something is skipped with a reason or, where it is required, fails."""

import os
from pathlib import Path

import pytest

# For torch, which reads it when it is imported: networks in tests are too small for two threads, which only wait for each other where
# other processes want the cores. Jobs that a test starts set their own number.
os.environ.setdefault("OMP_NUM_THREADS", "1")


def _need(present: bool, what: str, variable: str) -> None:
    if present:
        return
    if os.environ.get(variable) == "1":
        pytest.fail(f"{what}, and {variable}=1 requires it")
    pytest.skip(what)


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Long bytes are known by their argument's name: what was just compressed holds the time of day, and workers must agree on names."""
    return argname if isinstance(val, bytes) and len(val) >= 20 else None


@pytest.fixture(scope="session")
def agnews() -> Path:
    """train.csv of AG News: no header; label, title, description."""
    folder = os.environ.get("AGNEWS_DIR", "")
    path = Path(folder) / "train.csv"
    _need(bool(folder) and path.exists(), "AGNEWS_DIR does not name a folder with train.csv", "REQUIRE_AGNEWS")
    return path


@pytest.fixture(autouse=True)
def _gpu(request: pytest.FixtureRequest) -> None:
    if request.node.get_closest_marker("gpu"):
        import torch

        _need(torch.cuda.is_available(), "torch sees no CUDA device", "REQUIRE_GPU")
