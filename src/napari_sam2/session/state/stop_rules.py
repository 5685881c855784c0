"""Where an object is not propagated any further."""

from __future__ import annotations

from dataclasses import dataclass

from napari_sam2.checks import check_bounds, check_flag, check_whole


@dataclass(frozen=True)
class StopRules:
    """Where an object is not propagated any further: after a frame on which one of these holds, up to the next anchor.

    The frame itself is kept. Nothing is shown of the object on those after it, unless it was tracked there before and nothing has
    changed since.

    Attributes
    ----------
    max_absent_frames : int, optional
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

    max_absent_frames: int | None = None
    area_px: tuple[float, float] | None = None
    at_border: bool = False

    def __post_init__(self) -> None:
        if self.max_absent_frames is not None and check_whole("max_absent_frames", self.max_absent_frames) < 1:
            raise ValueError(f"max_absent_frames is one frame or more, got {self.max_absent_frames}")
        if self.area_px is not None:
            object.__setattr__(self, "area_px", check_bounds("area_px", self.area_px))
        check_flag("at_border", self.at_border)
