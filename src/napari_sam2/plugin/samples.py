"""Sample data of the plugin: layers of the bundled stacks, calibrated, with contrast limits and credit."""

from __future__ import annotations

from typing import Any

import tifffile

from napari_sam2.data.samples import FLUO_MITOCHECK, VOL_EMBRYO_8CELL, Sample

LayerData = tuple[Any, dict[str, Any], str]


def fluo_mitocheck() -> list[LayerData]:
    """Open dividing nuclei of HeLa cells, 30 frames of 211 × 190 pixels.

    Returns
    -------
    list of LayerData

    Notes
    -----
    NEUBIAS / EMBL CBA, training resources; recorded by the MitoCheck project. CC BY 4.0.
    """
    return _layer(FLUO_MITOCHECK, ("t", "y", "x"), (4, 110), "https://github.com/NEUBIAS/training-resources")


def vol_embryo_8cell() -> list[LayerData]:
    """Open nuclei of a mouse embryo with eight cells, 51 planes of 122 × 120 pixels; planes are 2.18 pixels apart.

    Returns
    -------
    list of LayerData

    Notes
    -----
    funalab/QCANet; the same data are BBBC050, Akira Funahashi. CC BY 3.0.
    """
    return _layer(VOL_EMBRYO_8CELL, ("z", "y", "x"), (96, 1200), "https://github.com/funalab/QCANet", scale=(2.18, 1.0, 1.0))


def _layer(sample: Sample, axes: tuple[str, ...], shown: tuple[float, float], source: str, **more: Any) -> list[LayerData]:
    metadata = {"credit": sample.credit, "source": source}
    named = {"name": sample.folder.name, "axis_labels": axes, "contrast_limits": shown, "metadata": metadata}
    return [(tifffile.imread(sample.image), named | more, "image")]
