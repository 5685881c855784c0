"""Labels of a few objects of which one divides, one has a gap and one is seen once."""

from __future__ import annotations

import numpy as np

from napari_sam2.export.result import Result
from napari_sam2.images.calibration import Calibration

UNITS = Calibration(0.5, 0.25, 2.0, 3.0, "micrometer", "second")
LABELS = np.zeros((6, 20, 30), np.uint16)
"""7 divides after frame 2 into 8 and 900; 8 is gone on frame 4; 3 is on one frame."""
LABELS[0:3, 2:5, 3:8] = 7
LABELS[[3, 5], 2:5, 3:6] = 8
LABELS[3:, 2:5, 9:11] = 900
LABELS[1, 10, 20] = 3
PARENTS = {8: 7, 900: 7}
TIME = Result(LABELS, "TYX", UNITS, PARENTS)
VOLUMES = Result(np.stack([LABELS * 0, LABELS, LABELS], axis=1), "TZYX", UNITS, PARENTS)
EMPTY = Result(LABELS * 0, "TYX", UNITS, PARENTS)
PLACES = {7: (3, 5), 8: (3, 4), 900: (3, 9.5), 3: (10, 20)}
SEEN = [(3, 1), (7, 0), (7, 1), (7, 2), (8, 3), (8, 5), (900, 3), (900, 4), (900, 5)]
LINKS = {
    ((7, 0), (7, 1)),
    ((7, 1), (7, 2)),
    ((7, 2), (8, 3)),
    ((8, 3), (8, 5)),
    ((7, 2), (900, 3)),
    ((900, 3), (900, 4)),
    ((900, 4), (900, 5)),
}


def stack_of(seen: dict[int, list[int]], num_frames: int) -> np.ndarray:
    """Labels of objects that are one pixel each."""
    labels = np.zeros((num_frames, 1, max(seen, default=0) + 1), np.uint16)
    for object_id, frames in seen.items():
        labels[frames, 0, object_id] = object_id
    return labels
