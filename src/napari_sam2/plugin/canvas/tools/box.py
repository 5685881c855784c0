"""The box tool: two opposite corners."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from napari_sam2.plugin.canvas.rubber_band import RubberBand
from napari_sam2.plugin.canvas.tools.sheet import Sheet
from napari_sam2.plugin.prompts.clicks import Box


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
    warn : callable
        Called with a sentence, if nothing of it is on the image.
    is_last : bool
        No other box is expected.
    """

    def __init__(
        self,
        sheet: Sheet,
        band: RubberBand,
        first: Any,
        drawn: Callable[[int, Box], None],
        warn: Callable[[str], None],
        is_last: bool = False,
    ) -> None:
        self._sheet, self._band, self._drawn, self._warn = sheet, band, drawn, warn
        self._hide = band.remove if is_last else band.clear
        self._first = self._last = sheet.position(first)

    def move(self, world: Any) -> None:
        """Move the other corner."""
        self._last = self._sheet.position(world)
        try:
            frame, box = self._box()
        except ValueError:
            self._hide()  # what is wrong is said at the end
        else:
            self._band.show(self._sheet.image, self._sheet.stack, frame, box)

    def finish(self) -> None:
        """Let it be a prompt."""
        self._hide()
        try:
            frame, box = self._box()
        except ValueError as error:
            self._warn(str(error))
        else:
            self._drawn(frame, box)

    def cancel(self) -> None:
        """Give it up."""
        self._hide()

    def _box(self) -> tuple[int, Box]:
        return self._sheet.stack.box_between(self._first, self._last)
