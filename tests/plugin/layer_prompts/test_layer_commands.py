import numpy as np
import pytest
from napari.layers import Image

from blob_tracker import blob_session
from napari_sam2.images.errors import FrameReadError
from napari_sam2.plugin.image.alignment import AlignedPlanes, Alignment, FrameGrid
from napari_sam2.plugin.image.image_stack import ImageStack
from napari_sam2.plugin.layer_prompts.layer_commands import UseDrawn, UseLabels, labels_in, renumbered
from napari_sam2.plugin.prompts.clicks import Click
from napari_sam2.plugin.prompts.drawn_prompts import DrawnPrompts, FoundPrompts

STACK = ImageStack.of(Image(np.zeros((3, 40, 50), np.uint8)))


@pytest.fixture
def session(blobs):
    with blob_session(blobs) as session:
        yield session


@pytest.fixture
def planes(blobs):
    return AlignedPlanes(blobs.astype(np.int16), Alignment(np.eye(3), np.zeros(3)), FrameGrid.of(STACK))


def fail_on(session, monkeypatch, name, frame, position):
    """Let a method of a session fail where an argument, by its position, is a frame that cannot be read."""
    method = getattr(session, name)

    def call(*arguments):
        if arguments[position] == frame:
            raise FrameReadError(f"frame {frame} cannot be read")
        return method(*arguments)

    monkeypatch.setattr(session, name, call)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.uint16, np.int16, np.int64])
def test_labels_of_a_plane(dtype):
    plane = np.array([[0, 1], [1, 1 if dtype is bool else 7]], dtype)
    assert labels_in(plane) == ([1] if dtype is bool else [1, 7])
    assert renumbered(plane, {1: 300}).tolist() == [[0, 300], [300, 300 if dtype is bool else 0]]


def test_labels_are_whole_numbers():
    with pytest.raises(ValueError, match="labels are whole numbers, got float32"):
        labels_in(np.zeros((2, 2), np.float32))


def test_labels_over_frames_are_one_action(session, planes):
    outcome = UseLabels("cells", planes, (0, 1, 2)).run(session)
    assert outcome.text == "2 objects from cells: 6 masks on 3 frames."
    assert {i: sorted(item.prompts) for i, item in session.objects.items()} == {150: [0, 1, 2], 200: [0, 1, 2]}
    session.undo()
    assert not session.objects
    assert not session.can_undo
    UseLabels("cells", planes, (1, 2), is_every_frame=False).run(session)
    assert {i: sorted(item.prompts) for i, item in session.objects.items()} == {150: [1], 200: [1]}


def test_frames_that_cannot_be_read(session, planes, monkeypatch):
    found = FoundPrompts((DrawnPrompts("a", 0, (Click(10, 10, True),)), DrawnPrompts("a", 1, (Click(10, 10, True),))))
    fail_on(session, monkeypatch, "add_points", 0, 1)
    assert UseDrawn("mine", found).run(session).text == (
        "1 object from mine: 1 point on 1 frame. Left out: 1 point on frames that cannot be read."
    )
    assert (session.objects[1].name, sorted(session.objects[1].prompts)) == ("a", [1])


def test_labels_on_frames_that_cannot_be_read(session, planes, monkeypatch):
    fail_on(session, monkeypatch, "add_labels", 0, 1)
    text = UseLabels("cells", planes, (0, 1)).run(session).text
    assert text == "2 objects from cells: 2 masks on 1 frame. Left out: 2 masks on frames that cannot be read."


def test_labels_that_cannot_be_read(session, planes):
    class Unreadable:
        shape = planes.labels.shape

        def __getitem__(self, index):
            if index[0] == 1:
                raise OSError("a chunk is damaged")
            return planes.labels[index]

    damaged = AlignedPlanes(Unreadable(), planes.alignment, FrameGrid.of(STACK))
    text = UseLabels("cells", damaged, (0, 1)).run(session).text
    assert text == "2 objects from cells: 2 masks on 1 frame. Left out: 1 plane of labels that cannot be read."
    with pytest.raises(ValueError, match=r"nothing of cells could be used\. Left out: 1 plane of labels"):
        UseLabels("cells", damaged, (1,)).run(session)


def test_frames_without_labels(session, planes):
    shorter = AlignedPlanes(planes.labels[:2], planes.alignment, FrameGrid.of(STACK))
    text = UseLabels("cells", shorter, (0, 1, 2)).run(session).text
    assert text == "2 objects from cells: 4 masks on 2 frames. Left out: 1 frame without labels."


def test_an_object_of_which_nothing_is_taken_is_not_there(session):
    found = FoundPrompts((DrawnPrompts(1, 0, (Click(99, 10, True),)), DrawnPrompts(2, 0, (Click(10, 10, True),))))
    text = UseDrawn("mine", found).run(session).text
    assert list(session.objects) == [2]
    assert text.startswith("1 object from mine: 1 point on 1 frame. Left out: 1 point that the session refuses: the point (row 99")


def test_stopped_between_two_prompts(session, planes):
    points = [DrawnPrompts(1, frame, (Click(10, 10, True),)) for frame in range(3)]
    told = []

    def progress(done, total):
        told.append((done, total))
        return done < 2

    text = UseDrawn("mine", FoundPrompts(tuple(points))).run_steps(session, progress).text
    assert text == "Stopped, and kept what is done: 1 object from mine: 2 points on 2 frames."
    assert told == [(1, 3), (2, 3)]
    assert list(session.objects[1].prompts) == [0, 1]
    session.undo()
    assert not session.objects
    told.clear()
    text = UseLabels("cells", planes, (0, 1)).run_steps(session, progress).text
    assert (text, told) == ("Stopped, and kept what is done: 2 objects from cells: 2 masks on 1 frame.", [(2, 4)])
