"""Links labels that were given frame by frame: objects are followed, and each takes the label on which it comes to lie."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage as ndi
from scipy.optimize import linear_sum_assignment

from napari_sam2.predictors.object_score import ObjectScore
from napari_sam2.session.propagation.propagator import FrameResult
from napari_sam2.session.tracking.regions import Region
from napari_sam2.session.tracking.rules import are_children
from napari_sam2.session.tracking.session_parts import SessionParts

LEAST_IOU = 0.15
"""A track goes on in a label with which it has this IoU, or more."""
LEAST_ON_PARENT = 0.4
"""A label that no track goes on in is a child of a track that lies on this share of it, or more."""


class LabelLinker:
    """Links the labels of each frame to the objects of the frame before.

    Parameters
    ----------
    parts : SessionParts
        Of the session whose stack it is.
    planes : sequence of array-like
        The labels of each frame, (H, W), whole numbers, 0 for none.
    """

    def __init__(
        self,
        parts: SessionParts,
        planes: Any,
    ) -> None:
        self._parts = parts
        self._state, self._in_use = parts.state, parts.in_use
        self._planes = planes

    def frames_left(self) -> range:
        """The frames after the last one with an object that was linked."""
        found = [item for item in self._state.objects.values() if item.info.is_found]
        done = max((max(item.anchors, default=-1) for item in found), default=-1)
        return range(done + 1, self._parts.num_frames)

    def do_frame(self, frame: int) -> FrameResult:
        """Do a frame, inside an action; the one before it is done."""
        given = regions_of_labels(np.asarray(self._planes[frame]))
        items = [
            item
            for item in self._state.ordered()
            if item.info.is_found and not item.info.is_locked and item.info.may_be_on(frame) and item.anchors[0] < frame
        ]
        tracked = self._parts.propagator.tracked(frame, items)
        shape = self._in_use.frame_shape
        followed = {
            item.object_id: Region.of_record(record, shape)
            for item, record in zip(items, tracked, strict=True)
            if record.object_score > 0
        }
        links = linked(followed, given)
        parents = parents_of(followed, given, links)
        taken = {value: object_id for object_id, value in links.items()}
        for object_id in {*parents.values()}:
            siblings = [links[object_id], *(value for value, parent in parents.items() if parent == object_id)]
            children = self._parts.objects.divide_object(object_id, frame, len(siblings))
            taken |= dict(zip(siblings, children, strict=True))
        for item in items:
            if item.object_id not in taken.values() and item.object_id not in parents.values():
                self._parts.objects.end_object(item.object_id, frame)
        new = [value for value in given if value not in taken]
        ids = self._parts.prompts.add_found(frame, [given[value].plane(shape) for value in new])
        for object_id in ids:
            self._parts.objects.mark_found(object_id, frame)
        for value, object_id in taken.items():
            self._parts.prompts.add_mask(object_id, frame, given[value].plane(shape))
            self._parts.objects.mark_found(object_id)
        records = {object_id: self._state.objects[object_id].shown(frame) for object_id in (*taken.values(), *ids)}
        return FrameResult(frame, {i: ObjectScore.of(record) for i, record in records.items() if record is not None})


def regions_of_labels(plane: npt.NDArray[Any]) -> dict[int, Region]:
    """Return the region of each label of a plane (H, W), by its value."""
    values, dense = np.unique(plane, return_inverse=True)
    windows = ndi.find_objects(dense.reshape(plane.shape) + 1)
    return {
        int(value): Region(rows.start, columns.start, plane[rows, columns] == value)
        for value, (rows, columns) in zip(values, windows, strict=True)
        if value
    }


def linked(followed: Mapping[int, Region], given: Mapping[int, Region]) -> dict[int, int]:
    """Assign labels to tracks so that the sum of their IoUs is largest.

    Returns
    -------
    dict of int to int
        The label in which a track goes on, by the id of the track; without those that go on in none.
    """
    ids, values = list(followed), list(given)
    if not ids or not values:
        return {}
    shared = np.array([[followed[i].shared_px(given[value]) for value in values] for i in ids])
    areas = np.add.outer([followed[i].area_px for i in ids], [given[value].area_px for value in values])
    ious = shared / np.maximum(areas - shared, 1)
    pairs = zip(*linear_sum_assignment(-ious), strict=True)
    return {ids[row]: values[column] for row, column in pairs if ious[row, column] >= LEAST_IOU}


def parents_of(followed: Mapping[int, Region], given: Mapping[int, Region], links: Mapping[int, int]) -> dict[int, int]:
    """Find the parents of labels in which no track goes on: tracks that lie on them, and on another label alike.

    Returns
    -------
    dict of int to int
        The id of a track by label.
    """
    found = {}
    for value, region in given.items():
        if value in links.values():
            continue
        shares = {i: followed[i].shared_px(region) / region.area_px for i in links}
        parent = max(shares, key=lambda i: shares[i], default=None)
        if parent is None or shares[parent] < LEAST_ON_PARENT:
            continue
        if are_children([region, given[links[parent]]], 0):
            found[value] = parent
    return found
