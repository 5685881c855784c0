"""The image predictor against the official one at full size, and on images of any kind."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
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
    assert masks.dtype == bool
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
