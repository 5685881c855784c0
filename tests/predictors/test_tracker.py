from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_sam2.predictors.frame_features import FrameFeatures
from napari_sam2.predictors.frames import open_frames
from napari_sam2.predictors.memory_bank import ObjectMemory
from napari_sam2.predictors.record_store import RecordBudget, RecordStore
from napari_sam2.predictors.tracker import Prompt, Tracker
from tiny_models import TINY_HIERA, tiny_predictor

T = 10


@pytest.fixture(scope="module")
def features() -> FrameFeatures:
    model = tiny_predictor(TINY_HIERA)
    video = np.random.default_rng(0).integers(0, 255, (T, 32, 32), np.uint8)
    return FrameFeatures(model, open_frames(video, 64))


def prompt(x: float, y: float) -> Prompt:
    return Prompt(torch.tensor([[x, y]]), torch.tensor([1], dtype=torch.int32))


def follow(tracker: Tracker, memories: list[ObjectMemory]) -> None:
    with torch.inference_mode():
        prompts = [prompt(10, 20), prompt(40, 30), prompt(20, 50)][: len(memories)]
        records = tracker.remember(0, tracker.segment(0, prompts))
        for memory, record in zip(memories, records, strict=True):
            memory.conditioning[0] = record
        for frame in range(1, T):
            for memory, record in zip(memories, tracker.track(frame, memories), strict=True):
                memory.tracked[frame] = record


@pytest.mark.parametrize("max_batch", [1, 2, 16])
def test_the_size_of_a_batch_changes_nothing(features: FrameFeatures, max_batch: int) -> None:
    expected, found = [ObjectMemory() for _ in range(3)], [ObjectMemory() for _ in range(3)]
    follow(Tracker(features.model, features), expected)
    follow(Tracker(features.model, features, max_batch=max_batch), found)
    for a, b in zip(expected, found, strict=True):
        for frame in range(T):
            torch.testing.assert_close(a.get(frame).mask_logits, b.get(frame).mask_logits, rtol=0, atol=1e-4)


def test_records_on_disk_are_the_same_records(features: FrameFeatures) -> None:
    """A budget that holds three records: everything else comes back from the file, bit for bit."""
    plain = [ObjectMemory() for _ in range(2)]
    follow(Tracker(features.model, features), plain)
    record_bytes = 16 * 16 * 4 + 32 * 4 + 16 * 4 * 4 * 2
    budget = RecordBudget(3 * record_bytes)
    spilled = [ObjectMemory(tracked=RecordStore(budget)) for _ in range(2)]
    follow(Tracker(features.model, features), spilled)
    assert budget.held_bytes <= 3 * record_bytes
    for a, b in zip(plain, spilled, strict=True):
        assert list(a.frames()) == list(b.frames())
        for frame in range(1, T):
            assert torch.equal(a.tracked[frame].mask_logits, b.tracked[frame].mask_logits)
            assert torch.equal(a.tracked[frame].memory, b.tracked[frame].memory)
            assert torch.equal(a.tracked[frame].pointer, b.tracked[frame].pointer)
            assert a.tracked[frame].object_score == b.tracked[frame].object_score


def test_memories_are_kept_in_bfloat16(features: FrameFeatures) -> None:
    (memory,) = memories = [ObjectMemory()]
    follow(Tracker(features.model, features), memories)
    assert {memory.get(frame).memory.dtype for frame in range(T)} == {torch.bfloat16}
    assert all(0 <= memory.get(frame).predicted_iou <= 1 for frame in range(T))
