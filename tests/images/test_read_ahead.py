"""The next frame is read while the present one is worked on."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from napari_sam2.images.read_ahead import ReadAhead

PATIENCE_S = 30.0


class Frames:
    """Frames of which one is read when it is released, and which note who reads them."""

    is_thread_safe = True

    def __init__(self, *held: int) -> None:
        self.released = {frame: threading.Event() for frame in held}
        self.asked = {frame: threading.Event() for frame in range(9)}
        self.read: list[tuple[int, bool]] = []

    def __getitem__(self, frame: int) -> npt.NDArray[Any]:
        self.read.append((frame, threading.current_thread() is threading.main_thread()))
        self.asked[frame].set()
        if frame in self.released:
            assert self.released[frame].wait(PATIENCE_S)
        if frame == 5:
            raise OSError("the disk is gone")
        return np.full(2, frame)


def test_while_a_frame_is_worked_on_the_next_one_is_read() -> None:
    frames = Frames(2)
    reading = ReadAhead(frames)
    reading.expect(2)
    assert reading.read(1).tolist() == [1, 1]
    assert frames.asked[2].wait(PATIENCE_S), "reading begins although nobody waits for it"
    reading.expect(3)
    frames.released[2].set()
    assert reading.read(2).tolist() == [2, 2]
    assert reading.read(3).tolist() == [3, 3]
    assert frames.read == [(1, True), (2, False), (3, False)]


def test_another_frame_than_the_expected_one_is_read_at_once() -> None:
    frames = Frames(2)
    reading = ReadAhead(frames)
    reading.expect(2)
    reading.read(1)
    assert reading.read(7).tolist() == [7, 7]
    frames.released[2].set()
    assert sorted(frames.read) == [(1, True), (2, False), (7, True)]


def test_what_fails_fails_where_the_frame_is_asked_for() -> None:
    reading = ReadAhead(Frames())
    reading.expect(5)
    reading.read(4)
    with pytest.raises(OSError, match=r"^the disk is gone$"):
        reading.read(5)
    assert reading.read(6).tolist() == [6, 6]


def test_nobody_waits_for_a_frame_that_is_not_needed_any_more() -> None:
    frames = Frames(2)
    reading = ReadAhead(frames)
    reading.expect(2)
    reading.read(1)
    reading.expect(3)
    reading.stop()
    assert reading.read(4).tolist() == [4, 4]
    frames.released[2].set()
    assert sorted(frames.read) == [(1, True), (2, False), (4, True)], "and nothing more is expected"


def test_an_array_of_which_nothing_is_known_is_read_in_this_thread_alone() -> None:
    class Plain(Frames):
        is_thread_safe = False

    frames = Plain()
    reading = ReadAhead(frames)
    reading.expect(2)
    reading.read(1)
    reading.read(2)
    assert frames.read == [(1, True), (2, True)]
