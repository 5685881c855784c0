"""The embedded weights do the main job on real stacks: one click per object. A floor below what the model card reports."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from napari_sam2.data.samples import FLUO_MITOCHECK
from napari_sam2.evaluation.dataset import Dataset
from napari_sam2.evaluation.evaluate import prompt_and_score
from napari_sam2.evaluation.scores import Evaluation
from napari_sam2.session.session import Session

DATA = Path(__file__).parent / "data"


@pytest.mark.slow
@pytest.mark.parametrize(("name", "least_mean_iou"), [("fluo_mitocheck", 0.68), ("vol_embryo_8cell", 0.57)])
def test_objects_are_followed(name: str, least_mean_iou: float, tmp_path: Path) -> None:
    folder = shutil.copytree(DATA / name, tmp_path / name)
    if not (folder / "image.tif").exists():
        shutil.copy(FLUO_MITOCHECK.image, folder / "image.tif")
    dataset = Dataset.read(folder)
    *_, result = prompt_and_score(Session(dataset.image, model="micro", device="cpu"), dataset)
    assert isinstance(result, Evaluation)
    assert result.summary()["mean_iou"] >= least_mean_iou
