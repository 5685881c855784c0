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
from napari_sam2.images.intensity import IntensityRange
from napari_sam2.images.mapped_planes import MappedPlanes
from napari_sam2.images.video import VIDEO_SUFFIXES, VideoFrames
from napari_sam2.model.sam2_base import SAM2Base

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


def input_shown(model: SAM2Base, image: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Return the input of a model for a plane, see :func:`to_model_input`, to be looked at: (S, S, 3)."""
    mean, std = (torch.tensor(values, dtype=torch.float32, device="cpu")[:, None, None] for values in (IMAGE_MEAN, IMAGE_STD))
    seen = (to_model_input(image, model.image_size) * std + mean).clamp(0, 1).permute(1, 2, 0)
    shown: npt.NDArray[np.uint8] = (255 * seen).round().to(torch.uint8).numpy()
    return shown


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


class ArrayFrames(MappedPlanes, FrameSource):
    """Frames of an array, with one intensity mapping for all of them.

    Parameters
    ----------
    array, intensity_ranges
        See :class:`~napari_sam2.images.mapped_planes.MappedPlanes`.
    size : int
        Side S.

    Raises
    ------
    ValueError
        If the shape or dtype is another, there is no frame, or ranges are neither one nor three.
    """

    def __init__(self, array: Any, size: int, intensity_ranges: Sequence[IntensityRange] | None = None) -> None:
        super().__init__(array, intensity_ranges)
        self.size = size

    def read(self, frame: int) -> Tensor:
        """Read one frame, (3, S, S), float32, normalised."""
        return self.read_view(frame, np.s_[:, :])

    def read_view(self, frame: int, window: tuple[slice, slice]) -> Tensor:
        """Read a window of one frame as if it were a frame, (3, S, S), float32, normalised."""
        return to_model_input(self.plane(frame, window), self.size)


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
