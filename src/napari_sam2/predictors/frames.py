"""Where frames come from: a folder of JPEGs, a video file, an array or a tensor, each frame read when it is needed.

T frames · H, W height and width of the data · S side of the model's input.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from napari_sam2.torch_threads import torch

import numpy as np
import numpy.typing as npt
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from napari_sam2.file_errors import reading
from napari_sam2.images.intensity import IntensityRange, bounds, map_intensity, sampled_range
from napari_sam2.images.read_ahead import ReadAhead
from napari_sam2.images.video import VIDEO_SUFFIXES, VideoFrames

IMAGE_MEAN = (0.485, 0.456, 0.406)
IMAGE_STD = (0.229, 0.224, 0.225)
JPEG_SUFFIXES = {".jpg", ".jpeg"}


class FrameSource(Protocol):
    """Frames of one size, each ready for the model when asked for."""

    height: int
    width: int

    def __len__(self) -> int:
        """Number of frames T."""
        ...

    def read(self, frame: int) -> Tensor:
        """Read one frame, (3, S, S), float32, normalised."""
        ...

    def __getitem__(self, frame: int) -> Tensor:
        """Read one frame, as scripts do with the official tensor of frames."""
        return self.read(frame)


def normalise(rgb: Tensor) -> Tensor:
    """Normalise (3, ...) or (B, 3, H, W) intensities in 0 .. 1 by the ImageNet mean and deviation."""
    mean, std = (torch.tensor(values, dtype=torch.float32, device=rgb.device)[:, None, None] for values in (IMAGE_MEAN, IMAGE_STD))
    return (rgb - mean) / std


def _resize_uint8(image: Image.Image, size: int) -> Tensor:
    """Resize as the official video loader does: PIL, bicubic, 8 bit (official ``misc.py`` L92-101); (3, S, S) in 0 .. 1."""
    resized = np.asarray(image.convert("RGB").resize((size, size)), dtype=np.float64) / 255
    return torch.from_numpy(resized).permute(2, 0, 1).float()


def to_model_input(image: npt.NDArray[Any], size: int) -> Tensor:
    """Bring one plane to what the model sees.

    Parameters
    ----------
    image : ndarray
        (H, W) or (H, W, 3): uint8, or float in 0 .. 1.
    size : int
        Side S.

    Returns
    -------
    Tensor
        (3, S, S), float32, normalised.
    """
    if image.dtype == np.uint8:
        return normalise(_resize_uint8(Image.fromarray(np.ascontiguousarray(image)), size))
    planes = torch.from_numpy(np.ascontiguousarray(image, dtype=np.float32))
    planes = planes[None] if planes.ndim == 2 else planes.permute(2, 0, 1)
    resized = F.interpolate(planes[None], (size, size), mode="bicubic", align_corners=False, antialias=True)[0]
    return normalise(resized.clamp(0, 1).expand(3, -1, -1))


class JpegFolder(FrameSource):
    """A folder of JPEG frames named by number, as the official ``init_state`` takes it.

    Raises
    ------
    ValueError
        If the folder holds no JPEG, or one whose name is not a number.
    """

    def __init__(self, folder: Path, size: int) -> None:
        with reading(folder, "the folder"):
            paths = [path for path in folder.iterdir() if path.suffix.lower() in JPEG_SUFFIXES]
        if not paths:
            raise ValueError(f"no JPEG frames (.jpg, .jpeg) in {folder}")
        wrong = [path.name for path in paths if not path.stem.isdigit()]
        if wrong:
            raise ValueError(f"frames must be named by number, as 00000.jpg; {folder} also holds {wrong[0]}")
        self.paths = sorted(paths, key=lambda path: int(path.stem))
        self.size = size
        with Image.open(self.paths[0]) as first:
            self.width, self.height = first.size

    def __len__(self) -> int:
        return len(self.paths)

    def read(self, frame: int) -> Tensor:
        """Read one frame, (3, S, S), float32, normalised."""
        with Image.open(self.paths[frame]) as image:
            return normalise(_resize_uint8(image, self.size))


class ArrayFrames(FrameSource):
    """Frames of an array, with one intensity mapping for all of them.

    Parameters
    ----------
    array : array-like
        (T, H, W) or (T, H, W, 3), any integer, float or bool dtype; sliced one frame at a time.
    size : int
        Side S.
    intensity_ranges : sequence of tuple of float, optional
        What becomes black and white: one for all, or one for each of three colours; by default 0 and 255 for uint8, else robust
        extremes over a sample of frames.

    Raises
    ------
    ValueError
        If the shape or dtype is another, there is no frame, or ranges are neither one nor three.
    """

    def __init__(self, array: Any, size: int, intensity_ranges: Sequence[IntensityRange] | None = None) -> None:
        is_rgb = array.ndim == 4 and array.shape[-1] == 3
        if not (array.ndim == 3 or is_rgb):
            raise ValueError(f"frames must have shape (T, H, W) or (T, H, W, 3), got {tuple(array.shape)}")
        if np.dtype(array.dtype).kind not in "uifb":
            raise ValueError(f"frames must be integers, floats or booleans, got {array.dtype}")
        if 0 in array.shape:
            raise ValueError(f"there is no frame in an array of shape {tuple(array.shape)}")
        self.array = array
        self.size = size
        self.height, self.width = int(array.shape[1]), int(array.shape[2])
        self.as_is = array.dtype == np.uint8 and intensity_ranges is None
        ranges = [(0.0, 1.0)] if self.as_is else intensity_ranges or [sampled_range(array)]
        if len(ranges) not in (1, 3 if is_rgb else 1):
            raise ValueError(f"{len(ranges)} intensity ranges do not fit frames of {3 if is_rgb else 1} colours")
        self.low, self.high = bounds(ranges)
        self.reading = ReadAhead(array)
        self._latest: tuple[int, npt.NDArray[Any]] | None = None

    def __len__(self) -> int:
        return int(self.array.shape[0])

    def read(self, frame: int) -> Tensor:
        """Read one frame, (3, S, S), float32, normalised."""
        return self.read_view(frame, np.s_[:, :])

    def read_view(self, frame: int, window: tuple[slice, slice]) -> Tensor:
        """Read a window of one frame as if it were a frame, (3, S, S), float32, normalised."""
        if self._latest is None or self._latest[0] != frame:
            # The windows of all objects are cut from one reading. The last one may hold a block of frames: it goes first.
            self._latest = None
            self._latest = frame, self.reading.read(frame)
        plane = self._latest[1][window]
        return to_model_input(plane if self.as_is else map_intensity(plane, self.low, self.high), self.size)


class NormalisedFrames(FrameSource):
    """Frames that are already what the model sees: a float tensor (T, 3, S, S)."""

    def __init__(self, frames: Tensor, size: int, height: int, width: int) -> None:
        if frames.ndim != 4 or frames.shape[1:] != (3, size, size) or not frames.is_floating_point():
            raise ValueError(
                f"normalised frames must be a float tensor (T, 3, {size}, {size}), got {tuple(frames.shape)} {frames.dtype}"
            )
        self.frames = frames
        self.height, self.width = height, width

    def __len__(self) -> int:
        return self.frames.shape[0]

    def read(self, frame: int) -> Tensor:
        """Read one frame, (3, S, S), float32."""
        return self.frames[frame].float()


def open_frames(
    video: str | Path | npt.NDArray[Any] | Tensor, size: int, video_height: int | None = None, video_width: int | None = None
) -> FrameSource:
    """Open what ``init_state`` is given.

    Parameters
    ----------
    video : str, Path, ndarray or Tensor
        A JPEG folder, a video file, an array (T, H, W) or (T, H, W, 3) of any dtype, or normalised frames (T, 3, S, S).
    size : int
        Side S.
    video_height, video_width : int, optional
        Size of the video that normalised frames were made from; S by default.

    Raises
    ------
    FileNotFoundError
        If there is no such file or folder.
    ImportError
        If it is a video file, and the extra ``video`` is not installed.
    TypeError, ValueError
        If it is none of these, or a video file that cannot be read.
    """
    if isinstance(video, Tensor):
        return NormalisedFrames(video, size, video_height or size, video_width or size)
    if isinstance(video, str | Path):
        path = Path(video)
        if path.is_dir():
            return JpegFolder(path, size)
        if not path.exists():
            raise FileNotFoundError(f"no video or folder of frames at {path}")
        if path.suffix.lower() in VIDEO_SUFFIXES:
            return ArrayFrames(VideoFrames(path), size)
        raise ValueError(f"{path.name} is neither a folder of JPEGs nor a video file ({', '.join(sorted(VIDEO_SUFFIXES))})")
    if hasattr(video, "shape") and hasattr(video, "dtype"):
        return ArrayFrames(video, size)
    raise TypeError(f"a video is a path, an array or a tensor, got {type(video).__name__}")
