"""From an image to feature maps at strides 4, 8 and 16: a trunk and a feature pyramid (SAM 2 paper, section 4, "Image encoder").

B batch · C channels · H, W height and width of a level.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from napari_sam2.torch_threads import torch

import torch.nn.functional as F
from torch import Tensor, nn

from napari_sam2.model.onednn import Conv2d


class ImageFeatures(TypedDict):
    """What the image encoder returns; lists are ordered finest level first."""

    vision_features: Tensor
    """(B, C, H, W), the coarsest level."""
    vision_pos_enc: list[Tensor]
    """Position code of each level, (B, C, H, W)."""
    backbone_fpn: list[Tensor]
    """Features of each level, (B, C, H, W)."""


class FpnNeck(nn.Module):
    """Brings all levels to one width and lets chosen levels see the coarser ones (official ``image_encoder.py`` L45-134).

    Parameters
    ----------
    position_encoding : nn.Module
        Maps (B, C, H, W) features to their position code.
    d_model : int
        Channels of every level.
    backbone_channel_list : list of int
        Channels of the trunk's levels, coarsest first.
    kernel_size, stride, padding : int
        Of the lateral convolutions.
    fpn_interp_model : str
        How a coarse level is enlarged.
    fuse_type : {"sum", "avg"}
        How it is joined to the finer one.
    fpn_top_down_levels : sequence of int, optional
        Levels that receive the coarser one, 0 the finest; all by default.
    """

    def __init__(
        self,
        position_encoding: nn.Module,
        d_model: int,
        backbone_channel_list: list[int],
        kernel_size: int = 1,
        stride: int = 1,
        padding: int = 0,
        fpn_interp_model: str = "bilinear",
        fuse_type: str = "sum",
        fpn_top_down_levels: tuple[int, ...] | list[int] | None = None,
    ) -> None:
        super().__init__()
        if fuse_type not in ("sum", "avg"):
            raise ValueError(f"fuse_type must be 'sum' or 'avg', got {fuse_type!r}")
        self.position_encoding = position_encoding
        self.d_model = d_model
        self.backbone_channel_list = backbone_channel_list
        self.convs = nn.ModuleList()
        for channels in backbone_channel_list:
            lateral = nn.Sequential()
            lateral.add_module("conv", Conv2d(channels, d_model, kernel_size, stride, padding))
            self.convs.append(lateral)
        self.fpn_interp_model = fpn_interp_model
        self.fuse_type = fuse_type
        self.fpn_top_down_levels = list(range(len(self.convs)) if fpn_top_down_levels is None else fpn_top_down_levels)

    def forward(self, xs: list[Tensor], reductions: Sequence[nn.Conv2d] = ()) -> tuple[list[Tensor], list[Tensor]]:
        """Map the trunk's levels, finest first, to features and position codes of the same order.

        Of the finest levels, as many as there are ``reductions``, only what these convolutions of 1 x 1 make of them is returned.
        """
        is_joined = self._is_linear and not torch.is_grad_enabled()
        num_whole = len(xs) - (len(reductions) if is_joined else 0)
        features: list[Tensor] = []
        above: Tensor | None = None
        # The convolutions are stored coarsest first, the order in which they run.
        for level, conv in list(zip(reversed(range(len(xs))), self.convs, strict=True))[:num_whole]:
            lateral = conv(xs[level])
            if above is not None and level in self.fpn_top_down_levels:
                lateral = self._fuse(lateral, above)
            above = lateral
            features.insert(0, lateral)
        if is_joined:
            features = [*self._reduced(xs, above, reductions), *features]
        positions = [self.position_encoding(x).to(x.dtype) for x in features]
        if not is_joined:
            features[: len(reductions)] = [reduction(level) for reduction, level in zip(reductions, features, strict=False)]
        return features, positions

    @property
    def _laterals(self) -> list[nn.Conv2d]:
        """The lateral convolutions, that of the finest level first."""
        return [conv for lateral in reversed(self.convs) for conv in lateral.children() if isinstance(conv, nn.Conv2d)]

    @property
    def _is_linear(self) -> bool:
        """Convolutions map each pixel by itself: they can be joined with those that follow."""
        return all((conv.kernel_size, conv.stride, conv.padding) == ((1, 1), (1, 1), (0, 0)) for conv in self._laterals)

    def _reduced(self, xs: list[Tensor], above: Tensor | None, reductions: Sequence[nn.Conv2d]) -> list[Tensor]:
        """Compute reductions of the finest levels without these levels, which are many times as large: all of it is linear."""
        found: list[Tensor] = []
        for level in reversed(range(len(reductions))):
            # The reduction of this level, and those of finer ones, which receive this one.
            needed = [level]
            while needed[-1] and needed[-1] - 1 in self.fpn_top_down_levels:
                needed.append(needed[-1] - 1)
            lateral = self._laterals[level]
            with torch.autocast(xs[level].device.type, enabled=False):
                weight = torch.cat([reductions[other].weight.flatten(1) for other in needed])
                joined = weight @ lateral.weight.flatten(1)
                bias = None if lateral.bias is None else weight @ lateral.bias
            reduced = F.conv2d(xs[level], joined[..., None, None], bias)
            dtype = reduced.dtype
            if above is not None and level in self.fpn_top_down_levels:
                is_whole = level == len(reductions) - 1
                reduced = self._fuse(reduced, F.conv2d(above, weight[..., None, None]) if is_whole else above)
            own, shift = len(reductions[level].weight), reductions[level].bias
            found.insert(0, (reduced[:, :own] if shift is None else reduced[:, :own] + shift[:, None, None]).to(dtype))
            above = reduced[:, own:]
        return found

    def _fuse(self, lateral: Tensor, above: Tensor) -> Tensor:
        mode = self.fpn_interp_model
        align_corners = None if mode == "nearest" else False
        fused = lateral + F.interpolate(above.float(), scale_factor=2.0, mode=mode, align_corners=align_corners)
        return fused / 2 if self.fuse_type == "avg" else fused


class ImageEncoder(nn.Module):
    """Trunk and neck; drops the ``scalp`` coarsest levels (official ``image_encoder.py`` L14-42)."""

    def __init__(self, trunk: nn.Module, neck: FpnNeck, scalp: int = 0) -> None:
        super().__init__()
        if trunk.channel_list != neck.backbone_channel_list:
            raise ValueError(
                f"the neck expects levels of {neck.backbone_channel_list} channels, the trunk has {trunk.channel_list}"
            )
        self.trunk = trunk
        self.neck = neck
        self.scalp = scalp

    def forward(self, sample: Tensor, reductions: Sequence[nn.Conv2d] = ()) -> ImageFeatures:
        """Encode normalised images, (B, 3, S, S), float; ``reductions`` are those of :meth:`FpnNeck.forward`."""
        features, positions = self.neck(self.trunk(sample), reductions)
        if self.scalp > 0:
            features, positions = features[: -self.scalp], positions[: -self.scalp]
        return {"vision_features": features[-1], "vision_pos_enc": positions, "backbone_fpn": features}
