"""Which engine is chosen, and that torch is imported only where it is wanted."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from model.engines import load
from model.engines.load import load_predictor
from model.engines.predictor import Device, Engine
from model.runs.model_file import read_model
from pipeline.errors import MissingError
from tests.commands import ROOT, environment
from tests.datasets import shared_run


def _name(run: Path, engine: Engine, device: Device) -> str:
    return load_predictor(run, read_model(run), engine=engine, device=device, num_threads=1).name


def test_engines_are_chosen_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    run = shared_run()
    assert _name(run, "folded", "auto") == "folded on cpu"
    assert _name(run, "torch", "cpu") == "torch on cpu"
    assert _name(run, "auto", "cpu") == "folded on cpu"
    monkeypatch.setattr(load, "has_cuda", lambda: False)
    assert _name(run, "auto", "auto") == "folded on cpu"
    monkeypatch.setattr(load, "has_cuda", lambda: True)
    monkeypatch.setattr("model.engines.torch_predictor.choose_device", lambda _: torch.device("cpu"))
    assert _name(run, "auto", "auto") == "torch on cpu"
    assert _name(run, "auto", "cuda") == "torch on cpu"


def test_torch_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "find_spec", lambda _: None)
    with pytest.raises(MissingError, match=r"pip install .*\[train\].* or use --engine folded"):
        _name(shared_run(), "torch", "auto")
    assert _name(shared_run(), "auto", "auto") == "folded on cpu"


def test_auto_on_a_cpu_imports_no_torch() -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom model.engines.load import load_predictor\n"
        "from model.runs.model_file import read_model\n"
        "run = Path(sys.argv[1])\n"
        "name = load_predictor(run, read_model(run), engine='auto', device='cpu', num_threads=1).name\n"
        "print(name, 'torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(shared_run())],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment(),
        check=True,
    )
    assert done.stdout == "folded on cpu False\n"
