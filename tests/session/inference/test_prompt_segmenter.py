"""Objects are segmented as they are prompted: what the tracker is given, and what becomes of its answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from blob_tracker import BlobTracker, blob_record, tiny_model
from napari_sam2.images.stack import Stack
from napari_sam2.model.sam2_base import NO_OBJ_SCORE
from napari_sam2.predictors import tracker as tracker_module
from napari_sam2.predictors.memory_bank import FrameRecord, MaskOrigin
from napari_sam2.predictors.packed_tensor import PackedTensor
from napari_sam2.predictors.record_store import RecordBudget
from napari_sam2.predictors.zoom import View
from napari_sam2.session.inference import prompt_segmenter
from napari_sam2.session.inference.model_in_use import ModelInUse
from napari_sam2.session.inference.prompt_segmenter import PromptSegmenter
from napari_sam2.session.session import Session
from napari_sam2.session.state.history import History
from napari_sam2.session.state.objects import ObjectInfo, SessionObject
from napari_sam2.session.state.packed_mask import PackedMask
from napari_sam2.session.state.prompts import FramePrompts
from napari_sam2.session.state.session_state import SessionState
from packed_records import record_of
from square_movies import MOVIE, SHAPE, TRUTH, click, inside
from tiny_models import tiny_predictor


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_inference_mode_does_not_leak(precision: str) -> None:
    session = Session(MOVIE[:4], model=tiny_model(), precision=precision)

    def assert_as_before() -> None:
        assert not torch.is_inference_mode_enabled()
        assert torch.is_grad_enabled()
        assert not torch.is_autocast_enabled("cpu")

    session.add_points(session.add_object(), 1, [(5, 5)])
    assert_as_before()
    for _ in session.propagate():
        assert_as_before()
    running = session.propagate()
    running.close()
    assert_as_before()


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_what_the_tracker_is_given(precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A frame is segmented by what is remembered from other anchors, where there are any; all in the precision asked for."""
    given: list[tuple[str, int, Any, bool]] = []

    class Watched(BlobTracker):
        def segment(
            self, frame: int, prompts: Any, memories: Any = None, reverse: bool = False, views: Any = None
        ) -> list[FrameRecord]:
            remembered = None if memories is None else [sorted(memory.conditioning) for memory in memories]
            given.append(("segment", frame, remembered, torch.is_autocast_enabled("cpu")))
            return super().segment(frame, prompts, memories, reverse, views)

        def track(self, frame: int, memories: Any, reverse: bool = False) -> list[FrameRecord]:
            given.append(("track", frame, reverse, torch.is_autocast_enabled("cpu")))
            return super().track(frame, memories, reverse)

    monkeypatch.setattr(tracker_module, "Tracker", Watched)
    session = Session(MOVIE[:4], model=tiny_model(), precision=precision)
    for frame in (1, 1, 3, 1):
        click(session, 1, frame)
    list(session.propagate())
    is_half = precision == "bfloat16"
    assert given == [
        ("segment", 1, None, is_half),
        ("segment", 1, None, is_half),
        ("segment", 3, [[1]], is_half),
        ("segment", 1, [[1, 3]], is_half),
        ("track", 2, False, is_half),
        ("track", 0, True, is_half),
    ]


# --- a segmenter of its own --------------------------------------------------------------------------------------------


