"""The measuring of a trained network: its logits on the held-out rows, a baseline beside them, an evaluation made of both. Needs torch."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from model.measuring.baseline import measure_baseline
from model.measuring.forward import predict_logits
from model.measuring.held_out import HeldOut, choose_rows, make_evaluation
from model.measuring.layers import list_layers
from model.runs.evaluation import RunEvaluation
from pipeline.batches.gather import ShardRows
from pipeline.dataset.manifest import VALID, Manifest
from pipeline.inspection.duplicates import find_seen


def measure_network(
    folder: Path,
    manifest: Manifest,
    network: nn.Module,
    device: torch.device,
    *,
    with_baseline: bool,
    num_threads: int,
    note: Callable[..., None],
) -> RunEvaluation:
    """Measure a network on the held-out rows, and the baseline beside it.

    Args:
        folder: The dataset.
        manifest: Its manifest.
        network: On the device; put into evaluation mode and left there.
        device: Where to compute.
        with_baseline: Whether to train the baseline.
        num_threads: Threads to look for duplicates with.
        note: Told what a reader of the figures should know: a text, and values by name.
    """
    chosen, num_valid = choose_rows(manifest), manifest.num_rows(VALID)
    if len(chosen) < num_valid:
        note("measured on a part, evenly spaced", rows=len(chosen), held_out=num_valid)
    rows = ShardRows(folder, [shard for shard in manifest.shards if shard.split == VALID])
    logits_NK, label_ids_N = predict_logits(network, rows, chosen, len(manifest.labels), device)
    baseline = None
    if with_baseline:
        outcome = measure_baseline(folder, manifest, chosen)
        baseline = outcome.baseline
        if outcome.remark:
            note(outcome.remark)
    return make_evaluation(
        folder,
        manifest,
        HeldOut(rows=chosen, logits=logits_NK, label_ids=label_ids_N),
        find_seen(folder, manifest, num_threads=num_threads),
        baseline=baseline,
        layers=list_layers(network, manifest.profile),
    )
