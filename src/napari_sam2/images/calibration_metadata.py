"""Pixel size and frame interval as image files have them: OME-XML, ImageJ, resolution tags of TIFF, OME-Zarr.

Lengths are in pixels and times in frames where a file has no sizes, or in an unknown unit, of which a warning is logged.
"""

from __future__ import annotations

import logging
import math
import xml.parsers.expat
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import tifffile

from napari_sam2.checks import shown
from napari_sam2.images.calibration import PIXELS, Calibration
from napari_sam2.images.units import UNITS, convert, names_none, unit_of

logger = logging.getLogger(__name__)

_SCREENS_DPI = (72, 96, 300, 28 * 2.54, 38 * 2.54, 118 * 2.54)
"""What programs write where nobody measured anything: of screens and printers; also per centimetre, in whole numbers."""
_MAX_ASPECT = 10
"""How many times as long as wide a pixel can be by its resolution tags: more is no measurement, but a number of something else."""
_TAG_UNITS = {2: "inch", 3: "centimeter"}
"""Units of resolution tags by the number that TIFF gives them."""


def calibration_of_tiff(tiff: tifffile.TiffFile, series: int = 0) -> Calibration:
    """Read the calibration of an open TIFF.

    Parameters
    ----------
    tiff : TiffFile
        The file.
    series : int
        Which image of an OME-TIFF, counted from 0; the others hold one.

    Returns
    -------
    Calibration
        Resolution tags count where there is no metadata of a microscope, in micrometres, unless they
        are those of some screen or printer, 72, 96 or 300 pixels per inch.
    """
    name, page = tiff.filehandle.path or "TIFF", tiff.pages.first
    ome_xml = tiff.ome_metadata or _start_of_ome_xml(page.description)
    if ome_xml:
        return _of_ome_xml(ome_xml, series, name)
    if tiff.imagej_metadata:
        return _of_imagej(tiff.imagej_metadata, page.tags, name)
    return _of_resolution(page.tags)


def _start_of_ome_xml(description: str) -> str:
    """Return the text where it is OME-XML that was cut short, which tifffile does not take for such; else an empty one."""
    return description if "<OME" in description[:2000] and description.lstrip().startswith("<") else ""


class _DoctypeError(Exception):
    """A document declares its own type, as no OME-XML does."""


def _attributes_of_pixels(text: str, image: int) -> dict[str, str]:
    """Find the attributes of the element ``Pixels`` of an image; empty where there is none.

    A file from elsewhere may declare entities that grow without bound when they are expanded, or stand for other files. They can
    only be declared in a DOCTYPE, which OME-XML has none of: the parser stops where one begins, before anything is declared.

    Raises
    ------
    ExpatError
        If the text is not well-formed.
    _DoctypeError
        If there is a DOCTYPE.
    """
    found: list[dict[str, str]] = []
    parents: list[str] = []

    def start(name: str, attributes: dict[str, str]) -> None:
        local = name.rpartition(":")[2]
        if local == "Image" and len(parents) == 1:
            found.append({})
        elif local == "Pixels" and len(parents) == 2 and parents[-1] == "Image":
            found[-1] = attributes
        parents.append(local)

    def refuse(*_: Any) -> None:
        raise _DoctypeError

    parser = xml.parsers.expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = start, lambda _: parents.pop()
    parser.StartDoctypeDeclHandler = refuse
    parser.Parse(text, True)
    return found[image] if image < len(found) else {}


def _of_ome_xml(text: str, image: int, name: str) -> Calibration:
    try:
        given = _attributes_of_pixels(text, image)
    except (xml.parsers.expat.ExpatError, _DoctypeError) as error:
        what = "declares a type of its own (DOCTYPE)" if isinstance(error, _DoctypeError) else "is not well-formed"
        logger.warning("%s: its OME-XML %s and is not read, %s", name, what, _consequence("ZT"))
        return PIXELS
    lengths = {axis: (given.get(f"PhysicalSize{axis}"), given.get(f"PhysicalSize{axis}Unit", "µm")) for axis in "ZYX"}
    if given.get("SizeZ") == "1" and unit_of(lengths["Z"][1]) is None:
        del lengths["Z"]
    return _calibration({**lengths, "T": (given.get("TimeIncrement"), given.get("TimeIncrementUnit", "s"))}, name)