class Noting(BlobTracker):
    """The double, which notes what it is asked for."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.remembered: list[tuple[int, int]] = []
        self.segmented: list[tuple[int, int, list[list[int]] | None]] = []

    def remember(self, frame: int, records: Sequence[FrameRecord]) -> list[FrameRecord]:
        assert torch.is_inference_mode_enabled()
        self.remembered.append((frame, len(records)))
        return super().remember(frame, records)

    def segment(self, frame: int, prompts: Any, memories: Any = None, *arguments: Any, **options: Any) -> list[FrameRecord]:
        assert torch.is_inference_mode_enabled()
        self.segmented.append((frame, len(prompts), None if memories is None else [memory.frames() for memory in memories]))
        return super().segment(frame, prompts, memories, *arguments, **options)


def segmenter(monkeypatch: pytest.MonkeyPatch, axes: str = "TYX") -> tuple[PromptSegmenter, Noting]:
    monkeypatch.setattr(tracker_module, "Tracker", Noting)
    in_use = ModelInUse(tiny_model(), Stack.open(MOVIE, axes), ((10, 200),), "float32", None, None)
    tracker: Any = in_use.tracker
    return PromptSegmenter(in_use), tracker


def objects(count: int = 1) -> list[SessionObject]:
    state = SessionState(History(lambda snapshots: None, lambda commit: None), RecordBudget().put)
    return [state.add(object_id, ObjectInfo("cell")) for object_id in range(1, count + 1)]


def point(object_id: int, frame: int, label: int = 1) -> FramePrompts:
    row, column = inside(object_id, frame)[0]
    return FramePrompts(((float(row), float(column)),), (label,))


def test_the_first_prompt_of_an_object_recalls_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    segment, tracker = segmenter(monkeypatch)
    (item,) = objects()
    item.stale[1] = blob_record(TRUTH[1] == 1, 2.0).with_memory(PackedTensor.pack(torch.ones(1)))
    item.conditioning[2] = blob_record(TRUTH[2] == 1, 2.0)
    found = segment.segment(item, 2, point(1, 2), None)
    np.testing.assert_array_equal(segment.mask(found), TRUTH[2] == 1)
    assert (tracker.segmented, tracker.remembered) == ([(2, 1, None)], []), "the frame itself is not recalled either"


def test_others_recall_anchors_and_what_is_known_around(monkeypatch: pytest.MonkeyPatch) -> None:
    segment, tracker = segmenter(monkeypatch)
    (item,) = objects()
    for frame in (2, 5):
        item.conditioning[frame] = blob_record(TRUTH[frame] == 1, 2.0)
    item.tracked[3] = item.stale[4] = blob_record(TRUTH[3] == 1, 2.0).with_memory(PackedTensor.pack(torch.ones(1)))
    segment.segment(item, 5, point(1, 5), None)
    assert tracker.segmented == [(5, 1, [[2, 3, 4, 5]])]
    assert tracker.remembered == [(2, 1)], "the memory of the frame that is segmented is not needed"
    assert item.conditioning[2].memory is not None
    assert item.conditioning[5].memory is None


@pytest.mark.parametrize("zoom", [None, 4.0])
def test_a_box_in_a_window_recalls_nothing(zoom: float | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says where the object is. In whole frames memory is recalled, as by the official predictor."""
    in_use = ModelInUse(tiny_predictor(), Stack.open(MOVIE, "TYX"), ((10, 200),), "float32", zoom, None)
    segment, recalled, own = PromptSegmenter(in_use), list[bool](), in_use.tracker.segment
    (item,) = objects()
    item.conditioning[2] = segment.segment(item, 2, point(1, 2), None)

    def noted(frame: int, prompts: Any, memories: Any = None, **options: Any) -> list[FrameRecord]:
        recalled.append(memories is not None)
        return own(frame, prompts, memories, **options)

    monkeypatch.setattr(in_use.tracker, "segment", noted)
    segment.segment(item, 5, point(1, 5), None)
    segment.segment(item, 5, FramePrompts(box_rc=(3.0, 3.0, 12.0, 12.0)), None)
    assert recalled == [True, zoom is None]


def test_separate_images_are_segmented_each_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    segment, tracker = segmenter(monkeypatch, "NYX")
    (item,) = objects()
    item.conditioning[2] = blob_record(TRUTH[2] == 1, 2.0)
    segment.segment(item, 5, point(1, 5), None)
    assert (tracker.segmented, tracker.remembered) == ([(5, 1, None)], [])


def test_memories_are_encoded_once_and_of_all_objects_of_a_frame_together(monkeypatch: pytest.MonkeyPatch) -> None:
    segment, tracker = segmenter(monkeypatch)
    items = objects(3)
    for frame, owners in ((1, items), (4, items[1:]), (6, items[:1])):
        for item in owners:
            item.conditioning[frame] = blob_record(TRUTH[frame] == 1, 2.0)
    memories = [item.memory for item in items]
    with torch.inference_mode():
        segment.remember(6, items, memories)
        assert tracker.remembered == [(1, 1), (4, 2)], "of anchors the nearest, and not the frame itself"
        segment.remember(3, items, memories)
        segment.remember(3, items, memories)
    assert tracker.remembered == [(1, 1), (4, 2), (6, 1), (1, 2)]
    assert all(record.memory is not None for item in items for record in item.conditioning.values())


def test_memories_that_are_not_kept_are_encoded_again(monkeypatch: pytest.MonkeyPatch) -> None:
    segment, tracker = segmenter(monkeypatch)
    (item,) = objects()
    item.conditioning[0] = blob_record(TRUTH[0] == 1, 2.0)
    for mapping, frame, origin in ((item.tracked, 1, "tracked"), (item.stale, 2, "tracked"), (item.stale, 3, "other")):
        mapping[frame] = replace(blob_record(TRUTH[frame] == 1, 2.0), origin=MaskOrigin(origin))
    item.conditioning[4] = blob_record(TRUTH[4] == 1, 2.0)
    segment.segment(item, 4, point(1, 4), None)
    assert tracker.remembered == [(0, 1), (1, 1), (2, 1)], "what another model showed is not recalled"
    assert (item.tracked[1].memory is None, item.stale[2].memory is None, item.stale[3].memory is None) == (False, False, True)


def test_new_objects_are_segmented_all_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    segment, tracker = segmenter(monkeypatch)
    masks = [TRUTH[4] == object_id for object_id in (1, 2, 3)]
    found = segment.segment_new(4, [FramePrompts(packed_mask=PackedMask.pack(mask)) for mask in masks])
    assert tracker.segmented == [(4, 3, None)]
    for mask, record in zip(masks, found, strict=True):
        np.testing.assert_array_equal(segment.mask(record), mask)


