"""The official face of the tracker: ``SAM2VideoPredictor`` with the signatures and results of the official class.

T frames · N objects · H, W size of the video · S side of the model's input · P points.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, TypeVar

from napari_sam2.torch_threads import torch

import numpy as np
import numpy.typing as npt
from torch import Tensor

from napari_sam2.model.compilation import compile_blocks, uncompiled
from napari_sam2.model.config import ModelConfig
from napari_sam2.model.sam2_base import NO_OBJ_SCORE, SAM2Base
from napari_sam2.predictors.any_tracker import Prompt
from napari_sam2.predictors.construction import STABILITY, construct
from napari_sam2.predictors.device import AUTO, resolve_precision
from napari_sam2.predictors.frame_features import FrameFeatures
from napari_sam2.predictors.frames import FrameSource, open_frames
from napari_sam2.predictors.mask_postprocessing import resize_logits, resize_mask
from napari_sam2.predictors.memory_bank import FrameRecord, ObjectMemory
from napari_sam2.predictors.record_store import RecordBudget, RecordStore
from napari_sam2.predictors.tracker import Tracker
from napari_sam2.weights.download import download
from napari_sam2.weights.registry import resolve_model_name

AnyPredictor = TypeVar("AnyPredictor", bound="SAM2VideoPredictor")

FrameResult = tuple[int, list[int], Tensor]
"""Frame, object ids in order, and logits (N, 1, H, W)."""


@dataclass
class ObjectTrack:
    """One object of a video.

    Attributes
    ----------
    memory : ObjectMemory
        What is remembered of it.
    points : dict
        Points (P, 2) in pixels of the model's input and labels (P,), by frame.
    masks : dict
        Mask prompts (S, S), by frame.
    pending : dict
        Prompted frames that are not yet remembered: the record, and whether it will be a conditioning one.
    tracked_in_reverse : dict
        Frames that were propagated, and whether towards frame 0.
    """

    memory: ObjectMemory
    points: dict[int, tuple[Tensor, Tensor]] = field(default_factory=dict)
    masks: dict[int, Tensor] = field(default_factory=dict)
    pending: dict[int, tuple[FrameRecord, bool]] = field(default_factory=dict)
    tracked_in_reverse: dict[int, bool] = field(default_factory=dict)

    @property
    def prompted_frames(self) -> set[int]:
        """Frames with a prompt."""
        return {*self.points, *self.masks}

    def latest(self, frame: int) -> FrameRecord | None:
        """What is shown of a frame."""
        return self.pending[frame][0] if frame in self.pending else self.memory.get(frame)


STATE_KEYS = (
    "images",
    "num_frames",
    "video_height",
    "video_width",
    "device",
    "storage_device",
    "obj_id_to_idx",
    "obj_idx_to_id",
    "obj_ids",
)
"""Of the official dictionary, what does not belong to its bookkeeping."""


@dataclass(eq=False)
class VideoState(Mapping[str, Any]):
    """Everything about one video: what ``init_state`` returns and every other method takes.

    What scripts read from the official dictionary, :data:`STATE_KEYS`, can be read as attributes or, as there, as keys. What is
    remembered of each object is in ``objects``, instead of the dictionary's bookkeeping.
    """

    images: FrameSource
    tracker: Tracker
    num_frames: int
    video_height: int
    video_width: int
    device: torch.device
    storage_device: torch.device
    budget: RecordBudget = field(default_factory=RecordBudget)
    objects: dict[int, ObjectTrack] = field(default_factory=dict)

    @property
    def obj_ids(self) -> list[int]:
        """Ids of all objects, in the order in which they came."""
        return list(self.objects)

    @property
    def obj_id_to_idx(self) -> dict[int, int]:
        """Place of each object in the results."""
        return {obj_id: index for index, obj_id in enumerate(self.objects)}

    @property
    def obj_idx_to_id(self) -> dict[int, int]:
        """Object id at each index of the results."""
        return dict(enumerate(self.objects))

    def track(self, obj_id: int) -> ObjectTrack:
        """Return an object's track; a new id begins one."""
        if obj_id not in self.objects:
            self.objects[obj_id] = ObjectTrack(ObjectMemory(tracked=RecordStore(self.budget)))
        return self.objects[obj_id]

    def __getitem__(self, key: str) -> Any:
        if key not in STATE_KEYS:
            raise KeyError(f"the state of a video has no {key!r}; there are {', '.join(STATE_KEYS)}")
        return getattr(self, key)

    def __iter__(self) -> Iterator[str]:
        return iter(STATE_KEYS)

    def __len__(self) -> int:
        return len(STATE_KEYS)


