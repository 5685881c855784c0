"""What holds after any sequence of actions.

The rule: what a session shows after :meth:`Session.propagate` has come to its end is what a new session shows that is given
the same anchors (for each object, the frames a person decided on and the masks there) and propagated in one go. It holds

- whatever the order in which things were said, taken back, propagated and stopped, and for each object on its own;
- for propagations in any direction that are stopped anywhere. It does not for chosen ``frames`` that leave a gap after what is
  tracked already: the first of them recalls the frames before the gap.

The masks on anchors are not part of it: a click refines what is shown when it comes, so these depend on the order of things.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage as ndi

from blob_tracker import blob_session, tiny_model
from napari_sam2.predictors.memory_bank import FrameRecord
from napari_sam2.session.session import Session
from napari_sam2.session.state.objects import ObjectInfo
from napari_sam2.session.state.prompts import FramePrompts
from packed_records import contents
from session_actions import CORNERS, MOVIE, SAYING, T, actions, do
from thoroughness import examples


@dataclass(frozen=True)
class State:
    """Everything there is to know of a session."""

    infos: dict[int, ObjectInfo]
    prompts: dict[tuple[int, int], FramePrompts]
    records: dict[tuple[int, str, int], tuple[int, bytes]]
    labels: bytes

    @classmethod
    def of(cls, session: Session) -> State:
        items = session.objects.values()
        mappings = [(item.object_id, kind, mapping) for item in items for kind, mapping in item.records.items()]
        return cls(
            {item.object_id: item.info for item in items},
            {(item.object_id, frame): prompts for item in items for frame, prompts in item.prompts.items()},
            {(object_id, kind, frame): _told(record) for object_id, kind, mapping in mappings for frame, record in mapping.items()},
            np.asarray(session.labels).tobytes(),
        )


def shown(session: Session) -> dict[tuple[int, int], tuple[int, bytes]]:
    """Where each record comes from, as the double tells it, and its mask, by object and frame."""
    return {
        (item.object_id, frame): _told(record)
        for item in session.objects.values()
        for frame in range(T)
        if (record := item.shown(frame)) is not None
    }


def _told(record: FrameRecord) -> tuple[int, bytes]:
    return int(record.pointer.array[0]), (record.mask_logits > 0).tobytes()


def same_anchors(session: Session) -> Session:
    """A new session with the same objects and the same masks on the same anchors, nothing tracked."""
    fresh = blob_session(MOVIE)
    for item in session.objects.values():
        fresh.add_object(object_id=item.object_id)
        fresh._state.infos[item.object_id] = item.info
        for frame in item.anchors:
            record = item.memory.conditioning[frame]
            fresh.objects[item.object_id].memory.conditioning[frame] = record.with_memory(None)
    return fresh


def arbitrated(session: Session) -> np.ndarray:
    """Labels by the rule of overlaps.

    Of two masks that share more than half of the smaller one, one has all that they share: that with the higher weight, else the
    one that is twice as sure of a piece of it, else the one nested in the other, else the lower id. Of others the highest weighted
    logit wins, of equal ones the lower id.
    """
    labels = np.zeros(MOVIE.shape, np.uint16)
    for frame in range(T):
        shown = {i: item.shown(frame) for i, item in sorted(session.objects.items()) if not item.info.is_hidden}
        records = {i: record for i, record in shown.items() if record is not None}
        weights = {i: _weight(record.anchor_distance) for i, record in records.items()}
        logits = {i: record.mask_logits.copy() for i, record in records.items()}
        given = {i: plane.copy() for i, plane in logits.items()}
        inside = {i: plane > 0 for i, plane in logits.items()}
        for one, other in combinations(logits, 2):
            both, small, large = inside[one] & inside[other], *sorted((inside[one].sum(), inside[other].sum()))
            if 2 * both.sum() <= small or (weights[one] == weights[other] == 1000 and small >= 0.7 * large):
                continue
            pieces, count = ndi.label(both, np.ones((3, 3)))
            for piece in (pieces == number for number in range(1, count + 1)):
                means = given[one][piece].mean(), given[other][piece].mean()
                if weights[one] != weights[other]:
                    ties = weights[one], weights[other]
                elif weights[one] < 1000 and max(means) > 2 * min(means):
                    ties = means
                else:
                    ties = -inside[one].sum() if small < 0.7 * large else 0, -inside[other].sum() if small < 0.7 * large else 0
                logits[one if ties[0] < ties[1] else other][piece] = 0
        best = np.zeros(MOVIE.shape[1:], np.float32)
        for i, plane in logits.items():
            weighted = np.float32(weights[i]) * plane
            labels[frame][weighted > best] = i
            best = np.maximum(best, weighted)
    return labels


def _weight(distance: int) -> float:
    return (1 if distance > 0 else 0.001) / (1 + abs(distance) / 16) if distance else 1000


@settings(max_examples=examples(60), deadline=None, derandomize=True, database=None)
@given(st.lists(actions, min_size=1, max_size=14))
def test_equals_a_new_session_with_the_same_anchors(sequence: list[tuple[Any, ...]]) -> None:
    session = blob_session(MOVIE)
    past, future = [State.of(session)], []
    for kind, *arguments in sequence:
        if kind in SAYING and arguments[0] not in session.objects:
            session.add_object(object_id=arguments[0])
            past, future = [*past, State.of(session)], []
        before, decided = shown(session), {i: item.anchors for i, item in session.objects.items()}
        locked = {i for i, item in session.objects.items() if item.info.is_locked}
        num_done, could_redo = len(session._history.done), session.can_redo
        state = State.of(session)
        try:
            touched = do(session, kind, *arguments)
        except ValueError:
            assert State.of(session) == state, "refused: nothing changed"
            touched = set()
        if kind == "undo":
            if num_done:
                future.append(past.pop())
        elif kind == "redo":
            if could_redo:
                past.append(future.pop())
        elif len(session._history.done) > num_done:
            past, future = [*past, State.of(session)], []
        assert (len(past) - 1, len(future)) == (len(session._history.done), len(session._history.undone))
        assert State.of(session) == past[-1]
        after = shown(session)
        changed = {key for key in before | after if before.get(key) != after.get(key)}
        assert {object_id for object_id, _ in changed} <= touched
        if kind == "propagate":
            assert not {(i, frame) for i, anchors in decided.items() for frame in anchors} & changed
        elif kind in (*SAYING, "change_point"):
            assert {frame for _, frame in changed} <= {arguments[1]}
        if kind not in ("undo", "redo"):
            assert not {object_id for object_id, _ in changed} & locked
        np.testing.assert_array_equal(session.labels, arbitrated(session))
        for item in session.objects.values():
            stores = [set(mapping) for mapping in item.record_mappings]
            assert sum(map(len, stores)) == len(set.union(*stores)), "one frame, one record"
            assert set(item.prompts) == set(item.conditioning)
            assert all(item.info.may_be_on(frame) for frame in set.union(*stores))
            assert item.info.parent is None or item.info.parent in session.objects

    for object_id in session.objects:
        session.lock_object(object_id, False)
    if not any(item.anchors for item in session.objects.values()):
        assert not session.labels.any()
        return
    fresh = same_anchors(session)
    for one in (session, fresh):
        list(one.propagate())
        assert one.plan() == []
    assert shown(session) == shown(fresh)
    np.testing.assert_array_equal(session.labels, arbitrated(fresh))
    ended = State.of(session)
    num_undone = 0
    while session.undo():
        num_undone += 1
    assert session.objects == {}
    assert not session.labels.any()
    for _ in range(num_undone):
        session.redo()
    assert State.of(session) == ended


def with_two_anchors(first: int = 0, last: int = T - 1) -> Session:
    session = blob_session(MOVIE)
    session.add_object()
    for frame in (first, last):
        session.add_points(1, frame, [CORNERS[frame, 0]])
    return session


def test_between_two_anchors_all_directions_find_the_same() -> None:
    found = []
    for directions in (("both",), ("forward",), ("backward",), ("backward", "forward")):
        session = with_two_anchors()
        for direction in directions:
            list(session.propagate(direction))
        found.append(shown(session))
    assert all(one == found[0] for one in found)


def test_stopped_on_the_way_forward_and_followed_both_ways_is_the_same() -> None:
    session, fresh = with_two_anchors(1, 4), with_two_anchors(1, 4)
    for _ in zip(range(3), session.propagate("forward"), strict=False):
        pass
    for one in (session, fresh):
        list(one.propagate())
    assert shown(session) == shown(fresh)


@pytest.mark.parametrize("direction", ["forward", "backward", "both"])
def test_the_same_actions_give_the_same(direction: Any) -> None:
    one, other = with_two_anchors(), with_two_anchors()
    for session in (one, other):
        list(session.propagate(direction))
    assert shown(one) == shown(other)
    np.testing.assert_array_equal(one.labels, other.labels)


def test_holds_for_the_network_to_the_bit() -> None:
    """One object: how many are tracked in one batch changes the last digits."""
    movie = np.random.default_rng(0).integers(0, 255, (9, 64, 64), np.uint8)
    session = Session(movie, model=tiny_model())
    session.add_object()
    session.add_points(1, 3, [(30, 30)])
    for _, _ in zip(range(4), session.propagate(), strict=False):
        pass
    session.add_points(1, 6, [(20, 40), (5, 5)], [1, 0])
    list(session.propagate())
    session.add_points(1, 5, [(22, 38)], [0])
    session.clear_prompts(1, 6)
    list(session.propagate("forward"))
    list(session.propagate())

    fresh = Session(movie, model=tiny_model())
    fresh.add_object()
    for frame, record in session.objects[1].memory.conditioning.items():
        fresh.objects[1].memory.conditioning[frame] = replace(record, memory=None)
    list(fresh.propagate())
    tracked, expected = (one.objects[1].memory.tracked for one in (session, fresh))
    assert sorted(tracked) == sorted(expected) == [0, 1, 2, 4, 6, 7, 8]
    for frame, record in expected.items():
        assert contents(tracked[frame]) == contents(record)
    assert session.scores(1) == fresh.scores(1)