def test_what_another_model_showed_is_given_to_this_one(monkeypatch: pytest.MonkeyPatch) -> None:
    segment, tracker = segmenter(monkeypatch)
    shown = record_of(torch.zeros(4, 4), torch.zeros(1), 1.0, 0.5, anchor_distance=7)
    found = segment.segment_shown(3, shown, TRUTH[3] == 2)
    np.testing.assert_array_equal(segment.mask(found), TRUTH[3] == 2)
    absent = segment.segment_shown(3, shown, np.zeros(SHAPE, bool))
    assert (found.anchor_distance, absent.anchor_distance) == (7, 7)
    assert absent.object_score == -10, "the network said so itself"
    assert not segment.mask(absent).any()
    assert [(frame, count, memories) for frame, count, memories in tracker.segmented] == [(3, 1, None)] * 2


def test_an_object_that_is_absent_is_as_the_network_makes_it() -> None:
    """Its pointer is the one for absence, by whatever record it was found."""
    in_use = ModelInUse(tiny_model(), Stack.open(MOVIE, "TYX"), ((10, 200),), "float32", None, None)
    segment = PromptSegmenter(in_use)
    shown = record_of(torch.zeros(4, 4), torch.zeros(1), 1.0, 0.5)
    absent = segment.segment_shown(3, shown, np.zeros(SHAPE, bool))
    assert absent.object_score == NO_OBJ_SCORE
    assert (absent.mask_logits == NO_OBJ_SCORE).all()
    for pointer in torch.randn(2, 1, in_use.model.hidden_dim):
        with torch.inference_mode():
            mixed = in_use.model._mix_absent_pointer(pointer, torch.tensor([[NO_OBJ_SCORE]]))[0]
        np.testing.assert_array_equal(absent.pointer.array, mixed)


# --- refined -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("zoom", [None, 4.0])
def test_the_answer_is_refined_where_it_is_seen_through_a_window(zoom: float | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """In whole frames it is the official predictor's, as it is."""
    given: list[tuple[bool, FramePrompts]] = []
    marked = blob_record(np.eye(16, dtype=bool), 3.0)

    def refined(answer: FrameRecord, shown: FrameRecord, prompts: FramePrompts, whole: View) -> FrameRecord:
        given.append((shown is answer, prompts))
        return marked

    monkeypatch.setattr(prompt_segmenter, "refined", refined)
    in_use = ModelInUse(tiny_predictor(), Stack.open(MOVIE, "TYX"), ((10, 200),), "float32", zoom, None)
    segment = PromptSegmenter(in_use)
    (item,) = objects()
    first = segment.segment(item, 2, point(1, 2), None)
    again = segment.segment(item, 2, point(1, 2, 0), blob_record(TRUTH[2] == 1, 2.0))
    assert (first is marked, again is marked) == (zoom is not None,) * 2
    assert given == ([] if zoom is None else [(True, point(1, 2)), (False, point(1, 2, 0))])


def test_where_clicks_say_so_it_is_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prompt_segmenter, "refined", lambda *arguments: None)
    in_use = ModelInUse(tiny_predictor(), Stack.open(MOVIE, "TYX"), ((10, 200),), "float32", 4.0, None)
    found = PromptSegmenter(in_use).segment(objects()[0], 2, point(1, 2), None)
    assert (found.is_present, bool((found.mask_logits > 0).any())) == (False, False)
    assert found.view is not None


def test_where_the_object_is_elsewhere_what_was_shown_is_not_refined(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = blob_record(TRUTH[2] == 2, 2.0)
    given: list[Any] = []
    monkeypatch.setattr(prompt_segmenter, "refined", lambda answer, before, *_: given.append(before) or answer)
    in_use = ModelInUse(tiny_predictor(), Stack.open(MOVIE, "TYX"), ((10, 200),), "float32", 4.0, None)
    for is_elsewhere in (True, False):
        monkeypatch.setattr(prompt_segmenter, "is_elsewhere", lambda *arguments, told=is_elsewhere: told)
        PromptSegmenter(in_use).segment(objects()[0], 2, point(1, 2), shown)
    assert [before is shown for before in given] == [False, True]


# --- masks -------------------------------------------------------------------------------------------------------------


def test_a_mask_has_the_resolution_of_the_data(monkeypatch: pytest.MonkeyPatch) -> None:
    segment, _ = segmenter(monkeypatch)
    assert segment.frame_shape == SHAPE
    assert not segment.mask(None).any()
    logits = torch.full((4, 4), -1.0)
    logits[:, :2] = 1.0
    record = record_of(logits, torch.zeros(1), 1.0, 0.5)
    np.testing.assert_array_equal(segment.mask(record), np.arange(32)[None].repeat(32, 0) < 16)
    window = segment.mask(record_of(logits, torch.zeros(1), 1.0, 0.5, view=View(10, 4, 8, 16)))
    expected = np.zeros(SHAPE, bool)
    expected[10:18, 4:12] = True
    np.testing.assert_array_equal(window, expected)
