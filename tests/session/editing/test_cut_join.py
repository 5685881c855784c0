"""Objects that are cut in time, joined and approved: their prompts and records, frame by frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from blob_tracker import blob_record
from napari_sam2.predictors.memory_bank import FrameRecord
from napari_sam2.predictors.packed_tensor import PackedTensor
from napari_sam2.predictors.record_store import RecordBudget
from napari_sam2.predictors.zoom import View
from napari_sam2.session.editing.cut_join import approve, cut, cut_before, join, mark_stale_around
from napari_sam2.session.state.history import History
from napari_sam2.session.state.objects import ObjectInfo, SessionObject
from napari_sam2.session.state.prompts import FramePrompts
from napari_sam2.session.state.session_state import SessionState
from packed_records import record_of
from thoroughness import examples

T, SHAPE = 8, (6, 6)
Mask = npt.NDArray[np.bool_]


class Masks:
    """A double for the segmenter: a prompted mask is what is found."""

    frame_shape = SHAPE

    def __init__(self) -> None:
        self.segmented: list[int] = []

    def mask(self, record: FrameRecord) -> Mask:
        mask: Mask = record.mask_logits > 0
        return mask

    def segment_new(self, frame: int, prompts: Sequence[FramePrompts]) -> list[FrameRecord]:
        self.segmented.append(frame)
        return [blob_record(one.mask, 8.0) for one in prompts if one.mask is not None]


def square(number: int) -> Mask:
    """Another square for each number, 0 for none."""
    mask = np.zeros(SHAPE, bool)
    if number:
        mask[number % 5 : number % 5 + 2, number // 5 : number // 5 + 2] = True
    return mask


def record(number: int, is_remembered: bool = True, distance: int = 1) -> FrameRecord:
    found = blob_record(square(number), 2.0)
    memory = PackedTensor.pack(torch.ones(1)) if is_remembered else None
    return FrameRecord(found.mask_logits, found.pointer, found.object_score, number / 32, memory, anchor_distance=distance)


def objects(*kinds: str) -> list[SessionObject]:
    """One object for each text: a letter for each frame.

    A anchor, T tracked, S stale, F fused and tracked; in small letters where it is absent; . where nothing is known.
    """
    state = SessionState(History(lambda snapshots: None, lambda commit: None), RecordBudget().put)
    found = []
    for object_id, letters in enumerate(kinds, 1):
        item = state.add(object_id, ObjectInfo(f"object {object_id}"))
        for frame, letter in enumerate(letters):
            one = record(0 if letter.islower() else frame + 1 + 8 * (object_id - 1))
            if letter.upper() == "A":
                item.prompts[frame] = FramePrompts(((float(frame), 0.0),), (1,))
                item.conditioning[frame] = one
            for kind in {"T": ["tracked"], "S": ["stale"], "F": ["tracked", "fused"]}.get(letter.upper(), []):
                item.records[kind][frame] = record(17) if letter == "F" and kind == "tracked" else one
        found.append(item)
    return found


def kinds(item: SessionObject) -> str:
    """What there is of an object, in the letters of :func:`objects`."""
    letters = ""
    for frame in range(T):
        of = {name: frame in item.records[name] for name in ("anchor", "fused", "tracked", "stale")}
        assert of["anchor"] + of["tracked"] + of["stale"] <= 1
        letter = "A" if of["anchor"] else "F" if of["fused"] else "T" if of["tracked"] else "S" if of["stale"] else "."
        shown = item.shown(frame)
        letters += letter if shown is None or shown.is_present else letter.lower()
        assert (frame in item.prompts) == of["anchor"]
    return letters


def shown_mask(item: SessionObject, frame: int) -> Mask:
    shown = item.shown(frame)
    return square(0) if shown is None else shown.mask_logits > 0


def test_what_was_tracked_between_the_anchors_around_a_frame_is_stale() -> None:
    for frame, expected in ((2, "ASSATTTT"), (3, "ASSASSSS"), (5, "ATTASSSS")):
        (item,) = objects("ATTATTTT")
        mark_stale_around(item, frame, T)
        assert kinds(item) == expected


# --- approved ----------------------------------------------------------------------------------------------------------


def test_what_is_shown_becomes_an_anchor() -> None:
    (item,) = objects("ATTTTATT")
    shown = item.shown(2)
    assert shown is not None
    approve(item, 2, T)
    assert kinds(item) == "ASASSATT"
    anchor = item.conditioning[2]
    assert item.prompts[2] == FramePrompts(is_approved=True)
    assert item.corrected[2] is shown
    assert (anchor.mask_logits is shown.mask_logits, anchor.memory, anchor.anchor_distance) == (True, None, 0)


@pytest.mark.parametrize(("before", "after"), [("ASS", "ASA....."), ("AFF", "AFA....."), ("ATt", "ASa.....")])
def test_whatever_is_shown_is_approved(before: str, after: str) -> None:
    """That it is absent too; and what several axes agreed on stays shown around it."""
    (item,) = objects(before)
    approve(item, 2, 3)
    assert kinds(item) == after


def test_a_prompted_frame_is_as_it_is() -> None:
    (item,) = objects("ATATTTTT")
    approve(item, 2, T)
    assert kinds(item) == "ATATTTTT"
    assert not item.prompts[2].is_approved


def test_nothing_to_approve() -> None:
    (item,) = objects("A.......")
    with pytest.raises(ValueError, match=r"object 1 .*frame 3.*nothing to approve$"):
        approve(item, 3, T)


# --- cut ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("whole", "frame", "before", "later"),
    [
        ("ATTTTTTT", 3, "ATT.....", "...ASSSS"),  # the later part has the mask next to the cut
        ("TTTTTTTA", 3, "SSA.....", "...SSSSA"),  # and so has the one before, where its only anchor is beyond it
        ("ATTTTTTA", 3, "ASS.....", "...SSSSA"),  # it loses an anchor: what was tracked from there is stale
        ("ATATTATT", 3, "ATA.....", "...SSASS"),
        ("ATTATTTT", 3, "ASS.....", "...ASSSS"),
        ("ATTttTTT", 3, "ATT.....", "...ssASS"),  # of the frames on which it is present, the next one
        ("TTttTTTA", 4, "SAss....", "....SSSA"),
        ("AFFFFFFF", 3, "AFF.....", "...ASSSS"),
        ("ASSSSSSS", 3, "ASS.....", "...ASSSS"),
        ("A....TT.", 3, "A.......", ".....AS."),
    ],
)
def test_an_object_in_two(whole: str, frame: int, before: str, later: str) -> None:
    item, other = objects(whole, "")
    shown = {t: item.shown(t) for t in range(T)}
    cut(item, frame, T, other)
    assert (kinds(item), kinds(other)) == (before, later)
    for t in range(T):
        found, was = (item if t < frame else other).shown(t), shown[t]
        assert (found is None) == (was is None)
        if found is not None and was is not None:
            assert found.mask_logits is was.mask_logits, "what is shown is the same"


def test_the_end_of_an_object_is_gone_where_nobody_gets_it() -> None:
    for whole, before in (("ATTTTTTT", "ATT....."), ("ATTTTTTA", "ASS....."), ("TTTTTTTA", "SSA....."), ("ATT.....", "ATT.....")):
        (item,) = objects(whole)
        cut(item, 3, T)
        assert kinds(item) == before
        assert not any(t >= 3 for mapping in item.records.values() for t in mapping)


def test_what_is_before_the_beginning_of_an_object_is_gone() -> None:
    for whole, rest in (
        ("TTTTTTTA", "...TTTTA"),
        ("ATTTTTTA", "...SSSSA"),  # it loses an anchor: what was tracked from there is stale
        ("ATTTATTA", "...SATTA"),
        ("ATTttTTT", "...ssASS"),
        ("TTTA....", "...A...."),
    ):
        (item,) = objects(whole)
        cut_before(item, 3, T)
        assert kinds(item) == rest
    (item,) = objects("ATTttttt")
    with pytest.raises(ValueError, match=r"object 1 .*from frame 3 on$"):
        cut_before(item, 3, T)


@pytest.mark.parametrize(
    ("whole", "has_later", "message"),
    [
        ("...ATTTT", True, r"object 1 .*before frame 3$"),
        ("...ATTTT", False, r"object 1 .*before frame 3$"),
        ("att.ATTT", True, r"object 1 .*before frame 3$"),
        ("ATT.....", True, r"object 1 .*from frame 3 on$"),
        ("ATTttttt", True, r"object 1 .*from frame 3 on$"),
    ],
)
def test_a_side_on_which_there_is_nothing(whole: str, has_later: bool, message: str) -> None:
    item, other = objects(whole, "")
    with pytest.raises(ValueError, match=message):
        cut(item, 3, T, other if has_later else None)
    assert (kinds(item), kinds(other)) == (whole, "." * T)


# --- joined ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "two", "expected", "segmented"),
    [
        ("ATT.....", "...ATTTT", "ASSASSSS", []),
        ("A.......", "........", "A.......", []),
        ("........", "ATTTTTTT", "ASSSSSSS", []),
        ("ATTTTTTT", "ATTTTTTT", "ASSSSSSS", [0]),
        ("ATTTTTTT", "TTTATTTT", "ASSASSSS", [0, 3]),
        ("AFFFTTTT", "...AFF..", "ASSASSSS", [3]),
        ("ATTtTTTT", "TTTaTTTT", "ASSaSSSS", [0]),  # absent in both: as it was said of the other one
        ("ATTaTTTT", "TTTaTTTT", "ASSaSSSS", [0]),
        ("ATTaTTTT", "TTTATTTT", "ASSASSSS", [0, 3]),
        ("AT......", ".TT.....", "ASS.....", []),
    ],
)
def test_two_objects_in_one(one: str, two: str, expected: str, segmented: list[int]) -> None:
    kept, other = objects(one, two)
    masks = [[shown_mask(item, t) for t in range(T)] for item in (kept, other)]
    segmenter = Masks()
    join(kept, other, segmenter)  # type: ignore[arg-type]
    assert kinds(kept) == expected
    assert (kinds(other), dict(other.prompts), dict(other.corrected)) == ("." * T, {}, {})
    assert segmenter.segmented == segmented
    for t in range(T):
        np.testing.assert_array_equal(shown_mask(kept, t), masks[0][t] | masks[1][t])
    for t in segmented:
        np.testing.assert_array_equal(kept.prompts[t].mask, masks[0][t] | masks[1][t])


def test_what_two_show_together_is_never_recalled_and_as_sure_as_the_less_sure() -> None:
    kept, other = objects("AT......", "")
    kept.tracked[1] = record(3, distance=-5)
    other.conditioning[0], other.prompts[0] = record(0), FramePrompts(is_approved=True)
    other.stale[1] = record(9, distance=2)
    join(kept, other, Masks())  # type: ignore[arg-type]
    found = kept.stale[1]
    assert (found.memory, found.predicted_iou, found.object_score, found.anchor_distance) == (None, 3 / 32, 10.0, 2)
    assert found.view is None


def test_of_two_that_are_shown_one_may_be_absent() -> None:
    kept, other = objects("At......", "AT......")
    join(kept, other, Masks())  # type: ignore[arg-type]
    assert (kept.stale[1].object_score, kept.stale[1].is_present) == (10.0, True)


def test_what_was_shown_before_a_frame_was_prompted_is_kept() -> None:
    """Points on it refine that, when others are taken back."""
    kept, other = objects("ATTA....", "TTTAA...")
    of_kept, of_other, tracked = record(20), record(21), record(9)
    kept.corrected[3], other.corrected[3], other.corrected[4] = of_kept, record(22), of_other
    kept.tracked[4] = tracked
    join(kept, other, Masks())  # type: ignore[arg-type]
    assert kept.corrected[3] is of_kept
    assert kept.corrected[4] is tracked
    assert 0 not in kept.corrected
    moved, cut_off = objects("ATTAA...", "")
    moved.corrected[4] = of_other
    cut(moved, 3, T, cut_off)
    assert (dict(moved.corrected), cut_off.corrected[4]) == ({}, of_other)


def test_windows_are_joined_too() -> None:
    kept, other = objects("AT......", "A.......")
    logits = torch.full((4, 4), 3.0)
    for item, view in ((kept, View(0, 0, 2, 2)), (other, View(3, 3, 2, 2))):
        item.tracked[1] = record_of(logits, torch.ones(1), 2.0, 0.5, torch.ones(1), view, 4)
    join(kept, other, Masks())  # type: ignore[arg-type]
    found = kept.stale[1]
    assert found.view == View(0, 0, 5, 5)
    # A window of 5 x 5 pixels in 4 x 4 cells: the first two are in the one, the last two in the other.
    np.testing.assert_array_equal(found.mask_logits > 0, np.kron(np.eye(2), np.ones((2, 2))) > 0)


letters = st.text("ATSFatsf.", min_size=T, max_size=T).map(lambda text: text if "A" in text else "A" + text[1:])


@settings(max_examples=examples(40), deadline=None, derandomize=True, database=None)
@given(letters, st.integers(1, T - 1))
def test_what_is_cut_and_joined_shows_what_it_showed(whole: str, frame: int) -> None:
    """Each part has an anchor in between; those of the whole are anchors still."""
    item, later = objects(whole, "")
    shown: dict[int, Any] = {t: item.shown(t) for t in range(T)}
    anchors = item.anchors
    try:
        cut(item, frame, T, later)
    except ValueError:
        assert not any(letter.isupper() for letter in whole[:frame]) or not any(letter.isupper() for letter in whole[frame:])
        return
    assert item.anchors
    assert later.anchors
    assert max(item.shown_frames()) < frame <= min(later.shown_frames())
    join(item, later, Masks())  # type: ignore[arg-type]
    assert set(anchors) <= set(item.anchors)
    assert len(item.anchors) - len(anchors) <= 1
    for t, was in shown.items():
        found = item.shown(t)
        assert (found is None) == (was is None)
        assert found is None or found.mask_logits is was.mask_logits
    assert not item.tracked
    assert not item.fused
