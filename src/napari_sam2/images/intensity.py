"""Which intensities become black and white for the model: one mapping for a whole stack. n frames of a sample · H, W their size."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_sam2.checks import shown
from napari_sam2.images.sampling import sample_frames
from napari_sam2.images.stack import Stack

logger = logging.getLogger(__name__)

IntensityRange = tuple[float, float]
"""Intensities that become black and white."""
ROBUST_PERCENTILES = (0.1, 99.9)

CT_WINDOWS_HU = {
    "soft tissue": (-160.0, 240.0),
    "brain": (0.0, 80.0),
    "lung": (-1350.0, 150.0),
    "bone": (-500.0, 1300.0),
}
"""Hounsfield units that become black and white in the windows in which radiologists look at CT (centre -/+ half the width)."""

AIR_HU, PADDING_HU = -1000, -3100
MIN_SHARE_OF_AIR, MIN_SHARE_OF_TISSUE = 0.01, 0.05


def choose_ranges(
    stack: Stack,
    intensity_range: IntensityRange | Sequence[IntensityRange] | None = None,
    window: str | None = None,
    percentiles: tuple[float, float] | None = None,
) -> tuple[IntensityRange, ...] | None:
    """Choose the ranges of a stack: one, or one for each of red, green and blue.

    Parameters
    ----------
    stack : Stack
        The stack.
    intensity_range : tuple of float, or a sequence of them, optional
        Black and white, as a person gave them; or a pair for each channel shown.
    window, percentiles : optional
        See :func:`choose_range`.

    Returns
    -------
    tuple of tuple of float, or None
        By default as :func:`choose_range` chooses, for each channel its own. The colours of an RGB image are mapped together, and
        not at all if they are 8 bit: None.

    Raises
    ------
    ValueError
        See :func:`choose_range`; or if there are neither one nor as many ranges as channels.
    """
    if stack.is_composed:
        pairs = _pairs_of_channels(intensity_range, stack.channels)
        sample = None if pairs or window else sample_frames(stack.frames)
        values = [None if sample is None else sample[..., channel] for channel in range(len(stack.channels))]
        chosen = [None if pairs is None else pairs[channel] for channel in stack.channels]
        return tuple(
            choose_range(colour, pair, window, percentiles, may_be_ct=False) for colour, pair in zip(values, chosen, strict=True)
        )
    if (
        stack.is_rgb
        and intensity_range is None
        and window is None
        and percentiles is None
        and np.dtype(stack.frames.dtype) == np.uint8
    ):
        return None
    return (choose_range(stack.frames, intensity_range, window, percentiles, may_be_ct=not stack.is_rgb),)


def choose_range(
    frames: Any,
    intensity_range: IntensityRange | Sequence[IntensityRange] | None = None,
    window: str | None = None,
    percentiles: tuple[float, float] | None = None,
    may_be_ct: bool = True,
) -> IntensityRange:
    """Choose one range for all frames.

    Parameters
    ----------
    frames : array-like
        (T, H, W) or (T, H, W, 3), of which at most 16 are read; none where intensities need not be known.
    intensity_range : tuple of float, optional
        Black and white, as a person gave them.
    window : str, optional
        Name of a CT window.
    percentiles : tuple of float, optional
        Of the intensities in the sample, 0 .. 100, that become black and white.
    may_be_ct : bool
        What looks like CT is taken for CT.

    Returns
    -------
    tuple of float
        By default the soft-tissue window for what looks like CT in Hounsfield units, else robust extremes over a sample of frames.

    Raises
    ------
    ValueError
        If there is no such window, more than one of these is given, or numbers are not two in order.
    """
    if sum(given is not None for given in (intensity_range, window, percentiles)) > 1:
        raise ValueError("give either a window or an intensity range or percentiles, not two of them")
    if window is not None:
        if not isinstance(window, str) or window not in CT_WINDOWS_HU:
            raise ValueError(f"there is no window {shown(window)}: choose one of {', '.join(CT_WINDOWS_HU)}")
        return CT_WINDOWS_HU[window]
    if intensity_range is not None:
        return _check_range(intensity_range)
    if percentiles is not None:
        return robust_range(sample_frames(frames), _check_percentiles(percentiles))
    sample = sample_frames(frames)
    if may_be_ct and looks_like_ct(sample):
        logger.info("taken for CT: shown in the soft-tissue window; choose another by window or intensity_range")
        return CT_WINDOWS_HU["soft tissue"]
    return robust_range(sample)


def _numbers(given: Any) -> npt.NDArray[np.float64] | None:
    """Read numbers, of whatever shape; None where there is anything else."""
    try:
        return np.asarray(given, np.float64)
    except (TypeError, ValueError):
        return None


def _check_range(given: Any) -> IntensityRange:
    pair = _numbers(given)
    if pair is None or pair.size != 2:
        raise ValueError(f"an intensity range is two numbers, black below white, got {shown(given)}")
    low, high = (float(value) for value in pair.ravel())
    if not (np.isfinite([low, high]).all() and low < high):
        raise ValueError(f"an intensity range is two numbers, black below white, got {low:g} and {high:g}")
    return low, high


def _pairs_of_channels(given: Any, channels: Sequence[int]) -> dict[int, Any] | None:
    """Give each channel its pair; a single pair is that of all."""
    if given is None:
        return None
    distinct = list(dict.fromkeys(channels))
    pairs = _numbers(given)
    if pairs is not None and pairs.shape == (len(channels), 2):
        return dict(zip(channels, pairs, strict=True))
    if pairs is None or pairs.shape not in ((2,), (len(distinct), 2)):
        raise ValueError(f"give one intensity range, or {len(distinct)}, one for each channel, got {shown(given)}")
    return dict(zip(distinct, np.broadcast_to(pairs, (len(distinct), 2)), strict=True))


def _check_percentiles(given: Any) -> tuple[float, float]:
    pair = _numbers(given)
    if pair is None or pair.shape != (2,) or not 0 <= pair[0] < pair[1] <= 100:
        raise ValueError(f"percentiles are two numbers in order between 0 and 100, got {shown(given)}")
    return float(pair[0]), float(pair[1])


def looks_like_ct(values: np.ndarray[Any, Any]) -> bool:
    """Return whether intensities look like Hounsfield units: signed, with air at -1000 and tissue around 0.

    Percentiles would not do there: between air and bone soft tissue is a few shades of grey.
    """
    if values.dtype.kind not in "if" or not np.isfinite(values).all():
        return False
    air = ((values > AIR_HU - 100) & (values < AIR_HU + 150)).mean()
    tissue = ((values > -200) & (values < 300)).mean()
    return bool(values.min() >= PADDING_HU and values.max() <= 4100 and air >= MIN_SHARE_OF_AIR and tissue >= MIN_SHARE_OF_TISSUE)


def bounds(ranges: Iterable[IntensityRange]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the lower and the upper ends of ranges, in the shape in which :func:`map_intensity` takes them."""
    lows, highs = np.array(list(ranges), np.float64).T
    return lows, highs


