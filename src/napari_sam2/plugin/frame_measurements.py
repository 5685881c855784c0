"""Measurements of each object on each frame, brought up to date on the worker where the session changes. F frames of the stack."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_sam2.plugin.reports import FramesMeasured, RecordKind

if TYPE_CHECKING:
    from napari_sam2.predictors.memory_bank import FrameRecord
    from napari_sam2.session.session import Session
    from napari_sam2.session.state.objects import SessionObject

_SCORE, _IOU, _AREA, _ROW, _COL = range(5)


class FrameMeasurements:
    """Measures the objects of a session.

    A record is measured when it has just been made, while it is in memory, and never again: of a long stack, records lie on disk.

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
        self._waiting: dict[int, set[int]] = {}
        # the console's thread measures what it did, while the worker takes what is ready
        self._lock = threading.Lock()

    def measure_all(self) -> None:
        """Measure everything."""
        self.measure((object_id, frame) for object_id, item in self._state.objects.items() for frame in item.shown_frames())

    def measure(self, keys: Iterable[tuple[int, int]]) -> None:
        """Measure objects on frames, by pairs of both, where their shown records changed.

        Raises
        ------
        OSError
            If a record cannot be read back from disk.
        """
        changed: dict[int, set[int]] = {}
        for object_id, frame in keys:
            changed.setdefault(object_id, set()).add(frame)
        with self._lock:
            for object_id, frames in changed.items():
                self._measure_object(object_id, frames)

    def _measure_object(self, object_id: int, frames: set[int]) -> None:
        item = self._state.objects.get(object_id)
        if item is None:
            self._of.pop(object_id, None)
            self._waiting.pop(object_id, None)
            return
        measured = self._of.get(object_id)
        if measured is None:
            measured = self._of[object_id] = _ObjectMeasurements(self._num_frames)
        for frame in sorted(frames):
            measured.measure(item, frame, self._frame_shape)
        # how far an object jumps to a frame depends on its neighbours
        near = {other for frame in frames for other in (frame - 1, frame, frame + 1) if 0 <= other < self._num_frames}
        self._waiting.setdefault(object_id, set()).update(near)

    def take(self) -> FramesMeasured | None:
        """Return what was measured since the last time; None if there is nothing."""
        with self._lock:
            waiting = {object_id: np.array(sorted(frames), np.int32) for object_id, frames in self._waiting.items()}
            self._waiting.clear()
            if not waiting:
                return None
            parts = [
                (np.full(len(frames), object_id, np.int32), frames, *self._of[object_id].at(frames))
                for object_id, frames in waiting.items()
            ]
        columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
        for column in columns:
            column.flags.writeable = False
        return FramesMeasured(*columns)


class _ObjectMeasurements:
    """The measurements of one object.

    Attributes
    ----------
    kinds : ndarray
        (F,), of :class:`RecordKind`.
    is_anchor : ndarray
        (F,), bool.
    values : ndarray
        (F, 5), float64: object score, predicted IoU, area in pixels, row and column of the centroid; the latter are not a number
        where it is absent.
    """

    def __init__(self, num_frames: int) -> None:
        self.kinds = np.zeros(num_frames, np.uint8)
        self.is_anchor = np.zeros(num_frames, np.bool_)
        self.values = np.zeros((num_frames, 5))

    def measure(self, item: SessionObject, frame: int, frame_shape: tuple[int, int]) -> None:
        """Measure the shown record of a frame."""
        record = item.shown(frame)
        self.is_anchor[frame] = frame in item.memory.conditioning
        if record is None:
            self.kinds[frame], self.values[frame] = RecordKind.NONE, 0
            return
        is_stale = not any(frame in mapping for mapping in item.record_mappings if mapping is not item.stale)
        self.kinds[frame] = RecordKind.STALE if is_stale else RecordKind.CURRENT
        self.values[frame] = _values_of(record, frame_shape)

    def at(self, frames: npt.NDArray[np.int32]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Return kinds, areas and uncertainties of frames (N,), each (N,)."""
        return self.kinds[frames], self.values[frames, _AREA].astype(np.float32), self._uncertainties(frames)

    def _uncertainties(self, frames: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
        """Return the uncertainties (N,) of frames; 0 where there is no record."""
        from napari_sam2.session.review.quality import uncertainties  # imported late, as everything that needs torch

        values = self.values[frames]
        jumps = np.maximum(self._jumps_from(frames - 1), self._jumps_from(frames))
        found = uncertainties(values[:, _SCORE], values[:, _IOU], values[:, _AREA], jumps, self.is_anchor[frames])
        return np.where(self.kinds[frames] != RecordKind.NONE, found, 0).astype(np.float32)

    def _jumps_from(self, frames: npt.NDArray[np.int32]) -> npt.NDArray[np.float64]:
        """Measure the change (N,) from frames to those after them; 0 where either has no record."""
        from napari_sam2.session.review.quality import jumps_between

        last = len(self.kinds) - 1
        before, after = frames.clip(0, last), (frames + 1).clip(0, last)
        jumps = jumps_between(self.values[before, _AREA:], self.values[after, _AREA:])
        is_compared = (before != after) & (self.kinds[before] != RecordKind.NONE) & (self.kinds[after] != RecordKind.NONE)
        return np.where(is_compared, jumps, 0)


def _values_of(record: FrameRecord, frame_shape: tuple[int, int]) -> tuple[float, ...]:
    from napari_sam2.session.review.quality import Extent  # imported late, as everything that needs torch

    extent = Extent.of(record, frame_shape)
    row, col = (np.nan, np.nan) if extent.centroid_rc is None else extent.centroid_rc
    return record.object_score, record.predicted_iou, extent.area_px, row, col
