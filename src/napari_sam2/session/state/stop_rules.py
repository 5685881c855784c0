"""Stop rules: where an object is not propagated any further."""

from __future__ import annotations

from dataclasses import dataclass

from napari_sam2.checks import check_bounds, check_flag, check_whole


@dataclass(frozen=True)
class StopRules:
    """Rules by which the propagation of an object stops after a frame, up to the next anchor.

    The frame itself is kept. The object has no masks on the frames after it, unless it was tracked there before and nothing has
    changed since.

    Attributes
    ----------
    max_absent_frames : int, optional
        Stop after so many tracked frames in a row from which the object is absent, 1 or more.
    area_px : tuple of float, optional
        Stop where its area in pixels of the data is below the first or above the second; not where it is absent.
    at_border : bool
        Stop where it touches the border of the frame.

    Raises
    ------
    ValueError
        If a number is out of range, the two areas are not in order, or ``at_border`` is neither True nor False.
    """

    max_absent_frames: int | None = None
    area_px: tuple[float, float] | None = None
    at_border: bool = False

    def __post_init__(self) -> None:
        if self.max_absent_frames is not None and check_whole("max_absent_frames", self.max_absent_frames) < 1:
            raise ValueError(f"max_absent_frames is one frame or more, got {self.max_absent_frames}")
        if self.area_px is not None:
            object.__setattr__(self, "area_px", check_bounds("area_px", self.area_px))
        check_flag("at_border", self.at_border)
