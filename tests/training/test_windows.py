"""Moving windows: image and labels stay aligned, and each shift and change of scale is limited."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_sam2.training.clips import Clip
from napari_sam2.training.windows import JUMP, MIN_SIDE, PACE, crop_moving_window


def ramp_clip(num_frames: int, size: int, colour: bool = False) -> Clip:
    """A still clip whose image is its label, and whose labels encode positions: 1 + row // 8 * 16 + column // 8."""
    rows, columns = np.indices((size, size)) // 8
    plane = (1 + rows * 16 + columns).astype(np.uint16)
    labels = np.repeat(plane[None], num_frames, axis=0)
    frames = labels.astype(np.uint8)
    return Clip(np.repeat(frames[..., None], 3, axis=-1) if colour else frames, labels[None])


@pytest.mark.parametrize("colour", [False, True])
@given(seed=st.integers(0, 2**32 - 1))
def test_image_and_labels_stay_aligned(colour: bool, seed: int) -> None:
    clip = ramp_clip(4, 64, colour)
    seen = crop_moving_window(clip, np.random.default_rng(seed))
    assert seen.frames.shape == clip.frames.shape
    assert seen.frames.dtype == np.uint8
    image = seen.frames[..., 0] if colour else seen.frames
    # Away from the edges between blocks, where pixels are blended, the image is the label.
    labels = seen.labels[0].astype(int)
    padded = np.pad(labels, ((0, 0), (2, 2), (2, 2)), mode="edge")
    around = [padded[:, y : y + 64, x : x + 64] for y in range(5) for x in range(5)]
    inside = np.all([each == labels for each in around], axis=0)
    assert inside.mean() > 0.2
    np.testing.assert_array_equal(image[inside], labels[inside])


@given(seed=st.integers(0, 2**32 - 1))
def test_shifts_and_scales_are_limited(seed: int) -> None:
    size = 64
    seen = crop_moving_window(ramp_clip(12, size), np.random.default_rng(seed), rest=0.0)
    positions = seen.labels[0].astype(int) - 1
    top, left = positions[:, 0, 0] // 16 * 8, positions[:, 0, 0] % 16 * 8
    bottom, right = positions[:, -1, -1] // 16 * 8 + 8, positions[:, -1, -1] % 16 * 8 + 8
    sides = (bottom - top + right - left) / 2
    assert sides.min() >= MIN_SIDE * size - 1
    for near, far in ((top, bottom), (left, right)):
        # Corners are measured to 8 pixels.
        assert np.abs(np.diff((near + far) / 2)).max() <= JUMP * size + (PACE - 1) * size + 8


def test_a_window_at_rest_is_constant() -> None:
    seen = crop_moving_window(ramp_clip(5, 64), np.random.default_rng(0), rest=1.0)
    assert all(np.array_equal(seen.frames[0], frame) for frame in seen.frames)
    assert all(np.array_equal(seen.labels[:, 0], seen.labels[:, t]) for t in range(5))


def test_the_same_generator_gives_the_same() -> None:
    first, second = (crop_moving_window(ramp_clip(5, 64), np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(first.frames, second.frames)
    np.testing.assert_array_equal(first.labels, second.labels)


def test_a_clip_without_objects_is_cropped_as_well() -> None:
    empty = Clip(np.zeros((3, 32, 32), np.uint8), np.zeros((1, 3, 32, 32), np.uint16))
    assert not crop_moving_window(empty, np.random.default_rng(0)).labels.any()
