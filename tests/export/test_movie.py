"""Movies: every frame, in colours that can be told apart, as GIF and MP4."""

from __future__ import annotations

import builtins
import os
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
import pytest
from PIL import Image

from blob_tracker import blob_session
from napari_sam2.export.colours import outline_colours
from napari_sam2.export.movie import outlined_movie, write_gif, write_mp4
from napari_sam2.export.pictures import DISPLAY_GAMMA, OutlinedFrames, outlined_frames
from napari_sam2.export.result import Result
from napari_sam2.images.stack import Stack

LABELS = np.zeros((4, 20, 30), np.uint16)
LABELS[0, 2:5, 3:8] = 7
LABELS[1, 2:6, 4:9] = 7
LABELS[1, 10:12, 20:21] = 65535
LABELS[3, 10:13, 20:23] = 65535
GREY = np.zeros((4, 20, 30), np.uint8)
GREY[:, :, 15:] = 200


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
    write_gif(path, pictures, frames_per_second=5)
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
    write_gif(tmp_path / "movie.gif", pictures, frames_per_second=10)
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
    write_gif(tmp_path / "movie.gif", pictures)
    shown = frames_of(tmp_path / "movie.gif")[1][10:20, 10].astype(int)
    assert np.abs(shown - (64, 255, 130)).max() <= 8


def test_outlines_keep_their_colours(tmp_path: Path) -> None:
    """Two pixels of red beside all shades of magenta and green."""
    shades = np.random.default_rng(0).integers(0, 256, (64, 64, 2), np.uint8)
    picture = np.stack([shades[..., 0], shades[..., 1], shades[..., 0]], axis=-1)
    picture[3, 4:6] = (255, 60, 40)
    write_gif(tmp_path / "movie.gif", [picture], exact=[(255, 60, 40), (1, 2, 3)])
    shown = frames_of(tmp_path / "movie.gif")[0]
    assert shown[3, 4:6].tolist() == [[255, 60, 40]] * 2
    assert np.abs(shown.astype(int) - picture).mean() < 8
    movie = OutlinedFrames(Stack.open(GREY), LABELS, colours={7: "#0102ff"})
    assert movie.colours == sorted([(1, 2, 255), outline_colours([65535])[65535]])


def test_small_images_are_enlarged() -> None:
    movie = outlined_movie(Result(LABELS, "TYX", stack=Stack.open(GREY)))
    assert (len(movie), movie[0].shape) == (4, (80, 120, 3))
    np.testing.assert_array_equal(movie[3], outlined_frames(Stack.open(GREY), LABELS, [3], zoom=4)[0])
    assert outlined_movie(Result(LABELS[0], "YX", stack=Stack.open(GREY[0])))[0].shape == (80, 120, 3)
    large = np.zeros((500, 300), np.uint8)
    assert outlined_movie(Result(large, "YX", stack=Stack.open(large)))[0].shape == (500, 300, 3)


def test_the_frames_of_the_axis_that_was_followed() -> None:
    """A volume followed along X: each frame shows the rows and columns of the labels that lie on it."""
    movie = outlined_movie(Result(LABELS, "ZYX", stack=Stack.open(GREY, "ZYX", along="X")))
    assert (len(movie), movie[0].shape) == (30, (16, 80, 3))
    colour = outline_colours([7, 65535])[65535]
    assert [frame for frame in range(30) if (movie[frame] == colour).all(-1).any()] == [20, 21, 22]


@pytest.mark.parametrize("axes", ["TYX", "QYX", "IYX"])
def test_frames_of_an_axis_without_a_name_follow_each_other(axes: str) -> None:
    """A plain TIFF has such an axis."""
    labels = np.zeros((5, 40, 40), np.uint16)
    for frame in range(5):
        labels[frame, 4 + 6 * frame : 10 + 6 * frame, 5:30] = 3
    movie = outlined_movie(Result(labels, axes, stack=Stack.open((labels * 40).astype(np.uint8), axes)))
    colour = outline_colours([3])[3]
    rows = [np.nonzero((movie[frame] == colour).all(-1).any(1))[0] // 4 for frame in range(5)]
    assert [(row.min(), row.max()) for row in rows] == [(4 + 6 * frame, 9 + 6 * frame) for frame in range(5)]


def test_a_movie_shows_colours_and_intensities_of_the_session() -> None:
    session = blob_session(np.where(LABELS > 0, 1100, 500).astype(np.uint16), "TYX", intensity_range=(100, 1100))
    session.add_points(session.add_object(colour="#12ab00"), 0, [(3, 5)])
    movie = outlined_movie(session.result())
    assert (movie[0] == (0x12, 0xAB, 0)).all(-1).any()
    assert movie[3][0, 0].tolist() == [int(255 * 0.4**DISPLAY_GAMMA)] * 3


@pytest.mark.parametrize("side", [1, 2])
def test_mp4(side: int, tmp_path: Path) -> None:
    """Odd sides are padded, frames are all there, colours roughly right."""
    pictures = [np.full((31 + side, 41, 3), 40 * frame, np.uint8) for frame in range(5)]
    write_mp4(tmp_path / "movie.mp4", pictures, frames_per_second=5)
    shown = iio.imread(tmp_path / "movie.mp4", plugin="pyav")
    assert shown.shape == (5, 32 + 2 * (side == 2), 42, 3)
    np.testing.assert_allclose(shown[:, 3:28, 3:38].astype(float).mean((1, 2, 3)), [0, 40, 80, 120, 160], atol=6)
    assert iio.immeta(tmp_path / "movie.mp4", plugin="pyav")["fps"] == 5
    assert os.listdir(tmp_path) == ["movie.mp4"]


@pytest.mark.parametrize("write", [write_gif, write_mp4])
@pytest.mark.parametrize("rate", [0, -5, float("inf"), float("nan")])
def test_frames_per_second_above_0(write: Any, rate: float, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"frames per second are a number above 0, got {rate}"):
        write(tmp_path / "movie", [np.zeros((4, 4, 3), np.uint8)], rate)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("write", [write_gif, write_mp4])
def test_a_frame_that_cannot_be_drawn_leaves_no_file(write: Any, tmp_path: Path) -> None:
    class Failing(list):  # type: ignore[type-arg]
        def __iter__(self) -> Any:
            yield from self[:2]
            raise OSError("a chunk cannot be read")

    with pytest.raises(OSError, match="a chunk cannot be read"):
        write(tmp_path / f"movie.{write.__name__[6:]}", Failing(np.full((32, 32, 3), t, np.uint8) for t in range(4)))
    assert os.listdir(tmp_path) == []


def test_without_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = builtins.__import__
    monkeypatch.setattr(
        builtins, "__import__", lambda name, *rest: whole("there_is_no_such_module" if name == "av" else name, *rest)
    )
    with pytest.raises(ImportError, match=r"MP4 needs an extra: pip install 'napari-sam2\[export\]'"):
        write_mp4(tmp_path / "movie.mp4", [np.zeros((4, 4, 3), np.uint8)])


def test_a_movie_needs_an_image() -> None:
    with pytest.raises(ValueError, match="there is no image"):
        outlined_movie(Result(LABELS, "TYX"))
