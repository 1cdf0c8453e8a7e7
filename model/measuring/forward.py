"""A network run over held-out rows: its loss and accuracy after each epoch, its logits at the end. Needs torch."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from model.engines.torch_predictor import BATCH_ROWS
from model.measuring.calibration import Logits, WideLabelIds
from pipeline.batches.gather import ShardRows
from pipeline.batches.order import Rows
from pipeline.batches.shard_dataset import Batch


@dataclass(frozen=True, kw_only=True)
class LossAndAccuracy:
    """How good a network is on labelled rows.

    Attributes:
        loss: Mean cross-entropy, in nats.
        accuracy: Share of rows whose most probable class is theirs.
    """

    loss: float
    accuracy: float


@torch.inference_mode()
def loss_and_accuracy(network: nn.Module, batches: Iterable[Batch]) -> LossAndAccuracy:
    """Run a network over labelled batches.

    Args:
        network: Put into evaluation mode and left there.
        batches: At least one, on the network's device.
    """
    network.eval()
    num_rows, sums = 0, None
    for codes_BL, label_ids_B in batches:
        logits_BK = network(codes_BL)
        loss = nn.functional.cross_entropy(logits_BK, label_ids_B, reduction="sum").double()
        now = torch.stack([loss, (logits_BK.argmax(1) == label_ids_B).sum().double()])
        sums = now if sums is None else sums + now
        num_rows += len(label_ids_B)
    if sums is None:
        raise ValueError("there is no batch to evaluate on")
    loss_sum, num_correct = sums.tolist()  # The one time that a device is waited for.
    return LossAndAccuracy(loss=loss_sum / num_rows, accuracy=num_correct / num_rows)


@torch.inference_mode()
def predict_logits(
    network: nn.Module, rows: ShardRows, chosen_N: Rows, num_classes: int, device: torch.device
) -> tuple[Logits, WideLabelIds]:
    """Run a network on rows of a split.

    Args:
        network: Put into evaluation mode and left there; on the device.
        rows: The split's rows.
        chosen_N: int64 [N], which of them.
        num_classes: K.
        device: Where to compute.

    Returns:
        logits float32 [N, K] and label ids int64 [N], owned by the caller.
    """
    network.eval()
    logits_NK = np.empty((len(chosen_N), num_classes), np.float32)
    label_ids_N = np.empty(len(chosen_N), np.int64)
    for start in range(0, len(chosen_N), BATCH_ROWS):
        here = slice(start, start + BATCH_ROWS)
        codes_BL, label_ids_N[here] = rows.gather(chosen_N[here])
        logits_NK[here] = network(torch.from_numpy(codes_BL).to(device)).float().cpu().numpy()
    return logits_NK, label_ids_N
