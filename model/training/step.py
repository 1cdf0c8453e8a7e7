"""One step of a training: forward, loss, backward, optimiser, schedule. B batch, L max_length, K classes. Needs torch.

Weights, gradients and the loss are float32 whatever the precision; with bfloat16, autocast runs the network's matrix products and
convolutions in it. A function over the network is compiled, not the network itself, so that its parameters keep their names.
"""

import warnings
from collections.abc import Callable
from importlib import import_module

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from model.training.recipe import BFLOAT16, TrainConfig
from pipeline.errors import MissingError

LossAndLogits = tuple[torch.Tensor, torch.Tensor]
"""(loss float32 [], logits float32 [B, K]); the loss is the mean cross-entropy, smoothed and weighted if the configuration says so."""


class TrainStep:
    """Trains a network on a batch.

    Args:
        network: In training mode, on the device.
        optimizer: Of its parameters.
        schedule: Of the optimiser.
        device: Where the batches are.
        config: Of the training: its precision, `compile`, label_smoothing (Szegedy et al., "Rethinking the Inception Architecture", 2016)
            and clip_norm (Pascanu et al., "On the difficulty of training Recurrent Neural Networks", 2013).
        class_weights_K: float32 [K] on the device; None for all alike. The loss is the mean over the weights of a batch's rows.
    """

    def __init__(
        self,
        network: nn.Module,
        optimizer: Optimizer,
        schedule: LRScheduler,
        device: torch.device,
        config: TrainConfig,
        class_weights_K: torch.Tensor | None = None,
    ) -> None:
        self._network = network
        self._optimizer = optimizer
        self._schedule = schedule
        self._config = config
        self._class_weights_K = class_weights_K
        self._autocast = torch.autocast(device.type, torch.bfloat16, enabled=config.precision == BFLOAT16)
        self._forward: Callable[[torch.Tensor, torch.Tensor], LossAndLogits] = self._loss
        if config.compile:
            # A kernel for each size of batch, of which there are two. Kernels for any size would be made at the second one, so a
            # resumed training could get other kernels, and other roundings, than an uninterrupted one.
            with warnings.catch_warnings():
                # torch's modules warn of each other when the compiler is imported.
                warnings.simplefilter("ignore", DeprecationWarning)
                import_module("torch._inductor.compile_fx")
            # In one piece or not at all, and apart from other trainings of this process, with which it would share a limit. Otherwise
            # what cannot be compiled, or is beyond the limit, would silently run uncompiled, and round differently.
            self._forward = torch.compile(  # type: ignore[call-overload]  # its overloads do not know of isolate_recompiles
                self._loss, dynamic=False, fullgraph=True, isolate_recompiles=True
            )

    def __call__(self, codes_BL: torch.Tensor, label_ids_B: torch.Tensor) -> LossAndLogits:
        """Take a step on codes uint8 [B, L] and label ids int64 [B]; returns loss and logits from before the step, detached.

        Raises:
            MissingError: The network cannot be compiled here.
        """
        self._optimizer.zero_grad()
        if self._config.compile:
            loss, logits_BK = _or_missing(self._forward_and_backward, codes_BL, label_ids_B)
        else:
            loss, logits_BK = self._forward_and_backward(codes_BL, label_ids_B)
        if self._config.clip_norm:
            # Asking whether the norm is finite would wait for the device; weights that are not finite are noticed later.
            nn.utils.clip_grad_norm_(self._network.parameters(), self._config.clip_norm)
        self._optimizer.step()
        self._schedule.step()
        return loss.detach(), logits_BK.detach()

    def _forward_and_backward(self, codes_BL: torch.Tensor, label_ids_B: torch.Tensor) -> LossAndLogits:
        loss, logits_BK = self._forward(codes_BL, label_ids_B)
        loss.backward()
        return loss, logits_BK

    def _loss(self, codes_BL: torch.Tensor, label_ids_B: torch.Tensor) -> LossAndLogits:
        with self._autocast:
            logits_BK = self._network(codes_BL)
        logits_BK = logits_BK.float()
        loss = nn.functional.cross_entropy(
            logits_BK, label_ids_B, weight=self._class_weights_K, label_smoothing=self._config.label_smoothing
        )
        return loss, logits_BK


def _or_missing(
    function: Callable[[torch.Tensor, torch.Tensor], LossAndLogits], codes_BL: torch.Tensor, label_ids_B: torch.Tensor
) -> LossAndLogits:
    # What torch.compile raises has no public name.
    from torch._dynamo.exc import TorchDynamoException

    try:
        return function(codes_BL, label_ids_B)
    except TorchDynamoException as error:
        reason = " ".join(str(error).split("\n\n")[0].split())
        raise MissingError(
            f"--compile: torch cannot compile the network here ({reason}); "
            "install a C++ compiler and Python's headers, or train without --compile"
        ) from error
