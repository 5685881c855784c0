"""Two objects on one cell: pairs of masks of a frame of which one lies on the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import numpy as np

from napari_sam2.session.review.footprint import Footprint, shared_px

OVERLAP_SHARE = 0.5
"""Two objects are on one cell where this share of the smaller mask, or more, is in the other one."""

Box = tuple[float, float, float, float]


class Overlap(NamedTuple):
    """Two objects that overlap on a frame.

    Attributes
    ----------
    object_id : int
        The one of which the larger share lies on the other; of equal ones the higher id.
    other_id : int
        The other one.
    share : float
        Of its area, 0 .. 1.
    """

    object_id: int
    other_id: int
    share: float


def overlaps(object_ids: Iterable[int], boxes: Mapping[int, Box], footprint_of: Callable[[int], Footprint]) -> list[Overlap]:
    """Find the overlaps of some objects of a frame with all others.

    Parameters
    ----------
    object_ids : iterable of int
        The objects.
    boxes : mapping of int to tuple of float
        The boxes of all objects that are on the frame, see :attr:`Footprint.box_rc`.
    footprint_of : callable
        Returns the mask of an object; called only where boxes meet.

    Returns
    -------
    list of Overlap
        Each pair once, in the order of the ids.
    """
    ids = sorted(boxes)
    wanted = set(object_ids) & set(ids)
    if len(ids) < 2 or not wanted:
        return []
    edges = np.array([boxes[object_id] for object_id in ids])
    found: dict[tuple[int, int], Overlap] = {}
    for object_id in sorted(wanted):
        row0, col0, row1, col1 = boxes[object_id]
        meets = (edges[:, 0] < row1) & (edges[:, 1] < col1) & (edges[:, 2] > row0) & (edges[:, 3] > col0)
        for index in np.flatnonzero(meets).tolist():
            low, high = sorted((object_id, ids[index]))
            if low == high or (low, high) in found:
                continue
            masks = footprint_of(low), footprint_of(high)
            shares = [min(shared_px(*masks) / mask.area_px, 1.0) for mask in masks]
            if max(shares) >= OVERLAP_SHARE:
                found[low, high] = Overlap(low, high, shares[0]) if shares[0] > shares[1] else Overlap(high, low, shares[1])
    return [found[pair] for pair in sorted(found)]
