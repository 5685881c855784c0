"""The tools, and what a press of the mouse begins with each."""

from __future__ import annotations

from enum import Enum

from napari_sam2.plugin.canvas.mouse import DrawingBegins, Press


class Tool(Enum):
    """What the mouse does on the canvas."""

    CLICK = "click"
    BOX = "box"
    LASSO = "lasso"
    SCRIBBLE = "scribble"
    BRUSH = "brush"
    ERASER = "eraser"

    @property
    def has_size(self) -> bool:
        """It has a diameter, and paints."""
        return self in (Tool.BRUSH, Tool.ERASER)


def begins(tool: Tool, press: Press) -> DrawingBegins:
    """Tell when a press of the mouse begins to draw.

    A drag with Shift draws a box with every tool, a drag with Alt zooms, as ever. Only the click tool leaves other drags to napari.
    The right button draws outside, but no boxes.
    """
    if press.has_shift:
        return DrawingBegins.MOVED
    if press.has_alt or tool == Tool.CLICK or (tool == Tool.BOX and press.is_other):
        return DrawingBegins.NEVER
    return DrawingBegins.PRESSED if tool.has_size else DrawingBegins.MOVED