def _of_imagej(metadata: Mapping[str, Any], tags: Any, name: str) -> Calibration:
    per_unit = _resolutions(tags)
    # without a unit ImageJ, too, goes by the tags
    unit = metadata.get("unit") or (_TAG_UNITS.get(_tag(tags, "ResolutionUnit")) if _of_resolution(tags).has_lengths else None)
    units = {"X": unit, "Y": metadata.get("yunit", unit), "Z": metadata.get("zunit", unit)}
    found: dict[str, tuple[Any, Any]] = {"T": (metadata.get("finterval"), metadata.get("tunit", "s"))}
    if not any(_is_of_screen(value, units[axis]) for axis, value in per_unit.items()):
        found |= {axis: (1 / value, units[axis]) for axis, value in per_unit.items()}
        if metadata.get("slices", metadata.get("images", 1)) != 1 or unit_of(units["Z"]) is not None:
            spacing = metadata.get("spacing")
            # below 0 where planes were taken downwards; ImageJ leaves out the sign, too
            found["Z"] = abs(spacing) if isinstance(spacing, int | float) else spacing, units["Z"]
    return _calibration({axis: found[axis] for axis in "ZYXT" if axis in found}, name)


def _of_resolution(tags: Any) -> Calibration:
    """Use resolution tags, unless they are those of a screen, have one pixel to the unit, or make pixels absurd."""
    per_unit, unit = _resolutions(tags), _TAG_UNITS.get(_tag(tags, "ResolutionUnit"))
    if unit is None or set(per_unit) != {"Y", "X"}:
        return PIXELS
    if any(value == 1 or _is_of_screen(value, unit) for value in per_unit.values()):
        return PIXELS
    if max(per_unit.values()) > _MAX_ASPECT * min(per_unit.values()):
        return PIXELS
    y, x = (float(UNITS[unit].size / per_unit[axis] / UNITS["micrometer"].size) for axis in "YX")
    return Calibration(y, x, length_unit="micrometer")


def _tag(tags: Any, name: str) -> Any:
    return getattr(tags.get(name), "value", None)


def _resolutions(tags: Any) -> dict[str, Fraction]:
    """Pixels per unit by axis, where that is a number above 0."""
    found = {}
    for axis in "YX":
        try:
            pixels, units = _tag(tags, f"{axis}Resolution")
            if pixels > 0 and units > 0:
                found[axis] = Fraction(pixels, units)
        except (TypeError, ValueError):
            continue
    return found


def _is_of_screen(per_unit: Fraction, unit: Any) -> bool:
    """Return whether so many pixels to the inch or centimetre are those of a screen or printer, rounded as programs round them."""
    known = unit_of(unit)
    if known is None or known.name not in _TAG_UNITS.values():
        return False
    dpi = float(per_unit * UNITS["inch"].size / known.size)
    return any(math.isclose(dpi, screen, rel_tol=2e-3) for screen in _SCREENS_DPI)


def calibration_of_multiscales(attributes: Mapping[str, Any], name: str = "OME-Zarr") -> Calibration:
    """Read the calibration from the attributes of an OME-Zarr image.

    Parameters
    ----------
    attributes : mapping
        With the key ``multiscales``: of version 0.4 those of the group, of 0.5 what stands there under ``ome``. Before 0.4 there
        were no units.
    name : str
        What a warning calls the image.

    Returns
    -------
    Calibration
    """
    try:
        image = attributes["multiscales"][0]
        scale = [1.0] * len(image["axes"])
        for step in (*image["datasets"][0].get("coordinateTransformations", []), *image.get("coordinateTransformations", [])):
            if step["type"] == "scale":
                scale = [a * b for a, b in zip(scale, step["scale"], strict=True)]
        found = {str(axis["name"]).upper(): (size, axis.get("unit")) for axis, size in zip(image["axes"], scale, strict=True)}
    except (LookupError, TypeError, AttributeError, ValueError):
        return PIXELS
    return _calibration({axis: found[axis] for axis in "ZYXT" if axis in found}, name)


