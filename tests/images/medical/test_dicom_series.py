"""Files of DICOM as volumes: grouped, ordered, and what is told about missing, uneven and tilted planes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_sam2.images.calibration import PIXELS
from napari_sam2.images.errors import ImageFileError
from napari_sam2.images.geometry import Geometry, is_same_place
from napari_sam2.images.medical.dicom_headers import DicomFile, Frame, PixelKind
from napari_sam2.images.medical.dicom_series import DicomSeries, OrderedPlanes, group_series, order_planes, plane_name
from napari_sam2.images.medical.stored_values import IDENTITY
from phantoms import GEOMETRIES, SHAPE, TILTED

KIND = PixelKind(12, 10, 1, "MONOCHROME2", 16, 12, False)


def header(position: np.ndarray | None, geometry: Geometry, number: int, series: str = "1.2") -> DicomFile:
    path = Path(f"file {number}")
    orientation = tuple(geometry.directions[:2].ravel().tolist())
    _, height, width = geometry.spacing
    where = None if position is None else tuple(position.tolist())
    frame = Frame(path, 0, where, orientation, (height, width), IDENTITY, (0, 0, number, 0))
    return DicomFile(path, f"{series}.{number}", series, 3, "CT", "1.2.840.10008.1.2.1", KIND, (frame,), 2.5, None)


def files(geometry: Geometry, planes: list[int] | range = range(7), series: str = "1.2") -> list[DicomFile]:
    return [header(geometry.world([z, 0, 0]), geometry, number, series) for number, z in enumerate(planes)]


def ordered(*items: DicomFile) -> OrderedPlanes:
    (series,) = group_series(items)
    return order_planes(series)


def numbers(planes: OrderedPlanes) -> list[int | None]:
    return [None if frame is None else frame.order[2] for frame in planes.frames]


@pytest.mark.parametrize("name", [*GEOMETRIES, "tilted"])
def test_planes_lie_along_their_normal_whatever_their_numbers(name: str) -> None:
    geometry = GEOMETRIES.get(name, TILTED)
    shuffled = [3, 0, 6, 1, 5, 2, 4]
    found = ordered(*files(geometry, shuffled))
    is_reversed = np.cross(*geometry.directions[:2]) @ geometry.steps[2] < 0
    in_order = [shuffled.index(z) for z in range(7)]
    assert numbers(found) == (in_order[::-1] if is_reversed else in_order)
    assert (found.axes, found.shape) == ("ZYX", (7,))
    assert found.geometry is not None
    if is_reversed:
        geometry = Geometry.of_axes(geometry.world([6, 0, 0]), geometry.steps * [[1], [1], [-1]])
    assert is_same_place(found.geometry, geometry, 1e-6, SHAPE)
    assert found.calibration == found.geometry.calibration


def test_a_tilt_is_told(caplog: pytest.LogCaptureFixture) -> None:
    ordered(*files(GEOMETRIES["oblique"]))
    assert caplog.records == []
    ordered(*files(TILTED))
    (record,) = caplog.records
    assert record.getMessage().startswith(
        "the planes of the DICOM series CT 3 are tilted by 15.0 degrees, as those of a tilted gantry"
    )


def test_missing_planes_stay_empty(caplog: pytest.LogCaptureFixture) -> None:
    geometry = GEOMETRIES["anisotropic"]
    found = ordered(*files(geometry, [0, 1, 2, 4, 5, 6, 7, 8, 10]))
    assert numbers(found) == [0, 1, 2, None, 3, 4, 5, 6, 7, None, 8]
    assert found.geometry is not None
    assert is_same_place(found.geometry, geometry, 1e-6, (11, 12, 10))
    assert [record.getMessage() for record in caplog.records] == [
        "2 of 11 planes of the DICOM series CT 3 are missing and cannot be read, the first is Z 3"
    ]


def test_uneven_planes_are_told(caplog: pytest.LogCaptureFixture) -> None:
    geometry = GEOMETRIES["straight"]
    positions = [0, 1, 2, 3.4, 4.8, 6.2]
    found = ordered(*(header(geometry.world([z, 0, 0]), geometry, number) for number, z in enumerate(positions)))
    assert found.calibration.z == pytest.approx(6.2 * 3 / 5)
    assert [record.getMessage() for record in caplog.records] == [
        "the planes of the DICOM series CT 3 lie 3 to 4.2 mm apart: along Z, lengths and volumes are those of the mean, 3.72"
    ]
    caplog.clear()
    far = ordered(*files(geometry, [0, 1, 2, 20]))  # not 17 planes that are missing
    assert (numbers(far), len(caplog.records)) == ([0, 1, 2, 3], 1)


def test_shifted_planes_are_told(caplog: pytest.LogCaptureFixture) -> None:
    geometry = GEOMETRIES["straight"]
    places = [geometry.world([z, 0, 2 * (z == 3)]) for z in range(7)]
    ordered(*(header(place, geometry, number) for number, place in enumerate(places)))
    assert [record.getMessage() for record in caplog.records] == [
        "the planes of the DICOM series CT 3 are shifted against each other by up to 1.5 mm: places are those of a straight row"
    ]


def test_orientations_that_differ_by_rounding_are_one() -> None:
    first, *others = files(GEOMETRIES["oblique"])
    orientation = np.array(first.frames[0].orientation)
    rounded = [
        replace(one, frames=(replace(one.frames[0], orientation=tuple((orientation + 4e-4 * (-1) ** number).tolist())),))
        for number, one in enumerate(others)
    ]
    assert numbers(ordered(first, *rounded)) == list(range(7))


def test_a_single_plane_has_the_distance_that_its_file_gives() -> None:
    assert ordered(*files(GEOMETRIES["straight"], [4])).calibration.steps("ZYX") == pytest.approx((2.5, 0.75, 0.75))


def test_planes_of_unknown_size_are_in_order_and_nowhere() -> None:
    items = [replace(one, frames=(replace(one.frames[0], spacing=None),)) for one in files(GEOMETRIES["straight"], [2, 0, 1])]
    found = ordered(*items)
    assert (found.axes, numbers(found), found.geometry, found.calibration) == ("ZYX", [1, 2, 0], None, PIXELS)


def test_volumes_in_time(caplog: pytest.LogCaptureFixture) -> None:
    geometry = GEOMETRIES["straight"]
    found = ordered(*files(geometry, [0, 1, 2, 0, 1, 2]))
    assert (found.axes, found.shape, numbers(found)) == ("TZYX", (2, 3), [0, 1, 2, 3, 4, 5])
    assert [record.getMessage() for record in caplog.records] == [
        "the DICOM series CT 3 has 2 planes at each position: they are read as volumes in time, along T"
    ]
    with pytest.raises(
        ImageFileError, match=r"^the DICOM series CT 3 has 1 to 2 planes at one position: it is neither one volume nor"
    ):
        ordered(*files(geometry, [0, 1, 2, 0]))


def test_a_file_that_is_there_twice_counts_once() -> None:
    items = files(GEOMETRIES["straight"])
    assert numbers(ordered(*items, *items)) == list(range(7))


def test_series_and_orientations_are_told_apart() -> None:
    straight, sagittal = GEOMETRIES["straight"], GEOMETRIES["sagittal"]
    other = [replace(item, number=2) for item in files(straight, series="1.3")]
    scouts = [replace(item, instance=f"{item.instance}.1") for item in files(sagittal, range(3))]
    found = group_series([*scouts, *files(straight), *other])
    assert [series.name for series in found] == ["CT 2", "CT 3 axial", "CT 3 sagittal"]
    assert [series.describe() for series in found] == ["7 planes of 12 x 10", "7 planes of 12 x 10", "3 planes of 12 x 10"]
    unnamed = [replace(item, number=None, modality="") for item in files(straight)]
    assert [series.name for series in group_series(unnamed)] == ["image"]


def test_planes_have_a_name() -> None:
    (frame,) = files(GEOMETRIES["oblique"], [0])[0].frames
    assert plane_name(frame) == "axial"
    assert plane_name(replace(frame, orientation=(1, 0, 0, 0, 0, -1))) == "coronal"
    assert plane_name(replace(frame, orientation=None)) == ""


def test_planes_that_do_not_fit_each_other() -> None:
    first, second, *_ = files(GEOMETRIES["straight"])

    def refused(text: str, *items: DicomFile) -> None:
        with pytest.raises(ImageFileError, match=f"^the DICOM series CT 3 {text}"):
            order_planes(DicomSeries("CT 3", items))

    refused("has pixels of 2 kinds: they are no volume$", first, replace(second, kind=replace(KIND, bits_stored=16)))
    turned = replace(second.frames[0], orientation=(0, 1, 0, 0, 0, -1))
    refused("has planes of several orientations: they are no volume$", first, replace(second, frames=(turned,)))
    coarse = replace(second.frames[0], spacing=(1.0, 1.0))
    refused("has pixels of several sizes: they are no volume$", first, replace(second, frames=(coarse,)))
    flat = [replace(item, frames=(replace(item.frames[0], spacing=(0.0, 1.0)),)) for item in (first, second)]
    refused("cannot be placed in space: the affine of a volume is singular", *flat)


def test_planes_without_positions_have_the_order_of_their_numbers(caplog: pytest.LogCaptureFixture) -> None:
    geometry = GEOMETRIES["straight"]
    found = ordered(*(header(None, geometry, number) for number in (2, 0, 1)))
    assert (found.axes, numbers(found), found.geometry) == ("TYX", [0, 1, 2], None)
    assert found.calibration.steps("YX") == pytest.approx((0.75, 0.75))
    assert [record.getMessage() for record in caplog.records] == [
        "the DICOM series CT 3 gives no positions: its planes are in the order of their numbers"
    ]
    single = ordered(header(None, geometry, 0))
    assert (single.axes, single.shape) == ("YX", ())
    movie = replace(header(None, geometry, 0), frame_time_s=0.04)
    movie = replace(movie, frames=tuple(replace(movie.frames[0], index=i, order=(0, 0, 0, i)) for i in range(5)))
    played = ordered(movie)
    assert (played.axes, played.shape, played.calibration.t, played.calibration.time_unit) == ("TYX", (5,), 0.04, "second")
