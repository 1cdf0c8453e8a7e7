"""The registry: the only list of architectures, and what is built by an architecture's name.

Imports nothing heavy, so that `--help` and scoring without torch know them all. K classes.
"""

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import msgspec

from model.architectures.base import Architecture
from model.architectures.charcnn.factory import CharCnnFactory
from model.architectures.factory import Factory, FoldedNetwork
from model.architectures.lstm.factory import LstmFactory
from model.architectures.ngram.factory import NgramFactory
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from torch import nn

    from model.architectures.onnx_graph import GraphBuilder
    from model.architectures.trained import Model, Weights
    from pipeline.text.alphabet import Profile


FACTORIES: dict[str, Factory[Any]] = {
    factory.config_type.name: factory for factory in (CharCnnFactory(), LstmFactory(), NgramFactory())
}

CONFIGS: dict[str, type[Architecture]] = {name: factory.config_type for name, factory in FACTORIES.items()}


def choose_architecture(name: str, num_classes: int, **options: Any) -> Architecture:
    """The config of an architecture by its name, at its own default for each option that is None.

    Args:
        name: A name in `CONFIGS`.
        num_classes: K.
        options: Fields of the config; flags have the same names.

    Raises:
        UsageError: The architecture has no such option, or the value makes no sense.
    """
    config = CONFIGS[name]()
    own = _field_names(config)
    given = {option: value for option, value in options.items() if value is not None}
    for option, value in given.items():
        if option not in own:
            able = ", ".join(other for other, kind in CONFIGS.items() if option in _field_names(kind()))
            raise UsageError(f"--{option} {value}: --arch {name} has none; leave it out, or take one that has: {able}")
    return replace(config, **given).sized(num_classes)


def _field_names(config: Architecture) -> set[str]:
    return {each.name for each in fields(config)}


def config_from_json(stored: dict[str, Any]) -> Architecture:
    """Rebuild a config that `config_to_json` made.

    Raises:
        ValueError: This charmill has no such architecture, or it has other fields.
        UsageError: A value makes no sense.
    """
    name = stored.get("name")
    if name not in CONFIGS:
        raise ValueError(f"architecture {name!r}: expected one of {', '.join(CONFIGS)}")
    kind: type[Architecture] = FACTORIES[name].config_type
    needed = {each.name for each in fields(kind) if "added" not in each.metadata}
    known = {"name"} | {each.name for each in fields(kind)}
    for wrong, what in ((needed - stored.keys(), "missing"), (stored.keys() - known, "unknown")):
        if wrong:
            raise ValueError(f"architecture {name!r}: {min(wrong)} is {what}")
    return msgspec.convert(stored, kind)


def build_network(config: Architecture, profile: "Profile", num_classes: int) -> "nn.Module":
    """Make a network with fresh weights from torch's current random state.

    Returns:
        A module that takes codes uint8 [B, L] and gives logits float32 [B, K].
    """
    network: nn.Module = FACTORIES[config.name].network(config, profile, num_classes)
    return network


def fold_network(model: "Model", weights: "Weights") -> FoldedNetwork:
    """Fold a model for scoring without torch, from weights that fit it."""
    folded: FoldedNetwork = FACTORIES[model.architecture.name].folded(model.architecture, model, weights)
    return folded


def add_logits(graph: "GraphBuilder", model: "Model", weights: "Weights", codes: str) -> str:
    """Add a model to an ONNX graph; see `Factory.onnx_logits`."""
    logits: str = FACTORIES[model.architecture.name].onnx_logits(model.architecture, graph, model, weights, codes)
    return logits