class SAM2VideoPredictor(SAM2Base):
    """Prompts and propagates objects of a video.

    Parameters
    ----------
    fill_hole_area : float
        Holes of masks up to this many low-resolution pixels are filled.
    non_overlap_masks : bool
        In results, give each pixel to one object at most.
    clear_non_cond_mem_around_input : bool
        Forget what was tracked around a frame that is prompted.
    add_all_frames_to_correct_as_cond : bool
        A correction on a tracked frame becomes a conditioning frame, as in training.
    **kwargs
        As for :class:`~napari_sam2.model.sam2_base.SAM2Base`.

    Attributes
    ----------
    source : str or None
        Name or checkpoint file it was loaded by, where :func:`~napari_sam2.predictors.build.load_model` did.

    Notes
    -----
    Official ``sam2_video_predictor.py``. Results are the official ones wherever that class gives one, save where it loses what
    a person did: a correction on a tracked frame stays through the next propagation, whether it is a conditioning frame or not,
    and one on the first prompted frame replaces what was there. ``clear_non_cond_mem_around_input`` works, and so does tracking
    in float32 before the first prompt.
    """

    def __init__(
        self,
        fill_hole_area: float = 0,
        non_overlap_masks: bool = False,
        clear_non_cond_mem_around_input: bool = False,
        add_all_frames_to_correct_as_cond: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.fill_hole_area = fill_hole_area
        self.non_overlap_masks = non_overlap_masks
        self.clear_non_cond_mem_around_input = clear_non_cond_mem_around_input
        self.add_all_frames_to_correct_as_cond = add_all_frames_to_correct_as_cond
        self.source: str | None = None

    @property
    def device_kind(self) -> str:
        """Kind of the device that computes, as torch names it."""
        return self.device.type

    @property
    def best_precision(self) -> str:
        """The precision that suits the device, see :func:`~napari_sam2.predictors.device.resolve_precision`."""
        return resolve_precision(AUTO, self.device)

    @classmethod
    def from_pretrained(cls, model_id: str, **kwargs: Any) -> Self:
        """Build a predictor by its Hugging Face id, such as ``facebook/sam2.1-hiera-tiny``; downloads the weights if need be."""
        name = resolve_model_name(model_id)
        return build_sam2_video_predictor(name, download(name), predictor_class=cls, **kwargs)

    @torch.inference_mode()
    def init_state(
        self,
        video_path: str | Path | npt.NDArray[Any] | Tensor,
        offload_video_to_cpu: bool = False,
        offload_state_to_cpu: bool = False,
        async_loading_frames: bool = False,
        *,
        video_height: int | None = None,
        video_width: int | None = None,
    ) -> VideoState:
        """Open a video.

        Parameters
        ----------
        video_path : str, Path, ndarray or Tensor
            A folder of JPEGs, a video file, an array (T, H, W) or (T, H, W, 3) of any dtype, or normalised frames (T, 3, S, S).
        offload_video_to_cpu : bool
            Accepted for scripts written for the official class: frames are read when they are needed.
        offload_state_to_cpu : bool
            Keep memories and masks on the CPU.
        async_loading_frames : bool
            Accepted likewise.
        video_height, video_width : int, optional
            Size of the video that normalised frames were made from.

        Returns
        -------
        VideoState
        """
        del offload_video_to_cpu, async_loading_frames
        frames = open_frames(video_path, self.image_size, video_height, video_width)
        storage_device = torch.device("cpu") if offload_state_to_cpu else self.device
        tracker = Tracker(self, FrameFeatures(self, frames), fill_hole_area=self.fill_hole_area, storage_device=storage_device)
        state = VideoState(frames, tracker, len(frames), frames.height, frames.width, self.device, storage_device)
        tracker.features.get(0)
        return state

    # --- prompts ---------------------------------------------------------------------------------------------------

    @torch.inference_mode()
    def add_new_points_or_box(
        self,
        inference_state: VideoState,
        frame_idx: int,
        obj_id: int,
        points: Any = None,
        labels: Any = None,
        clear_old_points: bool = True,
        normalize_coords: bool = True,
        box: Any = None,
    ) -> FrameResult:
        """Prompt an object by points, a box, or both.

        Parameters
        ----------
        inference_state : VideoState
            The video.
        frame_idx, obj_id : int
            Where, and which object; a new id makes a new object.
        points : array-like, optional
            (P, 2), x before y.
        labels : array-like, optional
            (P,), 1 inside, 0 outside.
        clear_old_points : bool
            Replace earlier points on the frame.
        normalize_coords : bool
            Coordinates are pixels of the video; otherwise 0 .. 1.
        box : array-like, optional
            (4,) as x0, y0, x1, y1; it comes before any point.

        Returns
        -------
        tuple
            ``frame_idx``, all object ids, and logits (N, 1, H, W).

        Raises
        ------
        ValueError
            If points and labels do not come together, there is neither point nor box, or a box comes after points.
        IndexError
            If there is no such frame.
        """
        coords, point_labels = _points_and_box(points, labels, box, clear_old_points)
        if normalize_coords:
            coords = coords / coords.new_tensor([inference_state.video_width, inference_state.video_height])
        coords = coords * self.image_size
        # Encode before anything is changed: a frame that does not exist must leave no trace.
        inference_state.tracker.features.get(frame_idx)
        track = inference_state.track(obj_id)
        if not clear_old_points and frame_idx in track.points:
            old_coords, old_labels = track.points[frame_idx]
            coords, point_labels = torch.cat([old_coords, coords]), torch.cat([old_labels, point_labels])
        track.points[frame_idx] = (coords, point_labels)
        track.masks.pop(frame_idx, None)
        shown = track.latest(frame_idx)
        previous = None if shown is None else shown.mask_logits
        prompt = Prompt(coords.numpy(), point_labels.numpy(), previous_logits=previous)
        return self._prompt(inference_state, frame_idx, track, prompt)

    def add_new_points(self, *args: Any, **kwargs: Any) -> FrameResult:
        """Do what :meth:`add_new_points_or_box` does; the older name."""
        return self.add_new_points_or_box(*args, **kwargs)

    @torch.inference_mode()
    def add_new_mask(self, inference_state: VideoState, frame_idx: int, obj_id: int, mask: Any) -> FrameResult:
        """Prompt an object by a mask (H, W) of any size; see :meth:`add_new_points_or_box`."""
        given = mask if isinstance(mask, Tensor) else torch.from_numpy(np.asarray(mask))
        if given.ndim != 2:
            raise ValueError(f"a mask must be two-dimensional, got shape {tuple(given.shape)}")
        given = resize_mask(given.bool().to(self.device), (self.image_size, self.image_size))
        inference_state.tracker.features.get(frame_idx)
        track = inference_state.track(obj_id)
        track.masks[frame_idx] = given
        track.points.pop(frame_idx, None)
        return self._prompt(inference_state, frame_idx, track, Prompt(mask=given.cpu().numpy()))

    def _prompt(self, state: VideoState, frame: int, track: ObjectTrack, prompt: Prompt) -> FrameResult:
        is_initial = frame not in track.tracked_in_reverse
        (record,) = state.tracker.segment(
            frame,
            [prompt],
            memories=None if is_initial else [track.memory],
            reverse=track.tracked_in_reverse.get(frame, False),
        )
        # Where a person already decided, a correction is a decision too: the official code would drop it (E2).
        is_conditioning = is_initial or self.add_all_frames_to_correct_as_cond or frame in track.memory.conditioning
        track.pending[frame] = (record, is_conditioning)
        return self._result(state, frame)

    @torch.inference_mode()
    def clear_all_prompts_in_frame(
        self, inference_state: VideoState, frame_idx: int, obj_id: int, need_output: bool = True
    ) -> FrameResult | None:
        """Remove the prompts of an object on a frame; its mask there stays as if it had been tracked."""
        track = self._track(inference_state, obj_id)
        track.points.pop(frame_idx, None)
        track.masks.pop(frame_idx, None)
        track.pending.pop(frame_idx, None)
        record = track.memory.conditioning.pop(frame_idx, None)
        if record is not None:
            track.memory.tracked[frame_idx] = record
            track.tracked_in_reverse.pop(frame_idx, None)
        return self._result(inference_state, frame_idx) if need_output else None

    @torch.inference_mode()
    def remove_object(
        self, inference_state: VideoState, obj_id: int, strict: bool = False, need_output: bool = True
    ) -> tuple[list[int], list[tuple[int, Tensor]]]:
        """Forget an object.

        Returns
        -------
        obj_ids : list of int
            Those that are left.
        updated_frames : list of tuple
            Frame and logits (N, 1, H, W) of the frames on which it was prompted.

        Raises
        ------
        RuntimeError
            With ``strict``, if there is no such object.
        """
        if obj_id not in inference_state.objects:
            if strict:
                raise RuntimeError(f"there is no object {obj_id}; objects are {inference_state.obj_ids}")
            return inference_state.obj_ids, []
        prompted = sorted(inference_state.objects.pop(obj_id).prompted_frames)
        if not need_output or not inference_state.objects:
            return inference_state.obj_ids, []
        return inference_state.obj_ids, [(frame, self._result(inference_state, frame)[2]) for frame in prompted]

    def reset_state(self, inference_state: VideoState) -> None:
        """Forget all objects; the video stays open."""
        inference_state.objects.clear()

    # --- propagation -----------------------------------------------------------------------------------------------

    @torch.inference_mode()
    def propagate_in_video_preflight(self, inference_state: VideoState) -> None:
        """Remember the frames that were prompted since the last propagation (official L479-549).

        Raises
        ------
        RuntimeError
            If an object has no prompt.
        """
        self._require_prompts(inference_state)
        tracks = list(inference_state.objects.values())
        for frame in sorted({frame for track in tracks for frame in track.pending}):
            prompted = [track for track in tracks if frame in track.pending]
            remembered = inference_state.tracker.remember(frame, [track.pending[frame][0] for track in prompted])
            for track, record in zip(prompted, remembered, strict=True):
                _, is_conditioning = track.pending.pop(frame)
                store = track.memory.conditioning if is_conditioning else track.memory.tracked
                store[frame] = record
                if self.clear_non_cond_mem_around_input:
                    self._forget_around(track, frame)
        for track in tracks:
            for frame in track.memory.conditioning:
                track.memory.tracked.pop(frame, None)

    @staticmethod
    def _require_prompts(state: VideoState) -> None:
        if not state.objects:
            raise RuntimeError("there is no object to propagate: add points, a box or a mask first")
        for obj_id, track in state.objects.items():
            if not track.memory.conditioning and not any(is_conditioning for _, is_conditioning in track.pending.values()):
                raise RuntimeError(f"object {obj_id} has no prompt: add one, or remove the object")

    @torch.inference_mode()
    def propagate_in_video(
        self,
        inference_state: VideoState,
        start_frame_idx: int | None = None,
        max_frame_num_to_track: int | None = None,
        reverse: bool = False,
    ) -> Iterator[FrameResult]:
        """Propagate all objects through the video.

        Parameters
        ----------
        inference_state : VideoState
            The video.
        start_frame_idx : int, optional
            The earliest conditioning frame of any object by default.
        max_frame_num_to_track : int, optional
            To the end by default. As in the official class, one frame more is yielded: the first.
        reverse : bool
            Towards frame 0. As in the official class, nothing is yielded from frame 0 itself.

        Yields
        ------
        tuple
            Frame, object ids, and logits (N, 1, H, W).

        Raises
        ------
        RuntimeError
            If there is nothing to propagate.
        """
        self.propagate_in_video_preflight(inference_state)
        tracks = list(inference_state.objects.values())
        if start_frame_idx is None:
            start_frame_idx = min(min(track.memory.conditioning) for track in tracks)
        for frame in _processing_order(start_frame_idx, max_frame_num_to_track, inference_state.num_frames, reverse):
            free = []
            for track in tracks:
                if frame in track.memory.conditioning:
                    if self.clear_non_cond_mem_around_input:
                        self._forget_around(track, frame)
                elif frame not in track.prompted_frames:
                    free.append(track)
            records = inference_state.tracker.track(frame, [track.memory for track in free], reverse) if free else []
            for track, record in zip(free, records, strict=True):
                track.memory.tracked[frame] = record
            for track in tracks:
                track.tracked_in_reverse[frame] = reverse
            yield self._result(inference_state, frame)

    def _forget_around(self, track: ObjectTrack, frame: int) -> None:
        """Forget what was tracked within reach of the memory around a frame (official L956-973, which is never reached)."""
        reach = self.memory_temporal_stride_for_eval * self.num_maskmem
        for near in range(frame - reach, frame + reach + 1):
            track.memory.tracked.pop(near, None)

    # --- results ---------------------------------------------------------------------------------------------------

    @staticmethod
    def _track(state: VideoState, obj_id: int) -> ObjectTrack:
        if obj_id not in state.objects:
            raise KeyError(f"there is no object {obj_id}; objects are {state.obj_ids}")
        return state.objects[obj_id]

    def _result(self, state: VideoState, frame: int) -> FrameResult:
        """Bring a frame's masks to the size of the video; an object of which nothing is known there is absent."""
        shown = [track.latest(frame) for track in state.objects.values()]
        absent = np.full((self.image_size // 4, self.image_size // 4), NO_OBJ_SCORE, np.float32)
        logits = torch.from_numpy(np.stack([absent if record is None else record.mask_logits for record in shown]))
        masks = resize_logits(logits[:, None].to(state.device), (state.video_height, state.video_width))
        if self.non_overlap_masks:
            masks = self._apply_non_overlapping_constraints(masks)
        return frame, state.obj_ids, masks


class SAM2VideoPredictorVOS(SAM2VideoPredictor):
    """The same predictor with its blocks compiled by ``torch.compile``: slow to start, faster for long videos of few objects.

    Batches of tracked objects are filled up to a power of two, so that nothing is compiled for each number of objects. Prompted
    frames, each with another number of points, are segmented without compiled blocks. Where compiling fails, a warning says so.
    """

    fills_batches = True

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        # As officially, sam2_video_predictor.py L928-956: the number of memories is different on each of the first frames.
        others = (self.memory_encoder, self.sam_prompt_encoder, self.sam_mask_decoder)
        compile_blocks({self.memory_attention: True, **dict.fromkeys(others, False)})

    def _predict_masks(
        self, backbone_features: Tensor, point_inputs: dict[str, Tensor] | None = None, *args: Any, **kwargs: Any
    ) -> Any:
        blocks = () if point_inputs is None else (self.sam_prompt_encoder, self.sam_mask_decoder)
        with uncompiled(*blocks):
            return super()._predict_masks(backbone_features, point_inputs, *args, **kwargs)


def build_sam2_video_predictor(
    config_file: str | ModelConfig,
    ckpt_path: str | Path | None = None,
    device: str | torch.device | None = None,
    mode: str = "eval",
    hydra_overrides_extra: Iterable[str] = (),
    apply_postprocessing: bool = True,
    vos_optimized: bool = False,
    *,
    predictor_class: type[AnyPredictor] = SAM2VideoPredictor,  # type: ignore[assignment]
    **kwargs: Any,
) -> AnyPredictor:
    """Build a video predictor.

    Parameters
    ----------
    config_file, ckpt_path, device, mode, hydra_overrides_extra, **kwargs
        As for :func:`~napari_sam2.predictors.build.build_sam2`.
    apply_postprocessing : bool
        Replace an unstable single mask by the best of several, remember prompted masks as 0 or 1, and fill holes of up to 8
        low-resolution pixels.
    vos_optimized : bool
        Compile the model.
    predictor_class : type
        :class:`SAM2VideoPredictor` or a subclass of it.

    Returns
    -------
    predictor_class
    """
    arguments: dict[str, Any] = {}
    if apply_postprocessing:
        arguments = {
            "sam_mask_decoder_extra_args": dict(STABILITY),
            "binarize_mask_from_pts_for_mem_enc": True,
            "fill_hole_area": 8,
        }
    if vos_optimized:
        arguments["compile_image_encoder"] = True
    chosen: Any = SAM2VideoPredictorVOS if vos_optimized else predictor_class
    predictor: AnyPredictor = construct(chosen, config_file, ckpt_path, device, mode, arguments, hydra_overrides_extra, kwargs)
    return predictor


def _points_and_box(points: Any, labels: Any, box: Any, clear_old_points: bool) -> tuple[Tensor, Tensor]:
    """Join a box and points: (P, 2) float32 and (P,) int32, on the CPU."""
    if (points is None) != (labels is None):
        raise ValueError("points and labels must be given together")
    if points is None and box is None:
        raise ValueError("at least one of points and box must be given")
    coords = _on_cpu(points if points is not None else np.zeros((0, 2)), torch.float32).reshape(-1, 2)
    point_labels = _on_cpu(labels if labels is not None else np.zeros(0), torch.int32).reshape(-1)
    if len(coords) != len(point_labels):
        raise ValueError(f"there are {len(coords)} points but {len(point_labels)} labels")
    if box is not None:
        if not clear_old_points:
            raise ValueError("a box must come before any point: use clear_old_points=True")
        corners = _on_cpu(box, torch.float32)
        if corners.numel() != 4:
            raise ValueError(f"a box must be x0, y0, x1, y1, got shape {tuple(corners.shape)}")
        coords = torch.cat([corners.reshape(2, 2), coords])
        point_labels = torch.cat([_on_cpu([2, 3], torch.int32), point_labels])
    return coords, point_labels


def _on_cpu(values: Any, dtype: torch.dtype) -> Tensor:
    return torch.as_tensor(np.asarray(values), dtype=dtype, device="cpu")


def _processing_order(start: int, max_frames: int | None, num_frames: int, reverse: bool) -> range:
    reach = num_frames if max_frames is None else max_frames
    if not reverse:
        return range(start, min(start + reach, num_frames - 1) + 1)
    # parity: nothing at all from frame 0, official sam2_video_predictor.py L573
    return range(start, max(start - reach, 0) - 1, -1) if start > 0 else range(0)
