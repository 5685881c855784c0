"""What is done to the masks of found objects while everything is tracked is done again where they are tracked again.

A prompt makes masks stale, and then the model sees what it saw before: one object where two touch, and outlines that are too wide.
"""

from __future__ import annotations

from collections.abc import Collection

from napari_sam2.session.inference.model_in_use import ModelInUse
from napari_sam2.session.state.session_state import SessionState
from napari_sam2.session.tracking.contact_cuts import ContactCuts
from napari_sam2.session.tracking.edges import Edges
from napari_sam2.session.tracking.measurements import Measurements
from napari_sam2.session.tracking.regions import Region


class FoundMasks:
    """Cuts the masks of found objects where they touch, and places their edges, in a time-lapse.

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

    def refine(self, frame: int, object_ids: Collection[int], reverse: bool) -> None:
        """Refine, inside an action, the masks of objects that were just tracked to a frame once more.

        Only objects that were found without a prompt are refined; those that were not tracked just now keep their masks.

        Parameters
        ----------
        frame : int
            The frame.
        object_ids : collection of int
            What was tracked to it.
        reverse : bool
            Towards frame 0.
        """
        state, infos = self._state, self._state.infos
        tracked = [object_id for object_id in object_ids if infos[object_id].is_found]
        if not tracked or self._in_use.stack.along != "T":
            return
        regions = {}
        for object_id in [i for i, info in infos.items() if info.is_found and info.may_be_on(frame)]:
            item = state.objects[object_id]
            record = item.conditioning.get(frame) or item.tracked.get(frame)
            if record is not None:
                regions[object_id] = Region.of_present(record, self._in_use.frame_shape)
        self._cuts.cut(frame, regions, tracked, Measurements(state, self._in_use), reverse)
        self._edges.place(frame, tracked)
