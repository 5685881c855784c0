"""The model of a session and its view of the stack: frames at the size of its input, windows, memory policy."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from napari_sam2.checks import shown
from napari_sam2.cluster.remote_model import RemoteModel
from napari_sam2.cluster.remote_tracker import RemoteTracker
from napari_sam2.cluster.shared_image import SharedImage
from napari_sam2.images.intensity import IntensityRange
from napari_sam2.images.mapped_planes import MappedPlanes
from napari_sam2.images.stack import Stack
from napari_sam2.model.memory_recall import OfficialRecall
from napari_sam2.predictors.any_tracker import AnyTracker, best_batch
from napari_sam2.predictors.logits import reduce, rounded
from napari_sam2.predictors.memory_bank import FrameRecord, MemoryGate, MemoryPolicy
from napari_sam2.predictors.zoom import Zoom, whole_view
from napari_sam2.session.inference.recall_policy import BetweenAnchorsPolicy

if TYPE_CHECKING:
    from napari_sam2.cluster.any_model import AnyModel
    from napari_sam2.predictors.video_predictor import SAM2VideoPredictor


class ModelInUse:
    """The model of a session, which can be replaced by another one.

    Parameters
    ----------
    model : SAM2VideoPredictor or RemoteModel
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
    memories : int, optional
        Of so many frames memories are recalled, as :class:`~napari_sam2.session.session.Session` has it.

    Attributes
    ----------
    model, tracker, frames, zoom
        The network, the tracker that runs it, the frames as it sees them, and the choice of windows.
    policy : BetweenAnchorsPolicy
        Chooses what a frame recalls.
    reach : int
        Memories of frames farther away are never recalled.
    max_batch : int
        At most so many objects at a time, as long as the memory of the device is not full.
    frame_shape : tuple of int
        Height and width of a frame.

    Raises
    ------
    ValueError
        If ``zoom`` or ``memories`` is no such number.
    """

    model: AnyModel
    tracker: AnyTracker
    frames: MappedPlanes
    zoom: Zoom | None
    policy: BetweenAnchorsPolicy
    reach: int
    max_batch: int

    def __init__(
        self,
        model: AnyModel,
        stack: Stack,
        intensity_ranges: Sequence[IntensityRange] | None,
        precision: str,
        zoom: float | Literal["auto"] | None,
        memory_gate: MemoryGate | None,
        memories: int | None = None,
    ) -> None:
        self.stack = stack
        self.precision = precision
        self.memory_gate = memory_gate
        self.frame_shape = (stack.height, stack.width)
        self.whole = whole_view(self.frame_shape)
        self._intensity_ranges = intensity_ranges
        self._wanted_zoom = zoom
        self.memories = memories
        self._wanted_batch: int | None = None
        self.use(model)

    def use(self, model: AnyModel) -> None:
        """Go on with another model."""
        is_auto = isinstance(self._wanted_zoom, str) and self._wanted_zoom == "auto"
        zoom = _choose_zoom(model.config.zoom if is_auto else self._wanted_zoom, self.frame_shape)
        self.policy = policy = BetweenAnchorsPolicy(_fewer(model.recall, self.memories), self.memory_gate)
        batch = self._wanted_batch or best_batch(model.image_size, model.device_kind)
        if isinstance(model, RemoteModel):
            frames, shared = MappedPlanes(self.stack.frames, self._intensity_ranges), SharedImage.of(self.stack)
            self.tracker = RemoteTracker(model, frames, self._intensity_ranges, policy, zoom, self.precision, batch, shared)
            self.frames = frames
        else:
            self.tracker, self.frames = _local_tracker(model, self.stack, self._intensity_ranges, policy, zoom, batch)
        self.model, self.zoom, self.reach, self.max_batch = model, zoom, policy.reach, batch

    def use_batch(self, max_batch: int) -> None:
        """Track at most so many objects at a time from now on, with whatever model, and not as many as suit model and device."""
        self._wanted_batch = max_batch
        self.use(self.model)

    def inference(self) -> AbstractContextManager[None]:
        """Compute without gradients, in the precision of the session; on another machine that is its own concern."""
        if isinstance(self.model, RemoteModel):
            return nullcontext()
        from napari_sam2.predictors.device import inference

        return inference(self.model.device, self.precision)

    @property
    def object_sizes(self) -> float | None:
        """Side of the window around an object, in object sizes; None for whole frames."""
        return None if self.zoom is None else self.zoom.object_sizes

    def foreign(self, record: FrameRecord, image_size: int) -> FrameRecord:
        """Return a record of another model, with another size of input, to be shown; without a memory, it is never recalled."""
        logits = record.mask_logits
        if image_size != self.model.image_size:
            rows, columns = (round(side * self.model.image_size / image_size) for side in logits.shape)
            logits = rounded(reduce(logits, (rows, columns)))
        return record.to_be_shown(logits)

    def as_seen(self, frame: int) -> npt.NDArray[np.uint8]:
        """Return a frame with the intensities of the model's input, at the resolution of the data, (H, W) or (H, W, 3)."""
        plane = self.frames.mapped(np.asarray(self.frames.array[frame]))
        return plane if self.frames.as_is else (255 * plane).round().astype(np.uint8)

    def preview(self, frame: int, record: FrameRecord | None) -> npt.NDArray[np.uint8]:
        """Return a frame, or the window of it that a record shows, resized to the model's input, (S, S, 3)."""
        view = self.whole if record is None or record.view is None else record.view
        return input_of(self.model, self.frames.plane(frame, view.window))


def input_of(model: AnyModel, plane: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Return the input of a model for a plane, (S, S, 3), made where the model is."""
    if isinstance(model, RemoteModel):
        shown: npt.NDArray[np.uint8] = model.call(input_of, plane)
        return shown
    from napari_sam2.predictors.frames import input_shown

    return input_shown(model, plane)


def _local_tracker(
    model: SAM2VideoPredictor,
    stack: Stack,
    ranges: Sequence[IntensityRange] | None,
    policy: MemoryPolicy,
    zoom: Zoom | None,
    batch: int,
) -> tuple[AnyTracker, MappedPlanes]:
    """Make the tracker of a model that is here, and the frames that it reads."""
    from napari_sam2.predictors import tracker
    from napari_sam2.predictors.frame_features import FrameFeatures
    from napari_sam2.predictors.frames import ArrayFrames

    frames = ArrayFrames(stack.frames, model.image_size, ranges)
    features = FrameFeatures(model, frames)
    own = tracker.Tracker(
        model, features, policy=policy, fill_hole_area=model.fill_hole_area, max_batch=batch, zoom=zoom, is_repeatable=True
    )
    return own, frames


def _fewer(recall: OfficialRecall, memories: int | None) -> OfficialRecall:
    if memories is None:
        return recall
    if not 1 <= memories <= recall.num_maskmem:
        raise ValueError(f"memories is 1 to {recall.num_maskmem} with this model, got {memories}")
    return replace(recall, num_maskmem=memories)


def _choose_zoom(object_sizes: Any, frame_shape: tuple[int, int]) -> Zoom | None:
    if object_sizes is None:
        return None
    if not (isinstance(object_sizes, float | int) and 1 < object_sizes < np.inf):
        raise ValueError(
            f"zoom is the side of a window in object sizes, above 1, or None for whole frames, got {shown(object_sizes)}"
        )
    return Zoom(frame_shape, float(object_sizes))
