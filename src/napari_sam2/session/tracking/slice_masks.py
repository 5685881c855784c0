"""What is done to a mask that was tracked from slice to slice of a volume: it stays what the object looked like, and was.

The mask of a small model grows into a neighbour, or jumps to one. Three things are known of an object that the network uses too
little: what it looks like on the slice on which it was prompted, its shape on the slice before, and that its sections mostly become
smaller. h, w size of a mask.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import ndimage as ndi

from napari_sam2.predictors.logits import Logits, rounded
from napari_sam2.predictors.memory_bank import FrameRecord
from napari_sam2.predictors.zoom import View
from napari_sam2.session.inference.model_in_use import ModelInUse
from napari_sam2.session.inference.recall_policy import anchors_to_recall, neighbouring_anchors
from napari_sam2.session.inference.shape_interpolation import MAX_LOGIT, with_shape_of
from napari_sam2.session.state.objects import SessionObject
from napari_sam2.session.tracking.appearance import Appearance
from napari_sam2.session.tracking.regions import Region

APPEARANCE_WEIGHT = 1.3
LOGIT_BIAS = -0.3
"""Added to all logits: objects are mostly prompted where they are largest, and their masks must become smaller from there; those of
the network do not."""
SHAPE_WEIGHT = 1.0
SMOOTHING_PX = 0.7
MARGIN_PX = 3
"""What is smoothed reaches so far beyond a window, as the filter does."""


@dataclass(frozen=True, eq=False)
class _Learnt:
    """An appearance, and the slice and the mask from which it was learnt."""

    anchor: int
    view: View | None
    mask_logits: Logits
    appearance: Appearance | None

    def is_of(self, anchor: int, record: FrameRecord) -> bool:
        is_same_mask = np.array_equal(record.mask_logits, self.mask_logits)
        return (anchor, record.view) == (self.anchor, self.view) and is_same_mask


class SliceMasks:
    """Corrects the masks of objects that were tracked through a volume by their appearance and their shape.

    Parameters
    ----------
    in_use : ModelInUse
        Has the slices.
    """

    def __init__(self, in_use: ModelInUse) -> None:
        self._in_use = in_use
        self._learnt: dict[int, _Learnt] = {}

    def corrected(self, frame: int, item: SessionObject, reverse: bool) -> FrameRecord:
        """Return the record of an object that was just tracked to a slice, with its mask corrected, to be remembered like that.

        Parameters
        ----------
        frame : int
            The slice.
        item : SessionObject
            The object.
        reverse : bool
            It was tracked towards slice 0.
        """
        record = item.tracked[frame]
        if not (record.is_present and (record.mask_logits > 0).any()):
            return record
        tracked = np.clip(record.mask_logits, -MAX_LOGIT, MAX_LOGIT)
        logits: npt.NDArray[np.floating] = tracked + LOGIT_BIAS
        appearance = self._appearance(frame, item)
        if appearance is not None:
            logits = logits + APPEARANCE_WEIGHT * self._seen_as(appearance, frame, record)
        if not (logits > 0).any():
            logits = tracked  # whether an object is on a slice, the network decides
        found = replace(record, mask_logits=rounded(logits.astype(np.float32)), memory=None, remembered=None)
        if None not in neighbouring_anchors(frame, item.conditioning):
            return found  # it follows the shape that is interpolated between both
        before = item.memory.get(frame + 1 if reverse else frame - 1)
        return found if before is None else with_shape_of(before, found, SHAPE_WEIGHT, self._in_use.whole)

    def _seen_as(self, appearance: Appearance, frame: int, record: FrameRecord) -> npt.NDArray[np.float64]:
        """Return how much each cell of a mask looks like an object, (h, w)."""
        view, shape = record.view or self._in_use.whole, record.mask_logits.shape
        pixels = appearance.logits(self._smoothed(frame, view))
        at = [(np.arange(cells) + 0.5) * side / cells - 0.5 for cells, side in zip(shape, pixels.shape, strict=True)]
        seen: npt.NDArray[np.float64] = ndi.map_coordinates(pixels, np.meshgrid(*at, indexing="ij"), order=1, mode="nearest")
        return seen

    def _appearance(self, frame: int, item: SessionObject) -> Appearance | None:
        """What the object looks like on the nearest of the anchors next to a slice; of two as near, on the one before it."""
        anchor = min(anchors_to_recall(frame, item.conditioning), key=lambda one: abs(one - frame))
        record, known = item.conditioning[anchor], self._learnt.get(item.object_id)
        if known is None or not known.is_of(anchor, record):
            view = record.view or self._in_use.whole
            mask = Region.of_present(record, self._in_use.frame_shape).plane(self._in_use.frame_shape)[view.window]
            known = _Learnt(anchor, record.view, record.mask_logits, Appearance.of(self._smoothed(anchor, view), mask))
            self._learnt[item.object_id] = known
        return known.appearance

    def _smoothed(self, frame: int, view: View) -> npt.NDArray[np.float32]:
        """Read a window of a slice, with intensities from 0 to 1 and less noise."""
        rows, columns = (
            slice(max(0, part.start - MARGIN_PX), min(side, part.stop + MARGIN_PX))
            for part, side in zip(view.window, self._in_use.frame_shape, strict=True)
        )
        plane = self._in_use.frames.plane(frame, (rows, columns)).astype(np.float32)
        if self._in_use.frames.as_is:
            plane /= 255
        smooth = ndi.gaussian_filter(plane if plane.ndim == 2 else plane.mean(2), SMOOTHING_PX)
        row, column = view.row - rows.start, view.column - columns.start
        return np.asarray(smooth[row : row + view.height, column : column + view.width])
