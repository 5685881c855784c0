"""A movie with three squares, sessions on it whose tracker is the double, and what is to be the same of two sessions."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

from blob_tracker import squares, tiny_model
from napari_sam2.session.session import Session
from napari_sam2.session.state.stop_rules import StopRules
from napari_sam2.session.volumes.fuse_axes import fuse_axes

T, SHAPE = 8, (32, 32)
TRUTH = squares(
    T,
    SHAPE,
    {
        1: [(4, 3 + t, 6) for t in range(T)],
        2: [(20 - t, 20, 5) for t in range(T)],
        3: [(25, 4, 4) if t >= 3 else None for t in range(T)],
    },
)
MOVIE = np.where(TRUTH > 0, 200, 10).astype(np.uint8)
RENUMBERED = np.where((TRUTH > 0) & (np.arange(T) > 1)[:, None, None], TRUTH + 10 * np.arange(T)[:, None, None], 0).astype(
    np.uint16
)
"""The labels with other numbers on each frame, to be linked; none on the first two."""


def begun(image: Any = MOVIE, **arguments: Any) -> Session:
    """Begin a session with the tiny model."""
    return Session(image, model=tiny_model(), **arguments)


def opened(path: Path, image: Any = MOVIE) -> Session:
    """Open a session with the tiny model."""
    return Session.open(path, image, tiny_model())


def inside(object_id: int, frame: int) -> list[tuple[int, int]]:
    """A point in an object of the movie."""
    return [tuple(np.argwhere(TRUTH[frame] == object_id)[0].tolist())]


def known(session: Session) -> dict[str, Any]:
    """Everything that is to be the same when a session is opened again, undone, redone and replayed."""
    return {
        "labels": np.asarray(session.labels).tobytes(),
        "infos": {object_id: item.info for object_id, item in session.objects.items()},
        "prompts": {object_id: dict(item.prompts) for object_id, item in session.objects.items() if item.prompts},
        "lineage": session.lineage,
        "planes": dict(session.state.positions),
        "records": {
            (object_id, kind, frame): (
                record.pointer.array.tolist(),
                record.object_score,
                record.predicted_iou,
                record.mask_logits.tolist(),
                record.remembered_logits.tolist(),
                record.origin,
                record.anchor_distance,
            )
            for object_id, item in session.objects.items()
            for kind, mapping in item.records.items()
            for frame, record in mapping.items()
        },
    }


def calls(session: Session) -> list[Any]:
    """What was done."""
    return [(call.method, call.arguments) for call in session.state.history.calls]


def unused_rows(path: Path) -> int:
    """Count values in a file that nothing refers to."""
    query = (
        "SELECT COUNT(*) FROM stored WHERE id NOT IN (SELECT value FROM state) "
        "AND id NOT IN (SELECT value FROM changes WHERE value IS NOT NULL)"
    )
    database = sqlite3.connect(path)
    try:
        ((count,),) = database.execute(query)
        assert list(database.execute("PRAGMA integrity_check")) == [("ok",)]
    finally:
        database.close()
    return int(count)


def everything_done(session: Session) -> None:
    """One of each kind of action, with interruptions and a change of mind."""
    first = session.add_object("first", colour="#102030")
    session.add_points(first, 0, inside(1, 0))
    running = session.propagate()
    next(running)
    second = session.add_object()
    session.add_box(second, 2, (17, 19, 24, 26))
    next(running)
    session.add_labels(np.where(TRUTH[4] == 3, 3, 0), 4)
    list(session.propagate(stop=StopRules(max_absent_frames=2)))
    session.add_mask(first, 5, TRUTH[5] == 2)
    session.add_scribble(first, 6, inside(1, 6))
    session.remove_point(first, 6, 0)
    session.undo()
    session.approve(second, 4)
    session.lock_object(second)
    session.hide_object(second)
    session.hide_object(second, False)
    session.divide_object(3, 6)
    session.rename_object(first, "cell")
    session.set_colour(first, None)
    session.split_object(first, 3)
    session.undo()
    session.redo()
    for _, _ in zip(range(2), session.propagate(), strict=False):
        pass
    session.add_polygon(first, 1, [(4, 4), (4, 10), (10, 10)])
    session.undo()


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("click"), st.integers(1, 3), st.integers(0, T - 1)),
        st.tuples(
            st.sampled_from(["remove", "divide", "split", "clear", "approve", "merge"]), st.integers(1, 3), st.integers(0, T - 1)
        ),
        st.tuples(st.just("propagate"), st.integers(1, 9)),
        st.tuples(st.just("go on"), st.integers(1, 4)),
        st.tuples(st.sampled_from(["undo", "undo", "redo", "everything", "fuse", "hide"])),
    ),
    min_size=1,
    max_size=12,
)
"""Sequences of what :class:`Doer` does."""


class Doer:
    """Does actions in a session; a propagation is left open, to be gone on with later.

    Parameters
    ----------
    session : Session
        The session.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self._running = session.propagate()

    def do(self, kind: str, *arguments: int) -> None:
        """Do something; what the session refuses is not done."""
        try:
            self._do(kind, *arguments)
        except ValueError:
            self._running = self.session.propagate()

    def _do(self, kind: str, *arguments: int) -> None:
        session = self.session
        if kind == "click":
            object_id, frame = arguments
            if object_id not in session.objects:
                session.add_object(object_id=object_id)
            session.add_points(object_id, frame, inside(1 + (object_id + frame) % 2, frame))
        elif kind in ("propagate", "go on"):
            if kind == "propagate":
                self._running = session.propagate()
            for _, _ in zip(range(arguments[0]), self._running, strict=False):
                pass
        elif kind == "everything":
            list(session.propagate())
        elif kind == "fuse":
            list(fuse_axes(session))
        elif kind == "remove":
            session.remove_object(arguments[0])
        elif kind == "merge":
            session.merge_objects(arguments[0], 1 + arguments[0] % 3)
        elif kind == "hide":
            session.hide_object(min(session.objects, default=0))
        elif kind in ("undo", "redo"):
            getattr(session, kind)()
        else:
            methods = {"divide": session.divide_object, "split": session.split_object, "clear": session.clear_prompts}
            (methods | {"approve": session.approve})[kind](*arguments)


def change_header(path: Path, change: Any) -> None:
    """Change what a session file says of its image and its model."""
    database = sqlite3.connect(path)
    try:
        ((text,),) = database.execute("SELECT value FROM header")
        content = json.loads(text)
        query = "SELECT id, about FROM stored WHERE id = (SELECT value FROM state WHERE kind = 'model')"
        ((row, about),) = database.execute(query)
        model = json.loads(about)
        change(content, model)
        database.execute("UPDATE header SET value = ?", (json.dumps(content),))
        database.execute("UPDATE stored SET about = ? WHERE id = ?", (json.dumps(model), row))
        database.commit()
    finally:
        database.close()


def header_of(path: Path) -> dict[str, Any]:
    """Read what a session file says of its image and its model; the present one is under "now"."""
    told: dict[str, Any] = {}
    change_header(path, lambda content, model: told.update(content, now=model))
    return told
