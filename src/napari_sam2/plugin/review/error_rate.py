"""The rate of wrong masks, measured by a person: one mask after another of a random sample is shown, and judged by a key."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from psygnal import Signal

from napari_sam2.plugin.prompts.clicks import ObjectFrame
from napari_sam2.plugin.prompts.commands import WithoutClicks
from napari_sam2.plugin.prompts.object_commands import ObjectCommand
from napari_sam2.plugin.settings.keys import JUDGE_KEYS, JUDGE_RIGHT, JUDGE_WRONG, bind_keys

if TYPE_CHECKING:
    from napari_sam2.plugin.prompts.commands import Command
    from napari_sam2.plugin.workspace.image_workspace import ImageWorkspace
    from napari_sam2.session.session import Session
    from napari_sam2.session.state.error_sample import ErrorSample


@dataclass(frozen=True)
class DrawSample(WithoutClicks):
    """Draw masks at random, to be judged; see :class:`~napari_sam2.plugin.prompts.commands.Command`."""

    size: int
    seed: int

    @property
    def key(self) -> ObjectFrame:
        """It is about no object."""
        return ObjectFrame(0, 0)

    def run(self, session: Session) -> None:
        """Do it.

        Raises
        ------
        ValueError
            If there is nothing to judge, or a number is out of range.
        """
        session.draw_error_sample(self.size, self.seed)


@dataclass(frozen=True)
class JudgeMask(ObjectCommand):
    """Take down whether a mask of the sample is wrong."""

    frame: int
    is_wrong: bool

    def run(self, session: Session) -> None:
        """Do it."""
        session.judge_mask(self.object_id, self.frame, self.is_wrong)


class ReviewedController(Protocol):
    """What review and error rate need of a :class:`~napari_sam2.plugin.controller.Controller`."""

    @property
    def workspace(self) -> ImageWorkspace | None:
        """The work on the image."""

    @property
    def frame(self) -> int | None:
        """The frame that is shown."""

    @property
    def object_in_hand(self) -> int | None:
        """The object that clicks are about."""

    @property
    def changed(self) -> Any:
        """Emitted when something else is to be shown, such as another image."""

    @property
    def status_changed(self) -> Any:
        """Emits what a person reads."""

    def show_frame_status(self, text: str) -> None:
        """Show a text about the shown frame."""

    def choose_object(self, object_id: int) -> None:
        """Take an object in hand."""

    def go_to_frame(self, frame: int) -> None:
        """Show a frame."""

    def centre_on(self, object_id: int, frame: int) -> None:
        """Move the view to an object, if it is not in it."""

    def edit_objects(self, *commands: Command) -> None:
        """Run commands on objects."""


class ErrorRate:
    """Lets a person judge the masks of a sample.

    Parameters
    ----------
    controller : ReviewedController
        Does what is decided here.
    show : callable
        Shows an object on a frame, and takes it in hand.
    viewer : Viewer
        Where the keys are bound, while masks are judged.

    Attributes
    ----------
    changed : Signal
        Something else is to be shown of it.
    """

    changed = Signal()

    def __init__(self, controller: ReviewedController, show: Callable[[ObjectFrame], None], viewer: Any) -> None:
        self._controller = controller
        self._show_mask = show
        self._viewer = viewer
        self._workspace: ImageWorkspace | None = None
        self._unbind_keys: tuple[Callable[[], None], ...] = ()

    def close(self) -> None:
        """Stop, and disconnect."""
        self.stop()
        self.follow(None)

    def follow(self, workspace: ImageWorkspace | None) -> None:
        """Go on with the image that is worked on by now."""
        if workspace is self._workspace:
            return
        self.stop()
        if self._workspace is not None:
            self._workspace.sample.changed.disconnect(self._sample_changed)
        self._workspace = workspace
        if workspace is not None:
            workspace.sample.changed.connect(self._sample_changed)
        self.changed.emit()

    @property
    def sample(self) -> ErrorSample | None:
        """What was drawn, and judged by now."""
        return None if self._workspace is None else self._workspace.sample.sample

    @property
    def is_judging(self) -> bool:
        """The keys are about the mask that is shown."""
        return bool(self._unbind_keys)

    @property
    def current(self) -> ObjectFrame | None:
        """The mask that is to be judged; those of objects that are gone are left out."""
        sample, workspace = self.sample, self._workspace
        if sample is None or workspace is None:
            return None
        pairs = zip(sample.masks, sample.is_wrong, strict=True)
        left = (mask for mask, wrong in pairs if wrong is None and mask[0] in workspace.rows.by_id)
        mask = next(left, None)
        return None if mask is None else ObjectFrame(*mask)

    @property
    def text(self) -> str:
        """What is known by now, in a sentence; empty before a sample was drawn."""
        sample = self.sample
        if sample is None:
            return ""
        judged = f"{sample.num_judged} of {len(sample.masks)} judged"
        if not sample.num_judged:
            return f"{judged}, of {sample.num_masks} masks."
        low, high = sample.interval
        return f"{judged}, {sample.num_wrong} wrong: {_percent(sample.rate)} % (95 %: {_percent(low)} to {_percent(high)} %)."

    # --- what a person does ----------------------------------------------------------------------------------------

    def draw(self, size: int, seed: int) -> None:
        """Draw a sample in the place of an earlier one, and begin to judge it."""
        if self._workspace is not None:
            self._bind()
            self._controller.edit_objects(DrawSample(size, seed))

    def go_on(self) -> None:
        """Judge what is left of the sample."""
        if self.current is not None:
            self._bind()
            self._show_current()

    def stop(self) -> None:
        """Give the keys back; the rest of the sample can be judged later."""
        if self.is_judging:
            for unbind in self._unbind_keys:
                unbind()
            self._unbind_keys = ()
            self.changed.emit()

    def judge_right(self) -> None:
        """Take down that the mask is right, and show the next one."""
        self._judge(False)

    def judge_wrong(self) -> None:
        """Take down that the mask is wrong, and show the next one."""
        self._judge(True)

    def _judge(self, is_wrong: bool) -> None:
        current = self.current
        if current is None or not self.is_judging:
            return
        if (self._controller.object_in_hand, self._controller.frame) != current:
            self._show_current()  # a person looked around: what is judged is seen first
        else:
            self._controller.edit_objects(JudgeMask(*current, is_wrong))

    def _bind(self) -> None:
        if not self.is_judging and self._workspace is not None:
            # an image layer has a use for one of them
            self._unbind_keys = tuple(bind_keys(target, self, JUDGE_KEYS) for target in (self._viewer, self._workspace.image))
            self.changed.emit()

    def _sample_changed(self) -> None:
        if self.is_judging:
            self._show_current()
        self.changed.emit()

    def _show_current(self) -> None:
        current = self.current
        if current is None:
            self.stop()
            self._controller.status_changed.emit(f"The sample is judged: {self.text}" if self.sample is not None else "")
            return
        self._show_mask(current)
        where = f"Object {current.object_id} on frame {current.frame}"
        self._controller.status_changed.emit(f"{where}: is it right? {JUDGE_RIGHT.name} for yes, {JUDGE_WRONG.name} for no.")


def _percent(share: float) -> str:
    return f"{100 * share:.2g}" if share < 0.995 else "100"
