"""Keys of ours that layers have a use for themselves, bound on each layer: they are ours while no tool of the layer is in use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from napari.layers import Labels, Shapes

from napari_sam2.plugin.canvas.rubber_band import PREVIEW_KEY
from napari_sam2.plugin.image.layer_placement import unwrapped
from napari_sam2.plugin.layers.points_layer import IMAGE_KEY
from napari_sam2.plugin.settings.keys import CANCEL, LARGER_BRUSH, SMALLER_BRUSH, SWITCH_SIDE, Key, bind_keys

_KEEP_TOOL = Key(SWITCH_SIDE.name, "keep_tool", "leave the tool of the layer as it is")


class LayerKeys:
    """Binds keys on layers.

    On layers of others, Esc is ours while no tool of the layer is in use, and while something runs that it stops. T never changes a
    tool of a Shapes layer: that is too easily done where clicks on the image are meant. On our own layers all keys of the canvas
    are ours.

    Parameters
    ----------
    viewer : Viewer
        Whose layers.
    actor : Any
        Whose methods the keys call.
    mode_changed : callable
        Called when a tool of a layer was chosen, or put away.
    """

    def __init__(self, viewer: Any, actor: Any, mode_changed: Callable[[], None]) -> None:
        self._viewer = viewer
        self._actor = actor
        self._on_mode = mode_changed
        self._is_running = False
        self._unbind: dict[Any, Callable[[], None]] = {}
        viewer.layers.events.inserted.connect(self._inserted)
        viewer.layers.events.removed.connect(self._removed)
        for layer in map(unwrapped, viewer.layers):
            self._follow(layer)

    def close(self) -> None:
        """Leave the keys to the layers."""
        self._viewer.layers.events.inserted.disconnect(self._inserted)
        self._viewer.layers.events.removed.disconnect(self._removed)
        for layer in map(unwrapped, self._viewer.layers):
            self._leave(layer)

    def show_running(self, is_running: bool) -> None:
        """Take note whether something runs that can be stopped."""
        if is_running != self._is_running:
            self._is_running = is_running
            for layer in map(unwrapped, self._viewer.layers):
                self._bind(layer)

    def _inserted(self, event: Any) -> None:
        self._follow(unwrapped(event.value))

    def _removed(self, event: Any) -> None:
        self._leave(unwrapped(event.value))

    def _follow(self, layer: Any) -> None:
        layer.events.mode.connect(self._mode_changed)
        self._bind(layer)

    def _leave(self, layer: Any) -> None:
        layer.events.mode.disconnect(self._mode_changed)
        self._free(layer)

    def _mode_changed(self, event: Any) -> None:
        self._bind(unwrapped(event.source))
        self._on_mode()

    def _bind(self, layer: Any) -> None:
        self._free(layer)
        keys = self._keys_of(layer)
        if keys:
            self._unbind[layer.unique_id] = bind_keys(layer, self._actor, keys)

    def _free(self, layer: Any) -> None:
        if layer.unique_id in self._unbind:
            self._unbind.pop(layer.unique_id)()

    def _keys_of(self, layer: Any) -> tuple[Key, ...]:
        if PREVIEW_KEY in layer.metadata:
            return ()
        if IMAGE_KEY in layer.metadata:
            return SWITCH_SIDE, LARGER_BRUSH, SMALLER_BRUSH
        is_tool_in_use = str(layer.mode) != "pan_zoom"
        keys = []
        if self._is_running or (isinstance(layer, Labels | Shapes) and not is_tool_in_use):
            keys.append(CANCEL)
        if isinstance(layer, Shapes):
            keys.append(_KEEP_TOOL if is_tool_in_use else SWITCH_SIDE)
        return tuple(keys)
