"""On a worker: the model, the frames and memories that it was sent, and the steps of a tracker that it is asked for.

All that it holds can be sent again: whatever is lost with a worker, the session has it.
"""

from __future__ import annotations

import contextlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from napari_sam2.torch_threads import torch

import numpy as np
import numpy.typing as npt
from torch import Tensor

from napari_sam2.cluster.messages import Computed, Missing, ModelDescription, NamedMemory, NamedRecord, Request, Video
from napari_sam2.cluster.pixels import PackedPixels, uncovered
from napari_sam2.cluster.tensor_cache import TensorCache
from napari_sam2.cluster.workers import file_sha256
from napari_sam2.model.memory_recall import Recall
from napari_sam2.predictors.build import load_model
from napari_sam2.predictors.device import inference, keep_freed_memory
from napari_sam2.predictors.frame_features import FrameFeatures
from napari_sam2.predictors.frames import ArrayFrames, to_model_input
from napari_sam2.predictors.memory_bank import FrameRecord, ObjectMemory
from napari_sam2.predictors.packed_tensor import PackedTensor
from napari_sam2.predictors.tracker import Tracker
from napari_sam2.predictors.zoom import View
from napari_sam2.version import __version__
from napari_sam2.weights.load import find_weights

TENSOR_BYTES = 512 * 2**20
PLANE_BYTES = 256 * 2**20
MAX_VIDEOS = 4
"""Features of frames are kept for so many sessions."""


class ReceivedPlanes:
    """Frames of which pixels are there, like an array of all frames; the latest within a budget.

    Of a frame that is there in windows, all other pixels are 0.
    """

    def __init__(self, video: Video) -> None:
        self.shape, self.dtype, self.ndim = video.shape, np.dtype(video.dtype), len(video.shape)
        self._planes: OrderedDict[int, npt.NDArray[Any]] = OrderedDict()
        self._views: dict[int, list[View]] = {}
        self._whole = video.whole

    def __getitem__(self, frame: int) -> npt.NDArray[Any]:
        self._planes.move_to_end(frame)
        return self._planes[frame]

    def lacks(self, frame: int, views: Sequence[View]) -> bool:
        """Return whether pixels of one of these views are not there."""
        return bool(uncovered(views, self._views.get(frame, ())))

    def put(self, frame: int, pixels: Sequence[PackedPixels]) -> None:
        """Add windows of a frame, and drop the least recently used frames beyond the budget."""
        if frame not in self._planes:
            self._planes[frame], self._views[frame] = np.zeros(self.shape[1:], self.dtype), []
        for one in pixels:
            if self.lacks(frame, [one.view]):  # else it may be a frame that was read, which is not to be written to
                self._planes[frame][one.view.window] = one.unpack()
                self._views[frame].append(one.view)
        self._shrink(frame)

    def put_whole(self, frame: int, plane: npt.NDArray[Any]) -> None:
        """Add a frame."""
        self._planes[frame], self._views[frame] = plane, [self._whole]
        self._shrink(frame)

    def _shrink(self, latest: int) -> None:
        self._planes.move_to_end(latest)
        while len(self._planes) > 1 and sum(one.nbytes for one in self._planes.values()) > PLANE_BYTES:
            self._views.pop(self._planes.popitem(last=False)[0])


class ServedFrames(ArrayFrames):
    """Frames of which windows may be added between two readings: none is kept by the name of its frame."""

    def read_view(self, frame: int, window: tuple[slice, slice]) -> Tensor:
        """See :meth:`~napari_sam2.predictors.frames.ArrayFrames.read_view`."""
        return to_model_input(self.mapped(self.array[frame][window]), self.size)


class FilesOfVideo:
    """The files of a video, if this machine has them; see :mod:`~napari_sam2.cluster.shared_image`."""

    def __init__(self, video: Video) -> None:
        stack = None if video.shared is None else video.shared.open()
        if stack is not None and (stack.frames.shape, str(stack.frames.dtype)) != (video.shape, video.dtype):
            stack = None
        self._stack, self.are_the_same = stack, False

    def read(self, frame: int) -> npt.NDArray[Any] | None:
        """Read a frame; None where it cannot be."""
        if self._stack is not None:
            with contextlib.suppress(OSError):
                return np.asarray(self._stack.frames[frame])
        self._stack, self.are_the_same = None, False
        return None

    def compare(self, frame: int, pixels: Sequence[PackedPixels]) -> None:
        """Compare pixels that were sent with those of the files, once."""
        if self._stack is None or self.are_the_same or not pixels:
            return
        plane = self.read(frame)
        self.are_the_same = plane is not None and all(np.array_equal(one.unpack(), plane[one.view.window]) for one in pixels)
        if not self.are_the_same:
            self._stack = None


class GivenRecalls:
    """A memory policy that takes what the session chose."""

    def __init__(self) -> None:
        self.recalls: dict[int, Recall] = {}

    def __call__(self, frame: int, memory: ObjectMemory, num_frames: int, reverse: bool) -> Recall:  # noqa: ARG002
        """See :class:`~napari_sam2.predictors.memory_bank.MemoryPolicy`."""
        return self.recalls[id(memory)]


