"""A square whose tracked mask has grown into its neighbour: what it looks like, and its shape before, take the neighbour off."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy import ndimage as ndi

from napari_sam2.images.mapped_planes import MappedPlanes
from napari_sam2.predictors.logits import rounded
from napari_sam2.predictors.memory_bank import FrameRecord, ObjectMemory
from napari_sam2.predictors.zoom import View, whole_view
from napari_sam2.session.tracking.slice_masks import LOGIT_BIAS, SHAPE_WEIGHT, SliceMasks
from packed_records import record_of

SHAPE = 48, 48
OWN, NEIGHBOUR = (np.zeros(SHAPE, bool) for _ in range(2))
OWN[16:32, 10:26] = True
NEIGHBOUR[16:32, 26:36] = True
NUM_SLICES = 5
UNSURE = 0.5
NOT_AT_EDGE = ~ndi.binary_dilation(OWN, iterations=2) | ndi.binary_erosion(OWN, iterations=2)


def record(mask: np.ndarray, logit: float = 1.0, score: float = 5.0, view: View | None = None) -> FrameRecord:
    return record_of(np.where(mask, logit, -logit).astype(np.float32), [0.0], score, 0.5, view=view)


def biased(tracked: FrameRecord) -> np.ndarray:
    return rounded(tracked.mask_logits + np.float32(LOGIT_BIAS))


class Reading:
    """Slices with the square and its neighbour; tells which were read."""

    def __init__(self, own: int, neighbour: int) -> None:
        image = np.full((NUM_SLICES, *SHAPE), 20, np.uint8)
        image[:, OWN], image[:, NEIGHBOUR] = own, neighbour
        self._planes, self.as_is, self.read = MappedPlanes(image), True, list[int]()

    def plane(self, frame: int, window: Any) -> Any:
        self.read.append(frame)
        return self._planes.plane(frame, window)


def prepared(own: int, neighbour: int, anchor: FrameRecord, tracked: dict[int, FrameRecord]) -> tuple[SliceMasks, Any, Reading]:
    reading = Reading(own, neighbour)
    in_use: Any = SimpleNamespace(frames=reading, frame_shape=SHAPE, whole=whole_view(SHAPE))
    conditioning = {1: anchor}
    memory = ObjectMemory(conditioning, tracked)
    return SliceMasks(in_use), SimpleNamespace(object_id=3, conditioning=conditioning, tracked=tracked, memory=memory), reading


@pytest.mark.parametrize(("own", "neighbour"), [(220, 120), (120, 220), (220, 20)])
def test_a_neighbour_that_looks_otherwise_is_taken_off(own: int, neighbour: int) -> None:
    masks, item, _ = prepared(own, neighbour, record(OWN), {2: record(OWN | NEIGHBOUR, logit=UNSURE)})
    found = masks.corrected(2, item, reverse=False)
    np.testing.assert_array_equal((found.mask_logits > 0)[NOT_AT_EDGE], OWN[NOT_AT_EDGE])
    assert (found.memory, found.remembered) == (None, None), "it is remembered as it is shown"
    assert (found.object_score, found.pointer, found.view) == (5.0, item.tracked[2].pointer, None)


@pytest.mark.parametrize("reverse", [False, True])
def test_where_everything_looks_alike_the_shape_before_decides(reverse: bool) -> None:
    """The mask may grow by less than two pixels: there the tracked logit of 2, with its bias, and the distance are in balance."""
    frame = 0 if reverse else 2
    grown = ndi.distance_transform_edt(~OWN) < 6
    masks, item, _ = prepared(20, 20, record(OWN), {frame: record(grown, logit=2.0)})
    found = masks.corrected(frame, item, reverse)
    np.testing.assert_array_equal(found.mask_logits > 0, SHAPE_WEIGHT * ndi.distance_transform_edt(~OWN) < 2 + LOGIT_BIAS)


def test_without_the_slice_before_only_the_appearance_counts() -> None:
    masks, item, _ = prepared(20, 20, record(OWN), {4: record(OWN | NEIGHBOUR)})
    np.testing.assert_array_equal(masks.corrected(4, item, reverse=False).mask_logits, biased(item.tracked[4]))


def test_between_two_anchors_the_shape_is_interpolated_elsewhere() -> None:
    masks, item, _ = prepared(20, 20, record(OWN), {2: record(OWN | NEIGHBOUR)})
    item.conditioning[4] = record(OWN)
    np.testing.assert_array_equal(masks.corrected(2, item, reverse=False).mask_logits, biased(item.tracked[2]))


def test_what_hardly_belongs_to_an_object_does_not() -> None:
    """So a mask becomes smaller from slice to slice where nothing tells that it goes on."""
    rim = ndi.binary_dilation(OWN, iterations=4) & ~OWN
    tracked = record(OWN)
    tracked.mask_logits[rim] = -LOGIT_BIAS - 0.1
    masks, item, _ = prepared(20, 20, record(OWN), {4: tracked})
    np.testing.assert_array_equal(masks.corrected(4, item, reverse=False).mask_logits > 0, OWN)


def test_no_object_vanishes_by_a_correction() -> None:
    """One that is unsure everywhere stays as it was tracked."""
    masks, item, _ = prepared(20, 20, record(OWN), {4: record(NEIGHBOUR, logit=-LOGIT_BIAS / 2)})
    found = masks.corrected(4, item, reverse=False)
    np.testing.assert_array_equal(found.mask_logits, rounded(item.tracked[4].mask_logits))


def test_an_absent_object_stays_so() -> None:
    absent, empty = record(OWN, score=-1.0), record(np.zeros(SHAPE, bool))
    masks, item, reading = prepared(220, 120, record(OWN), {2: absent, 3: empty})
    assert masks.corrected(2, item, reverse=False) is absent
    assert masks.corrected(3, item, reverse=False) is empty
    assert not reading.read


def test_an_anchor_is_read_again_only_if_its_mask_is_another() -> None:
    masks, item, reading = prepared(220, 120, record(OWN), {2: record(OWN), 3: record(OWN)})
    for frame in (2, 3):
        masks.corrected(frame, item, reverse=False)
    assert reading.read == [1, 2, 3]
    item.conditioning[1] = record(OWN | NEIGHBOUR)
    masks.corrected(3, item, reverse=False)
    assert reading.read == [1, 2, 3, 1, 3]


def test_windows_of_any_scale_give_the_same_mask() -> None:
    """In a window in which a pixel is two cells, and which another one than the anchor's is, the square is the same."""
    view = View(8, 4, 36, 36)
    leaked = (OWN | NEIGHBOUR)[view.window].repeat(2, 0).repeat(2, 1)
    masks, item, _ = prepared(220, 120, record(OWN), {2: record(leaked, logit=UNSURE, view=view)})
    found = masks.corrected(2, item, reverse=False).mask_logits[::2, ::2] > 0
    kept = NOT_AT_EDGE[view.window]
    np.testing.assert_array_equal(found[kept], OWN[view.window][kept])
