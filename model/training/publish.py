"""The publishing of a run: weights, hashes of texts, report and evaluation are written into its folder, `model.json` last. Needs torch."""

import hashlib
from importlib.metadata import version
from pathlib import Path

from safetensors.torch import save
from torch import nn

from model.architectures.base import Architecture
from model.architectures.trained import TRAINING_TEXTS, WEIGHTS, Model
from model.reports.run_report import render_report
from model.runs.evaluation import RunEvaluation
from model.runs.folder import CONFIG_TOML, EVALUATION_JSON, METRICS_JSONL, MODEL_JSON, REPORT_HTML
from model.runs.record import make_record
from model.runs.training_texts import TrainingTexts
from pipeline.dataset.manifest import Manifest
from pipeline.storage.durable import replace_file


def publish_run(
    run: Path,
    manifest: Manifest,
    architecture: Architecture,
    network: nn.Module,
    evaluation: RunEvaluation,
    texts: TrainingTexts,
) -> list[Path]:
    """Write a run's weights, report and evaluation beside its configuration and metrics, and `model.json` last.

    Args:
        run: The run's folder, with `config.toml` and `metrics.jsonl` in it.
        manifest: Of the dataset.
        architecture: Kind and sizes of the network.
        network: The trained network.
        evaluation: Of the network.
        texts: That it was trained on.

    Returns:
        The run's files.
    """
    weights = save({name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()})
    hashes = texts.to_bytes()
    model = Model(
        architecture=architecture,
        profile=manifest.profile,
        labels=manifest.labels,
        label_names=manifest.label_names,
        temperature=evaluation.temperature,
        dataset_fingerprint=manifest.fingerprint,
        weights_bytes=len(weights),
        weights_sha256=hashlib.sha256(weights).hexdigest(),
        texts_bytes=len(hashes),
        texts_sha256=hashlib.sha256(hashes).hexdigest(),
        versions={name: version(name) for name in ("charmill", "torch", "numpy")},
    )
    report = render_report(make_record(run, model, evaluation))
    replace_file(run / WEIGHTS, lambda file: file.write(weights))
    replace_file(run / TRAINING_TEXTS, lambda file: file.write(hashes))
    replace_file(run / REPORT_HTML, lambda file: file.write(report))
    replace_file(run / EVALUATION_JSON, lambda file: file.write(evaluation.to_bytes()))
    replace_file(run / MODEL_JSON, lambda file: file.write(model.to_bytes()))
    names = (MODEL_JSON, WEIGHTS, TRAINING_TEXTS, EVALUATION_JSON, METRICS_JSONL, CONFIG_TOML, REPORT_HTML)
    return [run / name for name in names]
