"""What is measured on held-out rows. Needs torch."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from model.predictor import BATCH_ROWS
from pipeline.dataset import Batch
from pipeline.gather import ShardRows
from pipeline.order import Rows

Logits = npt.NDArray[np.float32]
LabelIds = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Of a network on labelled rows.

    Attributes:
        loss: Mean cross-entropy, in nats.
        accuracy: Share of rows whose most probable class is theirs.
        confusion: Rows by true class and predicted class, int [K][K].
    """

    loss: float
    accuracy: float
    confusion: list[list[int]]


@torch.inference_mode()
def evaluate(network: nn.Module, batches: Iterable[Batch], num_classes: int) -> Evaluation:
    """Measure a network.

    Args:
        network: Put into evaluation mode and left there.
        batches: At least one, on the network's device.
        num_classes: K.
    """
    network.eval()
    loss_sum, confusion = None, None
    for codes_BL, label_ids_B in batches:
        logits_BK = network(codes_BL)
        loss = nn.functional.cross_entropy(logits_BK, label_ids_B, reduction="sum").double()
        pairs = torch.bincount(label_ids_B * num_classes + logits_BK.argmax(1), minlength=num_classes**2)
        loss_sum = loss if loss_sum is None else loss_sum + loss
        confusion = pairs if confusion is None else confusion + pairs
    if loss_sum is None or confusion is None:
        raise ValueError("there is no batch to evaluate on")
    table = confusion.reshape(num_classes, num_classes)
    num_rows = int(table.sum())
    return Evaluation(
        loss=float(loss_sum) / num_rows, accuracy=float(table.diagonal().sum()) / num_rows, confusion=table.tolist()
    )


@torch.inference_mode()
def predict_logits(
    network: nn.Module, rows: ShardRows, chosen_N: Rows, num_classes: int, device: torch.device
) -> tuple[Logits, LabelIds]:
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
