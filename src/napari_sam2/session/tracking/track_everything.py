"""Tracks everything in the stack of a session, without a prompt."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import Any

from napari_sam2.checks import check_bounds
from napari_sam2.session.editing.everything import check_options
from napari_sam2.session.editing.object_editor import ObjectEditor
from napari_sam2.session.editing.prompt_editor import PromptEditor
from napari_sam2.session.inference.model_in_use import ModelInUse
from napari_sam2.session.propagation.propagator import FrameResult, Propagator
from napari_sam2.session.state.calls import LoggedCall, encode
from napari_sam2.session.state.history import Action
from napari_sam2.session.state.session_state import SessionState
from napari_sam2.session.tracking.movie_tracker import MovieTracker


class EverythingTracker:
    """Tracks everything in the stack of a session.

    Parameters
    ----------
    state : SessionState
        The state that is changed.
    in_use : ModelInUse
        The model.
    objects, prompts, propagator : ObjectEditor, PromptEditor and Propagator
        Change it.
    """

    def __init__(
        self, state: SessionState, in_use: ModelInUse, objects: ObjectEditor, prompts: PromptEditor, propagator: Propagator
    ) -> None:
        self._state = state
        self._in_use = in_use
        self._objects = objects
        self._prompts = prompts
        self._propagator = propagator

    def track_everything(self, /, area_px: tuple[float, float] | None = None, **options: Any) -> Generator[FrameResult]:
        """Find every object, and follow it from frame to frame, without a prompt.

        On the first frame everything is segmented; on each later one what is there is followed, something new is looked for where
        nothing is yet, tracks whose object is absent end, and a track divides where its object does: its children have it as their
        parent, see :attr:`Session.lineage`. What ends soon after it was found is removed. Objects that were there before are
        followed too; they are not ended, divided or removed.

        Stop iterating to stop: yielded frames are kept, and the next call goes on from there. All frames of a call are undone
        together.

        Parameters
        ----------
        area_px : tuple of float, optional
            Least and largest area of what is found in pixels of the data, both included; by default 1 and half of the frame. What
            appears later has besides at least a fifth of the median area of what is there, and at most four times that.
        **options
            Of :meth:`Session.segment_everything`.

        Yields
        ------
        FrameResult
            One for each frame, in order.

        Raises
        ------
        ValueError
            When it is iterated: if an option is not as it should be, there are too many objects for a label image, or nothing is
            found on any frame.
        OSError
            When it is iterated: if a frame cannot be read. Yielded frames are kept.
        """
        area_px = None if area_px is None else check_bounds("area_px", area_px)
        check_options(options)
        tracker = MovieTracker(self._state, self._in_use, self._objects, self._prompts, self._propagator, area_px, options)
        action, num_done = Action(), 0
        for frame in tracker.frames_left():
            with self._state.history.working():
                num_done = num_done * self._state.history.is_latest(action) + 1
                with self._state.history.action(self._call(area_px, options, num_done), continued=action) as action:
                    result = tracker.do_frame(frame)
            yield result
        if not self._state.objects:
            raise ValueError(
                "nothing was found on any frame: try other intensities (window or intensity_range), more points_per_side for small "
                "objects, a lower pred_iou_thresh, or click on one object"
            )
        self._state.history.complete(action, self._call(area_px, options, None)())

    @staticmethod
    def _call(area_px: tuple[float, float] | None, options: Mapping[str, Any], steps: int | None) -> Callable[[], LoggedCall]:
        arguments = {"area_px": area_px, **options, "steps": steps}
        return lambda: LoggedCall("track_everything", {name: encode(value) for name, value in arguments.items()})
