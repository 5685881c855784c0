"""What the file of an image layer tells that napari's reader left out: axes, size of pixels, time between frames."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_sam2.images.axes import COLOURS, letters_of
from napari_sam2.images.calibration import PIXELS, Calibration
from napari_sam2.images.geometry import PLANES, Geometry

logger = logging.getLogger(__name__)

FILE_KEY = "napari-sam2 file"
"""Key of the metadata of a layer that our own reader made, for what its file tells."""
_KNOWN_LETTERS = "TZCYX"


@dataclass(frozen=True)
class LayerFile:
    """What a file tells about the layer that came from it.

    Attributes
    ----------
    letters : tuple of str or None
        For each axis of the layer without colour: T, Z, C, Y or X, or None; empty where the file does not fit the layer.
    calibration : Calibration
        Of the file, as far as it gives one.
    geometry : Geometry or None
        Where voxels lie in a patient. Only our own reader tells: others may turn the axes over.
    files : tuple of Path
        The files of a layer that our own reader made.
    is_private : bool
        The image is of a patient: names of its files are neither shown nor stored.
    """

    letters: tuple[str | None, ...] = ()
    calibration: Calibration = PIXELS
    geometry: Geometry | None = None
    files: tuple[Path, ...] = ()
    is_private: bool = False

    @property
    def plane_names(self) -> Mapping[str, str]:
        """What planes through an axis are called, axial, coronal or sagittal, by the letter of the axis; empty if not known."""
        try:
            return {} if self.geometry is None else {self.geometry.axis_through(name): name for name in PLANES}
        except ValueError:  # it is too oblique
            return {}

    @property
    def head_axis(self) -> str:
        """The letter of the axis that grows to the head of the patient; empty if there is none, or that is not known."""
        sides = "" if self.geometry is None else self.geometry.orientation
        return "XYZ"[sides.index("S")] if "S" in sides else ""

    def has_axes(self, letters: Sequence[str]) -> bool:
        """Tell whether an image is read with the axes (D,) of the file; empty for axes of length 1."""
        return all(told == letter for told, letter in zip(self.letters, letters, strict=False) if letter)


NO_FILE = LayerFile()


def read_layer_file(layer: Any) -> LayerFile:
    """Read the metadata of the file of an image layer; no pixel is read. What cannot be read tells nothing."""
    known = layer.metadata.get(FILE_KEY)
    if isinstance(known, LayerFile) and len(known.letters) == layer.ndim:
        return known
    path = layer.source.path
    if path is None or not Path(path).exists():
        return NO_FILE
    from napari_sam2.images.image_files import open_image_file
    from napari_sam2.images.zarr_files import is_zarr

    if Path(path).is_dir() and not is_zarr(Path(path)):
        return NO_FILE  # of a folder of thousands of files, each would be opened
    try:
        opened = open_image_file(path)
        axes = letters_of(opened.axis_names or ())
    except (OSError, ValueError, ImportError) as error:  # read by another program: what napari has is all there is
        logger.debug("%s tells nothing about its layer: %s", path, error)
        return NO_FILE
    full = layer.data[0] if layer.multiscale else layer.data
    shape = tuple(int(side) for side in full.shape[: layer.ndim])
    letters = () if axes is None else fitting_letters(axes, tuple(map(int, opened.pixels.shape)), shape, bool(layer.rgb))
    return LayerFile(letters, opened.calibration if letters or axes is None else PIXELS, is_private=opened.is_private)


def fitting_letters(axes: str, file_shape: Sequence[int], shape: Sequence[int], has_colour: bool) -> tuple[str | None, ...]:
    """Find what each axis of a layer is, whose file has these axes.

    Parameters
    ----------
    axes : str
        Of the file.
    file_shape : sequence of int
        Of the file.
    shape : sequence of int
        (D,), of the layer without colour, which may lack channels and axes of length 1 of the file.
    has_colour : bool
        The pixels of the layer are in colour.

    Returns
    -------
    tuple of str or None
        (D,); empty if they do not fit.
    """
    pairs = list(zip(axes, file_shape, strict=True))
    if has_colour and pairs[-1][0] in "SC" and pairs[-1][1] in COLOURS:
        pairs.pop()
    long_axes = [axis for axis, side in enumerate(shape) if side > 1 or axis >= len(shape) - 2]
    for left_out in ("", "C"):
        kept = [(letter, side) for letter, side in pairs if (side > 1 or letter in "YX") and letter not in left_out]
        if [side for _, side in kept] == [shape[axis] for axis in long_axes]:
            found: list[str | None] = [None] * len(shape)
            for axis, (letter, _) in zip(long_axes, kept, strict=True):
                found[axis] = letter if letter in _KNOWN_LETTERS else None
            return tuple(found) if {"Y", "X"} <= set(found) else ()
    return ()
