"""The box tool: two opposite corners."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from napari_sam2.plugin.clicks import Box
from napari_sam2.plugin.rubber_band import RubberBand
from napari_sam2.plugin.tools.sheet import Sheet


class BoxDrawing:
    """A box that is being drawn.

    Parameters
    ----------
    sheet : Sheet
        On what.
    band : RubberBand
        Shows it meanwhile.
    first : array-like
        (D,), a corner in the viewer.
    drawn : callable
        Called with the frame and the box.

    Raises
    ------
    ValueError
        By :meth:`finish`, if nothing of it is on the image.
    """

    def __init__(self, sheet: Sheet, band: RubberBand, first: Any, drawn: Callable[[int, Box], None]) -> None:
        self._sheet, self._band, self._drawn = sheet, band, drawn
        self._first = self._last = sheet.position(first)

    def move(self, world: Any) -> None:
        """Move the other corner."""
        self._last = self._sheet.position(world)
        try:
            frame, box = self._box()
        except ValueError:
            self._band.remove()  # what is wrong is said at the end
        else:
            self._band.show(self._sheet.image, self._sheet.stack, frame, box)

    def finish(self) -> None:
        """Let it be a prompt."""
        self._band.remove()
        self._drawn(*self._box())

    def cancel(self) -> None:
        """Give it up."""
        self._band.remove()

    def _box(self) -> tuple[int, Box]:
        return self._sheet.stack.box_between(self._first, self._last)