def robust_range(values: npt.NDArray[Any], percentiles: tuple[float, float] = ROBUST_PERCENTILES) -> IntensityRange:
    """Find two percentiles of finite values; where they are equal the extremes, and a range without width is made one wide."""
    finite = values[np.isfinite(values)] if values.dtype.kind == "f" else values.ravel()
    if finite.size == 0:
        return 0.0, 1.0
    low, high = (float(value) for value in np.percentile(finite.astype(np.float64), percentiles))
    if high <= low:
        low, high = float(finite.min()), float(finite.max())
    # Of numbers so large that one more is the same, the next.
    return (low, high) if high > low else (low, max(low + 1.0, float(np.nextafter(low, np.inf))))


def sampled_range(frames: Any) -> IntensityRange:
    """Find the robust range over a sample of frames (T, ...)."""
    return robust_range(sample_frames(frames))


def map_intensity(plane: npt.NDArray[Any], low: npt.ArrayLike, high: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """Map ``low`` .. ``high`` to 0 .. 1, clipped; NaN and minus infinity become black, infinity white.

    The ends are numbers, or one for each colour, (1,) or (3,), where colours are last.
    """
    low, high = np.asarray(low, np.float64), np.asarray(high, np.float64)
    if plane.dtype.kind not in "iu" or plane.dtype.itemsize > 2 or low.size > 1 or plane.size <= 2 ** (8 * plane.dtype.itemsize):
        return _mapped(plane, low, high)
    # Of few possible values, each is mapped once: a large frame takes a tenth of the time.
    unsigned = np.dtype(f"u{plane.dtype.itemsize}")
    values = np.arange(2 ** (8 * unsigned.itemsize)).astype(unsigned).view(plane.dtype.newbyteorder("="))
    mapped: npt.NDArray[np.float32] = _mapped(values, low.ravel(), high.ravel())[
        plane.astype(plane.dtype.newbyteorder("="), order="C", copy=False).view(unsigned)
    ]
    return mapped


def _mapped(values: npt.NDArray[Any], low: npt.NDArray[np.float64], high: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    scaled = (values.astype(np.float64) - low) / (high - low)
    mapped: npt.NDArray[np.float32] = np.nan_to_num(np.clip(scaled, 0, 1), nan=0.0).astype(np.float32)
    return mapped
