"""Tracks of objects with their lineage, as a Tracks layer on the image. N rows, L axes of layers that lie on the image."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from napari.layers import Tracks
from napari.utils.colormaps import Colormap

from napari_sam2.plugin.image.image_stack import ImageStack
from napari_sam2.plugin.image.layer_placement import SPATIAL, spatial_metadata, unwrapped
from napari_sam2.plugin.layers.points_layer import IMAGE_KEY

_COLOUR = "colour"
"""The feature by which tracks are coloured."""
Colour = Sequence[float]


def is_tracks_layer_of(layer: Any, image: Any) -> bool:
    """Tell whether a layer has the tracks of objects in an image."""
    return isinstance(layer, Tracks) and layer.metadata.get(IMAGE_KEY) == image.unique_id


class TracksView:
    """Shows tracks, and keeps the layer on the image.

    Parameters
    ----------
    viewer : Viewer
        Where the layer is shown.
    image : Image
        The layer on which it lies.
    stack : ImageStack
        How that is read.

    Attributes
    ----------
    layer : Tracks or None
        The layer, while there are tracks and it is in the viewer.
    is_wanted : bool
        Tracks are shown; no longer when a person removes the layer.
    """

    def __init__(self, viewer: Any, image: Any, stack: ImageStack) -> None:
        self.layer: Tracks | None = None
        self.is_wanted = False
        self._viewer = viewer
        self._image = image
        self._stack = stack
        self._is_removing = False
        for name in SPATIAL:
            getattr(image.events, name).connect(self._follow_image)
        viewer.layers.events.removed.connect(self._layer_removed)
        for layer in map(unwrapped, viewer.layers):
            if self.layer is None and is_tracks_layer_of(layer, image):
                self.layer, self.is_wanted = layer, True

    def close(self) -> None:
        """Disconnect from the layers, which stay as they are."""
        for name in SPATIAL:
            getattr(self._image.events, name).disconnect(self._follow_image)
        self._viewer.layers.events.removed.disconnect(self._layer_removed)
        self.layer = None

    @property
    def _first_axis(self) -> int:
        """The frame axis, from which on the layer has its axes (of L): napari takes the first one for time."""
        return (self._stack.frame_axis or 0) - (len(self._stack.shape) - len(self._stack.layer_shape))

    def show(
        self, data: npt.NDArray[np.float64], graph: dict[int, list[int]], colour_of: Callable[[int], Colour] | None = None
    ) -> None:
        """Show tracks.

        Parameters
        ----------
        data : ndarray
            (N, 4) or (N, 5), see :func:`~napari_sam2.export.tracks.napari_tracks`.
        graph : dict of int to list of int
            The parent of each child.
        colour_of : callable, optional
            Returns the colour of an object, red, green and blue, 0 .. 1.
        """
        if not self.is_wanted:
            return
        if len(data) == 0:
            if self.layer is not None:
                with self._removing():
                    self._viewer.layers.remove(self.layer)
                self.layer = None
            return
        placed = self._placed(data)
        ids, numbers = np.unique(data[:, 0].astype(int), return_inverse=True)
        features = {_COLOUR: (numbers + 0.5) / len(ids)}
        colours = None if colour_of is None else {_COLOUR: Colormap([colour_of(one) for one in ids.tolist()], interpolation="zero")}
        if self.layer is None:
            self._add(placed, graph, features, colours)
            return
        is_ours = self.layer.color_by == _COLOUR
        if is_ours:
            self.layer.color_by = "track_id"  # other data have no other feature at first
        self.layer.data = placed
        self.layer.graph = graph
        self.layer.features = features
        if colours is not None:
            self.layer.colormaps_dict = colours
            if is_ours:  # a person may have chosen another
                self.layer.color_by = _COLOUR

    def _add(self, data: npt.NDArray[np.float64], graph: Any, features: Any, colours: Any) -> None:
        layer = Tracks(
            data,
            graph=graph,
            features=features,
            name=f"{self._image.name} – tracks",
            metadata={IMAGE_KEY: self._image.unique_id},
            **self._spatial_metadata(),
        )
        if colours is not None:
            layer.colormaps_dict = colours
            layer.color_by = _COLOUR
        selected = unwrapped(self._viewer.layers.selection.active)
        self._viewer.add_layer(layer)
        if selected is not None:
            self._viewer.layers.selection.active = selected
        self.layer = layer

    def _placed(self, data: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Add the axes that the layer has beside those of the tracks."""
        letters = [self._stack.along, *("Z" if data.shape[1] == 5 else ""), "Y", "X"]
        coordinates = dict(zip(letters, data[:, 1:].T, strict=True))
        others = dict(self._stack.at)
        axes = self._stack.letters[-(len(self._stack.layer_shape) - self._first_axis) :]
        columns = [coordinates.get(letter, np.full(len(data), others.get(letter, 0.0))) for letter in axes]
        return np.column_stack([data[:, 0], *columns])

    def _spatial_metadata(self) -> dict[str, Any]:
        first = self._first_axis
        values = spatial_metadata(self._image, self._stack)
        if first == 0:
            return values
        cut = {name: values[name][first:] for name in ("scale", "translate", "units", "axis_labels")}
        return {**cut, "rotate": np.asarray(values["rotate"])[first:, first:]}

    def _follow_image(self, event: Any) -> None:
        values = self._spatial_metadata()
        if self.layer is not None and event.type in values:
            setattr(self.layer, event.type, values[event.type])

    @contextlib.contextmanager
    def _removing(self) -> Iterator[None]:
        self._is_removing = True
        try:
            yield
        finally:
            self._is_removing = False

    def _layer_removed(self, event: Any) -> None:
        if self.layer is not None and unwrapped(event.value) == self.layer and not self._is_removing:
            self.layer, self.is_wanted = None, False
