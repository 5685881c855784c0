"""From a frame's features and its mask to a memory (SAM 2 paper, section 4, "Memory encoder").

B objects · C channels of the frame, Cm of a memory · S side of the image · H, W height and width of the features.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import TypedDict

from napari_sam2.torch_threads import torch

from torch import Tensor, nn

from napari_sam2.model.layers import DropPath, LayerNorm2d
from napari_sam2.model.onednn import Conv2d, Linear


class MaskDownSampler(nn.Module):
    """Strided convolutions that bring a mask to the resolution and width of the features.

    Each step of stride s multiplies the channels by s², so that no step loses information (official ``memory_encoder.py`` L17-57).
    """

    def __init__(
        self,
        embed_dim: int = 256,
        kernel_size: int = 4,
        stride: int = 4,
        padding: int = 0,
        total_stride: int = 16,
        activation: Callable[[], nn.Module] = nn.GELU,
    ) -> None:
        super().__init__()
        num_layers = round(math.log(total_stride, stride))
        if stride**num_layers != total_stride:
            raise ValueError(f"total_stride {total_stride} is not a power of stride {stride}")
        self.encoder = nn.Sequential()
        channels = 1
        for _ in range(num_layers):
            wider = channels * stride**2
            self.encoder.append(Conv2d(channels, wider, kernel_size, stride, padding))
            self.encoder.append(LayerNorm2d(wider))
            self.encoder.append(activation())
            channels = wider
        self.encoder.append(Conv2d(channels, embed_dim, kernel_size=1))

    def forward(self, x: Tensor) -> Tensor:
        """Map masks (B, 1, S, S) to (B, C, S / total_stride, S / total_stride)."""
        encoded: Tensor = self.encoder(x)
        return encoded


class CXBlock(nn.Module):
    """A ConvNeXt block (Liu et al. 2022; official ``memory_encoder.py`` L61-108)."""

    def __init__(
        self,
        dim: int,
        kernel_size: int = 7,
        padding: int = 3,
        drop_path: float = 0.0,
        layer_scale_init_value: float = 1e-6,
        use_dwconv: bool = True,
    ) -> None:
        super().__init__()
        self.dwconv = Conv2d(dim, dim, kernel_size, padding=padding, groups=dim if use_dwconv else 1)
        self.norm = LayerNorm2d(dim)
        self.pwconv1 = Linear(dim, 4 * dim)
        self.act = nn.GELU()
        self.pwconv2 = Linear(4 * dim, dim)
        self.gamma = nn.Parameter(layer_scale_init_value * torch.ones(dim)) if layer_scale_init_value > 0 else None
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same shape."""
        branch = self.norm(self.dwconv(x)).permute(0, 2, 3, 1)
        branch = self.pwconv2(self.act(self.pwconv1(branch)))
        if self.gamma is not None:
            branch = self.gamma * branch
        mixed: Tensor = x + self.drop_path(branch.permute(0, 3, 1, 2))
        return mixed


class Fuser(nn.Module):
    """Copies of one block in a row, optionally after a 1 x 1 projection (official ``memory_encoder.py`` L111-126)."""

    def __init__(self, layer: nn.Module, num_layers: int, dim: int | None = None, input_projection: bool = False) -> None:
        super().__init__()
        if input_projection and dim is None:
            raise ValueError("input_projection needs dim")
        self.proj = Conv2d(dim, dim, kernel_size=1) if input_projection and dim is not None else nn.Identity()
        self.layers = nn.ModuleList(copy.deepcopy(layer) for _ in range(num_layers))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same shape."""
        x = self.proj(x)
        for layer in self.layers:
            x = layer(x)
        return x


class EncodedMemory(TypedDict):
    """A memory and, in a list of one, its position code; both (B, Cm, H, W)."""

    vision_features: Tensor
    vision_pos_enc: list[Tensor]


class MemoryEncoder(nn.Module):
    """Fuses features and mask into a memory (official ``memory_encoder.py`` L129-181)."""

    def __init__(
        self, out_dim: int, mask_downsampler: MaskDownSampler, fuser: Fuser, position_encoding: nn.Module, in_dim: int = 256
    ) -> None:
        super().__init__()
        self.mask_downsampler = mask_downsampler
        self.pix_feat_proj = Conv2d(in_dim, in_dim, kernel_size=1)
        self.fuser = fuser
        self.position_encoding = position_encoding
        self.out_proj = Conv2d(in_dim, out_dim, kernel_size=1) if out_dim != in_dim else nn.Identity()

    def forward(self, pix_feat: Tensor, masks: Tensor, skip_mask_sigmoid: bool = False) -> EncodedMemory:
        """Encode a memory.

        Parameters
        ----------
        pix_feat : Tensor
            (B, C, H, W), the frame's own features, before memory attention. B may be 1 where all objects share the frame.
        masks : Tensor
            (B, 1, S, S), logits, or with ``skip_mask_sigmoid`` whatever the model feeds in.
        skip_mask_sigmoid : bool
            ``masks`` are already scaled.

        Returns
        -------
        EncodedMemory
            Features and position code, (B, Cm, H, W).
        """
        masks = masks if skip_mask_sigmoid else torch.sigmoid(masks)
        x = self.pix_feat_proj(pix_feat) + self.mask_downsampler(masks)
        x = self.out_proj(self.fuser(x))
        return {"vision_features": x, "vision_pos_enc": [self.position_encoding(x).to(x.dtype)]}
