"""Masks in the format of the COCO data set: an image for each plane, an annotation for each object on it. H, W height and width."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage as ndi

from napari_sam2.export.result import Result
from napari_sam2.files import atomic_path
from napari_sam2.version import __version__

_CATEGORY = {"id": 1, "name": "object", "supercategory": ""}


def write_coco(path: Path, result: Result) -> None:
    """Write all masks, run-length encoded, as pycocotools and the tools of that field read them.

    Parameters
    ----------
    path : Path
        ``.coco.json``.
    result : Result
        Labels. Beyond what COCO has, images have ``frame`` and, of volumes, ``plane``, and annotations have ``track_id``, the id of
        the object, and ``name``, where it has one.

    Raises
    ------
    ValueError
        If a label is not between 0 and 65535, or it cannot be written there.
    """
    head = {
        "info": {"description": f"Written by napari-sam2 {__version__}"},
        "licenses": [],
        "categories": [_CATEGORY],
        "images": list(_images(result)),
    }
    with atomic_path(path) as partial, partial.open("w", encoding="ascii") as file:
        file.write(json.dumps(head)[:-1] + ', "annotations": [')
        for number, annotation in enumerate(_annotations(result)):
            file.write((",\n" if number else "\n") + json.dumps({"id": number + 1, **annotation}))
        file.write("\n]}\n")


def _images(result: Result) -> Iterator[dict[str, Any]]:
    stem = "image" if result.image_path is None else result.image_path.stem
    planes = [(time, z) for time in range(result.size("T")) for z in range(result.size("Z"))]
    for number, (time, z) in enumerate(planes, 1):
        name = "".join(f"_{axis.lower()}{index:04d}" for axis, index in (("T", time), ("Z", z)) if axis in result.axes)
        at = {"frame": time} | ({"plane": z} if result.is_volume else {})
        yield {"id": number, "file_name": f"{stem}{name}.png", "width": result.size("X"), "height": result.size("Y"), **at}


def _annotations(result: Result) -> Iterator[dict[str, Any]]:
    for image, labels in enumerate(result.planes(), 1):
        for object_id, window in enumerate(ndi.find_objects(labels), 1):
            if window is not None:
                rows, cols = window
                mask = labels[window] == object_id
                named = {"name": result.names[object_id]} if object_id in result.names else {}
                yield {
                    "image_id": image,
                    "category_id": _CATEGORY["id"],
                    "track_id": object_id,
                    **named,
                    "bbox": [cols.start, rows.start, cols.stop - cols.start, rows.stop - rows.start],
                    "area": int(mask.sum()),
                    "iscrowd": 0,
                    "segmentation": {"size": list(labels.shape), "counts": run_lengths(mask, rows.start, cols.start, labels.shape)},
                }


def run_lengths(mask: npt.NDArray[np.bool_], row: int, col: int, shape: tuple[int, ...]) -> list[int]:
    """Encode a mask: lengths of runs of pixels outside and inside, in turn, column by column.

    Parameters
    ----------
    mask : ndarray
        A part of the plane, bool; outside it there is none of the mask.
    row, col : int
        Where the part begins.
    shape : tuple of int
        (H, W), of the plane.
    """
    strip = np.zeros((shape[0], mask.shape[1]), np.bool_)
    strip[row : row + mask.shape[0]] = mask
    flat = strip.ravel(order="F")
    changes = np.flatnonzero(np.diff(flat, prepend=False, append=False)) + shape[0] * col
    ends = [*changes.tolist(), shape[0] * shape[1]]
    return [end - start for start, end in zip([0, *ends], ends, strict=False) if end > start or start == 0]
