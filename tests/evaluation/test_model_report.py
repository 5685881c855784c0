"""Scores for a page: exact numbers, names that tell nothing of whose the stack is."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from blob_tracker import BlobTracker, squares, tiny_model
from evaluation_stacks import write_dataset
from napari_sam2.evaluation.dataset import read_datasets
from napari_sam2.evaluation.model_report import ReportedModel, StackScores, bundled_stacks, own_stack, score_stack
from napari_sam2.predictors import tracker

T = 4
TRUTH = squares(T, (32, 32), {3: [(4, 3 + t, 6) for t in range(T)], 8: [(20, 20, 5)] * T})


@pytest.fixture(autouse=True)
def blobs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracker, "Tracker", BlobTracker)


def scored(folder: Path, axes: str | None = None, has_pictures: bool = False) -> tuple[list[int], StackScores]:
    stack = own_stack(1, read_datasets(folder, axes), has_pictures)
    *frames, last = score_stack(tiny_model(), "a model", stack)
    assert isinstance(last, StackScores)
    return [frame for frame in frames if isinstance(frame, int)], last


def test_bundled_stacks_are_described_with_their_credit() -> None:
    described = [(stack.name, stack.description) for stack in bundled_stacks()]
    assert described == [
        ("fluo_mitocheck", "30 × 190 × 211, TYX, uint8, 21 objects"),
        ("vol_embryo_8cell", "51 × 120 × 122, ZYX, uint16, 8 objects"),
    ]
    assert all(stack.has_pictures and "CC BY" in stack.credit for stack in bundled_stacks())


def test_a_stack_is_scored_under_another_name(tmp_path: Path) -> None:
    frames, scores = scored(write_dataset(tmp_path / "Jane Doe", TRUTH))
    assert sorted(frames) == [1, 2, 3]
    assert (scores.model, scores.stack, scores.picture) == ("a model", "own stack 1", None)
    assert scores.summary["mean_iou"] == 1
    assert [row["object_id"] for row in scores.rows] == [3, 8]
    assert scores.ms_per_mask == pytest.approx(1e3 * scores.seconds / (2 * T))
    assert "Doe" not in repr(scores)


def test_a_picture_has_the_other_name_too(tmp_path: Path) -> None:
    """The longer the name above it, the wider the picture: it does not depend on the name of the folder."""
    sizes = set()
    for name in ("a", "a patient with a name that is longer than all the words of the legend together, and then some more"):
        _, scores = scored(write_dataset(tmp_path / name, TRUTH), has_pictures=True)
        assert scores.picture is not None
        with Image.open(io.BytesIO(scores.picture)) as picture:
            sizes.add(picture.size)
    assert len(sizes) == 1


def test_a_collection_of_images(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path / "images", TRUTH[:2], "QYX")
    _, scores = scored(folder, "NYX")
    assert scores.summary["objects"] == 4
    assert scores.seconds > 0
    assert own_stack(2, read_datasets(folder, "NYX"), False).description == "2 images of 32 × 32, YX, uint16, 4 objects"


def test_objects_that_the_border_cuts_are_refused(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path / "cut", np.ones((1, 16, 16), np.uint16), "TYX")
    with pytest.raises(ValueError, match="the image border cuts every object"):
        own_stack(1, read_datasets(folder), False)


def test_a_model_has_a_name_and_a_hash_but_no_path(tmp_path: Path) -> None:
    model = tiny_model()
    own = ReportedModel.of(model, 2, 0.5)
    assert (own.name, own.device, own.load_s) == ("own checkpoint 2", "cpu", 0.5)
    assert len(own.sha256) == 12
    named = ReportedModel.of(model, None, 0.5)
    assert (named.name, named.sha256) == (model.config.name, own.sha256)
