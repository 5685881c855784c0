"""The rules of a track's life: when it ends, when two are on one object, when one has divided, what is new."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import dist, pi, sqrt
from typing import NamedTuple

import numpy as np

from napari_sam2.session.tracking.regions import Region
from napari_sam2.session.tracking.search import Found

FRAMES_TO_END = 2
"""A track ends where its object is absent from so many frames in a row."""
LEAST_LIFE = 3
"""A track that was found later and ends before so many frames is none."""
DUPLICATE_SHARE = 0.5
"""Two tracks are on one object where more than that of the smaller mask lies on the other, ..."""
FRAMES_TO_MERGE = 2
"""... on so many frames in a row."""
AREA_OF_NEWCOMERS = (0.2, 4.0)
"""Times the median area of the objects on the frame."""
MAX_COVERED = 0.3
"""A newcomer has no more than that of itself on tracks."""
LEAST_AGE_TO_DIVIDE = 2
"""A track divides at this age in frames, or later."""
LEAST_CHILD_RATIO = 0.5
"""The smaller child has at least that of the area of the larger one, ..."""
LEAST_CHILD_SHARE = 0.15
"""... and that of the median area of the objects on the frame."""
AREA_AFTER_DIVISION = 0.75
"""Of what it was before: a track that goes on as one of the two children has no more, ..."""
CHILD_DISTANCE = 3.0
"""... and the other one is no farther from it than so many radii of the parent."""
FRAMES_BEFORE_DIVISION = (3, 7)
"""An object condenses before it divides: its area is that of so many frames before."""
LONG = 1.5
"""An object that is longer than usual by this factor may be two that touch; ..."""
LEAST_LONG_PX = 8
"""... not one of so few pixels."""
LEAST_INSIDE = 0.6
"""The two halves of a division lie within it by at least this share of each, and make up that share of it."""
MOST_CHILDREN_AREA = 1.5
"""The children of a division have together no more than that of the usual area of the parent."""
BRIGHTER, SMALLER = 1.15, 0.95
"""An object condenses before it divides: it becomes brighter by the first factor, or smaller than usual by the second one. What
comes apart without that, and ..."""
LONG_PAIR = 1.5
"""... was as long as that, or ..."""
MOST_UNCHANGED_AREA = 1.2
"""... was smaller than its pieces are together by this factor, was two that touched."""
FRAMES_AFTER_END = 4
"""What comes apart so soon after another track ended beside it has taken that in, and does not divide."""
CHANGED = 1.1
"""A division began a frame earlier if the object was longer or larger there by this factor than just before, ..."""
CHILD_GROWTH = (0.6, 1.7)
"""... and each child followed back has an area between these multiples of its own."""
MAX_CHILDREN_SHARED = 0.2
"""Two children share no more than that of the smaller one."""


class Past(NamedTuple):
    """What is known of a track up to a frame.

    Attributes
    ----------
    first_frame : int
        Where it begins.
    areas_px : dict of int to int
        Its areas on the latest frames, by frame; 0 where it is absent.
    elongations, brightness : dict of int to float
        Its elongations and mean intensities there.
    """

    first_frame: int
    areas_px: dict[int, int]
    elongations: dict[int, float]
    brightness: dict[int, float]

    def usual_area_px(self, frame: int) -> float:
        """The median area some frames before a frame; of a younger track on all frames before it; 0 where it is unknown."""
        near, far = FRAMES_BEFORE_DIVISION
        there = {t: area for t, area in self.areas_px.items() if t < frame and area}
        earlier = [area for t, area in there.items() if frame - far <= t <= frame - near]
        return float(np.median(earlier or list(there.values()))) if there else 0.0

    def usual_elongation(self, frame: int) -> float:
        """The median elongation on the frames before a frame; 1 where it is unknown."""
        there = [self.elongations[t] for t, area in self.areas_px.items() if t < frame and area]
        return float(np.median(there)) if there else 1.0

    def frames_absent(self, frame: int) -> int:
        """On how many frames in a row, up to a frame, it is absent."""
        count = 0
        while self.areas_px.get(frame - count) == 0:
            count += 1
        return count


def loser(one: tuple[Past, Region, float], other: tuple[Past, Region, float], frame: int) -> int:
    """Choose which of two tracks on one object ends: 0 or 1, the one with the less certain and more changed mask.

    Parameters
    ----------
    one, other : tuple
        What is known of a track, its mask on the frame, and the predicted IoU of that.
    frame : int
        The frame.
    """
    worths = []
    for past, region, predicted_iou in (one, other):
        usual = past.usual_area_px(frame) or region.area_px
        worths.append(predicted_iou - abs(np.log(max(region.area_px, 1) / max(usual, 1))))
    return int(worths[0] >= worths[1])


def is_on_one_object(one: Region, other: Region) -> bool:
    """Return whether two masks are on one object."""
    smaller = min(one.area_px, other.area_px)
    return smaller > 0 and one.shared_px(other) > DUPLICATE_SHARE * smaller


def are_children(regions: Sequence[Region], median_area_px: float) -> bool:
    """Return whether two masks are large enough, and alike enough, to be the children of a division."""
    small, large = sorted(region.area_px for region in regions)
    return small >= LEAST_CHILD_RATIO * large and small >= LEAST_CHILD_SHARE * median_area_px


def children_in_pieces(region: Region, median_area_px: float) -> list[Region]:
    """Return the two pieces of a mask that has come apart; none where it has not."""
    pieces = region.pieces()[:2]
    return pieces if len(pieces) == 2 and are_children(pieces, median_area_px) else []


def are_too_large(pieces: Sequence[Region], past: Past, frame: int) -> bool:
    """Return whether pieces of an object are too large for its children: one of them is something else that was taken in."""
    return sum(piece.area_px for piece in pieces) > MOST_CHILDREN_AREA * past.usual_area_px(frame) > 0


def were_two(pieces: Sequence[Region], past: Past, frame: int) -> bool:
    """Return whether what comes apart was two objects that touched: it did not condense, and was long, or smaller.

    Parameters
    ----------
    pieces : sequence of Region
        What it comes apart into.
    past : Past
        What is known of it.
    frame : int
        The frame.
    """
    there = sorted(t for t, area in past.areas_px.items() if t < frame and area)
    if not there:
        return False
    usual = float(np.median([past.areas_px[t] for t in there]))
    has_condensed = has_brightened(past, frame) or past.areas_px[there[-1]] <= SMALLER * usual
    was_long = max(past.elongations[t] for t in there[-2:]) >= LONG_PAIR
    return not has_condensed and (was_long or sum(piece.area_px for piece in pieces) > MOST_UNCHANGED_AREA * usual)


def has_brightened(past: Past, frame: int) -> bool:
    """Return whether a track has become brighter on the latest frames before a frame, as what divides does."""
    brightness = [past.brightness[t] for t in sorted(past.brightness) if t < frame and past.areas_px[t]]
    return bool(brightness) and max(brightness[-3:]) >= BRIGHTER * min(brightness)


def are_siblings(one: Region, other: Region, parent: Region) -> bool:
    """Return whether two objects can be the children of a third one, by their masks after the division and before it."""
    reach = CHILD_DISTANCE * sqrt(parent.area_px / pi)
    is_near = all(dist(region.centroid_rc, parent.centroid_rc) < reach for region in (one, other))
    return is_near and are_children([one, other], 0) and max(one.area_px, other.area_px) < parent.area_px


def has_shrunk(region: Region, past: Past, frame: int) -> bool:
    """Return whether a track is so much smaller than usual that it may go on as one of two children."""
    return 0 < region.area_px < AREA_AFTER_DIVISION * past.usual_area_px(frame)


def is_long(region: Region, past: Past, frame: int) -> bool:
    """Return whether an object has become so long that it may be two that touch."""
    return region.area_px > LEAST_LONG_PX and region.elongation > LONG * past.usual_elongation(frame)


def children_in_halves(region: Region, halves: Sequence[Found], median_area_px: float) -> list[Region]:
    """Return two masks that were found at the ends of a long one, if together they are that one; else none."""
    if len(halves) != 2:
        return []
    regions = [half.region for half in halves]
    inside = [one.shared_px(region) for one in regions]
    are_inside = all(shared > LEAST_INSIDE * one.area_px for shared, one in zip(inside, regions, strict=True))
    is_whole = sum(inside) - regions[0].shared_px(regions[1]) > LEAST_INSIDE * region.area_px
    return regions if are_inside and is_whole and are_children(regions, median_area_px) else []


def has_divided_before(parent: Region, past: Past, children: Sequence[Region], followed: Sequence[Region], frame: int) -> bool:
    """Return whether a division that was seen on one frame had happened on the frame before already.

    Parameters
    ----------
    parent : Region
        The parent on the frame before.
    past : Past
        What is known of it.
    children, followed : sequence of Region
        Each child where it was seen, and where it lies when it is followed back to the frame before.
    frame : int
        The frame before.

    Returns
    -------
    bool
        The parent has changed its shape there, and consists of both children, which lie one behind the other along it.
    """
    area, elongation = past.areas_px.get(frame - 1, 0), past.elongations.get(frame - 1, 1.0)
    if not area or not parent.area_px or not all(one.area_px for one in followed):
        return False
    has_changed = parent.elongation > CHANGED * elongation or parent.area_px > CHANGED * area
    low, high = CHILD_GROWTH
    is_alike = all(
        low * one.area_px <= before.area_px <= high * one.area_px for one, before in zip(children, followed, strict=True)
    )
    is_two = followed[0].shared_px(followed[1]) <= MAX_CHILDREN_SHARED * min(one.area_px for one in followed)
    inside = [one.shared_px(parent) for one in followed]
    is_inside = all(shared > LEAST_INSIDE * one.area_px for shared, one in zip(inside, followed, strict=True))
    is_whole = sum(inside) - followed[0].shared_px(followed[1]) > LEAST_INSIDE * parent.area_px
    across = np.subtract(followed[0].centroid_rc, followed[1].centroid_rc)
    is_along = abs(across @ parent.axis()) > np.hypot(*across) * np.sqrt(0.5)
    return bool(has_changed and is_alike and is_two and is_inside and is_whole and is_along)


def newcomers(found: Iterable[Found], known: Sequence[Region], median_area_px: float) -> list[Found]:
    """Choose what is new: of a usual size, and hardly on what is known."""
    low, high = (factor * median_area_px for factor in AREA_OF_NEWCOMERS)
    chosen = []
    for one in found:
        area = one.region.area_px
        if low < area < high and sum(one.region.shared_px(region) for region in known) <= MAX_COVERED * area:
            chosen.append(one)
    return chosen


def parent_of(newcomer: Region, tracks: Iterable[tuple[int, Past, Region]], frame: int) -> int | None:
    """Find the track whose object has divided into what it goes on as and a newcomer.

    Parameters
    ----------
    newcomer : Region
        Its mask on its first frame.
    tracks : iterable of tuple
        The id of a track, what is known of it, and its mask on that frame.
    frame : int
        The frame.

    Returns
    -------
    int or None
        The nearest track, in its own radii, whose area fell as it does in a division; None where there is none.
    """
    best: tuple[float, int] | None = None
    for track_id, past, region in tracks:
        usual = past.usual_area_px(frame)
        if not usual or not region.area_px or frame - past.first_frame < LEAST_AGE_TO_DIVIDE:
            continue
        has_shrunk = max(region.area_px, newcomer.area_px) < AREA_AFTER_DIVISION * usual
        distance = dist(region.centroid_rc, newcomer.centroid_rc) / sqrt(usual / pi)
        if has_shrunk and distance < CHILD_DISTANCE and (best is None or distance < best[0]):
            best = distance, track_id
    return None if best is None else best[1]
