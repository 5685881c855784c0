"""A movie with the outline of each object in colour over the frames: MP4 or GIF."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from napari_sam2.export.colours import Colour
from napari_sam2.export.pictures import OutlinedFrames, Picture
from napari_sam2.export.result import Result
from napari_sam2.file_errors import REASONS, os_error
from napari_sam2.files import atomic_path
from napari_sam2.images.errors import FrameReadError
from napari_sam2.images.stack import Stack

FRAMES_PER_SECOND = 6.0
MAX_EXACT_COLOURS = 128
SHOWN_PX, MAX_ZOOM = 720, 4
"""Small images are enlarged, up to this side and so many times."""
PALETTE_SAMPLE_PX = 16_000_000
"""A longer movie than that has its palette from every second, third ... frame."""


def outlined_movie(result: Result) -> OutlinedFrames:
    """Return the frames of a movie, drawn when they are asked for.

    Returns
    -------
    OutlinedFrames
        (zoom * H, zoom * W, 3), uint8, for each frame of the image; small ones are enlarged up to 4 times, to at most 720 pixels.
        Frames that cannot be read are black under their outlines, and are noted in the result.

    Raises
    ------
    ValueError
        If there is no image.
    """
    if result.stack is None:
        raise ValueError("a movie shows outlines over the image: there is no image")
    zoom = SHOWN_PX // max(result.stack.height, result.stack.width)
    zoom = max(1, min(MAX_ZOOM, zoom))
    return _MovieFrames(result, result.stack, zoom)


class _MovieFrames(OutlinedFrames):
    """Pictures of a result, black where the image cannot be read."""

    def __init__(self, result: Result, stack: Stack, zoom: int) -> None:
        super().__init__(stack, _Planes(result), zoom, result.intensity_ranges, result.colours)
        self._result = result

    def _read(self, frame: int) -> Picture:
        try:
            return super()._read(frame)
        except FrameReadError:
            self._result.note_unreadable(_position(self._result, frame))
            return np.zeros((self._stack.height, self._stack.width, 3), np.uint8)


def _position(result: Result, frame: int) -> dict[str, int]:
    """Return the position of a frame of the image on the axes of the labels."""
    assert result.stack is not None
    layout = result.stack.layout
    return {result.axis_of_image(axis): index for axis, index in {**layout.at, layout.along: frame}.items()}


class _Planes:
    """Labels as planes that lie on the frames of the image."""

    ndim = 3

    def __init__(self, result: Result) -> None:
        self._result = result

    def __getitem__(self, frame: int) -> npt.NDArray[np.uint16]:
        assert self._result.stack is not None
        layout, known = self._result.stack.layout, self._result.axis_of_image
        return self._result.cut(_position(self._result, frame), known(layout.rows or "Y"), known(layout.columns or "X"))


def write_gif(
    path: Path, pictures: Sequence[Picture], frames_per_second: float = FRAMES_PER_SECOND, exact: Sequence[Colour] = ()
) -> None:
    """Write pictures as an endless GIF; they are read one at a time.

    Parameters
    ----------
    path : Path
        ``.gif``.
    pictures : sequence of ndarray
        (H, W, 3), uint8, all of one size; one at least.
    frames_per_second : float
        Above 0. Each lasts a whole number of hundredths of a second, as the format has it.
    exact : sequence of Colour
        Of its 255 colours these are as they are, up to 128 of them; the rest are chosen to fit the pictures.

    Raises
    ------
    ValueError
        If it cannot be written there, or the frames per second are not above 0.
    """
    _check_rate(frames_per_second)
    # One palette for all frames, or colours would flicker; from all of them, or objects seen on few would lose theirs.
    step = -(-len(pictures) * pictures[0].shape[0] * pictures[0].shape[1] // PALETTE_SAMPLE_PX)
    exact = exact[:MAX_EXACT_COLOURS]
    palette = Image.fromarray(np.concatenate(list(pictures[::step]))).quantize(255 - len(exact))
    # The few pixels of an outline would otherwise not weigh enough to keep their colour.
    palette.putpalette([*(palette.getpalette() or []), *itertools.chain(*exact)])
    images = (Image.fromarray(picture).quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures)
    with atomic_path(path) as partial:
        next(images).save(
            partial, format="GIF", save_all=True, append_images=images, duration=round(1000 / frames_per_second), loop=0
        )


def write_mp4(path: Path, pictures: Sequence[Picture], frames_per_second: float = FRAMES_PER_SECOND) -> None:
    """Write pictures as MP4 (H.264); they are read one at a time. Odd sides, which that cannot have, are one pixel longer.

    Parameters
    ----------
    path : Path
        ``.mp4``.
    pictures : sequence of ndarray
        (H, W, 3), uint8, all of one size; one at least.
    frames_per_second : float
        Above 0.

    Raises
    ------
    ImportError
        If PyAV is not installed.
    ValueError
        If it cannot be written there, or the frames per second are not above 0.
    OSError
        If the disk is full, or PyAV cannot encode H.264.
    """
    _check_rate(frames_per_second)
    # Not through imageio: it prints "exception ignored" after an exception that was raised.
    try:
        import av
    except ImportError as error:
        raise ImportError("MP4 needs an extra: pip install 'napari-sam2[export]'") from error
    height, width = (side + side % 2 for side in pictures[0].shape[:2])
    with atomic_path(path) as partial:
        try:
            _encode(av, partial, pictures, (height, width), frames_per_second)
        except av.error.FFmpegError as error:
            number = error.errno if isinstance(error, OSError) and error.errno in REASONS else None
            reason = "it cannot be encoded as H.264" if number is None else REASONS[number]
            raise os_error(f"{path} cannot be written: {reason}", number) from error


def _encode(av: Any, path: Path, pictures: Sequence[Picture], size: tuple[int, int], frames_per_second: float) -> None:
    with av.open(str(path), "w") as movie:
        stream = movie.add_stream("libx264", rate=Fraction(frames_per_second).limit_denominator(1000))
        (stream.height, stream.width), stream.pix_fmt = size, "yuv420p"
        for picture in pictures:
            even = np.pad(picture, [*((0, side % 2) for side in picture.shape[:2]), (0, 0)], mode="edge")
            movie.mux(stream.encode(av.VideoFrame.from_ndarray(even, "rgb24")))
        movie.mux(stream.encode())


def _check_rate(frames_per_second: float) -> None:
    if not 0 < frames_per_second < math.inf:
        raise ValueError(f"frames per second are a number above 0, got {frames_per_second}")
