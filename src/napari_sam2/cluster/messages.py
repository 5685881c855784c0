"""What a session asks of a worker that has the model, and what comes back.

A request names the tensors that it needs by their digests, and holds those that the worker does not have yet, as far as is known;
the worker answers with a result, or with what is missing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from napari_sam2.cluster.pixels import PackedPixels
from napari_sam2.cluster.shared_image import SharedImage
from napari_sam2.images.intensity import IntensityRange
from napari_sam2.model.config import ModelConfig
from napari_sam2.model.memory_recall import OfficialRecall, Recall
from napari_sam2.predictors.any_tracker import Prompt
from napari_sam2.predictors.memory_bank import FrameRecord, MaskOrigin
from napari_sam2.predictors.packed_tensor import PackedTensor
from napari_sam2.predictors.zoom import View, whole_view

NOTHING = PackedTensor(np.zeros(0, np.float32), "float32")
"""In the place of a tensor that does not travel."""


@dataclass(frozen=True)
class ModelDescription:
    """A model on a worker.

    Attributes
    ----------
    config : ModelConfig
        Its configuration.
    source : str
        By what it was loaded.
    file_sha256 : str
        Of its file.
    recall : OfficialRecall
        The rule by which it chooses among remembered frames.
    device : str
        Kind of device it computes on.
    best_precision : str
        The precision that suits it.
    worker : str
        Address of the worker.
    software, torch : str
        Versions of napari-sam2 and PyTorch.
    """

    config: ModelConfig
    source: str
    file_sha256: str
    recall: OfficialRecall
    device: str
    best_precision: str
    worker: str
    software: str
    torch: str


@dataclass(frozen=True)
class Video:
    """The stack of a session, as far as a worker has to know it.

    Attributes
    ----------
    name : str
        Distinguishes it from others.
    shape, dtype
        Of all frames, (T, H, W) or (T, H, W, 3).
    intensity_ranges
        See :class:`~napari_sam2.predictors.frames.ArrayFrames`.
    precision : str
        Of the network.
    max_batch : int
        At most so many objects at a time.
    shared : SharedImage or None
        Its files, if it lies in files.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    intensity_ranges: tuple[IntensityRange, ...] | None
    precision: str
    max_batch: int
    shared: SharedImage | None = None

    @property
    def whole(self) -> View:
        """The view of a whole frame."""
        return whole_view((self.shape[1], self.shape[2]))


@dataclass(frozen=True)
class PackedPrompt:
    """A :class:`~napari_sam2.predictors.any_tracker.Prompt` that travels."""

    points_xy: npt.NDArray[np.float32] | None
    labels: npt.NDArray[np.int32] | None
    mask: PackedPixels | None
    previous_logits: npt.NDArray[np.float32] | None
    previous_mask: PackedPixels | None

    @classmethod
    def pack(cls, prompt: Prompt) -> PackedPrompt:
        """Pack a prompt; masks are compressed."""
        mask, previous_mask = (
            None if one is None else PackedPixels.pack(one, View(0, 0, *one.shape)) for one in (prompt.mask, prompt.previous_mask)
        )
        return cls(prompt.points_xy, prompt.labels, mask, prompt.previous_logits, previous_mask)

    def unpack(self) -> Prompt:
        """Unpack it."""
        mask, previous_mask = (None if one is None else one.unpack() for one in (self.mask, self.previous_mask))
        return Prompt(self.points_xy, self.labels, mask, self.previous_logits, previous_mask)


