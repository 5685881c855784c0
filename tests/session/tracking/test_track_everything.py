"""The call as a whole: undone as one, stopped and continued, saved as it goes, repeated from the log; and wrong input."""

import numpy as np
import pytest

from lively_movie import LEAVES_ON, NUM_FRAMES, movie
from napari_sam2.session.replay import replay
from napari_sam2.session.session import Session

OPTIONS = {"points_per_side": 12}


@pytest.fixture(scope="module")
def labels():
    session = Session(movie(), "TYX")
    assert [result.frame for result in session.track_everything(**OPTIONS)] == list(range(NUM_FRAMES))
    return np.array(session.labels)


def test_all_of_it_is_one_action():
    session = Session(movie()[:3], "TYX")
    results = list(session.track_everything(**OPTIONS))
    assert sorted(results[-1].scores) == sorted(i for i in session.objects if session.objects[i].info.may_be_on(2))
    done = np.array(session.labels)
    assert session.undo()
    assert not session.objects
    assert not session.labels.any()
    assert not session.can_undo
    assert session.redo()
    np.testing.assert_array_equal(session.labels, done)


def test_stopped_saved_and_continued_it_gives_the_same(labels, tmp_path):
    session = Session(movie(), "TYX")
    session.save(tmp_path / "movie.sam2")
    for result in session.track_everything(**OPTIONS):
        if result.frame == LEAVES_ON:  # an object is absent, and not yet ended
            break
    session.close()
    with Session.open(tmp_path / "movie.sam2", movie()) as session:
        assert [result.frame for result in session.track_everything(**OPTIONS)] == list(range(LEAVES_ON + 1, NUM_FRAMES))
        np.testing.assert_array_equal(session.labels, labels)
        assert list(session.track_everything(**OPTIONS)) == [], "nothing is left to do"


def test_the_log_repeats_it(labels, tmp_path):
    session = Session(movie()[:5], "TYX")
    for result in session.track_everything(**OPTIONS):
        if result.frame == 3:
            break
    (tmp_path / "log.json").write_text(session.to_json())
    again = replay(tmp_path / "log.json", movie()[:5])
    np.testing.assert_array_equal(again.labels, session.labels)
    assert "track_everything" in session.to_script()


def test_a_single_frame_is_segmented():
    session = Session(movie()[:1], "TYX")
    assert [result.frame for result in session.track_everything(**OPTIONS)] == [0]
    assert len(session.objects) == 3


def test_separate_images_are_segmented_each_on_its_own():
    session = Session(movie()[:2], "NYX")
    results = list(session.track_everything(**OPTIONS))
    assert [len(result.scores) for result in results] == [3, 3]
    assert len(session.objects) == 6
    assert all(len(item.shown_frames()) == 1 for item in session.objects.values())


def test_areas_are_bounded():
    session = Session(movie()[:1], "TYX")
    with pytest.raises(ValueError, match=r"^nothing was found on any frame: try other intensities"):
        list(session.track_everything(area_px=(1, 20), **OPTIONS))


@pytest.mark.parametrize("axes", ["TYX", "ZYX"])
def test_of_a_constant_image_nothing_is_found(axes):
    session = Session(np.full((3, 40, 40), 7, np.uint8), axes)
    with pytest.raises(ValueError, match=r"^nothing was found on any frame"):
        list(session.track_everything(points_per_side=4))
    assert not session.objects
    assert not session.can_undo


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"area_px": (5, 2)}, "area_px"),
        ({"nonsense": 1}, "there is no option 'nonsense' for finding everything"),
        ({"points_per_side": 0}, "points_per_side is 1 or more, got 0"),
    ],
)
def test_wrong_arguments_are_refused(arguments, sentence):
    session = Session(movie()[:1], "TYX")
    with pytest.raises(ValueError, match=sentence):
        next(session.track_everything(**arguments))
    assert not session.can_undo
