"""How an image is read, in a line, and the choices that a person has about it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from enum import Enum
from typing import Any

import numpy as np

from napari_sam2.images.intensity import CT_WINDOWS_HU, ROBUST_PERCENTILES
from napari_sam2.plugin.image.image_stack import ImageStack, directions_of
from napari_sam2.plugin.image.reading import Reading
from napari_sam2.plugin.workspace.image_workspace import ImageWorkspace

Choices = list[tuple[str, Any]]
"""Texts, and what they stand for."""


class Intensities(Enum):
    """What becomes black and white for the model."""

    AUTOMATIC = "automatic"
    PERCENTILES = "percentiles"
    RANGE = "intensities"
    CONTRAST = "contrast limits of the layer"
    SOFT_TISSUE = "CT: soft tissue"
    BRAIN = "CT: brain"
    LUNG = "CT: lung"
    BONE = "CT: bone"

    @property
    def window(self) -> tuple[float, float] | None:
        """Intensities of a CT window, in Hounsfield units; None for others."""
        return CT_WINDOWS_HU.get(self.value.removeprefix("CT: "))


def summarize(name: str, workspace: ImageWorkspace | None, model: str) -> str:
    """Describe image, axes, channels, intensities, model and device in a line."""
    if workspace is None:
        return " · ".join([name or "no image", model])
    parts = [name, describe_axes(workspace.stack, workspace.source.plane_names)]
    if workspace.stack.num_channels:
        parts.append(f"channel {', '.join(map(str, workspace.stack.channels))}")
    elif workspace.stack.num_joined:
        parts.append(f"channel {', '.join(workspace.source.reading.channel_layers)}")
    side = "" if workspace.approximate_px is None else f" at {workspace.approximate_px} px (approximate)"
    parts += [describe_intensities(workspace), f"{model}{side}"]
    return " · ".join([*parts, *([workspace.device] if workspace.device else [])])


def describe_axes(stack: ImageStack, plane_names: Mapping[str, str] | None = None) -> str:
    """Describe axes, along which of them objects are propagated, and the position on the others."""
    letters = "".join(stack.letters)
    text = f"{letters}{'?' if stack.is_guessed else ''}{' in colour' if stack.is_rgb else ''}"
    if stack.along:
        text += f" along {_named(stack.along, plane_names or {})}"
    return ", ".join([text, *(f"{letter} {index}" for letter, index in stack.at)])


def describe_intensities(workspace: ImageWorkspace) -> str:
    """Describe what becomes black and white."""
    reading, ranges = workspace.source.reading, workspace.intensity_ranges
    if reading.follows_contrast:
        return "contrast of the layer"
    if reading.percentiles is not None:
        return "{:g} – {:g} %".format(*reading.percentiles)
    if reading.intensity_range is not None:
        kind = intensities_of(reading)
        return "{:g} – {:g}".format(*reading.intensity_range) if kind.window is None else kind.value
    if workspace.device and ranges is None:
        return "intensities as they are"
    return "intensities " + (", ".join(f"{low:.4g} – {high:.4g}" for low, high in dict.fromkeys(ranges)) if ranges else "automatic")


# --- choices -------------------------------------------------------------------------------------------------------


def axes_text(stack: ImageStack) -> str:
    """Return a letter for each axis, also for those of length 1 that have no part."""
    free = iter([letter for letter in "TZPABDEFGH" if letter not in stack.letters])
    return "".join(letter or next(free) for letter in stack.letters)


def changed_only(reading: Reading, workspace: ImageWorkspace) -> Reading:
    """Leave out of what a form holds what nobody chose: the letters, the axis and the channels that it showed at first."""
    stack, before = workspace.stack, workspace.source.reading
    return replace(
        reading,
        axes=before.axes if reading.axes == axes_text(stack) else reading.axes,
        along=before.along if reading.along == stack.along else reading.along,
        channels=before.channels if reading.channels == stack.channels else reading.channels,
        channel_layers=() if reading.channel_layers == (workspace.image.name,) else reading.channel_layers,
    )


def along_choices(letters: Sequence[str], plane_names: Mapping[str, str]) -> Choices:
    """Return the axes along which frames can follow each other, and names of their planes; empty for a single image."""
    return [(_named(letter, plane_names), letter) for letter in directions_of(letters)]


def _named(letter: str, plane_names: Mapping[str, str]) -> str:
    return f"{letter} ({plane_names[letter]})" if letter in plane_names else letter


def channel_choices(names: Sequence[str]) -> Choices:
    """Return the channels to choose from, by number or, where they are layers, by name; and none of them."""
    return [("none", None), *((name or str(index), name or index) for index, name in enumerate(names))]


def chosen_channels(workspace: ImageWorkspace) -> tuple[int | str | None, int | str | None, int | str | None]:
    """Return what is red, green and blue."""
    if not workspace.source.channel_names:
        return None, None, None
    if workspace.stack.num_channels:
        chosen: tuple[int | str, ...] = workspace.stack.channels
    else:
        chosen = workspace.source.reading.channel_layers or (workspace.image.name,)
    red, green, blue = (*chosen, None, None, None)[:3]
    return red, green, blue


def level_choices(layer: Any) -> Choices:
    """Return the resolutions of an image, the full one first."""
    shapes = [level.shape[: layer.ndim] for level in layer.data] if layer.multiscale else [layer.data.shape[: layer.ndim]]
    return [(f"{index}: {shape[-1]} × {shape[-2]} px", index) for index, shape in enumerate(shapes)]


def intensity_choices(layer: Any) -> Choices:
    """Return what may become black and white; windows of CT only where pixels can be Hounsfield units."""
    may_be_ct = np.dtype(layer.dtype).kind in "if" and not layer.rgb
    return [(one.value, one) for one in Intensities if may_be_ct or one.window is None]


def intensities_of(reading: Reading) -> Intensities:
    """Return which intensities are chosen."""
    if reading.follows_contrast:
        return Intensities.CONTRAST
    if reading.percentiles is not None:
        return Intensities.PERCENTILES
    if reading.intensity_range is None:
        return Intensities.AUTOMATIC
    return next((one for one in Intensities if one.window == reading.intensity_range), Intensities.RANGE)


def numbers_for(kind: Intensities, workspace: ImageWorkspace) -> tuple[float, float]:
    """Return two numbers to begin with: those that were chosen, else those in use."""
    reading, ranges = workspace.source.reading, workspace.intensity_ranges
    if kind == Intensities.PERCENTILES:
        return ROBUST_PERCENTILES if reading.percentiles is None else reading.percentiles
    if kind == Intensities.RANGE and reading.intensity_range is not None:
        return reading.intensity_range
    low, high = kind.window or (ranges[0] if ranges else workspace.image.contrast_limits)
    return float(low), float(high)


def read_image(
    axes: str = "",
    along: str = "",
    red: int | str | None = None,
    green: int | str | None = None,
    blue: int | str | None = None,
    resolution: int = 0,
    intensities: Intensities = Intensities.AUTOMATIC,
    low: float = 0.0,
    high: float = 0.0,
) -> Reading:
    """Choose how an image is read.

    Parameters
    ----------
    axes : str
        A letter for each axis of the layer, such as TZYX; empty for what its labels and its file tell, or a guess.
    along : str
        Objects are propagated along this axis, of a volume also along Y or X: frames are its planes. The others follow the sliders.
        Empty for T before Z.
    red, green, blue : int, str or None
        Channels, by number, or by the name of a layer of the same file. One alone is grey, two are magenta and green.
    resolution : int
        Of a multiscale image, 0 for the full one.
    intensities : Intensities
        What becomes black and white for the model.
    low, high : float
        Percentiles or intensities that become black and white.

    Returns
    -------
    Reading

    Raises
    ------
    ValueError
        If the two numbers are not in order, or are no percentiles.
    """
    chosen = [one for one in (red, green, blue) if one is not None]
    if len(set(chosen)) < len(chosen):
        raise ValueError("One to three different channels can be used.")
    numbers = None
    if intensities in (Intensities.PERCENTILES, Intensities.RANGE):
        if not low < high or (intensities == Intensities.PERCENTILES and not 0 <= low < high <= 100):
            what = "two percentiles from 0 to 100" if intensities == Intensities.PERCENTILES else "two intensities"
            raise ValueError(f"Black and white are {what}, the lower one first, got {low:g} and {high:g}.")
        numbers = low, high
    return Reading(
        axes=axes.strip().upper(),
        along=along,
        channels=tuple(one for one in chosen if isinstance(one, int)),
        channel_layers=tuple(one for one in chosen if isinstance(one, str)),
        level=resolution,
        intensity_range=numbers if intensities == Intensities.RANGE else intensities.window,
        percentiles=numbers if intensities == Intensities.PERCENTILES else None,
        follows_contrast=intensities == Intensities.CONTRAST,
    )
