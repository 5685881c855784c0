"""MRC files written by mrcfile."""

from __future__ import annotations

from pathlib import Path

import mrcfile
import numpy as np
import pytest

from napari_sam2.images.calibration import PIXELS
from napari_sam2.images.errors import ImageFileError
from napari_sam2.images.mrc import open_mrc
from phantoms import volume, write_mrc


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.uint16, np.float32, np.float16])
def test_voxels_and_sizes(dtype: type, tmp_path: Path) -> None:
    values = np.abs(volume((3, 4, 5))).astype(dtype) // 16
    opened = open_mrc(write_mrc(tmp_path / "v.mrc", values, 13.5))
    np.testing.assert_array_equal(opened.pixels[:], values)
    assert isinstance(opened.pixels, np.memmap)
    assert (opened.axis_names, opened.pixels.dtype, opened.is_private) == ("ZYX", dtype, False)
    assert (opened.calibration.length_unit, opened.calibration.steps("ZYX")) == ("angstrom", pytest.approx((13.5,) * 3))


def test_an_image_volumes_and_an_extended_header(tmp_path: Path) -> None:
    assert open_mrc(write_mrc(tmp_path / "p.mrc", volume((4, 5)))).axis_names == "YX"
    assert open_mrc(write_mrc(tmp_path / "t.mrcs", volume((2, 3, 4, 5)))).axis_names == "TZYX"
    with mrcfile.new(tmp_path / "e.rec") as file:
        file.set_data(volume((3, 4, 5)))
        file.set_extended_header(np.frombuffer(bytes(128), "V128"))
    np.testing.assert_array_equal(open_mrc(tmp_path / "e.rec").pixels[:], volume((3, 4, 5)))


def test_no_size_is_pixels(tmp_path: Path) -> None:
    assert open_mrc(write_mrc(tmp_path / "v.mrc", volume((3, 4, 5)), 0)).calibration == PIXELS


def test_what_is_wrong(tmp_path: Path) -> None:
    path = write_mrc(tmp_path / "v.mrc", volume((3, 4, 5)), 1)
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(ImageFileError, match=r"v\.mrc ends too early: it has 1137 of 1144 bytes$"):
        open_mrc(path)
    path.write_bytes(b"no MRC" * 300)
    with pytest.raises(ImageFileError, match=r"v\.mrc is no MRC file, or is damaged$"):
        open_mrc(path)
