"""Labels as a DICOM segmentation, read again by pydicom and highdicom."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom
import pytest

from napari_sam2.export.dicom_seg import write_dicom_seg
from napari_sam2.export.result import Result
from napari_sam2.images.medical.dicom import open_dicom
from napari_sam2.images.stack import Stack
from phantoms import GEOMETRIES, PATIENT, PATIENT_ID, TILTED, changed, volume, write_dicom

highdicom = pytest.importorskip("highdicom")

LABELS = np.where(volume() % 5 == 3, 900, np.where(volume() % 7 == 1, 40, 0)).astype(np.uint16)
NAMES, COLOURS = {40: "liver", 900: "left kidney"}, {40: "#ff0000"}


def result_on(paths: list[Path], labels: npt.NDArray[np.uint16] = LABELS, **options: Any) -> Result:
    stack = Stack.open(open_dicom(paths))
    return Result(labels, stack.axes, stack.calibration, stack=stack, names=NAMES, colours=COLOURS, **options)


@pytest.mark.parametrize("name", [*GEOMETRIES, "tilted"])
def test_each_segment_lies_on_the_planes_on_which_it_was(name: str, tmp_path: Path) -> None:
    result = result_on(write_dicom(tmp_path / "d", volume(), GEOMETRIES.get(name, TILTED)))
    write_dicom_seg(tmp_path / "labels.dcm", result)
    dataset = pydicom.dcmread(tmp_path / "labels.dcm")
    found = np.zeros_like(LABELS)
    ids = {item.SegmentNumber: int(item.TrackingID) for item in dataset.SegmentSequence}
    shared = dataset.SharedFunctionalGroupsSequence[0]
    assert result.geometry is not None
    np.testing.assert_allclose(
        shared.PlaneOrientationSequence[0].ImageOrientationPatient, result.geometry.directions[:2].ravel(), atol=1e-6
    )
    np.testing.assert_allclose(shared.PixelMeasuresSequence[0].PixelSpacing, result.geometry.spacing[1:])
    for groups, plane in zip(dataset.PerFrameFunctionalGroupsSequence, dataset.pixel_array, strict=True):
        position = np.array(groups.PlanePositionSequence[0].ImagePositionPatient, float)
        voxel = result.geometry.voxels(position)
        np.testing.assert_allclose(voxel, np.round(voxel), atol=1e-3)
        z, row, column = np.round(voxel).astype(int)
        assert (row, column) == (0, 0)
        found[z][plane > 0] = ids[groups.SegmentIdentificationSequence[0].ReferencedSegmentNumber]
    np.testing.assert_array_equal(found, LABELS)


def test_highdicom_reads_names_colours_and_sources(tmp_path: Path) -> None:
    paths = write_dicom(tmp_path / "d", volume(), GEOMETRIES["straight"])
    write_dicom_seg(tmp_path / "labels.dcm", result_on(paths))
    segmentation = highdicom.seg.segread(tmp_path / "labels.dcm")
    first, second = (segmentation.get_segment_description(number) for number in (1, 2))
    assert (first.segment_label, first.tracking_id, second.segment_label, second.tracking_id) == (
        "liver",
        "40",
        "left kidney",
        "900",
    )
    assert first.algorithm_type.value == "SEMIAUTOMATIC"
    lab = highdicom.color.CIELabColor.from_dicom_value(tuple(first.RecommendedDisplayCIELabValue))
    np.testing.assert_allclose(lab.to_rgb(), (255, 0, 0), atol=1)
    uids = [pydicom.dcmread(path).SOPInstanceUID for path in paths]
    planes = segmentation.get_pixels_by_source_instance(uids, combine_segments=True)
    np.testing.assert_array_equal(planes, np.select([LABELS == 40, LABELS == 900], [1, 2]))
    assert (segmentation.SeriesNumber, segmentation.Manufacturer) == (1003, "napari-sam2")
    assert (str(segmentation.PatientName), segmentation.PatientID) == (PATIENT, PATIENT_ID)  # as the standard has it


def test_planes_that_lie_in_one_file_of_enhanced_ct(tmp_path: Path) -> None:
    dates = dict.fromkeys(("AcquisitionDate", "ContentDate", "SeriesDate"), "20200101")
    times = dict.fromkeys(("AcquisitionTime", "ContentTime", "SeriesTime"), "120000")
    others = {"ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"], "AcquisitionNumber": 1, "PatientPosition": "HFS", "KVP": 120}
    paths = write_dicom(tmp_path / "d", volume(), GEOMETRIES["oblique"], **dates, **times, **others)
    shuffled = [pydicom.dcmread(paths[z]) for z in (3, 0, 6, 1, 5, 2, 4)]
    uids = {name: highdicom.UID() for name in ("series_instance_uid", "sop_instance_uid")}
    enhanced = highdicom.legacy.LegacyConvertedEnhancedCTImage(shuffled, series_number=5, instance_number=1, **uids)
    enhanced.save_as(tmp_path / "enhanced")
    result = result_on([tmp_path / "enhanced"])
    assert result.stack is not None
    np.testing.assert_array_equal(np.asarray(result.stack.frames), volume())
    write_dicom_seg(tmp_path / "labels.dcm", result)
    segmentation = highdicom.seg.segread(tmp_path / "labels.dcm")
    frames = pydicom.dcmread(tmp_path / "enhanced").PerFrameFunctionalGroupsSequence
    places = np.array([frame.PlanePositionSequence[0].ImagePositionPatient for frame in frames], float)
    order = np.round(GEOMETRIES["oblique"].voxels(places)[:, 0]).astype(int)
    planes = segmentation.get_pixels_by_source_frame(enhanced.SOPInstanceUID, list(range(1, 8)), combine_segments=True)
    np.testing.assert_array_equal(planes, np.select([LABELS == 40, LABELS == 900], [1, 2])[order])


def test_a_plane_that_is_missing_has_no_labels(tmp_path: Path) -> None:
    paths = write_dicom(tmp_path / "d", volume(), GEOMETRIES["straight"])
    write_dicom_seg(tmp_path / "labels.dcm", result_on([*paths[:3], *paths[4:]]))
    segmentation = highdicom.seg.segread(tmp_path / "labels.dcm")
    uids = [pydicom.dcmread(path).SOPInstanceUID for path in (paths[2], paths[4])]
    planes = segmentation.get_pixels_by_source_instance(uids, combine_segments=True)
    np.testing.assert_array_equal(planes > 0, LABELS[[2, 4]] > 0)


def test_what_cannot_be_written(tmp_path: Path) -> None:
    paths = write_dicom(tmp_path / "d", volume(), GEOMETRIES["straight"])
    result = result_on(paths)

    def refused(given: Result, text: str) -> None:
        with pytest.raises(ValueError, match=rf"^a\.dcm: {text}$"):
            write_dicom_seg(tmp_path / "a.dcm", given)
        assert not (tmp_path / "a.dcm").exists()

    needs = "a DICOM segmentation needs the DICOM files that the image was read from"
    refused(Result(LABELS, "ZYX"), needs)
    refused(Result(LABELS, "ZYX", stack=Stack.open(volume(), "ZYX")), needs)
    refused(result_on(paths, np.zeros_like(LABELS)), "there are no objects to write")
    changed(paths[2], StudyInstanceUID="1.2.3.4")
    refused(result, "the DICOM files lack something that a DICOM segmentation needs")
    paths[2].unlink()
    refused(result, needs)
    twice = write_dicom(tmp_path / "t", volume(), GEOMETRIES["straight"])
    twice += write_dicom(
        tmp_path / "t",
        volume() + 1,
        GEOMETRIES["straight"],
        "second",
        SeriesInstanceUID=pydicom.dcmread(twice[0]).SeriesInstanceUID,
    )
    stack = Stack.open(open_dicom(twice), at={"T": 0})
    refused(
        Result(np.stack([LABELS, LABELS]), "TZYX", stack=stack),
        "a DICOM segmentation holds a volume or an image, not volumes in time",
    )
