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
from napari_sam2.session.tracking.fading import RING_PX, brightness_of
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
    """Puts the edges of objects of a time-lapse to where they have half of their contrast.

    Parameters
    ----------
    state : SessionState
        The state that is changed.
    in_use : ModelInUse
        Has the frames.
    """

    def __init__(self, state: SessionState, in_use: ModelInUse) -> None:
        self._state, self._in_use = state, in_use

    def place(self, frame: int, object_ids: Collection[int], among: Collection[int] = ()) -> None:
        """Place the edges of objects on a frame, inside an action; what is remembered of them stays as it is.

        What a person drew, clicked or approved is left as it is, and so are locked objects.

        Parameters
        ----------
        frame : int
            The frame, or one before the first, on which nothing is done.
        object_ids : collection of int
            What was found or tracked.
        among : collection of int
            Objects whose pixels are not around another one, and into which none grows.
        """
        items = [self._state.objects[object_id] for object_id in object_ids if frame >= 0]
        items = [item for item in items if not item.info.is_locked and _is_own(item, frame)]
        if not items:
            return
        shape = self._in_use.frame_shape
        regions = {i: self._shown(i, frame) for i in {*among, *(item.object_id for item in items)}}
        num_covering = np.zeros(shape, np.uint16)
        for object_id in among:
            num_covering[regions[object_id].window] += regions[object_id].pixels
        for item in items:
            record, region = item.shown(frame), regions[item.object_id]
            if record is None or not region.area_px:
                continue
            others = num_covering > 0
            if item.object_id in among:
                others[region.window] = num_covering[region.window] > region.pixels
            logits = logits_at_edge(record, region, self._smoothed(frame, record, region), others)
            if logits is not None:
                records = item.conditioning if frame in item.conditioning else item.tracked
                records[frame] = record.showing(logits)

    def _shown(self, object_id: int, frame: int) -> Region:
        record = self._state.objects[object_id].shown(frame)
        return Region(0, 0, np.zeros((0, 0), bool)) if record is None else Region.of_present(record, self._in_use.frame_shape)

    def _smoothed(self, frame: int, record: FrameRecord, region: Region) -> npt.NDArray[np.float32]:
        """Smooth a frame where a mask and its window are, and what is around them; elsewhere it is 0."""
        shape = self._in_use.frame_shape
        view = record.view or whole_view(shape)
        margin = RING_PX[1] + 2
        rows, columns = (
            slice(max(0, min(one.start, other.start) - margin), min(side, max(one.stop, other.stop) + margin))
            for one, other, side in zip(view.window, region.window, shape, strict=True)
        )
        plane = self._in_use.frames.plane(frame, (rows, columns)).astype(np.float32)
        if not self._in_use.frames.as_is:
            plane *= 255
        smooth = np.zeros(shape, np.float32)  # pages that are not written take no time and no memory
        smooth[rows, columns] = ndi.gaussian_filter(plane if plane.ndim == 2 else plane.mean(2), SMOOTHING_PX)
        return smooth


def _is_own(item: SessionObject, frame: int) -> bool:
    """Return whether the mask of an object is as it was found or tracked."""
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
