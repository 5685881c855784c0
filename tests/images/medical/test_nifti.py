"""NIfTI files written by nibabel and SimpleITK: voxels, places, scaling, time, and what is wrong with them."""

from __future__ import annotations

import gzip
import logging
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk

from napari_sam2.images.errors import ImageFileError
from napari_sam2.images.geometry import is_same_place
from napari_sam2.images.medical.nifti import open_nifti
from napari_sam2.images.stack import Stack
from phantoms import GEOMETRIES, SHAPE, TILTED, sitk_image, volume, write_nifti


@pytest.mark.parametrize(
    ("name", "code"), [("tilted", "sform"), *((name, code) for name in GEOMETRIES for code in ("sform", "qform"))]
)
@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_voxels_and_their_places(name: str, ending: str, code: str, tmp_path: Path) -> None:
    geometry = GEOMETRIES.get(name, TILTED)
    opened = open_nifti(write_nifti(tmp_path / f"v{ending}", volume(), geometry, code))
    np.testing.assert_array_equal(opened.pixels[:], volume())
    assert (opened.axis_names, opened.pixels.dtype, opened.is_private) == ("ZYX", np.int16, True)
    assert opened.geometry is not None
    assert is_same_place(opened.geometry, geometry, 1e-3, SHAPE)  # the header has single precision
    assert opened.calibration.steps("ZYX") == pytest.approx(geometry.calibration.steps("ZYX"), rel=1e-5)


def test_what_another_library_wrote_lies_where_it_does(tmp_path: Path) -> None:
    sitk.WriteImage(sitk_image(volume(), GEOMETRIES["oblique"]), str(tmp_path / "v.nii.gz"))
    opened = open_nifti(tmp_path / "v.nii.gz")
    np.testing.assert_array_equal(opened.pixels[2, 3:5], volume()[2, 3:5])
    assert opened.geometry is not None
    assert is_same_place(opened.geometry, GEOMETRIES["oblique"], 1e-3, SHAPE)


def test_slope_and_intercept(tmp_path: Path) -> None:
    for slope, dtype in ((1, np.int16), (0.5, np.float32)):
        stored = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
        image = nibabel.Nifti1Image(stored, np.eye(4))
        image.header.set_slope_inter(slope, -1024)
        nibabel.save(image, tmp_path / "hu.nii")
        opened = open_nifti(tmp_path / "hu.nii")
        assert opened.pixels.dtype == dtype
        np.testing.assert_array_equal(opened.pixels[:], stored.T * float(slope) - 1024)
        np.testing.assert_array_equal(opened.pixels[1, 2], stored.T[1, 2] * float(slope) - 1024)


def test_volumes_in_time(tmp_path: Path) -> None:
    values = volume((3, 4, 5, 6))
    image = nibabel.Nifti1Image(values.T, np.diag([2.0, 2, 3, 1]))
    image.header.set_xyzt_units("mm", "msec")
    image.header["pixdim"][4] = 2500
    nibabel.save(image, tmp_path / "v.nii.gz")
    stack = Stack.open(tmp_path / "v.nii.gz", at={"T": 2})
    assert (stack.layout.axes, stack.along, stack.calibration.t, stack.calibration.time_unit) == ("TZYX", "Z", 2.5, "second")
    np.testing.assert_array_equal(stack.frames[1], values[2, 1])
    with pytest.raises(ValueError, match=r"^objects cannot be propagated .* choose one position on Z by at, as in at=\{'Z': 0\}"):
        Stack.open(tmp_path / "v.nii.gz")


@pytest.mark.parametrize(
    ("shape", "axes"), [((4, 3), "ZYX"), ((4, 3, 2, 1, 1), "ZYX"), ((4, 3, 2, 1, 3), "CZYX"), ((4, 3, 2, 5), "TZYX")]
)
def test_axes(shape: tuple[int, ...], axes: str, tmp_path: Path) -> None:
    nibabel.save(nibabel.Nifti1Image(np.ones(shape, np.int16), np.eye(4)), tmp_path / "v.nii")
    opened = open_nifti(tmp_path / "v.nii")
    assert (opened.axis_names, len(opened.pixels.shape)) == (axes, len(axes))


