"""Labels as NRRD in the geometry of the image, with names and colours as 3D Slicer has them in its ``.seg.nrrd``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from napari_sam2.export.result import Result
from napari_sam2.export.segments import geometry_of, segments_of
from napari_sam2.files import atomic_path
from napari_sam2.images.medical.extra import needed

_COMPRESSION = 6


def write_nrrd(path: Path, result: Result) -> None:
    """Write labels, uint16, compressed; all of them are in memory meanwhile.

    Parameters
    ----------
    path : Path
        ``.nrrd``; 3D Slicer reads ``.seg.nrrd`` as a segmentation.
    result : Result
        The labels. Volumes in time have no names and colours: there 3D Slicer takes a fourth axis for overlapping segments.

    Raises
    ------
    ImportError
        If pynrrd is not installed.
    ValueError
        If it cannot be written there, or a label is not between 0 and 65535.
    """
    nrrd = needed("nrrd", "writing NRRD files")
    times = (result.size("T"),) if result.has_time else ()
    labels = np.stack(list(result.planes())).reshape(*times, *(result.size(axis) for axis in "ZYX"))
    geometry = geometry_of(result).in_space("LPS")
    steps = geometry.steps if not times else np.vstack([geometry.steps, np.full(3, np.nan)])
    header: dict[str, Any] = {
        "space": "left-posterior-superior",
        "space directions": steps,
        "space origin": geometry.origin,
        "kinds": ["domain"] * 3 + ["list"] * len(times),
        "encoding": "gzip",
    }
    if not times:
        header |= _segment_fields(result, labels)
    with atomic_path(path) as partial:
        nrrd.write(str(partial), labels, header, compression_level=_COMPRESSION, index_order="C")
        _undate(partial)


def _undate(path: Path) -> None:
    """Remove the comment that says when a file was written: the same labels make the same file."""
    head, blank, data = path.read_bytes().partition(b"\n\n")
    lines = [line for line in head.split(b"\n") if not line.startswith(b"# on ")]
    path.write_bytes(b"\n".join(lines) + blank + data)


def _segment_fields(result: Result, labels: Any) -> dict[str, str]:
    """Fields of 3D Slicer, https://slicer.readthedocs.io/en/latest/developer_guide/modules/segmentations.html."""
    extent = " ".join(f"0 {side - 1}" for side in labels.shape[::-1])
    fields = {
        "Segmentation_SourceRepresentation": "Binary labelmap",
        "Segmentation_ContainedRepresentationNames": "Binary labelmap|",
        "Segmentation_ReferenceImageExtentOffset": "0 0 0",
    }
    for number, one in enumerate(segments_of(result, sorted(set(np.unique(labels).tolist()) - {0}))):
        fields |= {
            f"Segment{number}_ID": f"Segment_{one.label}",
            f"Segment{number}_Name": one.name,
            f"Segment{number}_Color": " ".join(f"{channel / 255:.6g}" for channel in one.colour),
            f"Segment{number}_LabelValue": str(one.label),
            f"Segment{number}_Layer": "0",
            f"Segment{number}_Extent": extent,
        }
    return fields
