"""Two ways to compute softmax(q kᵀ / √D) v that agree: the one of torch, and pieces of plain products that stay in a CPU's cache.

B batch · h heads · N queries · M keys · D channels of a query and a key, E of a value.
"""

from __future__ import annotations

import itertools
import math

from napari_sam2.torch_threads import torch

import torch.nn.functional as F
from torch import Tensor

from napari_sam2.model.onednn import RightFactor, is_free_to_choose, uses_onednn

BYTES_PER_PIECE = 16 * 2**20
"""Of scores that are held at a time: those of 145 queries with 28 736 keys in float32.

Twice as many took 40 % longer, since they did not stay in the cache; half as many 11 % (AMD EPYC 9005, two cores).
"""
LEAST_LENGTH = 256
"""Queries and keys of a head from which on pieces are faster than the kernel of torch."""


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
    torch's kernel for CPUs multiplies by MKL, and takes as long in bfloat16 as in float32.
    """
    if dropout_p == 0 and is_free_to_choose(q, k, v):
        is_long = min(q.shape[-2], k.shape[-2]) >= LEAST_LENGTH
        if q.dtype == torch.bfloat16 or (is_long and uses_onednn(q.dtype)):
            return attend_in_pieces(q, k, v)
    return F.scaled_dot_product_attention(q, k, v, dropout_p=dropout_p)


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
    # oneDNN is a hundred times slower where rows do not follow each other.
    q, k, v = q * (1 / math.sqrt(D)), k.contiguous(), v.contiguous()
    num_scores = BYTES_PER_PIECE // q.element_size()
    if min(N, M) < LEAST_LENGTH and q.numel() // D * M <= num_scores:
        return torch.softmax(q @ k.transpose(-1, -2), dim=-1) @ v
    rows = min(N, max(1, num_scores // M))
    out = q.new_empty(*q.shape[:-1], v.shape[-1])
    for b, head in itertools.product(range(q.shape[0]), range(q.shape[1])):
        keys, values = (RightFactor(columns, rows, math.ceil(N / rows)) for columns in (k[b, head], v[b, head].t()))
        for first in range(0, N, rows):
            scores = keys.multiplied(q[b, head, first : first + rows])
            torch.softmax(scores, dim=-1, out=scores)
            out[b, head, first : first + rows] = values.multiplied(scores)
    return out
