"""Errors say what to do next; and each room imports only what its place allows."""

import ast
import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.errors import (
    CharmillError,
    InputError,
    LawError,
    MismatchError,
    MissingError,
    TemporaryError,
    UsageError,
    from_os_error,
)

ROOT = Path(__file__).parents[2]
ROOMS = ("pipeline", "model", "jobs")
FORBIDDEN = {"pipeline": {"model", "jobs", "tests"}, "model": {"jobs", "tests"}, "jobs": {"tests"}}

TORCH_ALWAYS = {
    "pipeline/dataset.py",
    "pipeline/loader.py",
    "pipeline/prefetch.py",
    "model/block_forward.py",
    "model/charcnn.py",
    "model/checkpoint.py",
    "model/device.py",
    "model/finish.py",
    "model/halving.py",
    "model/lstm.py",
    "model/metrics.py",
    "model/epoch_sums.py",
    "model/health.py",
    "model/initialisation.py",
    "model/ngram.py",
    "model/optim.py",
    "model/step.py",
    "model/summary.py",
    "model/torch_predictor.py",
    "model/training.py",
}
"""Modules that import torch when they are imported: where a network trains or runs in torch, and nowhere else."""

ONNX_ALWAYS = {
    "model/onnx_charcnn.py",
    "model/onnx_export.py",
    "model/onnx_graph.py",
    "model/onnx_lstm.py",
    "model/onnx_ngram.py",
    "model/onnx_verify.py",
}
"""Modules that import onnx or onnxruntime when they are imported: only exporting does."""


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOSPC, TemporaryError),
        (errno.EDQUOT, TemporaryError),
        (errno.EFBIG, TemporaryError),
        (errno.EIO, TemporaryError),
        (errno.EACCES, UsageError),
        (errno.EPERM, UsageError),
        (errno.EROFS, UsageError),
        (errno.ENOENT, UsageError),
        (errno.EISDIR, UsageError),
        (errno.ENOTDIR, UsageError),
        (errno.EEXIST, UsageError),
    ],
    ids=lambda value: errno.errorcode[value] if isinstance(value, int) else "",
)
def test_from_os_error(number: int, kind: type[CharmillError]) -> None:
    error = from_os_error(OSError(number, os.strerror(number)), "write", "some/file")

    assert type(error) is kind
    assert str(error).startswith("some/file: cannot write: ")
    assert error.path == "some/file"
    assert "\n" not in str(error)


def test_an_os_error_without_a_number_keeps_its_text() -> None:
    assert "it broke" in str(from_os_error(OSError("it broke"), "read", "file"))


def test_exit_codes_are_the_contracts() -> None:
    codes = {
        kind: kind.exit_code for kind in (UsageError, InputError, MismatchError, MissingError, TemporaryError, LawError)
    }
    assert codes == {
        UsageError: 2,
        InputError: 65,
        MismatchError: 65,
        MissingError: 69,
        TemporaryError: 75,
        LawError: 70,
    }
    assert [kind for kind in codes if kind.retryable] == [TemporaryError]


def _modules(room: str) -> list[Path]:
    modules = sorted((ROOT / room).rglob("*.py"))
    assert len(modules) > 3
    return modules


def _imported(path: Path, *, top_only: bool = False) -> Iterator[str]:
    """The first names of what a module imports, anywhere or only when it is imported itself."""
    tree = ast.parse(path.read_text())
    for node in tree.body if top_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute here"
            yield (node.module or "").partition(".")[0]


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_what_its_place_allows(room: str) -> None:
    for path in _modules(room):
        assert not FORBIDDEN[room] & set(_imported(path)), path


@pytest.mark.parametrize(
    ("packages", "allowed"), [({"torch"}, TORCH_ALWAYS), ({"onnx", "onnxruntime"}, ONNX_ALWAYS)], ids=["torch", "onnx"]
)
def test_what_is_optional_is_imported_only_where_it_is_needed(packages: set[str], allowed: set[str]) -> None:
    found = {
        str(path.relative_to(ROOT))
        for room in ROOMS
        for path in _modules(room)
        if packages & set(_imported(path, top_only=True))
    }
    assert found == allowed


@pytest.mark.parametrize("folder", [*ROOMS, "tests", "tests/unit", "tests/properties"])
def test_init_files_are_empty(folder: str) -> None:
    assert (ROOT / folder / "__init__.py").read_bytes() == b""


@pytest.mark.parametrize(
    ("modules", "absent"),
    [
        ("pipeline.build, pipeline.reader", {"torch"}),
        ("model.onnx_export", {"torch"}),
        ("model.measuring, model.baseline, pipeline.duplicates", {"torch", "polars", "sklearn"}),
        ("pipeline.dataset", {"polars"}),  # Loader workers import it, and Polars and worker processes do not mix.
        ("pipeline.errors", {"numpy", "polars", "numba", "torch"}),
    ],
)
def test_importing_does_not_drag_in(modules: str, absent: set[str]) -> None:
    code = f"import sys, {modules}; print(sorted({absent!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
