"""Movies of bright squares with exact labels, and sessions that follow them by the double of the tracker."""

from __future__ import annotations

from typing import Any

import numpy as np

from blob_tracker import squares
from napari_sam2.session.session import Session

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


FIRST = {1: 0, 2: 0, 3: 3}


def inside(object_id: int, frame: int, truth: Any = TRUTH) -> list[tuple[int, int]]:
    """A click on an object: its upper left pixel."""
    return [tuple(np.argwhere(truth[frame] == object_id)[0].tolist())]


def click(session: Session, object_id: int, frame: int, truth: Any = TRUTH) -> np.ndarray:
    if object_id not in session.objects:
        session.add_object(object_id=object_id)
    return session.add_points(object_id, frame, inside(object_id, frame, truth))


def followed(session: Session, first: dict[int, int] = FIRST) -> Session:
    for object_id, frame in first.items():
        click(session, object_id, frame)
    for _ in session.propagate():
        pass
    return session


def origins(session: Session, object_id: int) -> dict[int, int]:
    """Where every tracked record comes from, as the double tells it."""
    return {frame: int(record.pointer.array[0]) for frame, record in session.objects[object_id].memory.tracked.items()}


# Object 1 jumps at frame 4, and something else comes to lie where it was: the double follows that.
JUMP = squares(
    10,
    SHAPE,
    {
        1: [(5, 5, 5) if t < 4 else (5, 20, 5) for t in range(10)],
        2: [(20, 5 + t, 5) for t in range(10)],
        9: [None if t < 4 else (5, 5, 5) for t in range(10)],
    },
)


JUMP_MOVIE = np.where(JUMP > 0, 255, 0).astype(np.uint8)


def put_right(session: Session, frame: int) -> None:
    session.add_points(1, frame, [*inside(1, frame, JUMP), *inside(9, frame, JUMP)], [1, 0])


NUM_CHANGING = 10
# 1 doubles its side at frame 5; 2 leaves at frame 3 and comes back at 7; 3 runs into the right border at frame 4 and stays there
CHANGING = squares(
    NUM_CHANGING,
    SHAPE,
    {
        1: [(2, 2, 4) if t < 5 else (2, 2, 8) for t in range(NUM_CHANGING)],
        2: [None if 3 <= t < 7 else (14, 4, 5) for t in range(NUM_CHANGING)],
        3: [(22, 17 + 2 * min(t, 5), 5) for t in range(NUM_CHANGING)],
    },
)
CHANGING_MOVIE = np.where(CHANGING > 0, 200, 10).astype(np.uint8)
INSIDE_CHANGING = {1: (3, 3), 2: (15, 5), 3: (23, 19)}
