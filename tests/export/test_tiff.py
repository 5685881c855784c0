"""Labels as TIFF, read back by tifffile: values, axes, pixel size, compression; half files are not left."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr

from napari_sam2.export import tiff as tiff_module
from napari_sam2.export.result import Result
from napari_sam2.export.tiff import write_tiff
from napari_sam2.images.calibration import Calibration
from napari_sam2.images.image_files import open_image_file
from napari_sam2.images.stack import Stack
from napari_sam2.images.units import UNITS

LABELS = np.zeros((2, 3, 20, 30), np.uint16)
LABELS[0, 1, 2:5, 3:8] = 7
LABELS[1, 2, 10:12, 20:21] = 65535
MICRONS = Calibration(0.5, 0.25, 2.0, 3.0, "micrometer", "second")
CASES = [(LABELS, "TZYX"), (LABELS[:, 1], "TYX"), (LABELS[1], "ZYX"), (LABELS[0, 1], "YX"), (np.zeros_like(LABELS), "TZYX")]


@pytest.mark.parametrize("name", ["labels.tif", "labels.TIFF", "labels.ome.tif"])
@pytest.mark.parametrize(("labels", "axes"), CASES, ids=["volumes", "time", "depth", "single", "empty"])
def test_labels_as_tiff(labels: np.ndarray, axes: str, name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    write_tiff(path, Result(labels, axes, MICRONS))
    with tifffile.TiffFile(path) as tiff:
        (series,) = tiff.series
        assert (series.axes, series.shape, series.dtype) == (axes, labels.shape, np.uint16)
        assert series.pages[0].compression == tifffile.COMPRESSION.ADOBE_DEFLATE
        assert series.pages[0].photometric == tifffile.PHOTOMETRIC.MINISBLACK
        assert (tiff.is_ome, tiff.is_imagej, tiff.is_bigtiff) == ("ome" in name, "ome" not in name, False)
    np.testing.assert_array_equal(tifffile.imread(path), labels)
    again = Stack.open(path, at={"Z": 0} if axes == "TZYX" else None)
    assert (again.axes, again.labels_shape) == (axes, labels.shape)
    told = open_image_file(path).calibration
    assert (told.y, told.x, told.length_unit) == (0.5, 0.25, "micrometer")
    assert told.z == (2.0 if "Z" in axes else None)
    assert (told.t, told.time_unit) == ((3.0, "second") if "T" in axes else (1.0, "frame"))
    assert os.listdir(tmp_path) == [name]


def in_metres_and_seconds(pixel: Calibration) -> list[float]:
    length, time = (float(UNITS[unit].size) for unit in (pixel.length_unit, pixel.time_unit))
    return [pixel.y * length, pixel.x * length, (pixel.z or 0) * length, pixel.t * time]


@pytest.mark.parametrize("time", [name for name, unit in UNITS.items() if unit.kind == "time"])
def test_times_in_any_unit(time: str, tmp_path: Path) -> None:
    pixel = Calibration(0.5, 0.25, None, 3.0, "nanometer", time)
    for name in ("labels.tif", "labels.ome.tif"):
        write_tiff(tmp_path / name, Result(LABELS[:, 0], "TYX", pixel))
        assert open_image_file(tmp_path / name).calibration == pixel


@pytest.mark.parametrize("length", [name for name, unit in UNITS.items() if unit.kind == "length"])
def test_ome_tiff_has_any_unit(length: str, tmp_path: Path) -> None:
    pixel = Calibration(0.5, 0.25, 2.0, 3.0, length, "second")
    write_tiff(tmp_path / "labels.ome.tif", Result(LABELS, "TZYX", pixel))
    with tifffile.TiffFile(tmp_path / "labels.ome.tif") as tiff:
        assert f'PhysicalSizeXUnit="{UNITS[length].symbol}"' in (tiff.ome_metadata or "")
    assert open_image_file(tmp_path / "labels.ome.tif").calibration == pixel


@pytest.mark.parametrize(
    ("size", "length", "text"),
    [
        (65_000.0, "picometer", "pm"),
        (650.0, "angstrom", "angstrom"),
        (0.65, "micrometer", "micron"),
        (2.0, "millimeter", "mm"),
        (6.5e-7, "meter", "micron"),  # one over it is no number that a resolution tag holds well
        (1e10, "picometer", "micron"),
        (1e-9, "kilometer", "micron"),
        (65e-6, "centimeter", "micron"),
        (1 / 72, "inch", "micron"),  # which ImageJ writes for a screen
        (2.0, "foot", "ft"),
        (2.0, "terameter", "Tm"),
        (1e-20, "parsec", "micron"),
    ],
)
def test_imagej_has_lengths_in_units_that_it_holds(size: float, length: str, text: str, tmp_path: Path) -> None:
    pixel = Calibration(size, 2 * size, 3 * size, 3.0, length, "microsecond")
    write_tiff(tmp_path / "labels.tif", Result(LABELS, "TZYX", pixel))
    with tifffile.TiffFile(tmp_path / "labels.tif") as tiff:
        told = tiff.imagej_metadata
    assert (told["unit"], told["tunit"]) == (text, "us")
    again = open_image_file(tmp_path / "labels.tif").calibration
    np.testing.assert_allclose(in_metres_and_seconds(again), in_metres_and_seconds(pixel), rtol=1e-6)


def test_lengths_that_imagej_cannot_hold_are_in_pixels(tmp_path: Path) -> None:
    write_tiff(tmp_path / "labels.tif", Result(LABELS[0, 0], "YX", Calibration(1.0, 1e-14, None, length_unit="parsec")))
    assert open_image_file(tmp_path / "labels.tif").calibration == Calibration()


@pytest.mark.parametrize("name", ["labels.tif", "labels.ome.tif"])
def test_a_single_frame_reads_as_an_image(name: str, tmp_path: Path) -> None:
    """Neither format tells a stack of one frame from an image."""
    write_tiff(tmp_path / name, Result(LABELS[:1, 1], "TYX"))
    np.testing.assert_array_equal(tifffile.imread(tmp_path / name), LABELS[0, 1])


def test_fiji_finds_time_depth_and_units(tmp_path: Path) -> None:
    write_tiff(tmp_path / "labels.tif", Result(LABELS, "TZYX", MICRONS))
    with tifffile.TiffFile(tmp_path / "labels.tif") as tiff:
        told = tiff.imagej_metadata
        assert {key: told[key] for key in ("frames", "slices", "hyperstack", "unit", "spacing", "finterval")} == {
            "frames": 2,
            "slices": 3,
            "hyperstack": True,
            "unit": "micron",
            "spacing": 2.0,
            "finterval": 3.0,
        }


@pytest.mark.parametrize("place", ["memmap", "zarr"])
def test_labels_that_are_not_in_memory(place: str, tmp_path: Path) -> None:
    given: Any
    if place == "memmap":
        given = np.memmap(tmp_path / "labels.raw", np.uint16, "w+", shape=LABELS.shape)
    else:
        given = zarr.create_array(tmp_path / "labels.zarr", shape=LABELS.shape, dtype="uint16")
    given[...] = LABELS
    write_tiff(tmp_path / "labels.tif", Result(given, "TZYX"))
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "labels.tif"), LABELS)


class Planes:
    """Labels of which one plane at most is in memory, and some cannot be read."""

    def __init__(self, shape: tuple[int, ...], fails_at: int | None = None) -> None:
        self.shape, self.dtype, self.fails_at, self.read = shape, np.dtype(np.uint16), fails_at, 0

    def __getitem__(self, index: tuple[Any, ...]) -> np.ndarray:
        frame, *rest = index
        assert isinstance(frame, int)
        assert rest == [slice(None), slice(None)]
        if frame == self.fails_at:
            raise OSError("a chunk cannot be read")
        self.read += 1
        return np.full(self.shape[1:], frame, self.dtype)


@pytest.mark.parametrize("name", ["labels.tif", "labels.ome.tif"])
def test_big_stacks_are_written_plane_by_plane_as_bigtiff(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiff_module, "CLASSIC_BYTES", 5 * 8 * 8 * 2 - 1)
    labels = Planes((5, 8, 8))
    write_tiff(tmp_path / name, Result(labels, "TYX", MICRONS))
    assert labels.read == 5
    with tifffile.TiffFile(tmp_path / name) as tiff:
        assert (tiff.is_bigtiff, tiff.is_ome, tiff.series[0].axes) == (True, True, "TYX")
        assert tiff.asarray()[:, 3, 3].tolist() == [0, 1, 2, 3, 4]
    assert open_image_file(tmp_path / name).calibration.x == 0.25


def test_labels_that_cannot_be_read_leave_no_file(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"^the labels at T 2 cannot be read: their data are damaged or missing$"):
        write_tiff(tmp_path / "labels.tif", Result(Planes((4, 8, 8), fails_at=2), "TYX"))
    assert os.listdir(tmp_path) == []
