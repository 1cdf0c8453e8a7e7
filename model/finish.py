"""What makes a run of a trained network: it is measured on the held-out rows and published, `model.json` last. Needs torch."""

import hashlib
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import torch
from safetensors.torch import save
from torch import nn

from model.architecture_base import Architecture
from model.baseline import measure_baseline
from model.evaluation import EVALUATION_JSON, RunEvaluation
from model.measuring import HeldOut, choose_rows, measure
from model.metrics import predict_logits
from model.report import render_report
from model.run_record import CONFIG_TOML, METRICS_JSONL, make_record
from model.runfile import MODEL_JSON, WEIGHTS, Model
from model.summary import summarise
from pipeline.duplicates import find_seen
from pipeline.gather import ShardRows
from pipeline.manifest import VALID, Manifest
from pipeline.publish import replace_file

REPORT_HTML = "report.html"


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
        num_threads: To look for duplicates with.
        note: Told what a person should know of the figures: a text, and values by name.
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
    return measure(
        folder,
        manifest,
        HeldOut(rows=chosen, logits=logits_NK, label_ids=label_ids_N),
        find_seen(folder, manifest, num_threads=num_threads),
        baseline=baseline,
        layers=summarise(network, manifest.profile),
    )


def publish_run(
    run: Path, manifest: Manifest, architecture: Architecture, network: nn.Module, evaluation: RunEvaluation
) -> list[Path]:
    """Write weights, report and evaluation beside the configuration and the metrics, and `model.json` last.

    Args:
        run: The run's folder, with `config.toml` and `metrics.jsonl`.
        manifest: Of the dataset.
        architecture: The network's sizes.
        network: The network.
        evaluation: What was measured of it.

    Returns:
        The run's files.
    """
    weights = save({name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()})
    model = Model(
        architecture=architecture,
        profile=manifest.profile,
        labels=manifest.labels,
        temperature=evaluation.temperature,
        dataset_fingerprint=manifest.fingerprint,
        weights_bytes=len(weights),
        weights_sha256=hashlib.sha256(weights).hexdigest(),
        versions={name: version(name) for name in ("charmill", "torch", "numpy")},
    )
    report = render_report(make_record(run, model, evaluation))
    replace_file(run / WEIGHTS, lambda file: file.write(weights))
    replace_file(run / REPORT_HTML, lambda file: file.write(report))
    replace_file(run / EVALUATION_JSON, lambda file: file.write(evaluation.to_bytes()))
    replace_file(run / MODEL_JSON, lambda file: file.write(model.to_bytes()))
    return [run / name for name in (MODEL_JSON, WEIGHTS, EVALUATION_JSON, METRICS_JSONL, CONFIG_TOML, REPORT_HTML)]
