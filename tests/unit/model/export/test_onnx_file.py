"""What a server finds in an exported file beside its graph: all that it takes to encode, and whose model it is."""

import json

import onnx
import polars as pl
import pytest

from model.export.onnx_file import build_onnx
from pipeline.text.alphabet import PROFILES, get_profile
from pipeline.text.encoder import Encoder, to_strings
from tests.datasets import random_model
from tests.properties.test_predictors import CHARCNN, NGRAM

TEXTS = [
    "",
    " ",
    "Wall St. Bears Claw Back",
    "  a\t\tb  ",
    "\u212aelvin \u0130 \u00c9t\u00e9 42!",
    "x" * 300,
    "na\u00efve caf\u00e9" * 30,
]


@pytest.mark.parametrize("name", PROFILES)
@pytest.mark.parametrize("max_length", [5, 70])
def test_the_metadata_is_enough_to_encode_without_charmill(name: str, max_length: int) -> None:
    model, weights = random_model(NGRAM, get_profile(name, max_length))
    proto = onnx.load_from_string(build_onnx(model, weights))
    about = {entry.key: entry.value for entry in proto.metadata_props}
    profile = json.loads(about["profile"])
    rows = []
    for text in TEXTS:
        if profile["cleaning"] == "none":
            codes = list(text.encode())
        else:
            known = "".join(character if character in profile["alphabet"] else " " for character in text.lower())
            codes = [profile["alphabet"].index(c) for c in " ".join(known.split()) + profile["suffix"]]
        codes = codes[: profile["max_length"]]
        rows.append(codes + [profile["fill"]] * (profile["max_length"] - len(codes)))
    assert rows == Encoder(model.profile).encode(to_strings(pl.Series(TEXTS))).tolist()
    assert profile["fingerprint"] == model.profile.fingerprint
    for said in (str(max_length), f"with {profile['fill']}", repr(profile["suffix"]) if profile["suffix"] else name):
        assert said in proto.graph.input[0].doc_string
        assert said in proto.doc_string


def test_the_metadata_names_classes_model_and_version() -> None:
    model, weights = random_model(CHARCNN, get_profile("seed"), num_classes=3)
    proto = onnx.load_from_string(build_onnx(model, weights))
    about = {entry.key: entry.value for entry in proto.metadata_props}
    assert json.loads(about["labels"]) == model.labels
    assert json.loads(about["architecture"])["name"] == "charcnn"
    assert about["model_fingerprint"] == model.fingerprint
    assert about["dataset_fingerprint"] == model.dataset_fingerprint
    assert about["charmill_version"] == proto.producer_version
    assert (proto.ir_version, proto.opset_import[0].version) == (8, 18)
    assert not {*(value.name for value in proto.graph.initializer)} - {
        name for node in proto.graph.node for name in node.input
    }
