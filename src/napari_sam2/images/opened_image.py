"""What opening an image file gives, whatever its format."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_sam2.images.calibration import PIXELS, Calibration
from napari_sam2.images.choice import ANY, Choice
from napari_sam2.images.geometry import Geometry


@dataclass(frozen=True)
class OpenedImage:
    """An image whose pixels are read as they are needed.

    Attributes
    ----------
    pixels : array-like
        Reads what is indexed; any integer, float or bool dtype.
    axis_names : sequence or None
        A name for each axis of ``pixels``, if the file gives them.
    calibration : Calibration
        Pixel size and frame interval, as far as the file gives them.
    files : tuple of Path
        The files that the image lies in.
    choice : Choice
        Which image of a file was asked for.
    geometry : Geometry or None
        Where its voxels lie in a patient, if the file gives it; its axes are Z, Y and X.
    is_private : bool
        The image is of a patient: names of its files, which often name the patient, are neither shown nor stored.
    title : str
        What it is called where the name of its file is not shown; empty otherwise.
    guessed_axes : str
        A sentence on how axes were guessed, for who gives none; empty where nothing was.
    """

    pixels: Any
    axis_names: Sequence[Any] | None = None
    calibration: Calibration = PIXELS
    files: tuple[Path, ...] = ()
    choice: Choice = ANY
    geometry: Geometry | None = None
    is_private: bool = False
    title: str = ""
    guessed_axes: str = ""
