"""Around frames that cannot be read everything else is followed; labels are exact, as the tracker is the double."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blob_tracker import BlobTracker, blob_session, squares, tiny_model
from broken_images import BrokenArray, broken_tiff, broken_zarr, broken_zarr_by_hand
from napari_sam2.images.errors import FrameReadError
from napari_sam2.predictors import tracker as tracker_module
from napari_sam2.session.readable_frames import propagate_readable
from napari_sam2.session.replay import replay
from napari_sam2.session.session import Session

T = 8
TRUTH = squares(T, (32, 32), {1: [(4, 3 + t, 6) for t in range(T)], 2: [(20 - t, 20, 5) for t in range(T)]})
MOVIE = np.where(TRUTH > 0, 3000, 100).astype(np.uint16)


def prompted(image: Any, *anchors: tuple[int, int]) -> Session:
    session = blob_session(image, "TYX")
    for object_id, frame in anchors:
        if object_id not in session.objects:
            session.add_object(object_id=object_id)
        session.add_points(object_id, frame, [tuple(np.argwhere(TRUTH[frame] == object_id)[0].tolist())])
    return session


def followed(session: Session, **options: Any) -> tuple[list[int], str]:
    """Frames in the order in which they are done, and what is said at the end."""
    frames: list[int] = []
    try:
        for result in propagate_readable(session, **options):
            frames.append(result.frame)  # noqa: PERF401  # those before an error count
    except FrameReadError as error:
        return frames, str(error)
    return frames, ""


def done(frames: dict[int, Collection[int]]) -> np.ndarray:
    """The truth of each object on some frames alone."""
    labels = np.zeros_like(TRUTH)
    for object_id, seen in frames.items():
        for frame in seen:
            labels[frame][TRUTH[frame] == object_id] = object_id
    return labels


WHY = "its data are damaged or missing"


@pytest.mark.parametrize(
    ("broken", "anchors", "expected"),
    [
        # From the middle: the way back is done although the way forward ends.
        ([6], [(1, 4)], {1: range(6)}),
        ([2], [(1, 4)], {1: range(3, T)}),
        ([2, 6], [(1, 4)], {1: range(3, 6)}),
        # Two objects that come from different sides.
        ([3], [(1, 0), (2, 5)], {1: range(3), 2: range(4, T)}),
        ([0, 7], [(1, 3), (2, 4)], {1: range(1, 7), 2: range(1, 7)}),
        # Between two anchors each frame is reached from the nearer one; beyond the second it is followed from there.
        ([2], [(1, 0), (1, 5)], {1: [0, 1, 3, 4, 5, 6, 7]}),
        ([3], [(1, 0), (1, 7)], {1: [0, 1, 2, 4, 5, 6, 7]}),
        # Nothing but what was prompted.
        ([3, 5], [(1, 4)], {1: [4]}),
    ],
)
def test_what_does_not_come_through_a_broken_frame_is_done(
    broken: list[int], anchors: list[tuple[int, int]], expected: dict[int, Collection[int]]
) -> None:
    session = prompted(BrokenArray(MOVIE, broken), *anchors)
    frames, said = followed(session)
    np.testing.assert_array_equal(session.labels, done(expected))
    assert not {*frames} & {*broken}
    assert sorted(said.split("; ")) == [f"frame {frame} along T cannot be read: {WHY}" for frame in broken]


def test_where_all_can_be_read_it_is_propagate() -> None:
    session, other = (prompted(MOVIE, (1, 4), (2, 0)) for _ in range(2))
    frames, said = followed(session)
    assert (frames, said) == ([result.frame for result in other.propagate()], "")
    np.testing.assert_array_equal(session.labels, TRUTH)


def test_directions_objects_and_frames() -> None:
    session = prompted(BrokenArray(MOVIE, [6]), (1, 4), (2, 4))
    assert followed(session, direction="forward", objects=[1])[0] == [5]
    assert followed(session, frames=[0, 1, 2, 3, 5, 7]) == ([5, 7, 3, 2, 1, 0], "")
    np.testing.assert_array_equal(session.labels, done({1: {*range(T)} - {6}, 2: {*range(T)} - {6}}))


def test_many_broken_frames_are_one_sentence() -> None:
    anchors = [(1, frame) for frame in range(0, T, 2)]
    _, said = followed(prompted(BrokenArray(MOVIE, range(1, T, 2)), *anchors))
    assert said.count("cannot be read") == 3
    assert said.endswith("; and 1 more")


def test_an_anchor_that_can_no_longer_be_read_is_in_the_way_of_its_object_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    session = prompted(MOVIE, (1, 2), (2, 0))
    remember = BlobTracker.remember

    def refused(tracker: BlobTracker, frame: int, records: Any) -> Any:
        if frame == 2:
            raise FrameReadError("frame 2 along T cannot be read: it is gone")
        return remember(tracker, frame, records)

    monkeypatch.setattr(BlobTracker, "remember", refused)
    _, said = followed(session)
    assert said == "frame 2 along T cannot be read: it is gone"
    np.testing.assert_array_equal(session.labels, done({1: [2], 2: range(T)}))


def test_what_was_done_is_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The calls are those of the session: a file of it finds the same, whether or not the frame can be read then."""
    monkeypatch.setattr(tracker_module, "Tracker", BlobTracker)
    session = prompted(BrokenArray(MOVIE, [3]), (1, 0), (2, 5))
    session.save(tmp_path / "movie.sam2")
    followed(session)
    session.close()
    for image in (BrokenArray(MOVIE, [3]), MOVIE):
        again = replay(tmp_path / "movie.sam2", image, tiny_model())
        np.testing.assert_array_equal(again.labels, session.labels)


@pytest.mark.parametrize("write", [broken_zarr, broken_zarr_by_hand, broken_tiff])
def test_files_of_several_writers(write: Any, tmp_path: Path) -> None:
    session = prompted(write(tmp_path / f"movie{'.tif' if write is broken_tiff else '.zarr'}", MOVIE, [(6,)]), (1, 4))
    frames, said = followed(session)
    assert frames == [5, 3, 2, 1, 0]
    assert said.startswith("frame 6 along T cannot be read: ")
    np.testing.assert_array_equal(session.labels, done({1: range(6)}))
