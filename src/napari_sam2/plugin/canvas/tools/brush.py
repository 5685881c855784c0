"""The brush and eraser tools: pixels that are painted, or removed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from napari_sam2.plugin.canvas.stroke_preview import StrokePreview
from napari_sam2.plugin.canvas.tools.sheet import Sheet
from napari_sam2.plugin.prompts.drawn_commands import Vertices
from napari_sam2.plugin.prompts.drawn_pixels import DrawnPixels

DEFAULT_DIAMETER_PX = 10
MAX_DIAMETER_PX = 400


def next_diameter_px(diameter_px: int, step: int) -> int:
    """Return the diameter of the brush that is one step larger or smaller, a tenth of it, in data pixels."""
    return max(1, min(MAX_DIAMETER_PX, diameter_px + step * max(1, round(diameter_px / 10))))


class BrushDrawing:
    """A stroke of the brush.

    Parameters
    ----------
    sheet : Sheet
        On what.
    preview : StrokePreview
        Shows it meanwhile, and holds its pixels.
    first : array-like
        (D,), where it begins, in the viewer.
    diameter_px : float
        Of the brush, in data pixels.
    drawn : callable
        Called with the pixels, and where the middle of the brush was.
    """

    def __init__(
        self, sheet: Sheet, preview: StrokePreview, first: Any, diameter_px: float, drawn: Callable[[DrawnPixels, Vertices], None]
    ) -> None:
        self._sheet, self._preview, self._diameter_px, self._drawn = sheet, preview, diameter_px, drawn
        self._path = [sheet.point(first)]
        preview.line(self._path[0], self._path[0], diameter_px)

    def move(self, world: Any) -> None:
        """Paint on to a position."""
        at = self._sheet.point(world)
        self._preview.line(self._path[-1], at, self._diameter_px)
        self._path.append(at)

    def finish(self) -> None:
        """Let it change a mask."""
        self._drawn(DrawnPixels.of(self._preview.mask), tuple(self._path))

    def cancel(self) -> None:
        """Give it up."""
        self._preview.clear()
