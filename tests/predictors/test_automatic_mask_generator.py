from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_sam2.predictors.automatic_mask_generator import (
    SAM2AutomaticMaskGenerator,
    box_nms,
    build_point_grid,
    calculate_stability_score,
    generate_crop_boxes,
    is_box_near_crop_edge,
    mask_to_rle,
)
from napari_sam2.predictors.build import load_model
from napari_sam2.predictors.mask_postprocessing import mask_to_box

DISCS = ((30, 34, 14), (70, 90, 18), (95, 30, 12))


def discs(size: int = 128) -> np.ndarray:
    rows, columns = np.mgrid[:size, :size]
    rng = np.random.default_rng(0)
    image = rng.normal(30, 4, (size, size))
    for row, column, radius in DISCS:
        image[(rows - row) ** 2 + (columns - column) ** 2 < radius**2] += 140
    return np.clip(image, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def generator() -> SAM2AutomaticMaskGenerator:
    return SAM2AutomaticMaskGenerator(
        load_model("micro", "cpu"), points_per_side=8, pred_iou_thresh=0.5, stability_score_thresh=0.8, min_mask_region_area=40
    )


@pytest.fixture(scope="module")
def found(generator: SAM2AutomaticMaskGenerator) -> list[dict]:
    return generator.generate(discs())


def test_every_disc_is_found_once(found: list[dict]) -> None:
    rows, columns = np.mgrid[:128, :128]
    for row, column, radius in DISCS:
        disc = (rows - row) ** 2 + (columns - column) ** 2 < radius**2
        ious = [(disc & item["segmentation"]).sum() / (disc | item["segmentation"]).sum() for item in found]
        assert sum(iou > 0.7 for iou in ious) == 1


def test_results_say_what_the_mask_says(found: list[dict]) -> None:
    for item in found:
        mask = item["segmentation"]
        rows, columns = np.nonzero(mask)
        assert item["area"] == mask.sum()
        assert item["bbox"] == [columns.min(), rows.min(), np.ptp(columns), np.ptp(rows)]
        assert item["crop_box"] == [0, 0, 128, 128]
        assert all(type(value) is float for value in (*item["bbox"], *item["crop_box"]))
        assert item["predicted_iou"] > 0.5
        assert 0.8 <= item["stability_score"] <= 1
        assert len(item["point_coords"]) == 1


def test_run_lengths_decode_to_the_mask(generator: SAM2AutomaticMaskGenerator, found: list[dict]) -> None:
    generator.output_mode = "uncompressed_rle"
    encoded = generator.generate(discs())
    generator.output_mode = "binary_mask"
    assert len(encoded) == len(found)
    for item, plain in zip(encoded, found, strict=True):
        runs = item["segmentation"]["counts"]
        values = np.arange(len(runs)) % 2 == 1
        decoded = np.repeat(values, runs).reshape(item["segmentation"]["size"], order="F")
        np.testing.assert_array_equal(decoded, plain["segmentation"])


@pytest.mark.parametrize("arguments", [{"crop_n_layers": 1, "points_per_side": 4}, {"use_m2m": True, "points_per_side": 4}])
def test_crops_and_a_second_look_find_them_too(arguments: dict) -> None:
    model = load_model("micro", "cpu")
    looking = SAM2AutomaticMaskGenerator(model, pred_iou_thresh=0.4, stability_score_thresh=0.7, **arguments)
    assert all(item["segmentation"].shape == (128, 128) for item in looking.generate(discs()))


def test_nothing_in_nothing(generator: SAM2AutomaticMaskGenerator) -> None:
    generator.pred_iou_thresh = 1.1
    assert generator.generate(discs()) == []
    generator.pred_iou_thresh = 0.5


@pytest.mark.parametrize(
    "arguments", [{"points_per_side": None}, {"points_per_side": 4, "point_grids": [np.zeros((1, 2))]}, {"output_mode": "png"}]
)
def test_arguments_that_make_no_sense(arguments: dict, generator: SAM2AutomaticMaskGenerator) -> None:
    with pytest.raises(ValueError, match="must be"):
        SAM2AutomaticMaskGenerator(generator.predictor.model, **arguments)


def test_a_grid_is_even() -> None:
    assert build_point_grid(2).tolist() == [[0.25, 0.25], [0.75, 0.25], [0.25, 0.75], [0.75, 0.75]]


@example(height=35, width=30, layers=3)
@example(height=30, width=35, layers=3)
@given(height=st.integers(8, 200), width=st.integers(8, 200), layers=st.integers(0, 3))
def test_crops_of_a_layer_cover_the_image(height: int, width: int, layers: int) -> None:
    seen = np.zeros((layers + 1, height, width), bool)
    counts = np.zeros(layers + 1, int)
    for (x0, y0, x1, y1), layer in generate_crop_boxes((height, width), layers, 0.34):
        assert 0 <= x0 < x1 <= width
        assert 0 <= y0 < y1 <= height
        seen[layer, y0:y1, x0:x1] = True
        counts[layer] += 1
    assert seen.all()
    most = [4**layer for layer in range(layers + 1)]
    assert all(count <= number for count, number in zip(counts.tolist(), most, strict=True))
    if min(height, width) >= 49:
        assert counts.tolist() == most


def test_boxes_that_a_crop_cuts_are_known() -> None:
    boxes = torch.tensor([[40, 40, 60, 60], [5, 40, 60, 60], [40, 40, 60, 95]])
    assert is_box_near_crop_edge(boxes, (0, 0, 100, 100), (100, 100)).tolist() == [False, False, False]
    assert is_box_near_crop_edge(boxes, (100, 0, 200, 100), (300, 300)).tolist() == [False, True, True]


def test_the_best_of_overlapping_boxes_stays() -> None:
    boxes = torch.tensor([[0, 0, 10, 10], [1, 0, 11, 10], [20, 20, 30, 30], [0, 0, 5, 10]])
    assert box_nms(boxes, torch.tensor([0.5, 0.9, 0.1, 0.8]), 0.7).tolist() == [1, 3, 2]
    assert box_nms(boxes, torch.tensor([0.5, 0.9, 0.1, 0.8]), 0.3).tolist() == [1, 2]
    assert box_nms(boxes[:0], torch.zeros(0), 0.5).tolist() == []


def test_stability_compares_a_higher_with_a_lower_threshold() -> None:
    logits = torch.tensor([[[3.0, 0.5, -0.5, -3.0]], [[-3.0, -3.0, -3.0, -3.0]]])
    assert calculate_stability_score(logits, 0.0, 1.0).tolist() == pytest.approx([1 / 3, 0.0])


@given(hnp.arrays(bool, (2, 4, 5)))
def test_run_lengths_and_boxes_of_any_mask(masks: np.ndarray) -> None:
    boxes = mask_to_box(torch.from_numpy(masks)).tolist()
    for mask, box in zip(masks, boxes, strict=True):
        rle = mask_to_rle(mask)
        assert sum(rle["counts"]) == mask.size
        assert sum(rle["counts"][1::2]) == mask.sum()
        rows, columns = np.nonzero(mask)
        assert box == ([columns.min(), rows.min(), columns.max(), rows.max()] if len(rows) else [0, 0, 0, 0])
