"""Points of a grid by which everything on a frame is found."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def build_point_grid(n_per_side: int) -> npt.NDArray[np.float64]:
    """Evenly spaced points of the unit square, (n², 2), x before y."""
    along = (np.arange(n_per_side) + 0.5) / n_per_side
    x, y = np.meshgrid(along, along)
    return np.stack([x.ravel(), y.ravel()], axis=-1)
