"""The current frame attends to what is remembered (SAM 2 paper, section 4, "Memory attention").

B batch · N = H * W positions of the frame · M tokens of all memories · C channels of the frame, Cm of a memory.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

from napari_sam2.torch_threads import torch  # noqa: F401 - before all else of torch

import torch.nn.functional as F
from torch import Tensor, nn

from napari_sam2.model.attention import RoPEAttention
from napari_sam2.model.onednn import Linear

_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"relu": F.relu, "gelu": F.gelu}


class MemoryAttentionLayer(nn.Module):
    """Self-attention over the frame, cross-attention to the memories, a feed-forward net; each pre-normalised and residual.

    Notes
    -----
    Official ``memory_attention.py`` L17-97.
    """

    def __init__(
        self,
        activation: str,
        cross_attention: RoPEAttention,
        d_model: int,
        dim_feedforward: int,
        dropout: float,
        pos_enc_at_attn: bool,
        pos_enc_at_cross_attn_keys: bool,
        pos_enc_at_cross_attn_queries: bool,
        self_attention: RoPEAttention,
    ) -> None:
        super().__init__()
        if activation not in _ACTIVATIONS:
            raise ValueError(f"activation must be one of {sorted(_ACTIVATIONS)}, got {activation!r}")
        self.self_attn = self_attention
        self.cross_attn_image = cross_attention
        self.linear1 = Linear(d_model, dim_feedforward)
        self.linear2 = Linear(dim_feedforward, d_model)
        self.norm1 = nn.LayerNorm(d_model)
        self.norm2 = nn.LayerNorm(d_model)
        self.norm3 = nn.LayerNorm(d_model)
        self.dropout = nn.Dropout(dropout)
        self.activation = _ACTIVATIONS[activation]
        self.pos_enc_at_attn = pos_enc_at_attn
        self.pos_enc_at_cross_attn_keys = pos_enc_at_cross_attn_keys
        self.pos_enc_at_cross_attn_queries = pos_enc_at_cross_attn_queries

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        pos: Tensor | None = None,
        query_pos: Tensor | None = None,
        num_k_exclude_rope: int = 0,
        feat_size: tuple[int, int] | None = None,
    ) -> Tensor:
        """Condition ``tgt``, (B, N, C) or (1, N, C), on ``memory``, (B, M, Cm); ``pos`` and ``query_pos`` are position codes."""
        x = self.norm1(tgt)
        qk = x + query_pos if self.pos_enc_at_attn and query_pos is not None else x
        tgt = tgt + self.dropout(self.self_attn(qk, qk, x, feat_size=feat_size))

        x = self.norm2(tgt)
        q = x + query_pos if self.pos_enc_at_cross_attn_queries and query_pos is not None else x
        k = memory + pos if self.pos_enc_at_cross_attn_keys and pos is not None else memory
        tgt = tgt + self.dropout(self.cross_attn_image(q, k, memory, num_k_exclude_rope, feat_size))

        x = self.norm3(tgt)
        forward: Tensor = self.linear2(self.dropout(self.activation(self.linear1(x))))
        return tgt + self.dropout(forward)


class MemoryAttention(nn.Module):
    """A stack of :class:`MemoryAttentionLayer` (official ``memory_attention.py`` L100-169).

    Parameters
    ----------
    d_model : int
        Channels C.
    pos_enc_at_input : bool
        Add a tenth of the frame's position code before the first layer.
    layer : MemoryAttentionLayer
        Copied ``num_layers`` times.
    num_layers : int
        Depth.
    batch_first : bool
        Layers work on (B, N, C).
    """

    def __init__(
        self, d_model: int, pos_enc_at_input: bool, layer: MemoryAttentionLayer, num_layers: int, batch_first: bool = True
    ) -> None:
        super().__init__()
        self.d_model = d_model
        self.layers = nn.ModuleList(copy.deepcopy(layer) for _ in range(num_layers))
        self.num_layers = num_layers
        self.norm = nn.LayerNorm(d_model)
        self.pos_enc_at_input = pos_enc_at_input
        self.batch_first = batch_first

    def forward(
        self,
        curr: Tensor,
        memory: Tensor,
        curr_pos: Tensor | None = None,
        memory_pos: Tensor | None = None,
        num_obj_ptr_tokens: int = 0,
        feat_size: tuple[int, int] | None = None,
    ) -> Tensor:
        """Condition the features of a frame on its memories.

        Parameters
        ----------
        curr : Tensor
            (N, B, C), or (N, 1, C) for a frame that all objects share: what does not depend on the memories is computed once.
        memory : Tensor
            (M, B, Cm): whole maps, one after another, then ``num_obj_ptr_tokens`` pointer tokens.
        curr_pos, memory_pos : Tensor, optional
            Position codes of the same shapes.
        num_obj_ptr_tokens : int
            Tokens at the end of ``memory`` that have no place in the image.
        feat_size : tuple of int, optional
            Height and width of the frame's map; needed where it is not square.

        Returns
        -------
        Tensor
            (N, B, C).
        """
        output = curr + 0.1 * curr_pos if self.pos_enc_at_input and curr_pos is not None else curr
        sequences = [output, memory, curr_pos, memory_pos]
        if self.batch_first:
            sequences = [None if sequence is None else sequence.transpose(0, 1) for sequence in sequences]
        output, memory, curr_pos, memory_pos = sequences  # type: ignore[assignment]
        for layer in self.layers:
            output = layer(output, memory, memory_pos, curr_pos, num_obj_ptr_tokens, feat_size)
        output = self.norm(output)
        return output.transpose(0, 1) if self.batch_first else output
