"""The quality of masks, to review the most uncertain ones first: scores, areas and jumps of each object on each frame.

h, w mask size · N frames.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_sam2.predictors.memory_bank import FrameRecord
from napari_sam2.predictors.zoom import View, whole_view

if TYPE_CHECKING:
    from napari_sam2.session.state.objects import SessionObject


@dataclass(frozen=True)
class Extent:
    """Where an object is on a frame, measured on the mask of the model, which is coarser or finer than the data.

    Attributes
    ----------
    area_px : float
        In pixels of the data, 0 where it is absent.
    centroid_rc : tuple of float or None
        Row and column in the data.
    touches_border : bool
        The mask reaches an edge of the frame.
    """

    area_px: float
    centroid_rc: tuple[float, float] | None
    touches_border: bool

    @classmethod
    def of(cls, record: FrameRecord, frame_shape: tuple[int, int]) -> Extent:
        """Measure a record."""
        mask = (record.mask_logits > 0).cpu().numpy()
        rows, columns = mask.sum(1), mask.sum(0)
        count = int(rows.sum())
        if count == 0:
            return cls(0.0, None, False)
        view = record.view or whole_view(frame_shape)
        scale_row, scale_col = view.height / mask.shape[0], view.width / mask.shape[1]
        row = (np.dot(rows, np.arange(len(rows))) / count + 0.5) * scale_row + view.row - 0.5
        column = (np.dot(columns, np.arange(len(columns))) / count + 0.5) * scale_col + view.column - 0.5
        return cls(count * scale_row * scale_col, (float(row), float(column)), _touches(view, frame_shape, rows, columns))


def _touches(view: View, frame_shape: tuple[int, int], rows: np.ndarray, columns: np.ndarray) -> bool:
    """Return whether a mask, by its pixels in each row and column, reaches an edge of the frame and not only of its window."""
    low = (view.row == 0 and rows[0]) or (view.column == 0 and columns[0])
    high = (view.row + view.height == frame_shape[0] and rows[-1]) or (view.column + view.width == frame_shape[1] and columns[-1])
    return bool(low or high)


@dataclass(frozen=True)
class FrameQuality:
    """Scores and measurements of an object on a frame.

    Attributes
    ----------
    object_score : float
        Logit, above 0 where the object is on the frame.
    predicted_iou : float
        The IoU of the mask with the true one as the model predicts it, 0 .. 1.
    area_px : float
        Area in pixels of the data.
    centroid_rc : tuple of float or None
        Row and column in pixels of the data, pixel centres at integers; None where it is absent.
    jump : float
        Its change against the frames before and after, the larger of the two, 0 or more: the logarithm of the ratio of areas, plus
        the distance of the centroids in diameters of the object; 1 where it appears or disappears, 0 where neither frame has a
        record.
    is_anchor : bool
        It has prompts, or was approved.
    """

    object_score: float
    predicted_iou: float
    area_px: float
    centroid_rc: tuple[float, float] | None
    jump: float
    is_anchor: bool

    @property
    def uncertainty(self) -> float:
        """How uncertain it is, 0 .. 3; 0 on anchors. See :func:`uncertainties`."""
        columns = (np.array([value]) for value in (self.object_score, self.predicted_iou, self.area_px, self.jump, self.is_anchor))
        return float(uncertainties(*columns)[0])


@dataclass(frozen=True)
class ReviewItem:
    """An object on a frame, and how uncertain it is, 0 .. 3; see :attr:`FrameQuality.uncertainty`."""

    object_id: int
    frame: int
    uncertainty: float


def uncertainties(
    object_scores: npt.NDArray[np.float64],
    predicted_ious: npt.NDArray[np.float64],
    areas_px: npt.NDArray[np.float64],
    jumps: npt.NDArray[np.float64],
    is_anchor: npt.NDArray[np.bool_],
) -> npt.NDArray[np.float64]:
    """Return how uncertain masks are.

    Parameters
    ----------
    object_scores, predicted_ious, areas_px, jumps, is_anchor : ndarray
        (N,), see :class:`FrameQuality`.

    Returns
    -------
    ndarray
        (N,), 0 .. 3; 0 on anchors. The sum of three: ``1 - predicted_iou`` where the object is present;
        ``2 / (1 + exp(|object_score|))``, which is 1 where present and absent are equally likely; and ``1 - exp(-jump)``.
    """
    bad_mask = np.where(areas_px > 0, 1 - predicted_ious.clip(0, 1), 0)
    unknown_presence = 2 / (1 + np.exp(np.abs(object_scores).clip(max=700)))
    return np.where(is_anchor, 0, bad_mask + unknown_presence + 1 - np.exp(-jumps))


def jumps_between(before: npt.NDArray[np.float64], after: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return how much an object changes from one frame to the next.

    Parameters
    ----------
    before, after : ndarray
        (N, 3), on each of N frames and on the frame after each: area in pixels, row and column of the centroid. Where the object is
        absent, the area is 0, and the others are of no account.

    Returns
    -------
    ndarray
        (N,), see :attr:`FrameQuality.jump`.
    """
    areas, areas_after = before[:, 0], after[:, 0]
    with np.errstate(divide="ignore", invalid="ignore"):
        diameters = 2 * np.sqrt((areas + areas_after) / 2 / np.pi)
        distances = np.hypot(*(before[:, 1:] - after[:, 1:]).T)
        jumps = np.abs(np.log(areas / areas_after)) + distances / diameters
    return np.where((areas > 0) & (areas_after > 0), jumps, (areas > 0) != (areas_after > 0))


def qualities(item: SessionObject, frame_shape: tuple[int, int]) -> dict[int, FrameQuality]:
    """Return the quality of an object by frame, in order, for all frames with a record."""
    frames = sorted(item.shown_frames())
    # One after another and only once: the records of a long stack lie on disk.
    records = ((frame, item.shown(frame)) for frame in frames)
    seen = {
        frame: (record.object_score, record.predicted_iou, Extent.of(record, frame_shape))
        for frame, record in records
        if record is not None
    }
    jumps = _jumps({frame: extent for frame, (_, _, extent) in seen.items()})
    return {
        frame: FrameQuality(
            object_score=score,
            predicted_iou=iou,
            area_px=extent.area_px,
            centroid_rc=extent.centroid_rc,
            jump=jumps[frame],
            is_anchor=frame in item.memory.conditioning,
        )
        for frame, (score, iou, extent) in seen.items()
    }


def _jumps(extents: dict[int, Extent]) -> dict[int, float]:
    """Return the larger jump of each frame by frame; 0 where neither neighbour is there."""
    frames = np.array(list(extents), np.int64)
    rows = np.array([(one.area_px, *(one.centroid_rc or (0.0, 0.0))) for one in extents.values()]).reshape(-1, 3)
    between = np.where(np.diff(frames) == 1, jumps_between(rows[:-1], rows[1:]), 0) if len(frames) else np.zeros(0)
    larger = np.maximum(np.append(between, 0), np.insert(between, 0, 0)) if len(frames) else between
    return dict(zip(extents, larger.tolist(), strict=True))
