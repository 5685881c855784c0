"""Cuts the masks that two tracks have of both their objects, which touch or cross."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from napari_sam2.predictors.memory_bank import FrameRecord
from napari_sam2.session.inference.model_in_use import ModelInUse
from napari_sam2.session.state.session_state import SessionState
from napari_sam2.session.tracking import contacts, rules
from napari_sam2.session.tracking.contacts import Expected
from napari_sam2.session.tracking.measurements import Measurements
from napari_sam2.session.tracking.regions import Region


class ContactCuts:
    """Cuts masks that are on two objects, in a time-lapse.

    Parameters
    ----------
    state : SessionState
        The state that is changed.
    in_use : ModelInUse
        The model, which remembers what was cut.
    """

    def __init__(self, state: SessionState, in_use: ModelInUse) -> None:
        self._state, self._in_use = state, in_use

    def cut(
        self, frame: int, regions: Mapping[int, Region], tracked: Collection[int], measurements: Measurements, reverse: bool = False
    ) -> list[int]:
        """Cut, inside an action, masks that are on two objects.

        Parameters
        ----------
        frame : int
            The frame.
        regions : mapping
            The masks on it, by object.
        tracked : collection of int
            Those of them that may be changed: they were tracked to the frame.
        measurements : Measurements
            Of the objects.
        reverse : bool
            They were tracked towards frame 0.

        Returns
        -------
        list of int
            The objects whose masks were changed.
        """
        changed, regions = list[int](), dict(regions)
        for pair in list(self._in_contact(frame, regions, tracked, measurements, reverse)):
            both = regions[pair[0]].united(regions[pair[1]])
            expected = self._expected(pair, frame, measurements, reverse)
            if expected is None or not contacts.is_on_two(both.area_px, [one.area_px for one in expected]):
                continue
            records = [self._state.objects[object_id].shown(frame) for object_id in pair]
            larger = max((one for one in records if one is not None), key=lambda one: int((one.mask_logits > 0).sum()))
            for object_id, part in self._parts(pair, both, expected, regions, tracked, measurements.grey(frame)).items():
                regions[object_id] = self.replace_mask(object_id, frame, part, larger)
                changed.append(object_id)
        return changed

    @staticmethod
    def _parts(
        pair: Sequence[int],
        both: Region,
        expected: Sequence[Expected],
        regions: Mapping[int, Region],
        tracked: Collection[int],
        image: npt.NDArray[np.floating],
    ) -> dict[int, Region]:
        """Return the part of each object that may be changed; beside one that may not it is what that one leaves."""
        if set(pair) <= set(tracked):
            return dict(zip(pair, contacts.parted(both, expected, image), strict=True))
        index = int(pair[1] in tracked)
        left = both.without(regions[pair[1 - index]])
        is_enough = left.area_px >= contacts.LEAST_BESIDE * expected[index].area_px
        return {pair[index]: left} if is_enough else {}

    def _in_contact(
        self, frame: int, regions: Mapping[int, Region], tracked: Collection[int], measurements: Measurements, reverse: bool
    ) -> Iterator[tuple[int, int]]:
        """Pairs of tracks with masks on one object, or of which one is absent while the mask of the other lies where it was."""
        for one, other in pairs_that_meet(regions):
            if {one, other} & set(tracked) and rules.is_on_one_object(regions[one], regions[other]):
                yield one, other
        for absent in [i for i in tracked if not regions[i].area_px]:
            last = measurements.region(absent, frame + 1 if reverse else frame - 1)
            near = [i for i in tracked if regions[i].area_px and last is not None]
            on_it = [i for i in near if last is not None and rules.is_on_one_object(last, regions[i])]
            if len(on_it) == 1:
                yield on_it[0], absent

    def _expected(self, pair: Sequence[int], frame: int, measurements: Measurements, reverse: bool) -> list[Expected] | None:
        """What is expected of two objects by how they were, and moved, before they touched; None where they were not seen apart."""
        before = [frame + count if reverse else frame - count for count in range(contacts.FRAMES_BACK + 1)]
        num_touching, expected = 1, []
        while num_touching < contacts.FRAMES_BACK:
            there = [measurements.region(object_id, before[num_touching]) for object_id in pair]
            if there[0] is None or there[1] is None or not there[0].touches(there[1]):
                break
            num_touching += 1
        for object_id in pair:
            latest = [one for one in measurements.of(object_id, before[:0:-1]).values() if one.area_px]
            apart = [one for one in measurements.of(object_id, before[: num_touching - 1 : -1]).values() if one.area_px]
            if len(apart) < contacts.FRAMES_OF_MOTION:
                return None
            place = contacts.position_ahead([one.centroid_rc for one in apart], num_touching)
            area = float(np.median([one.area_px for one in latest[-contacts.FRAMES_OF_MOTION :]]))
            expected.append(Expected(area, place, float(np.median([one.brightness for one in apart]))))
        return expected

    def replace_mask(self, object_id: int, frame: int, region: Region, like: FrameRecord) -> Region:
        """Let a tracked object have another mask, inside an action, and remember it with that, in the window of a record.

        Parameters
        ----------
        object_id, frame : int
            The object, and a frame that it was tracked to.
        region : Region
            The mask.
        like : FrameRecord
            A record of it, or of the object that it was one mask with.

        Returns
        -------
        Region
            The mask as it is in the resolution of the model.
        """
        item, in_use = self._state.objects[object_id], self._in_use
        own = item.tracked[frame]
        logits = contacts.cut_logits(like, region, in_use.frame_shape)
        cut = own.as_prompted(mask_logits=logits, object_score=max(own.object_score, like.object_score), view=like.view)
        with in_use.inference():
            (item.tracked[frame],) = in_use.tracker.remember(frame, [cut])
        return Region.of_present(item.tracked[frame], in_use.frame_shape)


def pairs_that_meet(regions: Mapping[int, Region]) -> list[tuple[int, int]]:
    """Return the pairs of objects whose boxes have pixels in common."""
    ids = [object_id for object_id, region in regions.items() if region.area_px]
    if len(ids) < 2:
        return []
    edges = np.array([[part.start for part in regions[i].window] + [part.stop for part in regions[i].window] for i in ids])
    meets = (edges[:, None, :2] < edges[None, :, 2:]).all(2)
    return [(ids[i], ids[j]) for i, j in np.argwhere(np.triu(meets & meets.T, 1))]
