"""The size of a pixel and the time between frames, as files of all kinds tell them."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr

from napari_sam2.images.calibration import PIXELS, Calibration, calibration_of, read_calibration

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
    "a screen's resolution": (
        "a.tif",
        lambda path: tifffile.imwrite(path, STACK, resolution=(72, 72), resolutionunit="INCH"),
        PIXELS,
    ),
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
    "no image": ("a.tif", lambda path: path.write_text("a letter"), PIXELS),
    "nothing": ("a.tif", lambda path: None, PIXELS),
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


@pytest.mark.parametrize(
    ("pixel_size", "interval", "expected"),
    [
        (None, None, Calibration(4, 4, 9, 7, "nanometer", "hour")),
        ([0.5], None, Calibration(0.5, 0.5, None, 7, "micrometer", "hour")),
        ([0.5, 0.25], 2.0, Calibration(0.5, 0.25, None, 2, "micrometer", "second")),
        ([2, 0.5, 0.25], None, Calibration(0.5, 0.25, 2, 7, "micrometer", "hour")),
    ],
)
def test_what_a_person_says(pixel_size: Any, interval: Any, expected: Calibration) -> None:
    assert calibration_of(pixel_size, interval, Calibration(4, 4, 9, 7, "nanometer", "hour")) == expected


@pytest.mark.parametrize(
    ("pixel_size", "interval", "message"),
    [
        ([1, 2, 3, 4], None, "one to three numbers .* got 4"),
        ([0], None, "along Y must be above 0, got 0"),
        ([-1, 1, 1], None, "along Z must be above 0, got -1"),
        ([float("nan"), 1], None, "along Y must be above 0, got nan"),
        (None, 0, "along T must be above 0, got 0"),
    ],
)
def test_what_cannot_be(pixel_size: Any, interval: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        calibration_of(pixel_size, interval, PIXELS)


def test_a_volume_needs_the_distance_of_its_planes(caplog: pytest.LogCaptureFixture) -> None:
    flat = Calibration(0.5, 0.25, None, 3, "micrometer", "second")
    assert flat.fitting("TYX") == flat
    assert caplog.records == []
    with caplog.at_level(logging.WARNING):
        assert flat.fitting("TZYX") == Calibration(1, 1, 1, 3, "pixel", "second")
    assert [record.message for record in caplog.records] == [
        "the distance of planes is not known, only the size of pixels: lengths are given in pixels"
    ]
    caplog.clear()
    assert PIXELS.fitting("ZYX").steps("ZYX") == (1, 1, 1)
    assert caplog.records == []
