"""Any image as frames: which axis plays which part, and what is said of arrays that are none."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_sam2.images.stack import Stack

PIXELS = np.random.default_rng(0).integers(0, 4000, (5, 24, 40)).astype(np.uint16)


def test_path_may_be_a_string_and_axes_are_the_callers(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "image.tif", PIXELS, photometric="minisblack")
    assert Stack.open(str(tmp_path / "image.tif"), axes="zyx").axes == "ZYX"


@pytest.mark.parametrize(
    ("shape", "axes", "expected", "frames"),
    [
        ((6, 20), None, "YX", (1, 6, 20)),
        ((5, 6, 20), None, "TYX", (5, 6, 20)),
        ((6, 20, 3), None, "YX", (1, 6, 20, 3)),
        ((6, 20, 4), None, "YX", (1, 6, 20, 3)),
        ((5, 6, 20, 4), None, "TYX", (5, 6, 20, 3)),
        ((6, 20, 3), "TYX", "TYX", (6, 20, 3)),
        ((1, 6, 20), "ZYX", "ZYX", (1, 6, 20)),
        ((1, 5, 6, 20), None, "ZYX", (5, 6, 20)),
        ((5, 1, 6, 20), None, "TYX", (5, 6, 20)),
        ((1, 1, 6, 20), None, "TYX", (1, 6, 20)),
        ((5, 1, 1, 6, 20), None, "TYX", (5, 6, 20)),
        ((1, 6, 20), "CYX", "YX", (1, 6, 20)),
        ((6, 20, 1), "YXC", "YX", (1, 6, 20)),
        ((6, 20), "XY", "XY", (1, 20, 6)),
        ((6, 20, 5), "XYT", "XYT", (5, 20, 6)),
        ((2, 6, 20), "CYX", "YX", (1, 6, 20, 3)),
        ((5, 6, 20, 2), "TYXC", "TYX", (5, 6, 20, 3)),
        ((5, 9, 6, 20), "TCYX", "TYX", (5, 6, 20, 3)),
        ((3, 6, 20), "SYX", "YX", (1, 6, 20, 3)),
        ((1, 5, 6, 20, 3), None, "ZYX", (5, 6, 20, 3)),
        ((1, 1, 20), "TYX", "TYX", (1, 1, 20)),
        ((3, 1, 1), "TYX", "TYX", (3, 1, 1)),
    ],
)
def test_axes(shape: tuple[int, ...], axes: str | None, expected: str, frames: tuple[int, ...]) -> None:
    stack = Stack.open(np.zeros(shape), axes)
    assert (stack.axes, stack.frames.shape) == (expected, frames)
    size = dict(zip("TYX", frames[:3], strict=True)) | {"Z": frames[0]}
    assert stack.labels_shape == tuple(size[axis] for axis in expected)


BAD_ARRAYS: dict[str, tuple[Any, dict[str, Any], str]] = {
    "five axes": (
        np.zeros((2, 3, 2, 6, 20)),
        {},
        "objects cannot be propagated through an image of shape (2, 3, 2, 6, 20) with axes TZCYX along T alone: "
        "choose one position on Z by at, as in at={'Z': 0}, or another axis by along",
    ),
    "six axes": (np.zeros((1,) * 6), {}, "an image has two to five axes, got shape (1, 1, 1, 1, 1, 1)"),
    "a line": (np.zeros(7), {}, "an image has two to five axes, got shape (7,)"),
    "a number": (3, {}, "an image must be an array, a path or a list of frames of one shape, got 3"),
    "no frame": (np.zeros((0, 6, 20)), {}, "the image is empty: its shape is (0, 6, 20)"),
    "no row": (np.zeros((5, 0, 20)), {}, "the image is empty: its shape is (5, 0, 20)"),
    "objects": (np.full((2, 6, 20), None), {}, "an image must hold integers, floats or booleans, got object"),
    "words": (np.full((2, 6, 20), "a"), {}, "an image must hold integers, floats or booleans, got <U1"),
    "complex": (np.zeros((2, 6, 20), complex), {}, "an image must hold integers, floats or booleans, got complex128"),
    "nothing": (None, {}, "an image must be an array, a path or a list of frames of one shape, got None"),
    "wrong axes": (np.zeros((6, 20)), {"axes": "TYX"}, "axes TYX do not fit an image of shape (6, 20)"),
    "no channels": (np.zeros((6, 20)), {"channel": 1}, "an image with axes YX has no channels to choose from"),
    "no such channel": (np.zeros((2, 6, 20)), {"axes": "CYX", "channel": 2}, "channel 2 does not exist: the image has 2"),
    "a channel in between": (np.zeros((2, 6, 20)), {"axes": "CYX", "channel": 0.5}, "a channel is a whole number, got 0.5"),
    "channel by name": (np.zeros((2, 6, 20)), {"axes": "CYX", "channel": "0"}, "a channel is a whole number, got '0'"),
    "no channel": (np.zeros((2, 6, 20)), {"axes": "CYX", "channel": []}, "one to three channels can be shown, got 0"),
    "four channels": (np.zeros((4, 6, 20)), {"axes": "CYX", "channel": range(4)}, "one to three channels can be shown, got 4"),
    "a channel twice": (np.zeros((2, 6, 20)), {"axes": "CYX", "channel": (1, 1)}, "a channel is named twice in [1, 1]"),
    "axes as a list": (np.zeros((6, 20)), {"axes": ["Y", "X"]}, "axes is a text of the letters T, Z, Y, X and C, got ['Y', 'X']"),
    "along a number": (np.zeros((2, 6, 20)), {"along": 0}, "along is a text of the letters T, Z, Y, X and C, got 0"),
    "an axis twice": (np.zeros((2, 6, 20)), {"axes": "YYX"}, "axes YYX name Y twice"),
    "no rows": (np.zeros((2, 6, 20)), {"axes": "TZX"}, "an image needs rows and columns: axes TZX have no Y"),
    "along nothing": (np.zeros((2, 6, 20)), {"along": "Z"}, "frames cannot follow each other along 'Z': the image has axes TYX"),
    "along colours": (np.zeros((2, 6, 20)), {"axes": "CYX", "along": "C"}, "frames cannot follow each other along 'C'"),
    "along two": (np.zeros((2, 6, 20)), {"along": "TY"}, "frames cannot follow each other along 'TY'"),
    "columns of a movie": (np.zeros((2, 6, 20)), {"along": "X"}, "only a volume has frames along X: axes TYX have no Z"),
    "no such time": (np.zeros((2, 3, 6, 20)), {"along": "Z", "at": {"T": 2}}, "T 2 does not exist: the image has 2"),
    "a time in between": (np.zeros((2, 3, 6, 20)), {"at": {"Z": 0.5}}, "at gives Z the position 0.5: expected a whole number"),
    "no such axis": (np.zeros((2, 6, 20)), {"at": {"Z": 0}}, "at names Z, but the image has axes TYX"),
    "at and along": (np.zeros((2, 6, 20)), {"along": "T", "at": {"T": 0}}, "frames follow each other along T: at cannot name it"),
    "at a row": (np.zeros((2, 6, 20)), {"at": {"Y": 0}}, "along T at one Y: that is an axis of the frames"),
    "at a channel": (np.zeros((2, 6, 20)), {"axes": "CYX", "at": {"C": 0}}, "channels are not chosen by at: give channel"),
    "negative channel": (np.zeros((2, 6, 20)), {"axes": "CYX", "channel": -1}, "channel -1 does not exist: the image has 2"),
}


@pytest.mark.parametrize("name", BAD_ARRAYS)
def test_array_that_is_no_stack(name: str) -> None:
    array, options, message = BAD_ARRAYS[name]
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        Stack.open(array, **options)
    assert "\n" not in str(caught.value)


def test_a_stack_in_words(tmp_path: Path) -> None:
    volumes = np.zeros((2, 3, 4, 5), np.int16)
    assert repr(Stack.open(volumes, "TZYX", along="Z", at={"T": 1})) == (
        "<stack: T 2 x Z 3 x Y 4 x X 5, int16, frames along Z at T 1>"
    )
    tifffile.imwrite(tmp_path / "image.tif", volumes[0, 0], photometric="minisblack")
    assert repr(Stack.open(tmp_path / "image.tif")) == "<stack image.tif: Y 4 x X 5, int16>"
