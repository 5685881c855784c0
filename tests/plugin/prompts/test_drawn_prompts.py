import numpy as np
import pytest

from blob_tracker import blob_session
from napari_sam2.plugin.prompts.clicks import Click
from napari_sam2.plugin.prompts.drawn_prompts import (
    DrawnPrompts,
    counted,
    describe_left_out,
    outline_mask,
    outline_of,
    prompt_by_outlines,
)
from napari_sam2.session.editing.drawing import polygon_mask

SQUARE = outline_of([(4.5, 4.5), (4.5, 14.5), (14.5, 14.5), (14.5, 4.5)])


@pytest.fixture
def session(blobs):
    with blob_session(blobs) as session:
        session.add_object()
        yield session


def test_an_outline_is_filled_as_the_session_does():
    np.testing.assert_array_equal(outline_mask(SQUARE, (40, 50)), polygon_mask(SQUARE, (40, 50)))
    beyond = outline_of([(-10, -10), (-10, 2.5), (2.5, 2.5), (2.5, -10)])
    assert np.argwhere(outline_mask(beyond, (40, 50))).max(axis=0).tolist() == [2, 2]


def test_several_outlines_are_one_mask(session):
    other = outline_of(np.add(SQUARE, (0, 20)))
    prompt_by_outlines(session, 1, 0, [SQUARE, other])
    assert session.objects[1].prompts[0].mask.sum() == 200
    prompt_by_outlines(session, 1, 1, [SQUARE])
    assert session.objects[1].prompts[1].mask.sum() == 100
    with pytest.raises(ValueError, match="the outline holds the centre of no pixel of the image"):
        prompt_by_outlines(session, 1, 2, [outline_of(np.array(SQUARE) + 100)])


def test_a_mask_is_taken_in_the_place_of_a_box(session):
    one = DrawnPrompts("a", 0, (Click(9, 9, True),), (0, 0, 20, 20), (SQUARE,))
    assert (one.locates, one.counts) == (True, {"point": 1, "mask": 1})
    one.prompt(session, 1)
    prompts = session.objects[1].prompts[0]
    assert (prompts.box_rc, prompts.mask.sum(), prompts.points_rc) == (None, 100, ((9, 9),))


def test_what_locates_an_object():
    assert not DrawnPrompts(1, 0, (Click(1, 1, False),)).locates
    assert DrawnPrompts(1, 0, (Click(1, 1, False), Click(2, 2, True))).locates
    assert DrawnPrompts(1, 0, box=(0, 0, 1, 1)).locates


def test_in_words():
    assert (counted(1, "box"), counted(2, "box"), counted(0, "mask")) == ("1 box", "2 boxes", "0 masks")
    assert describe_left_out({}) == ""
    many = describe_left_out({("point", f"why {number}"): 1 for number in range(9)})
    assert many.endswith("1 point why 4, 4 other things.")
    assert describe_left_out({("point", "outside the image"): 2, ("shape", "without an area"): 1}) == (
        "Left out: 2 points outside the image, 1 shape without an area."
    )
