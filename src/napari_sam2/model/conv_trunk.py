"""A small residual convolutional trunk with the same four levels as Hiera. B batch · C channels · H, W height and width."""

from __future__ import annotations

from napari_sam2.torch_threads import torch

import torch.nn.functional as F
from torch import Tensor, nn

from napari_sam2.model.onednn import Conv2d


def _norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(8, channels)


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions beside a shortcut (He et al. 2016), with group normalisation, which needs no large batch."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm1 = _norm(channels)
        self.conv2 = Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm2 = _norm(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same shape."""
        branch = F.relu(self.norm1(self.conv1(x)))
        return F.relu(x + self.norm2(self.conv2(branch)))


class ConvTrunk(nn.Module):
    """Four levels at strides 4, 8, 16 and 32.

    Parameters
    ----------
    channels : tuple of int
        Channels of each level, finest first; the first a multiple of 16, the others of 8.
    depths : tuple of int
        Residual blocks per level.
    """

    def __init__(self, channels: tuple[int, ...] = (32, 64, 128, 192), depths: tuple[int, ...] = (2, 2, 3, 1)) -> None:
        super().__init__()
        self.depths = depths
        if len(channels) != len(depths):
            raise ValueError(f"{len(channels)} levels need as many depths, got {len(depths)}")
        self.stem = nn.Sequential(
            Conv2d(3, channels[0] // 2, 3, stride=2, padding=1, bias=False),
            _norm(channels[0] // 2),
            nn.ReLU(),
            Conv2d(channels[0] // 2, channels[0], 3, stride=2, padding=1, bias=False),
            _norm(channels[0]),
            nn.ReLU(),
        )
        self.levels = nn.ModuleList()
        for index, (width, depth) in enumerate(zip(channels, depths, strict=True)):
            down = [Conv2d(channels[index - 1], width, 3, stride=2, padding=1, bias=False), _norm(width), nn.ReLU()]
            self.levels.append(nn.Sequential(*(down if index else []), *(ResidualBlock(width) for _ in range(depth))))
        self.channel_list = list(reversed(channels))
        for weight in self.parameters():
            if weight.ndim == 4:  # else each call rearranges it
                weight.data = weight.data.contiguous(memory_format=torch.channels_last)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Map images (B, 3, S, S') to the levels (B, C, H, W), finest first."""
        # Convolutions run twice as fast with channels last.
        x = self.stem(x.contiguous(memory_format=torch.channels_last))
        features = []
        for level in self.levels:
            x = level(x)
            features.append(x)
        return features

    def get_num_layers(self) -> int:
        """Return the number of blocks, for layer-wise learning-rate decay."""
        return sum(self.depths)

    def get_layer_id(self, layer_name: str) -> int:
        """Return the depth of a parameter, 0 at the input; what halves the resolution belongs to the block after it."""
        if layer_name.startswith("stem"):
            return 0
        level, place = (int(part) for part in layer_name.split(".")[1:3])
        return sum(self.depths[:level]) + max(0, place - (3 if level else 0)) + 1
