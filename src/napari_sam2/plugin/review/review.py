"""What a person does about what is to be reviewed: approve, correct, let an object end; one frame after another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from psygnal import Signal

from napari_sam2.plugin.prompts.clicks import ObjectFrame
from napari_sam2.plugin.prompts.object_commands import ApproveFrame, ApproveRange, EndObject, is_before
from napari_sam2.plugin.review.error_rate import ErrorRate, ReviewedController
from napari_sam2.plugin.review.review_queue import ANY_REASON, QueuedMask, ReviewQueue
from napari_sam2.plugin.settings.keys import APPROVE, REVIEW_KEYS, bind_keys
from napari_sam2.session.review.track_measurements import ReviewReason

if TYPE_CHECKING:
    from napari_sam2.plugin.prompts.commands import Command
    from napari_sam2.plugin.workspace.image_workspace import ImageWorkspace


class Review:
    """Reviews the objects of the image that is worked on.

    Parameters
    ----------
    controller : ReviewedController
        Does what is decided here.
    viewer : Viewer
        Where the keys are bound.

    Attributes
    ----------
    wanted : ReviewReason
        For these reasons objects are listed.
    error_rate : ErrorRate
        Measures how many masks are wrong.
    changed : Signal
        Another item is the current one, or others are wanted.
    """

    changed = Signal()

    def __init__(self, controller: ReviewedController, viewer: Any) -> None:
        self._controller = controller
        self._wanted = ANY_REASON
        self._current: ObjectFrame | None = None
        self._unbind_keys: Callable[[], None] = bind_keys(viewer, self, REVIEW_KEYS)
        self._unbind_image: Callable[[], None] | None = None
        self._workspace: ImageWorkspace | None = None
        self.error_rate = ErrorRate(controller, self.go_to, viewer)
        controller.changed.connect(self._follow)

    def close(self) -> None:
        """Give the keys back."""
        self._controller.changed.disconnect(self._follow)
        self.error_rate.close()
        self._free_image()
        self._unbind_keys()

    def _follow(self) -> None:
        """Go on with the image that is worked on by now."""
        workspace = self._controller.workspace
        if workspace is self._workspace:
            return
        self.error_rate.follow(workspace)
        self._free_image()
        self._workspace, self._current = workspace, None
        if workspace is not None:  # an image layer has a use for this key itself
            self._unbind_image = bind_keys(workspace.image, self, (APPROVE,))
        self.changed.emit()

    def _free_image(self) -> None:
        if self._unbind_image is not None:
            self._unbind_image()
            self._unbind_image = None

    @property
    def wanted(self) -> ReviewReason:
        """For these reasons objects are listed."""
        return self._wanted

    @wanted.setter
    def wanted(self, reasons: ReviewReason) -> None:
        self._wanted = reasons
        self.changed.emit()

    @property
    def current(self) -> ObjectFrame | None:
        """The item that is being reviewed, if it is still shown and in hand."""
        shown = self._shown_in_hand
        return self._current if self._current == shown else shown

    def queue(self) -> ReviewQueue:
        """Return what is to be reviewed by now."""
        workspace = self._controller.workspace
        return ReviewQueue.of(None if workspace is None else workspace.rows, self._wanted)

    @property
    def _shown_in_hand(self) -> ObjectFrame | None:
        object_id, frame = self._controller.object_in_hand, self._controller.frame
        return None if object_id is None or frame is None else ObjectFrame(object_id, frame)

    # --- from one to the next --------------------------------------------------------------------------------------

    def go_to(self, key: ObjectFrame) -> None:
        """Show an object on a frame, and take it in hand: clicks correct it."""
        self._current = key
        self._controller.choose_object(key.object_id)
        self._controller.go_to_frame(key.frame)
        self._controller.centre_on(*key)
        self.changed.emit()

    def next_item(self) -> None:
        """Go to the next item of the list; to its first one, if none of it is shown."""
        self._go_to_item(1)

    def previous_item(self) -> None:
        """Go to the item before."""
        self._go_to_item(-1)

    def _go_to_item(self, step: int) -> None:
        queue = self.queue()
        at = self.current
        if queue.index_of(at) is None and queue.index_of(self._current) is not None:
            at = self._current  # a person looked around
        self._show_item(queue.beside(at, step), "There is nothing to review." if not len(queue) else _ENDS[step])

    def _show_item(self, item: QueuedMask | None, nothing: str) -> None:
        if item is None:
            self._controller.status_changed.emit(nothing)
            return
        self.go_to(item.key)
        self._controller.show_frame_status(f"{self._name(item.key)} on frame {item.key.frame}: {item.text}")

    def _name(self, key: ObjectFrame) -> str:
        workspace = self._controller.workspace
        name = f"object {key.object_id}" if workspace is None else workspace.objects.name_of(key.object_id)
        return name[:1].upper() + name[1:]

    def next_prompted(self) -> None:
        """Go to the next frame with prompts of the object in hand."""
        self._go_to_prompted(1, "after")

    def previous_prompted(self) -> None:
        """Go to the frame with prompts before."""
        self._go_to_prompted(-1, "before")

    def _go_to_prompted(self, step: int, where: str) -> None:
        shown, workspace = self._in_hand(), self._controller.workspace
        if shown is None or workspace is None:
            return
        states = workspace.rows.frames.of(shown.object_id)
        frames = sorted(() if states is None else states.prompts)
        beyond = [frame for frame in frames if (frame - shown.frame) * step > 0]
        if beyond:
            self.go_to(ObjectFrame(shown.object_id, min(beyond) if step > 0 else max(beyond)))
        else:
            self._controller.show_frame_status(f"{self._name(shown)} has no prompts {where} frame {shown.frame}.")

    # --- decisions -------------------------------------------------------------------------------------------------

    def approve(self) -> None:
        """Approve the mask of the object in hand on the shown frame, and go to the next item if this was one."""
        if (shown := self._in_hand()) is not None:
            self.accept([shown])

    def accept(self, keys: Sequence[ObjectFrame]) -> None:
        """Approve objects on frames; one undo takes all of it back. If the shown item is among them, the next one is shown."""
        self._decide([ApproveFrame(*key) for key in keys], keys)

    def end_here(self) -> None:
        """Let the object in hand be absent from the shown frame on; before its prompts, back from there."""
        if (shown := self._in_hand()) is not None:
            self.end([shown])

    def end(self, keys: Sequence[ObjectFrame]) -> None:
        """Let objects be absent from frames on, those before their prompts back from there: of several such frames the nearest."""
        commands = list[EndObject]()
        for object_id in sorted({key.object_id for key in keys}):
            frames = [key.frame for key in keys if key.object_id == object_id]
            before = [frame for frame in frames if self._ends_backward(ObjectFrame(object_id, frame))]
            after = [frame for frame in frames if frame not in before]
            if before:
                commands.append(EndObject(object_id, max(before)))
            if after:
                commands.append(EndObject(object_id, min(after)))
        self._decide(commands, keys)

    def _ends_backward(self, key: ObjectFrame) -> bool:
        workspace = self._controller.workspace
        states = None if workspace is None else workspace.rows.frames.of(key.object_id)
        return states is not None and is_before(key.frame, states.prompts)

    def approve_to_here(self) -> None:
        """Approve the masks of the object in hand on all frames from the nearest one with prompts to the shown one."""
        shown, workspace = self._in_hand(), self._controller.workspace
        if shown is None or workspace is None:
            return
        states = workspace.rows.frames.of(shown.object_id)
        first, last = frames_to_approve(() if states is None else states.prompts, shown.frame)
        if first > last:
            text = f"{self._name(shown)} has prompts on frame {shown.frame}, or is approved: there is nothing to approve."
            self._controller.show_frame_status(text)
        else:
            keys = [ObjectFrame(shown.object_id, frame) for frame in range(first, last + 1)]
            self._decide([ApproveRange(shown.object_id, first, last)], keys)

    def _decide(self, commands: Sequence[Command], keys: Iterable[ObjectFrame]) -> None:
        queue, decided, at = self.queue(), set(keys), self._shown_in_hand
        index = queue.index_of(at) if at in decided else None
        following: QueuedMask | None = None
        if index is not None:
            ends = [ObjectFrame(one.object_id, one.frame) for one in commands if isinstance(one, EndObject)]
            # stale ones are at the end: after the last one, the first that is left comes
            rest = (queue[i % len(queue)] for i in range(index + 1, index + len(queue)))
            left = (one for one in rest if one.key not in decided and not any(self._is_cut_off(one.key, end) for end in ends))
            following = next(left, None)
        self._controller.edit_objects(*commands)
        if index is not None:
            self._show_item(following, "That was the last one: there is nothing to review any more.")

    def _is_cut_off(self, key: ObjectFrame, end: ObjectFrame) -> bool:
        """An object is not on a frame any more, where it ends on another."""
        if key.object_id != end.object_id:
            return False
        return key.frame <= end.frame if self._ends_backward(end) else key.frame >= end.frame

    def _in_hand(self) -> ObjectFrame | None:
        shown = self._shown_in_hand
        if shown is None:
            self._controller.status_changed.emit("Take an object in hand first: click on it, or choose it in a list.")
        return shown


_ENDS = {1: "That was the last item of the list.", -1: "This is the first item of the list."}


def frames_to_approve(prompted: Iterable[int], shown: int) -> tuple[int, int]:
    """Return the first and the last frame between the nearest prompted one and the shown one, which is among them.

    The nearest before it counts, else the nearest after it. Where the shown frame is prompted, the first is beyond the last.
    """
    frames = sorted(prompted)
    before, after = [frame for frame in frames if frame <= shown], [frame for frame in frames if frame > shown]
    if before:
        return before[-1] + 1, shown
    return (shown, after[0] - 1) if after else (shown, shown)
