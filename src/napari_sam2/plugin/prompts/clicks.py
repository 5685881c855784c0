"""Clicks on objects, as values that pass between the threads."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from napari_sam2.session.state.prompts import FramePrompts

MAX_OBJECT_ID = 65535
"""The highest value of a label image of 16 bit."""


class ObjectFrame(NamedTuple):
    """An object on a frame: what prompts belong to."""

    object_id: int
    frame: int


class Click(NamedTuple):
    """One click: its position in data pixels, and whether the object is there."""

    row: float
    col: float
    is_inside: bool


Box = tuple[float, float, float, float]
"""Outer edges row0, col0, row1, col1 in data pixels: a box around the one pixel (0, 0) is 0, 0, 1, 1."""


def clicks_of(prompts: FramePrompts | None) -> tuple[Click, ...]:
    """Return the points of prompts, in the order in which they were given."""
    if prompts is None:
        return ()
    return tuple(Click(*point_rc, bool(label)) for point_rc, label in zip(prompts.points_rc, prompts.labels, strict=True))


def points_and_labels(clicks: tuple[Click, ...]) -> tuple[list[tuple[float, float]], list[int]]:
    """Return clicks as a session takes them: points (P, 2), row and column, and labels (P,), 1 inside and 0 outside."""
    return [(click.row, click.col) for click in clicks], [int(click.is_inside) for click in clicks]
