"""From image features and prompt tokens to masks."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from napari_sam2.model.mask_decoder import MaskDecoder, TwoWayAttentionBlock, TwoWayTransformer

C, H, W = 16, 3, 2


def decoder(**arguments: Any) -> MaskDecoder:
    torch.manual_seed(0)
    transformer = TwoWayTransformer(depth=2, embedding_dim=C, num_heads=2, mlp_dim=8)
    return MaskDecoder(transformer_dim=C, transformer=transformer, iou_head_hidden_dim=8, **arguments).eval()


def inputs(batch: int, images: int) -> dict[str, Tensor]:
    torch.manual_seed(1)
    return {
        "image_embeddings": torch.randn(images, C, H, W),
        "image_pe": torch.randn(1, C, H, W),
        "sparse_prompt_embeddings": torch.randn(batch, 3, C),
        "dense_prompt_embeddings": torch.randn(batch, C, H, W),
    }


@pytest.mark.parametrize(
    ("multimask_output", "several_tokens", "shapes"), [(False, True, (1, 1)), (True, False, (3, 1)), (True, True, (3, 3))]
)
def test_one_mask_or_those_of_an_ambiguous_prompt(multimask_output: bool, several_tokens: bool, shapes: tuple[int, int]) -> None:
    model = decoder(use_multimask_token_for_obj_ptr=several_tokens)
    given = inputs(2, 2)
    masks, ious, tokens, present = model(**given, multimask_output=multimask_output, repeat_image=False)
    all_masks, all_ious, all_tokens, _ = model.predict_masks(**given, repeat_image=False)
    chosen = slice(1, 4) if multimask_output else slice(0, 1)
    assert masks.shape == (2, 3 if multimask_output else 1, 4 * H, 4 * W)
    assert torch.equal(masks, all_masks[:, chosen])
    assert torch.equal(ious, all_ious[:, chosen])
    assert torch.equal(tokens, all_tokens[:, chosen] if several_tokens else all_tokens[:, :1])
    assert present.tolist() == [[10.0], [10.0]]  # without a score of its own an object is there


def test_prompts_about_one_image_equal_prompts_one_by_one() -> None:
    model = decoder(pred_obj_scores=True, pred_obj_scores_mlp=True)
    given = inputs(3, 1)
    together = model(**given, multimask_output=True, repeat_image=True)
    for i in range(3):
        alone = {name: value if name.startswith("image") else value[i : i + 1] for name, value in given.items()}
        for one, all_of_them in zip(model(**alone, multimask_output=True, repeat_image=False), together, strict=True):
            torch.testing.assert_close(one[0], all_of_them[i], rtol=1e-5, atol=1e-5)
    with pytest.raises(ValueError, match="3 prompts for 1 images: give one image each, or repeat_image=True"):
        model(**given, multimask_output=True, repeat_image=False)


def test_finer_levels_are_added_while_masks_are_enlarged() -> None:
    plain, model = decoder(), decoder(use_high_res_features=True)
    model.load_state_dict(plain.state_dict(), strict=False)
    given = inputs(1, 1)
    nothing = [torch.zeros(1, C // 8, 4 * H, 4 * W), torch.zeros(1, C // 4, 2 * H, 2 * W)]
    without = plain(**given, multimask_output=True, repeat_image=False)[0]
    assert torch.equal(model(**given, multimask_output=True, repeat_image=False, high_res_features=nothing)[0], without)
    for level in nothing:
        level[0, :, 0, 0] = 5 * torch.randn(level.shape[1])
        changed = model(**given, multimask_output=True, repeat_image=False, high_res_features=nothing)[0] != without
        # one pixel of the finest level is one of the mask, and one of the other level four
        size = 1 if level is nothing[0] else 2
        assert changed[0, :, :size, :size].all()
        assert not changed[0, :, size:].any()
        assert not changed[0, :, :, size:].any()
    with pytest.raises(ValueError, match="this decoder needs high_res_features"):
        model(**given, multimask_output=True, repeat_image=False)


def test_stability_is_the_overlap_of_a_higher_and_a_lower_cut() -> None:
    model = decoder(dynamic_multimask_stability_delta=1.0)
    masks = torch.tensor([[[[2.0, 0.5], [0.0, -0.5]], [[-2.0, -3.0], [-1.0, -9.0]], [[2.0, 3.0], [1.5, -1.0]]]])
    assert model._get_stability_scores(masks).tolist() == [[0.25, 1.0, 1.0]]


def test_a_single_mask_that_is_unstable_is_replaced_by_the_best_of_the_others() -> None:
    model = decoder(dynamic_multimask_via_stability=True)
    firm, loose = torch.tensor([9.0, -9.0]), torch.tensor([9.0, 0.0])
    rows = [[firm, firm * 2, firm * 3, firm * 4], [loose, firm * 2, firm * 3, firm * 4]]
    masks = torch.stack([torch.stack(row) for row in rows])[:, :, None]
    ious = torch.tensor([[0.1, 0.2, 0.9, 0.3], [0.8, 0.2, 0.3, 0.4]])
    found, score = model._dynamic_multimask_via_stability(masks, ious)
    assert found.tolist() == [[[[9.0, -9.0]]], [[[36.0, -36.0]]]]
    assert score.flatten().tolist() == pytest.approx([0.1, 0.4])


def test_a_mask_is_replaced_only_where_it_is_the_only_one_and_nothing_is_trained() -> None:
    model = decoder(dynamic_multimask_via_stability=True, dynamic_multimask_stability_thresh=1.1)
    given = inputs(2, 2)
    masks, ious, *_ = model.predict_masks(**given, repeat_image=False)
    best = ious[:, 1:].argmax(1) + 1
    single = model(**given, multimask_output=False, repeat_image=False)[0]
    assert torch.equal(single[:, 0], masks[[0, 1], best])
    assert torch.equal(model(**given, multimask_output=True, repeat_image=False)[0], masks[:, 1:])
    assert torch.equal(model.train()(**given, multimask_output=False, repeat_image=False)[0], masks[:, :1])


def test_the_first_layer_replaces_the_tokens() -> None:
    """What it makes of tokens without positions does not hold the tokens themselves; a later layer adds to them."""
    torch.manual_seed(0)
    for is_first in (True, False):
        block = TwoWayAttentionBlock(C, 2, mlp_dim=8, skip_first_layer_pe=is_first).eval()
        for part in (block.self_attn, block.cross_attn_token_to_image, block.cross_attn_image_to_token):
            torch.nn.init.zeros_(part.out_proj.weight)
            torch.nn.init.zeros_(part.out_proj.bias)
        torch.nn.init.zeros_(block.mlp.layers[-1].weight)
        torch.nn.init.zeros_(block.mlp.layers[-1].bias)
        tokens, image = torch.randn(1, 4, C), torch.randn(1, 6, C)
        queries, keys = block(tokens, image, torch.randn(1, 4, C), torch.randn(1, 6, C))
        normed = torch.nn.functional.layer_norm
        expected = torch.zeros_like(tokens) if is_first else normed(tokens, (C,))
        torch.testing.assert_close(queries, expected, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(keys, normed(image, (C,)), rtol=1e-4, atol=1e-4)
