"""Files are whole or not there: labels, tables and pictures."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image

from napari_sam2.session.export import write_labels
from napari_sam2.session.files import atomic_path, check_writable
from napari_sam2.session.measure import Measurement, measure, write_table
from napari_sam2.session.pictures import object_colours, outlined_frames, write_movie, write_strip
from napari_sam2.session.stack import Stack

LABELS = np.zeros((4, 20, 30), np.uint16)
LABELS[0, 2:5, 3:8] = 7
LABELS[1, 2:6, 4:9] = 7
LABELS[1, 10:12, 20:21] = 65535
LABELS[3, 10:13, 20:23] = 65535


# --- atomic files --------------------------------------------------------------------------------------------------


def test_a_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "labels.tif"
    with atomic_path(path) as partial:
        partial.write_text("half")
        assert partial.parent == tmp_path
        assert partial.suffix == ".tif"
        assert not path.exists()
    assert path.read_text() == "half"
    assert os.listdir(tmp_path) == ["labels.tif"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, GeneratorExit])
@pytest.mark.parametrize("before", [None, "earlier"])
@pytest.mark.parametrize("started", [True, False])
def test_nothing_is_left_behind(error: type[BaseException], before: str | None, started: bool, tmp_path: Path) -> None:
    path = tmp_path / "labels.tif"
    if before:
        path.write_text(before)

    def write() -> None:
        with atomic_path(path) as partial:
            if started:
                partial.write_text("half")
            raise error

    with pytest.raises(error):
        write()
    assert {name: (tmp_path / name).read_text() for name in os.listdir(tmp_path)} == ({"labels.tif": before} if before else {})


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gone/labels.tif", "there is no folder .*gone to write labels.tif to"),
        ("file/labels.tif", "there is no folder .*file to write labels.tif to"),
        ("folder", "folder is a folder: give the name of a file to write"),
        ("/proc/labels.tif", "labels.tif cannot be written to the folder /proc: "),
    ],
)
def test_places_that_cannot_be_written(name: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    for attempt in (check_writable, lambda path: atomic_path(path).__enter__()):
        with pytest.raises(ValueError, match=message):
            attempt(tmp_path / name)
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]


def test_checking_leaves_no_trace(tmp_path: Path) -> None:
    check_writable(tmp_path / "labels.tif")
    assert os.listdir(tmp_path) == []


# --- labels --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("labels", "axes"),
    [(LABELS, "TYX"), (LABELS, "ZYX"), (LABELS[:1], "TYX"), (LABELS[1], "YX"), (np.zeros_like(LABELS), "TYX")],
    ids=["time", "depth", "one frame", "single", "empty"],
)
@pytest.mark.parametrize("place", ["array", "memmap", "zarr"])
def test_labels_as_tiff(labels: np.ndarray, axes: str, place: str, tmp_path: Path) -> None:
    given: Any = labels
    if place == "memmap":
        given = np.memmap(tmp_path / "labels.raw", np.uint16, "w+", shape=labels.shape)
    elif place == "zarr":
        given = zarr.create_array(tmp_path / "labels.zarr", shape=labels.shape, dtype="uint16")
    given[...] = labels
    path = tmp_path / "labels.tif"
    write_labels(path, given, axes)
    with tifffile.TiffFile(path) as tiff:
        (series,) = tiff.series
        assert (series.axes, series.shape, series.dtype) == (axes, labels.shape, np.uint16)
        assert series.pages[0].compression == tifffile.COMPRESSION.ADOBE_DEFLATE
        assert series.pages[0].photometric == tifffile.PHOTOMETRIC.MINISBLACK
    np.testing.assert_array_equal(tifffile.imread(path), labels)
    again = Stack.open(path)
    assert (again.axes, again.labels_shape) == (axes, labels.shape)


def test_labels_that_cannot_be_read_leave_no_file(tmp_path: Path) -> None:
    class Failing:
        ndim, shape, size = 3, LABELS.shape, LABELS.size

        def __len__(self) -> int:
            return len(LABELS)

        def __getitem__(self, frame: int) -> np.ndarray:
            if frame == 2:
                raise OSError("a chunk cannot be read")
            return LABELS[frame]

    with pytest.raises(OSError, match="a chunk cannot be read"):
        write_labels(tmp_path / "labels.tif", Failing(), "TYX")
    assert os.listdir(tmp_path) == []


# --- tables --------------------------------------------------------------------------------------------------------

ROWS = [
    Measurement(7, 0, 15, 3.0, 5.0),
    Measurement(7, 1, 20, 3.5, 6.0),
    Measurement(65535, 1, 2, 10.5, 20.0),
    Measurement(65535, 3, 9, 11.0, 21.0),
]


def test_measure() -> None:
    assert measure(LABELS) == ROWS
    assert measure(LABELS[1]) == [Measurement(7, 0, 20, 3.5, 6.0), Measurement(65535, 0, 2, 10.5, 20.0)]
    assert measure(np.zeros_like(LABELS)) == []
    assert [type(value) for value in vars(measure(LABELS)[0]).values()] == [int, int, int, float, float]


@pytest.mark.parametrize("labels", [LABELS, LABELS[1]], ids=["stack", "single"])
def test_measure_zarr(labels: np.ndarray) -> None:
    stored = zarr.create_array({}, shape=labels.shape, dtype="uint16")
    stored[...] = labels
    assert measure(stored) == measure(labels)


def test_table(tmp_path: Path) -> None:
    write_table(tmp_path / "objects.csv", ROWS[1:3])
    assert (tmp_path / "objects.csv").read_text().splitlines() == [
        "object_id,frame,area_px,centroid_row,centroid_col",
        "7,1,20,3.500,6.000",
        "65535,1,2,10.500,20.000",
    ]
    assert os.listdir(tmp_path) == ["objects.csv"]


# --- pictures ------------------------------------------------------------------------------------------------------

GREY = np.zeros((4, 20, 30), np.uint8)
GREY[:, :, 15:] = 200
RIM = np.zeros((20, 30), bool)
RIM[2:6, 4:9] = True
RIM[3:5, 5:8] = False
RIM[10:12, 20:21] = True


def test_object_colours_differ() -> None:
    colours = object_colours(range(5, 45))
    assert list(colours) == list(range(5, 45))
    values = np.array(list(colours.values()))
    distances = np.abs(values[:, None] - values[None]).sum(-1) + 999 * np.eye(40, dtype=int)
    assert distances.min() > 8
    assert np.abs(np.diff(values, axis=0)).sum(-1).min() > 150
    assert object_colours([]) == {}


@pytest.mark.parametrize("image", [GREY, GREY.astype(">u2") * 300, np.repeat(GREY[..., None], 3, axis=-1)], ids=["8", "16", "RGB"])
def test_outlines_over_the_frames(image: np.ndarray) -> None:
    colours = object_colours([7, 65535])
    (picture,) = outlined_frames(Stack.open(image), LABELS, [1])
    assert (picture.shape, picture.dtype) == ((20, 30, 3), np.uint8)
    expected = np.where(GREY[1, ..., None] > 0, 255, 0).repeat(3, axis=-1)
    expected[RIM & (LABELS[1] == 7)] = colours[7]
    expected[RIM & (LABELS[1] == 65535)] = colours[65535]
    np.testing.assert_array_equal(picture, expected)


@pytest.mark.parametrize("zoom", [1, 2, 3])
def test_zoom(zoom: int) -> None:
    pictures = outlined_frames(Stack.open(GREY), LABELS, [0, 3], zoom)
    assert [picture.shape for picture in pictures] == [(20 * zoom, 30 * zoom, 3)] * 2
    is_outline = (pictures[0] == object_colours([7, 65535])[7]).all(-1)
    rows, cols = np.nonzero(is_outline)
    assert (rows.min(), rows.max(), cols.min(), cols.max()) == (2 * zoom, 5 * zoom - 1, 3 * zoom, 8 * zoom - 1)
    # one image pixel wide, or two screen pixels
    width = 1 if zoom == 1 else 2
    assert is_outline.sum() == 3 * zoom * 5 * zoom - (3 * zoom - 2 * width) * (5 * zoom - 2 * width)


def test_outlines_of_a_single_image_and_of_none() -> None:
    (picture,) = outlined_frames(Stack.open(GREY[0]), LABELS[0], [0])
    assert (picture == object_colours([7])[7]).all(-1).sum() == 12
    (picture,) = outlined_frames(Stack.open(GREY), np.zeros_like(LABELS), [0])
    assert np.unique(picture).tolist() == [0, 255]


def frames_of(path: Path) -> list[np.ndarray]:
    with Image.open(path) as movie:
        frames = []
        for frame in range(movie.n_frames):
            movie.seek(frame)
            frames.append(np.asarray(movie.convert("RGB")))
        return frames


def test_movie(tmp_path: Path) -> None:
    pictures = outlined_frames(Stack.open(GREY), LABELS, range(4), zoom=2)
    path = tmp_path / "outlines.gif"
    write_movie(path, pictures, frames_per_second=5)
    with Image.open(path) as movie:
        assert (movie.format, movie.size, movie.n_frames) == ("GIF", (60, 40), 4)
        assert (movie.info["loop"], movie.info["duration"]) == (0, 200)
    for shown, picture in zip(frames_of(path), pictures, strict=True):
        # few colours: the palette holds them all
        np.testing.assert_allclose(shown.astype(int), picture.astype(int), atol=8)
    assert os.listdir(tmp_path) == ["outlines.gif"]


@pytest.mark.parametrize(
    ("places", "num_frames"), [([0], 1), ([0, 1], 2), (list(range(40)), 40), ([0, 0, 1, 1, 1, 2], 3)], ids=["1", "2", "40", "still"]
)
def test_movie_has_every_frame_and_lasts_as_long(places: list[int], num_frames: int, tmp_path: Path) -> None:
    """Frames that do not differ from the one before are shown longer, as GIFs do it."""
    pictures = []
    for place in places:
        pictures.append(np.zeros((8, 64, 3), np.uint8))
        pictures[-1][:, place : place + 3] = 255
    write_movie(tmp_path / "movie.gif", pictures, frames_per_second=10)
    with Image.open(tmp_path / "movie.gif") as movie:
        assert movie.n_frames == num_frames
        durations = []
        for frame in range(movie.n_frames):
            movie.seek(frame)
            durations.append(movie.info["duration"])
    assert sum(durations) == 100 * len(places)


def test_a_colour_seen_on_one_frame_is_in_the_palette(tmp_path: Path) -> None:
    """Grey everywhere, an object on the second of eleven frames only."""
    ramp = np.tile(np.arange(64, dtype=np.uint8) * 4, (64, 1))
    pictures = [np.repeat(np.roll(ramp, t, axis=1)[..., None], 3, axis=-1) for t in range(11)]
    pictures[1][10:20, 10] = (64, 255, 130)
    write_movie(tmp_path / "movie.gif", pictures)
    shown = frames_of(tmp_path / "movie.gif")[1][10:20, 10].astype(int)
    assert np.abs(shown - (64, 255, 130)).max() <= 8


@pytest.mark.parametrize(
    ("count", "columns", "size"), [(1, 5, (60, 40)), (3, 5, (192, 40)), (5, 5, (324, 40)), (6, 3, (192, 86)), (7, 3, (192, 132))]
)
def test_strip(count: int, columns: int, size: tuple[int, int], tmp_path: Path) -> None:
    pictures = [np.full((40, 60, 3), (0, 20 * i, 255), np.uint8) for i in range(count)]
    write_strip(tmp_path / "strip.png", pictures, [f"frame {i}" for i in range(count)], columns)
    with Image.open(tmp_path / "strip.png") as strip:
        assert (strip.format, strip.mode, strip.size) == ("PNG", "RGB", size)
        pixels = np.asarray(strip)
    for i in range(count):
        row, col = (i // columns) * 46, (i % columns) * 66
        assert (pixels[row + 39, col + 59] == pictures[i][0, 0]).all()
        # a caption in the upper left corner
        assert (pixels[row : row + 20, col : col + 60] == 255).all(-1).any()
    assert os.listdir(tmp_path) == ["strip.png"]
