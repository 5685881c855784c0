"""Objects that met between two frames: one may have taken in another, and two may have exchanged their tracks. n objects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from napari_sam2.session.review.overlapping import Box

TAKEN_SHARE = 0.5
"""An object may have taken in another one that is gone where it has grown by this share of that one's area, or more."""


class Seen(NamedTuple):
    """Where an object is on a frame; the box is that of :attr:`~napari_sam2.session.review.footprint.Footprint.box_rc`."""

    area_px: float
    centroid_rc: tuple[float, float]
    box_rc: Box


def fusions(before: Mapping[int, Seen], after: Mapping[int, Seen]) -> set[int]:
    """Find the objects that may have taken in another one from a frame to the next: that is gone, and they have grown over it.

    Parameters
    ----------
    before, after : mapping of int to Seen
        The objects that are on each of the two frames, by id.

    Returns
    -------
    set of int
        Their ids.
    """
    gone = [before[i] for i in before.keys() - after.keys()]
    return {
        i
        for i in before.keys() & after.keys()
        if any(
            _meet(after[i].box_rc, other.box_rc) and after[i].area_px - before[i].area_px >= TAKEN_SHARE * other.area_px
            for other in gone
        )
    }


def swaps(before: Mapping[int, Seen], after: Mapping[int, Seen]) -> set[int]:
    """Find the objects that may have exchanged their tracks from a frame to the next: so, both would have moved less.

    Parameters and result are those of :func:`fusions`.
    """
    ids = sorted(before.keys() & after.keys())
    if len(ids) < 2:
        return set()
    old, new = (np.array([seen[i].centroid_rc for i in ids]) for seen in (before, after))
    ways = np.hypot(*(new[:, None] - old[None]).transpose(2, 0, 1))  # (n, n), to each new position from each old one
    own = np.diag(ways)
    is_swapped = ways + ways.T < own[:, None] + own
    return {ids[index] for index in np.flatnonzero(is_swapped.any(1)).tolist()}


def _meet(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
