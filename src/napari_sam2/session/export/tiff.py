"""Labels as files other programs read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from napari_sam2.session.files import atomic_path
from napari_sam2.session.stack import as_planes


def write_labels(path: Path, labels: Any, axes: str) -> None:
    """Write a label image as a compressed TIFF.

    Parameters
    ----------
    path : Path
        ``.tif`` or ``.tiff``.
    labels : array-like
        (H, W) or (T, H, W), uint16; written frame by frame.
    axes : str
        ``YX``, ``TYX`` or ``ZYX``, which the file tells.
    """
    planes = as_planes(labels)
    with atomic_path(path) as partial:
        tifffile.imwrite(
            partial,
            (np.asarray(planes[frame]) for frame in range(planes.shape[0])),
            shape=labels.shape,
            dtype=np.uint16,
            compression="zlib",
            metadata={"axes": axes},
            bigtiff=labels.size * 2 > 2**31,
            photometric="minisblack",
        )
