"""Prompts as a person would give them, from true masks. H, W height and width of a mask."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import ndimage as ndi

from napari_sam2.evaluation.dataset import Dataset
from napari_sam2.session.prompts_file import PromptEntry

KINDS = ("point", "box", "mask")
_ALL_CUT = "{}: the image border cuts every object where it would be prompted"


def simulated_prompts(dataset: Dataset, kind: str = "point") -> list[PromptEntry]:
    """Prompt each object once, unless the image border cuts it there.

    Parameters
    ----------
    dataset : Dataset
        The data.
    kind : {"point", "box", "mask"}
        One click where the object is deepest, its box, or its mask.

    Returns
    -------
    list of PromptEntry

    Raises
    ------
    ValueError
        If there is no such kind, or the border cuts every object.
    """
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
    frames = [(i, dataset.anchors[i]) for i in promptable(dataset)]
    return [prompt_of(i, frame, dataset.mask(i, frame), kind) for i, frame in frames]


def with_promptable_objects(datasets: Sequence[Dataset]) -> list[Dataset]:
    """Leave out images of a collection of which the border cuts every object.

    Raises
    ------
    ValueError
        If none is left.
    """
    kept = [dataset for dataset in datasets if _whole_objects(dataset)]
    if not kept:
        raise ValueError(_ALL_CUT.format(datasets[0].folder))
    return kept


def promptable(dataset: Dataset) -> list[int]:
    """List the objects that the image border does not cut where they are prompted.

    Raises
    ------
    ValueError
        If it cuts all of them.
    """
    whole = _whole_objects(dataset)
    if not whole:
        raise ValueError(_ALL_CUT.format(dataset.folder))
    return whole


def _whole_objects(dataset: Dataset) -> list[int]:
    masks = {i: dataset.mask(i, frame) for i, frame in dataset.anchors.items()}
    return [i for i, mask in masks.items() if not (mask[[0, -1]].any() or mask[:, [0, -1]].any())]


def prompt_of(object_id: int, frame: int, mask: npt.NDArray[np.bool_], kind: str) -> PromptEntry:
    """Prompt an object on a frame, by its mask (H, W) there and one of :data:`KINDS`."""
    if kind == "point":
        (row, col), _ = _deepest_pixel(mask)
        return PromptEntry(object_id, frame, [[float(row), float(col)]], [1])
    if kind == "box":
        rows, cols = np.nonzero(mask)
        box = [float(rows.min()), float(cols.min()), float(rows.max() + 1), float(cols.max() + 1)]
        return PromptEntry(object_id, frame, box_rc=box)
    return PromptEntry(object_id, frame, mask=mask)


class Click(NamedTuple):
    """A click on a pixel, inside or outside the object."""

    row: int
    col: int
    is_inside: bool


def correction_click(truth: npt.NDArray[np.bool_], found: npt.NDArray[np.bool_]) -> Click | None:
    """Click where the error is deepest: at the pixel farthest from the border of what is missing or of what is too much.

    Parameters
    ----------
    truth, found : ndarray
        (H, W), bool. With nothing found, this is the first click on the object.

    Returns
    -------
    Click or None
        None where there is no error.

    Notes
    -----
    Official ``sam2_utils.py``, ``sample_one_point_from_error_center``: of two errors equally deep, what is too much comes first.
    """
    (missing, missing_depth), (surplus, surplus_depth) = _deepest_pixel(truth & ~found), _deepest_pixel(found & ~truth)
    if max(missing_depth, surplus_depth) == 0:
        return None
    return Click(*missing, True) if missing_depth > surplus_depth else Click(*surplus, False)


def _deepest_pixel(mask: npt.NDArray[np.bool_]) -> tuple[tuple[int, int], float]:
    """Return the pixel farthest inside, the image border counting as an end, and how far that is; 0 for an empty mask."""
    depth = ndi.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    row, col = np.unravel_index(depth.argmax(), depth.shape)
    return (int(row), int(col)), float(depth[row, col])
