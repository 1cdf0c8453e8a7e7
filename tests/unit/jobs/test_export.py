"""The export job as a command; that its file computes the same is shown in properties/test_export.py."""

import json
import resource
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import onnxruntime
import polars as pl
import pytest

from model.architectures import onnx_graph
from model.architectures.ngram import hashing
from model.architectures.ngram import onnx as onnx_ngram
from model.engines.folded import FoldedPredictor
from pipeline.storage.staging import staging
from pipeline.text.alphabet import profile_from_json
from pipeline.text.encoder import Encoder, to_strings
from tests.commands import HIDE_TORCH, ROOT, call_each, call_here, environment, files_in, python
from tests.datasets import make_csv, shared_run

Capsys = pytest.CaptureFixture[str]


def export(capsys: Capsys, *tokens: object) -> dict[str, Any]:
    done = call_here(capsys, "export", *tokens, "--json")
    assert (done.code, done.said) == (0, []), done.err
    return done.report


@pytest.mark.parametrize("arch", ["charcnn", "ngram"])
def test_the_report_says_what_was_written_and_how_close_it_is(arch: str, tmp_path: Path, capsys: Capsys) -> None:
    out = tmp_path / "new" / "model.onnx"
    report = export(capsys, shared_run(arch), "--onnx", out)
    assert report["outputs"] == [str(out)]
    assert report["bytes"] == out.stat().st_size
    assert 0 < report["max_difference"] <= 1e-5
    assert report["rows_verified"] > 1000
    assert report["opset"] == 18
    assert report["seconds"] > 0
    assert [path.name for path in out.parent.iterdir()] == ["model.onnx"]
    done = call_here(capsys, "export", shared_run(arch), "--onnx", out, "--overwrite")
    assert done.code == 0
    assert report["model"] in done.out
    assert "from the folded engine's probabilities" in done.out


@pytest.mark.parametrize("arch", ["charcnn", "lstm", "ngram"])
def test_serving_the_file_as_the_readme_does_predicts_what_score_does(
    arch: str, tmp_path: Path, capsys: Capsys
) -> None:
    csv, out, scores = make_csv(tmp_path / "in.csv", 80), tmp_path / "model.onnx", tmp_path / "scores.parquet"
    export(capsys, shared_run(arch), "--onnx", out)
    flags = ["--run", shared_run(arch), "--out", scores, "--text", "title", "--engine", "folded"]
    assert call_here(capsys, "score", csv, *flags).code == 0

    session = onnxruntime.InferenceSession(out)
    about = session.get_modelmeta().custom_metadata_map
    labels = json.loads(about["labels"])
    encoder = Encoder(profile_from_json(json.loads(about["profile"]), str(out)))
    titles = pl.read_csv(csv)["title"]
    (probabilities,) = session.run(["probabilities"], {"codes": encoder.encode(to_strings(titles))})

    expected = pl.read_parquet(scores)
    assert [labels[k] for k in probabilities.argmax(axis=1)] == expected["prediction"].to_list()
    np.testing.assert_allclose(probabilities.max(axis=1), expected["confidence"].to_numpy(), atol=1e-5)


def test_the_bytes_are_the_same_without_torch_and_in_another_process(tmp_path: Path, capsys: Capsys) -> None:
    archs = ("charcnn", "lstm", "ngram")
    commands = [["export", shared_run(arch), "--onnx", tmp_path / f"{arch}.onnx"] for arch in archs]
    for done in call_each(*commands, prelude=HIDE_TORCH, env={"PYTHONHASHSEED": "7"}):
        assert (done.code, done.said) == (0, []), done.err
    for arch in archs:
        export(capsys, shared_run(arch), "--onnx", tmp_path / "here.onnx", "--overwrite")
        assert (tmp_path / "here.onnx").read_bytes() == (tmp_path / f"{arch}.onnx").read_bytes()


