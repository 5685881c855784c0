"""Everything on a frame becomes objects, once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import ndimage as ndi

from blob_tracker import blob_session, squares, tiny_model
from napari_sam2.data.samples import FLUO_MITOCHECK
from napari_sam2.predictors import automatic_mask_generator
from napari_sam2.predictors.automatic_mask_generator import SAM2AutomaticMaskGenerator
from napari_sam2.session.editing import everything
from napari_sam2.session.editing.everything import find_everything
from napari_sam2.session.session import Session
from tiny_models import tiny_predictor

T, SHAPE = 6, (32, 32)
TRUTH = squares(
    T,
    SHAPE,
    {
        1: [(4, 3 + t, 6) for t in range(T)],
        2: [(20 - t, 20, 5) for t in range(T)],
        3: [(25, 4, 4) if t >= 3 else None for t in range(T)],
    },
)
MOVIE = np.where(TRUTH > 0, 200, 10).astype(np.uint8)


class BlobGenerator:
    """A double with meaning: finds the bright blobs, the background, and each blob a second time, a row shorter."""

    def __init__(self, model: Any, min_area: int = 0, output_mode: str = "", **thresholds: float) -> None:
        assert output_mode == "binary_mask"
        self.min_area = min_area
        self.after_batch: Callable[[], None] = lambda: None

    def num_batches(self, size: tuple[int, int]) -> int:
        return 3

    def generate(self, image: np.ndarray) -> list[dict[str, Any]]:
        bright = image > 128
        labels, count = ndi.label(bright)
        masks = [(0.9 - 0.1 * i, labels == i) for i in range(1, count + 1)]
        masks += [(score - 0.5, mask & np.roll(mask, 1, axis=0)) for score, mask in masks]
        masks.append((1.0, ~bright))
        return [
            {"segmentation": mask, "area": int(mask.sum()), "predicted_iou": score}
            for score, mask in reversed(masks)
            if mask.sum() >= self.min_area
        ]


@pytest.fixture(autouse=True)
def _blobs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(automatic_mask_generator, "SAM2AutomaticMaskGenerator", BlobGenerator)


def test_found_once_and_followed_and_again_what_comes_later() -> None:
    session = blob_session(MOVIE)
    assert session.segment_everything(0) == [1, 2]
    assert session.segment_everything(0) == []
    list(session.propagate())
    np.testing.assert_array_equal(session.labels, np.where(TRUTH < 3, TRUTH, 0))
    assert session.segment_everything(4) == [3]
    list(session.propagate())
    np.testing.assert_array_equal(session.labels, TRUTH)
    for _ in range(4):
        session.undo()
    assert session.objects == {}
    assert not session.labels.any()


def test_what_overlaps_an_object_is_left_out() -> None:
    session = blob_session(MOVIE)
    session.add_mask(session.add_object(object_id=7), 0, (TRUTH[0] == 2) & (np.arange(32) < 23))
    assert session.segment_everything(0) == [8]
    np.testing.assert_array_equal(session.labels[0] == 8, TRUTH[0] == 1)


def test_areas_and_options() -> None:
    assert blob_session(MOVIE).segment_everything(0, (25, 900)) == [1, 2]
    assert len(blob_session(MOVIE).segment_everything(0, (31, 100))) == 1
    assert len(blob_session(MOVIE).segment_everything(0, min_area=36)) == 1
    with pytest.raises(ValueError, match="frame 6 does not exist"):
        blob_session(MOVIE).segment_everything(6)


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("points_per_side", 0, "points_per_side is 1 or more, got 0"),
        ("points_per_batch", 0, "points_per_batch is 1 or more, got 0"),
        ("crop_n_layers", -1, "crop_n_layers is 0 or more, got -1"),
        ("use_m2m", "no", "use_m2m is True or False, got 'no'"),
        ("point_grid", [], "there is no option 'point_grid' for finding everything"),
    ],
)
def test_options_that_cannot_be(option: str, value: Any, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(automatic_mask_generator, "SAM2AutomaticMaskGenerator", SAM2AutomaticMaskGenerator)
    with pytest.raises(ValueError, match=message):
        blob_session(MOVIE).segment_everything(0, **{option: value})


def test_points_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    class Asked(SAM2AutomaticMaskGenerator):
        def generate(self, image: Any) -> list[Any]:
            asked.append(self.point_grids)
            return []

    monkeypatch.setattr(automatic_mask_generator, "SAM2AutomaticMaskGenerator", Asked)
    grid = np.array([[0.25, 0.5]])
    assert blob_session(MOVIE).segment_everything(0, point_grids=[grid]) == []
    assert asked == [[grid]]


def test_a_dim_movie_is_as_the_model_sees_it() -> None:
    session = blob_session(np.where(TRUTH > 0, 1500, 1000).astype(np.uint16))
    assert session.segment_everything(3) == [1, 2, 3]


def test_with_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    session = Session(MOVIE, model=tiny_predictor())
    found = session.segment_everything(0, points_per_side=2, pred_iou_thresh=-10.0, stability_score_thresh=0.0)
    assert found == sorted(session.objects)
    assert all(session.objects[i].anchors == [0] for i in found)


def test_nested_masks_of_which_one_is_taken() -> None:
    class Nested(BlobGenerator):
        def generate(self, image: np.ndarray) -> list[dict[str, Any]]:
            cell, nucleus = np.zeros((2, 20, 20), bool)
            cell[2:12, 2:12], nucleus[4:8, 4:8] = True, True
            return [{"segmentation": m, "area": int(m.sum()), "predicted_iou": s} for m, s in ((cell, 0.8), (nucleus, 0.9))]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(automatic_mask_generator, "SAM2AutomaticMaskGenerator", Nested)
        (mask,) = find_everything(tiny_model(), np.zeros((20, 20), np.uint8), [])
    assert mask.sum() == 16


def test_with_the_embedded_model_nuclei_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    session = Session(FLUO_MITOCHECK.image)
    found = session.segment_everything(0, points_per_side=16)
    assert len(found) >= 8
    assert 30 < np.median([session.mask(i, 0).sum() for i in found]) < 300


def test_it_is_watched_and_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(automatic_mask_generator, "SAM2AutomaticMaskGenerator", SAM2AutomaticMaskGenerator)
    model, image = tiny_predictor(), np.zeros((32, 32, 3), np.uint8)
    seen: list[tuple[int, int]] = []

    def watch(done: int, total: int) -> bool:
        seen.append((done, total))
        return done < 2

    with pytest.raises(everything.FindingStopped), everything.watched(watch):
        find_everything(model, image, [], points_per_side=4, points_per_batch=5)
    assert seen == [(1, 4), (2, 4)]
    find_everything(model, image, [], points_per_side=4, points_per_batch=8)
    assert len(seen) == 2, "no longer"


def test_what_was_stopped_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    session = blob_session(MOVIE)

    class Batches(BlobGenerator):
        def generate(self, image: np.ndarray) -> list[dict[str, Any]]:
            self.after_batch()
            return super().generate(image)

    monkeypatch.setattr(automatic_mask_generator, "SAM2AutomaticMaskGenerator", Batches)
    with pytest.raises(everything.FindingStopped), everything.watched(lambda done, total: False):
        session.segment_everything(0)
    assert (list(session.objects), session.can_undo) == ([], False)
    assert session.segment_everything(0) == [1, 2]
