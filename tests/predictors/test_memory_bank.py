"""What is remembered of an object, and which of it a frame recalls."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from napari_sam2.model.memory_recall import OfficialRecall, RecalledFrame
from napari_sam2.predictors.memory_bank import FrameRecord, MaskOrigin, MemoryGate, ObjectMemory, OfficialMemoryPolicy, header
from napari_sam2.predictors.packed_tensor import PackedTensor
from packed_records import record_of


def record(score: float = 1.0, iou: float = 0.9) -> FrameRecord:
    return record_of(torch.zeros(1, 1), torch.zeros(1), score, iou)


def test_a_record_with_a_memory_is_the_same_record() -> None:
    before, memory = record(2.0), PackedTensor.pack(torch.ones(1))
    after = before.with_memory(memory)
    assert after.memory is memory
    assert before.memory is None
    assert (after.mask_logits is before.mask_logits, after.object_score, after.predicted_iou) == (True, 2.0, 0.9)
    assert [record(score).is_present for score in (-1.0, 0.0, 0.5)] == [False, False, True]


def test_what_a_person_decided_comes_first() -> None:
    decided, tracked, also = record(), record(), record()
    memory = ObjectMemory({5: decided}, {5: tracked, 2: also})
    assert memory.frames() == [2, 5]
    assert memory.get(5) is decided
    assert memory.get(2) is also
    assert memory.get(3) is None
    found = list(memory.recalled((RecalledFrame(5, False, 1), RecalledFrame(5, True, 0), RecalledFrame(2, False, 2))))
    assert [one is other for one, other in zip(found, (tracked, decided, also), strict=True)] == [True] * 3


@pytest.mark.parametrize(
    ("score", "iou", "admitted"), [(0.1, 0.31, True), (0.0, 0.31, False), (0.1, 0.3, False), (-1.0, 1.0, False)]
)
def test_a_gate_is_passed_above_both_bounds(score: float, iou: float, admitted: bool) -> None:
    assert MemoryGate().admits(record(score, iou)) is admitted


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"look_back": 0}, "look_back is one frame or more, got 0"),
        ({"min_predicted_iou": 1.5}, "min_predicted_iou lies between 0 and 1, got 1.5"),
        ({"min_predicted_iou": -0.1}, "min_predicted_iou lies between 0 and 1, got -0.1"),
    ],
)
def test_a_gate_that_cannot_be(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        MemoryGate(**arguments)


NUM_FRAMES = 20
frames = st.integers(0, NUM_FRAMES - 1)


@given(
    frame=frames,
    scores=st.lists(st.sampled_from([-1.0, 1.0, None]), min_size=NUM_FRAMES, max_size=NUM_FRAMES),
    conditioning=st.frozensets(frames, max_size=4),
    reverse=st.booleans(),
    look_back=st.integers(1, NUM_FRAMES),
    num_maskmem=st.integers(1, 5),
    span=st.tuples(frames, frames).map(sorted),
)
def test_past_a_gate_the_latest_frames_that_are_good_are_recalled(
    frame: int,
    scores: list[float | None],
    conditioning: frozenset[int],
    reverse: bool,
    look_back: int,
    num_maskmem: int,
    span: list[int],
) -> None:
    tracked = {t: record(score) for t, score in enumerate(scores) if score is not None}
    official = OfficialRecall(num_maskmem=num_maskmem)
    found = MemoryGate(look_back=look_back).recall(
        official, frame, conditioning, tracked, NUM_FRAMES, reverse, range(span[0], span[1])
    )
    distance = {t: t - frame if reverse else frame - t for t in tracked}  # against the direction of tracking
    behind = [t for t in tracked if tracked[t].is_present and t in range(*span) and 1 <= distance[t] <= look_back]
    latest = sorted(behind, key=distance.__getitem__)[: num_maskmem - 1]
    prompted = [slot for slot in found.memories if slot.is_conditioning]
    assert {slot.frame for slot in prompted} == set(conditioning)
    recent = [(slot.frame, slot.offset) for slot in found.memories[len(prompted) :]]
    assert recent == [(t, slot) for slot, t in enumerate(latest, 1)][::-1]
    assert found.pointers == official(frame, conditioning, set(behind), NUM_FRAMES, reverse).pointers


@pytest.mark.parametrize(("reverse", "expected"), [(False, [7, 8, 9]), (True, [13, 12, 11])])
def test_frames_are_looked_for_as_far_back_as_was_said(reverse: bool, expected: list[int]) -> None:
    found = MemoryGate(look_back=3).recall(
        OfficialRecall(num_maskmem=7), 10, [], {t: record() for t in range(20)}, 20, reverse, range(20)
    )
    assert [slot.frame for slot in found.memories] == expected


def test_a_policy_recalls_with_or_without_a_gate() -> None:
    memory = ObjectMemory({0: record()}, {t: record(-1.0 if t in (3, 4) else 1.0) for t in range(1, 6)})
    recall = OfficialRecall(num_maskmem=4)
    plain = OfficialMemoryPolicy(recall)(6, memory, 10, False)
    assert [(slot.frame, slot.offset) for slot in plain.memories] == [(0, 0), (3, 3), (4, 2), (5, 1)]
    gated = OfficialMemoryPolicy(recall, MemoryGate())(6, memory, 10, False)
    assert [(slot.frame, slot.offset) for slot in gated.memories] == [(0, 0), (1, 3), (2, 2), (5, 1)]


def test_scores_alone_are_read_from_the_header_where_there_is_one() -> None:
    class OnDisk(dict[int, FrameRecord]):
        def __getitem__(self, frame: int) -> FrameRecord:
            raise AssertionError("the whole record is read")

        def header(self, frame: int) -> FrameRecord:
            return record(float(frame))

    assert header(OnDisk(), 7).object_score == 7
    assert header({7: record(3.0)}, 7).object_score == 3


def test_another_mask_is_shown_than_is_remembered() -> None:
    found = np.array([[1.0, -2.0], [3.0, -4.0]], np.float32)
    before = replace(record_of(found, [0.0], 1.0, 0.5, torch.ones(1)), origin=MaskOrigin.TRACKED)
    filled = before.showing(np.array([[1.0, 0.1], [3.0, -4.0]], np.float32))
    cut = filled.showing(np.array([[-1.0, 0.1], [3.0, -4.0]], np.float32))
    for one, is_another in ((before, False), (filled, True), (cut, True)):
        np.testing.assert_array_equal(one.remembered_logits, found)
        assert one.memory is before.memory
        assert (one.remembered is not None) is is_another
    assert cut.showing(found).remembered is None
    assert before.showing(found + np.float32(1e-6)).remembered is None, "masks are rounded as a tracker rounds them"


def test_what_becomes_of_a_record_whose_memory_is_of_no_use() -> None:
    tracked = record_of(np.zeros((1, 1), np.float32), [0.0], 1.0, 0.5, torch.ones(1)).showing(np.ones((1, 1), np.float32))
    prompted = tracked.as_prompted(anchor_distance=0)
    assert (prompted.memory, prompted.origin, prompted.remembered) == (None, MaskOrigin.PROMPTED, None)
    assert prompted.remembered_logits is tracked.mask_logits
    shown = tracked.to_be_shown(np.zeros((1, 1), np.float32))
    assert (shown.memory, shown.origin, shown.remembered, shown.mask_logits.item()) == (None, MaskOrigin.OTHER, None, 0)
