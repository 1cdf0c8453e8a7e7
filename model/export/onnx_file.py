"""The ONNX file of a run: codes in, probabilities out, and as metadata what a server must know about them. Needs onnx.

It is a checked copy of the run, not a replacement: it is published only if ONNX Runtime, given the file on disk, computes what the folded
engine does. N rows, L max_length, K classes.

metadata_props (the last four values are plain words and numbers, the others JSON):
    profile             name, max_length, fingerprint and fill as everywhere, and alphabet, suffix, cleaning, encoding_version
    labels              what class k means
    architecture        kind and sizes of the network
    model_fingerprint, dataset_fingerprint, charmill_version, format_version
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper

from model.architectures.base import config_to_json
from model.architectures.onnx_graph import OPSET, GraphBuilder
from model.architectures.registry import add_logits
from model.architectures.trained import Model, Weights
from model.engines.load import load_predictor
from model.export.trial import trial_codes
from model.export.verify import max_difference
from model.runs.model_file import read_weights
from pipeline.storage.durable import write_durably
from pipeline.storage.publish import publish_file
from pipeline.storage.staging import staging
from pipeline.text.alphabet import ENCODING_VERSION, Profile

FORMAT_VERSION = 1
IR_VERSION = 8  # The one that came with the opset.


@dataclass(frozen=True, kw_only=True)
class Exported:
    """A file that was published.

    Attributes:
        num_bytes: Its size.
        num_rows: Rows that it was verified on.
        max_difference: The largest difference between its probabilities and the folded engine's.
    """

    num_bytes: int
    num_rows: int
    max_difference: float


def export_onnx(
    run: Path, model: Model, target: Path, *, num_threads: int, on_rows: Callable[[int, int], None]
) -> Exported:
    """Write a run's model as an ONNX file, verify it, and only then publish it.

    Args:
        run: The run's folder.
        model: Its `model.json`.
        target: The file; replaced if it is there.
        num_threads: Threads to verify with.
        on_rows: Told how many row comparisons are done, and how many there will be.

    Raises:
        CharmillError: Nothing was published: the weights are damaged or too large, the target cannot be written, or the file
            computes something else.
    """
    predictor = load_predictor(run, model, engine="folded", device="cpu", num_threads=num_threads)
    with staging(target) as stage:
        staged = stage / "model.onnx"
        data = build_onnx(model, read_weights(run, model))
        write_durably(staged, lambda file: file.write(data))
        codes_NL = trial_codes(model.profile)
        difference = max_difference(
            staged, predictor, codes_NL, where=str(target), num_threads=num_threads, on_rows=on_rows
        )
        publish_file(staged, target)
    return Exported(num_bytes=len(data), num_rows=len(codes_NL), max_difference=difference)


def build_onnx(model: Model, weights: Weights) -> bytes:
    """The bytes of an ONNX file, the same for the same model and weights.

    Args:
        model: What was trained.
        weights: The model's; they fit.

    Raises:
        InputError: The weights are too large for an ONNX file.
    """
    graph = GraphBuilder()
    logits = add_logits(graph, model, weights, "codes")
    scaled = graph.add("Div", logits, graph.constant(model.temperature, np.float32))
    graph.add("Softmax", scaled, output="probabilities", axis=1)
    codes = helper.make_tensor_value_info("codes", TensorProto.UINT8, ["N", model.profile.max_length])
    codes.doc_string = _how_to_encode(model.profile)
    probabilities = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", len(model.labels)])
    probabilities.doc_string = (
        "Column k is the class labels[k] of the metadata; the temperature is applied, rows sum to 1."
    )
    proto = helper.make_model(
        graph.finish("charmill", "", [codes], [probabilities]),
        ir_version=IR_VERSION,
        opset_imports=[helper.make_opsetid("", OPSET)],
        producer_name="charmill",
        producer_version=version("charmill"),
        doc_string=f"{codes.doc_string} {probabilities.doc_string}",
    )
    helper.set_model_props(proto, _metadata(model))
    data: bytes = proto.SerializeToString(deterministic=True)
    return data


def _metadata(model: Model) -> dict[str, str]:
    profile = asdict(model.profile) | model.profile.to_json() | {"encoding_version": ENCODING_VERSION}
    return {
        "profile": json.dumps(profile),
        "labels": json.dumps(model.labels, ensure_ascii=False),
        "architecture": json.dumps(config_to_json(model.architecture)),
        "model_fingerprint": model.fingerprint,
        "dataset_fingerprint": model.dataset_fingerprint,
        "charmill_version": version("charmill"),
        "format_version": str(FORMAT_VERSION),
    }


def _how_to_encode(profile: Profile) -> str:
    """How a text becomes codes, for a reader without charmill."""
    head = f"Codes are uint8 [N, {profile.max_length}], a row a text, as profile {profile.name} of the metadata says."
    if profile.cleaning == "none":
        body = "They are the text's bytes in UTF-8"
    else:
        body = (
            "Lower-case the text as Unicode does, make a space of every character that is not in the profile's alphabet, one space of each "
            f"run of spaces, none at either end, and append {profile.suffix!r}. A character's code is its place in the alphabet"
        )
    return f"{head} {body}; cut at {profile.max_length} codes, and fill the rest of the row with {profile.fill}."
