"""Outlines over the frames."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_sam2.export.colours import outline_colours
from napari_sam2.export.pictures import DISPLAY_GAMMA, OutlinedFrames, outlined_frames, write_strip
from napari_sam2.images.stack import Stack

LABELS = np.zeros((4, 20, 30), np.uint16)
LABELS[0, 2:5, 3:8] = 7
LABELS[1, 2:6, 4:9] = 7
LABELS[1, 10:12, 20:21] = 65535
LABELS[3, 10:13, 20:23] = 65535
GREY = np.zeros((4, 20, 30), np.uint8)
GREY[:, :, 15:] = 200
RIM = np.zeros((20, 30), bool)
RIM[2:6, 4:9] = True
RIM[3:5, 5:8] = False
RIM[10:12, 20:21] = True


@pytest.mark.parametrize(
    ("image", "bright"),
    [
        (GREY, 255),
        (GREY.astype(">u2") * 300, 255),
        (np.repeat(GREY[..., None], 3, axis=-1).astype(np.uint16), 255),
        # 8-bit colours are shown as they are
        (np.repeat(GREY[..., None], 3, axis=-1), 200),
    ],
    ids=["8", "16", "RGB 16", "RGB 8"],
)
def test_outlines_over_the_frames(image: np.ndarray, bright: int) -> None:
    colours = outline_colours([7, 65535])
    (picture,) = outlined_frames(Stack.open(image), LABELS, [1])
    assert (picture.shape, picture.dtype) == ((20, 30, 3), np.uint8)
    expected = np.where(GREY[1, ..., None] > 0, bright, 0).repeat(3, axis=-1)
    expected[RIM & (LABELS[1] == 7)] = colours[7]
    expected[RIM & (LABELS[1] == 65535)] = colours[65535]
    np.testing.assert_array_equal(picture, expected)


def test_each_channel_has_its_own_intensities() -> None:
    """A dim channel beside a bright one, in magenta and green; by default, and as a person chose."""
    image = np.stack([GREY[0].astype(float) * 100, GREY[0] / 200.0])
    stack = Stack.open(image, "CYX")
    (picture,) = outlined_frames(stack, LABELS[0] * 0, [0])
    np.testing.assert_array_equal(picture, np.where(GREY[0, ..., None] > 0, 255, 0).repeat(3, axis=-1))
    ranges = [(0.0, 20000.0), (0.0, 2.0), (0.0, 20000.0)]
    picture = OutlinedFrames(stack, LABELS[0] * 0, intensity_ranges=ranges)[0]
    assert picture[0, 20].tolist() == [255, int(255 * 0.5**DISPLAY_GAMMA), 255]


def test_outlines_have_the_colours_that_were_chosen() -> None:
    picture = OutlinedFrames(Stack.open(GREY), LABELS, colours={65535: "#12ab00"})[1]
    assert (picture[10, 20].tolist(), picture[2, 4].tolist()) == ([0x12, 0xAB, 0], list(outline_colours([7])[7]))


@pytest.mark.parametrize("zoom", [1, 2, 3])
def test_zoom(zoom: int) -> None:
    pictures = outlined_frames(Stack.open(GREY), LABELS, [0, 3], zoom)
    assert [picture.shape for picture in pictures] == [(20 * zoom, 30 * zoom, 3)] * 2
    is_outline = (pictures[0] == outline_colours([7, 65535])[7]).all(-1)
    rows, cols = np.nonzero(is_outline)
    assert (rows.min(), rows.max(), cols.min(), cols.max()) == (2 * zoom, 5 * zoom - 1, 3 * zoom, 8 * zoom - 1)
    # one image pixel wide, or two screen pixels
    width = 1 if zoom == 1 else 2
    assert is_outline.sum() == 3 * zoom * 5 * zoom - (3 * zoom - 2 * width) * (5 * zoom - 2 * width)


def test_outlines_of_a_single_image_and_of_none() -> None:
    (picture,) = outlined_frames(Stack.open(GREY[0]), LABELS[0], [0])
    assert (picture == outline_colours([7])[7]).all(-1).sum() == 12
    (picture,) = outlined_frames(Stack.open(GREY), np.zeros_like(LABELS), [0])
    assert np.unique(picture).tolist() == [0, 255]


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


def test_frames_are_drawn_when_they_are_asked_for() -> None:
    drawn = OutlinedFrames(Stack.open(GREY), LABELS)
    assert len(drawn) == 4
    np.testing.assert_array_equal(drawn[-1], drawn[3])
    assert [picture.tolist() for picture in drawn[1:3]] == [drawn[1].tolist(), drawn[2].tolist()]
    with pytest.raises(IndexError):
        drawn[4]
    assert drawn.colours == sorted({outline_colours([7, 65535])[i] for i in (7, 65535)})