@dataclass(frozen=True)
class NamedRecord:
    """A :class:`~napari_sam2.predictors.memory_bank.FrameRecord` whose tensors are named by digests; None where it has none."""

    mask_logits: bytes | None
    pointer: bytes | None
    memory: bytes | None
    object_score: float
    predicted_iou: float
    view: View | None
    origin: MaskOrigin = MaskOrigin.PROMPTED
    remembered: bytes | None = None

    @classmethod
    def without_tensors(cls, record: FrameRecord) -> NamedRecord:
        """Describe a record by its scores and its view."""
        return cls(None, None, None, record.object_score, record.predicted_iou, record.view, record.origin)

    @classmethod
    def of(cls, record: FrameRecord, name: Callable[[PackedTensor], bytes]) -> NamedRecord:
        """Describe a record, naming those of its tensors that are not empty."""
        remembered = None if record.remembered is None else PackedTensor(record.remembered, "float32")
        tensors = (PackedTensor(record.mask_logits, "float32"), record.pointer, record.memory, remembered)
        logits, pointer, memory, other = (None if one is None or not one.num_bytes else name(one) for one in tensors)
        return cls(logits, pointer, memory, record.object_score, record.predicted_iou, record.view, record.origin, other)

    def record(self, tensors: Callable[[bytes], PackedTensor]) -> FrameRecord:
        """Make the record of its tensors; those without a name are empty, or None."""
        logits, pointer = (NOTHING if one is None else tensors(one) for one in (self.mask_logits, self.pointer))
        memory = None if self.memory is None else tensors(self.memory)
        mask_logits: npt.NDArray[np.float32] = logits.array  # type: ignore[assignment]
        remembered: Any = None if self.remembered is None else tensors(self.remembered).array
        scores = self.object_score, self.predicted_iou
        return FrameRecord(mask_logits, pointer, *scores, memory, self.view, origin=self.origin, remembered=remembered)

    @property
    def digests(self) -> list[bytes]:
        """Of its tensors."""
        return [one for one in (self.mask_logits, self.pointer, self.memory, self.remembered) if one is not None]


@dataclass(frozen=True)
class NamedMemory:
    """What a frame recalls of an object: which frames, and their records, by frame."""

    recall: Recall
    conditioning: dict[int, NamedRecord]
    tracked: dict[int, NamedRecord]

    @property
    def digests(self) -> list[bytes]:
        """Of the tensors of all records."""
        return [digest for records in (self.conditioning, self.tracked) for one in records.values() for digest in one.digests]


@dataclass(frozen=True)
class Request:
    """One step of a tracker; see :class:`~napari_sam2.predictors.any_tracker.AnyTracker`.

    Attributes
    ----------
    method : {"segment", "remember", "track", "absent"}
        Of the tracker.
    video : Video
        The stack.
    frame : int
        The frame.
    reverse : bool
        The direction.
    views : list of View or None
        One per object.
    prompts : list of PackedPrompt
        One per object, for ``segment``.
    memories : list of NamedMemory or None
        One per object; None where nothing is recalled.
    records : list of NamedRecord
        One per object, for ``remember`` and ``absent``.
    pixels : list of PackedPixels
        Windows of the frame that travel.
    tensors : dict of bytes to PackedTensor
        Those that travel, by digest.
    """

    method: Literal["segment", "remember", "track", "absent"]
    video: Video
    frame: int
    reverse: bool = False
    views: list[View | None] = field(default_factory=list)
    prompts: list[PackedPrompt] = field(default_factory=list)
    memories: list[NamedMemory] | None = None
    records: list[NamedRecord] = field(default_factory=list)
    pixels: list[PackedPixels] = field(default_factory=list)
    tensors: dict[bytes, PackedTensor] = field(default_factory=dict)

    @property
    def digests(self) -> list[bytes]:
        """Of all tensors that it needs."""
        found = [digest for one in (*(self.memories or ()), *self.records) for digest in one.digests]
        return list(dict.fromkeys(found))

    @property
    def needed_views(self) -> list[View]:
        """Windows of the frame whose pixels it needs."""
        views = [one.view for one in self.records] if self.method == "remember" else self.views
        return [view or self.video.whole for view in views]


@dataclass(frozen=True)
class Missing:
    """What a worker lacks for a request: it was replaced, or had to make room."""

    digests: list[bytes]
    pixels: bool


@dataclass(frozen=True)
class Computed:
    """What a request made.

    Attributes
    ----------
    records : list of NamedRecord
        The records.
    tensors : dict of bytes to PackedTensor
        Their tensors, which travel.
    reads_itself : bool
        The worker reads frames of the video from its files.
    """

    records: list[NamedRecord]
    tensors: dict[bytes, PackedTensor]
    reads_itself: bool = False
