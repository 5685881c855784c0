"""Hiera: a hierarchical vision transformer with windowed attention (Ryali et al. 2023; SAM 2 paper, section 4).

B batch · H, W height and width of a level · C channels · h heads · D channels of one head.
"""

from __future__ import annotations

from functools import partial
from itertools import accumulate

from napari_sam2.torch_threads import torch

import torch.nn.functional as F
from torch import Tensor, nn

from napari_sam2.model.attention_kernels import attend
from napari_sam2.model.layers import MLP, DropPath
from napari_sam2.model.onednn import Conv2d, Linear


def window_partition(x: Tensor, window_size: int) -> tuple[Tensor, tuple[int, int]]:
    """Cut a map into square windows, padding it with zeros at the far sides.

    Parameters
    ----------
    x : Tensor
        (B, H, W, C).
    window_size : int
        Side of a window.

    Returns
    -------
    windows : Tensor
        (B * windows, window_size, window_size, C).
    padded_size : tuple of int
        Height and width after padding.
    """
    B, H, W, C = x.shape
    if W % window_size or H % window_size:  # padding by nothing would copy the map
        x = F.pad(x, (0, 0, 0, -W % window_size, 0, -H % window_size))
    rows, columns = x.shape[1] // window_size, x.shape[2] // window_size
    windows = x.view(B, rows, window_size, columns, window_size, C).transpose(2, 3)
    return windows.reshape(-1, window_size, window_size, C), (rows * window_size, columns * window_size)


def window_unpartition(windows: Tensor, window_size: int, padded_size: tuple[int, int], size: tuple[int, int]) -> Tensor:
    """Undo :func:`window_partition`: back to (B, H, W, C) of ``size``, without the padding."""
    rows, columns = padded_size[0] // window_size, padded_size[1] // window_size
    C = windows.shape[-1]
    x = windows.view(-1, rows, columns, window_size, window_size, C).transpose(2, 3)
    return x.reshape(-1, *padded_size, C)[:, : size[0], : size[1]].contiguous()


def _max_pool(x: Tensor, stride: tuple[int, int]) -> Tensor:
    """Max-pool a (B, H, W, C) map."""
    return F.max_pool2d(x.permute(0, 3, 1, 2), stride).permute(0, 2, 3, 1)


class PatchEmbed(nn.Module):
    """Overlapping patches of the image as tokens: a 7 x 7 convolution with stride 4."""

    def __init__(self, embed_dim: int, in_chans: int = 3) -> None:
        super().__init__()
        self.proj = Conv2d(in_chans, embed_dim, kernel_size=7, stride=4, padding=3)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, 3, 4H, 4W) to (B, H, W, C)."""
        tokens: Tensor = self.proj(x)
        return tokens.permute(0, 2, 3, 1)


class MultiScaleAttention(nn.Module):
    """Self-attention whose queries may be max-pooled, so that it also halves the resolution (official ``hieradet.py`` L37)."""

    def __init__(self, dim: int, dim_out: int, num_heads: int, q_stride: tuple[int, int] | None = None) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.q_stride = q_stride
        self.qkv = Linear(dim, dim_out * 3)
        self.proj = Linear(dim_out, dim_out)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, H, W, dim) to (B, H', W', dim_out)."""
        B, H, W, _ = x.shape
        q, k, v = self.qkv(x).view(B, H * W, 3, self.num_heads, -1).unbind(2)
        if self.q_stride is not None:
            pooled = _max_pool(q.reshape(B, H, W, -1), self.q_stride)
            H, W = pooled.shape[1:3]
            q = pooled.reshape(B, H * W, self.num_heads, -1)
        out = attend(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2))
        projected: Tensor = self.proj(out.transpose(1, 2).reshape(B, H, W, -1))
        return projected


