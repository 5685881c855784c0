"""Choices of a tracker that need no network."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from napari_sam2.model.memory_recall import Recall, RecalledFrame
from napari_sam2.predictors.any_tracker import AnyTracker, Prompt, best_batch
from napari_sam2.predictors.memory_bank import ObjectMemory
from napari_sam2.predictors.zoom import View, Zoom
from packed_records import record_of

POINTS, LABELS, LOGITS = np.zeros((2, 2), np.float32), np.ones(2, np.int32), np.zeros((4, 4), np.float32)
MASK = np.ones((4, 4), bool)


def test_prompts_that_fit_into_one_batch() -> None:
    same = [Prompt(POINTS, LABELS).refining(LOGITS), Prompt(POINTS + 1, LABELS, previous_mask=MASK)]
    others = [Prompt(), Prompt(mask=MASK), Prompt(POINTS, LABELS), Prompt(POINTS[:1], LABELS[:1])]
    assert len({prompt.signature for prompt in same}) == 1
    assert len({prompt.signature for prompt in [*same, *others]}) == 5


@pytest.mark.parametrize(
    ("image_size", "kind", "batch"), [(1024, "cpu", 2), (320, "cpu", 16), (2048, "cpu", 1), (2048, "cuda", 16)]
)
def test_a_batch_stays_in_the_cache_of_a_cpu(image_size: int, kind: str, batch: int) -> None:
    assert best_batch(image_size, kind) == batch


@pytest.mark.parametrize("reverse", [False, True])
def test_the_next_window_is_where_the_object_was_on_the_nearest_frame_that_is_recalled(
    monkeypatch: pytest.MonkeyPatch, reverse: bool
) -> None:
    monkeypatch.setattr(AnyTracker, "__abstractmethods__", frozenset())
    views = {frame: View(frame, frame, 60, 60) for frame in (0, 3, 5)}
    records = {frame: record_of(np.full((8, 8), -1, np.float32), [0.0], 1.0, 1.0, view=view) for frame, view in views.items()}
    recall = Recall(tuple(RecalledFrame(frame, True, 0) for frame in views), (), 1)
    tracker: Any = AnyTracker(9, lambda *_: recall, Zoom((100, 100), 4.0))  # type: ignore[abstract]
    assert tracker.follow(4, [ObjectMemory(records)], reverse) == [views[5 if reverse else 3]]
    assert AnyTracker(9, lambda *_: recall).follow(4, [ObjectMemory(records)], reverse) == [None]  # type: ignore[abstract]
