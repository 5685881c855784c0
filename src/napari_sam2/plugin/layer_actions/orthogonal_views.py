"""The other two views of a volume beside the canvas, by the plugin napari-orthogonal-views: napari has none of its own."""

from __future__ import annotations

from typing import Any

from npe2 import PluginManager

from napari_sam2.plugin.image.layer_placement import unwrapped

COMMAND = "napari-orthogonal-views.show"
NEEDS_PLUGIN = "orthogonal views come from another plugin: pip install napari-orthogonal-views, and start napari again"


def show_orthogonal_views(viewer: Any) -> None:
    """Show a volume along its other two axes, too.

    Parameters
    ----------
    viewer : Viewer
        With a volume.

    Raises
    ------
    ValueError
        If there is no volume in it, or the plugin is not installed.
    """
    if viewer.dims.ndim < 3:
        raise ValueError("orthogonal views are of a volume: the image has two axes")
    try:
        command = PluginManager.instance().commands.get(COMMAND)
    except KeyError as error:
        raise ValueError(NEEDS_PLUGIN) from error
    command(unwrapped(viewer))
