"""DICOM files written by pydicom and highdicom, read as volumes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pydicom.data
import pytest
import SimpleITK as sitk
from pydicom.dataset import Dataset
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless, RLELossless, SegmentationStorage

from napari_sam2.images.choice import Choice
from napari_sam2.images.errors import ImageFileError
from napari_sam2.images.geometry import Geometry, is_same_place
from napari_sam2.images.medical.dicom import list_series, open_dicom, open_series
from napari_sam2.images.medical.dicom_headers import NoImageError, quiet
from napari_sam2.images.stack import Stack
from phantoms import GEOMETRIES, SHAPE, TILTED, changed, dicom_slice, volume, write_dicom
from wheels import needs_pyjpegls


@pytest.mark.parametrize("name", [*GEOMETRIES, "tilted"])
def test_voxels_and_their_places(name: str, tmp_path: Path) -> None:
    geometry = GEOMETRIES.get(name, TILTED)
    opened = open_dicom(write_dicom(tmp_path / "d", volume(), geometry)[::-1])
    assert (opened.axis_names, opened.pixels.dtype, opened.is_private, opened.title) == ("ZYX", np.int32, True, "CT 3")
    assert opened.geometry is not None
    if np.cross(*geometry.directions[:2]) @ geometry.steps[2] > 0:
        np.testing.assert_array_equal(opened.pixels[:], volume())
        assert is_same_place(opened.geometry, geometry, 1e-6, SHAPE)
    else:  # planes are sorted along their normal
        np.testing.assert_array_equal(opened.pixels[:], volume()[::-1])
        mirrored = Geometry.of_axes(geometry.world([6, 0, 0]), geometry.steps * [[1], [1], [-1]])
        assert is_same_place(opened.geometry, mirrored, 1e-6, SHAPE)
    np.testing.assert_array_equal(opened.pixels[2:4, 1, ::2], opened.pixels[:][2:4, 1, ::2])


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless, pytest.param(JPEGLSLossless, marks=needs_pyjpegls)])
def test_compressed(syntax: str, tmp_path: Path) -> None:
    values = volume((3, 40, 36))
    opened = open_dicom(write_dicom(tmp_path / "d", values, GEOMETRIES["straight"], syntax=syntax))
    np.testing.assert_array_equal(opened.pixels[:], values)


@pytest.mark.parametrize(("is_signed", "intercept"), [(0, -1024), (1, 0), (1, -8)])
def test_signed_unsigned_and_rescaled(is_signed: int, intercept: int, tmp_path: Path) -> None:
    stored = (volume() - intercept).astype("<i2" if is_signed else "<u2")
    folder = tmp_path / "d"
    paths = write_dicom(folder, volume(), GEOMETRIES["straight"], PixelRepresentation=is_signed, RescaleIntercept=intercept)
    for path, plane in zip(paths, stored, strict=True):
        changed(path, PixelData=plane.tobytes())
    opened = open_dicom(paths)
    np.testing.assert_array_equal(opened.pixels[:], volume())


def test_twelve_bits_are_sixteen_here(tmp_path: Path) -> None:
    opened = open_dicom(write_dicom(tmp_path / "d", volume(), GEOMETRIES["straight"], BitsStored=12, HighBit=11))
    assert opened.pixels.dtype == np.int16
    np.testing.assert_array_equal(opened.pixels[:], volume())


def test_each_plane_has_its_own_slope_as_in_pet(tmp_path: Path) -> None:
    paths = write_dicom(tmp_path / "d", volume(), GEOMETRIES["straight"])
    for z, path in enumerate(paths):
        changed(path, RescaleSlope=0.5 + z, RescaleIntercept=0)
    opened = open_dicom(paths)
    assert opened.pixels.dtype == np.float32
    np.testing.assert_allclose(opened.pixels[:], (volume() + 1024.0) * (0.5 + np.arange(7))[:, None, None])


def test_dark_high_numbers_are_inverted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    inverted = {"PhotometricInterpretation": "MONOCHROME1", "BitsStored": 12, "HighBit": 11}
    opened = open_dicom(write_dicom(tmp_path / "d", volume(), GEOMETRIES["straight"], **inverted))
    np.testing.assert_array_equal(opened.pixels[:], 4095 - 2 * 1024 - volume())
    assert [record.getMessage() for record in caplog.records] == [
        "the DICOM series CT 3 has dark high numbers (MONOCHROME1): they are inverted"
    ]


def test_colours(tmp_path: Path) -> None:
    colours = np.arange(12 * 10 * 3, dtype=np.uint8).reshape(12, 10, 3)
    plane = dicom_slice(volume()[0], [0, 0, 0], GEOMETRIES["straight"], 1, "s", Modality="US")
    plane.SamplesPerPixel, plane.PhotometricInterpretation, plane.PlanarConfiguration = 3, "RGB", 0
    plane.BitsAllocated, plane.BitsStored, plane.HighBit, plane.PixelData = 8, 8, 7, colours.tobytes()
    del plane.ImagePositionPatient
    plane.save_as(tmp_path / "us", enforce_file_format=True)
    stack = Stack.open(open_dicom([tmp_path / "us"]))
    assert (stack.layout.axes, stack.is_rgb, stack.geometry) == ("YXS", True, None)
    np.testing.assert_array_equal(stack.frames[0], colours)


def multi_frame(path: Path, order: list[int], is_enhanced: bool = True) -> Path:
    """Write all planes into one file, in another order."""
    geometry = GEOMETRIES["oblique"]
    one = dicom_slice(volume()[0], geometry.world([0, 0, 0]), geometry, 1, "s")
    one.NumberOfFrames = len(order)
    one.PixelData = (volume()[order].astype(np.int32) + 1024).astype("<u2").tobytes()
    if is_enhanced:
        shared, groups = Dataset(), []
        measures, orientation, values = Dataset(), Dataset(), Dataset()
        measures.PixelSpacing, orientation.ImageOrientationPatient = one.PixelSpacing, one.ImageOrientationPatient
        values.RescaleSlope, values.RescaleIntercept = 1, -1024
        shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [orientation]
        shared.PixelValueTransformationSequence = [values]
        for z in order:
            group, position = Dataset(), Dataset()
            position.ImagePositionPatient = [f"{x:.10g}" for x in geometry.world([z, 0, 0])]
            group.PlanePositionSequence = [position]
            groups.append(group)
        one.SharedFunctionalGroupsSequence, one.PerFrameFunctionalGroupsSequence = [shared], groups
        for name in ("RescaleSlope", "RescaleIntercept", "PixelSpacing", "ImagePositionPatient", "ImageOrientationPatient"):
            delattr(one, name)
    one.save_as(path, enforce_file_format=True)
    return path


def test_many_frames_in_a_file(tmp_path: Path) -> None:
    opened = open_dicom([multi_frame(tmp_path / "m", [4, 2, 0, 6, 1, 3, 5])])
    np.testing.assert_array_equal(opened.pixels[:], volume())
    np.testing.assert_array_equal(opened.pixels[5], volume()[5])
    assert opened.geometry is not None
    assert is_same_place(opened.geometry, GEOMETRIES["oblique"], 1e-6, SHAPE)
    assert opened.files == (tmp_path / "m",)


def test_frames_without_positions_are_a_movie(tmp_path: Path) -> None:
    opened = open_dicom([multi_frame(tmp_path / "m", [4, 2, 0], is_enhanced=False)])
    assert (opened.axis_names, opened.geometry) == ("TYX", None)
    np.testing.assert_array_equal(opened.pixels[:], volume()[[4, 2, 0]])


def test_a_missing_plane_cannot_be_read_and_the_others_can(tmp_path: Path) -> None:
    paths = write_dicom(tmp_path / "d", volume(), GEOMETRIES["straight"])
    stack = Stack.open(open_dicom([*paths[:3], *paths[4:]]))
    np.testing.assert_array_equal(stack.frames[4], volume()[4])
    with pytest.raises(OSError, match=r"^frame 3 along Z cannot be read: plane 3 of the DICOM series CT 3 is missing$"):
        stack.frames[3]


def test_a_file_that_ends_too_early_is_named_by_its_plane(tmp_path: Path) -> None:
    paths = write_dicom(tmp_path / "jane", volume(), GEOMETRIES["straight"])
    paths[2].write_bytes(paths[2].read_bytes()[:-40])
    paths[5].unlink()
    paths[5].with_name("x").write_bytes(b"")
    stack = Stack.open(open_dicom([path for path in paths if path.exists()]))
    text = "plane 2 of the DICOM series CT 3 is damaged, is not there any more, or ends too early"
    with pytest.raises(OSError, match=rf"^frame 2 along Z cannot be read: {text}$"):
        stack.frames[2]


def test_series_are_named_and_chosen(tmp_path: Path) -> None:
    geometry = GEOMETRIES["straight"]
    paths = write_dicom(tmp_path / "d", volume(), geometry)
    paths += write_dicom(tmp_path / "d", volume()[:3] + 1, geometry, "other", SeriesNumber=4, Modality="PT")
    paths += write_dicom(tmp_path / "d", volume()[:2] + 2, GEOMETRIES["sagittal"], "third", SeriesNumber=5)
    text = (
        r"^the DICOM files are of 3 series or orientations: 0 'CT 3' \(7 planes of 12 x 10\), 1 'PT 4' \(3 planes of 12 x 10\), "
        r"2 'CT 5' \(2 planes of 12 x 10\); choose one by series=0 \(--series 0\)$"
    )
    with pytest.raises(ImageFileError, match=text):
        open_dicom(paths)
    np.testing.assert_array_equal(open_dicom(paths, Choice(series=1)).pixels[:], volume()[:3] + 1)
    assert open_dicom(paths, Choice(image_name="CT 5")).title == "CT 5"
    with pytest.raises(
        ImageFileError, match=r"^the set of DICOM files has no image 'MR 1': it holds 3 images: 0 'CT 3', 1 'PT 4', 2 'CT 5'$"
    ):
        open_dicom(paths, Choice(image_name="MR 1"))


def test_two_orientations_in_one_series(tmp_path: Path) -> None:
    paths = write_dicom(tmp_path / "d", volume(), GEOMETRIES["straight"])
    scout = dicom_slice(volume()[0], [0, 0, 0], GEOMETRIES["sagittal"], 9, "series")
    scout.save_as(tmp_path / "scout", enforce_file_format=True)
    text = (
        r"^the DICOM files are of 2 series or orientations: 0 'CT 3 axial' \(7 planes of 12 x 10\), 1 'CT 3 sagittal' \(1 plane of"
    )
    with pytest.raises(ImageFileError, match=text):
        open_dicom([*paths, tmp_path / "scout"])


def test_what_is_no_image_is_left_out_beside_one(tmp_path: Path) -> None:
    paths = write_dicom(tmp_path / "d", volume(), GEOMETRIES["straight"])
    changed(paths[6], Modality="SEG", SOPClassUID=SegmentationStorage)
    assert open_dicom(paths).pixels.shape == (6, 12, 10)
    with pytest.raises(ImageFileError, match=r"^the DICOM file holds no image to segment, but Segmentation Storage$"):
        open_dicom([paths[6]])
    with pytest.raises(ImageFileError, match=r"^there are no DICOM files$"):
        list_series([])


@pytest.mark.parametrize(("syntax", "name"), [("1.2.840.10008.1.2.4.100", "MPEG2 Main Profile"), ("1.2.3.4", "a compression that")])
def test_a_compression_without_a_decoder(syntax: str, name: str, tmp_path: Path) -> None:
    paths = write_dicom(tmp_path / "d", volume()[:1], GEOMETRIES["straight"])
    content, uid = paths[0].read_bytes(), b"1.2.840.10008.1.2.1\0"
    value = syntax.encode() + b"\0" * (len(syntax) % 2)
    at = content.index(uid)
    paths[0].write_bytes(content[: at - 2] + len(value).to_bytes(2, "little") + value + content[at + len(uid) :])
    with pytest.raises(
        ImageFileError, match=f"^the DICOM files are compressed by {name}.*, for which there is no decoder here: pip"
    ):
        open_dicom(paths)


def test_a_chosen_series_is_opened(tmp_path: Path) -> None:
    (series,) = list_series(write_dicom(tmp_path / "d", volume(), GEOMETRIES["straight"]))
    opened: Any = open_series(series)
    np.testing.assert_array_equal(opened.pixels[6], volume()[6])
    assert len(opened.files) == 7


@pytest.mark.parametrize(
    ("name", "difference"),
    [
        ("693_J2KI.dcm", 0),
        ("GDCMJ2K_TextGBR.dcm", 0),
        ("JPEGLSNearLossless_16.dcm", 0),
        ("JPGExtended.dcm", 1),
        ("MR_small_bigendian.dcm", 0),
        ("MR_small_implicit.dcm", 0),
        ("MR_small_RLE.dcm", 0),
        ("SC_rgb_jpeg_gdcm.dcm", 0),
        ("SC_rgb_jpeg_lossy_gdcm.dcm", 2),
        ("SC_ybr_full_422_uncompressed.dcm", 0),
        ("examples_ybr_color.dcm", 3),
        ("image_dfl.dcm", None),
        ("SC_rgb_jpeg.dcm", None),
    ],
)
def test_files_of_scanners_are_decoded_as_by_another_library(name: str, difference: int | None) -> None:
    """By GDCM, which rounds colours of JPEG differently, and does not read the last two."""
    path = Path(pydicom.data.get_testdata_file(name, download=False))
    opened = open_dicom([path])
    found = opened.pixels[(slice(None),) * opened.pixels.ndim]
    if difference is None:
        with quiet():
            np.testing.assert_array_equal(found, pydicom.dcmread(path).pixel_array)
    else:
        other = sitk.GetArrayFromImage(sitk.ReadImage(str(path))).reshape(found.shape)
        assert np.abs(found.astype(int) - other.astype(int)).max() <= difference


@pytest.mark.parametrize("name", ["reportsi.dcm", "rtdose.dcm", "rtplan.dcm", "liver_1frame.dcm", "waveform_ecg.dcm"])
def test_files_of_scanners_that_are_no_images(name: str) -> None:
    with pytest.raises(NoImageError, match=r"^the DICOM file holds no image to segment, but [A-Z0-9][\w\- ]* Storage$"):
        open_dicom([Path(pydicom.data.get_testdata_file(name, download=False))])
