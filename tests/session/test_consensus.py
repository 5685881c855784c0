"""The vote of three axes, with exact labels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from blob_tracker import BlobTracker, blob_record, tiny_model
from napari_sam2.predictors.memory_bank import FrameRecord
from napari_sam2.session import session as session_module
from napari_sam2.session.consensus import follow_by_consensus, line_through
from napari_sam2.session.session import Session

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
        mask = super()._track(frame, memory, reverse).mask_logits.numpy() > 0
        record = blob_record(mask | (mask.shape == self.floods_rows_by_columns), 8)
        return record.with_memory(record.mask_logits)


def prompted(monkeypatch: pytest.MonkeyPatch, axes: str, along: str, floods: tuple[int, int] | None = None) -> Session:
    monkeypatch.setattr(SureTracker, "floods_rows_by_columns", floods)
    monkeypatch.setattr(session_module, "Tracker", SureTracker)
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
    done = [step.axis for step in follow_by_consensus(session)]
    assert list(dict.fromkeys(done)) == [along, *"ZYX".replace(along, "")]
    np.testing.assert_array_equal(session.labels, TRUTH.transpose(["ZYX".index(axis) for axis in axes]))


@pytest.mark.parametrize("floods", [(Y, X), (Z, X), (Z, Y)], ids="ZYX")
def test_two_outvote_one_that_is_wrong(floods: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    session = prompted(monkeypatch, "ZYX", "Z", floods)
    for step in follow_by_consensus(session):
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
    for _ in follow_by_consensus(session):
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


@pytest.mark.parametrize("axes", ["TYX", "TZYX"])
def test_what_is_no_volume_is_refused(axes: str, monkeypatch: pytest.MonkeyPatch) -> None:
    at = {"Z": 0} if "Z" in axes else None
    session = Session(np.zeros((3, 4, 16, 22)[-len(axes) :]), axes, model=tiny_model(), along="T", at=at)
    with pytest.raises(ValueError, match=f"a consensus of axes needs a volume, followed along Z, Y or X, not axes {axes} along T"):
        next(follow_by_consensus(session))
