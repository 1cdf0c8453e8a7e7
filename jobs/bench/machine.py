"""The machine and the versions that a benchmark's figures were taken with."""

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = (
    *("charmill", "numpy", "numba", "polars", "pyarrow", "torch", "scikit-learn"),
    *("fasttext-wheel", "fasttext", "onnxruntime"),
)


def describe_machine(num_threads: int) -> dict[str, Any]:
    """What the report says of it: processor, cores, threads to use, commit, and versions of what is installed."""
    return {
        "cpu": _cpu_name(),
        "cores": os.cpu_count(),
        "threads": num_threads,
        "waiting_threads": os.environ.get("OMP_WAIT_POLICY", "as the library will"),
        "python": platform.python_version(),
        "commit": _commit() or "unknown",
        "versions": {name: found for name in PACKAGES if (found := _version(name))},
    }


def _cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _commit() -> str:
    """The checkout's; empty where this is none, or there is no git."""
    git = ["git", "rev-parse", "HEAD"]
    try:
        done = subprocess.run(git, capture_output=True, text=True, check=False, cwd=Path(__file__).parent)
    except OSError:
        return ""
    return done.stdout.strip()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
