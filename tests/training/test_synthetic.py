"""Synthetic clips: reproducible, with labels as annotators draw them, sectioned or in motion."""

from __future__ import annotations

import numpy as np
import pytest

from napari_sam2.training import appearance, synthetic
from napari_sam2.training.clips import Clip
from napari_sam2.training.synthetic import synthetic_clip


def test_the_same_state_gives_the_same_clip() -> None:
    first, second = (synthetic_clip(np.random.default_rng(3), 3, 64) for _ in range(2))
    np.testing.assert_array_equal(first.frames, second.frames)
    np.testing.assert_array_equal(first.labels, second.labels)


def clips_of(render: appearance.Appearance, monkeypatch: pytest.MonkeyPatch, label_margin: float) -> list[Clip]:
    for name in ("FREE_APPEARANCES", "SLICED_APPEARANCES", "TISSUE_APPEARANCES"):
        monkeypatch.setattr(synthetic, name, (render,))
    monkeypatch.setattr(synthetic, "LABEL_MARGIN", label_margin)
    return [synthetic_clip(np.random.default_rng(seed), 1, 128) for seed in range(16)]


def test_some_labels_of_glowing_objects_have_a_margin(monkeypatch: pytest.MonkeyPatch) -> None:
    exact, wide = (clips_of(appearance.filled, monkeypatch, margin) for margin in (0.0, 0.8))
    wider = 0
    for one, other in zip(exact, wide, strict=True):
        np.testing.assert_array_equal(one.frames, other.frames)
        inside = one.labels > 0
        np.testing.assert_array_equal(other.labels[inside], one.labels[inside])
        wider += (other.labels > 0).sum() > inside.sum()
    assert 0 < wider < 13


def test_slices_are_blurred_along_z_but_not_single_images(monkeypatch: pytest.MonkeyPatch) -> None:
    blurred = []
    monkeypatch.setattr(synthetic, "blur_along_z", lambda frames, sigma, spread_px: blurred.append((len(frames), sigma)) or frames)
    for num_frames in (1, 3):
        for seed in range(20):
            clip = synthetic_clip(np.random.default_rng(seed), num_frames, 64)
            assert clip.labels.shape[1:] == (num_frames, 64, 64)
    assert len(blurred) > 3
    assert all(length == 3 + 2 * synthetic.AXIAL_MARGIN and 0.5 <= sigma <= 4.5 for length, sigma in blurred)


def test_labels_of_visible_outlines_have_no_margin(monkeypatch: pytest.MonkeyPatch) -> None:
    exact, wide = (clips_of(appearance.rings, monkeypatch, margin) for margin in (0.0, 0.8))
    for one, other in zip(exact, wide, strict=True):
        np.testing.assert_array_equal(one.labels, other.labels)


def test_only_slices_are_reversed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A time-lapse backward would show divisions as fusions."""
    monkeypatch.setattr(synthetic, "should_be_reversed", lambda labels, rng: True)
    turned = [synthetic_clip(np.random.default_rng(seed), 3, 32) for seed in range(20)]
    monkeypatch.setattr(synthetic, "should_be_reversed", lambda labels, rng: False)
    same = [
        np.array_equal(clip.labels, synthetic_clip(np.random.default_rng(seed), 3, 32).labels) for seed, clip in enumerate(turned)
    ]
    assert 7 < sum(same) < 20


@pytest.mark.parametrize("seed", range(30))
def test_shapes_types_and_nested_labels(seed: int) -> None:
    clip = synthetic_clip(np.random.default_rng(seed), 3, 64)
    assert clip.frames.shape in ((3, 64, 64), (3, 64, 64, 3))
    assert clip.frames.dtype == np.uint8
    assert clip.labels.shape[1:] == (3, 64, 64)
    assert np.ptp(clip.frames) > 100
    if len(clip.labels) == 2:
        nested = clip.labels[1] > 0
        np.testing.assert_array_equal(clip.labels[1][nested], clip.labels[0][nested])
