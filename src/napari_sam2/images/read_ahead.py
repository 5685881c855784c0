"""Reads the next frame of an image while the present one is worked on."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import Any

import numpy as np
import numpy.typing as npt


class ReadAhead:
    """Reads frames; the one that is expected next in a thread of its own, if the array may be read in any thread.

    Parameters
    ----------
    frames : array-like
        (T, ...), sliced one frame at a time, such as :class:`~napari_sam2.images.planes.FramePlanes`. Only where its attribute
        ``is_thread_safe`` is True a thread reads.
    """

    def __init__(self, frames: Any) -> None:
        self._frames = frames
        self._is_possible: bool = getattr(frames, "is_thread_safe", False)
        self._expected: int | None = None
        self._ahead: tuple[int, Future[npt.NDArray[Any]]] | None = None

    def expect(self, frame: int | None) -> None:
        """Let a frame be read as soon as the present one has been; None for none."""
        self._expected = frame if self._is_possible else None

    def stop(self) -> None:
        """Expect nothing any more, and give up what is being read."""
        self._expected = self._ahead = None

    def read(self, frame: int) -> npt.NDArray[Any]:
        """Read a frame; what fails when it is read ahead fails here."""
        ahead, self._ahead = self._ahead, None
        plane = ahead[1].result() if ahead is not None and ahead[0] == frame else np.asarray(self._frames[frame])
        if self._expected is not None:
            self._ahead = self._expected, self._start(self._expected)
            self._expected = None
        return plane

    def _start(self, frame: int) -> Future[npt.NDArray[Any]]:
        found: Future[npt.NDArray[Any]] = Future()

        def run() -> None:
            try:
                plane = np.asarray(self._frames[frame])
            except BaseException as error:  # raised where the frame is asked for
                found.set_exception(error)
            else:
                found.set_result(plane)

        # A daemon: nobody waits for a file server that does not answer.
        threading.Thread(target=run, name="napari-sam2 reads ahead", daemon=True).start()
        return found
