"""Every format, given what is unusual: the same objects in all, and nothing is left half written."""

from __future__ import annotations

import csv
import importlib.util
import os
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest
import tifffile
import zarr
from PIL import Image

from blob_tracker import blob_session
from export_names import NAMES, NAMES_WITHOUT_TIME
from napari_sam2.export.formats import FORMATS, check_outputs, find_format, write_result
from napari_sam2.export.result import Result
from napari_sam2.images.calibration import Calibration
from napari_sam2.images.stack import Stack
from napari_sam2.session.session import Session
from phantoms import GEOMETRIES, volume, write_dicom
from wheels import needs_geff, needs_highdicom


def test_all_formats_are_tried() -> None:
    assert {find_format(Path(name)).ending for name in (*NAMES, *NAMES_WITHOUT_TIME)} == {
        item.ending for item in FORMATS if all(importlib.util.find_spec(module) for module in item.modules)
    }


# --- what a session knows --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def result() -> Result:
    """1 divides into 2 and 3, 4 into 5 and 6; 3 and 4 are hidden, 2 is locked, nothing is known of 7."""
    movie = np.zeros((4, 20, 60), np.uint16)
    for column in (4, 34):
        movie[:2, 4:8, column : column + 12] = 900
        movie[2:, 4:8, [*range(column, column + 4), *range(column + 8, column + 12)]] = 900
    session = blob_session(movie, "TYX")
    for name, column in (("left", 4), ("right", 34)):
        mother = session.add_object(name)
        session.add_points(mother, 0, [(5, column + 2)])
        list(session.propagate(objects=[mother]))
        for daughter, shift in zip(session.divide_object(mother, 2), (2, 10), strict=True):
            session.add_points(daughter, 2, [(5, column + shift)])
    session.add_object("nobody")
    list(session.propagate())
    session.lock_object(2)
    session.hide_object(3)
    session.hide_object(4)
    return session.result()


SEEN = {(1, 0), (1, 1), (2, 2), (2, 3), (5, 2), (5, 3), (6, 2), (6, 3)}
"""Object and frame. What is hidden is in no format; a daughter whose mother is hidden has none."""
LINKS = {((1, 0), (1, 1)), ((1, 1), (2, 2)), ((2, 2), (2, 3)), ((5, 2), (5, 3)), ((6, 2), (6, 3))}
CALLED = {1: "left", 2: "left.1", 5: "right.1", 6: "right.2"}


def seen_in(planes: Any) -> set[tuple[int, int]]:
    return {(i, t) for t, plane in enumerate(planes) for i in np.unique(plane).tolist() if i}


@pytest.mark.parametrize("name", ["a.tif", "a.ome.tif", "01_RES", "a.zarr"])
def test_labels_have_what_is_shown(name: str, result: Result, tmp_path: Path) -> None:
    path = tmp_path / name
    write_result(path, result)
    if name == "a.zarr":
        group = zarr.open_group(path, mode="r")
        assert seen_in(group["0"][:]) == SEEN
        properties = group.attrs["ome"]["image-label"]["properties"]
        assert {one["label-value"]: one["name"] for one in properties} == CALLED
    elif name == "01_RES":
        assert seen_in(tifffile.imread(path / f"mask{t:03d}.tif") for t in range(4)) == SEEN
        assert (path / "res_track.txt").read_text() == "1 0 1 0\n2 2 3 1\n5 2 3 0\n6 2 3 0\n"
    else:
        assert seen_in(tifffile.imread(path)) == SEEN


