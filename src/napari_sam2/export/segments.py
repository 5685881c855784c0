"""Objects as segments of medical formats: names, colours and label values, and where the labels lie in space."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from napari_sam2.export.colours import Colour, object_colours
from napari_sam2.export.result import Result
from napari_sam2.images.geometry import Geometry


@dataclass(frozen=True)
class Segment:
    """An object in a label image.

    Attributes
    ----------
    label : int
        Its value.
    name : str
        Its id as text where it has none.
    colour : tuple of int
        Red, green and blue, 0 .. 255.
    """

    label: int
    name: str
    colour: Colour

    @property
    def hex_colour(self) -> str:
        """``#rrggbb``."""
        return "#" + bytes(self.colour).hex()


def found_labels(result: Result) -> list[int]:
    """List the labels in a result, in order; all planes are read."""
    found: set[int] = set()
    for plane in result.planes():
        found.update(np.unique(plane).tolist())
    return sorted(found - {0})


def segments_of(result: Result, labels: Iterable[int]) -> list[Segment]:
    """Describe the objects with these labels."""
    labels = list(labels)
    colours = object_colours(labels, result.colours)
    return [Segment(label, result.name(label), colours[label]) for label in labels]


def geometry_of(result: Result) -> Geometry:
    """Return where the labels lie: as the image does; without a patient, at the origin, with the size of pixels that is known."""
    if result.geometry is None:
        return Geometry.of_calibration(result.calibration)
    return result.geometry.with_calibration(result.calibration)
