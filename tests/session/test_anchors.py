"""Which remembered frames count between two anchors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from blob_tracker import blob_record
from napari_sam2.model.memory_recall import OfficialRecall
from napari_sam2.predictors.memory_bank import ObjectMemory
from napari_sam2.session.anchors import BetweenAnchorsPolicy, neighbouring_anchors, span_between


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
