from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from napari_sam2.predictors.frames import IMAGE_MEAN, IMAGE_STD
from napari_sam2.predictors.transforms import SAM2Transforms

TRANSFORMS = SAM2Transforms(32, mask_threshold=0.0)


def intensities(found: torch.Tensor) -> np.ndarray:
    """What was seen, in 0 .. 1."""
    return found.numpy() * np.array(IMAGE_STD)[:, None, None] + np.array(IMAGE_MEAN)[:, None, None]


@pytest.mark.parametrize(
    "image",
    [
        np.full((20, 30, 3), 51, np.uint8),
        np.full((20, 30), 51, np.uint8),
        Image.new("L", (30, 20), 51),
        Image.new("RGB", (30, 20), (51, 51, 51)),
        Image.new("RGBA", (30, 20), (51, 51, 51, 0)),
    ],
    ids=["rgb", "grey", "PIL grey", "PIL rgb", "PIL rgba"],
)
def test_an_image_becomes_a_normalised_square(image: object) -> None:
    found = TRANSFORMS(image)
    assert found.shape == (3, 32, 32)
    assert found.dtype == torch.float32
    np.testing.assert_allclose(intensities(found), 0.2, atol=1e-6)


def test_other_types_use_the_whole_range() -> None:
    ramp = np.linspace(100, 4000, 64 * 64).reshape(64, 64).astype(np.uint16)
    found = intensities(TRANSFORMS(ramp))
    assert found.min() == pytest.approx(0, abs=0.02)
    assert found.max() == pytest.approx(1, abs=0.02)


def test_images_of_several_sizes_are_one_batch() -> None:
    images = [np.full((20, 30, 3), 51, np.uint8), np.full((40, 10), 102, np.uint8)]
    found = TRANSFORMS.forward_batch(images)
    assert found.shape == (2, 3, 32, 32)
    for one, image in zip(found, images, strict=True):
        assert torch.equal(one, TRANSFORMS(image))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_points_and_boxes_come_to_pixels_of_the_input(dtype: torch.dtype) -> None:
    points = torch.tensor([[30.0, 5.0]], dtype=dtype)
    found = TRANSFORMS.transform_coords(points, normalize=True, orig_hw=(20, 60))
    assert found.tolist() == [[16, 8]]
    assert found.dtype == dtype
    assert points.tolist() == [[30, 5]]
    assert TRANSFORMS.transform_coords(torch.tensor([[0.5, 0.25]])).tolist() == [[16, 8]]
    boxes = torch.tensor([[0.0, 0.0, 30.0, 5.0], [30.0, 5.0, 60.0, 20.0]])
    corners = TRANSFORMS.transform_boxes(boxes, normalize=True, orig_hw=(20, 60))
    assert corners.tolist() == [[[0, 0], [16, 8]], [[16, 8], [32, 32]]]


def test_pixels_of_what_is_asked() -> None:
    with pytest.raises(ValueError, match="orig_hw, the height and width"):
        TRANSFORMS.transform_coords(torch.zeros(1, 2), normalize=True)


def test_masks_are_cleaned_and_enlarged() -> None:
    low_res = torch.full((1, 2, 8, 8), -3.0)
    low_res[0, 0, 1:6, 1:6] = 3.0
    low_res[0, 0, 3, 3] = -3.0
    low_res[0, 1, 7, 7] = 3.0
    as_it_was = TRANSFORMS.postprocess_masks(low_res, (8, 8))
    assert torch.equal(as_it_was, low_res)
    cleaning = SAM2Transforms(32, 0.0, max_hole_area=1, max_sprinkle_area=1)
    cleaned = cleaning.postprocess_masks(low_res, (8, 8)) > 0
    assert cleaned.sum((2, 3)).tolist() == [[25, 0]]
    assert cleaned[0, 0, 1:6, 1:6].all()
    enlarged = cleaning.postprocess_masks(low_res, (16, 24)) > 0
    assert enlarged.shape == (1, 2, 16, 24)
    assert enlarged[0, 0, 3:11, 5:16].all()
    assert not enlarged[0, 1].any()


def test_half_precision_comes_back_as_float32() -> None:
    assert TRANSFORMS.postprocess_masks(torch.zeros(1, 1, 8, 8, dtype=torch.bfloat16), (8, 8)).dtype == torch.float32


@pytest.mark.parametrize("shape", [(4,), (4, 4, 2), (2, 4, 4, 3), ()])
def test_an_image_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"\(H, W, 3\) or \(H, W\)"):
        TRANSFORMS(np.zeros(shape, np.uint8))
