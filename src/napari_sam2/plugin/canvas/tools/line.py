"""The lasso and scribble tools: a line that is drawn by hand."""

from __future__ import annotations

from collections.abc import Callable
from math import hypot
from typing import Any

from napari_sam2.plugin.canvas.stroke_preview import StrokePreview
from napari_sam2.plugin.canvas.tools.sheet import Sheet
from napari_sam2.plugin.prompts.drawn_commands import Vertices

_STEP_PX = 0.5


class LineDrawing:
    """A line that is being drawn.

    Parameters
    ----------
    sheet : Sheet
        On what.
    preview : StrokePreview
        Shows it meanwhile.
    first : array-like
        (D,), where it begins, in the viewer.
    width_px : float
        In which width it is shown, in data pixels.
    drawn : callable
        Called with its vertices.
    is_closed : bool
        Its end is joined to its beginning.
    """

    def __init__(
        self,
        sheet: Sheet,
        preview: StrokePreview,
        first: Any,
        width_px: float,
        drawn: Callable[[Vertices], None],
        is_closed: bool = False,
    ) -> None:
        self._sheet, self._preview, self._width_px, self._drawn, self._is_closed = sheet, preview, width_px, drawn, is_closed
        self._vertices = [sheet.point(first)]

    def move(self, world: Any) -> None:
        """Draw on to a position."""
        at, last = self._sheet.point(world), self._vertices[-1]
        if hypot(at[0] - last[0], at[1] - last[1]) >= _STEP_PX:
            self._preview.line(last, at, self._width_px)
            self._vertices.append(at)

    def finish(self) -> None:
        """Let it be a prompt."""
        if self._is_closed:
            self._preview.line(self._vertices[-1], self._vertices[0], self._width_px)
        self._drawn(tuple(self._vertices))

    def cancel(self) -> None:
        """Give it up."""
        self._preview.clear()
