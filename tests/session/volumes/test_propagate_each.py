"""Sessions looped over an axis, with exact labels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from blob_tracker import BlobTracker, squares, tiny_model
from napari_sam2.images.calibration import PIXELS
from napari_sam2.predictors import build, tracker
from napari_sam2.session.labels import label_writer
from napari_sam2.session.replay import replay
from napari_sam2.session.saved_session import SavedSession
from napari_sam2.session.session import Session
from napari_sam2.session.state.packed_labels import pack_plane, unpack_plane
from napari_sam2.session.volumes.propagate_each import propagate_each

T, Z, SHAPE = 5, 4, (24, 30)
TRUTH = np.stack(
    [
        squares(
            Z,
            SHAPE,
            {
                # It drifts by more than its size from the first time to the last.
                1: [(3, 2 + 3 * t + z, 5) for z in range(Z)],
                # It is in two planes, and gone from the fourth time on.
                2: [(15, 20, 4) if 1 <= z <= 2 and t < 3 else None for z in range(Z)],
            },
        )
        for t in range(T)
    ]
)
VOLUMES = np.where(TRUTH > 0, 3000, 100).astype(np.int16)


@pytest.fixture(autouse=True)
def double(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracker, "Tracker", BlobTracker)


def prompted(axes: str, along: str, at: dict[str, int], click: dict[int, int], **others: Any) -> Session:
    order = ["TZYX".index(axis) for axis in axes]
    session = Session(VOLUMES.transpose(order), axes, model=tiny_model(), along=along, at=at, **others)
    planes = session.stack.planes(TRUTH.transpose(order))
    for object_id, frame in click.items():
        session.add_object(object_id=object_id)
        session.add_points(object_id, frame, np.argwhere(planes[frame] == object_id)[:1])
    return session


@pytest.mark.parametrize("start", [0, 1, 2])
@pytest.mark.parametrize("axes", ["TZYX", "XTYZ"])
def test_each_volume_of_a_time_lapse(start: int, axes: str) -> None:
    session = prompted(axes, "Z", {"T": start}, {1: 0, 2: 1})
    done = [(step.position, step.result.frame) for step in propagate_each(session, "t")]
    assert [place for place, _ in done] == sorted((place for place, _ in done), key=lambda t: (t < start, abs(t - start)))
    assert {place for place, _ in done} == set(range(T))
    np.testing.assert_array_equal(session.labels, TRUTH.transpose(["TZYX".index(axis) for axis in axes]))


def test_labels_of_the_caller(tmp_path: Path) -> None:
    labels = zarr.create_array(tmp_path / "labels.zarr", shape=(30, T, 24, Z), chunks=(30, 1, 24, 1), dtype="uint16")
    session = prompted("XTYZ", "Z", {"T": 1}, {1: 0, 2: 1}, labels=labels)
    for _ in propagate_each(session, "T"):
        pass
    np.testing.assert_array_equal(labels[...], TRUTH.transpose(3, 0, 2, 1))


def test_each_plane_of_a_time_lapse() -> None:
    session = prompted("TZYX", "T", {"Z": 1}, {1: 0, 2: 2})
    for _ in propagate_each(session, "Z"):
        pass
    np.testing.assert_array_equal(session.labels, TRUTH)


def test_a_stack_without_a_fourth_axis() -> None:
    session = Session(VOLUMES[:, 0], "TYX", model=tiny_model(), at={"T": 0})
    with pytest.raises(ValueError, match="at one position of T, axes TYX leave none to propagate along: that takes a fourth axis"):
        next(propagate_each(session, "T"))


def test_some_places_and_going_on() -> None:
    session = prompted("TZYX", "Z", {"T": 1}, {1: 0, 2: 1})
    for _ in propagate_each(session, "T", positions=[1, 2]):
        pass
    np.testing.assert_array_equal(session.labels[1:3], TRUTH[1:3])
    assert not session.labels[[0, 3, 4]].any()
    for _ in propagate_each(session, "T", positions=range(2, T)):
        pass
    np.testing.assert_array_equal(session.labels[1:], TRUTH[1:])
    assert not session.labels[0].any()


def test_what_was_done_stays_when_nobody_asks_for_more() -> None:
    session = prompted("TZYX", "Z", {"T": 0}, {1: 0, 2: 1})
    steps = propagate_each(session, "T")
    for step in steps:
        if step.position == 2:
            break
    steps.close()  # type: ignore[attr-defined]
    np.testing.assert_array_equal(session.labels[:2], TRUTH[:2])
    assert not session.labels[3:].any()


def test_all_places_are_seen_with_the_same_intensities() -> None:
    session = prompted("TZYX", "Z", {"T": 0}, {1: 0}, intensity_range=(0, 5000))
    ranges = {step.session.intensity_ranges for step in propagate_each(session, "T")}
    assert ranges == {((0.0, 5000.0),)}


@pytest.mark.parametrize(
    ("over", "places", "sentence"),
    [
        ("Z", None, "objects are propagated along Z: they can be propagated at each position of another axis only"),
        ("y", None, "Y is an axis of the frames: objects cannot be propagated at each position of it"),
        ("C", None, "there is no axis C to propagate at each position of: labels have axes TZYX"),
        ("T", [0, 5], r"T 5 does not exist: the image has 5, counted from 0"),
    ],
)
def test_what_makes_no_sense_is_refused(over: str, places: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        next(propagate_each(prompted("TZYX", "Z", {"T": 0}, {1: 0}), over, places))


def test_nothing_prompted() -> None:
    with pytest.raises(ValueError, match="there is nothing to propagate: no object is present on a frame on which it was prompted"):
        next(propagate_each(prompted("TZYX", "Z", {"T": 0}, {}), "T", [1]))
    with pytest.raises(ValueError, match="there is nothing to propagate"):
        next(propagate_each(prompted("TZYX", "Z", {"T": 0}, {}), "T"))


# --- what a session makes of it ------------------------------------------------------------------------------------


def calls(session: Session) -> list[tuple[str, Any]]:
    return [(call.method, call.arguments.get("positions")) for call in session._history.calls if call.method != "add_object"]


def test_it_is_one_action_that_is_taken_back_and_done_again() -> None:
    session = prompted("TZYX", "Z", {"T": 1}, {1: 0, 2: 1})
    list(propagate_each(session, "T"))
    assert calls(session)[-2:] == [("propagate", None), ("propagate_each", [2, 3, 4, 0])]
    session.undo()
    np.testing.assert_array_equal(session.labels[1], TRUTH[1])
    assert not session.labels[[0, 2, 3, 4]].any()
    session.redo()
    np.testing.assert_array_equal(session.labels, TRUTH)
    session.hide_object(2)
    list(propagate_each(session, "T", [2]))
    np.testing.assert_array_equal(session.labels, np.where(TRUTH == 2, 0, TRUTH))
    session.hide_object(2, False)
    np.testing.assert_array_equal(session.labels, TRUTH)
    for _ in range(2):
        session.undo()
    np.testing.assert_array_equal(session.labels, np.where(TRUTH == 2, 0, TRUTH))
    session.undo()
    np.testing.assert_array_equal(session.labels, TRUTH)


EDITS: dict[str, tuple[Callable[[Session], Any], Callable[[np.ndarray], np.ndarray]]] = {
    "hide": (lambda session: session.hide_object(1), lambda labels: np.where(labels == 1, 0, labels)),
    "remove": (lambda session: session.remove_object(1), lambda labels: np.where(labels == 1, 0, labels)),
    "merge": (lambda session: session.merge_objects(2, 1), lambda labels: np.where(labels == 1, 2, labels)),
    "split": (lambda session: session.split_object(1, 2), lambda labels: np.where((labels == 1) & LATER, 3, labels)),
    "divide": (lambda session: session.divide_object(1, 2), lambda labels: np.where((labels == 1) & LATER, 0, labels)),
}
LATER = np.arange(Z)[:, None, None] >= 2


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_of_an_object_reaches_all_places(name: str, tmp_path: Path) -> None:
    edit, expected = EDITS[name]
    session = prompted("TZYX", "Z", {"T": 1}, {1: 0, 2: 1})
    session.save(tmp_path / "volumes.sam2")
    list(propagate_each(session, "T"))
    edit(session)
    np.testing.assert_array_equal(session.labels, expected(TRUTH))
    session.undo()
    np.testing.assert_array_equal(session.labels, TRUTH)
    session.redo()
    np.testing.assert_array_equal(session.labels, expected(TRUTH))
    session.close()
    opened = Session.open(tmp_path / "volumes.sam2", VOLUMES, tiny_model())
    opened.close()
    exported = SavedSession.read(tmp_path / "volumes.sam2").result(PIXELS)
    replayed = replay(tmp_path / "volumes.sam2", VOLUMES, tiny_model())
    for labels in (opened.labels, exported.labels, replayed.labels):
        np.testing.assert_array_equal(labels, expected(TRUTH))


def test_an_object_is_not_at_places_of_one_that_had_its_number() -> None:
    session = prompted("TZYX", "Z", {"T": 1}, {1: 0, 2: 1})
    list(propagate_each(session, "T"))
    session.remove_object(2)
    assert session.add_object() == 2
    np.testing.assert_array_equal(session.labels, np.where(TRUTH == 2, 0, TRUTH))


@pytest.mark.parametrize("is_saved_as_it_goes", [True, False])
def test_saved_opened_and_done_again(tmp_path: Path, is_saved_as_it_goes: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "volumes.sam2"
    session = prompted("TZYX", "Z", {"T": 1}, {1: 0, 2: 1})
    if is_saved_as_it_goes:
        session.save(path)
    for step in propagate_each(session, "T", np.arange(1, T)):
        if step.position == 4:
            break
    if not is_saved_as_it_goes:
        session.save(path)
    session.close()
    again = Session.open(path, VOLUMES, tiny_model())
    np.testing.assert_array_equal(again.labels[1:4], TRUTH[1:4])
    np.testing.assert_array_equal(again.labels, session.labels)
    list(propagate_each(again, "T", [4]))
    again.close()
    replayed = replay(path, VOLUMES, tiny_model())
    np.testing.assert_array_equal(replayed.labels[1:], TRUTH[1:])
    np.testing.assert_array_equal(replayed.labels, again.labels)
    assert calls(replayed) == calls(again)
    assert calls(again)[-2:] == [("propagate_each", [2, 3]), ("propagate_each", [4])]
    script = again.to_script()
    assert "for _ in sam2.propagate_each(session, over='T', positions=[2, 3]):" in script
    monkeypatch.setattr(build, "load_model", lambda name, device: tiny_model())
    names: dict[str, Any] = {"__name__": "script"}
    exec(compile(script, "script", "exec"), names)
    np.testing.assert_array_equal(names["run"](VOLUMES).labels, again.labels)


def test_what_was_taken_back_is_not_in_the_file(tmp_path: Path) -> None:
    session = prompted("TZYX", "Z", {"T": 1}, {1: 0, 2: 1})
    session.save(tmp_path / "volumes.sam2")
    list(propagate_each(session, "T", [1, 2]))
    list(propagate_each(session, "T", [3]))
    session.undo()
    session.close()
    again = Session.open(tmp_path / "volumes.sam2", VOLUMES, tiny_model())
    np.testing.assert_array_equal(again.labels[1:3], TRUTH[1:3])
    assert not again.labels[3:].any()
    again.close()


def test_axes_vote_at_each_place(tmp_path: Path) -> None:
    session = prompted("TZYX", "Z", {"T": 1}, {1: 0, 2: 1})
    session.save(tmp_path / "volumes.sam2")
    assert {step.position for step in propagate_each(session, "T", [1, 2], fuse="ZYX")} == {1, 2}
    session.close()
    np.testing.assert_array_equal(session.labels[1:3], TRUTH[1:3])
    assert calls(session)[-2:] == [("fuse_axes", None), ("propagate_each", [2])]
    replayed = replay(tmp_path / "volumes.sam2", VOLUMES, tiny_model())
    np.testing.assert_array_equal(replayed.labels, session.labels)
    assert calls(replayed) == calls(session)


def test_an_object_is_at_no_place_where_it_may_not_be() -> None:
    session = prompted("TZYX", "T", {"Z": 1}, {1: 0})
    list(session.propagate())
    session.divide_object(1, 3, children=1)
    list(propagate_each(session, "Z"))
    expected = np.where(TRUTH == 1, 1, 0)
    expected[3:] = 0
    np.testing.assert_array_equal(session.labels, expected)


def test_objects_that_are_changed_in_between() -> None:
    session = prompted("TZYX", "Z", {"T": 0}, {1: 0})
    running = propagate_each(session, "T")
    for step in running:
        if step.position == 2:
            session.rename_object(1, "other")
            break
    with pytest.raises(ValueError, match="objects were changed while they were propagated at each position of T: begin again"):
        list(running)
    np.testing.assert_array_equal(session.labels[:2], np.where(TRUTH[:2] == 1, 1, 0))
    assert not session.labels[2:].any()


@pytest.mark.parametrize("state", ["hide_object", "lock_object"])
def test_what_was_found_elsewhere_of_hidden_and_locked_objects_stays(state: str) -> None:
    session = prompted("TZYX", "Z", {"T": 0}, {1: 0, 2: 1})
    list(propagate_each(session, "T"))
    getattr(session, state)(2)
    list(propagate_each(session, "T"))
    getattr(session, state)(2, False)
    np.testing.assert_array_equal(session.labels, TRUTH)


def test_a_locked_object_is_followed_to_no_place() -> None:
    session = prompted("TZYX", "Z", {"T": 0}, {1: 0, 2: 1})
    session.lock_object(2)
    list(propagate_each(session, "T"))
    assert not (session.labels[1:] == 2).any()
    np.testing.assert_array_equal(session.labels[1:] == 1, TRUTH[1:] == 1)


def test_large_labels_lie_in_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(label_writer, "MAX_BYTES_IN_MEMORY", TRUTH.nbytes - 1)
    session = prompted("TZYX", "Z", {"T": 1}, {1: 0, 2: 1})
    assert isinstance(session.labels, np.memmap)
    list(propagate_each(session, "T"))
    np.testing.assert_array_equal(session.labels, TRUTH)


def test_packed_planes() -> None:
    plane = np.arange(6, dtype=np.uint16).reshape(2, 3).T
    np.testing.assert_array_equal(unpack_plane(pack_plane(plane), (3, 2)), plane)
    assert pack_plane(np.zeros((3, 2), np.uint16)) == b""
    for packed, shape in ((b"other", (3, 2)), (pack_plane(plane), (3, 3))):
        with pytest.raises(ValueError, match="a packed label plane is damaged"):
            unpack_plane(packed, shape)
