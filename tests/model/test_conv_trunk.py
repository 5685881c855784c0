"""The convolutional trunk."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_sam2.model.conv_trunk import ConvTrunk, ResidualBlock

CHANNELS, DEPTHS = (16, 24, 32, 16), (2, 2, 0, 1)


@settings(deadline=None, max_examples=20)
@given(height=st.integers(1, 3), width=st.integers(1, 3), batch=st.integers(1, 2))
def test_four_levels_each_half_as_large_as_the_one_before(height: int, width: int, batch: int) -> None:
    trunk = ConvTrunk(CHANNELS, DEPTHS).eval()
    levels = trunk(torch.zeros(batch, 3, 32 * height, 32 * width))
    strides = zip(CHANNELS, (4, 8, 16, 32), strict=True)
    sizes = [(batch, channels, 32 * height // stride, 32 * width // stride) for channels, stride in strides]
    assert [tuple(level.shape) for level in levels] == sizes
    assert trunk.channel_list == [level.shape[1] for level in reversed(levels)]


def test_a_block_without_a_branch_is_its_shortcut() -> None:
    torch.manual_seed(0)
    block, x = ResidualBlock(8), torch.randn(2, 8, 5, 4)
    torch.nn.init.zeros_(block.norm2.weight)
    assert torch.equal(block(x), x.relu())


def test_a_block_is_two_convolutions_beside_a_shortcut() -> None:
    torch.manual_seed(0)
    block, x = ResidualBlock(16), torch.randn(2, 16, 5, 4)
    y = F.conv2d(x, block.conv1.weight, padding=1)
    y = F.conv2d(F.group_norm(y, 8).relu(), block.conv2.weight, padding=1)
    torch.testing.assert_close(block(x), (x + F.group_norm(y, 8)).relu(), rtol=1e-4, atol=1e-5)


def test_each_level_sees_the_finer_one() -> None:
    """A pixel changes what is near it on the finest level, and the whole of the coarsest one."""
    torch.manual_seed(0)
    trunk = ConvTrunk((16, 16, 16, 16), (1, 1, 1, 1)).eval()
    # a mean over all pixels would make each see each: here only what convolutions reach is asked for
    for module in trunk.modules():
        if isinstance(module, torch.nn.GroupNorm):
            module.forward = lambda x: x  # type: ignore[method-assign]
    image, changed = torch.zeros(1, 3, 64, 64), torch.zeros(1, 3, 64, 64)
    changed[..., 0, 0] = 1
    differs = [(a != b).any(1)[0] for a, b in zip(trunk(image), trunk(changed), strict=True)]
    # the stem reaches 3 pixels, the block 2 steps of 4
    assert differs[0][:3, :3].any()
    assert not differs[0][3:].any()
    assert not differs[0][:, 3:].any()
    assert differs[3][0, 0]


def test_depth_of_each_parameter() -> None:
    trunk = ConvTrunk(CHANNELS, DEPTHS)
    found = {name.rsplit(".", 1)[0]: trunk.get_layer_id(name) for name, _ in trunk.named_parameters()}
    assert trunk.get_num_layers() == 5
    blocks = {"levels.0.0": 1, "levels.0.1": 2}
    blocks |= {"levels.1.0": 3, "levels.1.1": 3, "levels.1.3": 3, "levels.1.4": 4}
    # a level without blocks: what halves the resolution belongs to the next block there is
    blocks |= {"levels.2.0": 5, "levels.2.1": 5, "levels.3.0": 5, "levels.3.1": 5, "levels.3.3": 5}
    expected = {name: next((depth for block, depth in blocks.items() if name.startswith(block)), 0) for name in found}
    assert found == expected


def test_levels_and_depths_must_be_as_many() -> None:
    with pytest.raises(ValueError, match="3 levels need as many depths, got 2"):
        ConvTrunk((16, 16, 16), (1, 1))