def test_tables_have_what_is_shown(result: Result, tmp_path: Path) -> None:
    for name in ("a.csv", "a.parquet", "a.tracks.csv"):
        write_result(tmp_path / name, result)
    with (tmp_path / "a.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {(int(row["object_id"]), int(row["frame"])) for row in rows} == SEEN
    assert {int(row["object_id"]): row["name"] for row in rows} == CALLED
    read = pyarrow.parquet.read_table(tmp_path / "a.parquet").to_pydict()
    assert set(zip(read["object_id"], read["frame"], strict=True)) == SEEN
    with (tmp_path / "a.tracks.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {(int(row["track_id"]), int(row["t"])) for row in rows} == SEEN
    assert {int(row["track_id"]): int(row["parent_id"]) for row in rows} == {1: 0, 2: 1, 5: 0, 6: 0}


@needs_geff
def test_graphs_have_what_is_shown(result: Result, tmp_path: Path) -> None:
    import geff

    write_result(tmp_path / "a.geff", result)
    graph, _ = geff.read(tmp_path / "a.geff")
    key = {node: (told["object_id"], told["t"]) for node, told in graph.nodes(data=True)}
    assert set(key.values()) == SEEN
    assert {(key[a], key[b]) for a, b in graph.edges} == LINKS
    assert {told["object_id"]: told["name"] for _, told in graph.nodes(data=True)} == CALLED
    write_result(tmp_path / "a.xml", result)
    root = ET.parse(tmp_path / "a.xml")
    spots = {spot.get("ID"): (int(spot.get("OBJECT_ID", 0)), int(spot.get("FRAME", 0))) for spot in root.iter("Spot")}
    assert set(spots.values()) == SEEN
    assert {(spots[edge.get("SPOT_SOURCE_ID")], spots[edge.get("SPOT_TARGET_ID")]) for edge in root.iter("Edge")} == LINKS


# --- options and progress --------------------------------------------------------------------------------------------


def test_pictures_of_some_frames(result: Result, tmp_path: Path) -> None:
    sizes = []
    for options in ({}, {"pictures": 2, "columns": 1}, {"pictures": 1}):
        write_result(tmp_path / "a.frames.png", result, **options)
        with Image.open(tmp_path / "a.frames.png") as sheet:
            sizes.append(sheet.size)
    assert sizes == [(4 * 246 - 6, 80), (240, 2 * 86 - 6), (240, 80)], "all four frames, two below each other, one"
    with pytest.raises(ValueError, match="pictures must be at least 1, got 0"):
        write_result(tmp_path / "b.frames.png", result, pictures=0)


def test_movies_and_pictures_have_options(result: Result, tmp_path: Path) -> None:
    options = {item.ending: [(one.name, one.annotation, one.default) for one in item.options] for item in FORMATS}
    assert {ending: found for ending, found in options.items() if found} == {
        ".mp4": [("frames_per_second", float, 6.0)],
        ".gif": [("frames_per_second", float, 6.0)],
        ".frames.png": [("pictures", int, 10), ("columns", int, 5)],
    }
    write_result(tmp_path / "a.gif", result, frames_per_second=25.0)
    with Image.open(tmp_path / "a.gif") as movie:
        assert movie.info["duration"] == 80, "two equal frames of a twenty-fifth second"


@pytest.mark.parametrize("name", NAMES)
def test_planes_are_counted_and_an_export_ends_with_what_counting_raises(name: str, result: Result, tmp_path: Path) -> None:
    count = 0

    def counted() -> None:
        nonlocal count
        count += 1

    write_result(tmp_path / name, replace(result, before_plane=counted))
    readings = find_format(Path(name)).num_readings
    assert 4 * readings <= count <= 4 * readings + 4, "movies read the first once more for its size"

    def stop() -> None:
        counted()
        if count == 3:
            raise KeyError("stopped")

    count = 0
    with pytest.raises(KeyError, match="stopped"):
        write_result(tmp_path / f"b{name}", replace(result, before_plane=stop))
    assert os.listdir(tmp_path) == [name]


# --- what is unusual -------------------------------------------------------------------------------------------------

LABELS = np.zeros((3, 12, 16), np.uint16)
LABELS[1:, 2:6, 3:8] = 65535
RANDOM = np.random.default_rng(0)
DIM = RANDOM.random((3, 12, 16)).astype(np.float32)
DIM[0, 0, :3] = np.nan, np.inf, -np.inf
UNUSUAL = {
    "no object": Result(LABELS * 0, "TYX", stack=Stack.open(DIM, "TYX"), names={1: "gone"}),
    "one frame": Result(LABELS[1:2], "TYX", stack=Stack.open(DIM[1:2], "TYX")),
    "one pixel": Result(LABELS[:, 3:4, 3:4], "TYX", stack=Stack.open(DIM[:, 3:4, 3:4], "TYX")),
    "uint8": Result(LABELS, "TYX", stack=Stack.open((DIM[1:2] * 99).astype(np.uint8).repeat(3, 0), "TYX")),
    "float": Result(LABELS, "TYX", stack=Stack.open(DIM, "TYX")),
    "bool": Result(LABELS > 0, "TYX", stack=Stack.open(LABELS > 0, "TYX")),
    "constant": Result(LABELS, "TYX", stack=Stack.open(np.ones_like(LABELS), "TYX")),
    "oblong pixels": Result(LABELS, "TYX", Calibration(0.5, 0.1, None, 2, "nanometer", "hour"), stack=Stack.open(DIM, "TYX")),
    "no distance of planes": Result(
        LABELS[:, None].repeat(2, 1),
        "TZYX",
        Calibration(0.5, 0.5, length_unit="micrometer"),
        stack=Stack.open(LABELS[:, None].repeat(2, 1), "TZYX", along="Z", at={"T": 1}),
    ),
    "five axes": Result(
        LABELS[:, None].repeat(2, 1).transpose(2, 0, 3, 1),
        "YTXZ",
        stack=Stack.open(RANDOM.random((4, 12, 3, 16, 2)), "CYTXZ", along="T", at={"Z": 1}, channel=[3, 1]),
    ),
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("case", UNUSUAL)
def test_unusual_results_are_written(case: str, name: str, tmp_path: Path) -> None:
    for _ in range(2):  # an earlier result is replaced
        write_result(tmp_path / name, UNUSUAL[case])
        assert os.listdir(tmp_path) == [name]


@pytest.mark.parametrize("name", NAMES)
def test_ids_beyond_16_bit(name: str, tmp_path: Path) -> None:
    labels = LABELS.astype(np.uint32) * 2
    with pytest.raises(ValueError, match=r"^there is a label 131070: labels must be between 0 and 65535$"):
        write_result(tmp_path / name, Result(labels, "TYX", stack=Stack.open(DIM, "TYX")))
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", NAMES)
def test_a_disk_that_is_full(name: str, tmp_path: Path) -> None:
    """In earnest, whatever writes: the system takes no more than so many bytes. What was there before is still there."""
    resource = pytest.importorskip("resource")
    image = RANDOM.integers(0, 999, (2, 64, 64), np.uint16)
    path = tmp_path / name
    write_result(path, Result(LABELS[:2], "TYX", stack=Stack.open(LABELS[:2] // 2, "TYX")))
    before = {file.relative_to(path): file.read_bytes() for file in (path, *path.rglob("*")) if file.is_file()}
    large = Result(image, "TYX", stack=Stack.open(image, "TYX"))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limits[1]))
    try:
        with pytest.raises(OSError, match=r"cannot be written: it would be larger than a file can be there$") as caught:
            write_result(path, large)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)
    assert os.listdir(tmp_path) == [name]
    assert {file.relative_to(path): file.read_bytes() for file in (path, *path.rglob("*")) if file.is_file()} == before


# --- from Python -----------------------------------------------------------------------------------------------------


def test_a_session_exports_in_the_units_of_its_image(tmp_path: Path) -> None:
    movie = np.zeros((3, 20, 30), np.uint8)
    movie[:, 4:8, 10:16] = 200
    image = tmp_path / "movie.tif"
    metadata = {"axes": "TYX", "unit": "um", "finterval": 60}
    tifffile.imwrite(image, movie, imagej=True, resolution=(2, 2), metadata=metadata)
    session = Session(image, model=blob_session(movie, "TYX").model)
    session.add_mask(session.add_object(), 0, movie[0] > 0)
    session.save(tmp_path / "movie.sam2")
    session.export(tmp_path / "labels.tif", str(tmp_path / "objects.csv"))
    session.export(tmp_path / "given.csv", pixel_size=[3], interval=7)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "labels.tif"), session.labels)
    for name, side_um in (("objects.csv", 0.5), ("given.csv", 3.0)):
        with (tmp_path / name).open(newline="") as file:
            (row,) = csv.DictReader(file)
        assert float(row["area_um2"]) == (session.labels > 0).sum() * side_um**2, name
    there = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    for wrong, message in (
        (image, "movie.tif is an input: give the output another name"),
        (tmp_path / "movie.sam2", "is an input"),
        (tmp_path / "objects.doc", "the format of objects.doc is not known"),
        (7, "path is the path of a file, got 7"),
    ):
        with pytest.raises(ValueError, match=message):
            session.export(tmp_path / "first.csv", wrong)
    assert {path.name for path in tmp_path.iterdir()} == there.keys(), "nothing is written where not all can be"
    session.close()
    assert image.read_bytes() == there["movie.tif"]


@pytest.mark.parametrize("name", ["a.tif", "a.csv", "a.xml"])
def test_a_file_that_is_protected_is_not_replaced(
    name: str, result: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its folder would let another take its place; the administrator, who runs some tests, may write to it all the same."""
    path = tmp_path / name
    path.write_text("kept")
    is_allowed = os.access
    monkeypatch.setattr(os, "access", lambda one, mode: one != path and is_allowed(one, mode))
    with pytest.raises(
        ValueError, match=f"^{re.escape(str(path))} is there and may not be written: give another name, or allow it$"
    ):
        write_result(path, result)
    assert path.read_text() == "kept"


@needs_highdicom
def test_what_a_format_does_not_hold_is_refused_before_long_work(tmp_path: Path) -> None:
    mrc, dicom = find_format(Path("a.mrc")), find_format(Path("a.dcm"))
    with pytest.raises(ValueError, match=r"^a\.mrc: labels as MRC can be of an image or a volume, not of several in time$"):
        mrc.check("a.mrc", has_time=True)
    mrc.check("a.mrc", has_time=False, has_image=False)
    with pytest.raises(ValueError, match=r"^a\.dcm: a DICOM segmentation needs the image$"):
        dicom.check("a.dcm", has_time=False, has_image=False)
    text = r"^a\.dcm: a DICOM segmentation needs the DICOM files that the image was read from$"
    with pytest.raises(ValueError, match=text):
        check_outputs([tmp_path / "a.dcm"], [tmp_path / "v.tif", None], has_time=False, has_image=True)
    files = write_dicom(tmp_path / "d", volume(), GEOMETRIES["straight"])
    check_outputs([tmp_path / "a.dcm"], files, has_time=False, has_image=True)
    with pytest.raises(ValueError, match=r"is an input: give the output another name$"):
        check_outputs([tmp_path / "d/a.dcm"], [tmp_path / "d/a.dcm"], has_time=False, has_image=True)


def test_the_extra_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"^a\.nii needs an extra: pip install 'napari-sam2\[medical\]'$"):
        find_format(Path("a.nii")).check("a.nii", has_time=False)


@pytest.mark.parametrize(
    ("name", "held"),
    [
        ("a.tif", "the size of voxels"),
        ("a.ome.tif", "the size of voxels"),
        ("a.mrc", "the size of voxels"),
        ("a.zarr", "the size of voxels and the first position"),
        ("a.nii.gz", ""),
        ("a.seg.nrrd", ""),
        ("a.csv", ""),
    ],
)
def test_what_a_format_does_not_hold_of_the_place_in_a_patient(
    name: str, held: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    geometry = GEOMETRIES["oblique"]
    labels = np.ones((7, 12, 10), np.uint16)
    write_result(tmp_path / name, Result(labels, "ZYX", geometry.calibration))
    assert caplog.messages == []
    write_result(tmp_path / name, Result(labels, "ZYX", geometry.calibration, geometry=geometry))
    text = f"{name} holds {held}, but not the directions of the scan: .nii.gz, .seg.nrrd and .dcm do"
    assert caplog.messages == ([text] if held else [])
