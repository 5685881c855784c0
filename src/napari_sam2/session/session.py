"""The session: a stack, its objects and what was said about them; what the model makes of it, as a label image.

T frames · H, W height and width of a frame · P points · S side of the model's input.
"""

from __future__ import annotations

import logging
from collections import ChainMap, deque
from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch

from napari_sam2.predictors.build import load_model
from napari_sam2.predictors.device import inference, return_free_memory
from napari_sam2.predictors.frame_features import FrameFeatures
from napari_sam2.predictors.frames import IMAGE_MEAN, IMAGE_STD, ArrayFrames, IntensityRange
from napari_sam2.predictors.mask_postprocessing import label_image, resize_logits
from napari_sam2.predictors.memory_bank import FrameRecord, ObjectMemory
from napari_sam2.predictors.record_store import RecordBudget, RecordStore
from napari_sam2.predictors.tracker import Prompt, Tracker
from napari_sam2.predictors.video_predictor import SAM2VideoPredictor
from napari_sam2.predictors.views import View, Zoom, resample_logits, whole_view
from napari_sam2.session.anchors import BetweenAnchorsPolicy, neighbouring_anchors, span_between
from napari_sam2.session.intensity import choose_ranges
from napari_sam2.session.looking import search, view_of_prompts
from napari_sam2.session.prompts import FramePrompts, check_box, check_mask, check_points, mask_as_logits
from napari_sam2.session.stack import Stack

logger = logging.getLogger(__name__)

Direction = Literal["forward", "backward", "both"]
MAX_OBJECT_ID = np.iinfo(np.uint16).max
STEPS_BETWEEN_TRIMS = 32


@dataclass(frozen=True)
class ObjectScore:
    """What the model thinks of its own work.

    Attributes
    ----------
    object_score : float
        Logit, above 0 where the object is on the frame.
    predicted_iou : float
        How good it believes the mask to be, 0 .. 1.
    """

    object_score: float
    predicted_iou: float


@dataclass(frozen=True)
class FrameResult:
    """One frame done: the objects that were found on it, with their scores by object id."""

    frame: int
    scores: dict[int, ObjectScore]


@dataclass(frozen=True)
class Step:
    """One frame to be done: which objects, and whether tracking runs towards frame 0."""

    frame: int
    object_ids: tuple[int, ...]
    reverse: bool


@dataclass
class SessionObject:
    """One object.

    Attributes
    ----------
    object_id : int
        Its label value.
    name : str
        What a person calls it.
    memory : ObjectMemory
        What is known of it on each frame; conditioning frames are the anchors.
    prompts : dict
        What was said, by frame.
    outdated : mapping
        Tracked frames that a later correction may change, and what is shown of them until they are tracked again.
    corrected : dict
        What was shown of a tracked frame before the first thing was said about it.
    """

    object_id: int
    name: str
    memory: ObjectMemory
    outdated: MutableMapping[int, FrameRecord]
    prompts: dict[int, FramePrompts] = field(default_factory=dict)
    corrected: dict[int, FrameRecord] = field(default_factory=dict)

    @property
    def anchors(self) -> list[int]:
        """Frames a person decided on, in order."""
        return sorted(self.memory.conditioning)

    def shown(self, frame: int) -> FrameRecord | None:
        """What is shown of a frame."""
        return self.memory.get(frame) or self.outdated.get(frame)

    def shown_frames(self) -> set[int]:
        """Frames of which something is shown."""
        return {*self.memory.conditioning, *self.memory.tracked, *self.outdated}


