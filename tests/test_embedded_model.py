"""The embedded weights do the main job on real stacks: one click per object. A floor below what the model card reports."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_sam2.data.samples import FLUO_MITOCHECK, VOL_EMBRYO_8CELL, Sample
from napari_sam2.evaluation.dataset import Dataset
from napari_sam2.evaluation.evaluate import prompt_and_score
from napari_sam2.evaluation.scores import Evaluation
from napari_sam2.session.session import Session


def mean_iou(folder: Path) -> float:
    dataset = Dataset.read(folder)
    *_, result = prompt_and_score(Session(dataset.image, model="micro", device="cpu"), dataset)
    assert isinstance(result, Evaluation)
    return result.summary()["mean_iou"]


@pytest.mark.slow
@pytest.mark.parametrize(("sample", "least_mean_iou"), [(FLUO_MITOCHECK, 0.68), (VOL_EMBRYO_8CELL, 0.57)])
def test_objects_are_followed(sample: Sample, least_mean_iou: float) -> None:
    assert mean_iou(sample.folder) >= least_mean_iou


def test_a_few_objects_are_followed_through_a_few_frames(tmp_path: Path) -> None:
    image, masks = tifffile.imread(FLUO_MITOCHECK.image)[:4], tifffile.imread(FLUO_MITOCHECK.masks)[:4]
    in_each_frame = set.intersection(*(set(np.unique(frame)[1:].tolist()) for frame in masks))
    masks[~np.isin(masks, sorted(in_each_frame)[:3])] = 0
    tifffile.imwrite(tmp_path / "image.tif", image, imagej=True, metadata={"axes": "TYX"})
    tifffile.imwrite(tmp_path / "masks.tif", masks, imagej=True, metadata={"axes": "TYX"})
    assert mean_iou(tmp_path) >= 0.75
