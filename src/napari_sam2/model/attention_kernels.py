"""Two ways to compute softmax(q kᵀ / √D) v that agree: the one of torch, and pieces of plain products that stay in a CPU's cache.

B batch · h heads · N queries · M keys · D channels of a query and a key, E of a value.
"""

from __future__ import annotations

import itertools
import math

from napari_sam2.torch_threads import torch

import torch.nn.functional as F
from torch import Tensor

SCORES_PER_PIECE = 12 * 2**20
"""Scores of one query and one key that are held at a time, 48 MB in float32.

With 28 736 keys that is 437 queries: a third of it took 20 % longer, since each piece rearranges all keys once; a third more 4 %.
"""


def attend(q: Tensor, k: Tensor, v: Tensor, dropout_p: float = 0.0) -> Tensor:
    """Attend by the kernel that is fastest for the device, the dtype and the shapes.

    Parameters
    ----------
    q, k, v : Tensor
        (B, h, N, D), (B, h, M, D), (B, h, M, E), of one dtype.
    dropout_p : float
        Probability with which a weight is dropped.

    Returns
    -------
    Tensor
        (B, h, N, E).

    Notes
    -----
    torch's kernel for CPUs takes as long in bfloat16 as in float32: its products do not use the instructions for bfloat16 that
    a plain matrix product uses. In float32 it is the fastest for E = D.
    """
    if dropout_p == 0 and q.dtype == torch.bfloat16 and runs_in_pieces(q, k, v):
        return attend_in_pieces(q, k, v)
    return F.scaled_dot_product_attention(q, k, v, dropout_p=dropout_p)


def runs_in_pieces(*tensors: Tensor) -> bool:
    """Return whether :func:`attend_in_pieces` may be used: on a CPU, where nothing is learnt and nothing compiled."""
    if torch.compiler.is_compiling():
        return False
    return all(x.device.type == "cpu" for x in tensors) and not (torch.is_grad_enabled() and any(x.requires_grad for x in tensors))


def attend_in_pieces(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Attend from some queries at a time, with plain matrix products.

    Parameters
    ----------
    q, k, v : Tensor
        (B, h, N, D), (B, h, M, D), (B, h, M, E), of one dtype; E may differ from D.

    Returns
    -------
    Tensor
        (B, h, N, E).
    """
    N, M, D = q.shape[-2], k.shape[-2], q.shape[-1]
    if k.dtype == torch.bfloat16:
        # The softmax is the same whatever is added to all scores of a query. Around 0 they lose least when they are rounded.
        k = k - k.mean(-2, keepdim=True, dtype=torch.float32).to(k.dtype)
    q, k = q * (1 / math.sqrt(D)), k.transpose(-1, -2)
    if q.numel() // D * M <= SCORES_PER_PIECE:
        return torch.softmax(q @ k, dim=-1) @ v
    rows = max(1, SCORES_PER_PIECE // M)
    out = q.new_empty(*q.shape[:-1], v.shape[-1])
    # One buffer for all scores: memory that is new for each piece takes longer than its softmax.
    buffer = q.new_empty(min(rows, N), M)
    for b, head in itertools.product(range(q.shape[0]), range(q.shape[1])):
        for first in range(0, N, rows):
            piece = q[b, head, first : first + rows]
            scores = torch.mm(piece, k[b, head], out=buffer[: len(piece)])
            torch.softmax(scores, dim=-1, out=scores)
            torch.mm(scores, v[b, head], out=out[b, head, first : first + rows])
    return out
