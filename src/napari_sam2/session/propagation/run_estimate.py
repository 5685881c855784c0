"""How long a propagation takes and how much room it needs, from the frames that were done with the same model."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

MOST_STEPS = 64
"""The latest ones count: how fast a machine is depends on what else it does."""
LOGIT_BYTES = 2.1
"""Of a packed logit of a mask; measured: 2.0 with ``micro``."""
BYTES_AROUND = 1000
"""Of a mask: scores, names, tables, and what is left of the last page."""
_ALONE_SHARE = 0.5
"""Of the time of a frame with one object, as long as frames with different numbers of objects were not seen."""


@dataclass(frozen=True)
class StepTimed:
    """A frame was segmented, or propagated to.

    Attributes
    ----------
    model : str
        With which model.
    num_objects : int
        How many objects at a time.
    seconds : float
        How long it took.
    mask_bytes : int
        What the session file keeps of one object on one frame, at most.
    is_propagated : bool
        It was propagated to, not prompted.
    """

    model: str
    num_objects: int
    seconds: float
    mask_bytes: int
    is_propagated: bool


class RunEstimate:
    """Learns from steps how long others take."""

    def __init__(self) -> None:
        self._model = ""
        self._steps: deque[StepTimed] = deque(maxlen=MOST_STEPS)

    def add(self, step: StepTimed | None) -> None:
        """Take a step into account; those of another model do not count any more, nor do prompts once frames were propagated to."""
        if step is None:
            return
        if step.model != self._model:
            self._model = step.model
            self._steps.clear()
        if step.is_propagated and self._steps and not self._steps[-1].is_propagated:
            self._steps.clear()
        if step.is_propagated or not self._steps or not self._steps[-1].is_propagated:
            self._steps.append(step)

    def seconds(self, num_frames: int, num_masks: int) -> float | None:
        """Estimate the time of so many frames, with so many masks on all of them together; None before any step."""
        if not self._steps or num_frames == 0:
            return None
        # the median of each number of objects: the first frame of a run takes longer, since memories of prompts are encoded
        times: dict[int, list[float]] = {}
        for step in self._steps:
            times.setdefault(step.num_objects, []).append(step.seconds)
        counts = np.array(sorted(times), np.float64)
        medians = np.array([np.median(times[number]) for number in sorted(times)])
        if len(counts) == 1:
            alone = medians[0] * _ALONE_SHARE / (_ALONE_SHARE + (1 - _ALONE_SHARE) * counts[0])
            each = (medians[0] - alone) / counts[0]
        else:
            each, alone = np.polyfit(counts, medians, 1)
            if each < 0 or alone < 0:
                alone, each = (float(medians.mean()), 0.0) if each < 0 else (0.0, float((medians / counts).mean()))
        return float(alone * num_frames + each * num_masks)

    def num_bytes(self, num_masks: int) -> int | None:
        """Return how much room so many masks need on the disk at most; None before any step."""
        return num_masks * self._steps[-1].mask_bytes if self._steps else None


def mask_bytes(image_size: int, pointer_channels: int) -> int:
    """Return how much room one object takes on one frame in a session file, at most.

    Parameters
    ----------
    image_size : int
        Side of the model's input, which is four times that of a mask.
    pointer_channels : int
        Size of an object pointer.

    Returns
    -------
    int
        Packed logits (see :mod:`~napari_sam2.session.store.packed_logits`), the pointer, and what is around them.
    """
    return round(LOGIT_BYTES * (image_size // 4) ** 2) + 4 * pointer_channels + BYTES_AROUND


def written_duration(seconds: float) -> str:
    """Write a duration: seconds below 100, then minutes, then hours."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 100 * 60 else f"{seconds / 3600:.1f} h"


def written_bytes(num_bytes: float) -> str:
    """Write a size in MB, or, from 1000 MB on, in GB."""
    return f"{num_bytes / 1e6:.0f} MB" if num_bytes < 1e9 else f"{num_bytes / 1e9:.1f} GB"
