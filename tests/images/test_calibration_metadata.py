"""The size of a pixel and the time between frames, as files of all kinds tell them."""

from __future__ import annotations

import io
import json
import struct
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import numpy as np
import pytest
import tifffile
import zarr
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from napari_sam2.images.calibration import PIXELS, Calibration
from napari_sam2.images.calibration_metadata import calibration_of_multiscales, calibration_of_tiff
from napari_sam2.images.units import UNITS
from napari_sam2.images.zarr_attributes import zarr_attributes


def read_calibration(path: Path) -> Calibration:
    if path.is_dir():
        attributes = zarr_attributes(path)
        return calibration_of_multiscales(attributes.get("ome", attributes), str(path))
    with tifffile.TiffFile(path) as tiff:
        return calibration_of_tiff(tiff)


STACK = np.zeros((3, 2, 8, 9), np.uint16)


def ome(**metadata: Any) -> Any:
    return lambda path: tifffile.imwrite(path, STACK, ome=True, photometric="minisblack", metadata={"axes": "TZYX", **metadata})


def imagej(resolution: tuple[float, float] | None = None, **metadata: Any) -> Any:
    return lambda path: tifffile.imwrite(path, STACK, imagej=True, resolution=resolution, metadata={"axes": "TZYX", **metadata})


def ome_zarr(version: str, axes: list[Any], **multiscale: Any) -> Any:
    def write(path: Path) -> None:
        group = zarr.create_group(path, zarr_format=2 if version == "0.4" else 3)
        group.create_array("0", shape=STACK.shape, dtype="u2")
        attributes = {"multiscales": [{"axes": axes, **multiscale}]}
        group.attrs.update({"ome": {"version": version, **attributes}} if version == "0.5" else attributes)

    return write


def scale(*sizes: float) -> list[Any]:
    return [{"type": "scale", "scale": list(sizes)}]


AXES = [{"name": "t", "unit": "second"}, *({"name": axis, "unit": "micrometer"} for axis in "zyx")]
SIZES = {f"PhysicalSize{axis}": size for axis, size in zip("ZYX", (2.0, 0.5, 0.25), strict=True)}
DATASETS = [{"path": "0", "coordinateTransformations": scale(3, 2, 0.5, 0.25)}]

FILES: dict[str, tuple[str, Any, Calibration]] = {
    "OME-TIFF": (
        "a.tif",
        ome(**SIZES, **{f"PhysicalSize{axis}Unit": "nm" for axis in "ZYX"}, TimeIncrement=4.0, TimeIncrementUnit="ms"),
        Calibration(0.5, 0.25, 2.0, 4.0, "nanometer", "millisecond"),
    ),
    "OME-TIFF without units, which are µm and s": (
        "a.tif",
        ome(**SIZES, TimeIncrement=4.0),
        Calibration(0.5, 0.25, 2.0, 4.0, "micrometer", "second"),
    ),
    "OME-TIFF with planes in another unit": (
        "a.tif",
        ome(**SIZES, PhysicalSizeZUnit="nm"),
        Calibration(0.5, 0.25, 0.002, length_unit="micrometer"),
    ),
    "OME-TIFF in pixels": ("a.tif", ome(**SIZES, **{f"PhysicalSize{axis}Unit": "pixel" for axis in "ZYX"}), PIXELS),
    "OME-TIFF with one size": ("a.tif", ome(PhysicalSizeX=0.25), PIXELS),
    "ImageJ": (
        "a.tif",
        imagej((4, 2), unit="micron", spacing=2.0, finterval=0.5),
        Calibration(0.5, 0.25, 2.0, 0.5, "micrometer", "second"),
    ),
    "ImageJ with µ as it escapes it": ("a.tif", imagej((4, 2), unit="\\u00B5m"), Calibration(0.5, 0.25, None, 1, "micrometer")),
    "ImageJ in pixels": ("a.tif", imagej((4, 2), unit="pixel"), PIXELS),
    "ImageJ without a unit": ("a.tif", imagej((4, 2)), PIXELS),
    "OME-Zarr 0.4": ("a.zarr", ome_zarr("0.4", AXES, datasets=DATASETS), Calibration(0.5, 0.25, 2, 3, "micrometer", "second")),
    "OME-Zarr 0.5": ("a.zarr", ome_zarr("0.5", AXES, datasets=DATASETS), Calibration(0.5, 0.25, 2, 3, "micrometer", "second")),
    "OME-Zarr with a scale of all resolutions": (
        "a.zarr",
        ome_zarr("0.5", AXES, datasets=DATASETS, coordinateTransformations=scale(10, 1, 1, 1)),
        Calibration(0.5, 0.25, 2, 30, "micrometer", "second"),
    ),
    "OME-Zarr without units": ("a.zarr", ome_zarr("0.5", [{"name": a} for a in "tzyx"], datasets=DATASETS), PIXELS),
    "OME-Zarr that is damaged": ("a.zarr", ome_zarr("0.5", AXES, datasets=[]), PIXELS),
    "zarr": ("a.zarr", lambda path: zarr.create_array(path, data=STACK), PIXELS),
}


