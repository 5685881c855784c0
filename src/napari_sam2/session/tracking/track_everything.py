"""Tracks everything in the stack of a session, without a prompt."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from napari_sam2.checks import check_bounds, dtype_of, shown
from napari_sam2.predictors.object_score import ObjectScore
from napari_sam2.session.editing.everything import NothingFoundError, check_options
from napari_sam2.session.propagation.propagator import FrameResult
from napari_sam2.session.state.calls import LoggedCall, decode, encode
from napari_sam2.session.state.history import Action
from napari_sam2.session.tracking.label_linker import LabelLinker
from napari_sam2.session.tracking.movie_tracker import MovieTracker
from napari_sam2.session.tracking.session_parts import SessionParts
from napari_sam2.session.tracking.volume_tracker import VolumeTracker


class EverythingTracker:
    """Tracks everything in the stack of a session.

    Parameters
    ----------
    parts : SessionParts
        Of the session.
    """

    def __init__(self, parts: SessionParts) -> None:
        self._parts = parts
        self._state, self._in_use = parts.state, parts.in_use

    def track_everything(self, /, area_px: tuple[float, float] | None = None, **options: Any) -> Generator[FrameResult]:
        """Find every object, and follow it through the stack, without a prompt.

        In a time-lapse: on the first frame everything is segmented; on each later one what is there is followed, something new is
        looked for where nothing is yet, tracks whose object is absent end, and a track divides where its object does: its children
        have it as their parent, see :attr:`Session.lineage`. What ends soon after it was found is removed. Objects that were there
        before are followed too; they are not ended, divided or removed.

        Along another axis, through a volume: everything is looked for on a few slices; each object is followed both ways from where
        it is seen best, to where it ends. Separate images, along N, are segmented each on its own.

        Stop iterating to stop: yielded frames are kept, and the next call goes on from there. All frames of a call are undone
        together.

        Parameters
        ----------
        area_px : tuple of float, optional
            Least and largest area of what is found in pixels of the data, both included; by default 1 and half of the frame, in a
            volume 4 and 30 % of it. What appears later in a time-lapse, and what is found in a volume, has besides at least a fifth
            of the median area of what is there, and at most four times that.
        **options
            Of :meth:`Session.segment_everything`; in a volume only ``points_per_side`` counts.

        Yields
        ------
        FrameResult
            One for each frame, in order.

        Raises
        ------
        ValueError
            When it is iterated: if an option is not as it should be, or there are too many objects for a label image.
        NothingFoundError
            When it is iterated: if nothing is found on any frame.
        OSError
            When it is iterated: if a frame cannot be read. Yielded frames are kept.
        """
        area_px = None if area_px is None else check_bounds("area_px", area_px)
        check_options(self._in_use.model, options)
        yield from self._done(self._steps(area_px, options), _call("track_everything", area_px=area_px, **options))
        if not self._state.objects:
            raise NothingFoundError(
                "nothing was found on any frame: try other intensities (window or intensity_range), more points_per_side for small "
                "objects, a lower pred_iou_thresh, or click on one object"
            )

    @property
    def is_linking_stopped(self) -> bool:
        """Labels were linked last, and that was stopped before its end: :meth:`link_labels` goes on, without being given them."""
        calls = (call for call in reversed(self._state.history.calls) if call.method in ("track_everything", "link_labels"))
        latest = next(calls, None)
        return latest is not None and latest.method == "link_labels" and latest.arguments["steps"] is not None

    def link_labels(self, labels: Any = None) -> Generator[FrameResult]:
        """Link labels that were given frame by frame, such as those of Cellpose or StarDist, whose numbers differ between frames.

        What is on a frame is followed to the next one, and goes on in the label on which it comes to lie; a label on which nothing
        comes to lie is a new object, and two alike on which one comes to lie are its children. Each label is a mask prompt.

        Stop iterating to stop: yielded frames are kept, and the next call goes on from there. All frames of a call are undone
        together. The labels are in the log of the session, and so in its file.

        Parameters
        ----------
        labels : array-like, optional
            Whole numbers, 0 for background, of the shape of :attr:`Session.labels`; by default those whose linking was stopped, see
            :attr:`Session.is_linking_stopped`.

        Yields
        ------
        FrameResult
            One for each frame, in order.

        Raises
        ------
        ValueError
            When it is iterated: if the shape is another, they are no whole numbers, there are none at all, there are too many
            objects for a label image, or frames are separate images.
        OSError
            When it is iterated: if a frame cannot be read. Yielded frames are kept.
        """
        stack = self._in_use.stack
        if stack.is_collection:
            raise ValueError("separate images, along N, have nothing to be linked: use add_labels for each")
        stopped = self._stopped_labels()
        if labels is None and stopped is None:
            raise ValueError("no linking of labels was stopped that could go on: give the labels")
        labels = decode(stopped) if labels is None else labels
        if tuple(getattr(labels, "shape", ())) != stack.labels_shape:
            given = getattr(labels, "shape", None)
            raise ValueError(
                f"labels have the shape of the image, {stack.labels_shape}, got {shown(labels if given is None else given)}"
            )
        if dtype_of(labels).kind not in "iub":
            raise ValueError(f"labels are whole numbers, got {dtype_of(labels)}")
        linker = LabelLinker(self._parts, stack.planes(labels))
        steps = (linker.do_frame(frame) for frame in linker.frames_left())
        encoded = encode(labels)
        yield from self._done(steps, LoggedCall("link_labels", {"labels": None if encoded == stopped else encoded}))
        if not self._state.objects:
            raise ValueError("there is no label on any frame")

    def _stopped_labels(self) -> Any:
        """Return the labels whose linking was stopped, as the log has them: once, however often it was continued."""
        if not self.is_linking_stopped:
            return None
        given = (call.arguments["labels"] for call in reversed(self._state.history.calls) if call.method == "link_labels")
        return next(labels for labels in given if labels is not None)

    def _done(self, steps: Iterator[FrameResult], call: LoggedCall) -> Generator[FrameResult]:
        """Do steps, each of which is saved when it is done, as one action; the log has how many were done until then."""
        history, action, num_done = self._state.history, Action(), 0
        before = history.done[-1] if history.done else None

        def logged(num_steps: int | None) -> LoggedCall:
            return replace(call, arguments=call.arguments | {"steps": num_steps})

        while True:
            with history.working():
                is_interrupted = action.number > 0 and not history.is_latest(action)
                num_done = 1 if is_interrupted else num_done + 1
                with history.action(partial(logged, num_done), continued=action) as action:
                    result = next(steps, None)
            if result is None:
                break
            yield result
        if action.number > 0:
            history.complete(action, logged(None))
        elif before is not None and before.call is not None and before.call.method == call.method:
            # It was ended after its last frame, before that was in the log.
            history.complete(before, replace(before.call, arguments=before.call.arguments | {"steps": None}))

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
            for object_id in self._parts.prompts.segment_everything(frame, area_px, **options):
                self._parts.objects.mark_found(object_id)
                record = self._state.objects[object_id].shown(frame)
                assert record is not None
                scores[object_id] = ObjectScore.of(record)
            yield FrameResult(frame, scores)

    def _movie(self, area_px: tuple[float, float] | None, options: Mapping[str, Any]) -> Iterator[FrameResult]:
        tracker = MovieTracker(self._parts, area_px, options)
        for frame in tracker.frames_left():
            yield tracker.do_frame(frame)

    def _volume(self, area_px: tuple[float, float] | None, options: Mapping[str, Any]) -> Iterator[FrameResult]:
        tracker = VolumeTracker(self._parts, area_px, options)
        candidates = []
        for frame in tracker.searched():
            candidates += tracker.find(frame)
            yield FrameResult(frame, {})
        candidates = tracker.usual(candidates)
        followed = tracker.followed(candidates)
        while candidates := tracker.left(candidates, followed):
            followed.append(candidates.pop(0))
            yield from tracker.follow(followed[-1])


def _call(method: str, **arguments: Any) -> LoggedCall:
    return LoggedCall(method, {name: encode(value) for name, value in arguments.items()})