@pytest.mark.parametrize("names", [["onnx"], ["onnxruntime"], ["onnx", "onnxruntime"]])
def test_what_is_not_installed_is_named(
    names: list[str], tmp_path: Path, capsys: Capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in names:
        monkeypatch.setitem(sys.modules, name, None)
    done = call_here(capsys, "export", shared_run(), "--onnx", tmp_path / "model.onnx")
    assert done.code == 69
    assert f"exporting needs {', '.join(names)}: pip install '.[export]'" in done.error


def test_a_run_that_is_none_is_refused(tmp_path: Path, capsys: Capsys) -> None:
    for run in (tmp_path / "nowhere", tmp_path):
        done = call_here(capsys, "export", run, "--onnx", tmp_path / "model.onnx")
        assert done.code == 2
        assert str(run) in done.error
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("damage", ["cut", "flipped", "missing"])
def test_corrupt_weights_are_refused(damage: str, tmp_path: Path, capsys: Capsys) -> None:
    run = Path(shutil.copytree(shared_run(), tmp_path / "run"))
    path = run / "model.safetensors"
    data = path.read_bytes()
    path.write_bytes(data[:-1] if damage == "cut" else data[:-1] + bytes([data[-1] ^ 1]))
    if damage == "missing":
        path.unlink()
    done = call_here(capsys, "export", run, "--onnx", tmp_path / "model.onnx")
    assert done.code == 65
    assert "model.safetensors: the model" in done.error
    assert [entry.name for entry in tmp_path.iterdir()] == ["run"]


def test_what_is_in_the_place_stays_there_unless_it_may_be_replaced(tmp_path: Path, capsys: Capsys) -> None:
    out = tmp_path / "model.onnx"
    out.write_bytes(b"mine")
    done = call_here(capsys, "export", shared_run(), "--onnx", out)
    assert done.code == 2
    assert f"{out}: it exists already; name another --onnx, or add --overwrite" in done.error
    assert files_in(tmp_path) == {"model.onnx": b"mine"}
    done = call_here(capsys, "export", shared_run(), "--onnx", "-")
    assert (done.code, done.error) == (
        2,
        "error: --onnx -: it is standard output and no file; name a file such as model.onnx",
    )
    done = call_here(capsys, "export", shared_run(), "--onnx", tmp_path, "--overwrite")
    assert done.code == 2
    assert f"{tmp_path}: it is a folder" in done.error
    done = call_here(capsys, "export", shared_run(), "--onnx", out / "below.onnx")
    assert done.code == 2
    export(capsys, shared_run(), "--onnx", out, "--overwrite")
    assert out.stat().st_size > 10_000


def test_a_file_may_have_any_name_and_be_a_link(tmp_path: Path, capsys: Capsys) -> None:
    out, link = tmp_path / "mod\u00e8le \u6a21\udc80.onnx", tmp_path / "link.onnx"
    link.symlink_to(out)
    assert call_here(capsys, "export", shared_run(), "--onnx", link).code == 0
    assert link.is_symlink()
    onnx.checker.check_model(out.read_bytes(), full_check=True)


def test_two_do_not_write_one_file(tmp_path: Path, capsys: Capsys) -> None:
    out = tmp_path / "model.onnx"
    with staging(out):
        done = call_here(capsys, "export", shared_run(), "--onnx", out)
    assert done.code == 75
    assert "another charmill process is writing it" in done.error
    assert not out.exists()


def test_no_space_is_temporary_and_publishes_nothing(tmp_path: Path) -> None:
    """RLIMIT_FSIZE stands in for a full disk."""
    limit = 5_000
    done = subprocess.run(
        [*python("export"), str(shared_run()), "--onnx", str(tmp_path / "model.onnx"), "--threads", "1"],
        capture_output=True,
        env=environment({"NUMBA_DISABLE_PERFORMANCE_WARNINGS": "1"}),
        cwd=ROOT,
        timeout=120,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    assert done.returncode == 75, done.stderr
    assert b"File too large; free some space" in done.stderr.splitlines()[-1]
    assert not list(tmp_path.iterdir())


def test_weights_beyond_what_one_file_holds_are_refused(
    tmp_path: Path, capsys: Capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_graph, "MAX_WEIGHT_BYTES", 5_000)
    done = call_here(capsys, "export", shared_run(), "--onnx", tmp_path / "model.onnx")
    assert done.code == 65
    assert "one ONNX file holds 5,000; train a smaller network" in done.error
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "name", ["BASE", "INVERSE", "SALT", "MULTIPLIER_1", "MULTIPLIER_2", "PAIR_FACTOR", "WORD_SALT", "PAIR_SALT"]
)
def test_a_file_that_computes_something_else_is_not_published(
    name: str, tmp_path: Path, capsys: Capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "model.onnx"
    out.write_bytes(b"the one before")
    other = SimpleNamespace(**vars(hashing) | {name: getattr(hashing, name) + 2})
    monkeypatch.setattr(onnx_ngram, "hashing", other)
    done = call_here(capsys, "export", shared_run(), "--onnx", out, "--overwrite")
    assert done.code == 70
    assert f"{out}: the ONNX file's probabilities differ from the folded engine's by" in done.error
    assert files_in(tmp_path) == {"model.onnx": b"the one before"}


def test_a_file_that_is_no_onnx_is_not_published(
    tmp_path: Path, capsys: Capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("model.export.onnx_file.OPSET", 17)  # Without BitwiseXor.
    done = call_here(capsys, "export", shared_run(), "--onnx", tmp_path / "model.onnx")
    assert done.code == 70
    assert "the ONNX file does not run, so it was not published" in done.error
    assert not list(tmp_path.iterdir())


def test_a_model_without_numbers_is_bad_input(tmp_path: Path, capsys: Capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FoldedPredictor, "predict", lambda _, codes: np.full((len(codes), 3), np.nan, np.float32))
    done = call_here(capsys, "export", shared_run(), "--onnx", tmp_path / "model.onnx")
    assert done.code == 65
    assert "no numbers" in done.error
