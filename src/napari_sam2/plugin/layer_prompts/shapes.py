"""Shapes of any Shapes layer as prompts. V vertices · D axes of the image."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from napari_sam2.plugin.image.alignment import FramePlaces
from napari_sam2.plugin.prompts.clicks import Box, Click
from napari_sam2.plugin.prompts.drawn_prompts import DrawnPrompts, FoundPrompts, LeftOut, Outline, outline_of
from napari_sam2.session.editing.drawing import scribble_points

_ELLIPSE_VERTICES = 64


class PlacedShape(NamedTuple):
    """A shape on the image.

    Attributes
    ----------
    kind : str
        rectangle, ellipse, polygon, line or path; a rectangle and an ellipse have four corners.
    places : FramePlaces
        Its vertices.
    """

    kind: str
    places: FramePlaces


class ShapeLeftOutError(ValueError):
    """A shape is no prompt; the message says why, after the words "1 shape"."""


def read_shapes(
    shapes: Iterable[PlacedShape], names: Iterable[Hashable], frame_shape: tuple[int, int], only: int | None = None
) -> FoundPrompts:
    """Read shapes as prompts: rectangles are boxes, ellipses and polygons masks, lines and paths points along them.

    Of one object on one frame, boxes are joined to the one around them, masks to one mask, and a mask is taken in place of a box.

    Parameters
    ----------
    shapes : iterable of PlacedShape
        The shapes.
    names : iterable
        What each calls its object; None where it calls none.
    frame_shape : tuple of int
        Rows and columns of a frame.
    only : int, optional
        Only this frame.

    Returns
    -------
    FoundPrompts
    """
    left_out, found = LeftOut(), dict[tuple[Hashable, int], DrawnPrompts]()
    for shape, name in zip(shapes, names, strict=True):
        try:
            pieces = [one for one in read_shape(shape, name, frame_shape) if only is None or one.frame == only]
        except ShapeLeftOutError as error:
            if only is None or only in shape.places.frames:
                left_out["shape", str(error)] += 1
            continue
        if name is None and pieces:
            left_out["shape", "without an object"] += 1
            continue
        for one in pieces:
            before = found.get((name, one.frame))
            found[name, one.frame] = one if before is None else _joined(before, one)
    return FoundPrompts(tuple(found.values()), left_out)


def read_shape(shape: PlacedShape, name: Hashable, frame_shape: tuple[int, int]) -> Iterator[DrawnPrompts]:
    """Read one shape: a prompt on its frame; of a line or path that goes through frames, a point on each.

    Raises
    ------
    ShapeLeftOutError
        If it is none.
    """
    kind, places = shape
    if not places.has_frame.any():
        raise ShapeLeftOutError("on frames that the image does not have")
    if len(set(places.frames.tolist())) > 1:
        if kind not in ("line", "path"):
            raise ShapeLeftOutError("across several frames")
        yield from _vertices_on_frames(places, name)
        return
    frame = int(places.frames[0])
    if kind == "rectangle":
        yield DrawnPrompts(name, frame, box=box_around(places.points_rc, frame_shape))
    elif kind in ("line", "path"):
        yield DrawnPrompts(name, frame, points_along(places.points_rc, frame_shape))
    else:
        yield DrawnPrompts(name, frame, outlines=(outline_around(kind, places.points_rc, frame_shape),))


def box_around(corners_rc: npt.ArrayLike, frame_shape: tuple[int, int]) -> Box:
    """Return the box around vertices (V, 2) in data pixels, without what is outside the frame.

    Raises
    ------
    ShapeLeftOutError
        If nothing of it is on the frame, or it is empty.
    """
    edges = np.asarray(corners_rc, np.float64) + 0.5
    first, last = edges.min(axis=0), edges.max(axis=0)
    if not (last > first).all():
        raise ShapeLeftOutError("without an area")
    first, last = np.clip(first, 0, frame_shape), np.clip(last, 0, frame_shape)
    if not (last > first).all():
        raise ShapeLeftOutError("outside the image")
    return float(first[0]), float(first[1]), float(last[0]), float(last[1])


def outline_around(kind: str, vertices_rc: npt.ArrayLike, frame_shape: tuple[int, int]) -> Outline:
    """Return the outline of a polygon (V, 2), or of the ellipse or rectangle within four corners.

    Raises
    ------
    ShapeLeftOutError
        If nothing of it is on the frame, or it is empty.
    """
    vertices = np.asarray(vertices_rc, np.float64)
    box_around(vertices, frame_shape)
    if len(vertices) < 3:
        raise ShapeLeftOutError("without an area")
    return outline_of(ellipse_vertices(vertices) if kind == "ellipse" else vertices)


def ellipse_vertices(corners: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return points on the ellipse within four corners, (4, D), in order around it."""
    first, second, third, fourth = np.asarray(corners, np.float64)
    angle = np.linspace(0, 2 * np.pi, _ELLIPSE_VERTICES, endpoint=False)[:, None]
    return (first + third) / 2 + np.cos(angle) * (second - first) / 2 + np.sin(angle) * (fourth - first) / 2


def points_along(stroke_rc: npt.ArrayLike, frame_shape: tuple[int, int], is_inside: bool = True) -> tuple[Click, ...]:
    """Return points along the part of a stroke (V, 2) that is on the frame; see :func:`~.drawing.scribble_points`.

    Raises
    ------
    ShapeLeftOutError
        If nothing of it is on the frame.
    """
    vertices = np.asarray(stroke_rc, np.float64)
    along = np.concatenate([[0.0], np.linalg.norm(np.diff(vertices, axis=0), axis=1).cumsum()])
    steps = np.unique([*along, *np.arange(0, along[-1], 0.5)])
    dense = np.stack([np.interp(steps, along, vertices[:, axis]) for axis in (0, 1)], axis=1)
    there = (dense >= -0.5).all(axis=1) & (dense < np.array(frame_shape) - 0.5).all(axis=1)
    if not there.any():
        raise ShapeLeftOutError("outside the image")
    return tuple(Click(row, col, is_inside) for row, col in scribble_points(dense[there], frame_shape))


def _vertices_on_frames(places: FramePlaces, name: Hashable) -> Iterator[DrawnPrompts]:
    there = places.has_frame & places.is_inside
    if not there.any():
        raise ShapeLeftOutError("outside the image")
    for frame in dict.fromkeys(places.frames[there].tolist()):
        points = places.points_rc[there & (places.frames == frame)]
        yield DrawnPrompts(name, frame, tuple(Click(row, col, True) for row, col in points.tolist()))


def _joined(one: DrawnPrompts, other: DrawnPrompts) -> DrawnPrompts:
    box = one.box or other.box
    if one.box is not None and other.box is not None:
        (top, left, bottom, right), (top2, left2, bottom2, right2) = one.box, other.box
        box = min(top, top2), min(left, left2), max(bottom, bottom2), max(right, right2)
    return DrawnPrompts(one.name, one.frame, one.clicks + other.clicks, box, one.outlines + other.outlines)
