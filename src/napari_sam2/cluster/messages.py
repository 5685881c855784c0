"""What a session asks of a worker that has the model, and what comes back.

A request names the tensors that it needs by their digests, and holds those that the worker does not have yet, as far as is known;
the worker answers with a result, or with what is missing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from napari_sam2.cluster.packed_tensors import PackedTensor
from napari_sam2.cluster.pixels import PackedPixels
from napari_sam2.cluster.shared_image import SharedImage
from napari_sam2.images.intensity import IntensityRange
from napari_sam2.model.config import ModelConfig
from napari_sam2.model.memory_recall import Recall
from napari_sam2.predictors.zoom import View, whole_view


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
    absent_pointer : PackedTensor or None
        What is added to the pointer of an absent object, if anything is.
    device : str
        Kind of device it computes on.
    best_precision : str
        The precision that suits it.
    worker : str
        Address of the worker.
    software : str
        Version of napari-sam2.
    """

    config: ModelConfig
    source: str
    file_sha256: str
    absent_pointer: PackedTensor | None
    device: str
    best_precision: str
    worker: str
    software: str


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
    """A :class:`~napari_sam2.predictors.tracker.Prompt` that travels."""

    points_xy: PackedTensor | None
    labels: PackedTensor | None
    mask: PackedTensor | None
    previous_logits: PackedTensor | None


@dataclass(frozen=True)
class NamedRecord:
    """A :class:`~napari_sam2.predictors.memory_bank.FrameRecord` whose tensors are named by digests; None where it has none."""

    mask_logits: bytes | None
    pointer: bytes | None
    memory: bytes | None
    object_score: float
    predicted_iou: float
    view: View | None

    @property
    def digests(self) -> list[bytes]:
        """Of its tensors."""
        return [one for one in (self.mask_logits, self.pointer, self.memory) if one is not None]


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
    """One step of a tracker; see :class:`~napari_sam2.predictors.tracker.Tracker`.

    Attributes
    ----------
    method : {"segment", "remember", "track"}
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
        One per object, for ``remember``.
    pixels : list of PackedPixels
        Windows of the frame that travel.
    tensors : dict of bytes to PackedTensor
        Those that travel, by digest.
    """

    method: Literal["segment", "remember", "track"]
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
