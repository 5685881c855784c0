"""Each block against what the official one returns for the same weights and inputs."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch

from golden_files import STABILITY, fill_with_keyed_weights, official_keys, read_golden
from keyed_weights import keyed_frames
from napari_sam2.model.assembly import build_model
from napari_sam2.model.config import MODEL_CONFIGS
from napari_sam2.model.sam2_base import SAM2Base

TOLERANCE = 2e-3
RELEASED = [name for name in MODEL_CONFIGS if name != "micro"]


@pytest.mark.parametrize("name", RELEASED)
def test_state_dict_has_the_official_names_and_shapes(name: str) -> None:
    model = build_model(MODEL_CONFIGS[name], device="meta")
    assert {key: tuple(value.shape) for key, value in model.state_dict().items()} == official_keys(name)


@cache
def outputs() -> dict[str, torch.Tensor]:
    """Every output of the golden file, computed by our blocks from the same inputs."""
    golden = {name: torch.from_numpy(value.astype(np.float32)) for name, value in read_golden("modules_sam2.1_t_256").items()}
    model: SAM2Base = build_model(
        MODEL_CONFIGS["sam2.1_hiera_t"],
        image_size=256,
        binarize_mask_from_pts_for_mem_enc=True,
        sam_mask_decoder_extra_args=STABILITY,
    )
    fill_with_keyed_weights(model, seed=6)
    frame = torch.from_numpy(keyed_frames(2, 256, 6))[:1]
    found: dict[str, torch.Tensor] = {}
    with torch.no_grad():
        trunk = model.image_encoder.trunk(frame)
        found |= {f"trunk{i}": level[..., ::4, ::4] if i < 2 else level for i, level in enumerate(trunk)}
        encoded = model.forward_image(frame)
        features, positions = encoded["backbone_fpn"], encoded["vision_pos_enc"]
        found |= {f"fpn{i}": level[..., ::4, ::4] if i < 2 else level for i, level in enumerate(features)}
        found |= {f"fpn_pos{i}": level[:, ::16, ::4, ::4] for i, level in enumerate(positions)}

        _, vision_feats, vision_pos, feat_sizes = model._prepare_backbone_features(encoded)
        logits, present = golden["memory_logits"], torch.ones(1, 1)
        memory, memory_pos = model._encode_new_memory(vision_feats, feat_sizes, logits, present, is_mask_from_pts=False)
        absent, _ = model._encode_new_memory(vision_feats, feat_sizes, logits, -present, is_mask_from_pts=True)
        found |= {"memory_features": memory, "memory_pos": memory_pos[0], "memory_features_absent_binarised": absent}
        attended = model.memory_attention(
            curr=vision_feats[-1],
            curr_pos=vision_pos[-1],
            memory=golden["attention_memory"],
            memory_pos=golden["attention_memory_pos"],
            num_obj_ptr_tokens=8,
        )
        found["attention_out"] = attended[:, 0][None]

        points = torch.tensor([[[30.0, 40.0], [200.0, 100.0]]])
        labels = torch.tensor([[1, 0]], dtype=torch.int32)
        sparse, dense = model.sam_prompt_encoder((points, labels), None, None)
        _, mask_dense = model.sam_prompt_encoder(None, None, golden["prompt_mask_in"])
        found |= {"prompt_sparse": sparse, "prompt_dense": dense[..., ::8, ::8], "prompt_mask_dense": mask_dense}
        found["dense_pe"] = model.sam_prompt_encoder.get_dense_pe()[:, ::8]

        heads = model._forward_sam_heads(
            features[2], {"point_coords": points, "point_labels": labels}, None, features[:2], multimask_output=True
        )
        found |= {
            "heads_multimasks": heads.low_res_multimasks,
            "heads_hi_multimasks": heads.high_res_multimasks[..., ::8, ::8],
            "heads_ious": heads.ious,
            "heads_low_res": heads.low_res_masks,
            "heads_hi_res": heads.high_res_masks[..., ::8, ::8],
            "heads_obj_ptr": heads.obj_ptr,
            "heads_score": heads.object_score_logits,
        }
        taken = model._use_mask_as_output(features[2], features[:2], (logits > 1).float())
        found |= {"mask_as_output_obj_ptr": taken.obj_ptr, "mask_as_output_low_res": taken.low_res_masks}
    return found


INPUTS = {"memory_logits", "attention_memory", "attention_memory_pos", "prompt_mask_in"}


@pytest.mark.parametrize("name", sorted(set(read_golden("modules_sam2.1_t_256")) - INPUTS))
def test_block_equals_the_official_one(name: str) -> None:
    expected = read_golden("modules_sam2.1_t_256")[name]
    np.testing.assert_allclose(outputs()[name][0].detach().numpy(), expected, rtol=0, atol=TOLERANCE)
