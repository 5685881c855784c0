"""Puts the blocks together as configured (official ``configs/sam2*/*.yaml``)."""

from __future__ import annotations

import dataclasses
from typing import Any, TypeVar

from napari_sam2.torch_threads import torch

from napari_sam2.model.attention import RoPEAttention
from napari_sam2.model.config import ConvTrunkConfig, ModelConfig
from napari_sam2.model.conv_trunk import ConvTrunk
from napari_sam2.model.hiera import Hiera
from napari_sam2.model.image_encoder import FpnNeck, ImageEncoder
from napari_sam2.model.memory_attention import MemoryAttention, MemoryAttentionLayer
from napari_sam2.model.memory_encoder import CXBlock, Fuser, MaskDownSampler, MemoryEncoder
from napari_sam2.model.position_encoding import PositionEmbeddingSine
from napari_sam2.model.sam2_base import SAM2Base
from napari_sam2.model.tensor_defaults import tensor_defaults

AnyModel = TypeVar("AnyModel", bound=SAM2Base)


def build_image_encoder(config: ModelConfig) -> ImageEncoder:
    """Make trunk and neck; the coarsest level is dropped after it has fed the others."""
    trunk: Hiera | ConvTrunk
    if isinstance(config.trunk, ConvTrunkConfig):
        trunk = ConvTrunk(config.trunk.channels, config.trunk.depths)
    else:
        trunk = Hiera(**{name: value for name, value in dataclasses.asdict(config.trunk).items() if name != "kind"})
    neck = FpnNeck(
        position_encoding=PositionEmbeddingSine(num_pos_feats=config.d_model),
        d_model=config.d_model,
        backbone_channel_list=trunk.channel_list,
        fpn_interp_model="nearest",
        fpn_top_down_levels=config.fpn_top_down_levels,
    )
    return ImageEncoder(trunk, neck, scalp=1)


def build_memory_attention(config: ModelConfig) -> MemoryAttention:
    """Make the stack that conditions a frame on its memories."""
    side, dropout = config.image_size // 16, config.memory_attention_dropout
    layer = MemoryAttentionLayer(
        activation="relu",
        d_model=config.d_model,
        dim_feedforward=config.memory_attention_mlp_dim,
        dropout=dropout,
        pos_enc_at_attn=False,
        pos_enc_at_cross_attn_keys=True,
        pos_enc_at_cross_attn_queries=False,
        self_attention=RoPEAttention(config.d_model, 1, dropout=dropout, feat_sizes=(side, side)),
        cross_attention=RoPEAttention(
            config.d_model, 1, dropout=dropout, feat_sizes=(side, side), rope_k_repeat=True, kv_in_dim=config.mem_dim
        ),
    )
    return MemoryAttention(config.d_model, pos_enc_at_input=True, layer=layer, num_layers=config.memory_attention_layers)


def build_memory_encoder(config: ModelConfig) -> MemoryEncoder:
    """Make the block that turns a frame and its mask into a memory."""
    return MemoryEncoder(
        out_dim=config.mem_dim,
        mask_downsampler=MaskDownSampler(config.d_model, kernel_size=3, stride=2, padding=1),
        fuser=Fuser(CXBlock(config.d_model), num_layers=2),
        position_encoding=PositionEmbeddingSine(num_pos_feats=config.mem_dim),
        in_dim=config.d_model,
    )


def model_arguments(config: ModelConfig) -> dict[str, Any]:
    """Arguments that all released models share, and those that differ between 2.0 and 2.1 (official ``configs/``)."""
    is_2_1 = config.version == "2.1"
    return {
        "num_maskmem": config.num_maskmem,
        "image_size": config.image_size,
        "sigmoid_scale_for_mem_enc": 20.0,
        "sigmoid_bias_for_mem_enc": -10.0,
        "use_mask_input_as_output_without_sam": True,
        "directly_add_no_mem_embed": True,
        "use_high_res_features_in_sam": True,
        "multimask_output_in_sam": True,
        "multimask_min_pt_num": 0,
        "multimask_max_pt_num": 1,
        "multimask_output_for_tracking": True,
        "use_multimask_token_for_obj_ptr": True,
        "iou_prediction_use_sigmoid": True,
        "use_obj_ptrs_in_encoder": True,
        "only_obj_ptrs_in_the_past_for_eval": True,
        "pred_obj_scores": True,
        "pred_obj_scores_mlp": True,
        "fixed_no_obj_ptr": True,
        "use_mlp_for_obj_ptr_proj": True,
        "add_tpos_enc_to_obj_ptrs": is_2_1,
        "proj_tpos_enc_in_obj_ptrs": is_2_1,
        "use_signed_tpos_enc_to_obj_ptrs": is_2_1,
        "no_obj_embed_spatial": is_2_1,
        "sam_decoder_mlp_dim": config.decoder_mlp_dim,
    }


def build_model(
    config: ModelConfig,
    model_class: type[AnyModel] = SAM2Base,  # type: ignore[assignment]
    device: str | torch.device = "cpu",
    **arguments: Any,
) -> AnyModel:
    """Build a model with fresh weights.

    Parameters
    ----------
    config : ModelConfig
        What to build.
    model_class : type
        :class:`SAM2Base` or a subclass of it.
    device : str or torch.device
        Where; "meta" for names and shapes without numbers.
    **arguments
        Further arguments of ``model_class``; they win over the configuration's.

    Returns
    -------
    model_class
        In training mode, in float32, whatever the process's default is.
    """
    size = arguments.get("image_size", config.image_size)
    config = dataclasses.replace(config, image_size=size)
    with tensor_defaults(device):
        model = model_class(
            image_encoder=build_image_encoder(config),
            memory_attention=build_memory_attention(config),
            memory_encoder=build_memory_encoder(config),
            **model_arguments(config) | arguments,
        )
    model.config = config
    return model
