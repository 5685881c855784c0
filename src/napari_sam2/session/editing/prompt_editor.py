"""Prompts: points, boxes, masks, polygons, scribbles and label images, added, changed and removed.

P points · V vertices · N vertices of a stroke · H, W height and width of a frame.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_sam2.checks import as_array, check_whole, check_wholes
from napari_sam2.images.label_images import MAX_LABEL
from napari_sam2.session.editing.cut_join import mark_stale_around
from napari_sam2.session.editing.drawing import masks_of_labels, polygon_mask, scribble_points
from napari_sam2.session.editing.everything import find_everything_there
from napari_sam2.session.editing.object_editor import ObjectEditor
from napari_sam2.session.inference.model_in_use import ModelInUse
from napari_sam2.session.inference.prompt_segmenter import PromptSegmenter
from napari_sam2.session.state.history import action
from napari_sam2.session.state.objects import SessionObject
from napari_sam2.session.state.packed_mask import PackedMask
from napari_sam2.session.state.prompts import FramePrompts, check_box, check_mask, check_points
from napari_sam2.session.state.session_state import SessionState


class PromptEditor:
    """Edits the prompts of a session.

    Parameters
    ----------
    state : SessionState
        What is edited.
    objects : ObjectEditor
        Adds objects.
    in_use : ModelInUse
        The model, and how it sees the stack.
    segmenter : PromptSegmenter
        Segments objects as they are prompted.
    """

    def __init__(self, state: SessionState, objects: ObjectEditor, in_use: ModelInUse, segmenter: PromptSegmenter) -> None:
        self._state = state
        self._history = state.history
        self._objects = objects
        self._in_use = in_use
        self._stack = in_use.stack
        self._segmenter = segmenter
        self._frame_shape = in_use.frame_shape

    # --- points ----------------------------------------------------------------------------------------------------

    @action
    def add_points(self, object_id: int, frame: int, points: Any, labels: Any = None) -> npt.NDArray[np.bool_]:
        """Prompt an object by points.

        Parameters
        ----------
        object_id : int
            The object.
        frame : int
            The frame, 0 for a single image.
        points : array-like
            (P, 2), row and column in data pixels; pixel centres lie on integers. They are added to those that are there.
        labels : array-like, optional
            (P,), 1 inside (default), 0 outside.

        Returns
        -------
        ndarray
            (H, W), bool: the object's mask on that frame.

        Raises
        ------
        ValueError
            If there is no such object or frame, the object is locked, begins after the frame or ends before it, points or labels
            are not what they should be, a point is outside the image, or the object has points outside it only.
        OSError
            If the frame cannot be read.
        """
        points_rc, point_labels = check_points(points, labels, self._frame_shape)
        return self._apply(object_id, frame, self._prompts(object_id, frame).with_points(points_rc, point_labels))

    @action
    def set_points(self, object_id: int, frame: int, points: Any, labels: Any = None) -> npt.NDArray[np.bool_]:
        """Replace all points on a frame; the object is segmented again as if the earlier points had never been given.

        A box or a mask on the frame stays. Parameters, result and errors are those of :meth:`add_points`.
        """
        points_rc, point_labels = check_points(points, labels, self._frame_shape)
        prompts = replace(self._prompts(object_id, frame), points_rc=points_rc, labels=point_labels, is_approved=False)
        return self._apply(object_id, frame, prompts, is_anew=True)

    @action
    def change_point(
        self, object_id: int, frame: int, index: int, point: Any = None, label: int | None = None
    ) -> npt.NDArray[np.bool_]:
        """Move one point, or change its label; the object is segmented again as if the point had been given like that.

        Result and errors are those of :meth:`add_points`; besides:

        Parameters
        ----------
        index : int
            Which of the points there, counted from 0 in the order in which they were given.
        point : array-like, optional
            Row and column; as before by default.
        label : int, optional
            1 inside, 0 outside; as before by default.

        Raises
        ------
        ValueError
            If there is no such point.
        """
        prompts = self._prompts(object_id, frame)
        index = _check_index(prompts, index)
        wanted = prompts.points_rc[index] if point is None else point
        (point_rc,), (point_label,) = check_points([wanted], [prompts.labels[index] if label is None else label], self._frame_shape)
        return self._apply(object_id, frame, prompts.with_point(index, point_rc, point_label), is_anew=True)

    @action
    def remove_point(self, object_id: int, frame: int, index: int) -> None:
        """Remove one point; the object is segmented again without it.

        If the frame has no other prompt, this is :meth:`clear_prompts`.

        Parameters
        ----------
        object_id, frame : int
            The object and the frame.
        index : int
            Which of the points there, counted from 0 in the order in which they were given.

        Raises
        ------
        ValueError
            If there is no such object, frame or point, the object is locked, or only points outside it are left.
        OSError
            If the frame cannot be read.
        """
        prompts = self._prompts(object_id, frame)
        self._apply_fewer(object_id, frame, prompts.without_point(_check_index(prompts, index)))

    @action
    def add_scribble(self, object_id: int, frame: int, stroke: Any, label: int = 1) -> npt.NDArray[np.bool_]:
        """Draw a stroke over an object, or over background: points along it are point prompts.

        The stroke is cut into pieces of equal length, at least 4 pixels each and at most 8 of them, and the middle of each piece
        is a point; a stroke shorter than 8 pixels is one point, its middle. Result and errors are those of :meth:`add_points`.

        Parameters
        ----------
        object_id, frame : int
            The object and the frame.
        stroke : array-like
            (N, 2), row and column in data pixels of the vertices of the stroke, in order; all inside the image.
        label : int
            1 inside, 0 outside, of the whole stroke.
        """
        points_rc = scribble_points(stroke, self._frame_shape)
        return self.add_points(object_id, frame, points_rc, [label] * len(points_rc))

    # --- boxes and masks -------------------------------------------------------------------------------------------

    @action
    def add_box(self, object_id: int, frame: int, box: Any) -> npt.NDArray[np.bool_]:
        """Prompt an object by a box. It replaces an earlier box or mask on that frame; points stay.

        Result and errors are those of :meth:`add_points`; besides:

        Parameters
        ----------
        box : array-like
            (4,), row0, col0, row1, col1 in data pixels, outer edges: around the one pixel (0, 0) it is 0, 0, 1, 1.

        Raises
        ------
        ValueError
            If it is not four numbers in order, or a part of it is outside the image.
        """
        prompts = self._prompts(object_id, frame)
        return self._apply(object_id, frame, FramePrompts(prompts.points_rc, prompts.labels, check_box(box, self._frame_shape)))

    @action
    def add_mask(self, object_id: int, frame: int, mask: Any) -> npt.NDArray[np.bool_]:
        """Prompt an object by a mask. It replaces all earlier prompts of the object on that frame.

        The resulting mask has the resolution of the model's masks, and may differ from it at the border. Result and errors are
        those of :meth:`add_points`; besides:

        Parameters
        ----------
        mask : array-like
            (H, W), booleans or numbers; what is not 0 is the object.

        Raises
        ------
        ValueError
            If the shape is another, it holds no numbers, or all of them are 0.
        """
        self._prompts(object_id, frame)
        packed = PackedMask.pack(check_mask(mask, self._frame_shape))
        return self._apply(object_id, frame, FramePrompts(packed_mask=packed))

    @action
    def add_polygon(self, object_id: int, frame: int, vertices: Any) -> npt.NDArray[np.bool_]:
        """Prompt an object by its outline, a polygon or a lasso: a mask prompt.

        Result and errors are those of :meth:`add_mask`; besides:

        Parameters
        ----------
        vertices : array-like
            (V, 2), row and column in data pixels, pixel centres at integers; the last is joined to the first. Pixels whose centre
            lies inside belong to the object.

        Raises
        ------
        ValueError
            If there are fewer than three vertices, one is outside the image, or they hold the centre of no pixel.
        """
        self._prompts(object_id, frame)
        return self.add_mask(object_id, frame, polygon_mask(vertices, self._frame_shape))

    @action
    def remove_box(self, object_id: int, frame: int) -> None:
        """Remove the box; the object is segmented again without it.

        Raises
        ------
        ValueError, OSError
            As :meth:`remove_point`, or if there is no box.
        """
        prompts = self._prompts(object_id, frame)
        if prompts.box_rc is None:
            raise ValueError(f"object {object_id} has no box on frame {frame}")
        self._apply_fewer(object_id, frame, replace(prompts, box_rc=None))

    @action
    def remove_mask(self, object_id: int, frame: int) -> None:
        """Remove the mask or the polygon; the object is segmented again without it.

        Raises
        ------
        ValueError, OSError
            As :meth:`remove_point`, or if there is no mask.
        """
        prompts = self._prompts(object_id, frame)
        if prompts.packed_mask is None:
            raise ValueError(f"object {object_id} has no mask on frame {frame}")
        self._apply_fewer(object_id, frame, replace(prompts, packed_mask=None))

    # --- many objects at once --------------------------------------------------------------------------------------

    def add_labels(self, labels: Any, frame: int, ids: int | Iterable[int] | None = None) -> dict[int, int]:
        """Add objects from a label image, such as Cellpose or StarDist return: each label is the mask prompt of a new object.

        Parameters
        ----------
        labels : array-like
            (H, W), integers or booleans, 0 is background; or of the shape of :attr:`labels`, of which the frame is taken.
        frame : int
            The frame.
        ids : int or iterable of int, optional
            Label values to take, one or several; all by default.

        Returns
        -------
        dict of int to int
            The id of each new object by its label value: the same number where no object has it yet and it fits in 16 bit.

        Raises
        ------
        ValueError
            If there is no such frame or label, or none at all, the shape is another, or the values are no whole numbers.
        OSError
            If the frame cannot be read.
        """
        frame = self._stack.check_frame(frame)
        labels = labels if hasattr(labels, "shape") else as_array(labels)
        if labels is None:
            raise ValueError("a label image must be an array, got lists of unequal length")
        if tuple(labels.shape) == self._stack.labels_shape and len(labels.shape) > 2:
            labels = self._stack.planes(labels)[frame]
        wanted = None if ids is None else [ids] if isinstance(ids, int | np.integer) else ids
        wanted = None if wanted is None else check_wholes("ids", wanted)
        return self._add_labels(np.asarray(labels), frame, wanted)

    @action
    def _add_labels(self, labels: npt.NDArray[Any], frame: int, ids: list[int] | None) -> dict[int, int]:
        return self._add_masks(frame, masks_of_labels(labels, ids, self._frame_shape))

    @action
    def segment_everything(self, /, frame: int, area_px: tuple[float, float] | None = None, **options: Any) -> list[int]:
        """Add an object for everything on a frame that belongs to none yet; on a later frame, for what appeared since.

        Masks are found by a grid of clicks and taken in the order of their predicted IoU. One that shares more than half of itself
        with an object, or of the object with itself, is left out, and so is what fills more than half of the frame.

        Parameters
        ----------
        frame : int
            The frame.
        area_px : tuple of float, optional
            Least and largest area of an object in pixels of the data, both included; by default 1 and half of the frame.
        **options
            ``points_per_side``, ``pred_iou_thresh``, ``crop_n_layers``, and whatever else
            :class:`~napari_sam2.predictors.automatic_mask_generator.SAM2AutomaticMaskGenerator` takes. For models with
            a smaller input than 1024 pixels, such as ``micro``, thresholds are by default lower: 0.5 and, for stability, 0.8.

        Returns
        -------
        list of int
            The ids of the new objects, the highest predicted IoU first; empty where there is nothing new.

        Raises
        ------
        ValueError
            If there is no such frame, or an option is not as it should be.
        OSError
            If the frame cannot be read.
        """
        frame = self._stack.check_frame(frame)
        known = [self._segmenter.mask(record) for item in self._state.ordered() if (record := item.shown(frame)) is not None]
        in_use = self._in_use
        masks = find_everything_there(in_use.model, in_use.precision, in_use.as_seen(frame), known, area_px, **options)
        return self.add_found(frame, masks)

    def add_found(self, frame: int, masks: Sequence[npt.NDArray[np.bool_]]) -> list[int]:
        """Add, inside an action, an object for each mask (H, W) on a frame; return their ids."""
        first = self._objects.free_id()
        return list(self._add_masks(frame, dict(enumerate(masks, first))).values()) if masks else []

    def _add_masks(self, frame: int, masks: dict[int, npt.NDArray[np.bool_]]) -> dict[int, int]:
        """Add an object for each mask, with the key as its id where that is free."""
        free = [value for value in masks if value not in self._state.objects and 1 <= value <= MAX_LABEL]
        # First those that keep their number: the others must not take it from them.
        found = {value: self._objects.add_object(object_id=value) for value in free}
        found |= {value: self._objects.add_object() for value in masks if value not in found}
        given = [FramePrompts(packed_mask=PackedMask.pack(mask)) for mask in masks.values()]
        for value, prompts, record in zip(masks, given, self._segmenter.segment_new(frame, given), strict=True):
            item = self._state.objects[found[value]]
            item.prompts[frame] = prompts
            item.memory.conditioning[frame] = record
        return {value: found[value] for value in masks}

    # --- clearing --------------------------------------------------------------------------------------------------

    @action
    def clear_prompts(self, object_id: int, frame: int) -> None:
        """Remove all prompts of an object on a frame, an approval included.

        Its mask there is stale: it stays in the labels until the next propagation. If this was the object's only anchor frame, all
        of its masks are removed.

        Raises
        ------
        ValueError
            If there is no such object or frame, the object is locked, or it has no prompts there.
        """
        item, frame = self._state.unlocked(object_id), self._stack.check_frame(frame)
        if item.prompts.pop(frame, None) is None:
            raise ValueError(f"object {object_id} has no prompts on frame {frame}")
        item.corrected.discard(frame)
        item.conditioning.move(frame, item.stale)
        mark_stale_around(item, frame, len(self._stack))
        if not item.conditioning:
            item.stale.clear()
            item.fused.clear()

    # --- pieces ----------------------------------------------------------------------------------------------------

    def _prompts(self, object_id: int, frame: int) -> FramePrompts:
        item = self._state.unlocked(object_id)
        frame = self._stack.check_frame(frame)
        if not item.info.may_be_on(frame):
            raise ValueError(f"object {object_id} cannot be on frame {frame}: {item.info.lifetime}")
        return item.prompts.get(frame, FramePrompts())

    def _apply(self, object_id: int, frame: int, prompts: FramePrompts, is_anew: bool = False) -> npt.NDArray[np.bool_]:
        item, frame = self._state.object(object_id), self._stack.check_frame(frame)
        shown = item.shown(frame)
        previous = self._refined_from(item, frame, prompts) if is_anew else shown
        if not prompts.locates and previous is None:
            raise ValueError(f"frame {frame} has only points outside object {object_id}: add a point inside, a box or a mask")
        record = self._segmenter.segment(item, frame, prompts, previous)
        is_as_found = item.info.is_found and frame not in item.corrected
        if shown is not None and (frame not in item.prompts or is_as_found):
            item.corrected[frame] = shown
        item.tracked.discard(frame)
        item.drop_provisional(frame)
        item.prompts[frame] = prompts
        item.memory.conditioning[frame] = record
        mark_stale_around(item, frame, len(self._stack))
        return self._segmenter.mask(record)

    def _refined_from(self, item: SessionObject, frame: int, prompts: FramePrompts) -> Any:
        """The record that points refine when a frame is prompted anew: none where a mask is given, else the tracked one."""
        return None if prompts.packed_mask is not None else item.corrected.get(frame)

    def _apply_fewer(self, object_id: int, frame: int, prompts: FramePrompts) -> None:
        if prompts.is_empty:
            self.clear_prompts(object_id, frame)
        else:
            self._apply(object_id, frame, prompts, is_anew=True)


def _check_index(prompts: FramePrompts, index: int) -> int:
    index = check_whole("index", index)
    if index not in range(len(prompts.points_rc)):
        raise ValueError(f"there is no point {index}: this frame has {len(prompts.points_rc)}, counted from 0")
    return index
