"""The edge of an object of which brightness explains the mask: it lies where the brightness is half of the object's.

The network draws outlines some tenths of a pixel too wide, which is much of a small object. What a microscope blurs has half of its
contrast at its edge. H, W height and width of a frame · h, w of a mask of the model.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import numpy.typing as npt
from scipy import ndimage as ndi

from napari_sam2.predictors.logits import Logits
from napari_sam2.predictors.memory_bank import FrameRecord
from napari_sam2.predictors.zoom import whole_view
from napari_sam2.session.inference.model_in_use import ModelInUse
from napari_sam2.session.state.objects import SessionObject
from napari_sam2.session.state.prompts import FramePrompts
from napari_sam2.session.state.session_state import SessionState
from napari_sam2.session.tracking.fading import brightness_of
from napari_sam2.session.tracking.regions import Region

SMOOTHING_PX = 0.5
LEAST_CONTRAST = 0.2
"""A pixel of an object has this share of its contrast to what is around it, or more, ..."""
LEAST_UNIFORM = 0.9
"""... where brightness explains the mask: on this share of it, or more, apart from its outermost pixels."""
AT_EDGE = 0.5
MOST_SHIFT_PX = 1.0
"""The edge is moved by a pixel, or a cell of the model's mask where that is larger, and no farther."""
LOGIT_PER_CONTRAST = 8.0


class Edges:
    """Puts the edges of found objects of a time-lapse to where they have half of their contrast.

    Parameters
    ----------
    state : SessionState
        The state that is changed.
    in_use : ModelInUse
        Has the frames.
    """

    def __init__(self, state: SessionState, in_use: ModelInUse) -> None:
        self._state, self._in_use = state, in_use

    def place(self, frame: int, object_ids: Collection[int]) -> None:
        """Place the edges of objects on a frame, inside an action; what is remembered of them stays as it is.

        What a person drew, clicked or approved is left as it is, and so are locked objects.

        Parameters
        ----------
        frame : int
            The frame, or one before the first, on which nothing is done.
        object_ids : collection of int
            Objects that were found.
        """
        items = [self._state.objects[object_id] for object_id in object_ids if frame >= 0]
        items = [item for item in items if not item.info.is_locked and _is_own(item, frame)]
        if not items:
            return
        image = self._in_use.as_seen(frame).astype(np.float32)
        smooth = ndi.gaussian_filter(image if image.ndim == 2 else image.mean(2), SMOOTHING_PX)
        shape = self._in_use.frame_shape
        shown = {i: record for i, item in self._state.objects.items() if (record := item.shown(frame)) is not None}
        regions = {i: Region.of_present(record, shape) for i, record in shown.items()}
        num_covering = np.zeros(shape, np.uint16)
        for region in regions.values():
            num_covering[region.window] += region.pixels
        for item in items:
            record, region = shown[item.object_id], regions[item.object_id]
            others = num_covering > 0
            others[region.window] = num_covering[region.window] > region.pixels
            logits = logits_at_edge(record, region, smooth, others) if region.area_px else None
            if logits is not None:
                records = item.conditioning if frame in item.conditioning else item.tracked
                records[frame] = record.showing(logits)


def _is_own(item: SessionObject, frame: int) -> bool:
    """Return whether the mask of a found object is as it was found or tracked."""
    if frame not in item.conditioning:
        return frame in item.tracked and frame not in item.fused
    prompts = item.prompts.get(frame)
    return prompts == FramePrompts(packed_mask=prompts.packed_mask) and frame not in item.corrected if prompts else False


def logits_at_edge(
    record: FrameRecord, region: Region, image: npt.NDArray[np.floating], others: npt.NDArray[np.bool_]
) -> Logits | None:
    """Put the edge of a mask to where the object has half of its contrast.

    Parameters
    ----------
    record : FrameRecord
        Of the object on a frame.
    region : Region
        Its mask.
    image : ndarray
        (H, W), the frame, smoothed.
    others : ndarray
        (H, W), bool, the masks of other objects, into which it does not grow.

    Returns
    -------
    ndarray or None
        The logits (h, w) of the record, with other ones at the edge; None where brightness does not explain the mask.
    """
    shape = (image.shape[0], image.shape[1])
    seen = brightness_of(region, image, others)
    if seen is None or not seen.contrast:
        return None
    core = ndi.binary_erosion(region.pixels)
    inside = (image[region.window][core if core.any() else region.pixels] - seen.around) / seen.contrast
    if np.mean(inside >= LEAST_CONTRAST) < LEAST_UNIFORM:
        return None
    view = record.view or whole_view(shape)
    height, width = record.mask_logits.shape
    rows = view.row - 0.5 + (np.arange(height) + 0.5) * view.height / height
    columns = view.column - 0.5 + (np.arange(width) + 0.5) * view.width / width
    share = ndi.map_coordinates(image, np.meshgrid(rows, columns, indexing="ij"), order=1, mode="nearest")
    share = np.clip((share - seen.around) / seen.contrast, 0, 1)
    is_mask = record.mask_logits > 0
    distance = np.where(is_mask, ndi.distance_transform_edt(is_mask), ndi.distance_transform_edt(~is_mask))
    edge = distance <= max(1.0, MOST_SHIFT_PX * height / view.height)
    nearest = [np.clip(np.rint(one).astype(int), 0, side - 1) for one, side in zip((rows, columns), shape, strict=True)]
    edge &= is_mask | ~others[np.ix_(*nearest)]
    logits = np.float32(LOGIT_PER_CONTRAST) * (share - AT_EDGE).astype(np.float32)
    return np.where(edge, logits, record.mask_logits)
