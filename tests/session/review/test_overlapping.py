"""Pairs of objects of which one lies on the other."""

from __future__ import annotations

import numpy as np

from napari_sam2.session.review.footprint import Footprint
from napari_sam2.session.review.overlapping import Overlap, overlaps

# upper row, left column, height, width
SQUARES = {1: (0, 0, 4, 4), 2: (0, 1, 4, 4), 3: (0, 20, 2, 2), 4: (0, 20, 4, 4), 7: (0, 30, 2, 2), 9: (0, 30, 2, 2)}


def footprint(object_id: int) -> Footprint:
    row, col, height, width = SQUARES[object_id]
    return Footprint(np.ones((height, width), bool), row, col, 1, 1, False)


BOXES = {object_id: footprint(object_id).box_rc for object_id in SQUARES}


def test_the_one_that_lies_on_the_other() -> None:
    assert overlaps(BOXES, BOXES, footprint) == [
        Overlap(2, 1, 0.75),  # of equal shares the higher id
        Overlap(3, 4, 1.0),  # the smaller one
        Overlap(9, 7, 1.0),
    ]


def test_only_those_of_some_objects() -> None:
    assert overlaps([4, 9], BOXES, footprint) == [Overlap(3, 4, 1.0), Overlap(9, 7, 1.0)]
    assert overlaps([5], BOXES, footprint) == [], "it is not on the frame"
    assert overlaps([1], {1: BOXES[1]}, footprint) == []


def test_masks_are_asked_for_where_boxes_meet() -> None:
    asked = set[int]()

    def asking(object_id: int) -> Footprint:
        asked.add(object_id)
        return footprint(object_id)

    overlaps([1], BOXES, asking)
    assert asked == {1, 2}


def test_less_than_half_of_the_smaller_one_is_a_touch() -> None:
    def at(col: float) -> list[Overlap]:
        masks = {1: Footprint(np.ones((4, 4), bool), 0, 0, 1, 1, False), 2: Footprint(np.ones((4, 4), bool), 0, col, 1, 1, False)}
        return overlaps(masks, {i: mask.box_rc for i, mask in masks.items()}, masks.__getitem__)

    assert at(2) == [Overlap(2, 1, 0.5)]
    assert at(3) == []
    assert at(4) == []
