"""Models small enough for a test, with weights that are the same everywhere."""

from __future__ import annotations

from typing import Any

from golden_files import fill_with_keyed_weights
from napari_sam2.model.config import ConvTrunkConfig, HieraConfig, ModelConfig
from napari_sam2.predictors.video_predictor import SAM2VideoPredictor, build_sam2_video_predictor

TINY = ModelConfig(
    "tiny",
    ConvTrunkConfig((16, 16, 16, 16), (1, 1, 1, 1)),
    image_size=64,
    d_model=32,
    mem_dim=16,
    memory_attention_layers=1,
    memory_attention_mlp_dim=32,
    decoder_mlp_dim=32,
)
TINY_HIERA = ModelConfig(
    "tiny-hiera",
    HieraConfig(embed_dim=16, stages=(1, 1, 2, 1), global_att_blocks=(3,), window_spec=(8, 4, 6, 3)),
    image_size=64,
    d_model=32,
    mem_dim=16,
    memory_attention_layers=2,
    memory_attention_mlp_dim=32,
    decoder_mlp_dim=32,
)


def tiny_predictor(config: ModelConfig = TINY, seed: int = 0, **arguments: Any) -> SAM2VideoPredictor:
    predictor: SAM2VideoPredictor = build_sam2_video_predictor(config, device="cpu", **{"fill_hole_area": 0} | arguments)
    fill_with_keyed_weights(predictor, seed)
    # Random weights mostly see nothing: an object that is never there would make every comparison of masks an easy one.
    predictor.sam_mask_decoder.pred_obj_score_head.layers[-1].bias.data += 10
    return predictor
