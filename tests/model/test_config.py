"""What differs between models."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import pytest

from napari_sam2.model.assembly import build_model
from napari_sam2.model.config import MICRO, MODEL_CONFIGS, HieraConfig, ModelConfig
from napari_sam2.structured import parse_json, to_json

# size: embed_dim, heads, stages, global blocks, windows, side of the background map, channels coarsest first
RELEASED: dict[str, tuple[Any, ...]] = {
    "t": (96, 1, (1, 2, 7, 2), (5, 7, 9), (8, 4, 14, 7), 7, (768, 384, 192, 96)),
    "s": (96, 1, (1, 2, 11, 2), (7, 10, 13), (8, 4, 14, 7), 7, (768, 384, 192, 96)),
    "b+": (112, 2, (2, 3, 16, 3), (12, 16, 20), (8, 4, 14, 7), 14, (896, 448, 224, 112)),
    "l": (144, 2, (2, 6, 36, 4), (23, 33, 43), (8, 4, 16, 8), 7, (1152, 576, 288, 144)),
}


@pytest.mark.parametrize("version", ["2.0", "2.1"])
@pytest.mark.parametrize("size", RELEASED)
def test_released_models_are_those_that_were_published(size: str, version: str) -> None:
    config = MODEL_CONFIGS[f"sam2{'.1' if version == '2.1' else ''}_hiera_{size}"]
    dim, heads, stages, whole, windows, side, channels = RELEASED[size]
    assert config.trunk == HieraConfig(dim, heads, stages, whole, windows, (side, side))
    assert config.trunk.channels[::-1] == channels
    assert config.version == version
    assert (config.image_size, config.d_model, config.mem_dim, config.num_maskmem) == (1024, 256, 64, 7)
    assert (config.fpn_top_down_levels, config.memory_attention_layers, config.zoom) == ((2, 3), 4, None)


def test_there_is_a_model_for_each_name() -> None:
    assert len(MODEL_CONFIGS) == 1 + 2 * len(RELEASED)
    assert all(config.name == name for name, config in MODEL_CONFIGS.items())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"image_size": 0}, "image_size must be a positive multiple of 32, got 0"),
        ({"image_size": 1000}, "image_size must be a positive multiple of 32, got 1000"),
        ({"version": "3.0"}, "version must be '2.0' or '2.1', got '3.0'"),
    ],
)
def test_values_that_cannot_be_are_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        dataclasses.replace(MICRO, **change)


@pytest.mark.parametrize("config", MODEL_CONFIGS.values(), ids=lambda config: config.name)
def test_a_configuration_survives_being_written_down(config: ModelConfig) -> None:
    assert parse_json(ModelConfig, to_json(config), "config") == config


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "config is not JSON: line 1, column 1"),
        ("[]", "config must be an object, got []"),
        ("{}", "config has no 'name'"),
        ('{"name": "a", "trunk": {"kind": "other"}}', "config.trunk.kind must be 'hiera' or 'conv', got 'other'"),
        (
            '{"name": "a", "trunk": {"kind": "conv", "embed_dim": 1}}',
            "config.trunk has an unknown key 'embed_dim'; there are kind, channels, depths",
        ),
        ('{"name": "a", "trunk": {"kind": "conv", "channels": [1.5]}}', "config.trunk.channels[0] must be a whole number, got 1.5"),
        (to_json(MICRO).replace("d_model", "width"), "config has an unknown key 'width'"),
        (to_json(MICRO).replace("320", "321"), "config: image_size must be a positive multiple of 32, got 321"),
        (to_json(MICRO).replace('"2.1"', '"3"'), "config.version must be '2.0' or '2.1', got '3'"),
    ],
)
def test_what_is_no_configuration_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        parse_json(ModelConfig, text, "config")


def test_a_configuration_is_written_as_in_the_files_there_are() -> None:
    """Those of the embedded weights, and of each model that somebody trained."""
    assert to_json(MICRO).startswith(
        '{"name": "micro", "trunk": {"kind": "conv", "channels": [32, 64, 128, 192], "depths": [2, 2, 3, 1]}'
    )
    assert '"trunk": {"kind": "hiera", "embed_dim": 96, "num_heads": 1, ' in to_json(MODEL_CONFIGS["sam2_hiera_t"])


def test_the_embedded_model_is_small() -> None:
    model = build_model(MICRO, device="meta")
    assert 2 * sum(value.numel() for value in model.state_dict().values()) < 8e6
