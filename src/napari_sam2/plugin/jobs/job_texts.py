"""What the person reads of jobs: of a propagation how far it is, of clicks what was found."""

from __future__ import annotations

import time

from napari_sam2.plugin.reports.reports import EverythingFound, FrameDone, ObjectSegmented
from napari_sam2.plugin.settings.keys import TRACK_EVERYTHING, UNDO
from napari_sam2.plugin.workspace.image_workspace import ImageWorkspace
from napari_sam2.session.propagation.run_estimate import written_duration
from napari_sam2.wording import counted


class PropagationRun:
    """A propagation, which commands may interrupt.

    Parameters
    ----------
    workspace : ImageWorkspace
        The image that it is on.

    Attributes
    ----------
    num_left : int
        Frames that are still to be done.
    """

    def __init__(self, workspace: ImageWorkspace) -> None:
        self.workspace = workspace
        self.num_left = 0
        self._started_s = time.monotonic()
        self._frames = set[int]()

    def add(self, item: FrameDone) -> None:
        """Take note of a frame that is done."""
        self._frames.add(item.frame)
        self.num_left = max(0, item.total - item.done)

    @property
    def num_done(self) -> int:
        """Frames that are done, each counted once."""
        return len(self._frames)

    @property
    def progress(self) -> tuple[int, int]:
        """How much is done of how much."""
        return self.num_done, self.num_done + self.num_left

    @property
    def duration_text(self) -> str:
        """How long it has taken."""
        return written_duration(time.monotonic() - self._started_s)

    @property
    def progress_text(self) -> str:
        """How far it is."""
        left_s = (time.monotonic() - self._started_s) / self.num_done * self.num_left
        return f"{self.num_done} of {self.num_done + self.num_left} done, {written_duration(left_s)} left"

    @property
    def done_text(self) -> str:
        """What it did."""
        if not self.num_done:
            return "Everything is up to date already."
        return f"{counted(self.num_done, 'frame')} done in {self.duration_text}."

    @property
    def stopped_text(self) -> str:
        """What it did until it was stopped."""
        return f"Stopped: {counted(self.num_done, 'frame')} done and kept, {self.num_left} left." if self.num_done else "Stopped."


class TrackingRun(PropagationRun):
    """Tracking everything, which commands may interrupt. Where objects are followed one by one, it is not known how much is left.

    Parameters
    ----------
    workspace : ImageWorkspace
        The image that it is on.
    """

    def __init__(self, workspace: ImageWorkspace) -> None:
        super().__init__(workspace)
        self._is_total_known = False

    def add(self, item: FrameDone) -> None:
        """Take note of a frame that is done."""
        super().add(item)
        self._is_total_known = item.total > 0

    @property
    def num_objects(self) -> int:
        """Objects that there are by now."""
        return len(self.workspace.objects.infos)

    @property
    def progress(self) -> tuple[int, int]:
        """How much is done of how much; 0 of 0 where that is not known."""
        return super().progress if self._is_total_known else (0, 0)

    @property
    def progress_text(self) -> str:
        """How far it is."""
        found = counted(self.num_objects, "object")
        if self._is_total_known:
            return f"{found}, {super().progress_text}"
        return f"{found} so far" if self.num_objects else "looking for objects"

    @property
    def done_text(self) -> str:
        """What it did."""
        if not self.num_done:
            return super().done_text
        found = counted(self.num_objects, "object")
        return f"{super().done_text[:-1]}: {found}." if self._is_total_known else f"{found} tracked in {self.duration_text}."

    @property
    def stopped_text(self) -> str:
        """What it did until it was stopped."""
        if not self.num_done:
            return super().stopped_text
        what = super().stopped_text if self._is_total_known else f"Stopped: {counted(self.num_objects, 'object')} kept."
        return f"{what} {TRACK_EVERYTHING.shown} continues."


def found_text(item: ObjectSegmented, where: str) -> str:
    """Say what a click found, after the name of the object."""
    if item.proposal is not None:
        return f" {item.proposal.reason}: press {UNDO.shown} to take it back, or right-click where it is not."
    if item.area_px:
        return f": {item.area_px} px{where}"
    return f": nothing found{where}; click inside it, or press {UNDO.shown} to take it back"


def everything_text(item: EverythingFound, has_frames: bool) -> str:
    """Say how many objects were found on a frame."""
    number, where = len(item.object_ids), f" on frame {item.frame}" if has_frames else ""
    if not number:
        return f"Nothing was found{where} that is no object yet."
    return f"{counted(number, 'object')} found{where}: press {UNDO.shown} to take {'it' if number == 1 else 'them'} back."
