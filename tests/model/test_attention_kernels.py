"""Attention in pieces is attention."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_sam2.model import attention_kernels
from napari_sam2.model.attention_kernels import attend, attend_in_pieces


def tensors(B: int, h: int, N: int, M: int, D: int, E: int, dtype: torch.dtype = torch.float32) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(B + N + M)
    return [torch.randn(B, h, *shape, generator=generator).to(dtype) for shape in ((N, D), (M, D), (M, E))]


@settings(deadline=None, max_examples=60)
@given(
    B=st.integers(1, 3),
    h=st.integers(1, 2),
    N=st.integers(1, 9),
    M=st.integers(1, 9),
    E=st.integers(1, 4),
    scores=st.sampled_from([1, 7, 20, 2**22]),
    least=st.sampled_from([1, 256]),
)
def test_pieces_of_any_size_make_up_the_whole(B: int, h: int, N: int, M: int, E: int, scores: int, least: int) -> None:
    q, k, v = tensors(B, h, N, M, 4, E)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(attention_kernels, "BYTES_PER_PIECE", 4 * scores)
        patch.setattr(attention_kernels, "LEAST_LENGTH", least)
        found = attend_in_pieces(q, k, v)
    torch.testing.assert_close(found, F.scaled_dot_product_attention(q, k, v), rtol=1e-5, atol=1e-6)


def test_bfloat16_is_near_to_float32() -> None:
    """Scores are rounded to bfloat16: also where keys have a mean far from 0, as memories with a bias have, that is 1 %."""
    q, k, v = (x.bfloat16() for x in tensors(1, 1, 200, 3000, 64, 16))
    k = k + 3 * torch.randn(64, generator=torch.Generator().manual_seed(5)).bfloat16()
    exact = F.scaled_dot_product_attention(q.float(), k.float(), v.float())
    error = (attend(q, k, v).float() - exact).square().mean().sqrt()
    assert error < 0.01 * exact.square().mean().sqrt()


def test_what_is_learnt_goes_through_the_kernel_that_has_gradients() -> None:
    q, k, v = tensors(1, 1, 3, 3, 4, 4, torch.bfloat16)
    q.requires_grad_()
    attend(q, k, v).sum().backward()
    assert q.grad is not None


def test_attention_over_many_keys_is_compiled_as_one_graph() -> None:
    compiled = torch.compile(attend, backend="eager", fullgraph=True)
    q, k, v = tensors(1, 1, 300, 300, 4, 4)
    torch.testing.assert_close(compiled(q, k, v), attend(q, k, v))
