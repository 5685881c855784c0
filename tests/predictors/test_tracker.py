from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch.overrides import TorchFunctionMode

from napari_sam2.predictors.any_tracker import Prompt
from napari_sam2.predictors.frame_features import FrameFeatures
from napari_sam2.predictors.frames import open_frames
from napari_sam2.predictors.logits import LOGIT_STEP
from napari_sam2.predictors.memory_bank import MaskOrigin, ObjectMemory
from napari_sam2.predictors.record_store import RecordBudget, RecordStore
from napari_sam2.predictors.tracker import Tracker, mask_as_logits
from napari_sam2.predictors.zoom import View, Zoom
from packed_records import bits, contents
from tiny_models import TINY_HIERA, tiny_predictor

T = 10


@pytest.fixture(scope="module")
def features() -> FrameFeatures:
    model = tiny_predictor(TINY_HIERA)
    video = np.random.default_rng(0).integers(0, 255, (T, 32, 32), np.uint8)
    return FrameFeatures(model, open_frames(video, 64))


def prompt(x: float, y: float) -> Prompt:
    return Prompt(np.array([[x, y]], np.float32), np.array([1], np.int32))


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
            np.testing.assert_allclose(a.get(frame).mask_logits, b.get(frame).mask_logits, rtol=0, atol=1e-4)


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
            assert contents(a.tracked[frame]) == contents(b.tracked[frame])


def test_memories_are_kept_in_bfloat16(features: FrameFeatures) -> None:
    (memory,) = memories = [ObjectMemory()]
    follow(Tracker(features.model, features), memories)
    assert {memory.get(frame).memory.dtype for frame in range(T)} == {"bfloat16"}
    assert all(0 <= memory.get(frame).predicted_iou <= 1 for frame in range(T))


class FullAt:
    """Stands for a block of the model on a device whose memory is full for batches above a size."""

    def __init__(self, block: torch.nn.Module, largest: int) -> None:
        self.block, self.largest, self.batches = block, largest, []

    def __call__(self, **given: torch.Tensor) -> torch.Tensor:
        size = given["memory"].shape[1]
        if size > self.largest:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")
        self.batches.append(size)
        return self.block(**given)


@pytest.mark.parametrize(("largest", "batches"), [(3, [3]), (2, [1, 1, 1]), (1, [1, 1, 1])])
def test_a_batch_for_which_the_memory_is_full_is_split(
    features: FrameFeatures, monkeypatch: pytest.MonkeyPatch, largest: int, batches: list[int]
) -> None:
    expected, found = [ObjectMemory() for _ in range(3)], [ObjectMemory() for _ in range(3)]
    follow(Tracker(features.model, features), expected)
    full = FullAt(features.model.memory_attention.forward, largest)
    monkeypatch.setattr(features.model.memory_attention, "forward", full)
    follow(Tracker(features.model, features, max_batch=16), found)
    assert full.batches == batches * (T - 1)
    for a, b in zip(expected, found, strict=True):
        for frame in range(T):
            np.testing.assert_allclose(a.get(frame).mask_logits, b.get(frame).mask_logits, rtol=0, atol=1e-4)


def test_where_nothing_can_be_given_up_the_error_is_told_and_what_was_tracked_stays(
    features: FrameFeatures, monkeypatch: pytest.MonkeyPatch
) -> None:
    memories = [ObjectMemory() for _ in range(2)]
    follow(tracker := Tracker(features.model, features), memories)
    before = [memory.frames() for memory in memories]
    with monkeypatch.context() as patch:
        patch.setattr(features.model.memory_attention, "forward", FullAt(features.model.memory_attention.forward, 0))
        with pytest.raises(torch.OutOfMemoryError), torch.inference_mode():
            tracker.track(T - 1, memories)
    assert [memory.frames() for memory in memories] == before
    with torch.inference_mode():
        assert len(tracker.track(T - 1, memories)) == 2


def test_a_full_gpu_gives_up_its_batch_then_memories_then_the_model(
    features: FrameFeatures, caplog: pytest.LogCaptureFixture
) -> None:
    class OnGpu(torch.nn.Module):
        device, image_size = torch.device("mps"), 64
        non_overlap_masks_for_mem_enc = False

        def to(self, device: torch.device) -> None:
            self.device = device

    tracker = Tracker(OnGpu(), FrameFeatures(features.model, features.frames))
    assert tracker.max_batch == 16
    assert [tracker._free_memory(size) for size in (5, 2, 1, 1, 1)] == [True, True, True, True, False]
    assert (tracker.max_batch, tracker.storage_device.type, tracker.model.device.type) == (1, "cpu", "cpu")
    assert [record.message.split(": ")[-1].removesuffix(" from now on") for record in caplog.records] == [
        "at most 2 objects are tracked at a time",
        "at most 1 objects are tracked at a time",
        "what is remembered of new frames is kept in that of the CPU",
        "from now on the CPU computes",
    ]


