"""Tracks everything in a time-lapse, frame by frame: what is there is followed, what is new is found, tracks end and divide."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import pi, sqrt
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_sam2.predictors.object_score import ObjectScore
from napari_sam2.session.editing.everything import find_everything_there
from napari_sam2.session.propagation.propagator import FrameResult
from napari_sam2.session.state.objects import SessionObject
from napari_sam2.session.tracking import contacts, rules
from napari_sam2.session.tracking.contact_cuts import ContactCuts, pairs_that_meet
from napari_sam2.session.tracking.contacts import Expected
from napari_sam2.session.tracking.edges import Edges
from napari_sam2.session.tracking.likelihood import likely_points
from napari_sam2.session.tracking.measurements import Measured, Measurements
from napari_sam2.session.tracking.regions import Region
from napari_sam2.session.tracking.search import search
from napari_sam2.session.tracking.session_parts import SessionParts

MOST_POINTS = 48
"""On a frame where objects are followed, something new is looked for at so many points at most."""
FRAMES_BACK = 8
"""What is found later than it appeared is followed back over so many frames at most."""
FRAMES_BETWEEN_SEARCHES = 10
"""While nothing was found yet, everything is looked for on every so-manyth frame: that takes long."""
AREA_GOING_BACK = (0.4, 2.5)
"""While something is followed back, its area stays between these multiples of what it was found with."""


class MovieTracker:
    """Tracks everything from frame to frame.

    Parameters
    ----------
    parts : SessionParts
        Of the session whose stack it is.
    area_px : tuple of float, optional
        Least and largest area of what is found.
    options : mapping
        Of :func:`~napari_sam2.session.editing.everything.find_everything`.
    """

    def __init__(
        self,
        parts: SessionParts,
        area_px: tuple[float, float] | None,
        options: Mapping[str, Any],
    ) -> None:
        self._parts = parts
        self._state, self._in_use = parts.state, parts.in_use
        self._area_px = area_px
        self._options = options
        self._measurements = Measurements(self._state, self._in_use)
        self._own_since: dict[int, int] = {}  # tracks that were on two objects before
        self._cuts = ContactCuts(self._state, self._in_use)
        self._edges = Edges(self._state, self._in_use)

    def frames_left(self) -> range:
        """The frames after the last one that was done, by what was found up to now."""
        found = [item for item in self._state.objects.values() if item.info.is_found]
        done = max((max(item.shown_frames(), default=-1) for item in found), default=-1)
        return range(done + 1, self._parts.num_frames)

    def do_frame(self, frame: int) -> FrameResult:
        """Do a frame, inside an action; the one before it is done."""
        live = self._live(frame)
        due = [item for item in live if frame not in item.memory.conditioning and frame not in item.memory.tracked]
        for item, tracked in zip(due, self._parts.propagator.tracked(frame, due), strict=True):
            item.drop_provisional(frame)
            item.tracked[frame] = tracked
        regions = {item.object_id: self._parts.region(record) for item in live if (record := item.shown(frame)) is not None}
        for object_id, region in regions.items():
            self._measurements.take(object_id, frame, region)
        self._cut_contacts(frame, regions)
        self._end_absent(frame, regions)
        self._merge_duplicates(frame, regions)
        self._divide(frame, regions)
        self._free_children(frame, regions)
        self._add_newcomers(frame, regions)
        self._place_edges(frame)
        shown = {object_id: self._state.objects[object_id].shown(frame) for object_id in regions}
        return FrameResult(frame, {i: ObjectScore.of(record) for i, record in shown.items() if record is not None})

    # --- what is known ---------------------------------------------------------------------------------------------

    def _live(self, frame: int) -> list[SessionObject]:
        """Objects that are, or may be, on a frame: prompted on it or before."""
        return [
            item
            for item in self._state.ordered()
            if item.info.may_be_on(frame) and not item.info.is_locked and item.anchors and item.anchors[0] <= frame
        ]

    def _past(self, object_id: int, frame: int) -> rules.Past:
        """What is known of a track up to a frame, also where that was measured before the session was opened again."""
        item = self._state.objects[object_id]
        frames = [t for t in range(frame - contacts.FRAMES_BACK, frame + 1) if item.info.may_be_on(t)]
        known = self._measurements.of(object_id, frames)
        self._measurements.forget_before(object_id, frame - contacts.FRAMES_BACK)
        since = self._own_since.get(object_id, 0)
        first = max(item.info.first_frame, item.anchors[0] if not item.info.is_found else item.info.first_frame, since)
        measured = {t: one for t, one in known.items() if t >= max(frame - rules.FRAMES_BEFORE_DIVISION[1], since)}
        return _past_of(first, measured)

    def _past_at(self, object_id: int, frame: int) -> rules.Past:
        """What is known of a track up to an earlier frame, of which nothing is measured any more."""
        first = self._state.infos[object_id].first_frame
        frames = range(max(first, frame - rules.FRAMES_BEFORE_DIVISION[1]), frame + 1)
        return _past_of(first, self._measurements.of(object_id, frames))

    def _found(self, regions: Mapping[int, Region]) -> list[int]:
        """Those of some objects that may be ended and divided: no person prompted them."""
        return [object_id for object_id in regions if self._state.infos[object_id].is_found]

    @staticmethod
    def _median_area_px(regions: Iterable[Region]) -> float:
        areas = [region.area_px for region in regions if region.area_px]
        return float(np.median(areas)) if areas else 0.0

    def _cut_contacts(self, frame: int, regions: dict[int, Region]) -> None:
        found = {object_id: regions[object_id] for object_id in self._found(regions)}
        tracked = [object_id for object_id in found if frame in self._state.objects[object_id].tracked]
        for object_id in self._cuts.cut(frame, found, tracked, self._measurements):
            self._take_shown(object_id, frame, regions)

    def _place_edges(self, frame: int) -> None:
        """Place the edges on the frame before, and on the last one: what is tracked to a frame depends on masks as they come."""
        found = [i for i, info in self._state.infos.items() if info.is_found]
        for done in (frame - 1, frame) if frame == self._parts.num_frames - 1 else (frame - 1,):
            self._edges.place(done, found, among=[*self._state.infos])

    # --- ends ------------------------------------------------------------------------------------------------------

    def _end_absent(self, frame: int, regions: dict[int, Region]) -> None:
        for object_id in self._found(regions):
            count = self._past(object_id, frame).frames_absent(frame)
            if count >= rules.FRAMES_TO_END:
                self._end(object_id, frame - count + 1, regions)

    def _merge_duplicates(self, frame: int, regions: dict[int, Region]) -> None:
        for one, other in pairs_that_meet(regions):
            if not {one, other} <= set(regions) or not rules.is_on_one_object(regions[one], regions[other]):
                continue
            count = 1
            while count < rules.FRAMES_TO_MERGE and self._were_on_one_object(one, other, frame - count):
                count += 1
            if count < rules.FRAMES_TO_MERGE:
                continue
            found = [object_id for object_id in (one, other) if self._state.infos[object_id].is_found]
            if len(found) == 2:
                tracks = [(self._past(i, frame), regions[i], self._predicted_iou(i, frame)) for i in found]
                found = [found[rules.loser(tracks[0], tracks[1], frame)]]
            if found:
                self._end(found[0], frame - count + 1, regions)

    def _were_on_one_object(self, one: int, other: int, frame: int) -> bool:
        records = [self._state.objects[object_id].shown(frame) if frame >= 0 else None for object_id in (one, other)]
        regions = [self._parts.region(record) for record in records if record is not None]
        return len(regions) == 2 and rules.is_on_one_object(*regions)

    def _predicted_iou(self, object_id: int, frame: int) -> float:
        record = self._state.objects[object_id].shown(frame)
        return 0.0 if record is None else record.predicted_iou

    def _end(self, object_id: int, frame: int, regions: dict[int, Region]) -> None:
        """End a track before a frame; one that was found late, and ends soon, is removed."""
        del regions[object_id]
        first = self._state.infos[object_id].first_frame
        if frame <= first or (first > 0 and frame - first < rules.LEAST_LIFE):
            self._parts.objects.remove_object(object_id)
        else:
            self._parts.objects.end_object(object_id, frame)

    # --- divisions -------------------------------------------------------------------------------------------------

    def _divide(self, frame: int, regions: dict[int, Region]) -> None:
        """Divide what fell in two pieces, and what became long and is found to be two."""
        median = self._median_area_px(regions.values())
        for object_id in self._found(regions):
            past, region = self._past(object_id, frame), regions[object_id]
            if frame - past.first_frame < rules.LEAST_AGE_TO_DIVIDE or not region.area_px:
                continue
            children = rules.children_in_pieces(region, median)
            if not children and rules.is_long(region, past, frame):
                halves = search(self._in_use, frame, region.ends(), sqrt(region.area_px / pi))
                children = rules.children_in_halves(region, halves, median)
            if children and (
                rules.are_too_large(children, past, frame)
                or self._took_one_in(object_id, frame)
                or rules.were_two(children, past, frame)
            ):
                self._come_apart(object_id, frame, children, regions)
            elif children:
                self._begin_before(object_id, frame, self._replace_by_children(object_id, frame, children, regions))

    def _free_children(self, frame: int, regions: dict[int, Region]) -> None:
        """Cut off a child that came out as part of the mask of a neighbour, which is larger than usual by it."""
        for parent, opposite in self._opposite_of_shrunk(frame, regions).items():
            past, sibling = self._past(parent, frame), regions[parent]
            there = sibling.moved_to(opposite)
            on_it = [i for i in self._found(regions) if i != parent and 2 * regions[i].shared_px(there) > there.area_px]
            if len(on_it) != 1 or frame not in self._state.objects[on_it[0]].tracked or not rules.has_brightened(past, frame):
                continue
            (neighbour,) = on_it
            known = self._measurements.of(neighbour, range(frame - contacts.FRAMES_BACK, frame))
            before = [one for one in known.values() if one.area_px]
            area = float(np.median([one.area_px for one in before[-contacts.FRAMES_OF_MOTION :]])) if before else 0.0
            if not contacts.is_on_two(regions[neighbour].area_px, [area, sibling.area_px]):
                continue
            grey = self._measurements.grey(frame)
            place = contacts.position_ahead([one.centroid_rc for one in before], 1)
            brightness = float(grey[sibling.window][sibling.pixels].mean())
            expected = [
                Expected(area, place, float(np.median([one.brightness for one in before]))),
                Expected(sibling.area_px, opposite, brightness),
            ]
            own, child = contacts.parted(regions[neighbour], expected, grey)
            if not rules.are_children([sibling, child], 0):
                continue
            self._cuts.replace_mask(neighbour, frame, own, self._state.objects[neighbour].tracked[frame])
            self._take_shown(neighbour, frame, regions)
            (object_id,) = self._add(frame, [child], regions)
            self._replace_by_children(parent, frame, [sibling], regions)
            self._parts.objects.mark_found(object_id, frame, parent)

    def _took_one_in(self, object_id: int, frame: int) -> bool:
        """Return whether another track ended beside a track just before: its object may still be there, in the mask of this one."""
        parents = {*self._state.lineage.values()}
        for other, info in self._state.infos.items():
            end = info.end_frame
            if other == object_id or other in parents or end is None or not frame - rules.FRAMES_AFTER_END < end <= frame:
                continue
            last, own = self._measurements.region(other, end - 1), self._measurements.region(object_id, end - 1)
            if last is not None and own is not None and last.touches(own):
                return True
        return False

    def _come_apart(self, object_id: int, frame: int, pieces: Sequence[Region], regions: dict[int, Region]) -> None:
        """Let a track that is on two objects, of which it took one in, go on as the piece that is like it; the other one is new."""
        if frame not in self._state.objects[object_id].tracked:
            return
        known = self._measurements.of(object_id, range(frame - contacts.FRAMES_BACK, frame))
        before = [one for one in known.values() if one.area_px]
        usual = self._past(object_id, frame).usual_area_px(frame)
        expected = Expected(usual, before[-1].centroid_rc, float(np.median([one.brightness for one in before])))
        own, other = sorted(pieces, key=lambda piece: contacts.misfit(piece, expected, self._measurements.grey(frame)))
        self._cuts.replace_mask(object_id, frame, own, self._state.objects[object_id].tracked[frame])
        self._take_shown(object_id, frame, regions)
        self._own_since[object_id] = frame
        self._add(frame, [other], regions)

    def _replace_by_children(self, object_id: int, frame: int, children: list[Region], regions: dict[int, Region]) -> list[int]:
        del regions[object_id]
        ids = self._parts.objects.divide_object(object_id, frame, len(children))
        for child, region in zip(ids, children, strict=True):
            self._parts.prompts.add_mask(child, frame, region.plane(self._in_use.frame_shape))
            self._parts.objects.mark_found(child)
            self._take_shown(child, frame, regions)
        return ids

    def _begin_before(self, parent: int, frame: int, children: Sequence[int]) -> None:
        """Let two children begin a frame earlier, if they are both there already: touching, they were one mask."""
        item, before = self._state.objects[parent], self._measurements.region(parent, frame - 1)
        if before is None or frame - 1 - item.info.first_frame < 1:
            return
        items = [self._state.objects[child] for child in children]
        records = self._parts.propagator.tracked(frame - 1, items, reverse=True)
        followed = [self._parts.region(record) for record in records]
        now = [self._measurements.region(child, frame) or before for child in children]
        if rules.has_divided_before(before, self._past(parent, frame - 1), now, followed, frame - 1):
            for child, record in zip(items, records, strict=True):
                child.tracked[frame - 1] = record
                self._parts.objects.mark_found(child.object_id, frame - 1)
            self._parts.objects.end_object(parent, frame - 1)

    def _take_shown(self, object_id: int, frame: int, regions: dict[int, Region]) -> None:
        record = self._state.objects[object_id].shown(frame)
        assert record is not None
        regions[object_id] = self._parts.region(record)
        self._measurements.take(object_id, frame, regions[object_id])

    # --- newcomers -------------------------------------------------------------------------------------------------

    def _add_newcomers(self, frame: int, regions: dict[int, Region]) -> None:
        is_empty = not any(region.area_px for region in regions.values())
        if is_empty or not any(info.is_found for info in self._state.infos.values()):
            if frame % FRAMES_BETWEEN_SEARCHES == 0:
                self._add_everything(frame, regions)
            return
        covered = np.zeros(self._in_use.frame_shape, bool)
        for region in regions.values():
            covered[region.window] |= region.pixels
        median = self._median_area_px(regions.values())
        points = likely_points(self._in_use.as_seen(frame), covered, sqrt(median / pi), MOST_POINTS)
        points += self._beside_shrunk(frame, regions, covered)
        found = search(self._in_use, frame, points, sqrt(median / pi)) if points else []
        new = [one.region for one in rules.newcomers(found, list(regions.values()), median) if self._is_wanted(one.region)]
        tracks = dict(regions)
        for object_id, region in self._add(frame, new, regions).items():
            first = self._follow_back(object_id, frame, region)
            if self._joins_sibling(object_id, first):
                continue
            if first == frame:
                self._look_for_parent(object_id, frame, region, tracks, regions)
            else:
                self._look_for_parent_before(object_id, first, regions)

    def _beside_shrunk(
        self, frame: int, regions: Mapping[int, Region], covered: npt.NDArray[np.bool_]
    ) -> list[tuple[float, float]]:
        """Where the other child is if a track goes on as one of two."""
        opposite = self._opposite_of_shrunk(frame, regions).values()
        return [(row, column) for row, column in opposite if not covered[round(row), round(column)]]

    def _opposite_of_shrunk(self, frame: int, regions: Mapping[int, Region]) -> dict[int, tuple[float, float]]:
        """Return for each track that may go on as one of two children what is opposite of it, seen from where it was."""
        points, limits = dict[int, tuple[float, float]](), self._in_use.frame_shape
        for object_id in self._found(regions):
            region, before = regions[object_id], self._measurements.region(object_id, frame - 1)
            if before is not None and region.area_px and rules.has_shrunk(region, self._past(object_id, frame), frame):
                row, column = np.subtract(np.multiply(2, before.centroid_rc), region.centroid_rc)
                if 0 <= row < limits[0] - 1 and 0 <= column < limits[1] - 1:
                    points[object_id] = float(row), float(column)
        return points

    def _add_everything(self, frame: int, regions: dict[int, Region]) -> None:
        in_use = self._in_use
        known = [region.plane(in_use.frame_shape) for region in regions.values()]
        masks = find_everything_there(in_use.model, in_use.precision, in_use.as_seen(frame), known, self._area_px, **self._options)
        self._add(frame, [Region.of_plane(mask) for mask in masks], regions)

    def _is_wanted(self, region: Region) -> bool:
        return self._area_px is None or self._area_px[0] <= region.area_px <= self._area_px[1]

    def _add(self, frame: int, new: list[Region], regions: dict[int, Region]) -> dict[int, Region]:
        """Add an object for each region; return these by id."""
        if not new:
            return {}
        ids = self._parts.prompts.add_found(frame, [region.plane(self._in_use.frame_shape) for region in new])
        for object_id in ids:
            self._parts.objects.mark_found(object_id, frame)
            self._take_shown(object_id, frame, regions)
        return dict(zip(ids, new, strict=True))

    def _follow_back(self, object_id: int, frame: int, region: Region) -> int:
        """Follow a newcomer to the frames before, as far as it is free there; return the first frame that it is on."""
        item, first = self._state.objects[object_id], frame
        while first > max(0, frame - FRAMES_BACK):
            (record,) = self._parts.propagator.tracked(first - 1, [item], reverse=True)
            there = self._parts.region(record)
            others = [self._parts.region(shown) for other in self._live(first - 1) if (shown := other.shown(first - 1)) is not None]
            covered = sum(there.shared_px(other) for other in others)
            low, high = (factor * region.area_px for factor in AREA_GOING_BACK)
            if not low <= there.area_px <= high or covered > rules.MAX_COVERED * there.area_px:
                break
            first -= 1
            item.tracked[first] = record
            self._parts.objects.mark_found(object_id, first)
        for earlier in range(first, frame - 1):
            self._edges.place(earlier, [object_id], among=[*self._state.infos])
        return first

    def _joins_sibling(self, object_id: int, first: int) -> bool:
        """Let a newcomer be the other child where a parent has only one: it was lost after the division, and is found again."""
        lineage, region = self._state.lineage, self._measurements.region(object_id, first)
        parents = list(lineage.values())
        for child, parent in lineage.items():
            began = self._state.infos[child].first_frame
            if parents.count(parent) > 1 or not began <= first <= began + rules.FRAMES_TO_END:
                continue
            sibling, last = self._measurements.region(child, first), self._measurements.region(parent, began - 1)
            if region is not None and sibling is not None and last is not None and rules.are_siblings(region, sibling, last):
                self._parts.objects.mark_found(object_id, first, parent)
                return True
        return False

    def _look_for_parent(
        self, object_id: int, frame: int, region: Region, tracks: dict[int, Region], regions: dict[int, Region]
    ) -> None:
        candidates = [(i, self._past(i, frame), tracks[i]) for i in self._found(tracks) if i in regions]
        parent = rules.parent_of(region, candidates, frame)
        if parent is not None and rules.were_two([region, tracks[parent]], self._past(parent, frame), frame):
            self._own_since[parent] = frame
        elif parent is not None:
            self._replace_by_children(parent, frame, [tracks[parent]], regions)
            self._parts.objects.mark_found(object_id, frame, parent)

    def _look_for_parent_before(self, object_id: int, first: int, regions: dict[int, Region]) -> None:
        """Find the parent of a newcomer that was there some frames earlier: a track that goes on as one of two children."""
        region = self._measurements.region(object_id, first)
        alive = [i for i in self._found(regions) if i != object_id and self._state.infos[i].first_frame < first]
        there = {i: one for i in alive if (one := self._measurements.region(i, first)) is not None}
        candidates = [(i, self._past_at(i, first), one) for i, one in there.items()]
        parent = None if region is None else rules.parent_of(region, candidates, first)
        if (
            parent is not None
            and region is not None
            and rules.were_two([region, there[parent]], self._past_at(parent, first), first)
        ):
            self._own_since[parent] = first
        elif parent is not None:
            child = self._parts.objects.split_object(parent, first, f"{self._state.objects[parent].name}.1")
            for child_id in (child, object_id):
                self._parts.objects.mark_found(child_id, first, parent)
            regions[child] = regions.pop(parent)
            self._measurements.go_on_as(parent, child, first)


def _past_of(first_frame: int, measured: Mapping[int, Measured]) -> rules.Past:
    return rules.Past(
        first_frame,
        {t: one.area_px for t, one in measured.items()},
        {t: one.elongation for t, one in measured.items()},
        {t: one.brightness for t, one in measured.items()},
    )
