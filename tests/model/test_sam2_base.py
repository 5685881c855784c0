from __future__ import annotations

import pytest
import torch

from napari_sam2.model.config import ModelConfig
from napari_sam2.model.sam2_base import NO_OBJ_SCORE, SAM2Base
from tiny_models import TINY, TINY_HIERA, tiny_predictor

POINT = {"point_coords": torch.tensor([[[20.0, 30.0]]]), "point_labels": torch.tensor([[1]])}


@pytest.mark.parametrize("config", [TINY, TINY_HIERA], ids=lambda config: config.name)
@pytest.mark.parametrize("size", [32, 64, 96, 160])
def test_any_multiple_of_32_is_an_input_size(config: ModelConfig, size: int) -> None:
    """Prompt a frame, remember it, track the next: all steps at a size the model was not configured for."""
    model = tiny_predictor(config, image_size=size)
    frames = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(0))
    output_dict = {"cond_frame_outputs": {}, "non_cond_frame_outputs": {}}
    with torch.inference_mode():
        for t in range(2):
            _, feats, pos, sizes = model._prepare_backbone_features(model.forward_image(frames[t : t + 1]))
            out = model.track_step(t, t == 0, feats, pos, sizes, POINT if t == 0 else None, None, output_dict, num_frames=2)
            assert out["pred_masks"].shape == (1, 1, size // 4, size // 4)
            assert out["maskmem_features"].shape == (1, 16, size // 16, size // 16)
            assert torch.isfinite(out["pred_masks"]).all()
            output_dict["cond_frame_outputs" if t == 0 else "non_cond_frame_outputs"][t] = out


def test_an_image_whose_sides_are_no_multiples_of_32_is_refused() -> None:
    with pytest.raises(ValueError, match="multiples of 32"):
        tiny_predictor(TINY_HIERA).forward_image(torch.zeros(1, 3, 64, 50))


def test_an_image_that_is_not_square_is_encoded() -> None:
    encoded = tiny_predictor(TINY_HIERA).forward_image(torch.zeros(1, 3, 96, 64))
    assert [tuple(level.shape[-2:]) for level in encoded["backbone_fpn"]] == [(24, 16), (12, 8), (6, 4)]


def test_memory_attention_on_a_map_that_is_not_square() -> None:
    """Memories are placed by the size of the map, not by a square guessed from its area."""
    model = tiny_predictor(TINY_HIERA)
    _, feats, pos, sizes = model._prepare_backbone_features(model.forward_image(torch.randn(1, 3, 128, 32)))
    memory = {"maskmem_features": torch.randn(1, 16, 8, 2), "obj_ptr": torch.randn(1, 32)}
    output_dict = {"cond_frame_outputs": {0: memory}, "non_cond_frame_outputs": {}}
    with torch.inference_mode():
        found = model._prepare_memory_conditioned_features(1, False, feats, pos, sizes, output_dict, num_frames=2)
    assert found.shape == (1, 32, 8, 2)


@pytest.mark.parametrize("config", [TINY, TINY_HIERA], ids=lambda config: config.name)
def test_bfloat16_autocast_stays_close_to_float32(config: ModelConfig) -> None:
    model = tiny_predictor(config)
    frame = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))

    def masks() -> torch.Tensor:
        encoded = model.forward_image(frame)
        features = encoded["backbone_fpn"]
        return model._forward_sam_heads(features[2], POINT, None, features[:2], multimask_output=True).low_res_multimasks

    with torch.inference_mode():
        exact = masks()
        with torch.autocast("cpu", torch.bfloat16):
            rounded = masks()
    assert rounded.dtype == torch.float32
    agreement = ((rounded > 0) == (exact > 0)).float().mean()
    assert agreement > 0.95
    assert not torch.equal(rounded, exact)


def test_an_absent_object_has_no_mask_and_the_pointer_of_absence() -> None:
    model = tiny_predictor()
    with torch.inference_mode():
        model.sam_mask_decoder.pred_obj_score_head.layers[-1].bias.fill_(-1000.0)
        features = model.forward_image(torch.randn(1, 3, 64, 64))["backbone_fpn"]
        heads = model._forward_sam_heads(features[2], POINT, None, features[:2], multimask_output=True)
    assert (heads.low_res_masks == NO_OBJ_SCORE).all()
    assert torch.equal(heads.obj_ptr, model.no_obj_ptr)


def test_overlaps_go_to_the_highest_logit() -> None:
    logits = torch.tensor([[[[1.0, 3.0, -20.0]]], [[[2.0, 2.0, -4.0]]]])
    found = SAM2Base._apply_non_overlapping_constraints(logits)
    assert found[:, 0, 0].tolist() == [[-10.0, 3.0, -20.0], [2.0, -10.0, -4.0]]
