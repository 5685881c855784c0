"""Attention between two sequences, plain and with rotary positions.

B batch · N queries · M keys · C channels · h heads · D channels of one head.
"""

from __future__ import annotations

import math

from napari_sam2.torch_threads import torch

from torch import Tensor, nn

from napari_sam2.model.attention_kernels import attend, attend_in_pieces
from napari_sam2.model.onednn import Linear, is_free_to_choose
from napari_sam2.model.position_encoding import apply_rotary, can_rotate_in_place, compute_axial_rotary, rotate_in_place


class Attention(nn.Module):
    """Multi-head attention whose inner width may be smaller than its input (official ``transformer.py`` L182-262).

    Parameters
    ----------
    embedding_dim : int
        Channels C of queries and output.
    num_heads : int
        Number of heads h.
    downsample_rate : int
        The inner width is ``embedding_dim / downsample_rate``.
    dropout : float
        Dropout of the attention weights while training.
    kv_in_dim : int, optional
        Channels of keys and values, ``embedding_dim`` by default.
    """

    def __init__(
        self,
        embedding_dim: int,
        num_heads: int,
        downsample_rate: int = 1,
        dropout: float = 0.0,
        kv_in_dim: int | None = None,
    ) -> None:
        super().__init__()
        internal_dim = embedding_dim // downsample_rate
        if internal_dim % num_heads:
            raise ValueError(f"{num_heads} heads do not divide the inner width {internal_dim}")
        kv_in_dim = embedding_dim if kv_in_dim is None else kv_in_dim
        self.internal_dim = internal_dim
        self.num_heads = num_heads
        self.dropout_p = dropout
        self.q_proj = Linear(embedding_dim, internal_dim)
        self.k_proj = Linear(kv_in_dim, internal_dim)
        self.v_proj = Linear(kv_in_dim, internal_dim)
        self.out_proj = Linear(internal_dim, embedding_dim)

    def _heads(self, projected: Tensor) -> Tensor:
        """Split into heads: (B, N, h * D) to (B, h, N, D)."""
        return projected.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)

    def _attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Attend from queries (B, h, N, D) to keys (B, h, M, D) with values (B, M, kv_in_dim), and join the heads: (B, N, C)."""
        if v.shape[-1] < q.shape[-1] and is_free_to_choose(q, k, v) and not self.training:
            out = self._aggregate_then_project(q, k, v)
        else:
            out = attend(q, k, self._heads(self.v_proj(v)), self.dropout_p if self.training else 0.0)
        joined: Tensor = self.out_proj(out.transpose(1, 2).flatten(2))
        return joined

    def _aggregate_then_project(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Attend with values as they come in, and project what comes out, (B, h, N, D): fewer operations where they are narrower.

        A projection of weighted means is the weighted mean of projections; the bias passes through, since weights add up to 1.
        """
        mixed = attend_in_pieces(q, k, v.to(q.dtype)[:, None].expand(-1, self.num_heads, -1, -1))
        weight = self.v_proj.weight.unflatten(0, (self.num_heads, -1)).transpose(1, 2)
        bias = self.v_proj.bias.unflatten(0, (self.num_heads, 1, -1))
        return mixed @ weight.to(q.dtype) + bias.to(q.dtype)

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Attend from ``q``, (B, N, C), to ``k`` and ``v``, (B, M, kv_in_dim); return (B, N, C)."""
        return self._attend(self._heads(self.q_proj(q)), self._heads(self.k_proj(k)), v)


class RoPEAttention(Attention):
    """Attention over a feature map with axial rotary positions (official ``transformer.py`` L265-347).

    Parameters
    ----------
    *args, **kwargs
        As for :class:`Attention`.
    rope_theta : float
        Longest wave length.
    rope_k_repeat : bool
        The keys are several maps, one after another; each gets the positions of one map.
    feat_sizes : tuple of int
        Height and width of the map where a call does not give them.
    """

    def __init__(
        self,
        *args: int,
        rope_theta: float = 10000.0,
        rope_k_repeat: bool = False,
        feat_sizes: tuple[int, int] = (64, 64),
        **kwargs: int | float | None,
    ) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.rope_theta = rope_theta
        self.rope_k_repeat = rope_k_repeat
        self.feat_sizes = feat_sizes
        self._tables: dict[tuple[int, int, torch.device], Tensor] = {}

    def _rotary(self, feat_size: tuple[int, int], device: torch.device) -> Tensor:
        key = (*feat_size, device)
        if key not in self._tables:
            with torch.inference_mode(False):  # a table outlives the call: one of inference mode could not be learnt with later
                rotation = compute_axial_rotary(self.internal_dim // self.num_heads, *feat_size, theta=self.rope_theta)
                self._tables[key] = rotation.to(device)
        return self._tables[key]

    def _resolve_feat_size(self, length: int, feat_size: tuple[int, int] | None) -> tuple[int, int]:
        if feat_size is None:
            side = math.isqrt(length)
            feat_size = self.feat_sizes if math.prod(self.feat_sizes) == length else (side, side)
        if math.prod(feat_size) != length:
            raise ValueError(f"{length} positions are not a map of {feat_size[0]} x {feat_size[1]}: give feat_size=(height, width)")
        return feat_size

    def forward(
        self, q: Tensor, k: Tensor, v: Tensor, num_k_exclude_rope: int = 0, feat_size: tuple[int, int] | None = None
    ) -> Tensor:
        """Attend with rotated queries and keys.

        Parameters
        ----------
        q : Tensor
            (B, H * W, C); B may be 1 where all keys have the same queries.
        k, v : Tensor
            (B, M, kv_in_dim); M minus ``num_k_exclude_rope`` is H * W, or a multiple of it with ``rope_k_repeat``.
        num_k_exclude_rope : int
            Keys at the end that have no place in the image (object pointers).
        feat_size : tuple of int, optional
            H and W. Without it the map is one of ``feat_sizes``, else a square.

        Returns
        -------
        Tensor
            (B, H * W, C).

        Raises
        ------
        ValueError
            If the map is not square and ``feat_size`` is missing or wrong, or if the keys are not whole maps.
        """
        feat_size = self._resolve_feat_size(q.shape[1], feat_size)
        rotation = self._rotary(feat_size, q.device)
        q, k = self._heads(self.q_proj(q)), self._heads(self.k_proj(k))
        q = apply_rotary(q, rotation).expand(k.shape[0], -1, -1, -1)

        num_k_rope = k.shape[-2] - num_k_exclude_rope
        maps, rest = num_k_rope // rotation.shape[0], num_k_rope % rotation.shape[0]  # divmod cannot be compiled
        if rest or (maps > 1 and not self.rope_k_repeat):
            raise ValueError(f"{num_k_rope} keys are not whole maps of {feat_size[0]} x {feat_size[1]}")
        if maps:
            located = k[:, :, :num_k_rope].unflatten(2, (maps, -1))
            if can_rotate_in_place(k):
                rotate_in_place(located, rotation)
            else:
                k = torch.cat([apply_rotary(located, rotation).flatten(2, 3), k[:, :, num_k_rope:]], dim=2)
        return self._attend(q, k, v)
