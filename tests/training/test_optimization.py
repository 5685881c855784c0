"""Learning rates and weight decay of parameters, and the learning-rate schedule."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from napari_sam2.model.assembly import build_model
from napari_sam2.model.config import ModelConfig
from napari_sam2.training.optimization import parameter_groups
from napari_sam2.training.recipe import Stage
from tiny_models import TINY, TINY_HIERA

STAGE = Stage("clips", "prompts", steps=10, image_size=64, encoder_rate=0.5, layer_decay=0.8)


@pytest.mark.parametrize(
    ("config", "rates"),
    [
        (
            TINY,  # four levels of one block
            {
                "image_encoder.trunk.stem.0.weight": 0.8**5,
                "image_encoder.trunk.levels.0.0.conv1.weight": 0.8**4,
                "image_encoder.trunk.levels.1.0.weight": 0.8**3,
                "image_encoder.trunk.levels.1.3.norm2.bias": 0.8**3,
                "image_encoder.trunk.levels.3.3.conv2.weight": 0.8,
                "image_encoder.neck.convs.0.conv.weight": 1.0,
            },
        ),
        (
            TINY_HIERA,  # 1 + 1 + 2 + 1 blocks
            {
                "image_encoder.trunk.patch_embed.proj.weight": 0.8**6,
                "image_encoder.trunk.pos_embed": 1.0,
                "image_encoder.trunk.pos_embed_window": 1.0,
                "image_encoder.trunk.blocks.1.norm1.weight": 0.8**4,
                "image_encoder.trunk.blocks.4.attn.qkv.weight": 0.8,
                "image_encoder.neck.convs.0.conv.weight": 1.0,
            },
        ),
    ],
    ids=["conv", "hiera"],
)
def test_rates_fall_towards_the_input(config: ModelConfig, rates: dict[str, float]) -> None:
    model = build_model(config)
    model.no_mem_embed.requires_grad = False
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    groups = parameter_groups(model, nn.Linear(2, 2), STAGE, weight_decay=0.1)
    found = {names.get(id(parameter), "other"): group for group in groups for parameter in group["params"]}
    for name, rate in rates.items():
        assert found[name]["rate"] == pytest.approx(0.5 * rate), name
    assert found["sam_mask_decoder.iou_token.weight"]["rate"] == found["other"]["rate"] == 1
    assert set(names.values()) - set(found) == {"no_mem_embed"}  # it is frozen
    for name, group in found.items():
        is_vector = name != "other" and model.get_parameter(name).ndim == 1
        assert name == "other" or group["weight_decay"] == (0 if is_vector else 0.1), name
    assert found["sam_mask_decoder.transformer.layers.0.cross_attn_token_to_image.q_proj.weight"]["weight_decay"] == 0.1
    assert found["image_encoder.neck.convs.0.conv.bias"]["weight_decay"] == 0
    torch.optim.AdamW(groups)
