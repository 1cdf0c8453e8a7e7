"""How fast the engines turn codes into probabilities: ``python -m tests.benchmarks.predictors [CSV]``. Needs torch.

Of each network: the folded engine, torch's forward pass alone at its best batch size, the plain twin of the tests where there is one. All
are timed in turn, so that a slow moment of the machine hits all of them. Quote the ratios; where other programs run beside it, those of
one thread, which are of core-seconds: with two, the clock counts, and torch's threads wait for each other. The CSV has three columns and
no header, the second one is the text; without it, titles are made up.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
import torch

from model.architectures.base import Architecture
from model.architectures.charcnn.config import CharCnnConfig
from model.architectures.charcnn.folded import FoldedCharCnn
from model.architectures.lstm.config import LstmConfig
from model.architectures.ngram.config import NgramConfig
from model.architectures.registry import build_network
from model.architectures.trained import Model, Weights
from model.engines.folded import TASK_ROWS, FoldedPredictor
from pipeline.text.alphabet import Codes, get_profile
from pipeline.text.encoder import Encoder, to_strings
from pipeline.text.synthetic import write_titles
from tests import naive_network
from tests.benchmarks.timing import describe, seconds_in_turn
from tests.datasets import random_model

RUNS = 5
ROWS = 16_384  # What the scorer predicts at once.
NAIVE_ROWS = 1024
THREADS = (1, 2)
BATCH_SIZES = (256, 1024, 2048)

Work = Callable[[], object]


def _titles(path: Path | None) -> pl.Series:
    if path is not None:
        return pl.read_csv(path, has_header=False, new_columns=["label", "title", "rest"])["title"].head(ROWS)
    with tempfile.TemporaryDirectory() as folder:
        made_up = Path(folder) / "titles.csv"
        write_titles(made_up, ROWS, seed=1)
        return pl.read_csv(made_up)["title"]


def _torch_forward(model: Model, weights: Weights, codes_NL: Codes, batch_size: int, num_threads: int) -> Work:
    network = build_network(model.architecture, model.profile, len(model.labels)).eval()
    network.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})
    batches = [torch.from_numpy(codes_NL[start : start + batch_size]) for start in range(0, len(codes_NL), batch_size)]

    @torch.inference_mode()
    def work() -> None:
        torch.set_num_threads(num_threads)
        for batch in batches:
            network(batch)

    return work


def _without_a_table(model: Model, config: CharCnnConfig, weights: Weights, codes_NL: Codes) -> Work:
    network = FoldedCharCnn(model, config, weights, table_bytes=0)
    read_only_NL = codes_NL.view()
    read_only_NL.flags.writeable = False
    probabilities_NK = np.empty((len(codes_NL), len(model.labels)), np.float32)

    def work() -> None:
        for start in range(0, len(codes_NL), TASK_ROWS):
            network.predict(read_only_NL[start : start + TASK_ROWS], probabilities_NK[start : start + TASK_ROWS])

    return work


def measure(config: Architecture, profile_name: str, titles: pl.Series) -> None:
    """Print a line for each way to compute a network, ours first."""
    profile = get_profile(profile_name)
    codes_NL = Encoder(profile).encode(to_strings(titles))
    model, weights = random_model(config, profile)
    begun = time.perf_counter()
    FoldedPredictor(model, weights, num_threads=1)
    loading = time.perf_counter() - begun
    print(f"\n{config.name}, profile {profile_name}, {len(codes_NL):,} titles; loading took {loading:.3f} s")  # noqa: T201
    for num_threads in THREADS:
        ways: dict[str, tuple[int, Work]] = {}
        engine = FoldedPredictor(model, weights, num_threads=num_threads)
        ways["folded"] = (len(codes_NL), partial(engine.predict, codes_NL))
        for size in BATCH_SIZES:
            forward = _torch_forward(model, weights, codes_NL, size, num_threads)
            ways[f"torch, batches of {size}"] = (len(codes_NL), forward)
        if isinstance(config, CharCnnConfig) and num_threads == 1:
            ways["folded without a table"] = (len(codes_NL), _without_a_table(model, config, weights, codes_NL))
            few_NL = codes_NL[:NAIVE_ROWS]
            ways["plain NumPy in float64"] = (len(few_NL), partial(naive_network.probabilities, model, weights, few_NL))
        print(f"threads: {num_threads}")  # noqa: T201
        _compare(ways, by_cores=num_threads == 1)


def _compare(ways: dict[str, tuple[int, Work]], *, by_cores: bool) -> None:
    timed = seconds_in_turn(*(work for _, work in ways.values()), runs=RUNS)
    seconds = {
        name: [(run.cores if by_cores else run.wall) / num_rows for run in runs]
        for (name, (num_rows, _)), runs in zip(ways.items(), timed, strict=True)
    }
    for name, own in seconds.items():
        ratios = (theirs / ours for ours, theirs in zip(seconds["folded"], own, strict=True))
        print(f"  {name:<26} {1 / statistics.median(own):>11,.0f} rows/s   ours / it {describe(ratios, 2)}")  # noqa: T201


def main() -> None:
    """Measure all networks, and the one with convolutions on a profile whose trigrams fit into no table."""
    titles = _titles(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
    measure(CharCnnConfig(), "seed", titles)
    measure(CharCnnConfig(), "ascii", titles)
    measure(LstmConfig(), "seed", titles)
    measure(NgramConfig().sized(4), "bytes", titles)


if __name__ == "__main__":
    main()