@pytest.mark.parametrize(("unit", "factor"), [("mm", 1.0), ("micron", 1e-3), ("meter", 1e3)])
def test_lengths_are_in_millimetres(unit: str, factor: float, tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(volume().T, np.diag([2.0, 3, 4, 1]))
    image.header.set_xyzt_units(unit, "sec")
    nibabel.save(image, tmp_path / "v.nii")
    assert open_nifti(tmp_path / "v.nii").calibration.steps("ZYX") == pytest.approx((4 * factor, 3 * factor, 2 * factor))


# --- what is wrong ---------------------------------------------------------------------------------------------------


def broken(tmp_path: Path, **fields: Any) -> Path:
    """Write a file with other fields in its header."""
    path = write_nifti(tmp_path / "jane_doe.nii", volume(), GEOMETRIES["straight"])
    header = nibabel.load(path).header
    for name, value in fields.items():
        header[name] = value
    with path.open("r+b") as file:
        file.write(header.binaryblock)
    return path


def refused(path: Path, text: str) -> None:
    with pytest.raises(ImageFileError, match=f"^{text}") as caught:
        open_nifti(path)
    assert "jane" not in str(caught.value)


def test_a_file_that_ends_too_early(tmp_path: Path) -> None:
    path = write_nifti(tmp_path / "jane_doe.nii", volume(), GEOMETRIES["straight"])
    path.write_bytes(path.read_bytes()[:-100])
    refused(path, "the NIfTI file ends too early: it has 1932 of 2032 bytes$")
    path.write_bytes(path.read_bytes()[:100])
    refused(path, "the NIfTI file is damaged, or is none$")


def test_a_compressed_file_that_ends_too_early_is_found_when_it_is_read(tmp_path: Path) -> None:
    path = write_nifti(tmp_path / "jane_doe.nii.gz", volume(), GEOMETRIES["straight"])
    whole = gzip.decompress(path.read_bytes())
    for content in (path.read_bytes()[:-300], gzip.compress(whole[:-100])):
        path.write_bytes(content)
        with pytest.raises(ImageFileError, match=r"^the NIfTI file is damaged, or ends too early$"):
            open_nifti(path).pixels[0]
    with pytest.raises(OSError, match=r"^frame 2 along Z cannot be read: the NIfTI file is damaged, or ends too early$"):
        Stack.open(path).frames[2]


def test_headers_that_make_no_volume(tmp_path: Path) -> None:
    singular = {"srow_x": [1, 0, 0, 0], "srow_y": [1, 0, 0, 0], "srow_z": [0, 0, 1, 0]}
    refused(
        broken(tmp_path, **singular),
        "the NIfTI file cannot be placed in space: the affine of a volume is singular: its axes do not span space$",
    )
    refused(
        broken(tmp_path, dim=[5, 2, 2, 2, 2, 2, 1, 1]),
        "the NIfTI file has 5 axes of lengths 2, 2, 2, 2, 2: volumes, and volumes in time, are read$",
    )
    refused(broken(tmp_path, dim=[3, 2, 0, 2, 1, 1, 1, 1]), "the NIfTI file holds no voxels$")
    (tmp_path / "jane_doe.nii").write_text("no NIfTI")
    refused(tmp_path / "jane_doe.nii", "the NIfTI file is damaged, or is none$")


def test_two_orientations_and_none(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    image = nibabel.Nifti1Image(volume().T, np.eye(4))
    image.set_qform(np.diag([1.0, 2, 1, 1]), code=1)
    image.set_sform(np.eye(4), code=2)
    nibabel.save(image, tmp_path / "two.nii")
    assert open_nifti(tmp_path / "two.nii").calibration.steps("ZYX") == (1, 1, 1)
    image.set_qform(np.diag([1.0, 2, 1, 1]), code=0)
    image.set_sform(np.eye(4), code=0)
    nibabel.save(image, tmp_path / "none.nii")
    assert open_nifti(tmp_path / "none.nii").calibration.steps("ZYX") == (1, 2, 1)
    assert [(record.levelno, record.getMessage()) for record in caplog.records] == [
        (logging.WARNING, "the NIfTI file gives two different orientations: that of its sform is used, not that of its qform"),
        (logging.WARNING, "the NIfTI file gives no orientation: where left, front and head are is not known"),
    ]
