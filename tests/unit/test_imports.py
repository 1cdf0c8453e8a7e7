"""Importing any module changes nothing of the process, and drags in nothing slow that it does not need.

A notebook, a search and a cluster worker keep their own set-up.
"""

import json
import subprocess
import sys

import pytest

from tests.commands import ROOT, environment

PACKAGES = ("pipeline", "model", "jobs", "tests")

PROBE = """
import ctypes, importlib, json, locale, logging, os, pkgutil, signal, sys, threading, warnings

# The libraries first: what they change is theirs.
for name in ("einops", "filelock", "httpx", "jinja2", "msgspec", "numba", "onnx", "onnxruntime", "polars", "pyarrow.parquet",
             "safetensors.numpy", "scipy.optimize", "sklearn", "tenacity", "torch"):
    try:
        importlib.import_module(name)
    except ImportError:
        pass

def action(number):
    # The handler and the flags, one of which `signal.siginterrupt` sets and Python cannot show: glibc puts them behind a mask of 128 bytes,
    # of which the kernel fills 8; macOS has 16 bytes in all.
    buffer = ctypes.create_string_buffer(256)
    ctypes.CDLL(None).sigaction(number, None, buffer)
    return (buffer.raw[:16] + buffer.raw[136:140]).hex()

def state():
    return {
        **{f"signal {number}": (action(number), repr(signal.getsignal(number))) for number in signal.valid_signals()},
        **{f"variable {name}": value for name, value in os.environ.items()},
        **{name: repr(getattr(sys, name)) for name in ("excepthook", "unraisablehook", "displayhook", "path", "meta_path", "path_hooks")},
        "streams": [(stream.encoding, stream.errors) for stream in (sys.stdin, sys.stdout, sys.stderr)],
        "recursion": sys.getrecursionlimit(),
        "warnings": repr(warnings.filters),
        "logging": repr((logging.root.level, logging.root.handlers)),
        "locale": locale.setlocale(locale.LC_ALL),
        "folder": os.getcwd(),
        "threads": sorted(thread.name for thread in threading.enumerate()),
    }

before, imported = state(), []
for root in ("pipeline", "model"):
    for module in pkgutil.walk_packages(importlib.import_module(root).__path__, f"{root}."):
        try:
            importlib.import_module(module.name)
        except ImportError as error:
            if (error.name or "").partition(".")[0] in {"", "pipeline", "model"}:
                raise
        else:
            imported.append(module.name)
after = state()
changed = {name: (before.get(name), after.get(name)) for name in before | after if before.get(name) != after.get(name)}
print(json.dumps({"imported": imported, "changed": changed}))
"""


def test_importing_any_module_changes_nothing_of_the_process() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROBE], capture_output=True, text=True, cwd=ROOT, env=environment(), check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert {"pipeline.formats.csv.reader", "model.scoring.scorer"} < set(found["imported"])
    assert found["changed"] == {}


def test_init_files_are_empty_and_every_folder_of_modules_has_one() -> None:
    folders = {path.parent for package in PACKAGES for path in (ROOT / package).rglob("*.py")}
    full = {
        folder.relative_to(ROOT)
        for folder in folders
        if not (init := folder / "__init__.py").exists() or init.read_bytes()
    }
    assert full == set()
    assert ROOT / "model" / "architectures" / "charcnn" in folders


@pytest.mark.parametrize(
    ("modules", "absent"),
    [
        ("pipeline.errors", {"numpy", "polars", "numba", "torch"}),
        ("pipeline.building.builder, pipeline.formats.csv.reader", {"torch"}),
        ("model.export.onnx_file", {"torch"}),
        (
            "model.measuring.held_out, model.measuring.baseline, pipeline.inspection.duplicates",
            {"torch", "polars", "sklearn"},
        ),
        # Loader workers import it, and Polars and worker processes do not mix.
        ("pipeline.batches.shard_dataset", {"polars"}),
    ],
)
def test_importing_does_not_drag_in(modules: str, absent: set[str]) -> None:
    code = f"import sys, {modules}; print(sorted({absent!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