def _calibration(found: Mapping[str, tuple[Any, Any]], name: str) -> Calibration:
    """Make one of sizes and units by axis, and warn of units that are not known.

    Lengths must be known for rows and columns, and are brought to the unit of the columns. A unit of another axis that is not known
    leaves all lengths in pixels: they could not be compared.
    """
    given = {axis: (float(size), unit) for axis, (size, unit) in found.items() if _is_size(size) and not names_none(unit)}
    known, unknown = dict[str, tuple[float, str]](), dict[str, list[str]]()
    for axis, (size, text) in given.items():
        unit = unit_of(text)
        if unit is not None and unit.kind == ("time" if axis == "T" else "length"):
            known[axis] = size, unit.name
        else:
            unknown.setdefault(str(text), []).append(axis)
    if unknown:
        what = " and ".join(f"{shown(text)} of {_listed(axes)}" for text, axes in unknown.items())
        are = "units {} are" if len(unknown) > 1 else "unit {} is"
        axes_of_unknown = [axis for axes in unknown.values() for axis in axes]
        logger.warning("%s: the %s not understood, %s", name, are.format(what), _consequence(axes_of_unknown))
    _warn_of_sizes({axis: size for axis, (size, unit) in found.items() if not names_none(unit)}, name)
    calibration = PIXELS
    if {"Y", "X"} <= set(known) and not any(axis in "ZYX" for axes in unknown.values() for axis in axes):
        name_of_x = known["X"][1]
        sizes = {axis: convert(*known[axis], name_of_x) for axis in "ZYX" if axis in known}
        if all(map(_is_size, sizes.values())):
            calibration = Calibration(sizes["Y"], sizes["X"], sizes.get("Z"), length_unit=name_of_x)
    if "T" in known:
        calibration = replace(calibration, t=known["T"][0], time_unit=known["T"][1])
    return calibration


def _warn_of_sizes(sizes: Mapping[str, Any], name: str) -> None:
    """Warn of invalid sizes, and of pixels with a height or a width only; a missing size or 0 means that it was not measured.

    A missing distance of planes is reported when a volume needs it.
    """
    wrong = dict[str, list[str]]()
    for axis in (axis for axis in "YXT" if axis in sizes and not _is_size(sizes[axis]) and not _is_nothing(sizes[axis])):
        wrong.setdefault(shown(sizes[axis]), []).append(axis)
    if wrong:
        what = _listed([f"{text} of {_listed(axes)}" for text, axes in wrong.items()])
        are = "sizes {} are not numbers" if len(wrong) > 1 else "size {} is not a number"
        axes_of_wrong = [axis for axes in wrong.values() for axis in axes]
        logger.warning("%s: the %s above 0, %s", name, are.format(what), _consequence(axes_of_wrong))
    sized = [axis for axis in "YX" if _is_size(sizes.get(axis))]
    if len(sized) == 1 and not wrong:
        (other,) = {"Y", "X"} - set(sized)
        logger.warning("%s: the size of a pixel is given along %s and not along %s, %s", name, *sized, other, _consequence("Y"))


def _is_nothing(value: Any) -> bool:
    try:
        return value is None or float(value) == 0
    except (TypeError, ValueError, OverflowError):
        return False


def _consequence(axes: Iterable[str]) -> str:
    """Return what follows for lengths and times where sizes of some axes are not known, and the option that gives them."""
    axes = list(axes)
    effects, options = list[str](), list[str]()
    if any(axis != "T" for axis in axes):
        effects, options = [*effects, "lengths are in pixels"], [*options, "pixel-size"]
    if "T" in axes:
        effects, options = [*effects, "times are in frames"], [*options, "interval"]
    shell = _listed([f"--{option}" for option in options])
    python = _listed([f"{option.replace('-', '_')}=" for option in options])
    gives = "give them" if len(options) > 1 else "gives them"
    return f"so {_listed(effects)} unless {shell} (in Python {python}) {gives}"


def _listed(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} and {words[-1]}" if len(words) > 1 else words[0]


def _is_size(value: Any) -> bool:
    try:
        return math.isfinite(float(value)) and float(value) > 0
    except (TypeError, ValueError, OverflowError):
        return False
