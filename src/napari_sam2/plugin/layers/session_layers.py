"""Which layers of a viewer belong to which session."""

from __future__ import annotations

import weakref
from typing import Any

from napari.layers import Image, Labels

from napari_sam2.plugin.image.layer_placement import unwrapped
from napari_sam2.plugin.layers.points_layer import IMAGE_KEY

SESSION_KEY = "napari-sam2 session"
"""Key of a layer's metadata: the session file of a result, and of an image that was opened with it."""
POSITION_KEY = "napari-sam2 position"
"""Key of the metadata of an image that was opened with a session: where it is cut, see :data:`Position`."""
WORKSPACES: weakref.WeakValueDictionary[Any, Any] = weakref.WeakValueDictionary()
"""The latest ``ImageWorkspace`` by the ``unique_id`` of its image, in any viewer: napari saves layers without telling which."""


def join_result(viewer: Any, result: Any) -> Any:
    """Let a result that was opened from a session file belong to the image that was opened with it, or was there.

    Returns
    -------
    Image or None
        That image; None if the layer is none of these, or has an image already.
    """
    if not isinstance(result, Labels) or SESSION_KEY not in result.metadata or IMAGE_KEY in result.metadata:
        return None
    for image in map(unwrapped, viewer.layers):
        if isinstance(image, Image) and image.metadata.get(SESSION_KEY) == result.metadata[SESSION_KEY]:
            del image.metadata[SESSION_KEY]
            result.metadata[IMAGE_KEY] = image.unique_id
            return image
    return None
