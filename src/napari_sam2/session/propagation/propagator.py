"""Propagates objects through the stack, frame by frame, each from its anchor frames."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from tqdm import tqdm

from napari_sam2.checks import check_wholes, shown
from napari_sam2.images.axes import SPACE
from napari_sam2.predictors.device import return_free_memory
from napari_sam2.predictors.memory_bank import FrameRecord
from napari_sam2.predictors.object_score import ObjectScore
from napari_sam2.predictors.record_store import RecordBudget
from napari_sam2.session.inference.model_in_use import ModelInUse
from napari_sam2.session.inference.prompt_segmenter import PromptSegmenter
from napari_sam2.session.inference.recall_policy import anchors_to_recall, neighbouring_anchors
from napari_sam2.session.inference.shape_interpolation import with_interpolated_shape
from napari_sam2.session.propagation.plan import Direction, Step, plan_steps
from napari_sam2.session.propagation.stopped_objects import StoppedObjects
from napari_sam2.session.state.calls import LoggedCall, encode
from napari_sam2.session.state.history import Action
from napari_sam2.session.state.objects import SessionObject
from napari_sam2.session.state.session_state import SessionState
from napari_sam2.session.state.stop_rules import StopRules
from napari_sam2.wording import counted

STEPS_BETWEEN_TRIMS = 32


@dataclass(frozen=True)
class FrameResult:
    """The result of one step of a propagation.

    Attributes
    ----------
    frame : int
        Which, counted from 0.
    scores : dict of int to ObjectScore
        By id, of the objects that were propagated to it; also of those that are absent, whose object score is not above 0.
    """

    frame: int
    scores: dict[int, ObjectScore]


class Propagation(Iterator[FrameResult]):
    """A propagation, which runs as it is iterated.

    Parameters
    ----------
    results : generator of FrameResult
        Runs it.
    plan : callable
        Returns the steps that are left.
    """

    def __init__(self, results: Generator[FrameResult], plan: Callable[[], list[Step]]) -> None:
        self._results = results
        self.plan = plan

    def __iter__(self) -> Propagation:
        return self

    def __next__(self) -> FrameResult:
        return next(self._results)

    def close(self) -> None:
        """Stop here; finished frames are kept."""
        self._results.close()

    def __repr__(self) -> str:
        try:
            steps = self.plan()
        except ValueError as error:
            return f"<propagation that cannot run: {error}>"
        if not steps:
            return "<propagation: nothing to do>"
        count = len({object_id for step in steps for object_id in step.object_ids})
        frames = sorted({step.frame for step in steps})
        return (
            f"<propagation of {counted(count, 'object')} to {counted(len(frames), 'frame')}, "
            f"{frames[0]} to {frames[-1]}: iterate over it, or use propagate_all()>"
        )


class Propagator:
    """Propagates the objects of a session from frame to frame.

    Parameters
    ----------
    state : SessionState
        The state that is changed.
    in_use : ModelInUse
        The model of the session.
    segmenter : PromptSegmenter
        Encodes memories of anchor frames.
    budget : RecordBudget
        Memory of the records.
    after_step : callable
        Changes the masks of the objects, by id, that were just tracked to a frame, towards frame 0 or not, as part of the step.
    """

    def __init__(
        self,
        state: SessionState,
        in_use: ModelInUse,
        segmenter: PromptSegmenter,
        budget: RecordBudget,
        after_step: Callable[[int, Collection[int], bool], None],
    ) -> None:
        self._state = state
        self._in_use = in_use
        self._stack = in_use.stack
        self._segmenter = segmenter
        self._budget = budget
        self._after_step = after_step
        self._num_steps = 0

    def plan(
        self, direction: Direction = "both", objects: Iterable[int] | None = None, frames: Sequence[int] | None = None
    ) -> list[Step]:
        """List the steps of :meth:`propagate`, with the same arguments and without stop rules.

        Returns
        -------
        list of Step
            One for each frame that can have changed, in order, see
            :func:`~napari_sam2.session.propagation.plan.plan_steps`; empty where no object was prompted, all frames are up to date,
            or frames are separate images.

        Raises
        ------
        ValueError
            If there is no such direction, object or frame.
        """
        if not isinstance(direction, str) or direction not in ("forward", "backward", "both"):
            raise ValueError(f"direction must be 'forward', 'backward' or 'both', got {shown(direction)}")
        chosen = [item for item in self._state.ordered(objects) if not item.info.is_locked]
        allowed: Sequence[int] = range(len(self._stack))
        if frames is not None:
            allowed = sorted({self._stack.check_frame(frame) for frame in check_wholes("frames", frames)})
        return [] if self._stack.is_collection else plan_steps(chosen, allowed, direction)

    def propagate(
        self,
        direction: Direction = "both",
        objects: Iterable[int] | None = None,
        frames: Sequence[int] | None = None,
        stop: StopRules | None = None,
    ) -> Propagation:
        """Propagate objects through the stack, each from its anchor frames; to none where frames are separate images, axis N.

        Stop iterating to stop: yielded frames are kept, and the next call goes on from there. Prompts that are given between two
        frames take effect at once.

        Parameters
        ----------
        direction : {"both", "forward", "backward"}
            Both ways, or without the frames before an object's first anchor, or without those after its last one.
        objects : iterable of int, optional
            Which objects; all by default. Locked objects are skipped.
        frames : sequence of int, optional
            Which frames; all by default.
        stop : StopRules, optional
            Where objects are not propagated any further; to the end of the stack by default.

        Returns
        -------
        Propagation
            Iterate over it for one :class:`FrameResult` after another, only of frames that can have changed. Nothing runs before
            that.

        Raises
        ------
        ValueError
            When it is iterated: if no object was prompted, or there is no such direction, object or frame.
        OSError
            When it is iterated: if a frame cannot be read. Yielded frames are kept.
        """
        return Propagation(self._propagated(direction, objects, frames, stop), lambda: self.plan(direction, objects, frames))

    def propagate_all(
        self,
        direction: Direction = "both",
        objects: Iterable[int] | None = None,
        frames: Sequence[int] | None = None,
        stop: StopRules | None = None,
    ) -> int:
        """Propagate to the end, with a progress bar where there is a terminal.

        Parameters and errors are those of :meth:`propagate`. Ctrl-C stops it; finished frames are kept.

        Returns
        -------
        int
            The number of frames done.
        """
        propagation = self.propagate(direction, objects, frames, stop)
        total = len(propagation.plan())
        return sum(1 for _ in tqdm(propagation, total=total, unit="frame", disable=None if total else True))

    def _propagated(
        self, direction: Direction, objects: Iterable[int] | None, frames: Sequence[int] | None, stop: StopRules | None
    ) -> Generator[FrameResult]:
        if not any(item.anchors for item in self._state.objects.values()):
            raise ValueError("there is nothing to propagate: add points, a box or a mask first")
        wanted = None if objects is None else check_wholes("objects", objects)
        frames = None if frames is None else check_wholes("frames", frames)
        steps, stopped, action, num_done = deque(self.plan(direction, wanted, frames)), self._stopped(stop), Action(), 0

        def call(num_steps: int | None) -> LoggedCall:
            arguments = {"direction": direction, "objects": wanted, "frames": frames, "stop": stop, "steps": num_steps}
            return LoggedCall("propagate", {name: encode(value) for name, value in arguments.items()})

        try:
            while steps:
                step = steps.popleft()
                self._in_use.frames.reading.expect(steps[0].frame if steps else None)
                ended = [i for i in step.object_ids if stopped is not None and stopped.update(self._state.objects[i], step)]
                num_done = num_done * self._state.history.is_latest(action) + (len(ended) < len(step.object_ids))
                result, action = self._take(step, ended, action, call(num_done))
                changes = self._state.history.num_changes
                if result.scores:
                    yield result
                if changes != self._state.history.num_changes:
                    wanted = None if wanted is None else [object_id for object_id in wanted if object_id in self._state.objects]
                    steps, stopped = deque(self.plan(direction, wanted, frames)), self._stopped(stop)
        finally:
            self._in_use.frames.reading.stop()
        self._state.history.complete(action, call(None))

    def _stopped(self, rules: StopRules | None) -> StoppedObjects | None:
        if rules is None:
            return None
        if not isinstance(rules, StopRules):
            raise ValueError(f"stop takes StopRules, got {shown(rules)}")
        return StoppedObjects(rules, self._in_use.frame_shape)

    def _take(self, step: Step, ended: list[int], action: Action, call: LoggedCall) -> tuple[FrameResult, Action]:
        """Run a step, without objects that have ended, as part of an action if that is still the latest one, else of a new one."""
        with self._state.history.working():
            return self._take_alone(step, ended, action, call)

    def _take_alone(self, step: Step, ended: list[int], action: Action, call: LoggedCall) -> tuple[FrameResult, Action]:
        items = [self._state.objects[object_id] for object_id in step.object_ids if object_id not in ended]
        records = self.tracked(step.frame, items, step.reverse)
        with self._state.history.action(lambda: call, continued=action) as action:
            for object_id in ended:
                self._state.objects[object_id].drop_provisional(step.frame)
            for item, record in zip(items, records, strict=True):
                item.drop_provisional(step.frame)
                item.tracked[step.frame] = record
            self._after_step(step.frame, [item.object_id for item in items], step.reverse)
        scores = {item.object_id: ObjectScore.of(item.tracked[step.frame]) for item in items}
        return FrameResult(step.frame, scores), action

    def tracked(self, frame: int, items: Sequence[SessionObject], reverse: bool = False) -> list[FrameRecord]:
        """Track objects to a frame by what is remembered of them, and change nothing.

        Parameters
        ----------
        frame : int
            The frame.
        items : sequence of SessionObject
            The objects, each with an anchor.
        reverse : bool
            Tracking runs towards frame 0.

        Returns
        -------
        list of FrameRecord
            One per object.
        """
        if not items:
            return []
        # Records within reach of the frame, both anchors, and the new one.
        self._budget.num_needed = len(items) * (self._in_use.reach + 3)
        with self._in_use.inference():
            memories = [item.memory for item in items]
            self._segmenter.remember(frame, items, memories, reverse)
            records = self._in_use.tracker.track(frame, memories, reverse)
        self._num_steps += 1
        if self._num_steps % STEPS_BETWEEN_TRIMS == 0:
            return_free_memory()
        records = [self._with_known_shape(frame, item, record) for item, record in zip(items, records, strict=True)]
        sign = -1 if reverse else 1
        distances = [sign * min(abs(frame - anchor) for anchor in anchors_to_recall(frame, item.conditioning)) for item in items]
        return [replace(record, anchor_distance=distance) for record, distance in zip(records, distances, strict=True)]

    def _with_known_shape(self, frame: int, item: SessionObject, record: FrameRecord) -> FrameRecord:
        """Correct what was tracked between two anchors of a volume by their shapes, with models that have windows.

        With whole frames masks are those of the official predictor.
        """
        before, after = neighbouring_anchors(frame, item.conditioning)
        if self._in_use.zoom is None or self._stack.along not in SPACE or before is None or after is None:
            return record
        share = (frame - before) / (after - before)
        return with_interpolated_shape(record, item.conditioning[before], item.conditioning[after], share, self._in_use.whole)
