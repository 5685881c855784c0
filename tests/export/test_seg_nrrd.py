"""Labels as NRRD, read again by SimpleITK."""

from __future__ import annotations

from pathlib import Path

import nrrd
import numpy as np
import pytest
import SimpleITK as sitk

from napari_sam2.export.result import Result
from napari_sam2.export.seg_nrrd import write_nrrd
from napari_sam2.images.geometry import is_same_place
from napari_sam2.images.stack import Stack
from phantoms import GEOMETRIES, SHAPE, TILTED, volume

LABELS = (volume() % 5).astype(np.uint16) * 300


@pytest.mark.parametrize("name", GEOMETRIES)
def test_another_library_finds_each_voxel_where_it_was(name: str, tmp_path: Path) -> None:
    geometry = GEOMETRIES[name]
    write_nrrd(tmp_path / "labels.seg.nrrd", Result(LABELS, "ZYX", geometry.calibration, geometry=geometry.in_space("RAS")))
    image = sitk.ReadImage(str(tmp_path / "labels.seg.nrrd"))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), LABELS)
    for voxel in ([0, 0, 0], [6, 11, 9], [2, 3, 4]):
        np.testing.assert_allclose(image.TransformIndexToPhysicalPoint(voxel[::-1]), geometry.world(voxel), atol=1e-6)


def test_names_and_colours_are_those_of_slicer(tmp_path: Path) -> None:
    result = Result(LABELS, "ZYX", names={300: "liver, left"}, colours={600: "#ff8000"})
    write_nrrd(tmp_path / "labels.seg.nrrd", result)
    image = sitk.ReadImage(str(tmp_path / "labels.seg.nrrd"))
    assert image.GetMetaData("Segment0_Name") == "liver, left"
    assert image.GetMetaData("Segment0_LabelValue") == "300"
    assert image.GetMetaData("Segment1_Color") == "1 0.501961 0"
    assert image.GetMetaData("Segment3_ID") == "Segment_1200"
    assert image.GetMetaData("Segment3_Extent") == "0 9 0 11 0 6"
    assert not image.HasMetaDataKey("Segment4_ID")
    assert image.GetPixelID() == sitk.sitkUInt16


def test_a_tilt_and_times_are_kept(tmp_path: Path) -> None:
    write_nrrd(tmp_path / "a.nrrd", Result(LABELS, "ZYX", TILTED.calibration, geometry=TILTED))
    stack = Stack.open(tmp_path / "a.nrrd")
    assert stack.geometry is not None
    assert is_same_place(stack.geometry, TILTED, 1e-6, SHAPE)
    labels = np.stack([LABELS, LABELS + 1])
    write_nrrd(tmp_path / "t.nrrd", Result(labels, "TZYX", TILTED.calibration, geometry=TILTED))
    stack = Stack.open(tmp_path / "t.nrrd", at={"T": 1})
    np.testing.assert_array_equal(np.asarray(stack.frames), labels[1])
    assert "Segment0_ID" not in nrrd.read_header(str(tmp_path / "t.nrrd"))


def test_a_plane_is_a_volume_of_one(tmp_path: Path) -> None:
    write_nrrd(tmp_path / "p.nrrd", Result(LABELS[0], "YX"))
    assert sitk.ReadImage(str(tmp_path / "p.nrrd")).GetSize() == (10, 12, 1)
