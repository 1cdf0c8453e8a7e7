"""Loading: the loader alone, and a training step fed by it beside the same step on batches in memory. Needs torch."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.bench.setup import PROFILE_OF, Setup, make_dataset
from jobs.bench.timing import Contestant, Section, Work

if TYPE_CHECKING:
    from pipeline.batches.loader import BatchLoader

BATCH_ROWS = 256
STEPS = 64
"""Steps a call: enough for the loader's start to weigh as little as in an epoch of its own."""


def load_sections(setup: Setup) -> list[Section]:
    """The loader alone, and a training step of each recipe."""
    from model.training.recipe import resolve
    from pipeline.dataset.manifest import TRAIN, VALID, read_manifest

    data = setup.data
    default, article = (make_dataset(setup, data, "loaded", PROFILE_OF[arch]) for arch in ("ngram", "charcnn"))
    manifest = read_manifest(default)
    num_rows = manifest.num_rows(TRAIN)
    sections = [_loader_section(setup, default, num_rows)]
    for recipe, dataset in (("default", default), ("seed", article)):
        config = resolve(recipe, {}, num_train=num_rows, num_valid=manifest.num_rows(VALID))
        steps = min(STEPS, num_rows // config.batch_size) or 1
        rows = min(steps * config.batch_size, num_rows)
        step = partial(_prepare_steps, dataset, recipe, steps, setup.num_threads)
        title = f"training step, recipe {recipe}, {steps} batches of {config.batch_size}, {data.title}"
        contestants = [
            Contestant("fed by the loader", "ours", rows, partial(step, in_memory=False), needs=("torch",)),
            Contestant("the same batches, in memory", "peer", rows, partial(step, in_memory=True), needs=("torch",)),
        ]
        sections.append(setup.section("load", title, contestants))
    return sections


def _loader_section(setup: Setup, dataset: Path, rows: int) -> Section:
    loader, tensors = partial(_prepare_loader, dataset), partial(_prepare_tensors, dataset)
    indexed, copy = partial(_prepare_indexed, dataset), partial(_prepare_copy, dataset)
    contestants = [
        Contestant("the loader alone, an epoch", "ours", rows, loader, needs=("torch",)),
        Contestant("DataLoader over tensors in memory", "peer", rows, tensors, needs=("torch",)),
        Contestant("tensors in memory, indexed", "ceiling", rows, indexed, needs=("torch",)),
        Contestant("memcpy of the codes", "ceiling", rows, copy),
    ]
    return setup.section("load", f"batches of {BATCH_ROWS}, shuffled, {setup.data.title}, {rows:,} rows", contestants)


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
