"""Prompts of all kinds, changed and taken back one by one."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from blob_tracker import blob_session, squares
from napari_sam2.session.session import Session
from tiny_models import tiny_predictor

T, SHAPE = 4, (24, 24)
TRUTH = squares(T, SHAPE, {1: [(2, 2, 4)] * T, 2: [(2, 14, 5)] * T, 3: [(14, 3, 6)] * T})
MOVIE = np.where(TRUTH > 0, 200, 10).astype(np.uint8)
INSIDE = {1: (3, 3), 2: (4, 16), 3: (16, 5)}


def opened() -> Session:
    session = blob_session(MOVIE)
    session.add_object()
    return session


def blobs(*values: int) -> np.ndarray:
    return np.isin(TRUTH[0], values)


def test_points_changed_and_removed_one_by_one() -> None:
    session = opened()
    session.add_points(1, 1, [INSIDE[1], INSIDE[2]])
    session.add_points(1, 1, [INSIDE[3]])
    np.testing.assert_array_equal(session.mask(1, 1), blobs(1, 2, 3))
    session.remove_point(1, 1, 1)
    np.testing.assert_array_equal(session.mask(1, 1), blobs(1, 3))
    np.testing.assert_array_equal(session.change_point(1, 1, 1, INSIDE[2]), blobs(1, 2))
    np.testing.assert_array_equal(session.change_point(1, 1, 0, label=0), blobs(2))
    assert session.objects[1].prompts[1].labels == (0, 1)
    session.remove_point(1, 1, 0)
    session.remove_point(1, 1, 0)
    assert session.objects[1].anchors == []
    assert not session.labels.any()


def test_a_box_and_points() -> None:
    session = opened()
    session.add_box(1, 0, (1, 1, 8, 20))
    session.add_points(1, 0, [INSIDE[2]], [0])
    np.testing.assert_array_equal(session.mask(1, 0), blobs(1))
    session.remove_point(1, 0, 0)
    np.testing.assert_array_equal(session.mask(1, 0), blobs(1, 2))
    session.add_points(1, 0, [INSIDE[3]])
    session.remove_box(1, 0)
    np.testing.assert_array_equal(session.mask(1, 0), blobs(3))


def test_a_polygon_a_scribble_and_back() -> None:
    session = opened()
    drawn = session.add_polygon(1, 2, [(1.5, 1.5), (1.5, 5.5), (5.5, 5.5), (5.5, 1.5)])
    np.testing.assert_array_equal(drawn, blobs(1))
    np.testing.assert_array_equal(session.add_scribble(1, 2, [(3, 3), (3, 17)]), blobs(1, 2))
    np.testing.assert_array_equal(session.add_scribble(1, 2, [(3, 14), (3, 18)], 0), blobs(1))
    session.remove_mask(1, 2)
    assert session.objects[1].prompts[2].labels == (1, 1, 1, 0)
    np.testing.assert_array_equal(session.mask(1, 2), blobs(1))


REFUSED: dict[str, tuple[str, tuple[Any, ...], str]] = {
    "no such point": ("remove_point", (1, 0, 2), "there is no point 2: this frame has 2, counted from 0"),
    "no such point to change": ("change_point", (1, 0, -1), "there is no point -1: this frame has 2"),
    "a point moved outside": ("change_point", (1, 0, 0, (3, 24)), "the point (row 3, column 24) is outside the image"),
    "another sign than in or out": ("change_point", (1, 0, 0, None, 2), "labels must be 1 (inside) or 0 (outside)"),
    "only points outside left": ("remove_point", (1, 0, 0), "frame 0 has only points outside object 1"),
    "no box": ("remove_box", (1, 0), "object 1 has no box on frame 0"),
    "no mask": ("remove_mask", (1, 0), "object 1 has no mask on frame 0"),
    "no point at all": ("remove_point", (1, 1, 0), "there is no point 0: this frame has 0"),
    "stroke outside": ("add_scribble", (1, 0, [(3, 3), (30, 3)]), "the point (row 30, column 3) is outside the image"),
    "polygon outside": ("add_polygon", (1, 0, [(3, 3), (30, 3), (3, 9)]), "the point (row 30, column 3) is outside the image"),
    "frame outside": ("add_polygon", (1, 4, [(3, 3), (9, 3), (3, 9)]), "frame 4 does not exist"),
    "label not there": ("add_labels", (TRUTH[0], 0, [1, 9]), "the label image has no label 9 on this frame"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_a_sentence_and_nothing_changes(name: str) -> None:
    method, arguments, message = REFUSED[name]
    session = opened()
    session.add_points(1, 0, [INSIDE[1], INSIDE[2]], [1, 0])
    list(session.propagate())
    before, prompts = session.labels.copy(), dict(session.objects[1].prompts)
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        getattr(session, method)(*arguments)
    np.testing.assert_array_equal(session.labels, before)
    assert dict(session.objects[1].prompts) == prompts
    assert sorted(session.objects) == [1]
    assert session.plan() == []


def test_a_mask_on_a_tracked_frame_is_refined_as_if_points_taken_back_had_never_been() -> None:
    """Not what was tracked there, which the mask replaced."""
    image = np.random.default_rng(0).integers(0, 255, (3, 32, 32), np.uint8)
    disc = np.hypot(*np.mgrid[-16:16, -16:16]) < 8

    def refined(*points: tuple[int, int]) -> Session:
        session = Session(image, model=tiny_predictor(seed=3))
        session.add_points(session.add_object(), 0, [(4, 4)])
        list(session.propagate())
        session.add_mask(1, 2, disc)
        for point in points:
            session.add_points(1, 2, [point])
        return session

    session = refined((3, 3), (28, 28))
    session.remove_point(1, 2, 1)
    model = refined()
    expected = model.set_points(1, 2, [(3, 3)])
    np.testing.assert_array_equal(session.mask(1, 2), expected)
    assert not np.array_equal(expected, refined((3, 3), (28, 28)).mask(1, 2))


def test_masks_take_little_memory() -> None:
    """Hundreds of objects of a large image: their masks are mostly empty."""
    image = np.zeros((1, 1000, 1000), np.uint8)
    session = blob_session(image)
    session.add_object()
    mask = np.zeros((1000, 1000), bool)
    mask[100:140, 200:250] = True
    session.add_mask(1, 0, mask)
    prompts = session.objects[1].prompts[0]
    assert prompts.packed_mask is not None
    assert len(prompts.packed_mask.bits) < 300
    np.testing.assert_array_equal(prompts.mask, mask)


def test_points_can_be_put_in_the_place_of_others() -> None:
    """What is shown is what a session shows that never heard of the others."""
    model = tiny_predictor(seed=3)
    image = np.random.default_rng(0).integers(0, 255, (5, 32, 32), np.uint8)

    def session_with(*said: list[tuple[int, int]]) -> Session:
        session = Session(image, model=model)
        cell = session.add_object()
        session.add_points(cell, 2, [(16, 16)])
        list(session.propagate())
        for number, points in enumerate(said):
            labels = [0] * len(points)
            (session.set_points if number else session.add_points)(cell, 4, points, labels)
        return session

    fresh, changed = session_with([(5, 5)]), session_with([(20, 20), (3, 9)], [(5, 5)])
    np.testing.assert_array_equal(fresh.mask(1, 4), changed.mask(1, 4))
    assert changed.objects[1].prompts[4].points_rc == ((5.0, 5.0),)
    assert not np.array_equal(session_with([(20, 20), (3, 9)]).mask(1, 4), fresh.mask(1, 4))
    # Everything that was carried through the stack is still shown.
    assert changed.objects[1].shown_frames() == set(range(5))


def test_points_refine_a_mask_after_others_were_taken_back() -> None:
    session = Session(np.zeros((1, 32, 32), np.uint8), model=tiny_predictor(seed=3))
    cell = session.add_object()
    disc = np.hypot(*np.mgrid[-16:16, -16:16]) < 8
    session.add_mask(cell, 0, disc)
    session.add_points(cell, 0, [(3, 3)])
    once = session.mask(cell, 0)
    session.add_points(cell, 0, [(28, 28)])
    np.testing.assert_array_equal(session.set_points(cell, 0, [(3, 3)]), once)
