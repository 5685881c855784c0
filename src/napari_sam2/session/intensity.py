"""Which intensities become black and white for the model: one mapping for a whole stack."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np

from napari_sam2.predictors.frames import robust_range, sample_frames

logger = logging.getLogger(__name__)

CT_WINDOWS_HU = {
    "soft tissue": (-160.0, 240.0),
    "brain": (0.0, 80.0),
    "lung": (-1350.0, 150.0),
    "bone": (-500.0, 1300.0),
}
"""Hounsfield units that become black and white in the windows in which radiologists look at CT (centre -/+ half the width)."""

AIR_HU, PADDING_HU = -1000, -3100
MIN_SHARE_OF_AIR, MIN_SHARE_OF_TISSUE = 0.01, 0.05


def choose_range(frames: Any, intensity_range: tuple[float, float] | None = None, window: str | None = None) -> tuple[float, float]:
    """Choose the range of a stack.

    Parameters
    ----------
    frames : array-like
        (T, H, W) or (T, H, W, 3).
    intensity_range : tuple of float, optional
        Black and white, as a person gave them.
    window : str, optional
        Name of a CT window.

    Returns
    -------
    tuple of float
        By default the soft-tissue window for what looks like CT in Hounsfield units, else robust extremes over a sample of frames.

    Raises
    ------
    ValueError
        If there is no such window, both are given, or the range is not two numbers in order.
    """
    if window is not None:
        if intensity_range is not None:
            raise ValueError("give either a window or an intensity range, not both")
        if window not in CT_WINDOWS_HU:
            raise ValueError(f"there is no window {window!r}: choose one of {', '.join(CT_WINDOWS_HU)}")
        return CT_WINDOWS_HU[window]
    if intensity_range is not None:
        low, high = intensity_range
        if not (np.isfinite([low, high]).all() and low < high):
            raise ValueError(f"an intensity range is two numbers, black below white, got {low:g} and {high:g}")
        return float(low), float(high)
    sample = sample_frames(frames)
    if looks_like_ct(sample):
        logger.info("taken for CT: shown in the soft-tissue window; choose another by window or intensity_range")
        return CT_WINDOWS_HU["soft tissue"]
    return robust_range(sample)


def looks_like_ct(values: np.ndarray[Any, Any]) -> bool:
    """Tell whether intensities look like Hounsfield units: signed, with air at -1000 and tissue around 0.

    Percentiles would not do there: between air and bone soft tissue is a few shades of grey.
    """
    if values.dtype.kind not in "if" or not np.isfinite(values).all():
        return False
    air = ((values > AIR_HU - 100) & (values < AIR_HU + 150)).mean()
    tissue = ((values > -200) & (values < 300)).mean()
    return bool(values.min() >= PADDING_HU and values.max() <= 4100 and air >= MIN_SHARE_OF_AIR and tissue >= MIN_SHARE_OF_TISSUE)
