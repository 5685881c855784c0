"""The hierarchical vision transformer."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_sam2.model.config import HieraConfig
from napari_sam2.model.hiera import Hiera, MultiScaleAttention, MultiScaleBlock, window_partition, window_unpartition

sides = st.integers(1, 11)


@given(batch=st.integers(1, 3), height=sides, width=sides, window=st.integers(1, 6))
def test_windows_put_together_are_the_map(batch: int, height: int, width: int, window: int) -> None:
    x = 1.0 + torch.arange(batch * height * width * 2, dtype=torch.float32).reshape(batch, height, width, 2)
    windows, padded = window_partition(x, window)
    assert padded == (math.ceil(height / window) * window, math.ceil(width / window) * window)
    assert torch.equal(window_unpartition(windows, window, padded, (height, width)), x)
    # row by row, with zeros beyond the map
    canvas = torch.zeros(batch, *padded, 2)
    canvas[:, :height, :width] = x
    cut = [
        canvas[b, row : row + window, column : column + window]
        for b in range(batch)
        for row in range(0, padded[0], window)
        for column in range(0, padded[1], window)
    ]
    assert torch.equal(windows, torch.stack(cut))


def test_queries_are_pooled_by_their_highest_value() -> None:
    """By the formula for each head; of queries two by two become one, of keys and values none."""
    torch.manual_seed(0)
    layer = MultiScaleAttention(6, 8, num_heads=2, q_stride=(2, 2)).double()
    x = torch.randn(1, 4, 6, 6, dtype=torch.float64)
    q, k, v = layer.qkv(x).split(8, -1)
    q = torch.stack([q[:, i::2, j::2] for i in (0, 1) for j in (0, 1)]).amax(0)
    assert q.shape == (1, 2, 3, 8)
    heads = []
    for part in (slice(0, 4), slice(4, 8)):
        queries, keys, values = (t[..., part].flatten(1, 2) for t in (q, k, v))
        heads.append((queries @ keys.mT / 2).softmax(-1) @ values)
    expected = layer.proj(torch.cat(heads, -1)).reshape(1, 2, 3, 8)
    torch.testing.assert_close(layer(x), expected, rtol=1e-10, atol=1e-10)


def changed_tokens(block: MultiScaleBlock, height: int, width: int) -> torch.Tensor:
    """Which tokens of the result depend on the first token."""
    x = torch.randn(1, height, width, block.dim)
    other = x.clone()
    other[0, 0, 0] = torch.randn(block.dim)
    with torch.no_grad():
        return (block(x) != block(other)).any(-1)[0]


@pytest.mark.parametrize(("window", "seen"), [(0, (6, 7)), (4, (4, 4)), (3, (3, 3)), (9, (6, 7))])
def test_a_token_is_seen_in_its_window(window: int, seen: tuple[int, int]) -> None:
    torch.manual_seed(0)
    expected = torch.zeros(6, 7, dtype=torch.bool)
    expected[: seen[0], : seen[1]] = True
    assert torch.equal(changed_tokens(MultiScaleBlock(8, 8, 1, window_size=window).eval(), 6, 7), expected)


@pytest.mark.parametrize(("window", "seen"), [(0, (3, 4)), (4, (2, 2)), (8, (3, 4))])
def test_a_block_that_pools_halves_map_and_windows(window: int, seen: tuple[int, int]) -> None:
    torch.manual_seed(0)
    expected = torch.zeros(3, 4, dtype=torch.bool)
    expected[: seen[0], : seen[1]] = True
    block = MultiScaleBlock(8, 16, 2, q_stride=(2, 2), window_size=window).eval()
    assert torch.equal(changed_tokens(block, 6, 8), expected)


def test_blocks_of_the_smallest_released_model() -> None:
    """The first block of a stage has the window of the stage before, pools, and doubles channels and heads."""
    with torch.device("meta"):
        arguments = dataclasses.asdict(HieraConfig())
        del arguments["kind"]
        trunk = Hiera(**arguments)
    found = [
        (block.dim, block.dim_out, block.attn.num_heads, block.window_size, block.q_stride is not None) for block in trunk.blocks
    ]
    assert found == [
        (96, 96, 1, 8, False),
        (96, 192, 2, 8, True),
        (192, 192, 2, 4, False),
        (192, 384, 4, 4, True),
        (384, 384, 4, 14, False),
        (384, 384, 4, 0, False),
        (384, 384, 4, 14, False),
        (384, 384, 4, 0, False),
        (384, 384, 4, 14, False),
        (384, 384, 4, 0, False),
        (384, 768, 8, 14, True),
        (768, 768, 8, 7, False),
    ]
    assert trunk.channel_list == [768, 384, 192, 96]


TINY = {"embed_dim": 8, "stages": (1, 1, 1, 1), "global_att_blocks": (), "window_spec": (4, 2, 2, 2)}


@settings(deadline=None, max_examples=10)
@given(height=st.integers(1, 3), width=st.integers(1, 3))
def test_four_levels_each_half_as_large_as_the_one_before(height: int, width: int) -> None:
    trunk = Hiera(**TINY, window_pos_embed_bkg_spatial_size=(2, 2)).eval()
    with torch.no_grad():
        levels = trunk(torch.zeros(1, 3, 32 * height, 32 * width))
    assert [tuple(level.shape) for level in levels] == [(1, 8 * 2**i, 8 * height >> i, 8 * width >> i) for i in range(4)]


def test_positions_are_a_stretched_map_and_one_of_each_window() -> None:
    torch.manual_seed(0)
    trunk = Hiera(**TINY, window_pos_embed_bkg_spatial_size=(2, 4))
    torch.nn.init.normal_(trunk.pos_embed)
    torch.nn.init.normal_(trunk.pos_embed_window)
    found = trunk._get_pos_embed((8, 7))
    background = F.interpolate(trunk.pos_embed, (8, 7), mode="bicubic")
    for row in range(8):
        for column in range(7):
            expected = background[0, :, row, column] + trunk.pos_embed_window[0, :, row % 4, column % 4]
            assert torch.equal(found[0, row, column], expected)


def test_depth_of_each_parameter() -> None:
    trunk = Hiera(**TINY)
    found = {name: trunk.get_layer_id(name) for name, _ in trunk.named_parameters()}
    assert trunk.get_num_layers() == 4
    assert {name for name, depth in found.items() if depth == 0} == {
        "pos_embed",
        "pos_embed_window",
        "patch_embed.proj.weight",
        "patch_embed.proj.bias",
    }
    assert all(found[name] == int(name.split(".")[1]) + 1 for name in found if name.startswith("blocks."))


def test_stages_and_windows_must_be_as_many() -> None:
    with pytest.raises(ValueError, match="4 stages need as many windows, got 2"):
        Hiera(stages=(1, 1, 1, 1), window_spec=(8, 4))


def test_a_map_that_cannot_be_halved_five_times_is_refused() -> None:
    with pytest.raises(ValueError, match=r"the sides of an image must be multiples of 32, got \(64, 48\)"):
        Hiera(**TINY)(torch.zeros(1, 3, 64, 48))
