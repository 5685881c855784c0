"""What was measured of one object on all frames, how uncertain each of them is, and why it is to be reviewed. F frames."""

from __future__ import annotations

from enum import IntFlag

import numpy as np
import numpy.typing as npt

from napari_sam2.session.review.uncertainty import parts_of, steps_between

UNCERTAIN_ABOVE = 0.7
"""Of the sum of a bad mask, an unknown presence and a jump, 0 .. 3. An even chance of any one of them is uncertain."""
_LARGE_PART = 0.5
"""A part of that sum above this is a reason of its own."""
_SECOND_PIECE = 0.25
"""An object may have divided where its second largest piece has this share of it or more, ..."""
_CHILD_AREA = (0.3, 0.7)
"""... or its area is between these shares of what it was one frame before."""
_SCORE, _IOU, _AREA, _ROW, _COL, _SECOND = range(6)
_Triple = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]


class ReviewReason(IntFlag):
    """Why an object on a frame is to be reviewed; there may be several reasons."""

    DIVISION = 1
    OVERLAP = 2
    LEAVES = 4
    GAP = 8
    APPEARS = 16
    JUMP = 32
    SIZE = 64
    BAD_MASK = 128
    PRESENCE = 256
    FUSION = 512
    SWAP = 1024

    @property
    def description(self) -> str:
        """In plain words, the most telling first."""
        return " · ".join(text for reason, text in _DESCRIPTIONS.items() if reason in self)


_DESCRIPTIONS = {
    ReviewReason.DIVISION: "a division?",
    ReviewReason.FUSION: "took in another?",
    ReviewReason.SWAP: "exchanged with another?",
    ReviewReason.OVERLAP: "two objects on one cell",
    ReviewReason.LEAVES: "leaves?",
    ReviewReason.GAP: "absent, then back",
    ReviewReason.APPEARS: "appears or disappears",
    ReviewReason.JUMP: "a jump",
    ReviewReason.SIZE: "another size",
    ReviewReason.BAD_MASK: "a doubtful mask",
    ReviewReason.PRESENCE: "there or not?",
}


