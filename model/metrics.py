"""What is measured on held-out rows. Needs torch."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import nn

from pipeline.dataset import Batch


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