@pytest.mark.parametrize("kind", FILES)
def test_what_a_file_tells(kind: str, tmp_path: Path) -> None:
    name, write, expected = FILES[kind]
    write(tmp_path / name)
    assert read_calibration(tmp_path / name) == expected


def test_attributes_that_are_not_json(tmp_path: Path) -> None:
    (tmp_path / "zarr.json").write_text("{")
    assert read_calibration(tmp_path) == PIXELS
    (tmp_path / "zarr.json").write_text(json.dumps({"attributes": {"ome": {"multiscales": "none"}}}))
    assert read_calibration(tmp_path) == PIXELS


# --- files of other writers than tifffile ----------------------------------------------------------------------------


def raw_tiff(description: str | bytes = b"", x: Any = None, y: Any = None, unit: int | None = None) -> bytes:
    """A TIFF of 2 x 3 pixels, byte by byte; resolutions are two whole numbers each."""
    text = (description if isinstance(description, bytes) else description.encode()) + b"\0"
    # type 2 ASCII, 3 SHORT, 4 LONG, 5 RATIONAL
    tags: list[tuple[int, int, int, bytes]] = [
        (tag, 3, 1, struct.pack("<HH", value, 0)) for tag, value in ((256, 3), (257, 2), (258, 8), (259, 1), (262, 1))
    ]
    tags += [(270, 2, len(text), text)] if len(text) > 1 else []
    tags += [(273, 4, 1, b"DATA"), (277, 3, 1, struct.pack("<HH", 1, 0)), (278, 3, 1, struct.pack("<HH", 2, 0))]
    tags += [(279, 4, 1, struct.pack("<I", 6))]
    tags += [(tag, 5, 1, struct.pack("<II", *value)) for tag, value in ((282, x), (283, y)) if value is not None]
    tags += [(296, 3, 1, struct.pack("<HH", unit, 0))] if unit is not None else []
    end = 8 + 2 + 12 * len(tags) + 4
    entries, rest = b"", b""
    for tag, kind, count, value in tags:
        if value == b"DATA":
            place = struct.pack("<I", end)
        elif len(value) <= 4:
            place = value.ljust(4, b"\0")
        else:
            place = struct.pack("<I", end + 6 + len(rest))
            rest += value + b"\0" * (len(value) % 2)
        entries += struct.pack("<HHI", tag, kind, count) + place
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + b"\0\0\0\0" + bytes(6) + rest


def raw(*arguments: Any, **others: Any) -> Any:
    return lambda path: path.write_bytes(raw_tiff(*arguments, **others))


def read_raw(*arguments: Any, **others: Any) -> Calibration:
    with tifffile.TiffFile(io.BytesIO(raw_tiff(*arguments, **others))) as tiff:
        return calibration_of_tiff(tiff)


def pillow(dpi: Any, **others: Any) -> Any:
    return lambda path: Image.fromarray(np.zeros((8, 9), np.uint8)).save(path, dpi=dpi, **others)


