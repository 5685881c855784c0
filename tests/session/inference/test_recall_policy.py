"""Which remembered frames count between two anchors."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from blob_tracker import blob_record, blob_session, squares
from napari_sam2.model.memory_recall import OfficialRecall
from napari_sam2.predictors.memory_bank import MemoryGate, ObjectMemory
from napari_sam2.predictors.record_store import RecordBudget, RecordStore
from napari_sam2.session.inference.recall_policy import BetweenAnchorsPolicy, neighbouring_anchors, span_between


@pytest.mark.parametrize(
    ("frame", "anchors", "neighbours", "span"),
    [
        (5, [], (None, None), range(10)),
        (5, [5], (None, None), range(10)),
        (5, [2], (2, None), range(3, 10)),
        (5, [7], (None, 7), range(7)),
        (5, [0, 9, 4, 6, 5], (4, 6), range(5, 6)),
        (0, [0, 1], (None, 1), range(1)),
        (9, [9, 8], (8, None), range(9, 10)),
    ],
)
def test_neighbours_and_span(frame: int, anchors: list[int], neighbours: tuple[Any, Any], span: range) -> None:
    assert neighbouring_anchors(frame, anchors) == neighbours
    assert span_between(*neighbours, num_frames=10) == span


@pytest.mark.parametrize(
    ("reverse", "recent", "pointers"),
    [(False, [(21, 3), (22, 2), (23, 1)], {20, 21, 22, 23}), (True, [(27, 3), (26, 2), (25, 1)], {30, 25, 26, 27, 28, 29})],
)
def test_recalls_only_up_to_the_neighbouring_anchors(reverse: bool, recent: list[tuple[int, int]], pointers: set[int]) -> None:
    record = blob_record(np.ones((2, 2), bool), 1)
    anchors, tracked = [0, 10, 20, 30, 40], [t for t in range(50) if t % 10]
    memory = ObjectMemory(dict.fromkeys(anchors, record), dict.fromkeys(tracked, record))
    recall = BetweenAnchorsPolicy(OfficialRecall(num_maskmem=4))(24, memory, 50, reverse)
    assert [(slot.frame, slot.is_conditioning, slot.offset) for slot in recall.memories] == [
        (20, True, 0),
        (30, True, 0),
        *((frame, False, offset) for frame, offset in recent),
    ]
    assert {slot.frame for slot in recall.pointers} == pointers


def gated(absent: set[int], bad: set[int], reverse: bool, **arguments: Any) -> Any:
    good = blob_record(np.ones((2, 2), bool), 1)
    gone, uncertaintyful = replace(good, object_score=-3.0), replace(good, predicted_iou=0.2)
    records = {t: gone if t in absent else uncertaintyful if t in bad else good for t in range(50) if t not in (10, 30)}
    store = RecordStore(RecordBudget(0))
    store.update(records)
    memory = ObjectMemory(dict.fromkeys([10, 30], good), store)
    policy = BetweenAnchorsPolicy(OfficialRecall(num_maskmem=4), MemoryGate(**arguments))
    in_memory = [frame for frame, stored in store._stored.items() if stored.is_in_memory]
    assert len(in_memory) == 1
    recall = policy(20, memory, 50, reverse)
    assert [frame for frame, stored in store._stored.items() if stored.is_in_memory] == in_memory, "nothing was fetched"
    return recall


@pytest.mark.parametrize(
    ("absent", "bad", "reverse", "recent"),
    [
        (set(), set(), False, [(17, 3), (18, 2), (19, 1)]),
        ({18, 19}, {16}, False, [(14, 3), (15, 2), (17, 1)]),
        ({21, 22}, {24}, True, [(26, 3), (25, 2), (23, 1)]),
        (set(range(12, 20)), set(), False, [(11, 1)]),
        (set(range(20)), set(), False, []),
    ],
)
def test_a_gate_keeps_uncertain_frames_out(absent: set[int], bad: set[int], reverse: bool, recent: list[tuple[int, int]]) -> None:
    recall = gated(absent, bad, reverse)
    slots = [(slot.frame, slot.offset) for slot in recall.memories if not slot.is_conditioning]
    assert slots == recent
    assert [slot.frame for slot in recall.memories if slot.is_conditioning] == [10, 30]
    assert not {slot.frame for slot in recall.pointers if not slot.is_conditioning} & (absent | bad)


def test_a_gate_looks_back_only_so_far() -> None:
    assert [slot.frame for slot in gated({19}, set(), False, look_back=2).memories] == [10, 30, 18]
    assert [slot.frame for slot in gated(set(), set(range(50)), False, min_predicted_iou=0.1).memories] == [10, 30, 17, 18, 19]


@pytest.mark.parametrize("arguments", [{"look_back": 0}, {"min_predicted_iou": 1.5}])
def test_bad_gate(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(arguments))):
        MemoryGate(**arguments)


@pytest.mark.parametrize("gate", [None, MemoryGate(min_predicted_iou=0.0)])
def test_an_object_that_comes_back_is_found_by_where_it_was_last_seen(gate: MemoryGate | None) -> None:
    """It drifts, is gone for longer than the official memory, and comes back where it left."""
    truth = squares(22, (16, 32), {1: [None if 10 <= t < 18 else (4, min(t, 10), 5) for t in range(22)]})
    session = blob_session(np.where(truth > 0, 255, 0).astype(np.uint8), memory_gate=gate)
    session.add_points(session.add_object(), 0, [(6, 2)])
    list(session.propagate())
    is_found = (session.labels[18:] == truth[18:]).all()
    assert is_found == (gate is not None)
    np.testing.assert_array_equal(session.labels[:18], truth[:18])
