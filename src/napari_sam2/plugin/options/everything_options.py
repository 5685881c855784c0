"""How everything on a frame is found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class EverythingOptions:
    """How everything on a frame is found; 0 leaves an option to the model.

    Attributes
    ----------
    points_per_side : int
        Clicks along each side of the frame: more find smaller objects, and take longer.
    least_area_px, largest_area_px : int
        Areas of objects in data pixels; by default up to half of the frame.
    least_iou : float
        Predicted IoU below which a mask is left out, 0 .. 1.
    least_stability : float
        Stability below which a mask is left out, 0 .. 1: how little it changes with the threshold.
    """

    points_per_side: int = 32
    least_area_px: int = 0
    largest_area_px: int = 0
    least_iou: float = 0.0
    least_stability: float = 0.0

    def arguments(self, frame_shape: tuple[int, int]) -> dict[str, Any]:
        """Return them as a session takes them: arguments of ``segment_everything``, on frames of a shape (H, W)."""
        found: dict[str, Any] = {"points_per_side": self.points_per_side}
        if (bounds := area_bounds(self.least_area_px, self.largest_area_px, frame_shape)) is not None:
            found["area_px"] = bounds
        if self.least_iou:
            found["pred_iou_thresh"] = self.least_iou
        if self.least_stability:
            found["stability_score_thresh"] = self.least_stability
        return found


def area_bounds(least_px: int, largest_px: int, frame_shape: tuple[int, int]) -> tuple[int, int] | None:
    """Return areas as a session takes them, on frames of a shape (H, W): 0 is any, up to half of the frame; None if both are."""
    if not (least_px or largest_px):
        return None
    return max(1, least_px), largest_px or frame_shape[0] * frame_shape[1] // 2
