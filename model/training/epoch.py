"""The sums of an epoch, kept on the batches' device so that no step waits for them, and the search for numbers that are not finite."""

import time
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer


class EpochSums:
    """The running sums of an epoch: loss, accuracy, rows and seconds.

    Args:
        device: Where the batches are.
    """

    def __init__(self, device: torch.device) -> None:
        self._loss = torch.zeros((), dtype=torch.float64, device=device)
        self._finite_batches = torch.zeros((), dtype=torch.int64, device=device)
        self._correct = torch.zeros((), dtype=torch.int64, device=device)
        self._batch_accuracy = torch.zeros((), device=device)
        self._rows = 0
        self._batches = 0
        self._seconds_before = 0.0
        self._rows_before = 0
        self._started = time.monotonic()

    def start_clock(self) -> None:
        """Start counting seconds."""
        self._started = time.monotonic()

    def seconds(self) -> float:
        """How long the epoch has taken, in all processes that worked on it."""
        return self._seconds_before + time.monotonic() - self._started

    def add(self, loss: torch.Tensor, logits_BK: torch.Tensor, label_ids_B: torch.Tensor) -> None:
        """Count a step: its loss [], logits [B, K] and label ids int64 [B]."""
        correct = (logits_BK.argmax(1) == label_ids_B).sum()
        self._loss += loss
        self._finite_batches += torch.isfinite(self._loss)  # Once it is not, it never is again.
        self._correct += correct
        self._batch_accuracy = correct / len(label_ids_B)
        self._rows += len(label_ids_B)
        self._batches += 1

    def first_not_finite_batch(self) -> tuple[int, float] | None:
        """The first batch, from 1, whose loss is not finite, and the sum with it; None if all are finite. Waits for the device."""
        finite_batches = int(self._finite_batches)
        return None if finite_batches == self._batches else (finite_batches + 1, float(self._loss))

    def metrics(self) -> dict[str, Any]:
        """The epoch's means, and the accuracy of its last batch alone, which is what the article prints."""
        return {
            "train_loss": float(self._loss) / max(1, self._batches),
            "train_accuracy": float(self._correct) / max(1, self._rows),
            "batch_accuracy": float(self._batch_accuracy),
            "rows": self._rows,
        }

    def figures(self) -> dict[str, float]:
        """The figures for a progress bar."""
        metrics = self.metrics()
        rate = (self._rows - self._rows_before) / max(1e-9, time.monotonic() - self._started)
        return {
            "loss": round(metrics["train_loss"], 4),
            "accuracy": round(metrics["train_accuracy"], 4),
            "rows/s": round(rate),
        }

    def state_dict(self) -> dict[str, Any]:
        """Everything as JSON; the sums must be finite."""
        return {
            "loss": float(self._loss),
            "correct": int(self._correct),
            "batch_accuracy": float(self._batch_accuracy),
            "rows": self._rows,
            "batches": self._batches,
            "seconds": self.seconds() if self._rows else 0.0,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        self._loss.fill_(state["loss"])
        self._correct.fill_(state["correct"])
        self._batch_accuracy.fill_(state["batch_accuracy"])
        self._rows = self._rows_before = state["rows"]
        self._batches = state["batches"]
        self._finite_batches.fill_(self._batches)
        self._seconds_before = state["seconds"]


def find_not_finite(network: nn.Module, optimizer: Optimizer) -> str | None:
    """Name a weight or a state of the optimiser that holds a nan or an infinity; None if none does. Waits for the device.

    The loss can stay finite all the same: it does not ask for n-grams that no row has, and a weight whose state is infinite just never
    moves again. The norm of everything is finite only if everything is, and took a twentieth of the time of asking each tensor.
    """
    named = {f"the weights in {name}": tensor for name, tensor in network.state_dict().items()}
    for name, parameter in network.named_parameters():
        for kind, state in optimizer.state.get(parameter, {}).items():
            if isinstance(state, torch.Tensor):
                named[f"the optimiser's {kind} of {name}"] = state
    floating = {name: tensor for name, tensor in named.items() if tensor.is_floating_point()}
    if bool(torch.isfinite(nn.utils.get_total_norm(list(floating.values())))):
        return None
    # The norm's squares overflow long before the numbers do, so each tensor is asked.
    return next((name for name, tensor in floating.items() if not bool(torch.isfinite(tensor).all())), None)