def test_a_mask_as_logits_is_certain_away_from_its_outline() -> None:
    mask = np.zeros((8, 8), bool)
    mask[:, :4] = True
    logits = mask_as_logits(mask, 4)
    assert logits.shape == (4, 4)
    assert logits[:, 0].tolist() == pytest.approx([10] * 4)
    assert logits[:, 3].tolist() == pytest.approx([-10] * 4)
    assert torch.equal(logits > 0, torch.tensor([[True, True, False, False]] * 4))


def test_the_mask_of_a_prompt_is_resized_to_the_input_of_the_model(features: FrameFeatures) -> None:
    small, large = np.zeros((16, 8), bool), np.zeros((64, 64), bool)
    small[4:12, 2:6] = large[16:48, 16:48] = True
    with torch.inference_mode():
        found = Tracker(features.model, features).segment(0, [Prompt(mask=small), Prompt(mask=large)])
    expected = np.kron(small, np.ones((1, 2), bool))
    assert [(one.mask_logits > 0).tolist() for one in found] == [expected.tolist()] * 2


# --- on a GPU ----------------------------------------------------------------------------------------------------------


class Transfers(TorchFunctionMode):
    """Counts what makes a host wait for a GPU, or brings a tensor to another device."""

    NAMES = frozenset({"cpu", "numpy", "tolist", "item", "to", "__bool__", "__int__", "__float__", "__index__", "nonzero"})

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.__name__ in self.NAMES:
            self.names.append(func.__name__)
        return func(*args, **(kwargs or {}))


@torch.inference_mode()
def test_a_frame_has_as_many_transfers_for_many_objects_as_for_a_few() -> None:
    """With a window for each object, as on a GPU: windows in one batch, and what is recalled stays there."""

    def transfers(num_objects: int) -> list[str]:
        video = np.random.default_rng(0).integers(0, 255, (T, 200, 200), np.uint8)
        features = FrameFeatures(tiny_predictor(TINY_HIERA), open_frames(video, 64))
        features.encodes_together = True
        tracker = Tracker(features.model, features, zoom=Zoom((200, 200), 1.5), max_batch=16, fill_hole_area=8)
        tracker.storage_device = torch.device("cuda")  # only its name counts
        memories = [ObjectMemory() for _ in range(num_objects)]
        views = [View(20 * i, 30 * i, 40, 40) for i in range(num_objects)]
        records = tracker.remember(0, tracker.segment(0, [prompt(30, 30)] * num_objects, views=views))
        for memory, record in zip(memories, records, strict=True):
            memory.conditioning[0] = record
        for frame in range(1, 3):
            with Transfers() as counted:
                found = tracker.track(frame, memories)
            for memory, record in zip(memories, found, strict=True):
                memory.tracked[frame] = record
        assert len({record.view for record in found}) == num_objects
        return counted.names

    assert sorted(transfers(6)) == sorted(transfers(2))


@pytest.mark.parametrize("fill_hole_area", [0.0, 8.0])
def test_memories_that_are_encoded_again_are_the_same_to_the_bit(features: FrameFeatures, fill_hole_area: float) -> None:
    memories = [ObjectMemory() for _ in range(3)]
    tracker = Tracker(features.model, features, fill_hole_area=fill_hole_area, is_repeatable=True)
    follow(tracker, memories)
    for frame in range(T):
        for memory in memories:
            record = memory.get(frame)
            assert record.origin is (MaskOrigin.TRACKED if frame else MaskOrigin.PROMPTED)
            with torch.inference_mode():
                (again,) = tracker.remember(frame, [replace(record, memory=None)])
            assert bits(again.memory) == bits(record.memory)
            steps = record.mask_logits / np.float32(LOGIT_STEP)
            np.testing.assert_array_equal(steps, steps.round())
    differ = [memory.tracked[frame].remembered is not None for memory in memories for frame in range(1, T)]
    assert any(differ) is bool(fill_hole_area)


def test_rounded_logits_are_near_those_of_the_official_classes(features: FrameFeatures) -> None:
    official, rounded = [ObjectMemory()], [ObjectMemory()]
    follow(Tracker(features.model, features), official)
    follow(Tracker(features.model, features, is_repeatable=True), rounded)
    for frame in range(T):
        np.testing.assert_allclose(official[0].get(frame).mask_logits, rounded[0].get(frame).mask_logits, rtol=0, atol=1e-3)
