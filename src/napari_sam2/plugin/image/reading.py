"""What a person chose about how an image is read, as an immutable value that lies in the metadata of its layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

READING_KEY = "napari-sam2 reading"
"""Key of a layer's metadata."""


@dataclass(frozen=True)
class Reading:
    """What was chosen; by default nothing, and all is as the layer and its file tell, or guessed.

    Attributes
    ----------
    axes : str
        A letter for each axis of the layer without colour: T, Z, C, Y, X, and others for positions, such as ``TZCYX``.
    along : str
        The axis along which frames follow each other.
    channels : tuple of int
        One to three, counted from 0: one in grey, two in magenta and green, three in red, green and blue.
    channel_layers : tuple of str
        Names of one to three layers of the same file, which are used as channels of one image; by default this layer alone.
    level : int
        Of a multiscale image, 0 for the full resolution.
    intensity_range : tuple of float or None
        Intensities that become black and white.
    percentiles : tuple of float or None
        Percentiles of a sample of frames that become black and white, 0 .. 100.
    follows_contrast : bool
        The contrast limits of the layer become black and white.
    """

    axes: str = ""
    along: str = ""
    channels: tuple[int, ...] = ()
    channel_layers: tuple[str, ...] = ()
    level: int = 0
    intensity_range: tuple[float, float] | None = None
    percentiles: tuple[float, float] | None = None
    follows_contrast: bool = False


def reading_of(layer: Any) -> Reading:
    """Return what was chosen for a layer."""
    found = layer.metadata.get(READING_KEY)
    return found if isinstance(found, Reading) else Reading()


def choose_reading(layer: Any, reading: Reading) -> None:
    """Keep what was chosen for a layer, as long as the layer is there."""
    layer.metadata[READING_KEY] = reading
