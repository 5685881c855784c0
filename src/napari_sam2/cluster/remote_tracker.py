"""A tracker whose steps are done on another machine.

Here stay the choices: which frames an object recalls, in which window it is looked for, and all records. A frame travels once, as
it is in the image, or the windows of it in which objects are; none travels to a worker that reads the same files. A record travels
here when it is made, and back only to a worker that does not have it.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from napari_sam2.torch_threads import torch

import numpy as np
import numpy.typing as npt
from torch import Tensor

from napari_sam2.cluster.messages import NamedMemory, NamedRecord, PackedPrompt, Request, Video
from napari_sam2.cluster.packed_tensors import Digests, PackedTensor
from napari_sam2.cluster.pixels import PackedPixels
from napari_sam2.cluster.remote_compute import WorkerLink
from napari_sam2.cluster.remote_model import RemoteModel
from napari_sam2.cluster.shared_image import SharedImage
from napari_sam2.model.memory_recall import RecalledFrame
from napari_sam2.predictors.frame_features import FrameFeatures
from napari_sam2.predictors.frames import ArrayFrames
from napari_sam2.predictors.memory_bank import FrameRecord, MemoryPolicy, ObjectMemory
from napari_sam2.predictors.tracker import Prompt, Tracker
from napari_sam2.predictors.zoom import View, Zoom


class RemoteTracker(Tracker):
    """Segments and tracks objects by a model on another machine; see :class:`~napari_sam2.predictors.tracker.Tracker`.

    Parameters
    ----------
    model : RemoteModel
        The model.
    frames : ArrayFrames
        The stack, with its intensities.
    intensity_ranges
        Of ``frames``.
    policy, zoom
        See :class:`~napari_sam2.predictors.tracker.Tracker`.
    precision : str
        Of the network.
    max_batch : int
        At most so many objects at a time.
    shared : SharedImage, optional
        The files of the stack.
    """

    model: RemoteModel

    def __init__(
        self,
        model: RemoteModel,
        frames: ArrayFrames,
        intensity_ranges: Any,
        policy: MemoryPolicy,
        zoom: Zoom | None,
        precision: str,
        max_batch: int,
        shared: SharedImage | None = None,
    ) -> None:
        super().__init__(model, FrameFeatures(model, frames), policy=policy, max_batch=max_batch, zoom=zoom)
        self._array = frames.array
        self._latest: tuple[int, npt.NDArray[Any]] | None = None
        ranges = None if intensity_ranges is None else tuple((float(low), float(high)) for low, high in intensity_ranges)
        shape = tuple(int(side) for side in frames.array.shape)
        self._video = Video(secrets.token_hex(8), shape, str(np.dtype(frames.array.dtype)), ranges, precision, max_batch, shared)
        self._digests = Digests()

    def segment(
        self,
        frame: int,
        prompts: Sequence[Prompt],
        memories: Sequence[ObjectMemory] | None = None,
        reverse: bool = False,
        views: Sequence[View | None] | None = None,
    ) -> list[FrameRecord]:
        """See :meth:`~napari_sam2.predictors.tracker.Tracker.segment`.

        Raises
        ------
        ClusterError, WorkerLostError
            If no worker can compute, or it was lost.
        """
        request = Request(
            "segment",
            self._video,
            frame,
            reverse,
            [None] * len(prompts) if views is None else list(views),
            [_packed(prompt) for prompt in prompts],
        )
        return self._computed(request, None if memories is None else self._recalled(frame, memories, reverse), [])

    def remember(self, frame: int, records: Sequence[FrameRecord]) -> list[FrameRecord]:
        """See :meth:`~napari_sam2.predictors.tracker.Tracker.remember`; errors are those of :meth:`segment`."""
        encoded = self._computed(Request("remember", self._video, frame), None, records)
        return [
            record if one.memory is None else record.with_memory(one.memory) for record, one in zip(records, encoded, strict=True)
        ]

    def track(
        self,
        frame: int,
        memories: Sequence[ObjectMemory],
        reverse: bool = False,
        views: Sequence[View | None] | None = None,
    ) -> list[FrameRecord]:
        """See :meth:`~napari_sam2.predictors.tracker.Tracker.track`; errors are those of :meth:`segment`."""
        chosen_views = self.follow(frame, memories, reverse) if views is None else list(views)
        request = Request("track", self._video, frame, reverse, chosen_views)
        return self._computed(request, self._recalled(frame, memories, reverse), [])

    # --- what travels ----------------------------------------------------------------------------------------------

    def _recalled(self, frame: int, memories: Sequence[ObjectMemory], reverse: bool) -> list[ObjectRecall]:
        return [ObjectRecall(self.choose(frame, memory, reverse), memory) for memory in memories]

    def _computed(self, request: Request, recalled: list[ObjectRecall] | None, records: Sequence[FrameRecord]) -> list[FrameRecord]:
        tensors: dict[bytes, Tensor] = {}

        def name(tensor: Tensor | None) -> bytes | None:
            if tensor is None:
                return None
            digest = self._digests.of(tensor)
            tensors[digest] = tensor
            return digest

        request = replace(
            request,
            memories=None if recalled is None else [one.named(name) for one in recalled],
            records=[_named(record, name(record.mask_logits)) for record in records],
        )

        def for_worker(link: WorkerLink) -> Request:
            sent = {digest: PackedTensor.pack(tensors[digest]) for digest in request.digests if digest not in link.digests}
            return replace(request, tensors=sent, pixels=self._pixels(request.frame, link.windows_to_send(request)))

        computed = self.model.compute.compute(self.model.name, self.model.wanted_device, for_worker)
        received = {digest: packed.unpack(torch.device("cpu")) for digest, packed in computed.tensors.items()}
        for digest, tensor in received.items():
            self._digests.note(tensor, digest)
        return [_record(one, tensors | received) for one in computed.records]

    def _pixels(self, frame: int, windows: Sequence[View]) -> list[PackedPixels]:
        """Read windows of a frame; the last frame that was read is kept for the next windows of it."""
        if windows and (self._latest is None or self._latest[0] != frame):
            self._latest = None
            self._latest = frame, np.asarray(self._array[frame])
        return [PackedPixels.pack(self._latest[1], window) for window in windows if self._latest is not None]


class ObjectRecall:
    """What a frame recalls of an object.

    Parameters
    ----------
    recall : Recall
        Which frames.
    memory : ObjectMemory
        The object's records.
    """

    def __init__(self, recall: Any, memory: ObjectMemory) -> None:
        self.recall, self.memory = recall, memory

    def named(self, name: Any) -> NamedMemory:
        """Name the tensors of recalled records: of each frame those that the network takes."""
        named = NamedMemory(self.recall, {}, {})
        for slots, has_memory in ((self.recall.pointers, False), (self.recall.memories, True)):
            for slot, record in zip(slots, self.memory.recalled(slots), strict=True):
                self._add(named, slot, record, name, has_memory)
        return named

    @staticmethod
    def _add(named: NamedMemory, slot: RecalledFrame, record: FrameRecord, name: Any, has_memory: bool) -> None:
        records = named.conditioning if slot.is_conditioning else named.tracked
        before = records.get(slot.frame, _named(record, None))
        added = {"memory": name(record.memory)} if has_memory else {"pointer": name(record.pointer)}
        records[slot.frame] = replace(before, **added)


def _named(record: FrameRecord, mask_logits: bytes | None) -> NamedRecord:
    return NamedRecord(mask_logits, None, None, record.object_score, record.predicted_iou, record.view)


def _record(named: NamedRecord, tensors: dict[bytes, Tensor]) -> FrameRecord:
    nothing = torch.empty(0, dtype=torch.float32, device="cpu")
    logits, pointer = (nothing if one is None else tensors[one] for one in (named.mask_logits, named.pointer))
    memory = None if named.memory is None else tensors[named.memory]
    return FrameRecord(logits, pointer, named.object_score, named.predicted_iou, memory, named.view)


def _packed(prompt: Prompt) -> PackedPrompt:
    tensors = (prompt.points_xy, prompt.labels, prompt.mask, prompt.previous_logits)
    return PackedPrompt(*(None if one is None else PackedTensor.pack(one) for one in tensors))
