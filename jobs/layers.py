"""What a training says of its network before it begins: a line for each layer, and the sum. For jobs only."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Literal

from jobs.console import Meter, columns
from model.evaluation import Layer


def say_layers(meter: Meter, layers: Sequence[Layer], *, form: Literal["text", "json"]) -> None:
    """Write a network's layers beside the progress.

    Args:
        meter: Where to.
        layers: Of `model.summary.summarise`, at least one.
        form: ``text`` for a table, ``json`` for an object a layer.
    """
    total = Layer(name="total", kind="", shape="", parameters=sum(layer.parameters for layer in layers))
    rows = [asdict(layer) for layer in (*layers, total)]
    if form == "json":
        for row in rows:
            meter.note("layer", **row)
        return
    for line in columns(rows).splitlines():
        meter.note(f"layer  {line}")
