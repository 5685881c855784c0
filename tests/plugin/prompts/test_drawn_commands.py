import numpy as np
import pytest

from blob_tracker import blob_session
from napari_sam2.plugin.prompts.clicks import ObjectFrame
from napari_sam2.plugin.prompts.drawn_commands import AddLasso, AddScribble, AddStroke
from napari_sam2.plugin.prompts.drawn_pixels import DrawnPixels

KEY = ObjectFrame(1, 0)
OUTLINE = ((2.0, 2.0), (2.0, 12.0), (9.0, 12.0), (9.0, 2.0))


@pytest.fixture
def session(blobs):
    return blob_session(blobs, "TYX")


def rectangle(row0, col0, row1, col1):
    mask = np.zeros((40, 50), bool)
    mask[row0:row1, col0:col1] = True
    return mask


def stroke(mask, is_added=True, key=KEY):
    return AddStroke(key, is_added, DrawnPixels.of(mask))


def test_a_scribble_is_a_few_points_by_one_action(session):
    command = AddScribble(KEY, True, ((6.0, 6.0), (13.0, 6.0), (13.0, 13.0)))
    assert command.run(session).sum() == 100
    assert command.addition is None
    prompts = session.objects[1].prompts[0]
    np.testing.assert_allclose(prompts.points_rc, [(8 + 1 / 3, 6), (13, 6), (13, 10 + 2 / 3)])
    assert prompts.labels == (1, 1, 1)
    session.undo()
    assert not session.objects


def test_a_scribble_outside_needs_a_mask(session):
    outside = AddScribble(KEY, False, ((30.0, 5.0), (30.0, 9.0)))
    with pytest.raises(ValueError, match="object 1 has no mask on frame 0: draw inside it first"):
        outside.run(session)
    assert (list(session.objects), session.can_undo) == ([], False)
    AddScribble(KEY, True, ((6.0, 6.0), (13.0, 6.0))).run(session)
    outside.run(session)
    assert session.objects[1].prompts[0].labels == (1, 0)


def test_a_lasso_is_the_outline_of_an_object(session):
    mask = AddLasso(KEY, True, OUTLINE).run(session)
    assert session.objects[1].prompts[0].mask[3:9, 3:12].all()
    assert (mask[3:9, 3:12].all(), mask[10:].any(), mask[:, 13:].any()) == (True, False, False)


def test_a_lasso_outside_cuts_off_what_it_encloses(session):
    session.add_object(object_id=1)
    session.add_points(1, 0, [(10, 10)])
    mask = AddLasso(KEY, False, ((-0.5, 8.0), (-0.5, 40.0), (39.0, 40.0), (39.0, 8.0))).run(session)
    np.testing.assert_array_equal(mask[5:15, 5:8], True)
    assert not mask[:, 10:].any()
    session.undo()
    assert session.mask(1, 0).sum() == 100


def test_a_stroke_adds_to_a_mask_and_removes_from_it(session):
    first, more, less = rectangle(5, 5, 10, 10), rectangle(8, 8, 14, 20), rectangle(4, 4, 7, 30)
    np.testing.assert_array_equal(stroke(first).run(session), first)
    np.testing.assert_array_equal(stroke(more).run(session), first | more)
    np.testing.assert_array_equal(stroke(less, False).run(session), (first | more) & ~less)
    np.testing.assert_array_equal(session.objects[1].prompts[0].mask, (first | more) & ~less)
    for expected in (first | more, first):
        session.undo()
        np.testing.assert_array_equal(session.mask(1, 0), expected)
    session.undo()
    assert not session.objects


def test_a_stroke_on_a_frame_that_was_tracked(session):
    session.add_object(object_id=1)
    session.add_points(1, 0, [(10, 10)])
    session.propagate_all()
    less = rectangle(0, 0, 40, 8)
    mask = stroke(less, False, ObjectFrame(1, 2)).run(session)
    assert (mask.sum(), session.mask(1, 0).sum()) == (70, 100)


def test_strokes_after_clicks_are_about_what_is_shown(session):
    stroke(rectangle(5, 5, 8, 8)).run(session)
    session.add_points(1, 0, [(10, 10)])
    shown = session.mask(1, 0)
    np.testing.assert_array_equal(stroke(rectangle(0, 40, 3, 43)).run(session), shown | rectangle(0, 40, 3, 43))


def test_strokes_that_cannot_be(session):
    with pytest.raises(ValueError, match="there is no object 1 any more"):
        stroke(rectangle(0, 0, 3, 3), False).run(session)
    stroke(rectangle(5, 5, 10, 10)).run(session)
    with pytest.raises(ValueError, match="nothing of object 1 is there on frame 0: nothing was removed"):
        stroke(rectangle(20, 0, 23, 3), False).run(session)
    with pytest.raises(ValueError, match="nothing would be left of object 1 on frame 0: it stays as it was"):
        stroke(rectangle(0, 0, 23, 23), False).run(session)
    assert session.mask(1, 0).sum() == 25
