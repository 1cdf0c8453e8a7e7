"""How fast an exported file is in ONNX Runtime beside torch eager and the folded engine: ``python -m tests.benchmarks.export RUN...``.

Made-up titles, encoded beforehand; one thread each, in turn, in one process. A ratio is theirs over ONNX Runtime's time of the same
turn: 2 means that ONNX Runtime is twice as fast.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import torch

from model.architectures.registry import build_network
from model.architectures.trained import Model
from model.engines.load import load_predictor
from model.export.onnx_file import build_onnx
from model.export.verify import open_session
from model.runs.model_file import read_model, read_weights
from pipeline.text.alphabet import Codes
from pipeline.text.encoder import Encoder, to_strings
from pipeline.text.synthetic import titles
from tests.benchmarks.timing import describe, seconds_in_turn

ROWS = 8192
RUNS = 9
BATCHES = (128, 1024)


def contestants(run: Path, model: Model, codes_NL: Codes, batch_rows: int) -> dict[str, Callable[[], object]]:
    """What is timed, ONNX Runtime first; the folded engine chooses its own batches."""
    weights = read_weights(run, model)
    session = open_session(build_onnx(model, weights), num_threads=1)
    folded = load_predictor(run, model, engine="folded", device="cpu", num_threads=1)
    torch.set_num_threads(1)
    network = build_network(model.architecture, model.profile, len(model.labels)).eval()
    network.load_state_dict({name: torch.from_numpy(array.copy()) for name, array in weights.items()})
    batches = [codes_NL[start : start + batch_rows] for start in range(0, len(codes_NL), batch_rows)]

    @torch.inference_mode()
    def eager() -> object:
        return [torch.softmax(network(torch.from_numpy(codes)) / model.temperature, 1) for codes in batches]

    return {
        "ONNX Runtime": lambda: [session.run(None, {"codes": codes}) for codes in batches],
        "torch eager": eager,
        "folded": lambda: folded.predict(codes_NL),
    }


def measure(run: Path) -> None:
    """Print a line for each batch size."""
    model = read_model(run)
    codes_NL = Encoder(model.profile).encode(to_strings(pl.Series([title for _, title in titles(ROWS, seed=1)])))
    for batch_rows in BATCHES:
        work = contestants(run, model, codes_NL, batch_rows)
        seconds = dict(zip(work, seconds_in_turn(*work.values(), runs=RUNS), strict=True))
        ours, *others = seconds
        shown = []
        for name in others:
            ratios = (theirs.wall / own.wall for theirs, own in zip(seconds[name], seconds[ours], strict=True))
            shown.append(f"{name} {describe(ratios, 2)}")
        print(f"{model.architecture.name:<8} batches of {batch_rows:>5,}: {', '.join(shown)}")  # noqa: T201


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        measure(Path(argument))
