"""Which objects have ended during a propagation, by its stop rules."""

from __future__ import annotations

from napari_sam2.session.propagation.plan import Step
from napari_sam2.session.review.quality import Extent
from napari_sam2.session.state.objects import SessionObject
from napari_sam2.session.state.stop_rules import StopRules


class StoppedObjects:
    """The objects that have ended during a propagation.

    Parameters
    ----------
    rules : StopRules
        Where objects end.
    frame_shape : tuple of int
        Height and width of a frame.
    """

    def __init__(self, rules: StopRules, frame_shape: tuple[int, int]) -> None:
        self._rules = rules
        self._frame_shape = frame_shape
        self._stopped: dict[tuple[int, bool], int] = {}

    def update(self, item: SessionObject, step: Step) -> bool:
        """Return whether an object is skipped at a step; steps come in order."""
        key = item.object_id, step.reverse
        last = self._stopped.get(key)
        if last is not None:
            low, high = sorted((last, step.frame))
            if any(low < anchor < high for anchor in item.memory.conditioning):
                last = None
        if last is None and not self._ends(item, step.frame, step.reverse):
            self._stopped.pop(key, None)
            return False
        self._stopped[key] = step.frame
        return True

    def _ends(self, item: SessionObject, frame: int, reverse: bool) -> bool:
        """Return whether an object is not to be tracked to a frame, by its records of the frames behind.

        Parameters
        ----------
        item : SessionObject
            The object.
        frame : int
            The next frame.
        reverse : bool
            Tracking comes from the frame after it.

        Returns
        -------
        bool
            Never if the frame before, in the direction of tracking, was prompted, or not tracked.
        """
        back = 1 if reverse else -1
        before = frame + back
        if before in item.memory.conditioning or before not in item.memory.tracked:
            return False
        extent = Extent.of(item.memory.tracked[before], self._frame_shape)
        if extent.centroid_rc is None:
            return self._rules.max_absent_frames is not None and self._has_been_gone(item, before, back)
        is_in_bounds = self._rules.area_px is None or self._rules.area_px[0] <= extent.area_px <= self._rules.area_px[1]
        return not is_in_bounds or (self._rules.at_border and extent.touches_border)

    def _has_been_gone(self, item: SessionObject, frame: int, back: int) -> bool:
        frames = range(frame, frame + back * (self._rules.max_absent_frames or 0), back)
        records = (None if t in item.memory.conditioning else item.memory.tracked.get(t) for t in frames)
        return all(record is not None and not (record.mask_logits > 0).any() for record in records)
