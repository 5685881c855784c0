"""The vote of three axes, with exact labels."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blob_tracker import BlobTracker, blob_record, tiny_model
from napari_sam2.predictors import build
from napari_sam2.predictors import tracker as tracker_module
from napari_sam2.predictors.memory_bank import FrameRecord
from napari_sam2.predictors.packed_tensor import PackedTensor
from napari_sam2.predictors.zoom import View
from napari_sam2.session.replay import replay
from napari_sam2.session.session import Session
from napari_sam2.session.state.calls import LoggedCall
from napari_sam2.session.volumes.fuse_axes import _fused, fuse_axes, line_through

SHAPE = Z, Y, X = 10, 16, 22


def ball(centre: tuple[int, int, int], radius: float) -> np.ndarray:
    return sum((np.indices(SHAPE)[i] - centre[i]) ** 2 for i in range(3)) <= radius**2


TRUTH = (ball((4, 5, 6), 3.2) * 1 + ball((6, 10, 16), 2.5) * 7).astype(np.uint16)
VOLUME = np.where(TRUTH > 0, 200, 10).astype(np.uint8)
CENTRES = {1: {"Z": 4, "Y": 5, "X": 6}, 7: {"Z": 6, "Y": 10, "X": 16}}


class SureTracker(BlobTracker):
    """Equally sure of every frame; along Z it floods every frame it tracks."""

    floods_rows_by_columns: tuple[int, int] | None = None

    def _track(self, frame: int, memory: Any, reverse: bool) -> FrameRecord:
        mask = super()._track(frame, memory, reverse).mask_logits > 0
        record = blob_record(mask | (mask.shape == self.floods_rows_by_columns), 8)
        return record.with_memory(PackedTensor(record.mask_logits, "float32"))


def prompted(monkeypatch: pytest.MonkeyPatch, axes: str, along: str, floods: tuple[int, int] | None = None) -> Session:
    monkeypatch.setattr(SureTracker, "floods_rows_by_columns", floods)
    monkeypatch.setattr(tracker_module, "Tracker", SureTracker)
    session = Session(VOLUME.transpose(["ZYX".index(axis) for axis in axes]), axes, model=tiny_model(), along=along)
    layout = session.stack.layout
    for object_id, centre in CENTRES.items():
        session.add_object(object_id=object_id)
        session.add_points(object_id, centre[along], [(centre[layout.rows], centre[layout.columns])])
    return session


@pytest.mark.parametrize("axes", ["ZYX", "XZY"])
@pytest.mark.parametrize("along", ["Z", "Y", "X"])
def test_three_axes_agree(axes: str, along: str, monkeypatch: pytest.MonkeyPatch) -> None:
    session = prompted(monkeypatch, axes, along)
    done = [step.axis for step in fuse_axes(session)]
    assert list(dict.fromkeys(done)) == [along, *"ZYX".replace(along, "")]
    np.testing.assert_array_equal(session.labels, TRUTH.transpose(["ZYX".index(axis) for axis in axes]))


@pytest.mark.parametrize("floods", [(Y, X), (Z, X), (Z, Y)], ids="ZYX")
def test_two_outvote_one_that_is_wrong(floods: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    session = prompted(monkeypatch, "ZYX", "Z", floods)
    for step in fuse_axes(session):
        if step.axis == "X" and floods == (Y, X):
            assert (session.labels[0] > 0).all(), "before the vote the flood is there"
    np.testing.assert_array_equal(session.labels, TRUTH)


def test_an_axis_that_does_not_find_an_object_has_no_vote(monkeypatch: pytest.MonkeyPatch) -> None:
    session = prompted(monkeypatch, "ZYX", "Z")
    segment = SureTracker._segment
    blind = lambda tracker, frame, prompt: (  # noqa: E731
        blob_record(np.zeros((Z, Y), bool), 8) if tracker.blobs(frame).shape == (Z, Y) else segment(tracker, frame, prompt)
    )
    monkeypatch.setattr(SureTracker, "_segment", blind)
    for _ in fuse_axes(session):
        pass
    np.testing.assert_array_equal(session.labels, TRUTH)


def test_line_through_the_deepest_point() -> None:
    mask = np.zeros((9, 30), bool)
    mask[2:7, 4:24] = True
    mask[4, 26:28] = True
    fixed, places, labels = line_through(mask, along_rows=False)
    assert fixed == 4
    assert places.tolist() == [9, 14, 18, 1]  # beyond the end there is another part of the object
    assert labels.tolist() == [1, 1, 1, 0]
    column, rows, labels = line_through(mask, along_rows=True)
    assert mask[:, column].sum() == 5
    assert (rows.tolist(), labels.tolist()) == ([3, 4, 5, 1, 7], [1, 1, 1, 0, 0])


def test_line_of_one_pixel_and_of_a_whole_frame() -> None:
    mask = np.zeros((3, 4), bool)
    mask[1, 2] = True
    assert [part.tolist() for part in line_through(mask, along_rows=False)[1:]] == [[2, 1, 3], [1, 0, 0]]
    assert [part.tolist() for part in line_through(~(mask & False), along_rows=False)[1:]] == [[1, 2], [1, 1]]


@pytest.mark.parametrize(
    ("axes", "along", "voting", "sentence"),
    [
        ("TYX", "T", "ZYX", "axes of a volume are fused: axes TYX have no Z"),
        ("TZYX", "T", "ZYX", "objects are propagated along T: to fuse ZYX they have to be along one of these"),
        ("TZYX", "Z", "yx", "objects are propagated along Z: to fuse YX they have to be along one of these"),
        ("TZYX", "Z", "TZY", "two or three of the axes Z, Y and X are fused, got 'TZY'"),
        ("TZYX", "Z", "ZYY", "two or three of the axes Z, Y and X are fused, got 'ZYY'"),
        ("TZYX", "Z", "Z", "two or three of the axes Z, Y and X are fused, got 'Z'"),
    ],
)
def test_what_is_no_vote_is_refused(axes: str, along: str, voting: str, sentence: str) -> None:
    at = {axis: 0 for axis in "TZ" if axis in axes and axis != along}
    session = Session(np.zeros((3, 4, 16, 22)[-len(axes) :]), axes, model=tiny_model(), along=along, at=at)
    with pytest.raises(ValueError, match=re.escape(sentence)):
        next(fuse_axes(session, voting))


# --- what a session makes of it ------------------------------------------------------------------------------------


def state(session: Session) -> dict[str, Any]:
    """Everything that is to be the same again."""
    return {
        "labels": session.labels.copy().tolist(),
        "scores": {object_id: session.scores(object_id) for object_id in session.objects},
        "prompts": {object_id: dict(item.prompts) for object_id, item in session.objects.items()},
        "records": {
            (object_id, kind, frame): (record.mask_logits.tolist(), int(record.pointer.array[0]), record.anchor_distance)
            for object_id, item in session.objects.items()
            for kind, mapping in enumerate((*item.record_mappings, item.corrected))
            for frame, record in mapping.items()
        },
    }


def test_it_is_one_action_that_is_taken_back_and_done_again(monkeypatch: pytest.MonkeyPatch) -> None:
    session = prompted(monkeypatch, "ZYX", "Z", (Y, X))
    list(session.propagate())
    flooded = state(session)
    done = list(fuse_axes(session, "zx"))
    assert {step.axis for step in done} == {"X"}, "what is tracked is not tracked again"
    fused = state(session)
    assert fused != flooded
    assert session._history.calls[-1] == LoggedCall("fuse_axes", {"axes": "ZX", "objects": None})
    session.undo()
    assert state(session) == flooded
    session.redo()
    assert state(session) == fused
    list(fuse_axes(session, "ZX"))
    assert state(session) == fused, "a vote is not counted in the next one"


def test_nothing_is_fused_on_before_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    session = prompted(monkeypatch, "ZYX", "Z", (Y, X))
    for step in fuse_axes(session):
        if step.axis == "X":
            break
    assert [call.method for call in session._history.calls][-1] == "propagate"
    assert (session.labels[0] > 0).all()
    running = fuse_axes(session)
    next(running)
    session.rename_object(1, "other")
    with pytest.raises(ValueError, match="objects were changed while axes were propagated: begin the fusion again"):
        list(running)


def test_what_a_person_decided_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    session = prompted(monkeypatch, "ZYX", "Z", (Y, X))
    list(session.propagate())
    session.approve(1, 0)
    said = np.zeros((Y, X), bool)
    said[12:15, 2:5] = True
    session.add_mask(7, 8, said)
    session.lock_object(7)
    locked = [session.mask(7, frame) for frame in range(Z)]
    list(fuse_axes(session))
    assert session.mask(1, 0).all()
    np.testing.assert_array_equal(session.mask(1, 4), TRUTH[4] == 1)
    np.testing.assert_array_equal([session.mask(7, frame) for frame in range(Z)], locked)
    assert sorted(session.objects[1].fused) == [1, 2, 3, 5, 6, 7, 8, 9]
    assert session.plan() == []
    session.lock_object(7, False)
    np.testing.assert_array_equal(session.mask(7, 8), said)


def test_a_correction_replaces_the_vote_between_its_neighbours_only(monkeypatch: pytest.MonkeyPatch) -> None:
    session = prompted(monkeypatch, "ZYX", "Z", (Y, X))
    list(fuse_axes(session))
    fused = session.labels.copy()
    session.add_mask(1, 6, TRUTH[6] == 1)
    # The vote is shown until the frames are tracked again.
    np.testing.assert_array_equal(session.labels, fused)
    list(session.propagate(frames=[5]))
    assert sorted(session.objects[1].fused) == [0, 1, 2, 3, 7, 8, 9]
    list(session.propagate())
    assert sorted(session.objects[1].fused) == [0, 1, 2, 3]
    assert (session.labels[5] > 0).all(), "along Z it floods"
    np.testing.assert_array_equal(session.labels[:4], TRUTH[:4])
    session.clear_prompts(1, 6)
    session.clear_prompts(1, 4)
    assert not (session.labels == 1).any()
    for _ in range(5):
        session.undo()
    assert sorted(session.objects[1].fused) == [0, 1, 2, 3, 5, 6, 7, 8, 9]
    np.testing.assert_array_equal(session.labels, fused)


def test_merged_and_split_objects_keep_what_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    session = prompted(monkeypatch, "ZYX", "Z", (Y, X))
    list(fuse_axes(session))
    fused = {object_id: np.array([session.mask(object_id, frame) for frame in range(Z)]) for object_id in (1, 7)}
    assert not fused[1][0].any()
    later = session.split_object(7, 7)
    for object_id, frames in ((7, range(7)), (later, range(7, Z))):
        np.testing.assert_array_equal([session.mask(object_id, frame) for frame in frames], fused[7][frames])
    session.merge_objects(7, later)
    session.merge_objects(1, 7)
    np.testing.assert_array_equal([session.mask(1, frame) for frame in range(Z)], fused[1] | fused[7])


def test_saved_opened_and_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = prompted(monkeypatch, "ZYX", "Z", (Y, X))
    session.save(tmp_path / "volume.sam2")
    list(fuse_axes(session, objects=[1, 7]))
    session.add_mask(1, 6, TRUTH[6] == 1)
    for _, _ in zip(range(1), session.propagate(), strict=False):
        pass
    session.close()
    again = Session.open(tmp_path / "volume.sam2", VOLUME, tiny_model())
    assert state(again) == state(session)
    again.close()
    assert state(replay(tmp_path / "volume.sam2", VOLUME, tiny_model())) == state(session)
    script = session.to_script()
    assert "for _ in sam2.fuse_axes(session, axes='ZYX', objects=[1, 7]):" in script
    monkeypatch.setattr(build, "load_model", lambda name, device: tiny_model())
    names: dict[str, Any] = {"__name__": "script"}
    exec(compile(script, "script", "exec"), names)
    assert state(names["run"](VOLUME)) == state(session)


def test_scores_tell_where_axes_disagree(monkeypatch: pytest.MonkeyPatch) -> None:
    session = prompted(monkeypatch, "ZYX", "Z", (Y, X))
    list(fuse_axes(session))
    scores = session.scores(1)
    assert scores[0].predicted_iou == 0, "Z saw it everywhere, the vote nowhere"
    assert scores[0].object_score == pytest.approx((4 - 2 - 2) / 3), "where clicks are, the double is less sure"
    assert scores[3].object_score == pytest.approx(4)
    assert scores[3].predicted_iou == (TRUTH[3] == 1).sum() / (Y * X)


def test_a_vote_lies_in_a_window_that_holds_it() -> None:
    tracked = blob_record(np.zeros((8, 8), bool), 8)
    tracked = replace(tracked, view=View(10, 10, 8, 8))
    votes = np.full((40, 50), -4, np.float32)
    votes[4:8, 12:20] = 4
    record = _fused(tracked, np.zeros((40, 50), bool), votes)
    assert record.view == View(4, 10, 14, 10)
    assert record.mask_logits.shape == (8, 8)
    assert _fused(tracked, np.zeros((40, 50), bool), -np.abs(votes)).view == tracked.view
