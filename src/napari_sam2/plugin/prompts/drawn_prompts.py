"""Prompts that were drawn in a layer, as values that pass between the threads. V vertices · H, W of a frame."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from skimage.draw import polygon

from napari_sam2.plugin.prompts.clicks import Box, Click, points_and_labels
from napari_sam2.wording import counted

if TYPE_CHECKING:
    from napari_sam2.session.session import Session

Outline = tuple[tuple[float, float], ...]
"""(V, 2), row and column of the vertices of a polygon in data pixels; the last is joined to the first."""


def outline_of(vertices_rc: npt.ArrayLike) -> Outline:
    """Return vertices (V, 2) as a value."""
    return tuple((float(row), float(col)) for row, col in np.asarray(vertices_rc))


def outline_mask(outline: Outline, shape: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """Fill an outline: the mask (H, W) of pixels whose centre lies inside; vertices may be outside the frame."""
    mask = np.zeros(shape, bool)
    vertices = np.array(outline)
    mask[polygon(vertices[:, 0], vertices[:, 1], shape)] = True
    return mask


def prompt_by_outlines(session: Session, object_id: int, frame: int, outlines: Iterable[Outline]) -> npt.NDArray[np.bool_]:
    """Prompt an object by what one or several outlines hold.

    Returns
    -------
    ndarray
        (H, W), its mask.

    Raises
    ------
    ValueError
        If they hold the centre of no pixel, or the session refuses the prompt.
    """
    shape = (session.stack.height, session.stack.width)
    outlines = tuple(outlines)
    vertices = np.concatenate([np.array(outline) for outline in outlines])
    if len(outlines) == 1 and (vertices >= -0.5).all() and (vertices < np.array(shape) - 0.5).all():
        return session.add_polygon(object_id, frame, outlines[0])
    mask = np.logical_or.reduce([outline_mask(outline, shape) for outline in outlines])
    if not mask.any():
        raise ValueError("the outline holds the centre of no pixel of the image")
    return session.add_mask(object_id, frame, mask)


@dataclass(frozen=True)
class DrawnPrompts:
    """What was drawn for one object on one frame.

    Attributes
    ----------
    name : hashable
        What the layer calls the object: a number, a text.
    frame : int
        The frame.
    clicks : tuple of Click
        Points.
    box : Box or None
        A box around it.
    outlines : tuple of Outline
        The mask that they hold together is taken in the place of a box.
    """

    name: Hashable
    frame: int
    clicks: tuple[Click, ...] = ()
    box: Box | None = None
    outlines: tuple[Outline, ...] = ()

    @property
    def locates(self) -> bool:
        """Something is inside the object."""
        return self.box is not None or bool(self.outlines) or any(click.is_inside for click in self.clicks)

    @property
    def counts(self) -> Counter[str]:
        """How many points, boxes and masks these are."""
        has_mask = bool(self.outlines)
        counts = {"point": len(self.clicks), "box": int(self.box is not None and not has_mask), "mask": int(has_mask)}
        return Counter({what: number for what, number in counts.items() if number})

    def prompt(self, session: Session, object_id: int) -> None:
        """Prompt an object of a session by them.

        Raises
        ------
        ValueError
            If the session refuses them.
        OSError
            If the frame cannot be read.
        """
        if self.outlines:
            prompt_by_outlines(session, object_id, self.frame, self.outlines)
        elif self.box is not None:
            session.add_box(object_id, self.frame, self.box)
        if self.clicks:
            session.add_points(object_id, self.frame, *points_and_labels(self.clicks))


MAX_REASONS = 6
"""A sentence of more is not read."""
LeftOut = Counter[tuple[str, str]]
"""How many of what were left out, and why: ("point", "outside the image")."""


@dataclass(frozen=True)
class FoundPrompts:
    """What was found in a layer.

    Attributes
    ----------
    prompts : tuple of DrawnPrompts
        One for each object and frame.
    left_out : mapping
        How many of what were left out, and why.
    """

    prompts: tuple[DrawnPrompts, ...]
    left_out: Mapping[tuple[str, str], int] = field(default_factory=dict)


def describe_left_out(left_out: Mapping[tuple[str, str], int]) -> str:
    """Say in a sentence what was left out; empty where nothing was."""
    parts = [f"{counted(number, what)} {why}" for (what, why), number in left_out.items() if number]
    if len(parts) > MAX_REASONS:
        parts[MAX_REASONS - 1 :] = [f"{len(parts) - MAX_REASONS + 1} other things"]
    return f"Left out: {', '.join(parts)}." if parts else ""