class MultiScaleBlock(nn.Module):
    """One transformer block, windowed or global, optionally with query pooling (official ``hieradet.py`` L86)."""

    def __init__(
        self,
        dim: int,
        dim_out: int,
        num_heads: int,
        drop_path: float = 0.0,
        q_stride: tuple[int, int] | None = None,
        window_size: int = 0,
    ) -> None:
        super().__init__()
        norm_layer = partial(nn.LayerNorm, eps=1e-6)
        self.dim, self.dim_out = dim, dim_out
        self.q_stride = q_stride
        self.window_size = window_size
        self.norm1 = norm_layer(dim)
        self.attn = MultiScaleAttention(dim, dim_out, num_heads, q_stride)
        self.drop_path = DropPath(drop_path)
        self.norm2 = norm_layer(dim_out)
        self.mlp = MLP(dim_out, 4 * dim_out, dim_out, num_layers=2, activation=nn.GELU)
        if dim != dim_out:
            self.proj = Linear(dim, dim_out)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, H, W, dim) to (B, H', W', dim_out); H' and W' are halved where queries are pooled."""
        normed = self.norm1(x)
        shortcut = x
        if self.dim != self.dim_out:
            # parity: the shortcut starts from the normalised tokens, official hieradet.py L137-138
            shortcut = self.proj(normed)
            shortcut = _max_pool(shortcut, self.q_stride) if self.q_stride else shortcut
        x = shortcut + self.drop_path(self._attend(normed))
        return x + self.drop_path(self.mlp(self.norm2(x)))

    def _attend(self, x: Tensor) -> Tensor:
        if self.window_size == 0:
            attended: Tensor = self.attn(x)
            return attended
        H, W = x.shape[1:3]
        # Padding is made of real keys: zeros that the qkv bias turns into tokens everybody attends to.
        windows, padded = window_partition(x, self.window_size)
        windows = self.attn(windows)
        if self.q_stride is None:
            return window_unpartition(windows, self.window_size, padded, (H, W))
        pooled_window = self.window_size // self.q_stride[0]
        H, W = H // self.q_stride[0], W // self.q_stride[1]
        padded = (H + -H % pooled_window, W + -W % pooled_window)
        return window_unpartition(windows, pooled_window, padded, (H, W))


class Hiera(nn.Module):
    """The trunk of the released models.

    Parameters
    ----------
    embed_dim : int
        Channels of the first stage; they double from stage to stage.
    num_heads : int
        Heads of the first stage; they double likewise.
    drop_path_rate : float
        Stochastic depth of the last block; it grows linearly from 0.
    q_pool : int
        Number of stages that begin by halving the resolution.
    q_stride : tuple of int
        By how much they do.
    stages : tuple of int
        Blocks per stage.
    dim_mul, head_mul : float
        Growth of channels and heads from stage to stage.
    window_pos_embed_bkg_spatial_size : tuple of int
        Size of the learnt background position map.
    window_spec : tuple of int
        Window side of each stage.
    global_att_blocks : tuple of int
        Blocks that attend to the whole map.
    return_interm_layers : bool
        Return every stage, not only the last.

    Notes
    -----
    Official ``hieradet.py`` L169-317.
    """

    def __init__(
        self,
        embed_dim: int = 96,
        num_heads: int = 1,
        drop_path_rate: float = 0.0,
        q_pool: int = 3,
        q_stride: tuple[int, int] = (2, 2),
        stages: tuple[int, ...] = (2, 3, 16, 3),
        dim_mul: float = 2.0,
        head_mul: float = 2.0,
        window_pos_embed_bkg_spatial_size: tuple[int, int] = (14, 14),
        window_spec: tuple[int, ...] = (8, 4, 14, 7),
        global_att_blocks: tuple[int, ...] = (12, 16, 20),
        return_interm_layers: bool = True,
    ) -> None:
        super().__init__()
        if len(stages) != len(window_spec):
            raise ValueError(f"{len(stages)} stages need as many windows, got {len(window_spec)}")
        depth = sum(stages)
        self.stage_ends = [end - 1 for end in accumulate(stages)]
        self.return_interm_layers = return_interm_layers
        self.patch_embed = PatchEmbed(embed_dim)
        self.pos_embed = nn.Parameter(torch.zeros(1, embed_dim, *window_pos_embed_bkg_spatial_size))
        self.pos_embed_window = nn.Parameter(torch.zeros(1, embed_dim, window_spec[0], window_spec[0]))

        pooling_blocks = [end + 1 for end in self.stage_ends[:-1]][:q_pool]
        drop_path = torch.linspace(0, drop_path_rate, depth, dtype=torch.float32, device="cpu").tolist()
        blocks: list[MultiScaleBlock] = []
        dims: list[int] = []
        dim, stage = embed_dim, 0
        for index in range(depth):
            # parity: the first block of a stage still has the window of the stage before, official hieradet.py L235
            window_size = 0 if index in global_att_blocks else window_spec[stage]
            dim_out = dim
            if index - 1 in self.stage_ends:
                dim_out, num_heads, stage = int(dim * dim_mul), int(num_heads * head_mul), stage + 1
            stride = q_stride if index in pooling_blocks else None
            blocks.append(MultiScaleBlock(dim, dim_out, num_heads, drop_path[index], stride, window_size))
            dim = dim_out
            dims.append(dim)
        self.blocks = nn.ModuleList(blocks)
        self.channel_list = [dims[end] for end in reversed(self.stage_ends)] if return_interm_layers else [dims[-1]]

    def _get_pos_embed(self, size: tuple[int, int]) -> Tensor:
        """Background map stretched to ``size`` plus the window map tiled over it; (1, H, W, C)."""
        window = self.pos_embed_window
        background = F.interpolate(self.pos_embed, size=size, mode="bicubic")
        repeats = [-(-side // tile) for side, tile in zip(size, window.shape[-2:], strict=True)]
        tiled = window.tile((1, 1, *repeats))[..., : size[0], : size[1]]
        return (background + tiled).permute(0, 2, 3, 1)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Map images (B, 3, S, S') to the levels (B, C, H, W), finest first; S and S' are multiples of 32."""
        if x.shape[-2] % 32 or x.shape[-1] % 32:
            raise ValueError(f"the sides of an image must be multiples of 32, got {tuple(x.shape[-2:])}")
        x = self.patch_embed(x)
        x = x + self._get_pos_embed((x.shape[1], x.shape[2]))
        levels = []
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index == self.stage_ends[-1] or (self.return_interm_layers and index in self.stage_ends):
                levels.append(x.permute(0, 3, 1, 2))
        return levels

    def get_num_layers(self) -> int:
        """Return the number of blocks, for layer-wise learning-rate decay."""
        return len(self.blocks)

    def get_layer_id(self, layer_name: str) -> int:
        """Return the depth of a parameter, 0 at the input, for layer-wise learning-rate decay."""
        if "rel_pos" in layer_name:
            return self.get_num_layers() + 1
        if "pos_embed" in layer_name or "patch_embed" in layer_name:
            return 0
        if "blocks" in layer_name:
            return int(layer_name.split("blocks")[1].split(".")[1]) + 1
        return self.get_num_layers() + 1
