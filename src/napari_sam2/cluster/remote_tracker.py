"""A tracker whose steps are done on another machine.

Here stay the choices: which frames an object recalls, in which window it is looked for, and all records. A frame travels once, as
it is in the image, or the windows of it in which objects are; none travels to a worker that reads the same files. A record travels
here when it is made, and back only to a worker that does not have it.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from napari_sam2.cluster.messages import NOTHING, NamedMemory, NamedRecord, PackedPrompt, Request, Video
from napari_sam2.cluster.pixels import PackedPixels
from napari_sam2.cluster.remote_compute import WorkerLink
from napari_sam2.cluster.remote_model import RemoteModel
from napari_sam2.cluster.shared_image import SharedImage
from napari_sam2.images.mapped_planes import MappedPlanes
from napari_sam2.model.memory_recall import Recall, RecalledFrame
from napari_sam2.predictors.any_tracker import AnyTracker, Prompt
from napari_sam2.predictors.memory_bank import FrameRecord, MemoryPolicy, ObjectMemory
from napari_sam2.predictors.packed_tensor import PackedTensor
from napari_sam2.predictors.zoom import View, Zoom


class RemoteTracker(AnyTracker):
    """Segments and tracks objects by a model on another machine; see :class:`~napari_sam2.predictors.any_tracker.AnyTracker`.

    Parameters
    ----------
    model : RemoteModel
        The model.
    frames : MappedPlanes
        The stack, with its intensities.
    intensity_ranges
        Of ``frames``.
    policy, zoom
        See :class:`~napari_sam2.predictors.any_tracker.AnyTracker`.
    precision : str
        Of the network.
    max_batch : int
        At most so many objects at a time.
    shared : SharedImage, optional
        The files of the stack.
    """

    def __init__(
        self,
        model: RemoteModel,
        frames: MappedPlanes,
        intensity_ranges: Any,
        policy: MemoryPolicy,
        zoom: Zoom | None,
        precision: str,
        max_batch: int,
        shared: SharedImage | None = None,
    ) -> None:
        super().__init__(len(frames), policy, zoom)
        self.model = model
        self._frames = frames
        ranges = None if intensity_ranges is None else tuple((float(low), float(high)) for low, high in intensity_ranges)
        shape = tuple(int(side) for side in frames.array.shape)
        self._video = Video(secrets.token_hex(8), shape, str(np.dtype(frames.array.dtype)), ranges, precision, max_batch, shared)

    def segment(
        self,
        frame: int,
        prompts: Sequence[Prompt],
        memories: Sequence[ObjectMemory] | None = None,
        reverse: bool = False,
        views: Sequence[View | None] | None = None,
    ) -> list[FrameRecord]:
        """See :meth:`~napari_sam2.predictors.any_tracker.AnyTracker.segment`.

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
            [PackedPrompt.pack(prompt) for prompt in prompts],
        )
        return self._computed(request, None if memories is None else self._recalled(frame, memories, reverse), [])

    def remember(self, frame: int, records: Sequence[FrameRecord]) -> list[FrameRecord]:
        """See :meth:`~napari_sam2.predictors.any_tracker.AnyTracker.remember`; errors are those of :meth:`segment`."""
        named = [
            replace(record, mask_logits=record.remembered_logits, pointer=NOTHING, memory=None, remembered=None)
            for record in records
        ]
        encoded = self._computed(Request("remember", self._video, frame), None, named)
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
        """See :meth:`~napari_sam2.predictors.any_tracker.AnyTracker.track`; errors are those of :meth:`segment`."""
        chosen_views = self.follow(frame, memories, reverse) if views is None else list(views)
        request = Request("track", self._video, frame, reverse, chosen_views)
        return self._computed(request, self._recalled(frame, memories, reverse), [])

    def absent(self, record: FrameRecord) -> FrameRecord:
        """See :meth:`~napari_sam2.predictors.any_tracker.AnyTracker.absent`; errors are those of :meth:`segment`."""
        (found,) = self._computed(Request("absent", self._video, 0), None, [replace(record, memory=None)])
        return replace(found, anchor_distance=record.anchor_distance)

    def release_features(self) -> None:
        """Do nothing: features are kept where the model is."""

    # --- what travels ----------------------------------------------------------------------------------------------

    def _recalled(self, frame: int, memories: Sequence[ObjectMemory], reverse: bool) -> list[ObjectRecall]:
        return [ObjectRecall(self.choose(frame, memory, reverse), memory) for memory in memories]

    def _computed(self, request: Request, recalled: list[ObjectRecall] | None, records: Sequence[FrameRecord]) -> list[FrameRecord]:
        tensors: dict[bytes, PackedTensor] = {}

        def name(tensor: PackedTensor) -> bytes:
            tensors[tensor.digest] = tensor
            return tensor.digest

        request = replace(
            request,
            memories=None if recalled is None else [one.named(name) for one in recalled],
            records=[NamedRecord.of(record, name) for record in records],
        )

        def for_worker(link: WorkerLink) -> Request:
            sent = {digest: tensors[digest] for digest in request.digests if digest not in link.digests}
            return replace(request, tensors=sent, pixels=self._pixels(request.frame, link.windows_to_send(request)))

        computed = self.model.compute.compute(self.model.name, self.model.wanted_device, for_worker)
        tensors |= {digest: packed.owned() for digest, packed in computed.tensors.items()}
        return [one.record(tensors.__getitem__) for one in computed.records]

    def _pixels(self, frame: int, windows: Sequence[View]) -> list[PackedPixels]:
        return [PackedPixels.pack(self._frames.unmapped(frame), window) for window in windows]


class ObjectRecall:
    """What a frame recalls of an object.

    Parameters
    ----------
    recall : Recall
        Which frames.
    memory : ObjectMemory
        The object's records.
    """

    def __init__(self, recall: Recall, memory: ObjectMemory) -> None:
        self.recall, self.memory = recall, memory

    def named(self, name: Callable[[PackedTensor], bytes]) -> NamedMemory:
        """Name the tensors of recalled records: of each frame those that the network takes."""
        named = NamedMemory(self.recall, {}, {})
        for slots, has_memory in ((self.recall.pointers, False), (self.recall.memories, True)):
            for slot, record in zip(slots, self.memory.recalled(slots), strict=True):
                self._add(named, slot, record, name, has_memory)
        return named

    @staticmethod
    def _add(
        named: NamedMemory, slot: RecalledFrame, record: FrameRecord, name: Callable[[PackedTensor], bytes], has_memory: bool
    ) -> None:
        records = named.conditioning if slot.is_conditioning else named.tracked
        before = records.get(slot.frame, NamedRecord.without_tensors(record))
        if not has_memory:
            records[slot.frame] = replace(before, pointer=name(record.pointer))
        elif record.memory is not None:
            records[slot.frame] = replace(before, memory=name(record.memory))
