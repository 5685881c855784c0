"""Where an object is not followed any further."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_sam2.checks import check_bounds, check_flag, check_whole
from napari_sam2.session.quality import Extent

if TYPE_CHECKING:
    from napari_sam2.session.objects import SessionObject
    from napari_sam2.session.propagation import Step


@dataclass(frozen=True)
class StopRules:
    """Where an object is not followed any further: after a frame on which one of these holds, up to the next anchor.

    The frame itself is kept. Nothing is shown of the object on those after it, unless it was tracked there before and nothing has
    changed since.

    Attributes
    ----------
    gone_for : int, optional
        The object is absent from so many tracked frames in a row, 1 or more.
    area_px : tuple of float, optional
        Its area in pixels of the data is below the first or above the second; where it is absent, this does not hold.
    at_border : bool
        It touches the border of the frame.

    Raises
    ------
    ValueError
        If a number is out of range, the two areas are not in order, or ``at_border`` is neither True nor False.
    """

    gone_for: int | None = None
    area_px: tuple[float, float] | None = None
    at_border: bool = False

    def __post_init__(self) -> None:
        if self.gone_for is not None and check_whole("gone_for", self.gone_for) < 1:
            raise ValueError(f"an object is gone for one frame or more, got {self.gone_for}")
        if self.area_px is not None:
            object.__setattr__(self, "area_px", check_bounds("area_px", self.area_px))
        check_flag("at_border", self.at_border)

    def end(self, item: SessionObject, frame: int, reverse: bool, frame_shape: tuple[int, int]) -> bool:
        """Tell whether an object is not to be followed to a frame, by what is on those that tracking comes from.

        Parameters
        ----------
        item : SessionObject
            The object.
        frame : int
            The frame that would be next.
        reverse : bool
            Tracking comes from the frame after it.
        frame_shape : tuple of int
            Height and width of a frame.

        Returns
        -------
        bool
            Never if the frame before, in the direction of tracking, was prompted, or not tracked.
        """
        back = 1 if reverse else -1
        before = frame + back
        if before in item.memory.conditioning or before not in item.memory.tracked:
            return False
        extent = Extent.of(item.memory.tracked[before], frame_shape)
        if extent.centroid_rc is None:
            return self.gone_for is not None and self._has_been_gone(item, before, back)
        is_in_bounds = self.area_px is None or self.area_px[0] <= extent.area_px <= self.area_px[1]
        return not is_in_bounds or (self.at_border and extent.touches_border)

    def _has_been_gone(self, item: SessionObject, frame: int, back: int) -> bool:
        frames = range(frame, frame + back * (self.gone_for or 0), back)
        records = (None if t in item.memory.conditioning else item.memory.tracked.get(t) for t in frames)
        return all(record is not None and not bool((record.mask_logits > 0).any()) for record in records)


class StoppedObjects:
    """Which objects have come to their end during a propagation.

    Parameters
    ----------
    rules : StopRules
        Where they do.
    frame_shape : tuple of int
        Height and width of a frame.
    """

    def __init__(self, rules: StopRules, frame_shape: tuple[int, int]) -> None:
        self._rules = rules
        self._frame_shape = frame_shape
        self._stopped: dict[tuple[int, bool], int] = {}

    def update(self, item: SessionObject, step: Step) -> bool:
        """Tell whether an object is passed by at a step; steps come in order."""
        key = item.object_id, step.reverse
        last = self._stopped.get(key)
        if last is not None:
            low, high = sorted((last, step.frame))
            if any(low < anchor < high for anchor in item.memory.conditioning):
                last = None
        if last is None and not self._rules.end(item, step.frame, step.reverse, self._frame_shape):
            self._stopped.pop(key, None)
            return False
        self._stopped[key] = step.frame
        return True
