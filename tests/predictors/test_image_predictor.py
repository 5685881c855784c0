"""The image predictor against the official one at full size, and on images of any kind."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from golden_files import fill_with_keyed_weights, read_golden
from PIL import Image

from napari_sam2.predictors.build import build_sam2
from napari_sam2.predictors.image_predictor import SAM2ImagePredictor

GOLDEN = "image_sam2.1_t_1024"
TOLERANCE = 2e-3


@cache
def official_size() -> SAM2ImagePredictor:
    model = build_sam2("configs/sam2.1/sam2.1_hiera_t.yaml", device="cpu")
    fill_with_keyed_weights(model, seed=1)
    predictor = SAM2ImagePredictor(model)
    predictor.set_image(read_golden(GOLDEN)["image"])
    return predictor


def official_prompts() -> dict[str, dict]:
    point = {"point_coords": np.array([[200.0, 150.0]]), "point_labels": np.array([1])}
    return {"point": point}


def test_embedding_equals_the_official_one() -> None:
    found = official_size().get_image_embedding()[0, ::4, ::4, ::4].numpy()
    np.testing.assert_allclose(found, read_golden(GOLDEN)["embedding"], rtol=0, atol=TOLERANCE)
