"""Labels as NIfTI, read again by SimpleITK and nibabel."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk

from napari_sam2.export.nifti import write_nifti
from napari_sam2.export.result import Result
from napari_sam2.images.calibration import Calibration
from napari_sam2.images.geometry import Geometry, is_same_place
from napari_sam2.images.stack import Stack
from phantoms import GEOMETRIES, SHAPE, TILTED, volume

LABELS = (volume() % 5).astype(np.uint16) * 300


@pytest.mark.parametrize("name", GEOMETRIES)
@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_another_library_finds_each_voxel_where_it_was(name: str, ending: str, tmp_path: Path) -> None:
    geometry = GEOMETRIES[name]
    write_nifti(tmp_path / f"labels{ending}", Result(LABELS, "ZYX", geometry.calibration, geometry=geometry))
    image = sitk.ReadImage(str(tmp_path / f"labels{ending}"))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), LABELS)
    for voxel in ([0, 0, 0], [6, 11, 9], [2, 3, 4]):
        np.testing.assert_allclose(image.TransformIndexToPhysicalPoint(voxel[::-1]), geometry.world(voxel), atol=1e-4)


def test_a_tilt_is_kept(tmp_path: Path) -> None:
    write_nifti(tmp_path / "labels.nii", Result(LABELS, "ZYX", TILTED.calibration, geometry=TILTED))
    image = nibabel.load(tmp_path / "labels.nii")
    np.testing.assert_array_equal(np.asarray(image.dataobj).T, LABELS)
    np.testing.assert_allclose(image.affine, TILTED.in_space("RAS").matrix, atol=1e-5)
    assert (int(image.header["sform_code"]), int(image.header["qform_code"])) == (1, 0)


def test_names_and_colours_are_in_the_header(tmp_path: Path) -> None:
    result = Result(LABELS, "ZYX", names={300: "liver"}, colours={600: "#ff8000"})
    write_nifti(tmp_path / "labels.nii.gz", result)
    image = nibabel.load(tmp_path / "labels.nii.gz")
    (extension,) = image.header.extensions
    segments = {one["label"]: one for one in json.loads(extension.get_content())["segments"]}
    assert list(segments) == [300, 600, 900, 1200]
    assert (segments[300]["name"], segments[600]["colour"], segments[900]["name"]) == ("liver", "#ff8000", "900")
    assert image.header.get_intent()[0] == "label"
    assert image.get_data_dtype() == np.uint16


def test_volumes_in_time_planes_and_no_objects(tmp_path: Path) -> None:
    labels = np.arange(2 * 3 * 4 * 5, dtype=np.uint16).reshape(2, 3, 4, 5)
    pixel = Calibration(1, 1, 2, 500, length_unit="millimeter", time_unit="millisecond")
    write_nifti(tmp_path / "t.nii", Result(labels.transpose(1, 0, 2, 3), "ZTYX", pixel))
    image = nibabel.load(tmp_path / "t.nii")
    np.testing.assert_array_equal(np.asarray(image.dataobj).T, labels)
    assert image.header.get_zooms() == (1, 1, 2, 0.5)
    assert image.header.get_xyzt_units() == ("mm", "sec")
    write_nifti(tmp_path / "p.nii", Result(np.zeros((4, 5), np.uint8), "YX"))
    assert nibabel.load(tmp_path / "p.nii").shape == (5, 4, 1)
    assert list(nibabel.load(tmp_path / "p.nii").header.extensions) == []


def test_a_long_axis_needs_the_second_format(tmp_path: Path) -> None:
    labels = np.zeros((1, 1, 40_000), np.uint8)
    labels[0, 0, -1] = 3
    write_nifti(tmp_path / "long.nii.gz", Result(labels, "ZYX"))
    image = nibabel.load(tmp_path / "long.nii.gz")
    assert isinstance(image, nibabel.Nifti2Image)
    assert np.asarray(image.dataobj)[-1, 0, 0] == 3


def test_we_read_it_where_we_wrote_it_and_the_file_is_always_the_same(tmp_path: Path) -> None:
    result = Result(LABELS, "ZYX", GEOMETRIES["oblique"].calibration, geometry=GEOMETRIES["oblique"])
    for name in ("a.nii.gz", "b.nii.gz"):
        write_nifti(tmp_path / name, result)
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()
    stack = Stack.open(tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(np.asarray(stack.frames), LABELS)
    assert stack.geometry is not None
    assert is_same_place(stack.geometry, GEOMETRIES["oblique"], 1e-4, SHAPE)
    assert gzip.decompress((tmp_path / "a.nii.gz").read_bytes())[344:348] == b"n+1\0"


def test_what_goes_wrong_leaves_nothing(tmp_path: Path) -> None:
    result = Result(np.full((2, 2, 2), 70_000, np.int32), "ZYX")
    with pytest.raises(ValueError, match=r"^there is a label 70000: labels must be between 0 and 65535$"):
        write_nifti(tmp_path / "a.nii", result)
    with pytest.raises(ValueError, match="there is no folder"):
        write_nifti(tmp_path / "no/a.nii", replace(result, labels=LABELS))
    assert list(tmp_path.iterdir()) == []


def test_without_a_patient_the_size_of_voxels_is_kept(tmp_path: Path) -> None:
    write_nifti(tmp_path / "a.nii", Result(LABELS, "ZYX", Calibration(500, 250, 2000, length_unit="micrometer")))
    image = sitk.ReadImage(str(tmp_path / "a.nii"))
    assert image.GetSpacing() == (0.25, 0.5, 2)
    assert Geometry.of_axes(image.GetOrigin(), np.eye(3)).orientation == "LPS"
    assert image.GetDirection() == (1, 0, 0, 0, 1, 0, 0, 0, 1)
