"""What is measured of objects on frames, on the latest ones once; H, W height and width of a frame."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from napari_sam2.session.inference.model_in_use import ModelInUse
from napari_sam2.session.state.session_state import SessionState
from napari_sam2.session.tracking.regions import Region


class Measured(NamedTuple):
    """What is measured of an object on a frame; the last two where it is present."""

    area_px: int
    elongation: float
    centroid_rc: tuple[float, float] = (0.0, 0.0)
    brightness: float = 0.0


class Measurements:
    """Measures objects on frames, each mask once.

    Parameters
    ----------
    state : SessionState
        Has the objects.
    in_use : ModelInUse
        Has the frames.
    """

    def __init__(self, state: SessionState, in_use: ModelInUse) -> None:
        self._state, self._in_use = state, in_use
        self._known: dict[int, dict[int, Measured]] = {}
        self._seen: tuple[int, npt.NDArray[np.float32]] | None = None

    def region(self, object_id: int, frame: int) -> Region | None:
        """Return the mask of an object on a frame; None where there is none."""
        record = self._state.objects[object_id].shown(frame) if frame >= 0 else None
        region = None if record is None else Region.of_present(record, self._in_use.frame_shape)
        return region if region is not None and region.area_px else None

    def grey(self, frame: int) -> npt.NDArray[np.float32]:
        """Return a frame as it is seen, (H, W); that of the last call is kept, as each object of a frame is measured on it."""
        if self._seen is None or self._seen[0] != frame:
            image = self._in_use.as_seen(frame).astype(np.float32)
            self._seen = frame, image if image.ndim == 2 else image.mean(2)
        return self._seen[1]

    def take(self, object_id: int, frame: int, region: Region) -> None:
        """Measure the mask of an object on a frame, also if another one was measured there."""
        known = self._known.setdefault(object_id, {})
        if not region.area_px:
            known[frame] = Measured(0, 1.0)
            return
        brightness = float(self.grey(frame)[region.window][region.pixels].mean())
        known[frame] = Measured(region.area_px, region.elongation, region.centroid_rc, brightness)

    def of(self, object_id: int, frames: Iterable[int]) -> dict[int, Measured]:
        """Return what is measured of an object on those of some frames that it has a mask on, in their order."""
        item, known = self._state.objects[object_id], self._known.setdefault(object_id, {})
        frames = list(frames)
        for frame in frames:
            if frame not in known and (record := item.shown(frame)) is not None:
                self.take(object_id, frame, Region.of_present(record, self._in_use.frame_shape))
        return {frame: known[frame] for frame in frames if frame in known}

    def forget_before(self, object_id: int, frame: int) -> None:
        """Forget what was measured of an object on earlier frames."""
        known = self._known.setdefault(object_id, {})
        for earlier in [t for t in known if t < frame]:
            del known[earlier]

    def go_on_as(self, object_id: int, later_id: int, frame: int) -> None:
        """Let what was measured of an object from a frame on be of a later object."""
        known = self._known.get(object_id, {})
        self._known[later_id] = {t: one for t, one in known.items() if t >= frame}
