"""What is left of a long run, printed once: time, memory and disk."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import numpy as np

from napari_sam2.session.propagation.run_estimate import RunEstimate, StepTimed, mask_bytes, written_bytes, written_duration
from napari_sam2.session.session import Session
from napari_sam2.wording import counted

NUM_UNTIMED, NUM_TIMED = 8, 4
"""The first frames recall fewer memories than later ones, and take less time; then so many are timed."""
LEAST_FRAMES_LEFT = 10


class PrintedEstimate:
    """Times frames, and prints once what the rest of them takes.

    Parameters
    ----------
    session : Session
        The session that is propagated.
    write : callable
        Takes the sentence.
    """

    def __init__(self, session: Session, write: Callable[[str], None]) -> None:
        self._session, self._write = session, write
        self._estimate = RunEstimate()
        self._num_frames = 0
        self._since_s = time.perf_counter()

    def add(self, num_objects: int, num_frames_left: int, num_masks_left: int) -> None:
        """Count a frame with so many objects; as many frames and masks are left."""
        now_s = time.perf_counter()
        seconds, self._since_s = now_s - self._since_s, now_s
        self._num_frames += 1
        if NUM_UNTIMED < self._num_frames <= NUM_UNTIMED + NUM_TIMED and num_objects:
            model = self._session.model
            room = mask_bytes(model.image_size, model.config.d_model)
            self._estimate.add(StepTimed(self._session.state.model.name, num_objects, seconds, room, is_propagated=True))
        if self._num_frames == NUM_UNTIMED + NUM_TIMED and num_frames_left >= LEAST_FRAMES_LEFT:
            self._print(num_frames_left, num_masks_left)

    def _print(self, num_frames_left: int, num_masks_left: int) -> None:
        seconds, room = self._estimate.seconds(num_frames_left, num_masks_left), self._estimate.num_bytes(num_masks_left)
        if seconds is None or room is None:
            return
        parts = [f"about {written_duration(seconds)}", f"at most {written_bytes(max(room, 1e6))} on disk"]
        used = peak_bytes()
        if used is not None:
            parts.insert(1, f"{written_bytes(used + self._label_bytes(num_frames_left))} of memory in all")
        self._write(f"{counted(num_frames_left, 'frame')} with {counted(num_masks_left, 'mask')} left: {', '.join(parts)}")

    def _label_bytes(self, num_frames: int) -> int:
        """Return the memory that labels of further frames take: that of an empty array is not used before it is written to."""
        labels = self._session.labels_drawn
        if not isinstance(labels, np.ndarray) or isinstance(labels, np.memmap):
            return 0
        return num_frames * self._session.stack.height * self._session.stack.width * labels.itemsize


def peak_bytes() -> int | None:
    """Return the most memory that this process has used so far; None where the system does not tell."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak) if sys.platform == "darwin" else int(peak) * 1024
