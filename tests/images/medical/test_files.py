"""Files and folders of scanners, recognized and opened; what messages call them; what leaves them."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_sam2.images.choice import ANY, Choice
from napari_sam2.images.errors import ImageFileError
from napari_sam2.images.image_files import open_image_file
from napari_sam2.images.medical.files import medical_format, open_medical, open_medical_files, open_medical_folder, shown_name
from napari_sam2.images.stack import Stack
from phantoms import GEOMETRIES, volume, write_dicom, write_metaimage, write_mrc, write_nifti, write_nrrd

STRAIGHT = GEOMETRIES["straight"]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.nii", "NIfTI"),
        ("a.NII.GZ", "NIfTI"),
        ("a.nhdr", "NRRD"),
        ("a.seg.nrrd", "NRRD"),
        ("a.mhd", "MetaImage"),
        ("a.dcm", "DICOM"),
        ("IM.IMA", "DICOM"),
        ("a.tif", ""),
        ("a.gz", ""),
    ],
)
def test_formats_and_what_messages_call_them(name: str, kind: str) -> None:
    path = Path("jane") / name
    assert medical_format(path) == kind
    assert shown_name(path) == (f"the {kind} file" if kind else str(path))


def test_each_opens_the_same_volume(tmp_path: Path) -> None:
    paths = [
        write_nifti(tmp_path / "v.nii", volume(), STRAIGHT),
        write_nifti(tmp_path / "v.nii.gz", volume(), STRAIGHT),
        write_nrrd(tmp_path / "v.nrrd", volume(), STRAIGHT),
        write_metaimage(tmp_path / "v.mha", volume(), STRAIGHT),
        write_dicom(tmp_path / "d", volume(), STRAIGHT)[0].parent,
        write_mrc(tmp_path / "v.mrc", volume(), 10),
    ]
    for path in paths:
        stack = Stack.open(path)
        assert (stack.layout.axes, stack.along, len(stack)) == ("ZYX", "Z", 7)
        np.testing.assert_array_equal(stack.frames[5], volume()[5])
        assert stack.is_private is (path.suffix != ".mrc")
        assert (path.name in repr(stack)) is (path.suffix == ".mrc")
        if path.suffix != ".mrc":
            assert stack.calibration.steps("ZYX") == pytest.approx((3, 0.75, 0.75))


def test_planes_by_name(tmp_path: Path) -> None:
    path = write_nrrd(tmp_path / "v.nrrd", volume(), STRAIGHT)
    for name, axis in (("axial", "Z"), ("Coronal", "Y"), ("sagittal", "X")):
        stack = Stack.open(path, along=name)
        assert stack.along == axis
        np.testing.assert_array_equal(stack.frames[4], volume().take(4, "ZYX".index(axis)))
        assert Stack.open(path).view(name.lower()).along == axis
    tifffile.imwrite(tmp_path / "v.tif", volume())
    with pytest.raises(
        ValueError, match=r"^the image gives no orientation, so its axial planes are not known: give the axis, Z, Y or X$"
    ):
        Stack.open(tmp_path / "v.tif", "ZYX", along="axial")


def test_a_folder_of_dicom_files_without_endings_beside_others(tmp_path: Path) -> None:
    (tmp_path / "jane").mkdir()
    paths = write_dicom(tmp_path / "jane", volume(), STRAIGHT)
    (tmp_path / "jane/README").write_text("how to use this disk" * 20)
    (tmp_path / "jane/preview.png").write_bytes(b"")
    opened = open_image_file(tmp_path / "jane")
    np.testing.assert_array_equal(opened.pixels[:], volume())
    np.testing.assert_array_equal(open_image_file(paths).pixels[:], volume())
    np.testing.assert_array_equal(open_image_file(tmp_path / "jane/series*").pixels[:], volume())
    assert open_image_file(paths[3]).pixels.shape == (1, 12, 10)
    assert open_image_file(tmp_path / "jane", Choice(image_name="CT 3")).choice.image_name == "CT 3"


def test_a_folder_with_one_other_file(tmp_path: Path) -> None:
    path = write_nifti(tmp_path / "v.nii.gz", volume(), STRAIGHT)
    np.testing.assert_array_equal(open_image_file(tmp_path).pixels[:], volume())
    assert open_medical_folder([path], ANY) is not None
    assert open_medical_folder([tmp_path / "a.txt"], ANY) is None
    shutil.copy(path, tmp_path / "jane.nii.gz")
    with pytest.raises(ImageFileError, match=r"^the folder holds 2 files of NIfTI: open one of them$"):
        open_image_file(tmp_path)


def test_what_is_no_such_file_is_left_to_others(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", volume())
    assert open_medical(tmp_path / "a.tif", ANY) is None
    assert open_medical_files([tmp_path / "a.tif"], ANY) is None


def test_messages_name_no_file(tmp_path: Path) -> None:
    jane = tmp_path / "jane_doe"
    jane.mkdir()
    first = write_nifti(jane / "a.nii", volume(), STRAIGHT)
    second = write_nrrd(jane / "b.nrrd", volume(), STRAIGHT)
    (jane / "no.dcm").write_text("no DICOM")
    (jane / "link.nii").symlink_to(jane / "nothing")
    cases = [
        ([first, second], "NIfTI and NRRD files are not put together with others: give one, of DICOM the files of one folder"),
        ([first, first], "the NIfTI file is named 2 times among the files of one image"),
        (jane / "no.dcm", "the DICOM file is damaged, or is none"),
        (jane / "nothing.nii.gz", "there is no such NIfTI file"),
        (jane / "link.nii", "the NIfTI file is a link to what is not there"),
        (jane / "x*.dcm", "no DICOM file fits the pattern"),
    ]
    for given, text in cases:
        with pytest.raises((ImageFileError, FileNotFoundError)) as caught:
            open_image_file(given)
        assert str(caught.value) == text
    with pytest.raises(ImageFileError, match=r"^the NIfTI file has no image 2: the only one in it is 0$"):
        open_image_file(first, Choice(series=2))