def imagej_text(*lines: str) -> str:
    return "\n".join(("ImageJ=1.54f", "images=4", "slices=4", *lines, ""))


def ome_xml(*pixels: dict[str, str], before: str = "") -> str:
    """OME-XML with an image for each group of attributes."""
    images = "".join(
        f'<Image ID="Image:{i}"><Pixels ID="Pixels:{i}" {" ".join(f"{k}={quoteattr(v)}" for k, v in item.items())}/></Image>'
        for i, item in enumerate(pixels)
    )
    return f'{before}<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">{images}</OME>'


def um(y: float, x: float, z: float | None = None, t: float = 1.0, time: str = "frame") -> Calibration:
    return Calibration(y, x, z, t, "micrometer", time)


def xyz(size: str, unit: str | None = None) -> dict[str, str]:
    return {f"PhysicalSize{a}": size for a in "XYZ"} | ({} if unit is None else {f"PhysicalSize{a}Unit": unit for a in "XYZ"})


QUARTER = {"x": (4, 1), "y": (2, 1), "unit": 1}
"""Half a unit high and a quarter wide."""
OTHERS: dict[str, tuple[Any, Calibration]] = {
    # ImageJ
    "ImageJ, latin-1": (raw(imagej_text("unit=µm", "spacing=2").encode("latin-1"), **QUARTER), um(0.5, 0.25, 2)),
    "ImageJ, UTF-8": (raw(imagej_text("unit=µm", "spacing=2"), **QUARTER), um(0.5, 0.25, 2)),
    "ImageJ, decoded twice": (raw(imagej_text("unit=Âµm", "spacing=2"), **QUARTER), um(0.5, 0.25, 2)),
    "ImageJ, decoded three times": (raw(imagej_text("unit=Ã‚Âµm", "spacing=2"), **QUARTER), um(0.5, 0.25, 2)),
    "ImageJ, plural": (raw(imagej_text("unit=nanometers", "spacing=2"), **QUARTER), Calibration(0.5, 0.25, 2, 1, "nanometer")),
    "ImageJ, inches that were measured": (raw(imagej_text("unit=inch"), **QUARTER), Calibration(0.5, 0.25, None, 1, "inch")),
    "ImageJ, centimetres": (raw(imagej_text("unit=cm", "spacing=2"), **QUARTER), Calibration(0.5, 0.25, 2, 1, "centimeter")),
    "ImageJ, a unit for each axis": (
        raw(imagej_text("unit=micron", "yunit=nm", "zunit=mm", "spacing=0.002"), x=(4, 1), y=(1, 500), unit=1),
        um(0.5, 0.25, 2),
    ),
    "ImageJ, planes in another unit": (
        raw(imagej_text("unit=nm", "zunit=microns", "spacing=2"), **QUARTER),
        Calibration(0.5, 0.25, 2000, 1, "nanometer"),
    ),
    "ImageJ, planes in pixels": (
        raw(imagej_text("unit=nm", "zunit=pixel", "spacing=2"), **QUARTER),
        Calibration(0.5, 0.25, None, 1, "nanometer"),
    ),
    "ImageJ, times": (
        raw(imagej_text("finterval=2.5", "tunit=min", "unit=pixel"), **QUARTER),
        Calibration(t=2.5, time_unit="minute"),
    ),
    "ImageJ, seconds": (raw(imagej_text("finterval=2.5", "unit=um"), **QUARTER), um(0.5, 0.25, None, 2.5, "second")),
    "ImageJ, microseconds": (
        raw(imagej_text("finterval=2.5", "tunit=Âµs"), **QUARTER),
        Calibration(t=2.5, time_unit="microsecond"),
    ),
    "ImageJ, no interval": (raw(imagej_text("finterval=0", "tunit=sec", "unit=um", "spacing=-2"), **QUARTER), um(0.5, 0.25, 2)),
    "ImageJ, 72 dpi": (raw(imagej_text("unit=inch"), x=(72, 1), y=(72, 1), unit=2), PIXELS),
    "ImageJ, 96 dpi": (raw(imagej_text("unit=in", "spacing=2"), x=(96, 1), y=(96, 1), unit=2), PIXELS),
    "ImageJ, 300 dpi": (
        raw(imagej_text("unit=inches", "finterval=3"), x=(3_000_000, 10_000), y=(300, 1), unit=2),
        Calibration(t=3, time_unit="second"),
    ),
    "ImageJ, 72 dpi in centimetres": (raw(imagej_text("unit=cm"), x=(28_346_457, 1_000_000), y=(2835, 100), unit=3), PIXELS),
    "ImageJ, 72 pixels per micrometre": (raw(imagej_text("unit=um"), x=(72, 1), y=(72, 1), unit=1), um(1 / 72, 1 / 72)),
    "ImageJ without a unit, tags with one": (
        raw(imagej_text(), x=(20_000, 1), y=(10_000, 1), unit=3),
        Calibration(1e-4, 5e-5, None, 1, "centimeter"),
    ),
    "ImageJ without a unit, 1 per inch": (raw(imagej_text(), x=(1, 1), y=(1, 1), unit=2), PIXELS),
    "ImageJ, no resolution": (raw(imagej_text("unit=um", "spacing=2")), PIXELS),
    # resolution tags alone
    "Pillow, 254 dpi": (pillow((254, 254)), um(100, 100)),
    "Pillow, 25400 by 12700 dpi": (pillow((25_400, 12_700)), um(2, 1)),
    "Pillow, 1200 dpi": (pillow((1200, 1200)), um(25.4 / 1.2, 25.4 / 1.2)),
    "Pillow, 72 dpi": (pillow((72, 72)), PIXELS),
    "Pillow, 96 dpi": (pillow((96, 96)), PIXELS),
    "Pillow, 300 dpi": (pillow((300, 300)), PIXELS),
    "Pillow, 72.009 dpi": (pillow((72.009, 72.009)), PIXELS),
    "Pillow, 95.9866 dpi": (pillow((95.9866, 95.9866)), PIXELS),
    "Pillow, 1 dpi": (pillow((1, 1)), PIXELS),
    "Pillow without dpi": (lambda path: Image.fromarray(np.zeros((8, 9), np.uint8)).save(path), PIXELS),
    "Pillow, compressed": (pillow((254, 254), compression="tiff_lzw"), um(100, 100)),
    "10000 per cm": (raw(x=(10_000, 1), y=(5_000, 1), unit=3), um(2, 1)),
    "72 dpi per cm": (raw(x=(2835, 100), y=(2835, 100), unit=3), PIXELS),
    "96 dpi per cm": (raw(x=(378, 10), y=(378, 10), unit=3), PIXELS),
    "300 dpi per cm": (raw(x=(11_811, 100), y=(11_811, 100), unit=3), PIXELS),
    "72 dpi per cm, whole": (raw(x=(28, 1), y=(28, 1), unit=3), PIXELS),
    "300 dpi per cm, whole": (raw(x=(118, 1), y=(118, 1), unit=3), PIXELS),
    "72 per cm": (raw(x=(72, 1), y=(72, 1), unit=3), um(1e4 / 72, 1e4 / 72)),
    "one axis of a screen": (raw(x=(72, 1), y=(80, 1), unit=2), PIXELS),
    "no unit": (raw(x=(10_000, 1), y=(10_000, 1), unit=1), PIXELS),
    "no unit said": (raw(x=(10_000, 1), y=(10_000, 1)), PIXELS),
    "a unit that does not exist": (raw(x=(10_000, 1), y=(10_000, 1), unit=9), PIXELS),
    "0": (raw(x=(0, 1), y=(0, 1), unit=3), PIXELS),
    "divided by 0": (raw(x=(10_000, 0), y=(10_000, 0), unit=3), PIXELS),
    "0 by 0": (raw(x=(0, 0), y=(0, 0), unit=3), PIXELS),
    "one axis alone": (raw(x=(10_000, 1), unit=3), PIXELS),
    "pixels a hundred times as high as wide": (raw(x=(10_000, 1), y=(100, 1), unit=3), PIXELS),
    "pixels five times as high as wide": (raw(x=(10_000, 1), y=(2_000, 1), unit=3), um(5, 1)),
    # OME-XML
    "OME-XML": (raw(ome_xml(xyz("0.5"))), um(0.5, 0.5, 0.5)),
    "OME-XML, plural": (raw(ome_xml(xyz("0.5", "micrometers"))), um(0.5, 0.5, 0.5)),
    "OME-XML, decoded twice": (raw(ome_xml(xyz("0.5", "Âµm"))), um(0.5, 0.5, 0.5)),
    "OME-XML, latin-1": (
        raw(ome_xml(xyz("0.5", "µm"), before='<?xml version="1.0" encoding="ISO-8859-1"?>').encode("latin-1")),
        um(0.5, 0.5, 0.5),
    ),
    "OME-XML, escaped": (raw(ome_xml(xyz("0.5", "@")).replace("@", "&#181;m")), um(0.5, 0.5, 0.5)),
    "OME-XML, a prefix and a declaration": (
        raw(
            ome_xml(xyz("0.5", "nm"), before='<?xml version="1.0" encoding="UTF-8"?>\n<!-- warning -->')
            .replace("<", "<o:")
            .replace("<o:/", "</o:")
            .replace("<o:?", "<?")
            .replace("<o:!", "<!")
            .replace("xmlns", "xmlns:o")
        ),
        Calibration(0.5, 0.5, 0.5, 1, "nanometer"),
    ),
    "OME-XML in inches that are 72 dpi": (raw(ome_xml(xyz("0.25", "in"))), Calibration(0.25, 0.25, 0.25, 1, "inch")),
    "OME-XML of two images, the first": (raw(ome_xml(xyz("0.5"), xyz("7"))), um(0.5, 0.5, 0.5)),
    "OME-XML, the first image without pixels": (raw(ome_xml(xyz("7")).replace("<Image", '<Image ID="none"/><Image')), PIXELS),
    "OME-XML, Pixels in an annotation": (
        raw(ome_xml(xyz("0.5")).replace("<Image", "<A><XMLAnnotation><Pixels PhysicalSizeX='9'/></XMLAnnotation></A><Image")),
        um(0.5, 0.5, 0.5),
    ),
    "OME-XML, sizes that nobody measured": (raw(ome_xml(xyz("0") | {"TimeIncrement": "0.0"})), PIXELS),
    "OME-XML, reference frame": (raw(ome_xml(xyz("0.5", "reference frame"))), PIXELS),
    "OME-XML of one plane with an odd distance": (
        raw(ome_xml(xyz("0.5") | {"PhysicalSizeZUnit": "steps", "SizeZ": "1"})),
        um(0.5, 0.5),
    ),
    "OME-XML, resolution tags besides": (raw(ome_xml({}), x=(10_000, 1), y=(10_000, 1), unit=3), PIXELS),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_what_files_of_others_tell(kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """And nothing is said about them."""
    write, expected = OTHERS[kind]
    write(tmp_path / "a.tif")
    assert read_calibration(tmp_path / "a.tif") == expected
    assert [record.message for record in caplog.records if record.name.startswith("napari_sam2")] == []


def test_images_of_an_ome_tiff_have_sizes_of_their_own() -> None:
    with tifffile.TiffFile(io.BytesIO(raw_tiff(ome_xml(xyz("0.5"), xyz("7", "nm"))))) as tiff:
        found = [calibration_of_tiff(tiff, series) for series in range(3)]
    assert found == [um(0.5, 0.5, 0.5), Calibration(7, 7, 7, 1, "nanometer"), PIXELS]


LENGTHS = "so lengths are in pixels unless --pixel-size (in Python pixel_size=) gives them"
TIMES = "so times are in frames unless --interval (in Python interval=) gives them"
BOTH = (
    "so lengths are in pixels and times are in frames unless --pixel-size and --interval (in Python pixel_size= and interval=) "
    "give them"
)
BOMB = '<!DOCTYPE OME [<!ENTITY a "µm"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">]>'
SAID: dict[str, tuple[Any, str, Calibration]] = {
    "furlongs": (
        raw(imagej_text("unit=furlong", "spacing=2"), **QUARTER),
        f"the unit 'furlong' of Z, Y and X is not understood, {LENGTHS}",
        PIXELS,
    ),
    "two units": (
        raw(imagej_text("unit=furlong", "yunit=rod"), **QUARTER),
        f"the units 'rod' of Y and 'furlong' of X are not understood, {LENGTHS}",
        PIXELS,
    ),
    "planes": (
        raw(imagej_text("unit=um", "zunit=steps", "spacing=2"), **QUARTER),
        f"the unit 'steps' of Z is not understood, {LENGTHS}",
        PIXELS,
    ),
    "planes of one image": (
        raw("ImageJ=1.54f\nunit=um\nzunit=steps\nspacing=2\nyunit=MM\n", **QUARTER),
        f"the unit 'MM' of Y is not understood, {LENGTHS}",
        PIXELS,
    ),
    "time as rows": (
        raw(imagej_text("unit=um", "yunit=sec"), **QUARTER),
        f"the unit 'sec' of Y is not understood, {LENGTHS}",
        PIXELS,
    ),
    "times": (
        raw(imagej_text("unit=um", "finterval=2", "tunit=fortnight"), **QUARTER),
        f"the unit 'fortnight' of T is not understood, {TIMES}",
        um(0.5, 0.25),
    ),
    "lengths and times": (
        raw(ome_xml(xyz("1", "M") | {"TimeIncrement": "2", "TimeIncrementUnit": "MS"})),
        f"the units 'M' of Z, Y and X and 'MS' of T are not understood, {BOTH}",
        PIXELS,
    ),
    "ImageJ, infinite resolution": (
        raw(imagej_text("unit=um"), x=(4, 0), y=(2, 1), unit=1),
        f"the size of a pixel is given along Y and not along X, {LENGTHS}",
        PIXELS,
    ),
    "OME-XML, the width alone": (
        raw(ome_xml({"PhysicalSizeX": "0.5"})),
        f"the size of a pixel is given along X and not along Y, {LENGTHS}",
        PIXELS,
    ),
    "OME-XML, sizes that are none": (
        raw(ome_xml(xyz("-1") | {"TimeIncrement": "nan"})),
        f"the sizes '-1' of Y and X and 'nan' of T are not numbers above 0, {BOTH}",
        PIXELS,
    ),
    "OME-XML, endless": (raw(ome_xml(xyz("INF"))), f"the size 'INF' of Y and X is not a number above 0, {LENGTHS}", PIXELS),
    "OME-XML, decimal commas": (raw(ome_xml(xyz("0,5"))), f"the size '0,5' of Y and X is not a number above 0, {LENGTHS}", PIXELS),
    "OME-XML, a height that is none": (
        raw(ome_xml(xyz("0.5") | {"PhysicalSizeY": "?"})),
        f"the size '?' of Y is not a number above 0, {LENGTHS}",
        PIXELS,
    ),
    "a long text": (
        raw(imagej_text("unit=" + "long" * 50), **QUARTER),
        f"the unit '{'long' * 14}lo… of Y and X is not understood, {LENGTHS}",
        PIXELS,
    ),
    "OME-XML cut short": (raw(ome_xml(xyz("0.5"))[:-20]), f"its OME-XML is not well-formed and is not read, {BOTH}", PIXELS),
    "OME-XML, not closed": (
        raw(ome_xml(xyz("0.5")).replace("</Image>", "")),
        f"its OME-XML is not well-formed and is not read, {BOTH}",
        PIXELS,
    ),
    "OME-XML, an entity of HTML": (
        raw(ome_xml(xyz("0.5", "@")).replace("@", "&micro;m")),
        f"its OME-XML is not well-formed and is not read, {BOTH}",
        PIXELS,
    ),
    "OME-XML that grows": (
        raw(ome_xml(xyz("0.5", "@"), before=BOMB).replace("@", "&c;")),
        f"its OME-XML declares a type of its own (DOCTYPE) and is not read, {BOTH}",
        PIXELS,
    ),
    "OME-XML that names a file": (
        raw(ome_xml(xyz("0.5"), before='<!DOCTYPE OME [<!ENTITY f SYSTEM "file:///etc/passwd">]>')),
        f"its OME-XML declares a type of its own (DOCTYPE) and is not read, {BOTH}",
        PIXELS,
    ),
}


@pytest.mark.parametrize("kind", SAID)
def test_what_is_not_understood_is_said_once(kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write, sentence, expected = SAID[kind]
    path = tmp_path / "a.tif"
    write(path)
    assert read_calibration(path) == expected
    assert [(record.levelname, record.message) for record in caplog.records] == [("WARNING", f"{path}: {sentence}")]


@pytest.mark.parametrize(
    ("scales", "sentence"),
    [
        ((0, -2), "the size -2.0 of X is not a number above 0"),
        ((float("nan"), float("nan")), "the size nan of Y and X is not a number above 0"),
        ((0.5, 0), "the size of a pixel is given along Y and not along X"),
    ],
)
def test_a_scale_of_ome_zarr_that_is_none(scales: Any, sentence: str, caplog: pytest.LogCaptureFixture) -> None:
    image = {"axes": AXES[2:], "datasets": [{"coordinateTransformations": scale(*scales)}]}
    assert calibration_of_multiscales({"multiscales": [image]}) == PIXELS
    assert [record.message for record in caplog.records] == [f"OME-Zarr: {sentence}, {LENGTHS}"]


def test_a_unit_of_ome_zarr_that_is_not_understood(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    axes = [{"name": "t", "unit": "second"}, *({"name": axis, "unit": "klafter"} for axis in "zyx")]
    ome_zarr("0.4", axes, datasets=DATASETS)(tmp_path / "a.zarr")
    assert read_calibration(tmp_path / "a.zarr") == Calibration(t=3, time_unit="second")
    assert [record.message for record in caplog.records] == [
        f"{tmp_path / 'a.zarr'}: the unit 'klafter' of Z, Y and X is not understood, {LENGTHS}"
    ]


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({}, PIXELS),
        ({"multiscales": []}, PIXELS),
        # 0.1 and 0.2, 0.3
        ({"multiscales": [{"version": "0.1", "datasets": [{"path": "0"}]}]}, PIXELS),
        ({"multiscales": [{"version": "0.3", "axes": ["z", "y", "x"], "datasets": [{"path": "0"}]}]}, PIXELS),
        # a unit without a scale, and the other way round
        ({"multiscales": [{"axes": AXES[1:], "datasets": [{"path": "0"}]}]}, um(1, 1, 1)),
        (
            {"multiscales": [{"axes": [{"name": a} for a in "yx"], "datasets": [{"coordinateTransformations": scale(2, 3)}]}]},
            PIXELS,
        ),
        (
            {
                "multiscales": [
                    {
                        "axes": [{"name": "c"}, {"name": "Z", "unit": "nanometer"}, *({"name": a, "unit": "micron"} for a in "YX")],
                        "datasets": [
                            {
                                "coordinateTransformations": [
                                    *scale(1, 500, 0.5, 0.25),
                                    {"type": "translation", "translation": [0, 9, 9, 9]},
                                ]
                            }
                        ],
                    }
                ]
            },
            um(0.5, 0.25, 0.5),
        ),
        (
            {"multiscales": [{"axes": AXES[2:], "datasets": [{"coordinateTransformations": [{"type": "scale", "path": "s"}]}]}]},
            PIXELS,
        ),
        ({"multiscales": [{"axes": AXES[2:], "datasets": [{"coordinateTransformations": scale(1, 2, 3)}]}]}, PIXELS),
        ({"multiscales": [{"axes": AXES[2:], "datasets": [{"coordinateTransformations": scale(0, 0)}]}]}, PIXELS),
    ],
)
def test_attributes_of_ome_zarr(attributes: Any, expected: Calibration, caplog: pytest.LogCaptureFixture) -> None:
    assert calibration_of_multiscales(attributes) == expected
    assert caplog.records == []


# --- one size, whatever it is called ---------------------------------------------------------------------------------

EVERYDAY = {
    "picometer": ("pm", "picometre", "Picometers"),
    "angstrom": ("Å", "Angstroms", "ångström"),
    "nanometer": ("nm", "nanometers", "NM", "nm."),
    "micrometer": ("µm", "μm", "um", "Microns", "micrometres", "Âµm", "Ã‚Âµm", "¬µm", "\\u00B5m", "&micro;m", "&#181;m"),
    "millimeter": ("mm", "Millimetres"),
    "centimeter": ("cm", "centimetres", "CM"),
    "meter": ("m", "metres"),
    "inch": ("in", "in.", "Inches"),
    "foot": ("ft", "feet"),
}
LENGTH_SPELLINGS = st.sampled_from([(UNITS[name], spelling) for name, spellings in EVERYDAY.items() for spelling in spellings])


@given(st.tuples(*[LENGTH_SPELLINGS] * 3), st.sampled_from(["ImageJ", "OME-XML", "OME-Zarr"]))
def test_any_spelling_on_any_axis_is_the_same_size_in_metres(units: Any, kind: str) -> None:
    """Each axis 1 unit of its own and another number of that of X: 3, 5 and 7 of them."""
    (z, z_text), (y, y_text), (x, x_text) = units
    if kind == "ImageJ":
        lines = (f"unit={x_text}", f"yunit={y_text}", f"zunit={z_text}", "spacing=7")
        found = read_raw(imagej_text(*lines), x=(1, 3), y=(1, 5), unit=1)
    elif kind == "OME-XML":
        given = {"X": ("3", x_text), "Y": ("5", y_text), "Z": ("7", z_text)}
        pixels = {f"PhysicalSize{axis}": size for axis, (size, _) in given.items()}
        found = read_raw(ome_xml(pixels | {f"PhysicalSize{axis}Unit": text for axis, (_, text) in given.items()}))
    else:
        axes = [{"name": name, "unit": text} for name, text in zip("zyx", (z_text, y_text, x_text), strict=True)]
        found = calibration_of_multiscales(
            {"multiscales": [{"axes": axes, "datasets": [{"coordinateTransformations": scale(7, 5, 3)}]}]}
        )
    meters = [size * float(UNITS[found.length_unit].size) for size in (found.x, found.y, found.z or 0)]
    assert meters == pytest.approx([3 * float(x.size), 5 * float(y.size), 7 * float(z.size)], rel=1e-14)
    assert found.length_unit == x.name


@given(
    st.sampled_from([unit for unit in UNITS.values() if unit.kind == "time"]), st.sampled_from(["name", "symbol", "ascii_symbol"])
)
def test_any_time_is_what_it_is_called(unit: Any, spelling: str) -> None:
    text = getattr(unit, spelling)
    assert read_raw(imagej_text("finterval=2.5", f"tunit={text}")) == Calibration(t=2.5, time_unit=unit.name)
    assert read_raw(ome_xml({"TimeIncrement": "2.5", "TimeIncrementUnit": text})) == Calibration(t=2.5, time_unit=unit.name)


def test_other_units() -> None:
    assert Calibration(2, 3, 4, 60, "nanometer", "second").in_units("micrometer", "minute") == Calibration(
        0.002, 0.003, 0.004, 1, "micrometer", "minute"
    )
    assert Calibration(2, 3, None, 60, "nanometer", "second").in_units(None, "hour") == Calibration(
        2, 3, None, 1 / 60, "nanometer", "hour"
    )
    assert PIXELS.in_units("micrometer", "minute") == PIXELS
