"""What ``--precision bfloat16`` and ``--compile`` do for a training step on this CPU: ``python -m tests.benchmarks.step``.

Each against plain float32, in turn on the same batches, for the default recipe's network and the article's.
"""

import statistics
import time

import torch

from tests.benchmarks.loader import BATCH_ROWS, make_step
from tests.benchmarks.timing import describe, seconds_in_turn

RUNS = 5
STEPS = 4
VARIANTS = {
    "float32": ("float32", False),
    "bfloat16": ("bfloat16", False),
    "float32, compiled": ("float32", True),
    "bfloat16, compiled": ("bfloat16", True),
}


def measure(name: str) -> None:
    """Print a line for each variant: seconds of its first step, and of the others against plain float32."""
    generator = torch.Generator().manual_seed(1)
    codes_BL = torch.randint(0, 28, (BATCH_ROWS, 64), generator=generator, dtype=torch.uint8)
    label_ids_B = torch.randint(0, 4, (BATCH_ROWS,), generator=generator)
    steps = [make_step(name, precision=precision, compiled=compiled) for precision, compiled in VARIANTS.values()]
    first_seconds = []
    for step in steps:
        started = time.perf_counter()
        step(codes_BL, label_ids_B)
        first_seconds.append(time.perf_counter() - started)
    seconds = seconds_in_turn(
        *(lambda step=step: [step(codes_BL, label_ids_B) for _ in range(STEPS)] for step in steps), runs=RUNS
    )
    plain = statistics.median(run.wall for run in seconds[0]) / STEPS
    for variant, own, first in zip(VARIANTS, seconds, first_seconds, strict=True):
        pairs = list(zip(own, seconds[0], strict=True))
        print(  # noqa: T201
            f"{name:<8} {variant:<18} against float32: {describe(other.wall / base.wall for other, base in pairs)} of the time, "
            f"{describe(other.cores / base.cores for other, base in pairs)} of the core-seconds; "
            f"the first step takes {first / plain:,.0f} such steps",
            flush=True,
        )


if __name__ == "__main__":
    for network in ("ngram", "charcnn"):
        measure(network)
