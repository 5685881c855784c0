"""NRRD files written by pynrrd and SimpleITK: voxels, places, axes beside space, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nrrd
import numpy as np
import pytest
import SimpleITK as sitk

from napari_sam2.images.errors import ImageFileError
from napari_sam2.images.geometry import Geometry, is_same_place
from napari_sam2.images.medical.nrrd_files import open_nrrd
from phantoms import GEOMETRIES, SHAPE, TILTED, sitk_image, volume, write_nrrd


@pytest.mark.parametrize("name", [*GEOMETRIES, "tilted"])
@pytest.mark.parametrize("space", ["LPS", "RAS"])
@pytest.mark.parametrize("encoding", ["raw", "gzip", "bzip2", "ascii"])
def test_voxels_and_their_places(name: str, space: Any, encoding: str, tmp_path: Path) -> None:
    geometry = GEOMETRIES.get(name, TILTED)
    opened = open_nrrd(write_nrrd(tmp_path / "v.nrrd", volume(), geometry.in_space(space), encoding))
    np.testing.assert_array_equal(opened.pixels[:], volume())
    np.testing.assert_array_equal(opened.pixels[3, 2:4], volume()[3, 2:4])
    assert (opened.axis_names, opened.pixels.dtype, opened.is_private) == ("ZYX", np.int16, True)
    assert opened.geometry is not None
    assert is_same_place(opened.geometry, geometry, 1e-6, SHAPE)


def test_what_another_library_wrote_lies_where_it_does(tmp_path: Path) -> None:
    sitk.WriteImage(sitk_image(volume(), GEOMETRIES["oblique"]), str(tmp_path / "v.nrrd"))
    opened = open_nrrd(tmp_path / "v.nrrd")
    np.testing.assert_array_equal(opened.pixels[:], volume())
    assert opened.geometry is not None
    assert is_same_place(opened.geometry, GEOMETRIES["oblique"], 1e-6, SHAPE)


def test_left_anterior_superior_and_other_units(tmp_path: Path) -> None:
    header = {"space": "LAS", "space directions": np.eye(3) * 500, "space origin": [0, 1000, 0], "space units": ["um"] * 3}
    nrrd.write(str(tmp_path / "v.nrrd"), volume(), header, index_order="C")
    opened = open_nrrd(tmp_path / "v.nrrd")
    assert opened.geometry is not None
    np.testing.assert_allclose(opened.geometry.in_space("LPS").world([0, 2, 3]), [1.5, -2, 0])
    assert opened.geometry.orientation == "LAS"


@pytest.mark.parametrize(("kind", "count", "axis"), [("list", 5, "T"), ("time", 5, "T"), ("RGB-color", 3, "S"), ("vector", 2, "C")])
@pytest.mark.parametrize("is_first", [True, False])
def test_an_axis_that_is_none_of_space(kind: str, count: int, axis: str, is_first: bool, tmp_path: Path) -> None:
    values = volume((count, *SHAPE)) if is_first else volume((*SHAPE, count))
    steps, none = np.diag([1.0, 2, 3]), np.full((1, 3), np.nan)
    kinds = ["domain"] * 3
    header = {
        "space": "left-posterior-superior",
        "space directions": np.vstack([steps, none] if is_first else [none, steps]),
        "space origin": np.zeros(3),
        "kinds": [*kinds, kind] if is_first else [kind, *kinds],
    }
    nrrd.write(str(tmp_path / "v.nrrd"), values, header, index_order="C")
    opened = open_nrrd(tmp_path / "v.nrrd")
    assert opened.axis_names == (f"{axis}ZYX" if is_first else f"ZYX{axis}")
    np.testing.assert_array_equal(opened.pixels[:], values)
    assert opened.geometry == Geometry.of(np.diag([1, 2, 3, 1]))


def test_voxels_beside_their_header_and_of_another_byte_order(tmp_path: Path) -> None:
    write_nrrd(tmp_path / "v.nhdr", volume(), GEOMETRIES["flipped"], "raw")
    np.testing.assert_array_equal(open_nrrd(tmp_path / "v.nhdr").pixels[:], volume())
    path = write_nrrd(tmp_path / "big.nrrd", volume(), GEOMETRIES["flipped"], "raw")
    head, _, data = path.read_bytes().partition(b"\n\n")
    big = np.frombuffer(data, "<i2").astype(">i2").tobytes()
    path.write_bytes(head.replace(b"endian: little", b"endian: big") + b"\n\n" + big)
    np.testing.assert_array_equal(open_nrrd(path).pixels[:], volume())


def test_sizes_without_directions(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    nrrd.write(str(tmp_path / "v.nrrd"), volume(), {"spacings": [0.5, 1, 2]}, index_order="C")
    assert open_nrrd(tmp_path / "v.nrrd").calibration.steps("ZYX") == (2, 1, 0.5)
    assert [record.getMessage() for record in caplog.records] == [
        "the NRRD file gives no orientation: where left, front and head are is not known"
    ]
    nrrd.write(str(tmp_path / "t.nrrd"), volume((2, 3, 4, 5)), {}, index_order="C")
    assert open_nrrd(tmp_path / "t.nrrd").axis_names == "TZYX"
    nrrd.write(str(tmp_path / "p.nrrd"), volume((4, 5)), {"spacings": [0.5, 1]}, index_order="C")
    plane = open_nrrd(tmp_path / "p.nrrd")
    assert (plane.axis_names, plane.calibration.steps("YX"), plane.calibration.z) == ("YX", (1, 0.5), None)


def refused(path: Path, text: str) -> None:
    with pytest.raises(ImageFileError, match=f"^{text}") as caught:
        open_nrrd(path)
    assert "jane" not in str(caught.value)


def test_what_is_wrong(tmp_path: Path) -> None:
    path = write_nrrd(tmp_path / "jane.nrrd", volume(), GEOMETRIES["straight"], "raw")
    path.write_bytes(path.read_bytes()[:-10])
    refused(path, r"the NRRD file ends too early: it has \d+ of \d+ bytes$")
    path = write_nrrd(tmp_path / "jane.nrrd", volume(), GEOMETRIES["straight"])
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(ImageFileError, match=r"^the NRRD file is damaged, or ends too early$"):
        open_nrrd(path).pixels[0]
    path.write_text("no NRRD")
    refused(path, "the NRRD file is damaged, or is none$")
    header = {"space": "LPS", "space directions": np.ones((3, 3)), "space origin": np.zeros(3)}
    nrrd.write(str(path), volume(), header, index_order="C")
    refused(path, "the NRRD file cannot be placed in space: the affine of a volume is singular")
    nrrd.write(str(path), volume((2, 2, 2, 2, 2)), {"kinds": ["domain"] * 3 + ["list"] * 2}, index_order="C")
    refused(path, "the NRRD file has 5 axes of lengths 2, 2, 2, 2, 2: volumes, and volumes in time, are read$")
    write_nrrd(tmp_path / "jane.nhdr", volume(), GEOMETRIES["straight"], "raw")
    (tmp_path / "jane.raw").unlink()
    refused(tmp_path / "jane.nhdr", "the NRRD file is a header alone: its voxels are in another file, which is not there$")
