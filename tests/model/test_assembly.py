"""Blocks put together as a configuration says."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from napari_sam2.model.assembly import build_memory_attention, build_memory_encoder, build_model, model_arguments
from napari_sam2.model.config import MODEL_CONFIGS
from napari_sam2.model.conv_trunk import ConvTrunk
from napari_sam2.model.hiera import Hiera
from tiny_models import TINY, TINY_HIERA

# of the checkpoints that were published
NUM_WEIGHTS = {
    "sam2_hiera_t": 38_946_242,
    "sam2_hiera_s": 46_044_098,
    "sam2_hiera_b+": 80_833_922,
    "sam2_hiera_l": 224_430_386,
    "sam2.1_hiera_t": 38_962_754,
    "sam2.1_hiera_s": 46_060_610,
    "sam2.1_hiera_b+": 80_850_434,
    "sam2.1_hiera_l": 224_446_898,
}


@pytest.mark.parametrize("name", NUM_WEIGHTS)
def test_released_models_have_as_many_weights_as_their_checkpoints(name: str) -> None:
    model = build_model(MODEL_CONFIGS[name], device="meta")
    assert sum(value.numel() for value in model.state_dict().values()) == NUM_WEIGHTS[name]


def test_version_2_1_has_three_tensors_more() -> None:
    old, new = (build_model(dataclasses.replace(TINY, version=version), device="meta").state_dict() for version in ("2.0", "2.1"))
    assert set(new) - set(old) == {"no_obj_embed_spatial", "obj_ptr_tpos_proj.weight", "obj_ptr_tpos_proj.bias"}
    assert set(old) <= set(new)
    old_arguments, new_arguments = (model_arguments(dataclasses.replace(TINY, version=version)) for version in ("2.0", "2.1"))
    changed = {key for key, value in new_arguments.items() if old_arguments[key] != value}
    assert changed == {
        "add_tpos_enc_to_obj_ptrs",
        "proj_tpos_enc_in_obj_ptrs",
        "use_signed_tpos_enc_to_obj_ptrs",
        "no_obj_embed_spatial",
    }


def test_the_trunk_is_of_the_kind_that_is_configured() -> None:
    for config, kind in ((TINY, ConvTrunk), (TINY_HIERA, Hiera)):
        encoder = build_model(config, device="meta").image_encoder
        assert isinstance(encoder.trunk, kind)
        assert encoder.trunk.channel_list == list(reversed(config.trunk.channels))
        assert encoder.scalp == 1


def test_blocks_have_the_sizes_that_are_configured() -> None:
    config = dataclasses.replace(TINY, image_size=96, memory_attention_layers=3, memory_attention_mlp_dim=40)
    attention, encoder = build_memory_attention(config), build_memory_encoder(config)
    assert [layer.linear1.weight.shape for layer in attention.layers] == [(40, 32)] * 3
    assert attention.layers[0].self_attn.feat_sizes == (6, 6)
    assert attention.layers[0].cross_attn_image.k_proj.weight.shape == (32, 16)
    assert encoder(torch.zeros(1, 32, 6, 6), torch.zeros(1, 1, 96, 96))["vision_features"].shape == (1, 16, 6, 6)


def test_arguments_win_over_the_configuration_which_is_kept_as_it_was_built() -> None:
    model = build_model(TINY, device="meta", image_size=128, num_maskmem=3)
    assert (model.image_size, model.num_maskmem) == (128, 3)
    assert model.config == dataclasses.replace(TINY, image_size=128)
    assert TINY.image_size == 64
    assert model.training


@pytest.mark.parametrize("size", [0, -32, 100, 1000])
def test_other_sizes_are_refused(size: int) -> None:
    with pytest.raises(ValueError, match="multiple of 32"):
        build_model(TINY, image_size=size)


def test_fresh_weights_depend_on_the_seed_alone() -> None:
    torch.manual_seed(0)
    first = build_model(TINY).state_dict()
    torch.manual_seed(0)
    second = build_model(dataclasses.replace(TINY)).state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)
