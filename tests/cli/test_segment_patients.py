"""``napari-sam2 segment`` and ``export`` on volumes of scanners: any format in and out, and what is refused in a sentence."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
import tifffile
from pydicom.uid import SegmentationStorage

from blob_tracker import BlobTracker, tiny_model
from napari_sam2.cli.main import main
from napari_sam2.predictors import build, tracker
from phantoms import (
    GEOMETRIES,
    PATIENT,
    changed,
    dicom_slice,
    volume,
    write_dicom,
    write_metaimage,
    write_mrc,
    write_nifti,
    write_nrrd,
)
from wheels import needs_highdicom

BALL = np.full((7, 24, 20), -1000, np.int16)
BALL[1:6, 6:17, 4:13] = 200
STRAIGHT = GEOMETRIES["straight"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tracker, "Tracker", BlobTracker)
    monkeypatch.setattr(build, "load_model", lambda model, device: tiny_model())
    Path("prompts.json").write_text(json.dumps({"prompts": [{"object": 1, "frame": 3, "points": [[11, 8]]}]}))
    write_dicom(Path("jane_doe"), BALL, STRAIGHT)
    return tmp_path


def segment(*arguments: str) -> int:
    return main(["segment", *arguments, "--prompts", "prompts.json", "--device", "cpu"])


WRITERS: dict[str, Any] = {"v.nii": write_nifti, "v.nii.gz": write_nifti, "v.nrrd": write_nrrd, "v.mha": write_metaimage}


@pytest.mark.parametrize("name", ["jane_doe", *WRITERS, "v.mrc", "v.tif"])
def test_any_format_gives_the_same_labels(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    if name in WRITERS:
        WRITERS[name](Path(name), BALL, STRAIGHT)
    elif name == "v.mrc":
        write_mrc(Path(name), BALL)
    elif name == "v.tif":
        tifffile.imwrite(name, BALL, photometric="minisblack", metadata={"axes": "ZYX"})
    assert segment(name, "-o", "labels.nii.gz", "-o", "labels.seg.nrrd", "-o", "labels.mrc", "--percentiles", "1", "99") == 0
    np.testing.assert_array_equal(np.asarray(nibabel.load("labels.nii.gz").dataobj).T, BALL > 0)
    image = sitk.ReadImage("labels.seg.nrrd")
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), BALL > 0)
    if name not in ("v.mrc", "v.tif"):
        assert image.GetOrigin() == pytest.approx(STRAIGHT.origin.tolist())
    assert capsys.readouterr().out == "1 object on 7 frames: labels.nii.gz, labels.seg.nrrd, labels.mrc\n"


def test_a_table_as_radiologists_read_it() -> None:
    assert segment("jane_doe", "-o", "organs.csv") == 0
    (row,) = csv.DictReader(Path("organs.csv").read_text().splitlines())
    assert float(row["volume_ml"]) == pytest.approx(5 * 11 * 9 * 3 * 0.75**2 / 1000, rel=1e-6)
    assert float(row["volume_ml"]) * 1000 == pytest.approx(float(row["volume_mm3"]), rel=1e-6)
    assert float(row["diameter_mm"]) == pytest.approx(0.75 * max(np.hypot(10, 9), np.hypot(11, 8)), rel=1e-6)
    assert (int(row["diameter_z_px"]), float(row["intensity_mean_c0"]), float(row["intensity_std_c0"])) == (1, 200, 0)
    assert float(row["intensity_median_c0"]) == 200
    sides = np.array([5 * 3, 11 * 0.75, 9 * 0.75])
    whole = 2 * (sides[0] * sides[1] + sides[1] * sides[2] + sides[2] * sides[0])
    assert 0.8 * whole < float(row["surface_mm2"]) < whole
    assert "jane" not in Path("organs.csv").read_text()


@needs_highdicom
def test_planes_by_name_and_labels_of_dicom() -> None:
    Path("prompts.json").write_text(json.dumps({"prompts": [{"object": 1, "frame": 11, "points": [[3, 8]]}]}))
    assert segment("jane_doe", "--along", "coronal", "-o", "labels.dcm", "-o", "labels.nii.gz") == 0
    np.testing.assert_array_equal(np.asarray(nibabel.load("labels.nii.gz").dataobj).T, BALL > 0)
    dataset = pydicom.dcmread("labels.dcm")
    assert (dataset.Modality, len(dataset.SegmentSequence), dataset.NumberOfFrames) == ("SEG", 1, 5)


@needs_highdicom
def test_labels_are_converted_in_their_own_geometry() -> None:
    write_nifti(Path("labels.nii.gz"), (BALL > 0).astype(np.uint16) * 9, GEOMETRIES["oblique"])
    assert main(["export", "labels.nii.gz", "again.nrrd", "organs.csv"]) == 0
    image = sitk.ReadImage("again.nrrd")
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), (BALL > 0) * 9)
    np.testing.assert_allclose(image.GetOrigin(), GEOMETRIES["oblique"].origin, atol=1e-4)
    assert main(["export", "again.nrrd", "labels.dcm", "--image", "jane_doe"]) == 0
    assert pydicom.dcmread("labels.dcm").SegmentSequence[0].TrackingID == "9"
    assert str(pydicom.dcmread("labels.dcm").PatientName) == PATIENT


def test_two_series_are_chosen_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    write_dicom(Path("jane_doe"), BALL, STRAIGHT, "other", SeriesNumber=8)
    assert segment("jane_doe", "-o", "labels.nii") == 2
    err = capsys.readouterr().err
    assert err == (
        "napari-sam2: the DICOM files are of 2 series or orientations: 0 'CT 3' (7 planes of 24 x 20), "
        "1 'CT 8' (7 planes of 24 x 20); choose one by series=0 (--series 0)\n"
    )
    assert segment("jane_doe", "--image-name", "CT 8", "-o", "labels.nii") == 0


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["v.tif", "-o", "a.dcm"], "a.dcm: a DICOM segmentation needs the DICOM files that the image was read from"),
        (
            ["t.nii", "-o", "a.nii"],
            "objects cannot be propagated through an image of shape (2, 7, 12, 10) with axes TZYX along T alone: ",
        ),
        (["t.nii", "--at", "Z=3", "-o", "a.mrc"], "a.mrc: labels as MRC can be of an image or a volume, not of several in time"),
        (["cut.nii", "-o", "a.nii"], "the NIfTI file ends too early: it has 3000 of 7072 bytes"),
        (
            ["flat.nii", "-o", "a.nii"],
            "the NIfTI file cannot be placed in space: the affine of a volume is singular: its axes do not",
        ),
        (["no.dcm", "-o", "a.nii"], "the DICOM file is damaged, or is none"),
        (["not_there.nii.gz", "-o", "a.nii"], "there is no such NIfTI file"),
        (
            ["v.tif", "--along", "axial", "-o", "a.nii"],
            "the image gives no orientation, so its axial planes are not known: give the axis",
        ),
        (
            ["v.tif", "--window", "lung", "--percentiles", "1", "99", "-o", "a.nii"],
            "give either a window or an intensity range or perc",
        ),
        (
            ["scout", "-o", "a.nii"],
            "the DICOM files are of 2 series or orientations: 0 'CT 3 axial' (7 planes of 24 x 20), 1 'CT 3 sagittal' (1 plane of",
        ),
        (["seg", "-o", "a.nii"], "the DICOM file holds no image to segment, but Segmentation Storage"),
        (
            ["mpeg", "-o", "a.nii"],
            "the DICOM files are compressed by MPEG2 Main Profile / Main Level, for which there is no decoder",
        ),
    ],
)
def test_what_cannot_be_done_is_one_sentence(arguments: list[str], text: str, capsys: pytest.CaptureFixture[str]) -> None:
    tifffile.imwrite("v.tif", BALL, photometric="minisblack", metadata={"axes": "ZYX"})
    nibabel.save(nibabel.Nifti1Image(volume((2, 7, 12, 10)).T, np.eye(4)), "t.nii")
    write_nifti(Path("cut.nii"), BALL, STRAIGHT)
    Path("cut.nii").write_bytes(Path("cut.nii").read_bytes()[:3000])
    write_nifti(Path("flat.nii"), BALL, STRAIGHT)
    header = nibabel.load("flat.nii").header
    header["srow_z"] = header["srow_y"]
    with Path("flat.nii").open("r+b") as file:
        file.write(header.binaryblock)
    Path("no.dcm").write_text("no DICOM")
    write_dicom(Path("scout"), BALL, STRAIGHT)
    dicom_slice(BALL[0], [0, 0, 0], GEOMETRIES["sagittal"], 9, "series").save_as("scout/scout", enforce_file_format=True)
    (segmentation,) = write_dicom(Path("seg"), BALL[:1], STRAIGHT)
    changed(segmentation, Modality="SEG", SOPClassUID=SegmentationStorage)
    (video,) = write_dicom(Path("mpeg"), BALL[:1], STRAIGHT)
    content = video.read_bytes().replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.4.100\0")
    video.write_bytes(content.replace(b"UI\x14\0", b"UI\x18\0"))
    assert segment(*arguments) == 2
    assert not Path(arguments[-1]).exists()
    err = capsys.readouterr().err
    assert PATIENT not in err
    assert err.startswith(f"napari-sam2: {text}")
    assert err.count("\n") == 1


def test_a_missing_plane_leaves_the_others(capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    sorted(Path("jane_doe").glob("*005"))[0].unlink()
    assert segment("jane_doe", "-o", "labels.nii.gz") == 3
    found = np.asarray(nibabel.load("labels.nii.gz").dataobj).T
    np.testing.assert_array_equal(found[:5], BALL[:5] > 0)
    assert not found[5].any()
    assert "frame 5 along Z cannot be read: plane 5 of the DICOM series CT 3 is missing" in capsys.readouterr().err
    assert [record.getMessage() for record in caplog.records] == [
        "1 of 7 planes of the DICOM series CT 3 is missing and cannot be read, the first is Z 5"
    ]


def test_a_truncated_plane_leaves_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    (path,) = Path("jane_doe").glob("*002")
    path.write_bytes(path.read_bytes()[:-40])
    assert segment("jane_doe", "-o", "labels.nii.gz", "--frames", "3:") == 0
    assert segment("jane_doe", "-o", "labels.nii.gz") == 3
    found = np.asarray(nibabel.load("labels.nii.gz").dataobj).T
    np.testing.assert_array_equal(found[3:], BALL[3:] > 0)
    err = capsys.readouterr().err
    text = "plane 2 of the DICOM series CT 3 is damaged, is not there any more, or ends too early"
    assert f"napari-sam2: frame 2 along Z cannot be read: {text}" in err
    assert "jane" not in err
