"""What the person reads of jobs: of a propagation how far it is, of clicks what was found."""

from __future__ import annotations

import time

from napari_sam2.plugin.image_workspace import ImageWorkspace
from napari_sam2.plugin.keys import UNDO
from napari_sam2.plugin.reports import EverythingFound, FrameDone, ObjectSegmented
from napari_sam2.plugin.run_estimate import written_duration
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
        self.num_left = item.total - item.done

    @property
    def num_done(self) -> int:
        """Frames that are done, each counted once."""
        return len(self._frames)

    @property
    def progress_text(self) -> str:
        """How far it is."""
        left_s = (time.monotonic() - self._started_s) / self.num_done * self.num_left
        return f"{self.num_done} of {self.num_done + self.num_left} done, {written_duration(left_s)} left"

    @property
    def done_text(self) -> str:
        """What it did."""
        return f"{counted(self.num_done, 'frame')} done in {written_duration(time.monotonic() - self._started_s)}."

    @property
    def stopped_text(self) -> str:
        """What it did until it was stopped."""
        return f"Stopped: {counted(self.num_done, 'frame')} done and kept, {self.num_left} left." if self.num_done else "Stopped."


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
