"""Measurements of each object on each frame, brought up to date on the worker where the session changes. F frames of the stack."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_sam2.plugin.reports.reports import FramesMeasured, RecordKind
from napari_sam2.session.review.track_measurements import ReviewReason, TrackMeasurements

if TYPE_CHECKING:
    from napari_sam2.session.review.footprint import Footprint
    from napari_sam2.session.review.meetings import Seen
    from napari_sam2.session.review.overlapping import Box, Overlap
    from napari_sam2.session.session import Session
    from napari_sam2.session.state.objects import SessionObject


class FrameMeasurements:
    """Measures the objects of a session.

    A record is measured when it has just been made, while it is in memory, and never again: of a long stack, records lie on disk.
    Only where the box of an object meets that of one that changed is its mask read again, for their overlap.

    Parameters
    ----------
    session : Session
        Read in the thread that changes it, and only there.
    """

    def __init__(self, session: Session) -> None:
        self._state = session.state
        self._num_frames = len(session.stack)
        self._frame_shape = (session.stack.height, session.stack.width)
        self._of: dict[int, _ObjectMeasurements] = {}
        self._overlaps: dict[int, list[Overlap]] = {}
        self._meetings: dict[int, dict[int, ReviewReason]] = {}
        self._waiting: dict[int, set[int]] = {}
        # the console's thread measures what it did, while the worker takes what is ready
        self._lock = threading.Lock()

    def measure_all(self) -> None:
        """Measure everything."""
        self.measure((object_id, frame) for object_id, item in self._state.objects.items() for frame in item.shown_frames())

    def first_look(self) -> FramesMeasured | None:
        """Return on which frames objects are, as far as that is known without reading a mask; None if there is no object."""
        keys, kinds, is_there = list[tuple[int, int]](), list[int](), list[bool]()
        for object_id, item in sorted(self._state.objects.items()):
            for frame in sorted(item.shown_frames()):
                mapping = next(mapping for mapping in item.record_mappings if frame in mapping)
                keys.append((object_id, frame))
                kinds.append(RecordKind.STALE if mapping is item.stale else RecordKind.CURRENT)
                is_there.append(mapping.header(frame).object_score > 0)
        if not keys:
            return None
        ids, frames = np.array(keys, np.int32).T
        return FramesMeasured(
            ids.copy(),
            frames.copy(),
            np.array(kinds, np.uint8),
            np.array(is_there, np.float32),  # one pixel or none
            np.zeros(len(keys), np.float32),
            np.zeros(len(keys), np.uint16),
            np.zeros(len(keys), np.int32),
            np.full((len(keys), 2), np.nan, np.float32),
        )

    def measure(self, keys: Iterable[tuple[int, int]]) -> None:
        """Measure objects on frames, by pairs of both, where their shown records changed.

        Raises
        ------
        OSError
            If a record cannot be read back from disk.
        """
        by_frame: dict[int, set[int]] = {}
        for object_id, frame in keys:
            by_frame.setdefault(frame, set()).add(object_id)
        with self._lock:
            for object_id in set[int]().union(*by_frame.values()) - self._state.objects.keys():
                self._of.pop(object_id, None)
                self._waiting.pop(object_id, None)
            for frame in sorted(by_frame):
                self._measure_frame(frame, by_frame[frame])
            for later in {t for frame in by_frame for t in (frame, frame + 1) if 0 < t < self._num_frames}:
                self._find_meetings(later)

    def _measure_frame(self, frame: int, object_ids: set[int]) -> None:
        footprints: dict[int, Footprint] = {}
        for object_id in sorted(object_ids & self._state.objects.keys()):
            measured = self._of.setdefault(object_id, _ObjectMeasurements(self._num_frames))
            footprint = measured.measure(self._state.objects[object_id], frame, self._frame_shape)
            if footprint is not None:
                footprints[object_id] = footprint
            # how far an object jumps to a frame depends on its neighbours
            near = (other for other in (frame - 1, frame, frame + 1) if 0 <= other < self._num_frames)
            self._waiting.setdefault(object_id, set()).update(near)
        self._find_overlaps(frame, object_ids, footprints)

    def _find_meetings(self, frame: int) -> None:
        """Find the objects that may have taken in another one since the frame before, or exchanged their tracks."""
        from napari_sam2.session.review.meetings import fusions, swaps

        earlier, there = self._seen(frame - 1), self._seen(frame)
        before, found = self._meetings.pop(frame, {}), dict[int, ReviewReason]()
        for reason, ids in ((ReviewReason.FUSION, fusions(earlier, there)), (ReviewReason.SWAP, swaps(earlier, there))):
            found |= {object_id: found.get(object_id, ReviewReason(0)) | reason for object_id in ids}
        if found:
            self._meetings[frame] = found
        for object_id in (before.keys() | found.keys()) & self._of.keys():
            if before.get(object_id) != found.get(object_id):
                self._waiting.setdefault(object_id, set()).add(frame)

    def _seen(self, frame: int) -> dict[int, Seen]:
        """Where objects are on a frame, by id."""
        from napari_sam2.session.review.meetings import Seen

        seen = {}
        for object_id, measured in self._of.items():
            if (box := measured.boxes.get(frame)) is not None:
                row, column = measured.track.centroids_rc[frame].tolist()
                seen[object_id] = Seen(float(measured.track.areas_px[frame]), (row, column), box)
        return seen

    def _find_overlaps(self, frame: int, object_ids: set[int], footprints: dict[int, Footprint]) -> None:
        from napari_sam2.session.review.footprint import Footprint
        from napari_sam2.session.review.overlapping import overlaps

        def footprint_of(object_id: int) -> Footprint:
            if object_id not in footprints:
                record = self._state.objects[object_id].shown(frame)
                assert record is not None, "it has a box there"
                footprints[object_id] = Footprint.of(record, self._frame_shape)
            return footprints[object_id]

        boxes = {object_id: box for object_id, measured in self._of.items() if (box := measured.boxes.get(frame)) is not None}
        before = self._overlaps.pop(frame, [])
        kept = [one for one in before if not object_ids & {one.object_id, one.other_id}]
        found = kept + overlaps(object_ids, boxes, footprint_of)
        if found:
            self._overlaps[frame] = found
        for one in {*before, *found} - set(kept):
            for object_id in {one.object_id, one.other_id} & self._of.keys():
                self._waiting.setdefault(object_id, set()).add(frame)

    def take(self) -> FramesMeasured | None:
        """Return what was measured since the last time; None if there is nothing."""
        with self._lock:
            waiting, self._waiting = self._waiting, {}
            parts = [self._part(object_id, frames) for object_id, frames in waiting.items()]
        if not parts:
            return None
        columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
        for column in columns:
            column.flags.writeable = False
        return FramesMeasured(*columns)

    def _part(self, object_id: int, waiting: set[int]) -> tuple[npt.NDArray[np.generic], ...]:
        """Columns of one object: of the frames that wait, and of those that have other reasons by what was found elsewhere."""
        measured = self._of[object_id]
        track = measured.track
        where, part = track.around(min(waiting), max(waiting))
        uncertainties, reasons = part.assess()
        # of the outermost frames it is incomplete, and known from before
        inner = slice(int(where.start > 0), len(reasons) - int(where.stop < self._num_frames))
        known = measured.reasons[where][inner]
        changed = where.start + inner.start + np.flatnonzero(reasons[inner] != known)
        known[:] = reasons[inner]
        frames = np.union1d(np.array(sorted(waiting), np.int32), changed).astype(np.int32)
        reasons_there, others = measured.reasons[frames], np.zeros(len(frames), np.int32)
        for index, frame in enumerate(frames.tolist()) if self._overlaps or self._meetings else ():
            for one in self._overlaps.get(frame, ()):
                # of one that a person has seen, it is the other that is on its cell
                seen = one.object_id in self._of and self._of[one.object_id].track.is_anchor[frame]
                mine, other = (one.other_id, one.object_id) if seen else (one.object_id, one.other_id)
                if mine == object_id and not track.is_anchor[frame]:
                    reasons_there[index] |= np.uint16(ReviewReason.OVERLAP)
                    others[index] = other
            if not track.is_anchor[frame]:
                reasons_there[index] |= np.uint16(self._meetings.get(frame, {}).get(object_id, ReviewReason(0)))
        ids = np.full(len(frames), object_id, np.int32)
        values = measured.kinds[frames], track.areas_px[frames], uncertainties[frames - where.start]
        return ids, frames, *values, reasons_there, others, track.centroids_rc[frames]


class _ObjectMeasurements:
    """The measurements of one object.

    Attributes
    ----------
    kinds : ndarray
        (F,), of :class:`RecordKind`.
    track : TrackMeasurements
        The rest.
    boxes : dict
        By frame on which it is, see :attr:`~napari_sam2.session.review.footprint.Footprint.box_rc`.
    reasons : ndarray
        (F,), as they were reported last.
    """

    def __init__(self, num_frames: int) -> None:
        self.kinds = np.zeros(num_frames, np.uint8)
        self.track = TrackMeasurements(num_frames)
        self.boxes: dict[int, Box] = {}
        self.reasons = np.zeros(num_frames, np.uint16)

    def measure(self, item: SessionObject, frame: int, frame_shape: tuple[int, int]) -> Footprint | None:
        """Measure the shown record of a frame, and return its mask; None where the object is not."""
        from napari_sam2.session.review.footprint import Footprint  # imported late, as everything that needs scipy or torch

        self.boxes.pop(frame, None)
        record = item.shown(frame)
        if record is None:
            self.kinds[frame] = RecordKind.NONE
            self.track.discard(frame)
            return None
        is_stale = not any(frame in mapping for mapping in item.record_mappings if mapping is not item.stale)
        self.kinds[frame] = RecordKind.STALE if is_stale else RecordKind.CURRENT
        footprint = Footprint.of(record, frame_shape)
        self.track.set(
            frame,
            record.object_score,
            record.predicted_iou,
            footprint.area_px,
            footprint.centroid_rc,
            footprint.touches_border,
            footprint.second_piece,
            frame in item.memory.conditioning,
        )
        if not footprint.mask.size:
            return None
        self.boxes[frame] = footprint.box_rc
        return footprint
