"""Sample data of the plugin."""

from __future__ import annotations

from importlib.resources import as_file, files
from typing import Any

import tifffile

FLUO_MITOCHECK_CREDIT = "NEUBIAS / EMBL CBA; MitoCheck (CC BY 4.0)"

_SHOWN_INTENSITIES = (4, 110)


def fluo_mitocheck() -> list[tuple[Any, dict[str, Any], str]]:
    """Open dividing nuclei of HeLa cells, 30 frames of 211 × 190 pixels.

    Returns
    -------
    list of LayerData

    Notes
    -----
    NEUBIAS / EMBL CBA, training resources; recorded by the MitoCheck project. CC BY 4.0.
    """
    with as_file(files("napari_sam2").joinpath("data/fluo_mitocheck.tif")) as path:
        movie = tifffile.imread(path)
    metadata = {"credit": FLUO_MITOCHECK_CREDIT, "source": "https://github.com/NEUBIAS/training-resources"}
    shown = {"name": "fluo_mitocheck", "axis_labels": ("t", "y", "x"), "contrast_limits": _SHOWN_INTENSITIES, "metadata": metadata}
    return [(movie, shown, "image")]
