"""Any actions of a person on a session of a movie with a few squares, to be drawn by hypothesis."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from napari_sam2.session.session import Session

T, SIDE, NUM_BLOBS = 7, 24, 4
_RANDOM = np.random.default_rng(3)
CORNERS = np.stack([np.stack(np.divmod(_RANDOM.choice(16, NUM_BLOBS, replace=False), 4), axis=1) * 6 for _ in range(T)])
"""(T, B, 2): of 4 x 4 squares some are taken on each frame, so that where an object goes depends on all that is recalled."""

MOVIE = np.zeros((T, SIDE, SIDE), np.uint8)
for _frame, _corners in enumerate(CORNERS):
    for _size, (_row, _col) in enumerate(_corners, start=2):
        MOVIE[_frame, _row : _row + _size, _col : _col + _size] = 255

object_ids, frames, blobs = st.integers(1, 3), st.integers(0, T - 1), st.integers(0, NUM_BLOBS - 1)
actions = st.one_of(
    st.tuples(st.just("click"), object_ids, frames, blobs, st.sampled_from([1, 1, 1, 0])),
    st.tuples(st.just("mask"), object_ids, frames, st.sets(blobs, min_size=1)),
    st.tuples(st.just("box"), object_ids, frames, blobs),
    st.tuples(st.just("scribble"), object_ids, frames, blobs, blobs),
    st.tuples(st.just("polygon"), object_ids, frames, blobs),
    st.tuples(st.just("labels"), frames),
    st.tuples(st.just("clear"), object_ids, frames),
    st.tuples(st.just("remove_point"), object_ids, frames, st.integers(0, 2)),
    st.tuples(st.just("change_point"), object_ids, frames, st.integers(0, 1), blobs),
    st.tuples(st.sampled_from(["approve", "begin", "end"]), object_ids, frames),
    st.tuples(st.just("approve_range"), object_ids, frames, frames),
    st.tuples(st.just("remove"), object_ids),
    st.tuples(st.just("rename"), object_ids),
    st.tuples(st.sampled_from(["lock", "hide"]), object_ids, st.booleans()),
    st.tuples(st.just("merge"), object_ids, object_ids),
    st.tuples(st.sampled_from(["split", "divide"]), object_ids, frames),
    st.tuples(st.sampled_from(["undo", "undo", "redo"])),
    st.tuples(
        st.just("propagate"),
        st.sampled_from(["both", "forward", "backward"]),
        st.none() | st.sets(object_ids, min_size=1),
        st.integers(1, 2 * T),
    ),
)


def do(session: Session, kind: str, *arguments: Any) -> set[int]:
    """Do it, and return the objects that may have changed."""
    if kind == "propagate":
        direction, wanted, num_steps = arguments
        chosen = None if wanted is None else [i for i in sorted(wanted) if i in session.objects]
        plan = session.plan(direction, chosen)
        running = session.propagate(direction, chosen)
        done = [(result.frame, tuple(result.scores)) for _, result in zip(range(num_steps), running, strict=False)]
        assert done == [(step.frame, step.object_ids) for step in plan][: len(done)]
        assert len(done) == min(num_steps, len(plan))
        return {object_id for step in plan[: len(done)] for object_id in step.object_ids}
    if kind in ("undo", "redo"):
        getattr(session, kind)()
        return set(ALL_IDS)
    if kind == "labels":
        plane = np.zeros((SIDE, SIDE), np.uint8)
        for value, (row, col) in enumerate(CORNERS[arguments[0], :2], start=2):
            plane[row : row + 3, col : col + 3] = value
        return set(session.add_labels(plane, arguments[0]).values())
    object_id, *rest = arguments
    edit = {
        "remove": session.remove_object,
        "clear": session.clear_prompts,
        "approve": session.approve,
        "approve_range": session.approve_range,
        "begin": session.begin_object,
        "end": session.end_object,
        "remove_point": session.remove_point,
        "lock": session.lock_object,
        "hide": session.hide_object,
        "merge": session.merge_objects,
        "divide": session.divide_object,
    }
    if kind in edit:
        result = edit[kind](object_id, *rest)
        return {object_id, *(rest if kind == "merge" else result if kind == "divide" else [])}
    if kind == "rename":
        session.rename_object(object_id, "renamed")
        return set()
    if kind == "split":
        return {object_id, session.split_object(object_id, *rest)}
    if kind == "change_point":
        frame, index, which = rest
        session.change_point(object_id, frame, index, CORNERS[frame, which])
        return {object_id}
    frame, which, *more = rest
    if kind == "click":
        session.add_points(object_id, frame, [CORNERS[frame, which]], more)
    elif kind == "scribble":
        session.add_scribble(object_id, frame, [CORNERS[frame, which], CORNERS[frame, more[0]]])
    elif kind == "polygon":
        row, col = CORNERS[frame, which]
        session.add_polygon(object_id, frame, [(row, col), (row, col + 4), (row + 4, col + 4)])
    elif kind == "box":
        row, col = CORNERS[frame, which]
        session.add_box(object_id, frame, (row, col, row + 5, col + 5))
    else:
        mask = np.zeros((SIDE, SIDE), bool)
        for row, col in CORNERS[frame, sorted(which)]:
            mask[row : row + 4, col : col + 4] = True
        session.add_mask(object_id, frame, mask)
    return {object_id}


ALL_IDS = range(1, 100)
SAYING = ("click", "mask", "box", "scribble", "polygon")