class TrackMeasurements:
    """Measurements of one object.

    Parameters
    ----------
    num_frames : int
        F.

    Attributes
    ----------
    is_measured : ndarray
        (F,), bool: there is a record.
    is_anchor : ndarray
        (F,), bool: it has prompts, or was approved; nobody needs to review it.
    touches_border : ndarray
        (F,), bool.
    areas_px : ndarray
        (F,), float64, 0 where the object is absent.
    centroids_rc : ndarray
        (F, 2), float64, not a number where it is absent.
    """

    def __init__(self, num_frames: int) -> None:
        self.is_measured = np.zeros(num_frames, np.bool_)
        self.is_anchor = np.zeros(num_frames, np.bool_)
        self.touches_border = np.zeros(num_frames, np.bool_)
        self._values = np.zeros((num_frames, 6))
        self._values[:, [_ROW, _COL]] = np.nan

    @property
    def areas_px(self) -> npt.NDArray[np.float64]:
        """Areas in pixels of the data."""
        return self._values[:, _AREA]

    @property
    def centroids_rc(self) -> npt.NDArray[np.float64]:
        """Rows and columns."""
        return self._values[:, _ROW : _COL + 1]

    def discard(self, frame: int) -> None:
        """Take note that there is no record of a frame."""
        self.is_measured[frame] = self.is_anchor[frame] = self.touches_border[frame] = False
        self._values[frame] = 0, 0, 0, np.nan, np.nan, 0

    def set(
        self,
        frame: int,
        object_score: float,
        predicted_iou: float,
        area_px: float = 0.0,
        centroid_rc: tuple[float, float] | None = None,
        touches_border: bool = False,
        second_piece: float = 0.0,
        is_anchor: bool = False,
    ) -> None:
        """Take over what was measured on a frame.

        Parameters
        ----------
        frame : int
            Which.
        object_score : float
            Logit, above 0 where the object is on the frame.
        predicted_iou : float
            0 .. 1.
        area_px : float
            In pixels of the data, 0 where it is absent.
        centroid_rc : tuple of float, optional
            Row and column; None where it is absent.
        touches_border : bool
            It reaches an edge of the frame.
        second_piece : float
            Share of its second largest piece, 0 .. 0.5.
        is_anchor : bool
            It has prompts there, or was approved.
        """
        row, col = (np.nan, np.nan) if centroid_rc is None else centroid_rc
        self.is_measured[frame], self.is_anchor[frame], self.touches_border[frame] = True, is_anchor, touches_border
        self._values[frame] = object_score, predicted_iou, area_px, row, col, second_piece

    # --- uncertainty -----------------------------------------------------------------------------------------------

    def uncertainties(self) -> npt.NDArray[np.float32]:
        """Uncertainties (F,), 0 .. 3, 0 on anchors: :attr:`~napari_sam2.session.review.quality.FrameQuality.uncertainty`."""
        return self.assess()[0]

    def reasons(self) -> npt.NDArray[np.uint16]:
        """Return why each frame is to be reviewed, (F,), of :class:`ReviewReason`; 0 where it is certain, or an anchor.

        A frame is uncertain above :data:`UNCERTAIN_ABOVE`; divisions, exits over the border, gaps, and where it appears or
        disappears within the frame are listed whatever their uncertainty. Overlaps with other objects are not known here.
        """
        return self.assess()[1]

    def assess(self) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.uint16]]:
        """Return uncertainties and reasons together, which takes half the time."""
        parts, steps = self._parts()
        total = parts[0] + parts[1] + parts[2]
        is_silent = ~self.is_measured | self.is_anchor
        uncertainties = total.astype(np.float32)
        uncertainties[is_silent] = 0
        reasons = self._reasons(parts, total > UNCERTAIN_ABOVE, steps)
        reasons[is_silent] = 0
        return uncertainties, reasons

    def around(self, first: int, last: int) -> tuple[slice, TrackMeasurements]:
        """Return the part of the track on which the reasons of frames may depend on those from a first to a last one.

        Returns
        -------
        where : slice
            The frames, which reach to the nearest ones on which it is present, and beyond these to the one before on which it is,
            and to the next frame; of these outermost ones, unless the track ends there, the assessment is incomplete.
        part : TrackMeasurements
            The measurements of these frames; they share memory.
        """
        num_frames = len(self.is_measured)
        is_on = self.areas_px > 0
        before, after = np.flatnonzero(is_on[:first]), np.flatnonzero(is_on[last + 1 :])
        # the one on which it is present last may end a gap, which begins after the one before that
        start = int(before[-2]) if len(before) > 1 else max((int(before[-1]) if len(before) else 0) - 1, 0)
        stop = min((last + 1 + int(after[0]) if len(after) else num_frames - 1) + 2, num_frames)
        where = slice(start, stop)
        part = TrackMeasurements.__new__(TrackMeasurements)
        part.is_measured, part.is_anchor = self.is_measured[where], self.is_anchor[where]
        part.touches_border, part._values = self.touches_border[where], self._values[where]
        return where, part

    def _parts(self) -> tuple[_Triple, _Triple]:
        """A bad mask, an unknown presence, a jump, each (F,), 0 .. 1; and the steps of which the jump is made, each (F,)."""
        values = self._values
        growth, distance, turns = self._steps()
        jumps = _larger_neighbour(growth + distance + turns)
        steps = _larger_neighbour(growth), _larger_neighbour(distance), _larger_neighbour(turns)
        return parts_of(values[:, _SCORE], values[:, _IOU], values[:, _AREA], jumps), steps

    def _steps(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Compare each frame with the next, (F - 1,): the logarithm of the ratio of areas, the distance in diameters, 1 for a turn.

        A turn is where it appears or disappears. All are 0 where one of the two frames has no record.
        """
        measured = self._values[:, [_AREA, _ROW, _COL]]
        is_compared = self.is_measured[:-1] & self.is_measured[1:]
        growth, distance, turns = (np.where(is_compared, step, 0) for step in steps_between(measured[:-1], measured[1:]))
        return growth, distance, turns

    # --- reasons ---------------------------------------------------------------------------------------------------

    def _reasons(self, parts: _Triple, is_uncertain: npt.NDArray[np.bool_], steps: _Triple) -> npt.NDArray[np.uint16]:
        """Return the reasons (F,), also of anchors."""
        jump, (growth, distance, turns) = parts[2], steps
        by_jump = np.full(len(jump), ReviewReason.SIZE, np.uint16)
        by_jump[distance >= growth] = ReviewReason.JUMP
        by_jump[turns > 0] = ReviewReason.APPEARS
        stacked = np.stack(parts)
        is_reason = (stacked > _LARGE_PART) | (stacked == stacked.max(0))
        reasons = np.zeros(len(jump), np.uint16)
        reasons[is_uncertain & is_reason[0]] |= np.uint16(ReviewReason.BAD_MASK)
        reasons[is_uncertain & is_reason[1]] |= np.uint16(ReviewReason.PRESENCE)
        reasons |= np.where(is_uncertain & is_reason[2], by_jump, np.uint16(0))
        gaps, returns = self._gaps()
        for where, reason in (
            (self._divides(), ReviewReason.DIVISION),
            (self._leaves(), ReviewReason.LEAVES),
            (gaps, ReviewReason.GAP),
            (self._appears() & ~returns, ReviewReason.APPEARS),
        ):
            reasons[where] |= np.uint16(reason)
        # of what has a name of its own, it is no news that it appears, disappears or has another size
        reasons[reasons & (ReviewReason.LEAVES | ReviewReason.GAP) > 0] &= ~np.uint16(ReviewReason.APPEARS)
        reasons[reasons & ReviewReason.DIVISION > 0] &= ~np.uint16(ReviewReason.SIZE)
        return reasons

    def _divides(self) -> npt.NDArray[np.bool_]:
        """Where it falls into two pieces, or its area becomes that of a child, as compared with the frame before."""
        areas, pieces = self.areas_px, self._values[:, _SECOND]
        found = pieces >= _SECOND_PIECE
        found[1:] &= ~(self.is_measured[:-1] & (pieces[:-1] >= _SECOND_PIECE))
        is_on_both = self.is_measured[:-1] & self.is_measured[1:] & (areas[:-1] > 0)
        ratios = areas[1:] / np.where(areas[:-1] > 0, areas[:-1], 1)
        found[1:] |= is_on_both & (ratios >= _CHILD_AREA[0]) & (ratios <= _CHILD_AREA[1])
        return found

    def _leaves(self) -> npt.NDArray[np.bool_]:
        """Where it is absent, and touched the border on the frame before."""
        found = np.zeros(len(self.is_measured), np.bool_)
        is_on = self.areas_px > 0
        found[1:] = self.is_measured[1:] & ~is_on[1:] & is_on[:-1] & self.touches_border[:-1]
        return found

    def _appears(self) -> npt.NDArray[np.bool_]:
        """Where it is not on the frame before, and not at the border; or was on it, and is not any more."""
        found, is_on = np.zeros(len(self.is_measured), np.bool_), self.areas_px > 0
        is_compared = self.is_measured[:-1] & self.is_measured[1:]
        found[1:] = is_compared & (is_on[:-1] != is_on[1:]) & ~self.touches_border[1:]
        return found

    def _gaps(self) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
        """The first frame of each gap, and the first one after it: it is present before and after, and absent in between."""
        is_on = self.is_measured & (self.areas_px > 0)
        starts, returns = np.zeros(len(is_on), np.bool_), np.zeros(len(is_on), np.bool_)
        frames = np.flatnonzero(is_on)
        before, after = frames[:-1][np.diff(frames) > 1], frames[1:][np.diff(frames) > 1]
        num_absent = np.cumsum(self.is_measured & ~is_on)
        is_gap: npt.NDArray[np.bool_] = num_absent[after] - num_absent[before] == after - before - 1
        starts[before[is_gap] + 1] = returns[after[is_gap]] = True
        return starts, returns


def _larger_neighbour(steps: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Of each of F frames, the larger of the steps (F - 1,) to it and from it."""
    padded = np.concatenate([[0.0], steps, [0.0]])
    return np.asarray(np.maximum(padded[:-1], padded[1:]))
