"""Held-out data, and the scores on it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from blob_tracker import BlobTracker, squares, tiny_model
from napari_sam2.evaluation.scores import Evaluation
from napari_sam2.model.assembly import build_model
from napari_sam2.predictors import tracker
from napari_sam2.training.held_out import HeldOutClips, hold_out, stacks_to_score
from napari_sam2.training.real_stacks import LabelledStack
from napari_sam2.training.sam2_train import SAM2Train
from tiny_models import TINY

T = 10
TRUTH = squares(T, (40, 60), {3: [(4, 3 + t, 9) for t in range(T)], 8: [(20 - t, 40, 6 + t % 3) for t in range(T)]}).astype(
    np.uint16
)


def stack(truth: np.ndarray = TRUTH, is_sequence: bool = True) -> LabelledStack:
    return LabelledStack(np.where(truth > 0, 200, 20).astype(np.uint8), truth, is_sequence)


@pytest.mark.parametrize(
    ("whole", "share", "training", "held_out"),
    [
        (stack(), 0.3, (7, 40, 60), (3, 40, 60)),
        (stack(TRUTH[:7]), 0.35, (7, 40, 39), (7, 40, 21)),  # two frames would be too few
        (stack(TRUTH[:, :, :30]), 0.1, (7, 40, 30), (3, 40, 30)),  # no object is whole in a strip of four rows
        (stack(TRUTH[:5, :, :30]), 0.1, (5, 36, 30), (5, 4, 30)),
        (stack(is_sequence=False), 0.2, (8, 40, 60), (2, 40, 60)),
        (stack(TRUTH[:1]), 0.2, (1, 40, 48), (1, 40, 12)),
        (stack(TRUTH[:1].swapaxes(1, 2)), 0.2, (1, 48, 40), (1, 12, 40)),
    ],
    ids=["last frames", "strip of frames", "three frames", "too few to part with three", "last images", "columns", "rows"],
)
def test_the_end_is_held_out(whole: LabelledStack, share: float, training: tuple, held_out: tuple) -> None:
    parts = hold_out(whole, share)
    assert [part.image.shape for part in parts] == [training, held_out]
    axis = next(i for i in range(3) if training[i] != held_out[i])
    np.testing.assert_array_equal(np.concatenate([part.labels for part in parts], axis), whole.labels)
    np.testing.assert_array_equal(np.concatenate([part.image for part in parts], axis), whole.image)


def test_clips_are_the_same_every_time() -> None:
    first, again, other = (HeldOutClips([stack()], 3, 64, seed) for seed in (0, 0, 1))
    assert all(torch.equal(a.frames, b.frames) for a, b in zip(first.batches, again.batches, strict=True))
    assert not all(torch.equal(a.frames, b.frames) for a, b in zip(first.batches, other.batches, strict=True))
    torch.manual_seed(0)
    model = build_model(TINY, SAM2Train, prob_to_use_pt_input_for_eval=1.0, num_correction_pt_per_frame=0).eval()
    with torch.no_grad():
        scores = [first.mean_iou(model) for _ in range(2)]
    assert scores[0] == scores[1]
    assert 0 <= scores[0] < 1


def test_without_a_large_object_there_is_one_sentence() -> None:
    with pytest.raises(ValueError, match="no object that is large enough"):
        HeldOutClips([stack(np.zeros_like(TRUTH))], 3, 64, 0)


def test_objects_are_prompted_where_they_are_whole_and_largest() -> None:
    truth = TRUTH.copy()
    truth[5:][truth[5:] == 8] = 0
    truth[4, :12, 40:55] = 8  # larger, but the border cuts it
    truth[:, 35:40, :9] = 5  # cut on all frames
    (scored,) = stacks_to_score("cells", stack(truth))
    assert scored.dataset.anchors == {3: 0, 8: 2}
    assert len(scored) == T


def test_images_are_scored_one_by_one() -> None:
    truth = TRUTH.copy()
    truth[4] = 0
    names = [scored.name for scored in stacks_to_score("cells", stack(truth[:6], is_sequence=False))]
    assert names == [f"cells, image {i}" for i in (0, 1, 2, 3, 5)]
    assert stacks_to_score("cells", stack(np.zeros_like(TRUTH))) == []


def test_a_perfect_model_has_a_perfect_score(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tracker, "Tracker", BlobTracker)
    (scored,) = stacks_to_score("cells", stack())
    *frames, (result, labels) = scored.score(tiny_model())
    assert isinstance(result, Evaluation)
    assert result.summary()["mean_iou"] == 1
    np.testing.assert_array_equal(labels, TRUTH)
    assert 0 < len(frames) <= 2 * T
