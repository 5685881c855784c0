"""Labelled stacks on disk, made of squares."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tifffile


def write_dataset(folder: Path, truth: np.ndarray, axes: str = "TYX", image: np.ndarray | None = None, table: str = "") -> Path:
    """Write a data set: by default its objects are bright on black."""
    folder.mkdir(parents=True, exist_ok=True)
    image = np.where(truth > 0, 200, 0).astype(np.uint16) if image is None else image
    for name, array in (("image", image), ("masks", truth)):
        tifffile.imwrite(folder / f"{name}.tif", array, photometric="minisblack", metadata={"axes": axes[-array.ndim :]})
    if table:
        (folder / "objects.csv").write_text(table)
    return folder
