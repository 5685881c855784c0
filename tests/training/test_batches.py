"""Batches of a training stage: seeded by their step, of the length, kind and source that the stage defines."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from napari_sam2.training import batches
from napari_sam2.training.batches import Batch, StageBatches
from napari_sam2.training.clips import ClipBatch
from napari_sam2.training.real_stacks import LabelledStack
from napari_sam2.training.recipe import MICRO_RECIPE, Stage
from training.drifting_discs import drifting_discs

SMALL = {"image_size": 64, "clips_per_step": 2, "objects_per_clip": 2}
CLIPS = Stage("clips", "prompts", steps=24, num_frames=3, **SMALL)


def frames_of(batch: Batch) -> torch.Tensor:
    return batch[0] if isinstance(batch, tuple) else batch.frames


def clip_batch(stage: Stage, step: int, stacks: list[LabelledStack] | None = None, rank: int = 0) -> ClipBatch:
    batch = StageBatches(stage, 0, 0, stacks or [], rank)[step]
    assert isinstance(batch, ClipBatch)
    return batch


def discs(num_frames: int, is_sequence: bool = True) -> LabelledStack:
    image, labels = drifting_discs(num_frames)
    return LabelledStack(image, labels, is_sequence)


@pytest.mark.parametrize("stage", MICRO_RECIPE.stages, ids=lambda stage: stage.name)
def test_a_batch_depends_on_its_step_alone(stage: Stage) -> None:
    small = dataclasses.replace(stage, image_size=64, clips_per_step=2)
    first, again, other = (frames_of(StageBatches(small, 0, 0, [])[i]) for i in (5, 5, 6))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize(("stage_index", "seed", "rank"), [(1, 0, 0), (0, 1, 0), (0, 0, 1)])
def test_stage_seed_and_rank_change_a_batch(stage_index: int, seed: int, rank: int) -> None:
    assert not torch.equal(frames_of(StageBatches(CLIPS, stage_index, seed, [], rank)[0]), clip_batch(CLIPS, 0).frames)


def test_a_batch_has_the_size_of_its_stage() -> None:
    batch = clip_batch(CLIPS, 0)
    assert len(StageBatches(CLIPS, 0, 0, [])) == 24
    assert batch.frames.shape == (3, 2, 3, 64, 64)
    assert batch.masks.shape == (3, len(batch.clip_of_object), 64, 64)
    assert np.bincount(batch.clip_of_object.numpy()).max() <= 2


def test_a_stage_on_dense_targets_has_frames_and_targets() -> None:
    frames, targets = StageBatches(Stage("dense", "dense", steps=1, **SMALL), 0, 0, [])[0]
    assert (frames.shape, targets.shape) == ((2, 3, 64, 64), (2, 4, 64, 64))


def test_some_steps_are_on_single_images_in_all_processes_alike() -> None:
    mixed = dataclasses.replace(CLIPS, image_share=0.5, images_per_step=1, objects_per_image=1)
    sizes = [[clip_batch(mixed, step, rank=rank).frames.shape[:2] for step in range(8)] for rank in (0, 1)]
    assert set(sizes[0]) == {(3, 2), (1, 1)}
    assert sizes[0] == sizes[1]


def test_clips_of_unsupervised_frames_have_any_length() -> None:
    stage = dataclasses.replace(CLIPS, num_frames=6, supervised_frames=2, moving_window_share=0.5, clips_per_step=1)
    assert {clip_batch(stage, step).num_frames for step in range(12)} == {3, 4, 5, 6}


def test_moving_windows_change_frames_and_labels() -> None:
    still, moving = (clip_batch(dataclasses.replace(CLIPS, moving_window_share=share), 0) for share in (0.0, 1.0))
    assert not torch.equal(still.frames, moving.frames)
    assert still.masks.shape[2:] == moving.masks.shape[2:]


def test_stacks_that_are_too_short_are_not_sampled_beside_longer_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    sampled = []
    sample = batches.sample_real_clip
    monkeypatch.setattr(batches, "sample_real_clip", lambda stack, *rest: sampled.append(stack) or sample(stack, *rest))
    short, images, long = discs(2), discs(5, is_sequence=False), discs(5)
    real = dataclasses.replace(CLIPS, real_share=1.0)
    for step in range(4):
        clip_batch(real, step, [short, images, long])
    assert {id(stack) for stack in sampled} == {id(long)}
    sampled.clear()
    for step in range(6):
        clip_batch(dataclasses.replace(real, num_frames=1), step, [short, images, long])
    assert {id(stack) for stack in sampled} == {id(short), id(images), id(long)}


def test_clips_are_synthetic_or_of_stacks(monkeypatch: pytest.MonkeyPatch) -> None:
    sources = []
    for source in ("synthetic_clip", "sample_real_clip"):
        draw = getattr(batches, source)
        monkeypatch.setattr(batches, source, lambda *given, s=source, draw=draw: sources.append(s) or draw(*given))
    for share, expected in ((0.0, {"synthetic_clip"}), (0.5, {"synthetic_clip", "sample_real_clip"}), (1.0, {"sample_real_clip"})):
        sources.clear()
        for step in range(4):
            clip_batch(dataclasses.replace(CLIPS, real_share=share), step, [discs(5)])
        assert set(sources) == expected
    sources.clear()
    clip_batch(dataclasses.replace(CLIPS, real_share=1.0), 0)
    assert set(sources) == {"synthetic_clip"}


def test_stacks_without_a_large_object_have_one_sentence() -> None:
    labels = np.zeros((4, 64, 64), np.uint16)
    labels[:, 5, 5] = 1
    stack = LabelledStack(np.zeros((4, 64, 64), np.uint8), labels, is_sequence=True)
    stage = dataclasses.replace(CLIPS, clips_per_step=1, real_share=1.0)
    with pytest.raises(ValueError, match="none of 200 clips cut from the labelled stacks has an object that is large enough"):
        StageBatches(stage, 0, 0, [stack])[0]
