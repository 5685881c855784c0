"""Frames of an image, and its labels, as planes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broken_images import BrokenArray
from napari_sam2.images import planes as planes_module
from napari_sam2.images.axes import Layout
from napari_sam2.images.errors import FrameReadError, ImageFileError
from napari_sam2.images.planes import FramePlanes, LabelPlanes, NoLabels

SIZES = {"T": 2, "Z": 3, "C": 2, "Y": 4, "X": 5}


def image_of(axes: str) -> np.ndarray:
    return np.arange(np.prod([SIZES[axis] for axis in axes])).reshape([SIZES[axis] for axis in axes])


@given(st.permutations("TZCYX"), st.sampled_from("TZYX"), st.integers(0, 1), st.integers(0, 1))
def test_planes_of_axes_in_any_order_followed_along_any(order: list[str], along: str, channel: int, at: int) -> None:
    axes = "".join(order)
    image = image_of(axes)
    rest = "T" if along in "YX" else ({"T", "Z"} - {along}).pop()
    layout = Layout.resolve(image.shape, axes, channel=channel, along=along, at={rest: at})
    canonical = image.transpose([axes.index(axis) for axis in "TZCYX"])[:, :, channel]
    canonical = np.moveaxis(np.take(canonical, at, "TZ".index(rest)), [a for a in "TZYX" if a != rest].index(along), 0)
    frames = FramePlanes(image, layout)
    assert frames.shape == canonical.shape
    np.testing.assert_array_equal(np.asarray(frames), canonical)
    np.testing.assert_array_equal(frames[::-1], canonical[::-1])
    np.testing.assert_array_equal(frames[1:, 2], canonical[1:, 2])
    np.testing.assert_array_equal(frames[0, 1:3, 1], canonical[0, 1:3, 1])

    labels = np.zeros([SIZES[axis] for axis in layout.label_axes], np.uint16)
    written = LabelPlanes(labels, layout)
    assert written.shape == canonical.shape
    for t in range(len(written)):
        written[t] = 1 + canonical[t]
        np.testing.assert_array_equal(written[t], 1 + canonical[t])
    # at the other places nothing was written
    assert np.count_nonzero(labels) == canonical.size


@pytest.mark.parametrize(
    ("axes", "channel", "expected"),
    [("TCYX", None, [0, 1, 0]), ("TCYX", [1, 0], [1, 0, 1]), ("CTYX", 1, 1)],
)
def test_channels_are_colours(axes: str, channel: Any, expected: Any) -> None:
    image = image_of(axes)
    frames = FramePlanes(image, Layout.resolve(image.shape, axes, channel=channel))
    given_channels = np.moveaxis(image, axes.index("C"), -1)
    np.testing.assert_array_equal(np.asarray(frames), given_channels[..., expected])


def test_alpha_is_not_a_colour() -> None:
    image = np.random.default_rng(0).integers(0, 255, (3, 4, 5, 4), np.uint8)
    frames = FramePlanes(image, Layout.resolve(image.shape, "TYXS"))
    assert frames.shape == (3, 4, 5, 3)
    np.testing.assert_array_equal(np.asarray(frames), image[..., :3])


class Chunked:
    """An array in chunks that counts what is read."""

    def __init__(self, array: np.ndarray, chunks: tuple[Any, ...]) -> None:
        self.array, self.chunks, self.shape, self.dtype = array, chunks, array.shape, array.dtype
        self.read: list[Any] = []

    def __getitem__(self, key: Any) -> np.ndarray:
        self.read.append(key)
        return self.array[key]


@pytest.mark.parametrize(
    ("chunks", "most", "expected"),
    [
        ((3, 4, 5), 100, [slice(0, 3), slice(3, 6), 6]),
        (((2, 4, 1), (4,), (5,)), 100, [slice(0, 2), slice(2, 6), 6]),
        ((1, 4, 5), 100, [0, 1, 2, 3, 4, 5, 6]),
        ((4, 4, 5), 2, [slice(0, 2), slice(2, 4), slice(4, 6), 6]),  # a chunk larger than a block is read in parts
    ],
)
def test_frames_that_share_a_chunk_are_read_once(
    chunks: Any, most: int, expected: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    array = np.arange(7 * 4 * 5, dtype=np.uint8).reshape(7, 4, 5)
    monkeypatch.setattr(planes_module, "BLOCK_BYTES", most * 4 * 5)
    image = Chunked(array, chunks)
    frames = FramePlanes(image, Layout.resolve(array.shape, "TYX"))
    np.testing.assert_array_equal(np.asarray(frames), array)
    assert image.read == expected


def test_a_frame_that_cannot_be_read_is_named_without_the_words_of_a_library() -> None:
    array = np.zeros((3, 2, 4, 5))
    frames = FramePlanes(BrokenArray(array, [1]), Layout.resolve(array.shape, "TZYX", along="T", at={"Z": 1}))
    with pytest.raises(FrameReadError) as caught:
        frames[1]
    assert str(caught.value) == "frame 1 along T at Z 1 cannot be read: its data are damaged or missing"
    assert isinstance(caught.value.__cause__, RuntimeError)
    np.testing.assert_array_equal(frames[2], array[2, 1])
    for frame in (-1, 3):
        with pytest.raises(IndexError, match=f"frame {frame} does not exist: there are 3"):
            frames[frame]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ImageFileError("page 1 of a.tif is damaged"), "page 1 of a.tif is damaged"),
        (PermissionError(13, "Permission denied", "a/0.0"), "a/0.0: permission is denied"),
        (OSError(5, "Input/output error"), "the disk, or the connection to it, fails"),
        (KeyError("codec"), "its data are damaged or missing"),
    ],
)
def test_reasons_are_those_of_the_system_or_our_own(error: Exception, reason: str) -> None:
    class Failing:
        shape, dtype = (2, 4, 5), np.dtype("u1")

        def __getitem__(self, key: Any) -> np.ndarray:
            raise error

    with pytest.raises(FrameReadError) as caught:
        FramePlanes(Failing(), Layout.resolve((2, 4, 5), "TYX"))[0]
    assert str(caught.value) == f"frame 0 along T cannot be read: {reason}"


def test_labels_that_cannot_be_written() -> None:
    labels = np.zeros((2, 4, 5), np.uint16)
    labels.setflags(write=False)
    planes = LabelPlanes(labels, Layout.resolve(labels.shape, "TYX"))
    with pytest.raises(OSError, match="the labels of frame 1 cannot be written"):
        planes[1] = np.ones((4, 5), np.uint16)
    with pytest.raises(IndexError, match="frame 2 does not exist: there are 2"):
        planes[2]


def test_labels_that_are_not_wanted_are_not_kept() -> None:
    labels = NoLabels((2, 4, 5))
    planes = LabelPlanes(labels, Layout.resolve((2, 4, 5), "TYX"))
    planes[1] = np.ones((4, 5), np.uint16)
    assert (labels.shape, labels.ndim, labels.dtype) == ((2, 4, 5), 3, np.uint16)
