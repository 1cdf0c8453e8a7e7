"""The `charcnn` network, which is the article's, in torch. B batch, L max_length, C channels, K classes."""

import torch
from einops.layers.torch import Rearrange
from torch import nn

from model.architectures.charcnn.config import CharCnnConfig
from model.architectures.charcnn.norm import BATCH_MOMENTUM, NORM_EPSILON
from pipeline.text.alphabet import Profile


class OneHot(nn.Module):
    """Codes to one-hot rows, on the codes' device; the fill code is the all-zero row.

    Args:
        profile: Of the codes.
    """

    rows: torch.Tensor

    def __init__(self, profile: Profile) -> None:
        super().__init__()
        rows = torch.eye(profile.num_codes)
        rows[profile.fill] = 0
        self.register_buffer("rows", rows, persistent=False)

    def forward(self, codes_BL: torch.Tensor) -> torch.Tensor:
        """Uint8 [B, L] to float32 [B, L, C]."""
        return self.rows[codes_BL.long()]


class ChannelBatchNorm(nn.Module):
    """Batch normalisation (Ioffe and Szegedy, 2015) of float32 [B, L, C], over all positions of a batch, padding and all.

    torch's own also stores a count of batches, an int64 that a fixed momentum does not need; here everything stored is float32.

    Args:
        channels: C.
    """

    running_mean: torch.Tensor
    running_var: torch.Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x_BLC: torch.Tensor) -> torch.Tensor:
        """Normalise by the batch's own mean and variance in training, otherwise by the running ones."""
        batch, length, _ = x_BLC.shape
        normed_BCL = nn.functional.batch_norm(
            x_BLC.transpose(1, 2),
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            training=self.training and batch * length > 1,  # One position alone has no variance.
            momentum=BATCH_MOMENTUM,
            eps=NORM_EPSILON,
        )
        return normed_BCL.transpose(1, 2)


def _make_norm(norm: str, channels: int) -> nn.Module:
    if norm == "batch":
        return ChannelBatchNorm(channels)
    return nn.LayerNorm(channels, eps=NORM_EPSILON) if norm == "layer" else nn.Identity()


class CharCnn(nn.Module):
    """Two convolutions with ReLU and a norm, flattened into two linear layers.

    The article ends in a softmax over five classes, one of which never occurs, and takes a logarithm in its loss. This network
    gives logits for as many classes as the data has; the loss is the same function of them.

    Args:
        config: Sizes.
        profile: Of the codes.
        num_classes: K.
    """

    def __init__(self, config: CharCnnConfig, profile: Profile, num_classes: int) -> None:
        super().__init__()
        self.one_hot = OneHot(profile)
        self.conv_1 = nn.Conv1d(profile.num_codes, config.channels_1, kernel_size=3, padding=1)
        self.norm_1 = _make_norm(config.norm, config.channels_1)
        self.conv_2 = nn.Conv1d(config.channels_1, config.channels_2, kernel_size=3, padding=1)
        self.norm_2 = _make_norm(config.norm, config.channels_2)
        self.linear_1 = nn.Linear(profile.max_length * config.channels_2, config.hidden)
        self.linear_2 = nn.Linear(config.hidden, num_classes)
        self.channels_first = Rearrange("b l c -> b c l")
        self.channels_last = Rearrange("b c l -> b l c")
        self.flatten = Rearrange("b l c -> b (l c)")
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, codes_BL: torch.Tensor) -> torch.Tensor:
        """Uint8 [B, L] to logits float32 [B, K]."""
        x_BLC = self.one_hot(codes_BL)
        for conv, norm in ((self.conv_1, self.norm_1), (self.conv_2, self.norm_2)):
            x_BLC = norm(torch.relu(self.channels_last(conv(self.channels_first(x_BLC)))))
        hidden_BH = torch.relu(self.linear_1(self.dropout(self.flatten(x_BLC))))
        logits_BK: torch.Tensor = self.linear_2(self.dropout(hidden_BH))
        return logits_BK
