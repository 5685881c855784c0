"""Labels whose numbers differ between frames are linked by the embedded model; what is linked to what is decided exactly."""

import numpy as np
import pytest

from lively_movie import CHILDREN, NUM_FRAMES, PARENT, movie, truth
from napari_sam2.session.replay import replay
from napari_sam2.session.session import Session
from napari_sam2.session.tracking.label_linker import linked, parents_of, regions_of_labels
from napari_sam2.session.tracking.regions import Region


def shuffled():
    """The true labels with other numbers on each frame."""
    rng, labels = np.random.default_rng(0), truth()
    return np.stack([np.append(0, rng.permutation(np.arange(1, 60))).astype(np.uint16)[plane] for plane in labels])


@pytest.fixture(scope="module")
def session():
    session = Session(movie(), "TYX")
    assert [result.frame for result in session.link_labels(shuffled())] == list(range(NUM_FRAMES))
    return session


def test_each_object_keeps_its_number(session):
    found = {}
    for object_id in session.objects:
        labels, counts = np.unique(truth()[session.labels == object_id], return_counts=True)
        found[object_id] = int(labels[counts.argmax()])
    assert sorted(found.values()) == [1, 2, 3, 4, 5, 6]
    for object_id, label in found.items():
        mask, wanted = session.labels == object_id, truth() == label
        assert (mask & wanted).sum() > 0.9 * (mask | wanted).sum()
    assert {found[child]: found[parent] for child, parent in session.lineage.items()} == dict.fromkeys(CHILDREN, PARENT)


def test_stopped_continued_undone_and_repeated(session, tmp_path):
    other = Session(movie(), "TYX")
    for result in other.link_labels(shuffled()):
        if result.frame == 2:
            break
    list(other.link_labels(shuffled()))
    np.testing.assert_array_equal(other.labels, session.labels)
    assert [call.arguments["labels"] is None for call in other.document().calls] == [False, True], "the log has them once"
    (tmp_path / "log.json").write_text(other.to_json())
    np.testing.assert_array_equal(replay(tmp_path / "log.json", movie()).labels, session.labels)
    assert other.undo()
    assert other.is_linking_stopped
    assert other.undo()
    assert not other.is_linking_stopped
    assert not other.objects


def test_continued_without_the_labels_after_empty_frames(tmp_path):
    labels = shuffled()
    labels[:2] = 0
    session = Session(movie(), "TYX")
    for result in session.link_labels(labels):
        if result.frame == 3:
            break
    assert session.is_linking_stopped
    (tmp_path / "log.json").write_text(session.to_json())
    np.testing.assert_array_equal(replay(tmp_path / "log.json", movie()).labels, session.labels)
    assert [result.frame for result in session.link_labels()] == [4, 5, 6]
    assert not session.is_linking_stopped
    whole = Session(movie(), "TYX")
    list(whole.link_labels(labels))
    np.testing.assert_array_equal(session.labels, whole.labels)
    with pytest.raises(ValueError, match="no linking of labels was stopped that could go on"):
        list(session.link_labels())


def test_the_sum_of_ious_decides():
    def square(column, width=10):
        return Region(0, column, np.ones((10, width), bool))

    followed = {1: square(0), 2: square(8), 3: square(60)}
    given = {7: square(5), 8: square(12), 9: square(30)}
    assert linked(followed, given) == {1: 7, 2: 8}, "2 shares more with 7, which 1 needs"
    assert linked({}, given) == linked(followed, {}) == {}


def test_children_are_alike_and_lie_on_their_parent():
    parent = Region(0, 0, np.ones((10, 20), bool))
    given = {
        4: Region(0, 0, np.ones((10, 9), bool)),
        5: Region(0, 11, np.ones((10, 9), bool)),
        6: Region(40, 0, np.ones((9, 9), bool)),
    }
    assert parents_of({1: parent}, given, {1: 4}) == {5: 1}
    small = given | {5: Region(0, 11, np.ones((4, 4), bool))}
    assert parents_of({1: parent}, small, {1: 4}) == {}


def test_regions_by_value():
    plane = np.zeros((6, 8), np.int64)
    plane[1:3, 2:4], plane[4, 5:] = 70000, 5
    regions = regions_of_labels(plane)
    assert {value: (region.row, region.column, region.area_px) for value, region in regions.items()} == {
        5: (4, 5, 3),
        70000: (1, 2, 4),
    }
    assert regions_of_labels(plane * 0) == {}


@pytest.mark.parametrize(
    ("axes", "labels", "sentence"),
    [
        ("TYX", np.ones((2, 5, 5), np.uint8), r"labels have the shape of the image, \(3, 40, 40\), got \(2, 5, 5\)"),
        ("TYX", [[1]], r"labels have the shape of the image"),
        ("TYX", np.ones((3, 40, 40)), r"labels are whole numbers, got float64"),
        ("NYX", np.ones((3, 40, 40), np.uint8), r"separate images, along N"),
        ("TYX", np.zeros((3, 40, 40), np.uint8), r"there is no label on any frame"),
    ],
)
def test_wrong_labels_are_refused(axes, labels, sentence):
    session = Session(movie()[:3, :40, :40], axes)
    with pytest.raises(ValueError, match=sentence):
        list(session.link_labels(labels))
    assert not session.can_undo
