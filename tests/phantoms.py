"""Volumes whose place in a patient is known, written by the libraries of their formats. Z, Y, X planes, rows, columns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mrcfile
import nibabel
import nrrd
import numpy as np
import numpy.typing as npt
import pydicom
import SimpleITK as sitk
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from napari_sam2.images.geometry import Geometry

SHAPE = 7, 12, 10
PATIENT, PATIENT_ID = "Doe^Jane", "ID-4711"
"""What must not leave the files."""


def _rotation(degrees_z: float, degrees_x: float) -> npt.NDArray[np.float64]:
    z, x = np.radians([degrees_z, degrees_x])
    about_z = np.array([[np.cos(z), -np.sin(z), 0], [np.sin(z), np.cos(z), 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, np.cos(x), -np.sin(x)], [0, np.sin(x), np.cos(x)]])
    return about_z @ about_x


def _geometry(directions: npt.ArrayLike, sizes: npt.ArrayLike) -> Geometry:
    return Geometry.of_axes([-31.5, 12.25, 100.0], np.asarray(directions) * np.asarray(sizes)[:, None])


OBLIQUE = _rotation(25, 40).T
GEOMETRIES = {
    "straight": _geometry(np.eye(3), [0.75, 0.75, 3.0]),
    "flipped": _geometry(np.diag([-1, 1, -1]), [0.75, 0.5, 3.0]),
    "sagittal": _geometry([[0, 1, 0], [0, 0, -1], [-1, 0, 0]], [0.75, 0.75, 1.5]),
    "anisotropic": _geometry(np.eye(3), [0.5, 0.5, 6.0]),
    "oblique": _geometry(OBLIQUE, [0.75, 0.5, 2.0]),
}
"""x, y and z of the patient are in LPS; rows are the steps along X, Y and Z."""
TILTED = Geometry.of_axes([-31.5, 12.25, 100.0], [[0.75, 0, 0], [0, 0.75, 0], [0, 3 * np.tan(np.radians(15)), 3.0]])
"""As that of a CT with a gantry tilted by 15 degrees."""


def volume(shape: tuple[int, ...] = SHAPE) -> npt.NDArray[np.int16]:
    """Each voxel has a number of its own, from -900 on, which is that of Hounsfield units."""
    return (np.arange(int(np.prod(shape))).reshape(shape) - 900).astype(np.int16)


def organs() -> npt.NDArray[np.int16]:
    """A ball around plane 3, row 11 and column 8 that is brighter than what is around it, as an organ in air."""
    voxels = np.stack(np.meshgrid(np.arange(7), np.arange(24), np.arange(20), indexing="ij"), -1)
    return np.where(np.linalg.norm((voxels - [3, 11, 8]) / [3, 6, 5], axis=-1) <= 1, 200, -1000).astype(np.int16)


def write_nifti(path: Path, values: npt.NDArray[Any], geometry: Geometry, code: str = "sform") -> Path:
    """With the affine in the sform or in the qform, which both have codes of their own."""
    image = nibabel.Nifti1Image(values.T, geometry.in_space("RAS").matrix)
    image.set_sform(geometry.in_space("RAS").matrix, code=int(code != "qform"))
    if code != "sform":
        image.set_qform(geometry.in_space("RAS").matrix, code=1)
    else:
        image.header["qform_code"] = 0
    image.header.set_xyzt_units("mm", "sec")
    nibabel.save(image, path)
    return path


def write_nrrd(path: Path, values: npt.NDArray[Any], geometry: Geometry, encoding: str = "gzip") -> Path:
    """In the space in which the geometry is."""
    space = {"LPS": "left-posterior-superior", "RAS": "right-anterior-superior"}[geometry.space]
    header = {"space": space, "space directions": geometry.steps, "space origin": geometry.origin, "encoding": encoding}
    nrrd.write(str(path), values, {**header, "kinds": ["domain"] * 3}, index_order="C")
    return path


def sitk_image(values: npt.NDArray[Any], geometry: Geometry) -> Any:
    image = sitk.GetImageFromArray(values)
    geometry = geometry.in_space("LPS")
    image.SetSpacing(geometry.spacing[::-1])
    image.SetOrigin(geometry.origin.tolist())
    image.SetDirection(geometry.directions.T.ravel().tolist())
    return image


def write_metaimage(path: Path, values: npt.NDArray[Any], geometry: Geometry, is_compressed: bool = False) -> Path:
    sitk.WriteImage(sitk_image(values, geometry), str(path), is_compressed)
    return path


def write_mrc(path: Path, values: npt.NDArray[Any], size: float | None = None) -> Path:
    with mrcfile.new(path) as file:
        file.set_data(values)
        if size is not None:
            file.voxel_size = size
    return path


def dicom_slice(
    values: npt.NDArray[Any], position: npt.ArrayLike, geometry: Geometry, number: int, series: str, **changes: Any
) -> Any:
    """Make the data set of one plane of CT, of Hounsfield units, stored from 0 on as scanners do; ``changes`` replaces elements."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = CTImageStorage
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[series, str(number)])
    dataset.SeriesInstanceUID, dataset.StudyInstanceUID = generate_uid(entropy_srcs=[series]), generate_uid(entropy_srcs=["study"])
    dataset.FrameOfReferenceUID = generate_uid(entropy_srcs=["frame"])
    dataset.PatientName, dataset.PatientID, dataset.PatientBirthDate, dataset.PatientSex = PATIENT, PATIENT_ID, "19500101", "F"
    dataset.StudyID, dataset.StudyDate, dataset.StudyTime, dataset.AccessionNumber = "1", "20200101", "120000", "A1"
    dataset.ReferringPhysicianName, dataset.Manufacturer, dataset.PositionReferenceIndicator = "", "phantom", ""
    dataset.Modality, dataset.SeriesNumber, dataset.InstanceNumber = "CT", 3, number
    _, height, width = geometry.spacing
    dataset.ImagePositionPatient = [f"{x:.10g}" for x in np.asarray(position)]
    dataset.ImageOrientationPatient = [f"{x:.10g}" for x in geometry.directions[:2].ravel()]
    dataset.PixelSpacing, dataset.SliceThickness = [height, width], 1.0
    dataset.Rows, dataset.Columns = values.shape[:2]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 0
    dataset.RescaleSlope, dataset.RescaleIntercept = 1, -1024
    dataset.PixelData = (values.astype(np.int32) + 1024).astype("<u2").tobytes()
    for name, value in changes.items():
        setattr(dataset, name, value)
    return dataset


def write_dicom(
    folder: Path,
    values: npt.NDArray[Any],
    geometry: Geometry,
    series: str = "series",
    syntax: str | None = None,
    **changes: Any,
) -> list[Path]:
    """Write a file for each plane, whose names say nothing of their order; return them in the order of the planes."""
    folder.mkdir(exist_ok=True)
    paths = []
    for z, plane in enumerate(values):
        dataset = dicom_slice(plane, geometry.in_space("LPS").world([z, 0, 0]), geometry.in_space("LPS"), z + 1, series, **changes)
        if syntax is not None:
            dataset.compress(syntax, generate_instance_uid=False)
        paths.append(folder / f"{series}{(5 * z) % 7:03d}{z:03d}")
        dataset.save_as(paths[-1], enforce_file_format=True)
    return paths


def changed(path: Path, **changes: Any) -> None:
    """Replace elements of a DICOM file."""
    dataset = pydicom.dcmread(path)
    for name, value in changes.items():
        setattr(dataset, name, value)
    dataset.save_as(path)
