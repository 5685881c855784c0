"""MetaImage files written by SimpleITK."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from napari_sam2.images.errors import ImageFileError
from napari_sam2.images.geometry import is_same_place
from napari_sam2.images.medical.metaimage import MetaImagePlanes, open_metaimage
from napari_sam2.images.stack import Stack
from phantoms import GEOMETRIES, SHAPE, volume, write_metaimage

ALONE = "is a header alone: its voxels are in another file, which is not there"


@pytest.mark.parametrize("name", GEOMETRIES)
@pytest.mark.parametrize("is_compressed", [True, False])
@pytest.mark.parametrize("ending", [".mha", ".mhd"])
def test_voxels_and_their_places(name: str, is_compressed: bool, ending: str, tmp_path: Path) -> None:
    opened = open_metaimage(write_metaimage(tmp_path / f"v{ending}", volume(), GEOMETRIES[name], is_compressed))
    np.testing.assert_array_equal(opened.pixels[:], volume())
    np.testing.assert_array_equal(opened.pixels[3, 2:4], volume()[3, 2:4])
    assert isinstance(opened.pixels, MetaImagePlanes) is not is_compressed
    assert (opened.axis_names, opened.pixels.dtype, opened.is_private) == ("ZYX", np.int16, True)
    assert opened.geometry is not None
    assert is_same_place(opened.geometry, GEOMETRIES[name], 1e-6, SHAPE)


def test_volumes_in_time_planes_and_colours(tmp_path: Path) -> None:
    values = volume((2, 3, 4, 5))
    sitk.WriteImage(sitk.GetImageFromArray(values, isVector=False), str(tmp_path / "t.mha"))
    opened = open_metaimage(tmp_path / "t.mha")
    assert opened.axis_names == "TZYX"
    np.testing.assert_array_equal(opened.pixels[1, 1:3], values[1, 1:3])
    plane = sitk.GetImageFromArray(values[0, 0])
    plane.SetSpacing([0.5, 2])
    sitk.WriteImage(plane, str(tmp_path / "p.mha"))
    opened = open_metaimage(tmp_path / "p.mha")
    assert (opened.axis_names, opened.geometry, opened.calibration.steps("YX")) == ("YX", None, (2, 0.5))
    colours = np.arange(2 * 3 * 4 * 3, dtype=np.uint8).reshape(2, 3, 4, 3)
    sitk.WriteImage(sitk.GetImageFromArray(colours, isVector=True), str(tmp_path / "c.mha"))
    stack = Stack.open(tmp_path / "c.mha")
    assert (stack.layout.axes, stack.is_rgb) == ("ZYXS", True)
    np.testing.assert_array_equal(stack.frames[1], colours[1])


def test_what_is_wrong(tmp_path: Path) -> None:
    path = write_metaimage(tmp_path / "jane.mha", volume(), GEOMETRIES["straight"])
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ImageFileError, match=r"^the MetaImage file is damaged, or ends too early$"):
        open_metaimage(path).pixels[6]
    path.write_text("no MetaImage")
    with pytest.raises(ImageFileError, match=r"^the MetaImage file is damaged, or is none$"):
        open_metaimage(path)
    sitk.WriteImage(sitk.GetImageFromArray(volume((2, 2, 2, 2, 2)), isVector=False), str(path))
    with pytest.raises(ImageFileError, match=r"^the MetaImage file has 5 axes of lengths 2, 2, 2, 2, 2: volumes"):
        open_metaimage(path)
    write_metaimage(tmp_path / "jane.mhd", volume(), GEOMETRIES["straight"])
    (tmp_path / "jane.raw").unlink()
    with pytest.raises(ImageFileError, match=rf"^the MetaImage file {ALONE}$"):
        open_metaimage(tmp_path / "jane.mhd")
