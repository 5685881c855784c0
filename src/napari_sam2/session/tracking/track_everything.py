"""Tracks everything in the stack of a session, without a prompt."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from typing import Any

from napari_sam2.checks import check_bounds
from napari_sam2.predictors.object_score import ObjectScore
from napari_sam2.session.editing.everything import check_options
from napari_sam2.session.editing.object_editor import ObjectEditor
from napari_sam2.session.editing.prompt_editor import PromptEditor
from napari_sam2.session.inference.model_in_use import ModelInUse
from napari_sam2.session.propagation.propagator import FrameResult, Propagator
from napari_sam2.session.state.calls import LoggedCall, encode
from napari_sam2.session.state.history import Action
from napari_sam2.session.state.session_state import SessionState
from napari_sam2.session.tracking.movie_tracker import MovieTracker
from napari_sam2.session.tracking.volume_tracker import Candidate, VolumeTracker


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
        """Find every object, and follow it through the stack, without a prompt.

        In a time-lapse: on the first frame everything is segmented; on each later one what is there is followed, something new is looked for where
        nothing is yet, tracks whose object is absent end, and a track divides where its object does: its children have it as their
        parent, see :attr:`Session.lineage`. What ends soon after it was found is removed. Objects that were there before are
        followed too; they are not ended, divided or removed.

        Along another axis, through a volume: everything is looked for on a few slices; each object is followed both ways from where it
        is seen best, to where it ends. Separate images, along N, are segmented each on its own.

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
        action, num_done = Action(), 0
        steps = self._steps(area_px, options)
        while True:
            with self._state.history.working():
                num_done = num_done * self._state.history.is_latest(action) + 1
                with self._state.history.action(self._call(area_px, options, num_done), continued=action) as action:
                    result = next(steps, None)
            if result is None:
                break
            yield result
        if not self._state.objects:
            raise ValueError(
                "nothing was found on any frame: try other intensities (window or intensity_range), more points_per_side for small "
                "objects, a lower pred_iou_thresh, or click on one object"
            )
        self._state.history.complete(action, self._call(area_px, options, None)())

    def _steps(self, area_px: tuple[float, float] | None, options: Mapping[str, Any]) -> Iterator[FrameResult]:
        stack = self._in_use.stack
        if stack.is_collection:
            return self._images(area_px, options)
        return self._movie(area_px, options) if stack.along == "T" or len(stack) == 1 else self._volume(area_px, options)

    def _images(self, area_px: tuple[float, float] | None, options: Mapping[str, Any]) -> Iterator[FrameResult]:
        """Segment separate images, each on its own; those on which something was found are done."""
        done = {frame for item in self._state.objects.values() if item.info.is_found for frame in item.shown_frames()}
        for frame in range(max(done, default=-1) + 1, len(self._in_use.stack)):
            scores = {}
            for object_id in self._prompts.segment_everything(frame, area_px, **options):
                self._objects.mark_found(object_id)
                record = self._state.objects[object_id].shown(frame)
                assert record is not None
                scores[object_id] = ObjectScore.of(record)
            yield FrameResult(frame, scores)

    def _movie(self, area_px: tuple[float, float] | None, options: Mapping[str, Any]) -> Iterator[FrameResult]:
        tracker = MovieTracker(self._state, self._in_use, self._objects, self._prompts, self._propagator, area_px, options)
        for frame in tracker.frames_left():
            yield tracker.do_frame(frame)

    def _volume(self, area_px: tuple[float, float] | None, options: Mapping[str, Any]) -> Iterator[FrameResult]:
        tracker = VolumeTracker(self._state, self._in_use, self._objects, self._prompts, self._propagator, area_px, options)
        candidates = []
        for frame in tracker.searched():
            candidates += tracker.find(frame)
            yield FrameResult(frame, {})
        candidates, followed = tracker.usual(candidates), list[Candidate]()
        while candidates := tracker.left(candidates, followed):
            followed.append(candidates.pop(0))
            yield from tracker.follow(followed[-1])

    @staticmethod
    def _call(area_px: tuple[float, float] | None, options: Mapping[str, Any], steps: int | None) -> Callable[[], LoggedCall]:
        arguments = {"area_px": area_px, **options, "steps": steps}
        return lambda: LoggedCall("track_everything", {name: encode(value) for name, value in arguments.items()})
