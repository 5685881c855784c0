"""What opening an image file gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_sam2.images.calibration import PIXELS
from napari_sam2.images.choice import ANY
from napari_sam2.images.image_files import open_image_file
from napari_sam2.images.opened_image import OpenedImage
from zarr_by_hand import array_by_hand

PIXELS_OF = np.arange(2 * 6 * 8, dtype=np.uint8).reshape(2, 6, 8)


def test_what_a_file_does_not_tell_is_not_known() -> None:
    image = OpenedImage(PIXELS_OF)
    assert (image.axis_names, image.calibration, image.files, image.choice) == (None, PIXELS, (), ANY)


def tiff(folder: Path) -> Path:
    tifffile.imwrite(folder / "a.tif", PIXELS_OF, metadata={"axes": "ZYX"}, photometric="minisblack")
    return folder / "a.tif"


def picture(folder: Path) -> Path:
    Image.fromarray(PIXELS_OF[0]).save(folder / "a.png")
    return folder / "a.png"


def array(folder: Path) -> Path:
    return array_by_hand(folder / "a.zarr", PIXELS_OF)


@pytest.mark.parametrize(
    ("write", "pixels", "names"), [(tiff, PIXELS_OF, "ZYX"), (picture, PIXELS_OF[0], "YX"), (array, PIXELS_OF, None)]
)
def test_every_format_gives_pixels_names_and_files(write: Any, pixels: np.ndarray, names: str | None, tmp_path: Path) -> None:
    path = write(tmp_path)
    image = open_image_file(path)
    assert isinstance(image, OpenedImage)
    np.testing.assert_array_equal(np.asarray(image.pixels[...]), pixels)
    assert image.pixels.dtype == np.uint8
    assert (image.axis_names if image.axis_names is None else "".join(image.axis_names)) == names
    assert image.files == (path,)
