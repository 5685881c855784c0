"""How an image layer is read, and the pixels that a session on it is opened on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy.typing as npt
from napari.layers import Image

from napari_sam2.images.calibration import Calibration
from napari_sam2.plugin.image.channel_layers import ChannelArrays, layers_of_one_file
from napari_sam2.plugin.image.image_stack import ImageStack, at_level, describe_position
from napari_sam2.plugin.image.layer_calibration import calibration_of_layer
from napari_sam2.plugin.image.layer_file import NO_FILE, LayerFile
from napari_sam2.plugin.image.layer_placement import unwrapped
from napari_sam2.plugin.image.reading import Reading, choose_reading, reading_of
from napari_sam2.plugin.sessions.autosave import ImageFingerprint
from napari_sam2.plugin.sessions.session_opener import SessionRequest


class ImageSource:
    """An image layer as it is read, at one position of the axes that follow the sliders.

    Parameters
    ----------
    viewer : Viewer
        Where other layers of the same file are.
    image : Image
        The layer.
    stack : ImageStack, optional
        How the image is read, and where; by default as it was chosen for the layer, at its first position.
    file : LayerFile
        What the file of the image tells.
    before : ImageSource, optional
        The same image at the position that is shown.

    Attributes
    ----------
    reading : Reading
        What was chosen about how it is read.
    channel_layers : tuple of Image
        Layers of the same file that are its channels.

    Raises
    ------
    ValueError
        If the image cannot be read as a stack.
    """

    def __init__(
        self,
        viewer: Any,
        image: Any,
        stack: ImageStack | None = None,
        file: LayerFile = NO_FILE,
        before: ImageSource | None = None,
    ) -> None:
        self._viewer = viewer
        self.image = image
        self.reading: Reading = reading_of(image)
        self.stack = ImageStack.of(image, self.reading) if stack is None else stack
        self.file = file
        self.channel_layers: tuple[Any, ...] = ()
        self._array: tuple[list[Any], Any] = ([], None)
        if before is not None and before.stack.has_same_frames(self.stack):
            self.channel_layers = before.channel_layers
        elif self.stack.num_joined:
            self.read_as(self.reading, self.stack)

    @property
    def channel_names(self) -> tuple[str, ...]:
        """A name for each channel to choose from, empty where it has none: those of the image, or layers of the same file."""
        if self.stack.num_channels:
            return ("",) * self.stack.num_channels
        layers = self._layers_of_one_file()
        return tuple(layer.name for layer in layers) if len(layers) > 1 else ()

    def _layers_of_one_file(self) -> list[Any]:
        images = [layer for layer in map(unwrapped, self._viewer.layers) if isinstance(layer, Image)]
        return layers_of_one_file(images, self.image)

    def read_as(self, reading: Reading, stack: ImageStack) -> None:
        """Use other channels or intensities of the same frames.

        Raises
        ------
        ValueError
            If a layer that is to be a channel is not there, or is none.
        """
        by_name = {layer.name: layer for layer in self._layers_of_one_file()}
        if missing := [name for name in reading.channel_layers if name not in by_name]:
            raise ValueError(f"'{missing[0]}' is no layer of the same file, shape and place as '{self.image.name}'.")
        self.channel_layers = tuple(by_name[name] for name in reading.channel_layers)
        self.reading, self.stack = reading, stack.moved_to(self.stack.at)
        self._array = [], None

    def use_channels(self, channels: tuple[int, ...]) -> None:
        """Use the channels of a session that is continued, also when the image is read again."""
        if channels and channels != self.stack.channels:
            self.stack = replace(self.stack, channels=channels)
            self.reading = replace(self.reading, channels=channels)
            choose_reading(self.image, self.reading)

    @property
    def is_outgrown(self) -> bool:
        """The image was given data of another shape."""
        levels, level = len(self.image.data) if self.image.multiscale else 1, self.reading.level
        return level >= levels or tuple(at_level(self.image, level).shape[: self.image.ndim]) != self.stack.shape

    def request(self, model: str, labels: npt.ArrayLike | None, continued: Path | None) -> SessionRequest:
        """Return what a session is to be opened on.

        Parameters
        ----------
        model : str
            Name of its model.
        labels : array-like, optional
            To write its result to.
        continued : Path, optional
            The file of an earlier session to continue.
        """
        layers = self.channel_layers if self.stack.num_joined else (self.image,)
        pixels = [at_level(layer, self.reading.level) for layer in layers]
        if [id(one) for one in pixels] != [id(one) for one in self._array[0]]:
            # the same arrays give the same view: by it the worker knows its session
            views = [self.stack.without_short_axes(one) for one in pixels]
            self._array = pixels, ChannelArrays(views) if self.stack.num_joined else views[0]
        array, stack = self._array[1], self.stack
        return SessionRequest(
            array,
            stack.axes,
            model,
            labels,
            self._fingerprint(array, stack),
            continued,
            other_directions=tuple(
                self._fingerprint(array, replace(stack, along=along))
                for along in stack.directions
                if not stack.at and along != stack.along
            ),
            channels=stack.channels,
            along=stack.along,
            at=stack.at,
            intensity_range=self._intensity_range,
            percentiles=self.reading.percentiles,
            calibration=self.calibration,
            file=self.file,
        )

    def _fingerprint(self, array: Any, stack: ImageStack) -> ImageFingerprint:
        is_usual = not stack.at and stack.along not in ("Y", "X")
        where = f" along {stack.along}" + (f" at {describe_position(stack.at)}" if stack.at else "")
        return ImageFingerprint.of(array, stack.axes + ("" if is_usual else where), self.image.name, self.image.source.path)

    @property
    def plane_names(self) -> Mapping[str, str]:
        """What planes through an axis are called in a patient, by the letter of the axis; empty if not known."""
        return self.file.plane_names if self.file.has_axes(self.stack.letters) else {}

    @property
    def calibration(self) -> Calibration:
        """Size of pixels and time between frames, as the layer has them now; what it has not, as its file has it."""
        return calibration_of_layer(self.image, self.stack, self.file.calibration)

    @property
    def _intensity_range(self) -> tuple[float, float] | None:
        if not self.reading.follows_contrast:
            return self.reading.intensity_range
        low, high = self.image.contrast_limits
        return float(low), float(high)
