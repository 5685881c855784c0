"""What a person draws on a frame, as immutable commands that the worker runs on the session. H, W height and width of a frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_sam2.plugin.prompts.clicks import ObjectFrame
from napari_sam2.plugin.prompts.commands import WithoutClicks
from napari_sam2.plugin.prompts.drawn_pixels import DrawnPixels

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from napari_sam2.session.session import Session

Vertices = tuple[tuple[float, float], ...]
"""(V, 2), row and column in data pixels; pixel centres lie on integers."""


@dataclass(frozen=True)
class DrawnCommand(WithoutClicks):
    """Something that was drawn; see :class:`~napari_sam2.plugin.prompts.commands.Command`.

    Attributes
    ----------
    key : ObjectFrame
        The object and the frame.
    is_inside : bool
        What was drawn is inside the object, which is added with its first prompt; else it is outside.
    """

    key: ObjectFrame
    is_inside: bool

    def run(self, session: Session) -> npt.NDArray[np.bool_]:
        """Do it; see :class:`~napari_sam2.plugin.prompts.commands.Command`."""
        with session.grouped():
            if self.key.object_id not in session.objects and self.is_inside:
                session.add_object(object_id=self.key.object_id)
            return self._draw(session)

    def _draw(self, session: Session) -> npt.NDArray[np.bool_]:
        raise NotImplementedError


@dataclass(frozen=True)
class AddScribble(DrawnCommand):
    """Prompt an object by a few points along a stroke.

    Attributes
    ----------
    stroke : Vertices
        The stroke.
    """

    stroke: Vertices

    def _draw(self, session: Session) -> npt.NDArray[np.bool_]:
        object_id, frame = self.key
        item = session.objects.get(object_id)
        if not self.is_inside and (item is None or item.shown(frame) is None):
            raise ValueError(f"object {object_id} has no mask on frame {frame}: draw inside it first")
        return session.add_scribble(object_id, frame, self.stroke, int(self.is_inside))


@dataclass(frozen=True)
class AddLasso(DrawnCommand):
    """Prompt an object by its outline, or remove what an outline encloses from its mask.

    Attributes
    ----------
    outline : Vertices
        The outline; the last vertex is joined to the first.
    """

    outline: Vertices

    def _draw(self, session: Session) -> npt.NDArray[np.bool_]:
        if self.is_inside:
            return session.add_polygon(*self.key, self.outline)
        from napari_sam2.session.editing.drawing import polygon_mask

        return _edit_mask(session, self.key, polygon_mask(self.outline, _frame_shape(session)), is_added=False)


@dataclass(frozen=True)
class AddStroke(DrawnCommand):
    """Add pixels to the mask of an object, or remove them: the mask is a mask prompt there.

    Attributes
    ----------
    pixels : DrawnPixels
        The pixels.
    """

    pixels: DrawnPixels

    def _draw(self, session: Session) -> npt.NDArray[np.bool_]:
        return _edit_mask(session, self.key, self.pixels.mask(_frame_shape(session)), self.is_inside)


def _frame_shape(session: Session) -> tuple[int, int]:
    return session.stack.height, session.stack.width


def _edit_mask(session: Session, key: ObjectFrame, drawn: npt.NDArray[np.bool_], is_added: bool) -> npt.NDArray[np.bool_]:
    """Prompt an object by its mask with, or without, what was drawn."""
    object_id, frame = key
    if object_id not in session.objects:
        raise ValueError(f"there is no object {object_id} any more")
    prompts = session.objects[object_id].prompts.get(frame)
    given = None if prompts is None or prompts.points_rc else prompts.mask
    # a mask that was drawn has more pixels than what the model made of it: strokes must not wear it off
    before = session.mask(object_id, frame) if given is None else given
    after = before | drawn if is_added else before & ~drawn
    if not is_added and (after == before).all():
        raise ValueError(f"nothing of object {object_id} is there on frame {frame}: nothing was removed")
    if not after.any():
        raise ValueError(
            f"nothing would be left of object {object_id} on frame {frame}: it stays as it was. Undo its prompts instead"
        )
    return session.add_mask(object_id, frame, after)
