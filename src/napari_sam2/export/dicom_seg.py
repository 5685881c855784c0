"""Labels as a DICOM segmentation of the DICOM files that the image was read from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_sam2.export.result import Result
from napari_sam2.export.segments import Segment, segments_of
from napari_sam2.files import atomic_path
from napari_sam2.images.errors import ImageFileError
from napari_sam2.images.medical.dicom import list_series
from napari_sam2.images.medical.dicom_headers import Frame, is_dicom, quiet
from napari_sam2.images.medical.dicom_series import order_planes
from napari_sam2.images.medical.extra import needed
from napari_sam2.version import __version__

_PROGRAM = "napari-sam2"
_SERIES_AFTER = 1000
"""Added to the number of the series of the image."""


def write_dicom_seg(path: Path, result: Result) -> None:
    """Write labels as a binary DICOM segmentation; all of them are in memory meanwhile.

    Parameters
    ----------
    path : Path
        ``.dcm``.
    result : Result
        Labels of a volume or an image that was read from DICOM files. Segments are numbered from 1 in the order of labels, as the
        standard has it; the label of each is its tracking id.

    Raises
    ------
    ImportError
        If highdicom is not installed.
    ValueError
        If the image is none of DICOM or has a time axis, there are no objects, its files are not there any more or lack what the
        standard asks for, it cannot be written there, or a label is not between 0 and 65535.

    Notes
    -----
    As the standard has it, the segmentation belongs to the patient and the study of the image: it holds the name, the id and the
    dates of its files.
    """
    highdicom = needed("highdicom", "writing DICOM segmentations")
    frames = _frames(path.name, result)
    labels = np.stack(list(result.planes()))
    there = [number for number, frame in enumerate(frames) if frame is not None]
    found = sorted(set(np.unique(labels[there]).tolist()) - {0})
    if not found:
        raise ValueError(f"{path.name}: there are no objects to write")
    numbers = np.zeros(int(labels.max()) + 1, np.uint8 if len(found) < 256 else np.uint16)
    numbers[found] = np.arange(1, len(found) + 1)
    numbered = {number: numbers[labels[number]] for number in there}
    segments = segments_of(result, found)
    with quiet() as pydicom:
        sources, planes = _sources(pydicom, [(frames[number], numbered[number]) for number in there])
        try:
            dataset = _segmentation(highdicom, sources, planes, segments)
        except (AttributeError, ValueError, TypeError, KeyError) as error:  # whatever is missing in the files
            raise ValueError(f"{path.name}: the DICOM files lack something that a DICOM segmentation needs") from error
        with atomic_path(path) as partial:
            dataset.save_as(partial)


def _frames(name: str, result: Result) -> list[Frame | None]:
    """Find the planes of the DICOM files on which the planes of the labels lie; None where a plane is missing."""
    files = () if result.stack is None else result.stack.files
    if not files or not all(map(is_dicom, files)):
        raise ValueError(f"{name}: a DICOM segmentation needs the DICOM files that the image was read from")
    if result.has_time:
        raise ValueError(f"{name}: a DICOM segmentation holds a volume or an image, not volumes in time")
    try:
        found = list_series(files)
        frames = list(order_planes(found[0]).frames)
    except ImageFileError as error:
        raise ValueError(f"{name}: {error}") from error
    if len(found) != 1 or len(frames) != result.size("Z"):
        raise ValueError(f"{name}: the DICOM files have changed since the image was opened")
    return frames


def _sources(pydicom: Any, planes: list[tuple[Any, npt.NDArray[Any]]]) -> tuple[list[Any], npt.NDArray[Any]]:
    """Read the headers of the files, in the order of the planes; planes of one file are put in its order."""
    paths = list(dict.fromkeys(frame.path for frame, _ in planes))
    if len(paths) == 1:
        planes = sorted(planes, key=lambda item: int(item[0].index))
    sources = [pydicom.dcmread(path, stop_before_pixels=True) for path in paths]
    return sources, np.stack([plane for _, plane in planes])


def _segmentation(highdicom: Any, sources: list[Any], planes: npt.NDArray[Any], segments: list[Segment]) -> Any:
    codes = needed("pydicom.sr.codedict", "writing DICOM segmentations").codes
    algorithm = highdicom.AlgorithmIdentificationSequence(_PROGRAM, codes.DCM.ArtificialIntelligence, __version__)
    described = [
        highdicom.seg.SegmentDescription(
            segment_number=number,
            segment_label=one.name[:64],
            segmented_property_category=codes.SCT.Tissue,
            segmented_property_type=codes.SCT.Tissue,
            algorithm_type=highdicom.seg.SegmentAlgorithmTypeValues.SEMIAUTOMATIC,
            algorithm_identification=algorithm,
            tracking_uid=highdicom.UID(),
            tracking_id=str(one.label),
            display_color=highdicom.color.CIELabColor.from_rgb(*one.colour),
        )
        for number, one in enumerate(segments, 1)
    ]
    return highdicom.seg.Segmentation(
        source_images=sources,
        pixel_array=planes,
        segmentation_type=highdicom.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=described,
        series_instance_uid=highdicom.UID(),
        series_number=int(sources[0].get("SeriesNumber") or 0) + _SERIES_AFTER,
        sop_instance_uid=highdicom.UID(),
        instance_number=1,
        manufacturer=_PROGRAM,
        manufacturer_model_name=_PROGRAM,
        software_versions=__version__,
        device_serial_number="1",
    )
