"""Whether a training can still come to something: its numbers are finite. Needs torch."""

import torch
from torch import nn
from torch.optim import Optimizer


def first_not_finite(network: nn.Module, optimizer: Optimizer) -> str | None:
    """What of a training holds a nan or an infinity, in words; None where nothing does. Waits for the device.

    A loss can stay finite beside it: n-grams that no row has are not asked for, and what an optimiser remembers as infinite lets a
    weight never move again. The norm of all is finite only where all are, and took a twentieth of the time that asking each did.
    """
    named = {f"the weights in {name}": tensor for name, tensor in network.state_dict().items()}
    for name, parameter in network.named_parameters():
        for kind, state in optimizer.state.get(parameter, {}).items():
            if isinstance(state, torch.Tensor):
                named[f"the optimiser's {kind} of {name}"] = state
    floating = {name: tensor for name, tensor in named.items() if tensor.is_floating_point()}
    if bool(torch.isfinite(nn.utils.get_total_norm(list(floating.values())))):
        return None
    # Squares overflow long before numbers do.
    return next((name for name, tensor in floating.items() if not bool(torch.isfinite(tensor).all())), None)
