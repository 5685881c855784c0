"""Trunk and feature pyramid."""

from __future__ import annotations

from typing import ClassVar

import pytest
import torch
from torch import Tensor, nn

from napari_sam2.model.image_encoder import FpnNeck, ImageEncoder

LEVELS = [10.0, 100.0, 1000.0]
"""What the trunk says at each pixel of a level, finest first."""


class Levels(nn.Module):
    channel_list: ClassVar = [1, 1, 1]

    def forward(self, x: Tensor) -> list[Tensor]:
        return [torch.full((1, 1, 4 >> i, 8 >> i), value) + x.mean() for i, value in enumerate(LEVELS)]


class Sizes(nn.Module):
    """A position code that tells what it was asked about."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.full_like(x, x.shape[-1], dtype=torch.float64)


def neck(**arguments: object) -> FpnNeck:
    built = FpnNeck(Sizes(), 1, [1, 1, 1], **arguments)
    for conv in built.convs:
        nn.init.ones_(conv.conv.weight)
        nn.init.zeros_(conv.conv.bias)
    return built


@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, [1110.0, 1100.0, 1000.0]),
        ({"fuse_type": "avg"}, [(550 + 10) / 2, 550.0, 1000.0]),
        ({"fpn_top_down_levels": (1,)}, [10.0, 1100.0, 1000.0]),
        # the middle level takes nothing, so that the finest takes only the middle one
        ({"fpn_top_down_levels": (0,)}, [110.0, 100.0, 1000.0]),
        ({"fpn_top_down_levels": ()}, LEVELS),
        ({"fpn_top_down_levels": (2,)}, LEVELS),  # nothing is coarser than the coarsest
    ],
)
def test_chosen_levels_receive_the_coarser_one(mode: str, arguments: dict, expected: list[float]) -> None:
    features, positions = neck(fpn_interp_model=mode, **arguments)(Levels()(torch.zeros(1)))
    for i, (level, position, value) in enumerate(zip(features, positions, expected, strict=True)):
        assert torch.equal(level, torch.full((1, 1, 4 >> i, 8 >> i), value))
        assert torch.equal(position, torch.full_like(level, 8 >> i))  # of the level's own type


@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
@pytest.mark.parametrize("fuse_type", ["sum", "avg"])
@pytest.mark.parametrize("levels", [None, (1, 2), (0,), (2, 3), ()])
@pytest.mark.parametrize("num_reductions", [0, 1, 2, 3])
def test_levels_that_are_reduced_need_not_be_computed(
    mode: str, fuse_type: str, levels: tuple[int, ...] | None, num_reductions: int
) -> None:
    """Where nothing is learnt, convolutions are joined: the result is that of one after another."""
    torch.manual_seed(0)
    built = FpnNeck(Sizes(), 6, [8, 7, 4, 3], fpn_interp_model=mode, fuse_type=fuse_type, fpn_top_down_levels=levels)
    reductions = [nn.Conv2d(6, 2 + i, 1, bias=i != 1) for i in range(num_reductions)]
    xs = [torch.randn(2, width, 16 >> i, 8 >> i) for i, width in enumerate((3, 4, 7, 8))]
    expected, its_positions = built(xs, reductions)
    with torch.no_grad():
        found, positions = built(xs, reductions)
    for one, other in zip(expected, found, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-5)
    assert [x[0, 0].tolist() for x in positions] == [x[0, 0].tolist() for x in its_positions]


def test_laterals_are_stored_coarsest_first() -> None:
    built = FpnNeck(Sizes(), 5, [4, 3, 2], fpn_top_down_levels=())
    assert [conv.conv.in_channels for conv in built.convs] == [4, 3, 2]
    features, _ = built([torch.zeros(1, 2, 4, 4), torch.zeros(1, 3, 2, 2), torch.zeros(1, 4, 1, 1)])
    assert [tuple(level.shape) for level in features] == [(1, 5, 4, 4), (1, 5, 2, 2), (1, 5, 1, 1)]


@pytest.mark.parametrize(("scalp", "count"), [(0, 3), (1, 2), (2, 1)])
def test_the_coarsest_levels_are_dropped_after_they_fed_the_others(scalp: int, count: int) -> None:
    found = ImageEncoder(Levels(), neck(), scalp)(torch.zeros(1))
    assert [level[0, 0, 0, 0].item() for level in found["backbone_fpn"]] == [1110.0, 1100.0, 1000.0][:count]
    assert len(found["vision_pos_enc"]) == count
    assert found["vision_features"] is found["backbone_fpn"][-1]


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="fuse_type must be 'sum' or 'avg', got 'max'"):
        neck(fuse_type="max")
    with pytest.raises(ValueError, match=r"the neck expects levels of \[2, 1\] channels, the trunk has \[1, 1, 1\]"):
        ImageEncoder(Levels(), FpnNeck(Sizes(), 1, [2, 1]))
