"""Tracks everything in a volume, object by object: each begins where it is seen best, and is followed both ways to its ends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import sqrt
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import ndimage as ndi

from napari_sam2.predictors.object_score import ObjectScore
from napari_sam2.predictors.point_grid import build_point_grid
from napari_sam2.session.propagation.propagator import FrameResult
from napari_sam2.session.state.objects import SessionObject
from napari_sam2.session.tracking import rules
from napari_sam2.session.tracking.contacts import cut_logits
from napari_sam2.session.tracking.fading import brightness_of, smoothed, without_faded
from napari_sam2.session.tracking.regions import Region
from napari_sam2.session.tracking.search import Found, search
from napari_sam2.session.tracking.session_parts import SessionParts

MOST_SEARCHED = 16
"""Everything is looked for on so many slices at most, or on one for so many slices: whichever is more."""
SLICES_TO_SEARCH = 4
POINTS_PER_SIDE = 16
MAX_SHARE = 0.3
"""What fills more of the frame than that is background."""
COVERED_SHARE = 0.5
"""What lies by this share of itself on an object that was followed is that object."""
LEAST_OVERLAP = 0.2
"""From slice to slice, masks of an object have this share of the smaller one in common."""
LEAST_CONTRAST = 0.2
"""An object ends where its contrast to what is around it is below this share of the largest one, as does a pixel of it; ..."""
VALLEY = 0.6
"""... and, where it fell below this share, at its least one before it rises again ..."""
RISE = 1.3
"""... by this factor: another object begins there, ..."""
LEAST_WORTH = 0.3
"""What is seen worse than objects that were followed, by this factor to their median, is none."""
CLEAR_CONTRAST = 1.0
"""... if the largest one is so many standard deviations of what is around it, or more."""
AREA_ON_SLICES = (0.1, 2.0)
"""An object ends where its area is not between these multiples of that where it was found: it was seen best there."""
LEAST_UNIFORM = 0.9
"""Where this share of the mask with which it was found, or more, has that contrast, it is a matter of brightness what has faded."""
RING_PX = 4


class Candidate(NamedTuple):
    """What was found on a slice, and its contrast to what is around it."""

    frame: int
    found: Found
    contrast: float

    @property
    def worth(self) -> float:
        """How surely, how large and how clearly an object is seen: the best candidate is followed first."""
        return self.found.predicted_iou * sqrt(self.found.region.area_px) * self.contrast


class VolumeTracker:
    """Tracks everything through the slices of a volume.

    Parameters
    ----------
    parts : SessionParts
        Of the session whose stack it is.
    area_px : tuple of float, optional
        Least and largest area of an object on the slice on which it is found.
    options : mapping
        ``points_per_side`` counts.
    """

    def __init__(
        self,
        parts: SessionParts,
        area_px: tuple[float, float] | None,
        options: Mapping[str, Any],
    ) -> None:
        self._parts = parts
        self._state, self._in_use = parts.state, parts.in_use
        height, width = self._in_use.frame_shape
        self._area_px = (4.0, MAX_SHARE * height * width) if area_px is None else area_px
        self._points_per_side = int(options.get("points_per_side") or POINTS_PER_SIDE)

    def searched(self) -> range:
        """The slices on which everything is looked for."""
        count = self._parts.num_frames
        step = max(1, min(SLICES_TO_SEARCH, count // MOST_SEARCHED + 1))
        return range(min(step // 2, count - 1), count, step)

    def find(self, frame: int) -> list[Candidate]:
        """Look for everything on a slice."""
        shape = self._in_use.frame_shape
        grid = build_point_grid(self._points_per_side)[:, ::-1] * shape - 0.5
        found = search(self._in_use, frame, [(float(row), float(column)) for row, column in grid], max(shape))
        low, high = self._area_px
        return [Candidate(frame, one, self._contrast(frame, one.region)) for one in found if low <= one.region.area_px <= high]

    @staticmethod
    def usual(candidates: list[Candidate]) -> list[Candidate]:
        """Leave out what is much smaller or larger than most: a speck, or all of the objects together."""
        if not candidates:
            return []
        low, high = (factor * np.median([one.found.region.area_px for one in candidates]) for factor in rules.AREA_OF_NEWCOMERS)
        return [one for one in candidates if low <= one.found.region.area_px <= high]

    def followed(self, candidates: list[Candidate]) -> list[Candidate]:
        """Return the candidates of the objects that were followed to their ends; one that was stopped on its way is removed."""
        found = [item for item in self._state.ordered() if item.info.is_found]
        for item in found:
            if item.info.end_frame is None:
                self._parts.objects.remove_object(item.object_id)
        done = []
        for item in found:
            anchor = item.anchors[0] if item.object_id in self._state.objects else None
            record = None if anchor is None else item.shown(anchor)
            there = [one for one in candidates if one.frame == anchor]
            if record is not None and there:
                region = self._parts.region(record)
                done.append(max(there, key=lambda one: one.found.region.shared_px(region)))
        return done

    def left(self, candidates: list[Candidate], followed: Sequence[Candidate]) -> list[Candidate]:
        """Leave out what lies on known objects, or is seen much worse than what was followed; return the rest, the best first."""
        least = LEAST_WORTH * float(np.median([one.worth for one in followed])) if followed else 0.0
        known: dict[int, list[Region]] = {}
        rest = []
        for one in candidates:
            if one.worth < least:
                continue
            if one.frame not in known:
                known[one.frame] = self._known(one.frame)
            region = one.found.region
            if all(region.shared_px(other) <= COVERED_SHARE * min(region.area_px, other.area_px) for other in known[one.frame]):
                rest.append(one)
        return sorted(rest, key=lambda one: -one.worth)

    def follow(self, candidate: Candidate) -> Iterator[FrameResult]:
        """Make an object of a candidate, and follow it both ways; yield what was done. One that is too short is removed."""
        frame, region = candidate.frame, candidate.found.region
        (object_id,) = self._parts.prompts.add_found(frame, [region.plane(self._in_use.frame_shape)])
        self._parts.objects.mark_found(object_id)
        item = self._state.objects[object_id]
        record = item.shown(frame)
        assert record is not None
        start = self._parts.region(record)
        yield FrameResult(frame, {object_id: ObjectScore.of(record)})
        contrasts = {frame: self._contrast(frame, start)}
        for step in (1, -1):
            at, before = frame + step, start
            while 0 <= at < self._parts.num_frames:
                (record,) = self._parts.propagator.tracked(at, [item], reverse=step < 0)
                region = self._parts.region(record)
                if self._has_ended(item, at, region, before, start):
                    break
                item.tracked[at], before, contrasts[at] = record, region, self._contrast(at, region)
                yield FrameResult(at, {object_id: ObjectScore.of(record)})
                at += step
                if num_before_valley([contrasts[t] for t in range(frame, at, step)]) is not None:
                    break
        self._keep_own(item, frame, contrasts)

    def _keep_own(self, item: SessionObject, frame: int, contrasts: Mapping[int, float]) -> None:
        """Let an object begin and end where it does by its contrasts; remove one that is too short."""
        least = LEAST_CONTRAST * max(contrasts.values()) if max(contrasts.values()) >= CLEAR_CONTRAST else 0.0
        counts = []
        for step in (1, -1):
            values = [contrasts[t] for t in range(frame, frame + step * len(contrasts), step) if t in contrasts]
            count = next((index for index, value in enumerate(values) if value < least), len(values))
            counts.append(min(count, num_before_valley(values) or count))
        own = range(frame - counts[1] + 1, frame + counts[0])
        if least:
            own = self._leave_out_faded(item, frame, own)
        if len(own) < min(rules.LEAST_LIFE, self._parts.num_frames):
            self._parts.objects.remove_object(item.object_id)
            return
        for t in contrasts.keys() - set(own):
            item.forget(t)
        self._parts.objects.mark_found(item.object_id, own.start, end_frame=own.stop)

    def _leave_out_faded(self, item: SessionObject, frame: int, own: range) -> range:
        """Leave out what has faded, and return on which slices something is left.

        A mask stays as large as it was where the section of a body shrinks, and is seen only since the body above is out of focus.
        """
        record, image = item.shown(frame), smoothed(self._as_seen(frame))
        assert record is not None
        start = self._parts.region(record)
        seen = brightness_of(start, image, self._others(frame, item))
        if seen is None:
            return own
        least = LEAST_CONTRAST * seen.contrast
        if without_faded(start, image, seen.around, least).area_px < LEAST_UNIFORM * start.area_px:
            return own
        areas = {t: self._cut_faded(item, t, least) for t in own if t != frame}
        ends = (
            self._num_left(areas, range(frame + step, own.stop if step > 0 else own.start - 1, step), start) for step in (1, -1)
        )
        after, before = ends
        return range(frame - before, frame + 1 + after)

    def _cut_faded(self, item: SessionObject, frame: int, least_contrast: float) -> int:
        """Leave out of a mask what has faded; return the area that is left."""
        record, image = item.tracked[frame], smoothed(self._as_seen(frame))
        region = self._parts.region(record)
        seen = brightness_of(region, image, self._others(frame, item))
        if seen is None:
            return region.area_px
        left = without_faded(region, image, seen.around, least_contrast)
        item.tracked[frame] = record.showing(cut_logits(record, left, self._in_use.frame_shape))
        return left.area_px

    @staticmethod
    def _num_left(areas: Mapping[int, int], slices: range, start: Region) -> int:
        """Count the slices, from the one on which an object was found, up to the last one on which enough of it is left."""
        is_left = [areas[t] >= AREA_ON_SLICES[0] * start.area_px for t in slices]
        return is_left.index(False) if False in is_left else len(is_left)

    def _others(self, frame: int, item: SessionObject) -> npt.NDArray[np.bool_]:
        """Return the masks of all other objects on a slice, (H, W)."""
        plane = np.zeros(self._in_use.frame_shape, bool)
        for region in self._known(frame, but=item.object_id):
            plane[region.window] |= region.pixels
        return plane

    def _has_ended(self, item: SessionObject, frame: int, region: Region, before: Region, start: Region) -> bool:
        """Return whether an object is not on a slice to which it was followed: its mask is another one there."""
        low, high = (factor * start.area_px for factor in AREA_ON_SLICES)
        smaller = min(region.area_px, before.area_px)
        if not low <= region.area_px <= high or not smaller or region.shared_px(before) < LEAST_OVERLAP * smaller:
            return True
        others = [other for other in self._known(frame, but=item.object_id) if other.area_px]
        return any(region.shared_px(other) > COVERED_SHARE * min(region.area_px, other.area_px) for other in others)

    # --- pieces ----------------------------------------------------------------------------------------------------

    def _known(self, frame: int, but: int | None = None) -> list[Region]:
        """Masks of all objects on a slice."""
        items = (item for item in self._state.objects.values() if item.object_id != but)
        return [self._parts.region(record) for item in items if (record := item.shown(frame)) is not None]

    def _contrast(self, frame: int, region: Region) -> float:
        """How far the mean intensity inside is from that in a ring around it, in standard deviations of that."""
        if not region.area_px:
            return 0.0
        height, width = self._in_use.frame_shape
        rows, columns = (
            slice(max(0, part.start - RING_PX), min(side, part.stop + RING_PX))
            for part, side in zip(region.window, (height, width), strict=True)
        )
        inside = region.plane((height, width))[rows, columns]
        image = self._as_seen(frame)[rows, columns]
        ring = ndi.binary_dilation(inside, iterations=RING_PX) & ~inside
        if not ring.any():
            return 0.0
        return float(abs(image[inside].mean() - image[ring].mean()) / (image[ring].std() + 1))

    def _as_seen(self, frame: int) -> npt.NDArray[np.float32]:
        image = self._in_use.as_seen(frame).astype(np.float32)
        return image if image.ndim == 2 else image.mean(2)


def num_before_valley(contrasts: Sequence[float]) -> int | None:
    """Count the slices of an object, by its contrasts from that on which it was found; None where no other object begins.

    Parameters
    ----------
    contrasts : sequence of float
        On the slice on which it was found, and on the ones to which it was followed, in order.

    Returns
    -------
    int or None
        How many of them, the first included, are its own: those before the least contrast after which it rises again.
    """
    lowest = int(np.argmin(contrasts))
    largest = max(contrasts[: lowest + 1])
    is_valley = largest >= CLEAR_CONTRAST and contrasts[lowest] < VALLEY * largest
    return lowest if is_valley and max(contrasts[lowest:]) > RISE * contrasts[lowest] else None
