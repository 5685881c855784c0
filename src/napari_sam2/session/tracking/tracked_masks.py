"""What is done to masks that were tracked, before they are shown.

The model sees one object where two touch, and draws outlines that are too wide. While everything is tracked, both are mended by
:mod:`~napari_sam2.session.tracking.movie_tracker`; a prompt makes masks stale, and where these are tracked again, they are mended
here. In a volume, masks stay what the object looked like, and was: :mod:`~napari_sam2.session.tracking.slice_masks`.
"""

from __future__ import annotations

from collections.abc import Collection

from napari_sam2.images.axes import SPACE
from napari_sam2.session.inference.model_in_use import ModelInUse
from napari_sam2.session.state.session_state import SessionState
from napari_sam2.session.tracking.contact_cuts import ContactCuts
from napari_sam2.session.tracking.edges import Edges
from napari_sam2.session.tracking.measurements import Measurements
from napari_sam2.session.tracking.regions import Region
from napari_sam2.session.tracking.slice_masks import SliceMasks


class TrackedMasks:
    """Cuts the masks of found objects where they touch, and places the edges of masks, in a time-lapse; corrects masks in a volume.

    Parameters
    ----------
    state : SessionState
        The state that is changed.
    in_use : ModelInUse
        The model.
    """

    def __init__(self, state: SessionState, in_use: ModelInUse) -> None:
        self._state, self._in_use = state, in_use
        self._cuts, self._edges = ContactCuts(state, in_use), Edges(state, in_use)
        self._slices = SliceMasks(in_use)

    def refine(self, frame: int, object_ids: Collection[int], reverse: bool) -> None:
        """Refine, inside an action, the masks of objects that were just tracked to a frame.

        In a time-lapse, those that were found without a prompt are cut, and do not grow into each other. Of objects of a person,
        edges are placed, and masks in a volume corrected, with windows only: with whole frames, the default of released models,
        masks are those of the official predictor. What becomes of one of them does not depend on which others are tracked with it.

        Parameters
        ----------
        frame : int
            The frame.
        object_ids : collection of int
            What was tracked to it.
        reverse : bool
            Towards frame 0.
        """
        infos = self._state.infos
        if self._in_use.stack.along in SPACE and self._in_use.zoom is not None:
            for item in [self._state.objects[object_id] for object_id in object_ids if not infos[object_id].is_found]:
                item.tracked[frame] = self._slices.corrected(frame, item, reverse)
        if self._in_use.stack.along != "T":
            return
        found = [object_id for object_id in object_ids if infos[object_id].is_found]
        if found:
            regions = self._found_regions(frame)
            self._cuts.cut(frame, regions, found, Measurements(self._state, self._in_use), reverse)
            self._edges.place(frame, found, among=regions)
        if self._in_use.zoom is not None:
            self._edges.place(frame, [object_id for object_id in object_ids if not infos[object_id].is_found])

    def _found_regions(self, frame: int) -> dict[int, Region]:
        regions = {}
        for object_id in [i for i, info in self._state.infos.items() if info.is_found and info.may_be_on(frame)]:
            item = self._state.objects[object_id]
            record = item.conditioning.get(frame) or item.tracked.get(frame)
            if record is not None:
                regions[object_id] = Region.of_present(record, self._in_use.frame_shape)
        return regions
