"""What a person does on the canvas: clicks, drawings with a tool, the box that is being drawn, the name under the cursor."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from napari_sam2.plugin.canvas.mouse import ClickListener, Drawing, DrawingBegins, MouseCalls, Press
from napari_sam2.plugin.canvas.rubber_band import RubberBand
from napari_sam2.plugin.canvas.status_bar import StatusBar
from napari_sam2.plugin.canvas.stroke_preview import StrokePreview
from napari_sam2.plugin.canvas.tools.box import BoxDrawing
from napari_sam2.plugin.canvas.tools.brush import DEFAULT_DIAMETER_PX, BrushDrawing, next_diameter_px
from napari_sam2.plugin.canvas.tools.line import LineDrawing
from napari_sam2.plugin.canvas.tools.sheet import Sheet
from napari_sam2.plugin.canvas.tools.tool import Tool, begins
from napari_sam2.plugin.image.image_stack import Pixel
from napari_sam2.plugin.image.layer_placement import check_display, layer_position, unwrapped
from napari_sam2.plugin.layers.points_layer import data_px_per_canvas_px, data_px_per_world, point_reach_px
from napari_sam2.plugin.layers.sign_colours import SIGN_COLOURS
from napari_sam2.plugin.prompts.click_rule import ClickEffect
from napari_sam2.plugin.prompts.clicks import Box, ObjectFrame
from napari_sam2.plugin.prompts.drawn_commands import AddLasso, AddScribble, AddStroke, DrawnCommand, Vertices
from napari_sam2.plugin.prompts.drawn_pixels import DrawnPixels
from napari_sam2.plugin.workspace.image_workspace import ImageWorkspace

_LINE_CANVAS_PX = 3
_HOLD_KEY = "Space"


@dataclass(frozen=True)
class CanvasCalls:
    """What the canvas calls.

    Attributes
    ----------
    workspace : callable
        Returns the work on the image, or None.
    why_not : callable
        Returns why there is none.
    changed : callable
        The tool, the object in hand or the like changed.
    status_changed : callable
        Called with a text for the person.
    warn : callable
        Called with a sentence on which the person must act.
    """

    workspace: Callable[[], ImageWorkspace | None]
    why_not: Callable[[], str]
    changed: Callable[[], None]
    status_changed: Callable[[str], None]
    warn: Callable[[str], None]


class Canvas:
    """What is done on the canvas of a viewer.

    Parameters
    ----------
    viewer : Viewer
        Whose.
    calls : CanvasCalls
        What is called.

    Attributes
    ----------
    tool : Tool
        The tool that is chosen.
    diameter_px : int
        Of the brush, in data pixels.
    """

    def __init__(self, viewer: Any, calls: CanvasCalls) -> None:
        self._viewer = viewer
        self._calls = calls
        self.tool = Tool.CLICK
        self.diameter_px = DEFAULT_DIAMETER_PX
        self._band = RubberBand(viewer)
        self._preview = StrokePreview(viewer)
        self._listener = ClickListener(viewer, MouseCalls(self._clicked, self._begins, self._begin))
        self._status_bar = StatusBar(viewer, self._name_at)
        viewer.bind_key(_HOLD_KEY, self._hold, overwrite=True)
        viewer.layers.selection.events.active.connect(self._mouse_passed_on, position="last")

    def close(self) -> None:
        """Listen no more."""
        self._viewer.bind_key(_HOLD_KEY, None, overwrite=True)
        self._viewer.layers.selection.events.active.disconnect(self._mouse_passed_on)
        self._listener.close()
        self._preview.remove()
        self._band.remove()
        self._status_bar.close()
        if self.tool != Tool.CLICK:
            self._viewer.cursor.style = "standard"

    # --- tools -----------------------------------------------------------------------------------------------------

    @property
    def is_listening(self) -> bool:
        """Clicks and drawings on the canvas count."""
        return self._listener.is_on

    @is_listening.setter
    def is_listening(self, is_on: bool) -> None:
        self._listener.is_on = is_on
        self.show_cursor()

    @property
    def is_paused(self) -> bool:
        """Drags move the view whatever tool is chosen: the key for that is held."""
        return self._listener.is_paused

    @is_paused.setter
    def is_paused(self, is_paused: bool) -> None:
        self._listener.is_paused = is_paused
        self.show_cursor()

    @property
    def is_ours(self) -> bool:
        """The mouse belongs to the tool that is chosen here, not to one of the selected layer."""
        return self._listener.is_on and not self._listener.is_paused and self._listener.is_canvas_ours

    @property
    def is_inside(self) -> bool:
        """What is drawn now is inside the object."""
        workspace = self._calls.workspace()
        return self.tool != Tool.ERASER and (self.tool == Tool.BRUSH or workspace is None or workspace.hand.is_inside)

    def choose_tool(self, tool: Tool) -> None:
        """Let the mouse do something else."""
        self.cancel_drawing()
        self._free_the_mouse()
        if tool != self.tool:
            self.tool = tool
            if tool in (Tool.CLICK, Tool.BOX):
                self._preview.remove()
            if tool != Tool.BOX:
                self._band.remove()
            self.show_cursor()
            self._calls.changed()

    def _free_the_mouse(self) -> None:
        """Take the mouse away from a tool of the selected layer: of ours that is put away, of others the image is selected."""
        workspace, selected = self._calls.workspace(), self._viewer.layers.selection.active
        if workspace is None or self._listener.is_canvas_ours:
            return
        if selected in [workspace.image, *workspace.layers.ours]:
            selected.mode = "pan_zoom"
        else:
            self._viewer.layers.selection.active = workspace.image

    def image_changed(self) -> None:
        """Take note that another image is worked on, or none."""
        self.cancel_drawing()
        self._preview.remove()
        self._band.remove()
        self.show_cursor()

    def choose_diameter(self, diameter_px: int) -> None:
        """Choose the diameter of the brush, in data pixels."""
        self.diameter_px = next_diameter_px(diameter_px, 0)
        self.show_cursor()
        self._calls.changed()

    def resize_brush(self, step: int) -> None:
        """Make the brush one step larger or smaller; napari's own, where that is in use on the selected layer."""
        selected = self._viewer.layers.selection.active
        if not self._listener.is_canvas_ours and hasattr(selected, "brush_size"):
            selected.brush_size = max(1, selected.brush_size + step)
        elif self.tool.has_size:
            self.choose_diameter(next_diameter_px(self.diameter_px, step))

    def switch_side(self) -> bool:
        """Put the eraser in the place of the brush, or the other way round; return False with other tools."""
        if self.tool.has_size:
            self.choose_tool(Tool.BRUSH if self.tool == Tool.ERASER else Tool.ERASER)
        return self.tool.has_size

    def cancel_drawing(self) -> bool:
        """Give up what is being drawn; return whether there was something."""
        return self._listener.cancel_drawing()

    def put_tool_away(self) -> bool:
        """Go back to clicks; return whether another tool was chosen."""
        was_chosen = self.tool != Tool.CLICK
        self.choose_tool(Tool.CLICK)
        return was_chosen

    def _hold(self, _viewer: Any) -> Iterator[None]:
        """Let drags move the view while a key is held, as napari does with its own tools."""
        selected = self._viewer.layers.selection.active
        mode = None if selected is None or self._listener.is_canvas_ours else selected.mode
        if mode is not None:
            selected.mode = "pan_zoom"
        self.is_paused = True
        yield
        self.is_paused = False
        if mode is not None:
            selected.mode = mode

    def _mouse_passed_on(self) -> None:
        self.show_cursor()

    def show_cursor(self) -> None:
        """Show by the cursor what the mouse does."""
        workspace, cursor = self._calls.workspace(), self._viewer.cursor
        if workspace is None or not self._listener.is_canvas_ours:
            return
        if not self.is_ours or self.tool == Tool.CLICK:
            cursor.style = "standard"
        elif self.tool.has_size:
            cursor.size = self.diameter_px / data_px_per_world(self._viewer, workspace.image, workspace.stack)
            _hide_box_of_cursor(self._viewer)
            cursor.style = "circle"
        else:
            cursor.style = "cross"

    # --- the mouse -------------------------------------------------------------------------------------------------

    def _clicked(self, press: Press) -> None:
        workspace = self._calls.workspace()
        if workspace is not None:
            self.click(press.position, workspace.hand.is_inside != press.is_other)
        elif self._calls.why_not():
            self._calls.warn(self._calls.why_not())

    def _begins(self, press: Press) -> DrawingBegins:
        return DrawingBegins.NEVER if self._calls.workspace() is None else begins(self.tool, press)

    def _begin(self, press: Press) -> Drawing | None:
        workspace = self._calls.workspace()
        if workspace is None:
            return None
        try:
            return self._drawing(workspace, press)
        except ValueError as error:
            self._calls.warn(str(error))
            return None

    def _drawing(self, workspace: ImageWorkspace, press: Press) -> Drawing:
        sheet = Sheet(self._viewer, workspace.image, workspace.stack)
        if press.has_shift or self.tool == Tool.BOX:
            drawn, is_last = partial(self._box_drawn, workspace), self.tool != Tool.BOX
            return BoxDrawing(sheet, self._band, press.position, drawn, self._calls.warn, is_last)
        is_inside = self.is_inside != press.is_other
        self._preview.begin(workspace.image, workspace.stack, SIGN_COLOURS[is_inside])
        about = _About(workspace, sheet, is_inside)
        if self.tool.has_size:
            return BrushDrawing(sheet, self._preview, press.position, self.diameter_px, partial(self._stroke_drawn, about))
        width_px = _LINE_CANVAS_PX * data_px_per_canvas_px(self._viewer, workspace.image, workspace.stack)
        is_closed = self.tool == Tool.LASSO
        drawn = partial(self._lasso_drawn if is_closed else self._scribble_drawn, about)
        return LineDrawing(sheet, self._preview, press.position, width_px, drawn, is_closed)

    # --- what was drawn --------------------------------------------------------------------------------------------

    def _box_drawn(self, workspace: ImageWorkspace, frame: int, box: Box) -> None:
        self._show_result(workspace)
        workspace.draw_box(frame, box)

    def _scribble_drawn(self, about: _About, stroke: Vertices) -> None:
        self._draw(about, stroke, lambda key: AddScribble(key, about.is_inside, stroke))

    def _lasso_drawn(self, about: _About, outline: Vertices) -> None:
        # an outline is that of a new object, wherever it begins
        self._draw(about, () if about.is_inside else outline, lambda key: AddLasso(key, about.is_inside, outline))

    def _stroke_drawn(self, about: _About, pixels: DrawnPixels, path: Vertices) -> None:
        self._draw(about, path, lambda key: AddStroke(key, about.is_inside, pixels))

    def _draw(self, about: _About, path: Vertices, make: Callable[[ObjectFrame], DrawnCommand]) -> None:
        """Do what was drawn to the object in hand; else to the one where it begins, or that it meets outside; else to a new one."""
        workspace, frame = about.workspace, about.sheet.frame
        object_id = workspace.hand.object_id
        if object_id is None:
            met = (workspace.object_at(Pixel(frame, *at)) for at in (path[:1] if about.is_inside else path))
            object_id = next((one for one in met if one is not None), None)
        if object_id is None and not about.is_inside:
            self._preview.clear()
            self._calls.status_changed("There is no object here that could end: take one in hand, or draw over one.")
            return
        self._show_result(workspace)
        workspace.draw(frame, object_id, make)
        if not workspace.is_model_here:
            self._preview.clear()

    def answered(self) -> None:
        """Show a stroke no more: its mask is there, or was refused."""
        if not self._listener.is_drawing:
            self._preview.clear()

    def draw_box(self, first: Any, last: Any) -> None:
        """Prompt the object in hand, or a new one, by a box; see :meth:`.controller.Controller.draw_box`."""
        workspace = self._calls.workspace()
        if workspace is None:
            self._calls.warn(self._calls.why_not() or "There is no image to draw on: open one first.")
            return
        try:
            check_display(self._viewer, workspace.image, workspace.stack)
            positions = (layer_position(self._viewer, workspace.image, workspace.stack, world) for world in (first, last))
            self._box_drawn(workspace, *workspace.stack.box_between(*positions))
        except ValueError as error:
            self._calls.warn(str(error))

    # --- clicks ----------------------------------------------------------------------------------------------------

    def click(self, world: Any, is_inside: bool) -> None:
        """Click on the image; what that does is in :mod:`~napari_sam2.plugin.prompts.click_rule`."""
        workspace = self._calls.workspace()
        if workspace is None:
            self._calls.warn(self._calls.why_not() or "There is no image to click on: open one first.")
            return
        try:
            pixel = self._pixel(workspace, world)
        except ValueError as error:
            self._calls.warn(str(error))
            return
        self._show_result(workspace)
        effect, object_id = workspace.click(pixel, is_inside, point_reach_px(self._viewer, workspace.image, workspace.stack))
        if effect == ClickEffect.NONE:
            self._calls.status_changed("There is no object here that could end: click on one, or take one in hand first.")
        elif effect == ClickEffect.TAKE and object_id is not None:
            name = workspace.objects.name_of(object_id)
            self._calls.status_changed(f"{name[:1].upper()}{name[1:]} is in hand: clicks add to it. Esc puts it down.")
            self._calls.changed()

    def _show_result(self, workspace: ImageWorkspace) -> None:
        """Show the objects again, if their layer is hidden: what is done now would not be seen."""
        layer = workspace.result.layer
        if layer is not None and not layer.visible:
            layer.visible = True
            self._calls.status_changed("The objects were hidden: they are shown again.")

    def _pixel(self, workspace: ImageWorkspace, world: Any) -> Pixel:
        check_display(self._viewer, workspace.image, workspace.stack)
        return workspace.stack.pixel(layer_position(self._viewer, workspace.image, workspace.stack, world))

    def _name_at(self, world: Any) -> str:
        """Name the object under the cursor, if there is one."""
        workspace = self._calls.workspace()
        if workspace is None:
            return ""
        try:
            object_id = workspace.object_at(self._pixel(workspace, world))
        except ValueError:
            return ""
        return "" if object_id is None else workspace.objects.name_of(object_id)


def _hide_box_of_cursor(viewer: Any) -> None:
    """Keep napari 0.9 from leaving a small square on the canvas, the background of the circle, wherever that is shown last."""
    overlays = getattr(getattr(unwrapped(viewer), "canvas", None), "overlays", None)
    circle = getattr(overlays, "_brush_circle", None)
    if circle is not None:
        circle.box = False


@dataclass(frozen=True)
class _About:
    """What a drawing is about.

    Attributes
    ----------
    workspace : ImageWorkspace
        The work on the image.
    sheet : Sheet
        The frame.
    is_inside : bool
        It is inside the object.
    """

    workspace: ImageWorkspace
    sheet: Sheet
    is_inside: bool
