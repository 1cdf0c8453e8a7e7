"""Verification runs every row in batches of many sizes, and publishes nothing that is another shape or other numbers."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model.engines.folded import FoldedPredictor
from model.export.onnx_file import build_onnx
from model.export.trial import trial_codes
from model.export.verify import MAX_BATCH_CODES, VerificationError, max_difference
from pipeline.text.alphabet import Codes, get_profile
from tests.datasets import random_codes, random_model
from tests.properties.test_predictors import CHARCNN, NGRAM


@pytest.mark.parametrize("max_length", [1, 64, 3000])
def test_every_row_is_run_twice_in_batches_of_bounded_size(max_length: int, tmp_path: Path) -> None:
    model, weights = random_model(NGRAM, get_profile("seed", max_length))
    path, predictor = tmp_path / "model.onnx", FoldedPredictor(model, weights, num_threads=1)
    path.write_bytes(build_onnx(model, weights))
    codes_NL = random_codes(model.profile, 400)
    done = [0]
    max_difference(path, predictor, codes_NL, where="m.onnx", num_threads=1, on_rows=lambda rows, _: done.append(rows))
    sizes = np.diff(done)
    assert sizes.sum() == 2 * 400
    assert {1, 2, 7} < set(sizes)
    assert sizes.max() == min(400, MAX_BATCH_CODES // max_length)


@pytest.mark.parametrize("row", [0, 5, 399])
def test_a_difference_in_any_row_is_seen(row: int, tmp_path: Path) -> None:
    class OffInOneRow(FoldedPredictor):
        def predict(self, codes: Codes) -> Any:
            probabilities = super().predict(codes).copy()
            probabilities[row, 0] += 0.001
            return probabilities

    model, weights = random_model(NGRAM, get_profile("seed", 9))
    path = tmp_path / "model.onnx"
    path.write_bytes(build_onnx(model, weights))
    codes_NL, predictor = random_codes(model.profile, 400), OffInOneRow(model, weights, num_threads=1)
    with pytest.raises(VerificationError, match=r"differ from the folded engine's by 0\.001"):
        max_difference(path, predictor, codes_NL, where="m.onnx", num_threads=1, on_rows=lambda *_: None)


@pytest.mark.parametrize("wrong", ["numbers", "classes", "codes"])
def test_verification_holds_shapes_and_numbers(wrong: str, tmp_path: Path) -> None:
    profile = get_profile("seed", 9)
    model, weights = random_model(CHARCNN, profile)
    path = tmp_path / "model.onnx"
    path.write_bytes(build_onnx(model, weights))
    predictor, codes = FoldedPredictor(model, weights, num_threads=1), trial_codes(profile)
    seen: list[tuple[int, int]] = []
    arguments: dict[str, Any] = {
        "where": "m.onnx",
        "num_threads": 1,
        "on_rows": lambda done, total: seen.append((done, total)),
    }
    assert max_difference(path, predictor, codes, **arguments) <= 1e-5
    assert seen[-1] == (2 * len(codes), 2 * len(codes))
    assert len(seen) > 5
    assert seen == sorted(seen)
    if wrong == "numbers":
        broken = {name: array.copy() for name, array in weights.items()}
        broken["linear_2.bias"][0] = np.nan
        path.write_bytes(build_onnx(model, broken))
    elif wrong == "classes":
        predictor = FoldedPredictor(*random_model(CHARCNN, profile, num_classes=1), num_threads=1)
    else:
        path.write_bytes(build_onnx(*random_model(CHARCNN, get_profile("seed", 10))))
    with pytest.raises(VerificationError, match=r"^m\.onnx: .*not published"):
        max_difference(path, predictor, codes, **arguments)
