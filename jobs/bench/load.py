"""Loading: the loader alone, and a training step fed by it beside the same step on batches in memory. For jobs.bench only; needs torch."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.bench.models import PROFILE_OF
from jobs.bench.setup import Ground, Lineup, encoded
from jobs.bench.timing import Section, Work

if TYPE_CHECKING:
    from pipeline.batches.loader import BatchLoader

BATCH_ROWS = 256
STEPS = 64
"""Steps a call: enough for the loader's start to weigh as little as in an epoch of its own."""


def load_sections(ground: Ground) -> list[Section]:
    """The loader alone, and a step of each recipe."""
    from model.training.recipe import resolve
    from pipeline.dataset.manifest import TRAIN, VALID, read_manifest

    dataset, article = (encoded(ground, ground.data, "loaded", PROFILE_OF[arch]) for arch in ("ngram", "charcnn"))
    manifest = read_manifest(dataset)
    num_rows = manifest.num_rows(TRAIN)
    sections = [_loader_section(ground, dataset, num_rows)]
    for recipe, its_dataset in (("default", dataset), ("seed", article)):
        config = resolve(recipe, {}, num_train=num_rows, num_valid=manifest.num_rows(VALID))
        steps = min(STEPS, num_rows // config.batch_size) or 1
        rows = min(steps * config.batch_size, num_rows)
        title = f"training step, recipe {recipe}, {steps} batches of {config.batch_size}, {ground.data.title}"
        lineup = Lineup(ground, "load", title)
        step = partial(_prepare_steps, its_dataset, recipe, steps, ground.num_threads)
        lineup.add("fed by the loader", "ours", rows, partial(step, in_memory=False), needs=("torch",))
        lineup.add("the same batches, in memory", "peer", rows, partial(step, in_memory=True), needs=("torch",))
        sections.append(lineup.section)
    return sections


def _loader_section(ground: Ground, dataset: Path, num_rows: int) -> Section:
    lineup = Lineup(ground, "load", f"batches of {BATCH_ROWS}, shuffled, {ground.data.title}, {num_rows:,} rows")
    lineup.add("the loader alone, an epoch", "ours", num_rows, partial(_prepare_loader, dataset), needs=("torch",))
    lineup.add(
        "DataLoader over tensors in memory", "peer", num_rows, partial(_prepare_tensors, dataset), needs=("torch",)
    )
    lineup.add("tensors in memory, indexed", "ceiling", num_rows, partial(_prepare_indexed, dataset), needs=("torch",))
    lineup.add("memcpy of the codes", "ceiling", num_rows, partial(_prepare_copy, dataset))
    return lineup.section


def _make_loader(dataset: Path, **order: Any) -> "BatchLoader":
    import torch

    from pipeline.batches.loader import BatchLoader
    from pipeline.batches.shard_dataset import ShardDataset
    from pipeline.dataset.manifest import TRAIN, read_manifest

    return BatchLoader(ShardDataset(dataset, read_manifest(dataset), TRAIN, **order), torch.device("cpu"))


def _prepare_loader(dataset: Path) -> Work:
    return partial(_exhaust, _make_loader(dataset, batch_size=BATCH_ROWS, shuffle=True))


def _exhaust(batches: Any) -> None:
    for _ in batches:
        pass


def _tensors(dataset: Path) -> Any:
    """All training rows: uint8 [N, L] and int64 [N], owned by the caller."""
    import torch

    codes, label_ids = zip(*_make_loader(dataset, batch_size=BATCH_ROWS), strict=True)
    return torch.cat(codes), torch.cat(label_ids)


def _prepare_tensors(dataset: Path) -> Work:
    """What most would write: PyTorch's own loader, which gathers a batch from samples."""
    from torch.utils.data import DataLoader, TensorDataset

    return partial(_exhaust, DataLoader(TensorDataset(*_tensors(dataset)), batch_size=BATCH_ROWS, shuffle=True))


def _prepare_indexed(dataset: Path) -> Work:
    return partial(_index, *_tensors(dataset))


def _index(codes_NL: Any, label_ids_N: Any) -> None:
    import torch

    order: Any = torch.randperm(len(codes_NL))
    for rows in order.split(BATCH_ROWS):
        codes_NL[rows], label_ids_N[rows]


def _prepare_copy(dataset: Path) -> Work:
    import numpy as np

    codes = np.concatenate([np.load(path) for path in sorted(dataset.glob("train-*.codes.npy"))])
    return partial(np.copyto, np.empty_like(codes), codes)


def _prepare_steps(dataset: Path, recipe: str, steps: int, num_threads: int, *, in_memory: bool) -> Work:
    """A network that takes so many training steps a call, from the loader or from a list of its batches."""
    import torch

    from model.architectures.registry import build_network
    from model.training.optim import make_optimizer
    from model.training.recipe import resolve
    from pipeline.dataset.manifest import TRAIN, VALID, read_manifest

    torch.set_num_threads(num_threads)
    torch.manual_seed(0)
    manifest = read_manifest(dataset)
    config = resolve(recipe, {}, num_train=manifest.num_rows(TRAIN), num_valid=manifest.num_rows(VALID))
    network = build_network(config.architecture(len(manifest.labels)), manifest.profile, len(manifest.labels)).train()
    loader = _make_loader(
        dataset, batch_size=config.batch_size, seed=config.seed, shuffle=config.shuffle, limit_batches=steps
    )
    return partial(
        _take_steps, network, make_optimizer(config, network.parameters()), list(loader) if in_memory else loader
    )


def _take_steps(network: Any, optimizer: Any, batches: Any) -> None:
    from torch.nn.functional import cross_entropy

    for codes_BL, label_ids_B in batches:
        loss: Any = cross_entropy(network(codes_BL), label_ids_B)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