class Session:
    """Follow objects through a stack.

    Parameters
    ----------
    image : array-like, str or Path
        Two to five axes in any order; NumPy, dask, zarr, xarray, a list of resolutions, or a path to a TIFF, zarr or OME-Zarr.
        Frames are read one at a time.
    axes : str, optional
        Of the image, from T, Z, Y, X and C, such as ``TYX`` or ``CZYX``; told by the image or guessed by default.
    model : str, Path or SAM2VideoPredictor
        ``micro``, a released model, a checkpoint file, or a model already loaded.
    channel : int or sequence of int, optional
        Channels to look at, where the image has an axis C: one in grey, two in magenta and green, three in red, green and blue; by
        default the first three.
    along : str, optional
        The axis along which frames follow each other: T, Z, and for volumes Y or X; by default T, else Z.
    at : mapping, optional
        Where to stay on the remaining axis, as in ``{"T": 3}``; :func:`~napari_sam2.session.loop.follow_each` goes through all.
    device : str, optional
        "auto" by default.
    precision : {"float32", "bfloat16"}
        In which the network computes.
    intensity_range : tuple of float, or a sequence of them, optional
        Intensities that become black and white, or a pair for each channel; by default 0 and 255 for uint8 colour, the soft-tissue
        window for CT in Hounsfield units, else robust extremes over a sample of frames, for each channel its own.
    window : {"soft tissue", "brain", "lung", "bone"}, optional
        A CT window by name, in place of a range.
    percentiles : tuple of float, optional
        Percentiles of the intensities in a sample of frames, 0 .. 100, in place of a range.
    zoom : float, "auto" or None
        Look at each object through a window that follows it, with a side of so many object sizes; None looks at whole frames, as
        the official implementation does. By default as the model was trained: ``micro`` with windows, released models without.
    labels : array-like, optional
        Receives the result: uint16, in the order of axes and the shape of the image without colour. A NumPy array by default.

    Attributes
    ----------
    intensity_ranges : tuple of tuple of float, or None
        The one mapping for the whole stack: what becomes black and white, of all or of red, green and blue. None for 8-bit colours,
        which are taken as they are.

    Raises
    ------
    ValueError
        If image, axes, labels or model are not what they should be.
    FileNotFoundError
        If there is no such file.
    """

    def __init__(
        self,
        image: Any,
        axes: str | None = None,
        model: str | Path | SAM2VideoPredictor = "micro",
        *,
        channel: int | Sequence[int] | None = None,
        along: str | None = None,
        at: Mapping[str, int] | None = None,
        device: str | None = None,
        precision: str = "float32",
        intensity_range: IntensityRange | Sequence[IntensityRange] | None = None,
        window: str | None = None,
        percentiles: tuple[float, float] | None = None,
        zoom: float | Literal["auto"] | None = "auto",
        labels: Any = None,
    ) -> None:
        self.stack = image if isinstance(image, Stack) else Stack.open(image, axes, channel, along, at)
        self.model = model if isinstance(model, SAM2VideoPredictor) else load_model(model, device)
        self.precision = precision
        self.labels = self._check_labels(labels)
        self.objects: dict[int, SessionObject] = {}
        # Also for grey uint8: a microscope rarely fills its range, and a dim movie is dark to the model too.
        self.intensity_ranges = choose_ranges(self.stack, intensity_range, window, percentiles)
        self._frames = ArrayFrames(self.stack.frames, self.model.image_size, self.intensity_ranges)
        if self.stack.is_constant:
            logger.warning("the image is constant: there is nothing to tell an object by")
        object_sizes = self.model.config.zoom if zoom == "auto" else zoom
        if object_sizes is not None and not (isinstance(object_sizes, float | int) and object_sizes > 1):
            raise ValueError(f"zoom is the side of a window in object sizes, above 1, or None for whole frames, got {zoom!r}")
        self._zoom = None if object_sizes is None else Zoom(self._frame_shape, float(object_sizes))
        self._features = FrameFeatures(self.model, self._frames)
        self._budget = RecordBudget()
        self._changes = 0
        self._steps_done = 0
        self._tracker = Tracker(
            self.model,
            self._features,
            policy=BetweenAnchorsPolicy(self.model.recall),
            fill_hole_area=self.model.fill_hole_area,
            zoom=self._zoom,
        )

    def elsewhere(self, along: str, at: Mapping[str, int] | None = None, labels: Any = None) -> Session:
        """Open a session on other frames of the same image: along another axis, or at another place on the rest.

        Parameters
        ----------
        along, at : str and mapping
            See :class:`Session`.
        labels : array-like, optional
            Receives the result; the labels of this session by default.

        Returns
        -------
        Session
            With the same model and intensities, and no objects yet.
        """
        return Session(
            self.stack.view(along, at),
            model=self.model,
            precision=self.precision,
            intensity_range=self.intensity_ranges,
            zoom=None if self._zoom is None else self._zoom.object_sizes,
            labels=self.labels if labels is None else labels,
        )

    def _check_labels(self, labels: Any) -> Any:
        shape = self.stack.labels_shape
        if labels is None:
            return np.zeros(shape, np.uint16)
        if tuple(labels.shape) != shape or np.dtype(labels.dtype) != np.uint16:
            raise ValueError(f"labels must be uint16 of shape {shape}, got {labels.dtype} of shape {tuple(labels.shape)}")
        return labels

    # --- objects ---------------------------------------------------------------------------------------------------

    def add_object(self, name: str | None = None, object_id: int | None = None) -> int:
        """Add an object.

        Parameters
        ----------
        name : str, optional
            What to call it.
        object_id : int, optional
            Its label value, 1 to 65535; the next free one by default.

        Returns
        -------
        int
            Its id.

        Raises
        ------
        ValueError
            If the id is taken or out of range.
        """
        object_id = max(self.objects, default=0) + 1 if object_id is None else object_id
        if object_id in self.objects:
            raise ValueError(f"there is already an object {object_id}")
        if object_id not in range(1, MAX_OBJECT_ID + 1):
            raise ValueError(f"an object id is a label value between 1 and {MAX_OBJECT_ID}, got {object_id}")
        object_id = int(object_id)
        memory, outdated = ObjectMemory(tracked=RecordStore(self._budget)), RecordStore(self._budget)
        self.objects[object_id] = SessionObject(object_id, name or f"object {object_id}", memory, outdated)
        return object_id

    def remove_object(self, object_id: int) -> None:
        """Remove an object and its labels."""
        removed = self._object(object_id)
        del self.objects[object_id]
        self._changes += 1
        frames = sorted(removed.shown_frames())
        # The budget would keep them.
        removed.memory.tracked.clear()
        removed.outdated.clear()
        for frame in frames:
            self._write_labels(frame)

    def _object(self, object_id: int) -> SessionObject:
        if object_id not in self.objects:
            raise ValueError(f"there is no object {object_id}; objects are {sorted(self.objects)}")
        return self.objects[object_id]

    # --- prompts ---------------------------------------------------------------------------------------------------

    def add_points(self, object_id: int, frame: int, points: Any, labels: Any = None) -> npt.NDArray[np.bool_]:
        """Click on an object.

        Parameters
        ----------
        object_id : int
            The object.
        frame : int
            The frame, 0 for a single image.
        points : array-like
            (P, 2), row and column in data pixels; pixel centres lie on integers.
        labels : array-like, optional
            (P,), 1 inside (default), 0 outside.

        Returns
        -------
        ndarray
            (H, W), bool: the object's mask on that frame.

        Raises
        ------
        ValueError
            If there is no such object or frame, a point is outside the image, or nothing says yet where the object is.
        """
        points_rc, point_labels = check_points(points, labels, self._frame_shape)
        return self._add(object_id, frame, self._prompts(object_id, frame).with_points(points_rc, point_labels))

    def set_points(self, object_id: int, frame: int, points: Any, labels: Any = None) -> npt.NDArray[np.bool_]:
        """Put points in the place of all points on a frame: the mask is found again, as if the others had never been given.

        See :meth:`add_points`.
        """
        points_rc, point_labels = check_points(points, labels, self._frame_shape)
        prompts = replace(self._prompts(object_id, frame), points_rc=points_rc, labels=point_labels)
        return self._add(object_id, frame, prompts, from_the_start=True)

    def add_box(self, object_id: int, frame: int, box: Any) -> npt.NDArray[np.bool_]:
        """Draw a box around an object: row0, col0, row1, col1, outer pixel edges. It replaces an earlier box or mask.

        See :meth:`add_points`.
        """
        prompts = self._prompts(object_id, frame)
        return self._add(object_id, frame, FramePrompts(prompts.points_rc, prompts.labels, check_box(box, self._frame_shape)))

    def add_mask(self, object_id: int, frame: int, mask: Any) -> npt.NDArray[np.bool_]:
        """Say that a mask (H, W) is the object. It replaces everything said on that frame before. See :meth:`add_points`."""
        self._prompts(object_id, frame)
        return self._add(object_id, frame, FramePrompts(mask=check_mask(mask, self._frame_shape)))

    def clear_prompts(self, object_id: int, frame: int) -> None:
        """Take back everything said about an object on a frame; what is shown there is found again by the next propagation."""
        item = self._object(object_id)
        if item.prompts.pop(frame, None) is None:
            raise ValueError(f"nothing was said about object {object_id} on frame {frame}")
        record = item.memory.conditioning.pop(frame)
        item.corrected.pop(frame, None)
        self._changes += 1
        self._outdate_around(item, frame)
        if item.memory.conditioning:
            item.outdated[frame] = record
            return
        frames = [frame, *item.shown_frames()]
        item.outdated.clear()
        for shown in frames:
            self._write_labels(shown)

    @property
    def _frame_shape(self) -> tuple[int, int]:
        return self.stack.height, self.stack.width

    def _prompts(self, object_id: int, frame: int) -> FramePrompts:
        return self._object(object_id).prompts.get(self._check_frame(frame), FramePrompts())

    def _check_frame(self, frame: int) -> int:
        if frame not in range(len(self.stack)):
            raise ValueError(f"frame {frame} does not exist: the stack has {len(self.stack)}, counted from 0")
        return int(frame)

    def _add(self, object_id: int, frame: int, prompts: FramePrompts, from_the_start: bool = False) -> npt.NDArray[np.bool_]:
        item = self._object(object_id)
        shown = item.shown(frame)
        previous = item.corrected.get(frame) if from_the_start else shown
        if not prompts.says_where and previous is None:
            raise ValueError(f"frame {frame} has only points outside object {object_id}: add a point inside, a box or a mask")
        record = self._segment(item, frame, prompts, previous)
        if frame not in item.prompts and shown is not None:
            item.corrected[frame] = shown
        item.prompts[frame] = prompts
        item.memory.tracked.pop(frame, None)
        item.outdated.pop(frame, None)
        item.memory.conditioning[frame] = record
        self._changes += 1
        self._outdate_around(item, frame)
        self._write_labels(frame)
        return self.mask(object_id, frame)

    def _segment(self, item: SessionObject, frame: int, prompts: FramePrompts, previous: FrameRecord | None) -> FrameRecord:
        """Find the object as prompted: by what is remembered from other anchors, and refining an earlier mask of the frame."""
        others = [anchor for anchor in item.memory.conditioning if anchor != frame]
        # Outdated frames too: a second click on a frame must see around it what the first one saw.
        memory = ObjectMemory(item.memory.conditioning, ChainMap(item.memory.tracked, item.outdated))

        def answer(views: Sequence[View | None]) -> list[FrameRecord]:
            told = [self._prompt(prompts, view, previous) for view in views]
            return self._tracker.segment(frame, told, [memory] * len(told) if others else None, views=views)

        with inference(self.model.device, self.precision):
            self._remember([item])
            if self._zoom is None:
                return answer([None])[0]
            nearest = min(others, key=lambda anchor: abs(anchor - frame), default=None)
            known = None if nearest is None else item.memory.conditioning[nearest]
            view = view_of_prompts(self._zoom, prompts, previous, known)
            return search(self._zoom, prompts, answer) if view is None else answer([view])[0]

    def _prompt(self, prompts: FramePrompts, view: View | None, previous: FrameRecord | None) -> Prompt:
        """Translate what was said to the model's terms, as it looks at a view."""
        whole, size = whole_view(self._frame_shape), self.model.image_size
        seen = view or whole
        prompt = prompts.to_model(seen, size)
        if prompt.mask is not None:
            return prompt
        if previous is not None:
            return prompt.refining(resample_logits(previous.mask_logits, previous.view or whole, seen))
        # Points that refine a mask need it as an earlier prediction.
        return prompt if prompts.mask is None else prompt.refining(mask_as_logits(prompts.mask[seen.window], size // 4))

    def _outdate_around(self, item: SessionObject, frame: int) -> None:
        """Everything tracked between the neighbouring anchors may change; it is shown until it is tracked again."""
        before, after = neighbouring_anchors(frame, item.memory.conditioning)
        for t in span_between(before, after, len(self.stack)):
            record = item.memory.tracked.pop(t, None)
            if record is not None:
                item.outdated[t] = record

    # --- propagation -----------------------------------------------------------------------------------------------

    def plan(
        self, direction: Direction = "both", objects: Iterable[int] | None = None, frames: Sequence[int] | None = None
    ) -> list[Step]:
        """List what :meth:`propagate` would do, with the same arguments.

        Returns
        -------
        list of Step
            Frames after each object's first anchor towards the end, then those before it towards frame 0. With ``backward``,
            frames before each object's last anchor.

        Raises
        ------
        ValueError
            If there is no such direction, object or frame.
        """
        if direction not in ("forward", "backward", "both"):
            raise ValueError(f"direction must be 'forward', 'backward' or 'both', got {direction!r}")
        chosen = [self._object(object_id) for object_id in dict.fromkeys(self.objects if objects is None else objects)]
        chosen = [item for item in chosen if item.anchors]
        allowed = range(len(self.stack)) if frames is None else sorted({self._check_frame(frame) for frame in frames})
        first = {item.object_id: item.anchors[-1 if direction == "backward" else 0] for item in chosen}

        def due(frame: int, reverse: bool) -> tuple[int, ...]:
            return tuple(
                item.object_id
                for item in chosen
                if (frame < first[item.object_id] if reverse else frame > first[item.object_id])
                and frame not in item.memory.conditioning
                and frame not in item.memory.tracked
            )

        passes = [(allowed, False)] if direction != "backward" else []
        passes += [(list(reversed(allowed)), True)] if direction != "forward" else []
        steps = [Step(frame, due(frame, reverse), reverse) for ordered, reverse in passes for frame in ordered]
        return [step for step in steps if step.object_ids]

    def propagate(
        self, direction: Direction = "both", objects: Iterable[int] | None = None, frames: Sequence[int] | None = None
    ) -> Iterator[FrameResult]:
        """Carry objects through the stack, each from where something was said about it.

        Stop asking to stop: what was yielded is kept, and the next call goes on from there. What is said between two frames counts
        at once.

        Parameters
        ----------
        direction : {"both", "forward", "backward"}
            Where to.
        objects : iterable of int, optional
            Which objects; all by default.
        frames : sequence of int, optional
            Which frames; all by default.

        Yields
        ------
        FrameResult
            One frame after another; only frames that can have changed.

        Raises
        ------
        ValueError
            If no object was prompted, or there is no such direction, object or frame.
        """
        if not any(item.anchors for item in self.objects.values()):
            raise ValueError("there is nothing to propagate: add points, a box or a mask first")
        wanted = None if objects is None else list(objects)
        steps, changes = deque(self.plan(direction, wanted, frames)), self._changes
        while steps:
            yield self._take(steps.popleft())
            if changes != self._changes:
                left = None if wanted is None else [object_id for object_id in wanted if object_id in self.objects]
                steps, changes = deque(self.plan(direction, left, frames)), self._changes

    def _take(self, step: Step) -> FrameResult:
        items = [self.objects[object_id] for object_id in step.object_ids]
        with inference(self.model.device, self.precision):
            self._remember(items)
            records = self._tracker.track(step.frame, [item.memory for item in items], step.reverse)
        for item, record in zip(items, records, strict=True):
            item.outdated.pop(step.frame, None)
            item.memory.tracked[step.frame] = record
        self._write_labels(step.frame)
        self._steps_done += 1
        if self._steps_done % STEPS_BETWEEN_TRIMS == 0:
            return_free_memory()
        return FrameResult(step.frame, {item.object_id: _score(record) for item, record in zip(items, records, strict=True)})

    def _remember(self, items: list[SessionObject]) -> None:
        """Encode the memories of anchors that have none yet."""
        fresh = {
            frame: [item for item in items if frame in item.memory.conditioning and item.memory.conditioning[frame].memory is None]
            for frame in {frame for item in items for frame in item.memory.conditioning}
        }
        for frame, owners in fresh.items():
            if owners:
                records = self._tracker.remember(frame, [item.memory.conditioning[frame] for item in owners])
                for item, record in zip(owners, records, strict=True):
                    item.memory.conditioning[frame] = record

    # --- results ---------------------------------------------------------------------------------------------------

    def mask(self, object_id: int, frame: int) -> npt.NDArray[np.bool_]:
        """Return an object's own mask on a frame, (H, W), whether or not another object lies over it."""
        record = self._object(object_id).shown(frame)
        if record is None:
            return np.zeros(self._frame_shape, bool)
        mask, view = np.zeros(self._frame_shape, bool), record.view or whole_view(self._frame_shape)
        logits = resize_logits(record.mask_logits[None, None], (view.height, view.width))[0, 0]
        mask[view.window] = (logits > 0).cpu().numpy()
        return mask

    def scores(self, object_id: int) -> dict[int, ObjectScore]:
        """Return an object's scores by frame."""
        item = self._object(object_id)
        shown = {frame: item.shown(frame) for frame in sorted(item.shown_frames())}
        return {frame: _score(record) for frame, record in shown.items() if record is not None}

    def preview(self, frame: int, object_id: int | None = None) -> npt.NDArray[np.uint8]:
        """Return what the model sees of a frame, (S, S, 3), uint8: all of it, or the window in which it saw an object there."""
        record = None if object_id is None else self._object(object_id).shown(self._check_frame(frame))
        view = whole_view(self._frame_shape) if record is None or record.view is None else record.view
        mean, std = (torch.tensor(values)[:, None, None] for values in (IMAGE_MEAN, IMAGE_STD))
        seen = (self._frames.read_view(frame, view.window) * std + mean).clamp(0, 1).permute(1, 2, 0)
        preview: npt.NDArray[np.uint8] = (255 * seen).round().to(torch.uint8).numpy()
        return preview

    def _write_labels(self, frame: int) -> None:
        """Write a frame's labels: where objects overlap, what a person said there wins, else the higher logit."""
        shown = [(item.object_id, item.shown(frame)) for item in self.objects.values()]
        present = [(object_id, record) for object_id, record in shown if record is not None]
        whole = whole_view(self._frame_shape)
        with torch.inference_mode():
            plane = label_image(
                [record.mask_logits for _, record in present],
                [(record.view or whole).window for _, record in present],
                [object_id for object_id, _ in present],
                self._frame_shape,
                [frame in self.objects[object_id].memory.conditioning for object_id, _ in present],
            )
        self.stack.planes(self.labels)[frame] = plane


def _score(record: FrameRecord) -> ObjectScore:
    return ObjectScore(record.object_score, record.predicted_iou)
