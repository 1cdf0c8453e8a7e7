"""``python -m jobs.warm_up``: compiles every kernel that another job may need, by doing a little of all that they do."""

import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cyclopts import Parameter

from jobs.cli.command import run_command
from jobs.cli.flags import ThreadsConfig

if TYPE_CHECKING:
    from pipeline.text.alphabet import Codes, Profile

_LABELS = ["animals", "tools"]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class WarmUpConfig:
    """Compile all kernels, so that no job has to wait for it. Numba keeps them until charmill or the CPU is another one.

    Those of training are among them where torch is installed.

    Examples:
        warm-up
    """

    common: ThreadsConfig = field(default_factory=ThreadsConfig)


def run(config: WarmUpConfig) -> dict[str, Any]:
    """Compile what is not there yet.

    Raises:
        CharmillError: There is no room for it.
    """
    from jobs.cli.compiling import on_compile
    from jobs.cli.console import metered
    from model.architectures.registry import CONFIGS
    from pipeline.text.alphabet import PROFILES

    started = time.monotonic()
    kernels: list[int] = []
    with (
        metered(config.common.log, "compile", len(PROFILES) * (1 + len(CONFIGS))) as meter,
        tempfile.TemporaryDirectory(prefix="charmill-warm-up-") as folder,
        on_compile(kernels.append),
    ):
        for done, _ in enumerate(_steps(Path(folder), config.common.num_threads), 1):
            meter.update(done, lambda: {"kernels": len(kernels)})
    return {"kernels": len(kernels), "seconds": round(time.monotonic() - started, 3)}


def _steps(folder: Path, num_threads: int) -> Iterator[None]:
    """Encode, inspect, train and predict a few rows in each profile; training takes torch."""
    from model.architectures.registry import CONFIGS
    from pipeline.building.run import EncodeOptions, encode
    from pipeline.dataset.manifest import TRAIN
    from pipeline.dataset.shards import open_codes
    from pipeline.formats.opening import Formats
    from pipeline.inspection.histogram import count_split
    from pipeline.records.wanted import Wanted
    from pipeline.text.alphabet import PROFILES

    csv = folder / "titles.csv"
    lines = (f'{_LABELS[row % 2]},"Title ""{row}"", naïve"\n' for row in range(64))
    csv.write_text(f"label,text\n{''.join(lines)}", encoding="utf-8")
    for profile in PROFILES.values():
        options = EncodeOptions(
            out=folder / profile.name,
            wanted=Wanted(label="label"),
            profile=profile.name,
            valid_fraction=0.5,
            num_threads=num_threads,
        )
        manifest = encode([str(csv)], options, Formats()).manifest
        count_split(options.out, manifest, TRAIN)
        yield
        for name in CONFIGS:
            _compile_network(name, profile, open_codes(options.out, manifest.shards[0]))
            yield


def _compile_network(name: str, profile: "Profile", codes_NL: "Codes") -> None:
    """Predict with an architecture's folded network, and let the network itself look at the rows as before a training."""
    import numpy as np

    from model.architectures.factory import PreparedNetwork
    from model.architectures.registry import build_network, choose_architecture
    from model.architectures.trained import Model
    from model.engines.folded import FoldedPredictor

    architecture = choose_architecture(name, len(_LABELS))
    weights = {
        weight: np.zeros(shape, np.float32)
        for weight, shape in architecture.weight_shapes(profile, len(_LABELS)).items()
    }
    model = Model(
        architecture=architecture,
        profile=profile,
        labels=_LABELS,
        temperature=1.0,
        dataset_fingerprint="",
        weights_bytes=0,
        weights_sha256="",
        texts_bytes=0,
        texts_sha256="",
        versions={},
    )
    FoldedPredictor(model, weights, num_threads=1).predict(codes_NL)
    if find_spec("torch") is not None:
        network = build_network(architecture, profile, len(_LABELS))
        if isinstance(network, PreparedNetwork):
            network.prepare([codes_NL])


def render(report: dict[str, Any]) -> str:
    """The report as text."""
    from jobs.cli.console import table

    return table({"kernels compiled": report["kernels"] or "none; they were all there", "seconds": report["seconds"]})


def main() -> None:
    """Run the command."""
    run_command("warm-up", WarmUpConfig, run, render, reads=True)


if __name__ == "__main__":
    main()
