"""The quality of masks, to review the most uncertain ones first: scores, areas and jumps of each object on each frame.

h, w mask size · N frames.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from napari_sam2.predictors.memory_bank import FrameRecord
from napari_sam2.session.review.footprint import Footprint
from napari_sam2.session.review.uncertainty import jumps_between, uncertainties

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
        return cls.of_footprint(Footprint.of(record, frame_shape))

    @classmethod
    def of_footprint(cls, footprint: Footprint) -> Extent:
        """Measure the mask of a record."""
        return cls(footprint.area_px, footprint.centroid_rc, footprint.touches_border)


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
        """How uncertain it is, 0 .. 3; 0 on anchors. See :func:`~napari_sam2.session.review.uncertainty.uncertainties`."""
        columns = (np.array([value]) for value in (self.object_score, self.predicted_iou, self.area_px, self.jump, self.is_anchor))
        return float(uncertainties(*columns)[0])


class MaskOnFrame(NamedTuple):
    """What the scores of an object on a frame are, and where it is."""

    object_score: float
    predicted_iou: float
    footprint: Footprint


def masks_of(item: SessionObject, frame_shape: tuple[int, int]) -> dict[int, MaskOnFrame]:
    """Return the masks of an object by frame, in order, for all frames with a record."""
    # One after another and only once: the records of a long stack lie on disk.
    records = ((frame, item.shown(frame)) for frame in sorted(item.shown_frames()))
    return {
        frame: MaskOnFrame(record.object_score, record.predicted_iou, Footprint.of(record, frame_shape))
        for frame, record in records
        if record is not None
    }


def qualities(item: SessionObject, masks: Mapping[int, MaskOnFrame]) -> dict[int, FrameQuality]:
    """Return the quality of an object by frame, from all of its masks, in order."""
    extents = {frame: Extent.of_footprint(mask.footprint) for frame, mask in masks.items()}
    jumps = _jumps(extents)
    return {
        frame: FrameQuality(
            object_score=masks[frame].object_score,
            predicted_iou=masks[frame].predicted_iou,
            area_px=extent.area_px,
            centroid_rc=extent.centroid_rc,
            jump=jumps[frame],
            is_anchor=frame in item.memory.conditioning,
        )
        for frame, extent in extents.items()
    }


def _jumps(extents: dict[int, Extent]) -> dict[int, float]:
    """Return the larger jump of each frame by frame; 0 where neither neighbour is there."""
    frames = np.array(list(extents), np.int64)
    rows = np.array([(one.area_px, *(one.centroid_rc or (0.0, 0.0))) for one in extents.values()]).reshape(-1, 3)
    between = np.where(np.diff(frames) == 1, jumps_between(rows[:-1], rows[1:]), 0) if len(frames) else np.zeros(0)
    larger = np.maximum(np.append(between, 0), np.insert(between, 0, 0)) if len(frames) else between
    return dict(zip(extents, larger.tolist(), strict=True))
