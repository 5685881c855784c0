"""The part of a mask that is not empty; without PyTorch, for who has masks and no network. H, W height and width of a frame."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def bounding_box(mask: npt.NDArray[np.bool_]) -> tuple[int, int, int, int] | None:
    """Find the rows and columns row0, col0, row1, col1 of a mask (H, W), the last ones excluded; None for an empty mask."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if len(rows) == 0:
        return None
    return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1
