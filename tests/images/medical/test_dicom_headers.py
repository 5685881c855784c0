"""The headers of DICOM files."""

from __future__ import annotations

import logging
import threading
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.uid import EnhancedSRStorage, SegmentationStorage

from napari_sam2.images.errors import ImageFileError
from napari_sam2.images.medical.dicom_headers import NoImageError, PixelKind, is_dicom, quiet, read_header
from napari_sam2.images.medical.stored_values import IDENTITY, Rescale
from phantoms import GEOMETRIES, PATIENT, PATIENT_ID, changed, volume, write_dicom


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_dicom(tmp_path / "jane", volume(), GEOMETRIES["oblique"])[2]


def test_what_is_read(path: Path) -> None:
    assert is_dicom(path)
    header = read_header(path)
    assert (header.number, header.modality, header.slice_step_mm, header.frame_time_s) == (3, "CT", 1.0, None)
    assert header.kind == PixelKind(12, 10, 1, "MONOCHROME2", 16, 16, False)
    assert (header.kind.stored_type, header.kind.bounds) == (np.uint16, (0, 65535))
    (frame,) = header.frames
    np.testing.assert_allclose(frame.position or (), GEOMETRIES["oblique"].world([2, 0, 0]))
    np.testing.assert_allclose(frame.orientation or (), GEOMETRIES["oblique"].directions[:2].ravel(), atol=1e-9)
    assert (frame.spacing, frame.rescale, frame.index) == (pytest.approx((0.5, 0.75)), Rescale(1, -1024), 0)
    assert PATIENT not in repr(header)
    assert PATIENT_ID not in repr(header)


def test_what_a_file_does_not_give(path: Path) -> None:
    dataset = pydicom.dcmread(path)
    for name in ("RescaleSlope", "RescaleIntercept", "PixelSpacing", "ImagePositionPatient", "SeriesNumber", "SliceThickness"):
        delattr(dataset, name)
    dataset.save_as(path)
    header = read_header(path)
    (frame,) = header.frames
    assert (frame.position, frame.spacing, frame.rescale, header.number, header.slice_step_mm) == (None, None, IDENTITY, None, None)


@pytest.mark.parametrize(("is_signed", "bounds", "dtype"), [(0, (0, 4095), "u2"), (1, (-2048, 2047), "i2")])
def test_bits(is_signed: int, bounds: tuple[int, int], dtype: str, path: Path) -> None:
    changed(path, BitsStored=12, HighBit=11, PixelRepresentation=is_signed)
    kind = read_header(path).kind
    assert (kind.bounds, kind.stored_type) == (bounds, np.dtype(dtype))


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"Modality": "SEG", "SOPClassUID": SegmentationStorage}, "Segmentation Storage"),
        ({"Modality": "SR", "SOPClassUID": EnhancedSRStorage, "Rows": None}, "Enhanced SR Storage"),
        ({"Modality": "CT", "Rows": None}, "CT Image Storage"),
    ],
)
def test_what_is_no_image(changes: dict[str, Any], what: str, path: Path) -> None:
    changed(path, **changes)
    with pytest.raises(NoImageError, match=f"^the DICOM file holds no image to segment, but {what}$"):
        read_header(path)


def test_what_is_damaged(path: Path, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no DICOM" * 30)
    assert not is_dicom(tmp_path / "text")
    assert not is_dicom(tmp_path / "nothing")
    with pytest.raises(ImageFileError, match=r"^a DICOM file is damaged, or is none$"):
        read_header(tmp_path / "text")
    changed(path, RescaleSlope=0)
    with pytest.raises(ImageFileError, match=r"^the header of a DICOM file is damaged$"):
        read_header(path)


def test_values_that_break_the_standard_are_not_shown(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    content = path.read_bytes()
    assert content.count(b"19500101") == 1
    path.write_bytes(content.replace(b"19500101", b"Jane Doe").replace(b"ID-4711 ", b"ID-4711\\"))
    with caplog.at_level(logging.DEBUG):
        read_header(path)
    assert caplog.records == []
    with quiet() as library:
        assert library is pydicom
        warnings.warn(PATIENT, stacklevel=1)
        logging.getLogger("pydicom.pixels").error(PATIENT)
    assert caplog.records == []
    logging.getLogger("pydicom.pixels").error("heard again")
    assert len(caplog.records) == 1


def test_threads_that_read_leave_warnings_and_logs_as_they_were() -> None:
    """The second would begin while the first reads, and end after it."""
    before, level = list(warnings.filters), logging.getLogger("pydicom").level
    first_begun, second_begun, first_ended = threading.Event(), threading.Event(), threading.Event()

    def read_first() -> None:
        with quiet():
            first_begun.set()
            second_begun.wait(0.3)
        first_ended.set()

    def read_second() -> None:
        first_begun.wait(10)
        with quiet(), quiet():
            second_begun.set()
            first_ended.wait(10)

    threads = [threading.Thread(target=target) for target in (read_first, read_second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert (list(warnings.filters), logging.getLogger("pydicom").level) == (before, level)
