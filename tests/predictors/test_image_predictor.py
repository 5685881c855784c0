"""The image predictor against the official one at full size, and on images of any kind."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from PIL import Image

from golden_files import fill_with_keyed_weights, read_golden
from napari_sam2.predictors.build import build_sam2
from napari_sam2.predictors.image_predictor import SAM2ImagePredictor
from tiny_models import TINY

GOLDEN = "image_sam2.1_t_1024"
TOLERANCE = 2e-3


@cache
def official_size() -> SAM2ImagePredictor:
    model = build_sam2("configs/sam2.1/sam2.1_hiera_t.yaml", device="cpu")
    fill_with_keyed_weights(model, seed=1)
    predictor = SAM2ImagePredictor(model)
    predictor.set_image(read_golden(GOLDEN)["image"])
    return predictor


BOX = np.array([50.0, 40.0, 300.0, 220.0])


def predictions() -> dict[str, dict]:
    """What was asked of the official predictor."""
    mask_input = read_golden(GOLDEN)["refine_mask_input_full"].astype(np.float32)
    click = {"point_coords": np.array([[200.0, 150.0]]), "point_labels": np.array([1])}
    two_clicks = {"point_coords": np.array([[200.0, 150.0], [60.0, 80.0]]), "point_labels": np.array([1, 0])}
    return {
        "point": click,
        "refine": {**two_clicks, "mask_input": mask_input, "multimask_output": False},
        "box": {"box": BOX, "multimask_output": False},
        "boxpoint": {"box": BOX, "point_coords": np.array([[100.0, 100.0]]), "point_labels": np.array([0])},
        "maskonly": {"mask_input": mask_input, "multimask_output": False},
    }


def test_embedding_equals_the_official_one() -> None:
    found = official_size().get_image_embedding()[0, ::4, ::4, ::4].numpy()
    np.testing.assert_allclose(found, read_golden(GOLDEN)["embedding"], rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("name", ["point", "refine", "box", "boxpoint", "maskonly"])
def test_prediction_equals_the_official_one(name: str) -> None:
    golden = read_golden(GOLDEN)
    logits, ious, low_res = official_size().predict(return_logits=True, **predictions()[name])
    # The mask prompt is kept in half precision in the golden file.
    np.testing.assert_allclose(logits[:, ::4, ::4], golden[f"{name}_logits"], rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(ious, golden[f"{name}_ious"], rtol=0, atol=2e-4)
    np.testing.assert_allclose(low_res[:, ::4, ::4], golden[f"{name}_low_res"], rtol=0, atol=TOLERANCE)


@pytest.fixture(scope="module")
def tiny() -> SAM2ImagePredictor:
    model = build_sam2(TINY, device="cpu")
    fill_with_keyed_weights(model, seed=0)
    return SAM2ImagePredictor(model)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((20, 30, 3), np.uint8),
        np.arange(600, dtype=np.uint16).reshape(20, 30),
        np.linspace(-1, 1, 600, dtype=np.float32).reshape(20, 30),
        Image.new("L", (30, 20)),
    ],
    ids=["uint8 rgb", "uint16 grey", "float grey", "PIL grey"],
)
def test_images_of_any_kind_are_taken(tiny: SAM2ImagePredictor, image: object) -> None:
    tiny.set_image(image)
    masks, ious, low_res = tiny.predict(np.array([[15, 10]]), np.array([1]))
    assert masks.shape == (3, 20, 30)
    assert masks.dtype == np.float32
    assert set(np.unique(masks)) <= {0, 1}
    assert ious.shape == (3,)
    assert low_res.shape == (3, 16, 16)
    assert np.abs(low_res).max() <= 32


def test_several_boxes_are_one_batch_and_equal_one_by_one(tiny: SAM2ImagePredictor) -> None:
    rng = np.random.default_rng(0)
    tiny.set_image(rng.integers(0, 255, (40, 40, 3), np.uint8))
    boxes = np.array([[2, 3, 20, 30], [10, 10, 39, 20]], float)
    together, _, _ = tiny.predict(box=boxes, multimask_output=False, return_logits=True)
    assert together.shape == (2, 1, 40, 40)
    for box, logits in zip(boxes, together, strict=True):
        alone, _, _ = tiny.predict(box=box, multimask_output=False, return_logits=True)
        np.testing.assert_allclose(logits, alone, rtol=0, atol=1e-4)


def test_a_batch_of_images_equals_one_by_one(tiny: SAM2ImagePredictor) -> None:
    rng = np.random.default_rng(1)
    images = [rng.integers(0, 255, shape, np.uint8) for shape in ((40, 30, 3), (25, 50, 3))]
    points, labels = [np.array([[5, 6]]), np.array([[20, 10]])], [np.array([1])] * 2
    tiny.set_image_batch(images)
    batch, _, _ = tiny.predict_batch(points, labels, return_logits=True)
    for image, point, logits in zip(images, points, batch, strict=True):
        tiny.set_image(image)
        alone, _, _ = tiny.predict(point, np.array([1]), return_logits=True)
        assert logits.shape[1:] == image.shape[:2]
        np.testing.assert_allclose(logits, alone, rtol=0, atol=1e-4)


def test_masks_are_1_where_logits_are_above_the_threshold(tiny: SAM2ImagePredictor) -> None:
    predictor = SAM2ImagePredictor(tiny.model, mask_threshold=0.5)
    predictor.set_image(np.random.default_rng(3).integers(0, 255, (20, 40, 3), np.uint8))
    masks, _, _ = predictor.predict(np.array([[10, 5]]), np.array([1]))
    logits, _, _ = predictor.predict(np.array([[10, 5]]), np.array([1]), return_logits=True)
    assert 0 < masks.mean() < 1
    np.testing.assert_array_equal(masks, (logits > 0.5).astype(np.float32))


def test_of_a_batch_the_last_image_is_predicted(tiny: SAM2ImagePredictor) -> None:
    rng = np.random.default_rng(4)
    images = [rng.integers(0, 255, shape, np.uint8) for shape in ((40, 30, 3), (25, 50, 3))]
    tiny.set_image_batch(images)
    found, _, _ = tiny.predict(np.array([[5, 6]]), np.array([1]), return_logits=True)
    tiny.set_image(images[-1])
    expected, _, _ = tiny.predict(np.array([[5, 6]]), np.array([1]), return_logits=True)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)


def test_the_decoder_can_be_trained_on_the_features(tiny: SAM2ImagePredictor) -> None:
    """Fine-tuning scripts take the features of a frozen encoder from the predictor and train the decoder with them."""
    tiny.set_image(np.random.default_rng(5).integers(0, 255, (20, 40, 3), np.uint8))
    _, coords, labels, _ = tiny._prep_prompts(np.array([[10, 5]]), np.array([1]), None, None, True)
    sparse, dense = tiny.model.sam_prompt_encoder(points=(coords, labels), boxes=None, masks=None)
    low_res, _, _, _ = tiny.model.sam_mask_decoder(
        image_embeddings=tiny._features["image_embed"][-1][None],
        image_pe=tiny.model.sam_prompt_encoder.get_dense_pe(),
        sparse_prompt_embeddings=sparse,
        dense_prompt_embeddings=dense,
        multimask_output=True,
        repeat_image=False,
        high_res_features=[level[-1][None] for level in tiny._features["high_res_feats"]],
    )
    masks = tiny._transforms.postprocess_masks(low_res, tiny._orig_hw[-1])
    assert masks.shape == (1, 3, 20, 40)
    gradients = torch.autograd.grad(masks.mean(), tiny.model.sam_mask_decoder.mask_tokens.weight)
    assert gradients[0].abs().max() > 0


def test_prompts_are_arrays_lists_or_tensors(tiny: SAM2ImagePredictor) -> None:
    tiny.set_image(np.random.default_rng(6).integers(0, 255, (20, 40, 3), np.uint8))
    expected = tiny.predict(np.array([[10, 5]]), np.array([1]), np.array([2, 3, 30, 18]))
    for kind in (list, torch.tensor):
        found = tiny.predict(kind([[10, 5]]), kind([1]), kind([2, 3, 30, 18]))
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(one, other)


def test_points_without_labels_are_refused(tiny: SAM2ImagePredictor) -> None:
    tiny.set_image(np.zeros((20, 40, 3), np.uint8))
    with pytest.raises(ValueError, match="point_coords need point_labels"):
        tiny.predict(np.array([[10, 5]]))
    with pytest.raises(ValueError, match="no image in the list"):
        tiny.set_image_batch([])


def test_coordinates_may_be_relative(tiny: SAM2ImagePredictor) -> None:
    tiny.set_image(np.random.default_rng(2).integers(0, 255, (20, 40, 3), np.uint8))
    pixels, _, _ = tiny.predict(np.array([[10, 5]]), np.array([1]), return_logits=True)
    shares, _, _ = tiny.predict(np.array([[0.25, 0.25]]), np.array([1]), return_logits=True, normalize_coords=False)
    np.testing.assert_allclose(pixels, shares, rtol=0, atol=1e-5)


def test_without_an_image_there_is_nothing_to_predict(tiny: SAM2ImagePredictor) -> None:
    tiny.reset_predictor()
    with pytest.raises(RuntimeError, match="call set_image first"):
        tiny.predict(np.array([[1, 1]]), np.array([1]))


@pytest.mark.parametrize("shape", [(4,), (4, 4, 2), (2, 4, 4, 3)])
def test_an_image_of_another_shape_is_refused(tiny: SAM2ImagePredictor, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"\(H, W, 3\) or \(H, W\)"):
        tiny.set_image(np.zeros(shape, np.uint8))
