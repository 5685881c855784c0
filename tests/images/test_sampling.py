"""A few frames spread through a stack."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_sam2.images.sampling import read_sample, sample_frames


class Frames:
    """Frames of which each is its own number, and of which some cannot be read."""

    def __init__(self, count: int, broken: frozenset[int] = frozenset(), size: tuple[int, int] = (1, 1)) -> None:
        self.shape, self.broken = (count, *size), broken
        self.read: list[int] = []

    def __getitem__(self, frame: int) -> np.ndarray:
        self.read.append(frame)
        if frame in self.broken:
            raise OSError(f"frame {frame} cannot be read")
        return np.full(self.shape[1:], frame)


@given(st.integers(1, 100), st.integers(2, 20))
def test_frames_are_spread_from_the_first_to_the_last(count: int, most: int) -> None:
    found = [int(plane[0, 0]) for plane in read_sample(Frames(count), most)]
    assert found == sorted(set(found))
    assert (found[0], found[-1], len(found)) == (0, count - 1, min(count, most))
    steps = np.diff(found)
    assert len(steps) == 0 or steps.max() - steps.min() <= 1


@given(st.integers(1, 40), st.frozensets(st.integers(0, 39)))
def test_frames_that_cannot_be_read_are_left_out(count: int, broken: frozenset[int]) -> None:
    wanted = [int(plane[0, 0]) for plane in read_sample(Frames(count))]
    left = [frame for frame in wanted if frame not in broken]
    frames = Frames(count, broken)
    if left:
        assert [int(plane[0, 0]) for plane in read_sample(frames)] == left
    else:
        with pytest.raises(OSError, match="frame 0 cannot be read"):
            list(read_sample(frames))
    assert frames.read == wanted


def test_frames_are_read_one_after_another() -> None:
    frames = Frames(100)
    sample = read_sample(frames, 3)
    next(sample)
    assert frames.read == [0]
    next(sample)
    assert frames.read == [0, 50]


@pytest.mark.parametrize(("size", "thinned"), [((10, 20), (10, 20)), ((1000, 1000), (500, 500)), ((1500, 1501), (500, 501))])
def test_large_frames_are_thinned_out(size: tuple[int, int], thinned: tuple[int, int]) -> None:
    """By whole steps, so that about 250 000 pixels are left of each, and never fewer than that."""
    assert sample_frames(Frames(2, size=size)).shape == (2, *thinned)
