"""Clips and their batches: which objects are chosen, how frames are normalised, and which clips are reversed."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_sam2.training.clips import MIN_AREA_PX, Clip, collate, normalise_frames, should_be_reversed


def clip_of(*layers: np.ndarray) -> Clip:
    labels = np.stack(layers).astype(np.uint16)
    return Clip(np.zeros(labels.shape[1:], np.uint8), labels)


def columns(widths: list[list[int]], size: int = 16) -> np.ndarray:
    """Labels 1, 2, ... as bands of full height, (T, size, size), with these widths on each frame."""
    labels = np.zeros((len(widths), size, size), np.uint16)
    for t, row in enumerate(widths):
        for index, width in enumerate(row):
            labels[t, :, 4 * index : 4 * index + width] = index + 1
    return labels


def test_labels_have_the_shape_of_the_frames() -> None:
    with pytest.raises(ValueError, match=r"labels of shape \(1, 2, 8, 8\) do not fit frames of shape \(2, 8, 9\)"):
        Clip(np.zeros((2, 8, 9), np.uint8), np.zeros((1, 2, 8, 8), np.uint16))
    assert Clip(np.zeros((2, 8, 8, 3), np.uint8), np.zeros((1, 2, 8, 8), np.uint16)).labels.shape == (1, 2, 8, 8)


def test_small_objects_are_not_listed() -> None:
    labels = np.zeros((2, 1, 10, 10), np.uint16)
    labels[0, 0].flat[:MIN_AREA_PX] = 3
    labels[0, 0].flat[MIN_AREA_PX : 2 * MIN_AREA_PX - 1] = 2
    labels[1, 0].flat[: MIN_AREA_PX + 1] = 9
    assert clip_of(*labels).objects_on(0) == [(0, 3), (1, 9)]


@pytest.mark.parametrize("colour", [False, True])
def test_frames_are_normalised_by_imagenet_statistics(colour: bool) -> None:
    values = np.array([[[0, 255], [51, 102]]], np.uint8)
    frames = np.stack([values, values // 3, 255 - values], axis=-1) if colour else values
    found = normalise_frames(frames)
    assert (found.shape, found.dtype) == ((1, 3, 2, 2), torch.float32)
    channels = np.moveaxis(frames, -1, 1) if colour else np.repeat(values[:, None], 3, axis=1)
    mean, deviation = (np.array(x)[:, None, None] for x in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    np.testing.assert_allclose(found.numpy(), (channels / 255 - mean) / deviation, rtol=1e-5, atol=1e-6)


def test_masks_belong_to_the_clips_that_have_objects() -> None:
    first, empty, last = (clip_of(columns([widths, widths])) for widths in ([3, 4], [0, 1], [0, 0, 2]))
    batch = collate([first, empty, last], 5, np.random.default_rng(0))
    assert batch is not None
    assert (batch.num_frames, batch.frames.shape, batch.masks.dtype) == (2, (2, 2, 3, 16, 16), torch.bool)
    assert batch.clip_of_object.tolist() == [0, 0, 1]
    assert sorted(batch.masks[0].flatten(1).sum(1).tolist()[:2]) == [3 * 16, 4 * 16]
    np.testing.assert_array_equal(batch.masks[:, 2], last.labels[0] == 3)


def test_a_batch_without_objects_is_none() -> None:
    assert collate([clip_of(columns([[1], [4]]))], 5, np.random.default_rng(0)) is None


@pytest.mark.parametrize(("limit", "disappearing"), [(1, 0), (2, 1), (3, 1), (4, 2)])
def test_up_to_half_of_the_objects_disappear_by_choice(limit: int, disappearing: int) -> None:
    """Object 1 and, in another layer, object 2 are absent on a later frame; three others are not."""
    layers = columns([[4, 4, 4, 0], [0, 4, 4, 0]]), columns([[0, 4, 4, 0], [0, 0, 4, 0]])
    chosen = [collate([clip_of(*layers)], limit, np.random.default_rng(seed)) for seed in range(30)]
    counts = [int((~batch.masks[1].flatten(1).any(1)).sum()) for batch in chosen if batch is not None]
    assert len(counts) == 30
    assert min(counts) == disappearing
    assert all(batch is not None and batch.masks.shape[1] == limit for batch in chosen)


def test_a_choice_depends_on_the_generator_alone() -> None:
    clip = clip_of(columns([[4, 4, 4, 4]]))
    first, again = (collate([clip], 2, np.random.default_rng(5)) for _ in range(2))
    assert first is not None
    assert again is not None
    assert torch.equal(first.masks, again.masks)


def test_a_batch_moves_to_a_device() -> None:
    batch = collate([clip_of(columns([[4]]))], 1, np.random.default_rng(0))
    assert batch is not None
    moved = batch.to("meta")
    assert {x.device.type for x in (moved.frames, moved.masks, moved.clip_of_object)} == {"meta"}


def test_most_clips_begin_with_the_end_that_shows_more() -> None:
    rng, grows = np.random.default_rng(0), np.zeros((3, 4, 4), np.uint16)
    grows[1, 0, 0] = grows[2, :2, 0] = 1
    shares = [np.mean([should_be_reversed(labels, rng) for _ in range(1000)]) for labels in (grows, grows[::-1])]
    assert shares == pytest.approx([0.85, 0.15], abs=0.03)
