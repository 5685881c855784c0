"""Single pictures, PNG, JPEG and BMP, as frames of a sequence are often stored. H, W height and width."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from napari_sam2.images.errors import ImageFileError
from napari_sam2.images.opened_image import OpenedImage

logger = logging.getLogger(__name__)

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp")

_TYPES: dict[str, tuple[str, int]] = {"1": ("?", 0), "L": ("u1", 0), "P": ("u1", 0), "RGB": ("u1", 3), "RGBA": ("u1", 4)}
_TYPES |= {"I;16": ("u2", 0), "I;16B": ("u2", 0), "I": ("i4", 0), "F": ("f4", 0), "LA": ("u1", 0)}
"""Data type and number of colours by Pillow's mode. Of a palette the numbers are taken: they are intensities or labels."""
_DEEP: dict[str, tuple[str, int]] = {"LA;16B": ("u2", 0), "RGB;16B": ("u2", 3), "RGBA;16B": ("u2", 4)}
"""The same by what Pillow calls the pixels that are stored, of which it keeps 8 of 16 bits."""


class PictureFile:
    """A picture that is decoded when it is indexed; nothing is kept.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    ImageFileError
        If it is no picture, or of a kind that is not known here.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            with Image.open(path) as picture:
                mode, (width, height) = picture.mode, picture.size
                num_frames = getattr(picture, "n_frames", 1)
                stored = str(picture.tile[0][3]) if picture.tile else ""
        except Exception as error:  # Pillow stumbles over what it does not expect with errors of all kinds
            raise ImageFileError(f"{path} is no picture that can be read") from error
        if mode not in _TYPES:
            raise ImageFileError(f"{path} is a picture of the kind {mode}: save it as grey or RGB")
        if num_frames > 1:
            logger.warning("%s holds %d frames: the first is read; save it as a video or as TIFF to have all", path, num_frames)
        kind, num_colours = _DEEP.get(stored, _TYPES[mode])
        self.dtype, self._is_deep = np.dtype(kind), stored in _DEEP
        self.shape: tuple[int, ...] = (height, width, num_colours) if num_colours else (height, width)
        self.ndim = len(self.shape)

    def __getitem__(self, key: Any) -> npt.NDArray[Any]:
        try:
            if self._is_deep:
                return self._decoded_deep()[key]
            with Image.open(self._path) as picture:
                pixels = np.asarray(picture.getchannel("L") if picture.mode == "LA" else picture)
        except ImportError as error:
            raise ImageFileError(f"reading {self._path}, which has 16 bits a colour, needs imagecodecs") from error
        except Exception as error:
            raise ImageFileError(f"{self._path} is damaged") from error
        if pixels.shape != self.shape:
            raise ImageFileError(f"{self._path} has changed since it was opened")
        found: npt.NDArray[Any] = pixels.astype(self.dtype, copy=False)[key]
        return found

    def _decoded_deep(self) -> npt.NDArray[Any]:
        import imagecodecs  # not there on every machine that trains

        pixels: npt.NDArray[Any] = imagecodecs.png_decode(self._path.read_bytes())
        return pixels[..., 0] if self.ndim == 2 else pixels


def open_picture(path: Path) -> OpenedImage:
    """Open a picture.

    Raises
    ------
    ImageFileError
        See :class:`PictureFile`.
    """
    picture = PictureFile(path)
    return OpenedImage(picture, "YXS" if picture.ndim == 3 else "YX", files=(path,))