class ServedVideo:
    """The frames of one session, and the tracker on them."""

    def __init__(self, model: Any, video: Video) -> None:
        self.planes = ReceivedPlanes(video)
        self.files = FilesOfVideo(video)
        self.policy = GivenRecalls()
        frames = ServedFrames(self.planes, model.image_size, video.intensity_ranges)
        self.tracker = Tracker(
            model,
            FrameFeatures(model, frames),
            policy=self.policy,
            fill_hole_area=model.fill_hole_area,
            max_batch=video.max_batch,
            is_repeatable=True,
        )

    def lacks(self, request: Request) -> bool:
        """Take the pixels of a request, and return whether some that it needs are neither there nor in files of this machine."""
        if request.pixels:
            self.planes.put(request.frame, request.pixels)
            self.files.compare(request.frame, request.pixels)
        if not self.planes.lacks(request.frame, request.needed_views):
            return False
        plane = self.files.read(request.frame) if self.files.are_the_same else None
        if plane is not None:
            self.planes.put_whole(request.frame, plane)
        return plane is None


@dataclass
class WatchedCall:
    """How much is done of how much of a call, and whether it is to go on."""

    done: int = 0
    total: int = 0
    goes_on: bool = True

    def report(self, done: int, total: int) -> bool:
        """Note what is done; return whether to go on."""
        self.done, self.total = done, total
        return self.goes_on


class ModelServer:
    """A model on a worker, in a :class:`~napari_sam2.cluster.model_actor.ModelActor`.

    Parameters
    ----------
    model : str
        Name or file.
    device : str
        See :func:`~napari_sam2.predictors.device.resolve_device`.

    Raises
    ------
    FileNotFoundError, ValueError
        If the worker has no such model or device.
    """

    def __init__(self, model: str, device: str) -> None:
        from distributed import get_worker

        keep_freed_memory()
        self._file_sha256 = file_sha256(find_weights(model)[1])
        self._model = load_model(model, device)
        self._tensors = TensorCache(TENSOR_BYTES)
        self._videos: OrderedDict[str, ServedVideo] = OrderedDict()
        self._lock = threading.Lock()
        self._watched: dict[str, WatchedCall] = {}
        self._address = str(get_worker().address)

    def describe(self) -> ModelDescription:
        """Describe the model."""
        return ModelDescription(
            self._model.config,
            str(self._model.source),
            self._file_sha256,
            self._model.recall,
            self._model.device.type,
            self._model.best_precision,
            self._address,
            __version__,
            str(torch.__version__),
        )

    def call(self, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """Call a function of the package with the model."""
        with self._lock:
            return function(self._model, *arguments, **named)

    def call_watched(self, name: str, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """Call a function of the package with the model and what it reports to: how much is done of how much.

        Parameters
        ----------
        name : str
            By which :meth:`progress` knows the call.
        function : callable
            What it reports to returns False where it is to stop.
        """
        with self._lock:
            watched = self._watched[name] = WatchedCall()
            try:
                return function(self._model, watched.report, *arguments, **named)
            finally:
                del self._watched[name]

    async def progress(self, name: str, goes_on: bool) -> tuple[int, int]:
        """Return how much of a call is done, of how much, and whether it goes on is up to the caller; 0 of 0 before it has begun.

        It is a coroutine, which dask runs beside the call: other methods of an actor wait for each other.
        """
        if (watched := self._watched.get(name)) is None:
            return 0, 0
        watched.goes_on = goes_on
        return watched.done, watched.total

    def compute(self, request: Request) -> Computed | Missing:
        """Do a step of a tracker, or return what is missing for it."""
        with self._lock:
            video = self._video(request.video)
            device = self._model.device
            for packed in request.tensors.values():
                self._tensors.put(packed.owned())
            lacks_pixels = video.lacks(request)
            digests = [digest for digest in request.digests if digest not in self._tensors]
            if digests or lacks_pixels:
                return Missing(digests, lacks_pixels)
            with inference(device, request.video.precision):
                records = self._step(video, request)
            computed = self._computed(records, {*request.digests})
            self._tensors.shrink(needed=computed.tensors)
            return replace(computed, reads_itself=video.files.are_the_same)

    def _video(self, video: Video) -> ServedVideo:
        if video.name not in self._videos:
            self._videos[video.name] = ServedVideo(self._model, video)
            while len(self._videos) > MAX_VIDEOS:
                self._videos.popitem(last=False)
        self._videos.move_to_end(video.name)
        return self._videos[video.name]

    def _step(self, video: ServedVideo, request: Request) -> list[FrameRecord]:
        tracker = video.tracker
        records = [self._record(one) for one in request.records]
        if request.method == "remember":
            return tracker.remember(request.frame, records)
        if request.method == "absent":
            return [tracker.absent(one) for one in records]
        memories = None if request.memories is None else [self._memory(one) for one in request.memories]
        given = zip(memories or (), request.memories or (), strict=True)
        video.policy.recalls = {id(memory): one.recall for memory, one in given}
        if request.method == "segment":
            prompts = [one.unpack() for one in request.prompts]
            return tracker.segment(request.frame, prompts, memories, request.reverse, request.views)
        return tracker.track(request.frame, memories or [], request.reverse, request.views)

    def _memory(self, named: NamedMemory) -> ObjectMemory:
        conditioning, tracked = (
            {frame: self._record(one) for frame, one in records.items()} for records in (named.conditioning, named.tracked)
        )
        return ObjectMemory(conditioning, tracked)

    def _record(self, named: NamedRecord) -> FrameRecord:
        return named.record(self._tensors.__getitem__)

    def _computed(self, records: list[FrameRecord], known: set[bytes]) -> Computed:
        """Name what was computed; what came with the request does not go back."""
        tensors: dict[bytes, PackedTensor] = {}

        def named(packed: PackedTensor) -> bytes:
            if packed.digest not in known:
                tensors[packed.digest] = packed
                self._tensors.put(packed)
            return packed.digest

        return Computed([NamedRecord.of(one, named) for one in records], tensors)
