"""The article's network, `charcnn`. B batch, L max_length, C channels, K classes. Needs torch."""

import torch
from einops.layers.torch import Rearrange
from torch import nn

from model.architecture import CharCnnConfig
from pipeline.alphabet import Profile


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


class CharCnn(nn.Module):
    """Two convolutions with ReLU and LayerNorm, flattened into two linear layers.

    The article ends in a softmax over five classes, one of them never used, and takes the logarithm again in its loss. This one
    gives logits of as many classes as the data has; the loss is the same function of them.

    Args:
        config: Sizes.
        profile: Of the codes.
        num_classes: K.
    """

    def __init__(self, config: CharCnnConfig, profile: Profile, num_classes: int) -> None:
        super().__init__()
        self.one_hot = OneHot(profile)
        self.conv_1 = nn.Conv1d(profile.num_codes, config.channels_1, kernel_size=3, padding=1)
        self.norm_1 = nn.LayerNorm(config.channels_1)
        self.conv_2 = nn.Conv1d(config.channels_1, config.channels_2, kernel_size=3, padding=1)
        self.norm_2 = nn.LayerNorm(config.channels_2)
        self.linear_1 = nn.Linear(profile.max_length * config.channels_2, config.hidden)
        self.linear_2 = nn.Linear(config.hidden, num_classes)
        self.channels_first = Rearrange("b l c -> b c l")
        self.channels_last = Rearrange("b c l -> b l c")
        self.flatten = Rearrange("b l c -> b (l c)")

    def forward(self, codes_BL: torch.Tensor) -> torch.Tensor:
        """Uint8 [B, L] to logits float32 [B, K]."""
        x_BLC = self.one_hot(codes_BL)
        for conv, norm in ((self.conv_1, self.norm_1), (self.conv_2, self.norm_2)):
            x_BLC = norm(torch.relu(self.channels_last(conv(self.channels_first(x_BLC)))))
        logits_BK: torch.Tensor = self.linear_2(torch.relu(self.linear_1(self.flatten(x_BLC))))
        return logits_BK
