"""What is done with layers that somebody has, in the dock and in napari's menus: used as prompts, given the result, seen anew."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QMenu, QToolButton

from napari_sam2.plugin.controller import Controller
from napari_sam2.plugin.image.layer_placement import unwrapped
from napari_sam2.plugin.layer_actions.copy_result import ResultCopier
from napari_sam2.plugin.layer_actions.orthogonal_views import show_orthogonal_views
from napari_sam2.plugin.layer_actions.use_layer import LayerReader
from napari_sam2.plugin.layer_prompts.choices import Objects, guess_object_column, guess_side_column
from napari_sam2.plugin.qt.layer_form import LayerForm, Options

if TYPE_CHECKING:
    import napari

_PLUGIN = "napari-sam2"
_STYLE = """
QToolButton { padding: 2px 14px 2px 4px; }
QToolButton::menu-indicator { subcontrol-origin: padding; subcontrol-position: center right; right: 3px; }
"""
"""The arrow stands beside the word."""


class LayerActions(QToolButton):  # type: ignore[misc]
    """A button with a menu that opens the forms.

    Parameters
    ----------
    viewer : Viewer
        Whose layers.
    controller : Controller
        What does the work.
    """

    def __init__(self, viewer: Any, controller: Controller) -> None:
        super().__init__(text="Layers", toolTip="Layers that are there already: used as prompts, or given the result.")
        self._viewer = viewer
        self._controller = controller
        menu = QMenu(self)
        self.draw = menu.addAction("Draw prompts with napari's shapes")
        self.draw.setToolTip("Rectangles are boxes, ellipses and polygons masks, lines and paths points along them.")
        self.use = menu.addAction("Use a layer as prompts …")
        self.copy = menu.addAction("Copy the result into a layer …")
        self.views = menu.addAction("Orthogonal views")
        self.views.setToolTip("The volume along its other two axes, beside the canvas.")
        self.draw.triggered.connect(lambda: self.draw_shapes())
        self.use.triggered.connect(lambda: self.open_use())
        self.copy.triggered.connect(lambda: self.open_copy())
        self.views.triggered.connect(lambda: self.show_views())
        self.setMenu(menu)
        self.setStyleSheet(_STYLE)
        self.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)

    def draw_shapes(self) -> None:
        """Select the layer of boxes and outlines, which is made if it is not there, with napari's tool for rectangles."""
        workspace = self._controller.workspace
        if workspace is None:
            self._controller.show_problem("there is no image to prompt: open one first")
            return
        layer = workspace.show_shapes_layer()
        self._viewer.layers.selection.active = layer
        layer.mode = "add_rectangle"

    def show_views(self) -> None:
        """Show the volume along its other two axes, too; a sentence if that cannot be."""
        try:
            show_orthogonal_views(self._viewer)
        except ValueError as error:
            self._controller.show_problem(str(error))

    def open_use(self) -> LayerForm | None:
        """Open the form by which a layer becomes prompts, with the selected one chosen; a sentence if there is none."""
        controller, workspace = self._controller, self._controller.workspace
        if workspace is None:
            controller.show_problem("there is no image to prompt: open one first")
            return None
        reader = LayerReader(self._viewer, workspace)

        def function_for(layer: Any) -> Any:
            return _then(reader.function_for(layer), controller.use_prompts)

        if not reader.layers:
            controller.show_problem(
                "there is no layer of points, shapes or labels: if labels were opened as an image, right click on it in the list of"
                " layers, and choose Convert to Labels"
            )
            return None
        return self._open(
            LayerForm(
                "Use a layer as prompts",
                f"What is in the layer becomes prompts of new objects of {workspace.image.name}. One undo takes all of it back.",
                "Use as prompts",
                reader.layers,
                function_for,
                lambda layer: options_of_prompts(layer, workspace.stack.num_frames, controller.frame or 0),
                self,
            )
        )

    def open_copy(self) -> LayerForm | None:
        """Open the form by which the result goes into a layer, with the selected one chosen; a sentence if there is none."""
        controller, workspace = self._controller, self._controller.workspace
        if workspace is None or workspace.result.labels is None:
            controller.show_problem("there is no result yet: click on an object first")
            return None
        copier = ResultCopier(self._viewer, workspace)
        if not copier.layers:
            controller.show_problem("there is no Labels layer but the result itself: make one with the button above the layers")
            return None
        options = {"pixels": {"label": "Write"}, **options_of_frames(workspace.stack.num_frames, controller.frame or 0)}
        return self._open(
            LayerForm(
                "Copy the result into a layer",
                "Undo of that layer takes it back.",
                "Copy",
                copier.layers,
                lambda _layer: _then(copier.copy, controller.status_changed.emit),
                lambda _layer: options,
                self,
            )
        )

    def _open(self, form: LayerForm) -> LayerForm:
        form.choose(unwrapped(self._viewer.layers.selection.active))
        form.open()
        return form


def options_of_prompts(layer: Any, num_frames: int, frame: int) -> Options:
    """Return what the form of a layer shows: the columns that it has, and those that their names suggest."""
    frames = options_of_frames(num_frames, frame)
    if not hasattr(layer, "shape_type") and not hasattr(layer, "symbol"):
        return {**frames, **({"anchors": {"label": "On several frames"}} if num_frames > 1 else {})}
    columns = [(f"column “{name}”", name) for name in layer.features]
    objects = [(one.value, one) for one in Objects]
    chosen = guess_object_column(layer.features)
    options: dict[str, dict[str, Any]] = {
        "objects": _combo("Objects", [*objects, *columns], Objects.EACH if chosen is None else chosen)
    }
    if hasattr(layer, "symbol"):
        options["sides"] = _combo("Inside", [("all points", None), *columns], guess_side_column(layer.features))
    return {**options, **frames}


def options_of_frames(num_frames: int, frame: int) -> dict[str, dict[str, Any]]:
    """Return what a form shows about frames; nothing for a single image."""
    if num_frames == 1:
        return {}
    return {"frames": {"label": "Frames"}, "frame": {"label": "Frame", "min": 0, "max": num_frames - 1, "value": frame}}


def _combo(label: str, choices: list[tuple[str, Any]], value: Any) -> dict[str, Any]:
    return {"label": label, "widget_type": "ComboBox", "choices": choices, "value": value}


def _then(function: Callable[..., Any], receive: Callable[[Any], None]) -> Callable[..., None]:
    """Return a function of the same signature, whose result is handed on."""

    @wraps(function)
    def call(*arguments: Any, **choices: Any) -> None:
        receive(function(*arguments, **choices))

    return call


# --- in napari's menus ---------------------------------------------------------------------------------------------


def use_layer_as_prompts(viewer: napari.Viewer) -> LayerForm | None:
    """Open the widget, and the form by which a layer becomes prompts."""
    return _actions_in(viewer).open_use()


def copy_result_into_layer(viewer: napari.Viewer) -> LayerForm | None:
    """Open the widget, and the form by which the result goes into a layer."""
    return _actions_in(viewer).open_copy()


def _actions_in(viewer: Any) -> LayerActions:
    return _widget_in(viewer).findChild(LayerActions)


def _widget_in(viewer: Any) -> Any:
    """Return the widget of a viewer, which is opened if it is not there."""
    _, widget = viewer.window.add_plugin_dock_widget(_PLUGIN)
    return widget
