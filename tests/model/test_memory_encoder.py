"""From a frame and its mask to a memory."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from napari_sam2.model.memory_encoder import CXBlock, Fuser, MaskDownSampler, MemoryEncoder


@settings(deadline=None, max_examples=20)
@given(st.sampled_from([(2, 4), (2, 16), (4, 16), (4, 4), (3, 9)]), st.integers(1, 3), st.integers(1, 3))
def test_each_step_keeps_as_many_numbers_as_it_takes(strides: tuple[int, int], height: int, width: int) -> None:
    stride, total = strides
    sampler = MaskDownSampler(5, kernel_size=3, stride=stride, padding=1, total_stride=total)
    assert sampler(torch.zeros(2, 1, height * total, width * total)).shape == (2, 5, height, width)
    *steps, last = (layer for layer in sampler.encoder if isinstance(layer, nn.Conv2d))
    assert [step.out_channels for step in steps] == [stride ** (2 * i) for i in range(1, len(steps) + 1)]
    assert steps[-1].out_channels == total**2
    assert (last.kernel_size, last.out_channels) == ((1, 1), 5)


def test_a_stride_that_is_no_power_is_refused() -> None:
    with pytest.raises(ValueError, match="total_stride 8 is not a power of stride 4"):
        MaskDownSampler(stride=4, total_stride=8)


def test_a_fresh_block_hardly_changes_what_it_is_given() -> None:
    torch.manual_seed(0)
    x = torch.randn(1, 6, 5, 4)
    block = CXBlock(6)
    assert torch.equal(block.gamma, torch.full((6,), 1e-6))
    torch.testing.assert_close(block(x), x, rtol=0, atol=1e-4)
    scaled = CXBlock(6, layer_scale_init_value=0)
    scaled.load_state_dict({key: value for key, value in block.state_dict().items() if key != "gamma"})
    torch.testing.assert_close(x + 1e-6 * (scaled(x) - x), block(x), rtol=0, atol=1e-6)


def test_channels_of_a_block_meet_after_a_depthwise_convolution() -> None:
    """Without its linear maps a block would leave channels apart; its convolution reaches three pixels."""
    torch.manual_seed(0)
    block = CXBlock(4)
    assert block.dwconv.groups == 4
    assert CXBlock(4, use_dwconv=False).dwconv.groups == 1
    x = torch.zeros(1, 4, 9, 9)
    x[0, 2, 0, 0] = 1
    changed = (block.dwconv(x) != block.dwconv(torch.zeros_like(x)))[0]
    assert changed[2, :4, :4].all()
    assert not changed[2, 4:].any()
    assert not changed[[0, 1, 3]].any()


def test_a_fuser_has_copies_of_its_block() -> None:
    torch.manual_seed(0)
    layer, x = nn.Conv2d(3, 3, 1), torch.randn(1, 3, 2, 2)
    fuser = Fuser(layer, 2)
    assert torch.equal(fuser(x), layer(layer(x)))
    nn.init.zeros_(fuser.layers[1].weight)
    assert not torch.equal(fuser.layers[0].weight, fuser.layers[1].weight)
    projecting = Fuser(layer, 1, dim=3, input_projection=True)
    assert torch.equal(projecting(x), layer(projecting.proj(x)))
    with pytest.raises(ValueError, match="input_projection needs dim"):
        Fuser(layer, 1, input_projection=True)


@pytest.mark.parametrize("out_dim", [6, 2])
def test_features_and_mask_are_added_fused_and_made_thinner(out_dim: int) -> None:
    torch.manual_seed(0)
    sampler = MaskDownSampler(6, stride=2, kernel_size=2, total_stride=4)
    encoder = MemoryEncoder(out_dim, sampler, Fuser(CXBlock(6), 1), nn.Tanh(), 6)
    frame, logits = torch.randn(1, 6, 3, 2), torch.randn(2, 1, 12, 8)
    found = encoder(frame, logits)
    mixed = encoder.pix_feat_proj(frame) + encoder.mask_downsampler(logits.sigmoid())
    expected = encoder.out_proj(encoder.fuser(mixed))
    assert torch.equal(found["vision_features"], expected)
    assert expected.shape == (2, out_dim, 3, 2)
    (position,) = found["vision_pos_enc"]
    assert torch.equal(position, expected.tanh())
    assert torch.equal(encoder(frame, logits.sigmoid(), skip_mask_sigmoid=True)["vision_features"], expected)
    assert isinstance(encoder.out_proj, nn.Identity) == (out_dim == 6)
