"""The model of a session and its view of the stack: frames at the size of its input, windows, memory policy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

from napari_sam2.torch_threads import torch

import numpy as np
import numpy.typing as npt

from napari_sam2.checks import shown
from napari_sam2.cluster.remote_model import RemoteModel
from napari_sam2.cluster.remote_tracker import RemoteTracker
from napari_sam2.cluster.shared_image import SharedImage
from napari_sam2.images.intensity import IntensityRange, map_intensity
from napari_sam2.images.stack import Stack
from napari_sam2.predictors.frame_features import FrameFeatures
from napari_sam2.predictors.frames import IMAGE_MEAN, IMAGE_STD, ArrayFrames
from napari_sam2.predictors.memory_bank import FrameRecord, MemoryGate
from napari_sam2.predictors.tracker import Tracker, best_batch
from napari_sam2.predictors.video_predictor import SAM2VideoPredictor
from napari_sam2.predictors.zoom import Zoom, whole_view
from napari_sam2.session.inference.recall_policy import BetweenAnchorsPolicy


class ModelInUse:
    """The model of a session, which can be replaced by another one.

    Parameters
    ----------
    model : SAM2VideoPredictor
        The network.
    stack : Stack
        The image.
    intensity_ranges : sequence of tuple of float, or None
        Intensities that become black and white.
    precision : str
        In which the network computes.
    zoom : float, "auto" or None
        Side of the window around an object, in object sizes; None for whole frames, "auto" as the model was trained.
    memory_gate : MemoryGate, optional
        Keeps uncertain frames out of the memory.

    Attributes
    ----------
    model, tracker, frames, zoom
        The network, the tracker that runs it, the frames at the size of its input, and the choice of windows.
    reach : int
        Memories of frames farther away are never recalled.
    max_batch : int
        At most so many objects at a time, as long as the memory of the device is not full.
    frame_shape : tuple of int
        Height and width of a frame.

    Raises
    ------
    ValueError
        If ``zoom`` is no such number.
    """

    model: SAM2VideoPredictor
    tracker: Tracker
    frames: ArrayFrames
    zoom: Zoom | None
    reach: int
    max_batch: int

    def __init__(
        self,
        model: SAM2VideoPredictor,
        stack: Stack,
        intensity_ranges: Sequence[IntensityRange] | None,
        precision: str,
        zoom: float | Literal["auto"] | None,
        memory_gate: MemoryGate | None,
    ) -> None:
        self.stack = stack
        self.precision = precision
        self.memory_gate = memory_gate
        self.frame_shape = (stack.height, stack.width)
        self.whole = whole_view(self.frame_shape)
        self._intensity_ranges = intensity_ranges
        self._wanted_zoom = zoom
        self._wanted_batch: int | None = None
        self.use(model)

    def use(self, model: SAM2VideoPredictor) -> None:
        """Go on with another model."""
        is_auto = isinstance(self._wanted_zoom, str) and self._wanted_zoom == "auto"
        zoom = _choose_zoom(model.config.zoom if is_auto else self._wanted_zoom, self.frame_shape)
        frames = ArrayFrames(self.stack.frames, model.image_size, self._intensity_ranges)
        policy = BetweenAnchorsPolicy(model.recall, self.memory_gate)
        batch = self._wanted_batch or best_batch(model, model.device_kind)
        if isinstance(model, RemoteModel):
            shared = SharedImage.of(self.stack)
            self.tracker = RemoteTracker(model, frames, self._intensity_ranges, policy, zoom, self.precision, batch, shared)
        else:
            features = FrameFeatures(model, frames)
            self.tracker = Tracker(model, features, policy=policy, fill_hole_area=model.fill_hole_area, max_batch=batch, zoom=zoom)
        self.model, self.frames, self.zoom, self.reach, self.max_batch = model, frames, zoom, policy.reach, batch

    def use_batch(self, max_batch: int) -> None:
        """Track at most so many objects at a time from now on, with whatever model, and not as many as suit model and device."""
        self._wanted_batch = max_batch
        self.use(self.model)

    @property
    def object_sizes(self) -> float | None:
        """Side of the window around an object, in object sizes; None for whole frames."""
        return None if self.zoom is None else self.zoom.object_sizes

    def foreign(self, record: FrameRecord, image_size: int) -> FrameRecord:
        """Return a record of another model, with another size of input, to be shown; without a memory, it is never recalled."""
        logits = record.mask_logits
        if image_size != self.model.image_size:
            size = [round(side * self.model.image_size / image_size) for side in logits.shape]
            given = logits.float()[None, None]
            logits = torch.nn.functional.interpolate(given, size, mode="bilinear", align_corners=False, antialias=True)[0, 0]
        return replace(record, mask_logits=logits, memory=None)

    def as_seen(self, frame: int) -> npt.NDArray[np.uint8]:
        """Return a frame with the intensities of the model's input, at the resolution of the data, (H, W) or (H, W, 3)."""
        plane = np.asarray(self.frames.array[frame])
        if self.frames.as_is:
            return plane
        return (255 * map_intensity(plane, self.frames.low, self.frames.high)).round().astype(np.uint8)

    def preview(self, frame: int, record: FrameRecord | None) -> npt.NDArray[np.uint8]:
        """Return a frame, or the window of it that a record shows, resized to the model's input, (S, S, 3)."""
        view = self.whole if record is None or record.view is None else record.view
        mean, std = (torch.tensor(values, dtype=torch.float32, device="cpu")[:, None, None] for values in (IMAGE_MEAN, IMAGE_STD))
        seen = (self.frames.read_view(frame, view.window) * std + mean).clamp(0, 1).permute(1, 2, 0)
        preview: npt.NDArray[np.uint8] = (255 * seen).round().to(torch.uint8).numpy()
        return preview


def _choose_zoom(object_sizes: Any, frame_shape: tuple[int, int]) -> Zoom | None:
    if object_sizes is None:
        return None
    if not (isinstance(object_sizes, float | int) and 1 < object_sizes < np.inf):
        raise ValueError(
            f"zoom is the side of a window in object sizes, above 1, or None for whole frames, got {shown(object_sizes)}"
        )
    return Zoom(frame_shape, float(object_sizes))
