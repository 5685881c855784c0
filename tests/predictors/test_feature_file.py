"""Features come back from the file as they were, and nothing fails without it."""

from __future__ import annotations

from typing import IO, Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_sam2.predictors import feature_file
from napari_sam2.predictors.feature_file import FeatureFile
from napari_sam2.predictors.frame_features import FrameFeatures
from napari_sam2.predictors.frames import open_frames
from napari_sam2.predictors.zoom import View
from tiny_models import TINY_HIERA, tiny_predictor


def levels(key: int) -> list[torch.Tensor]:
    """Of two dtypes; not contiguous."""
    generator = torch.Generator().manual_seed(key)
    return [torch.randn(3, 5, generator=generator).T, torch.randn(2, 4, generator=generator).bfloat16()]


NUM_BYTES = 15 * 4 + 8 * 2


@settings(deadline=None)
@given(calls=st.lists(st.tuples(st.booleans(), st.integers(0, 5)), max_size=30), room=st.integers(0, 4))
def test_what_was_used_last_comes_back(calls: list[tuple[bool, int]], room: int) -> None:
    kept = FeatureFile(room * NUM_BYTES + NUM_BYTES // 2)
    order: list[int] = []
    for is_put, key in calls:
        if is_put:
            kept.put(key, levels(key))
            if key not in order:
                order = [*order, key][-room:] if room else []
            continue
        found = kept.get(key)
        assert (found is not None) == (key in order)
        if found is not None:
            order.remove(key)
            order.append(key)
            for one, other in zip(found, levels(key), strict=True):
                assert one.dtype == other.dtype
                assert torch.equal(one, other)
    assert all(key in kept for key in order)
    kept.close()
    assert kept.get(0) is None


def test_tensors_of_other_shapes_begin_anew() -> None:
    kept = FeatureFile(10**6)
    kept.put(0, levels(0))
    kept.put(1, [torch.zeros(2)])
    assert kept.get(0) is None
    assert kept.get(1) is not None


def test_where_there_is_no_room_nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(purpose: str) -> None:
        raise OSError(f"{purpose}: no space left")

    monkeypatch.setattr(feature_file, "temporary_file", full)
    kept = FeatureFile(10**6)
    kept.put(0, levels(0))
    assert kept.get(0) is None


class FailsOnce:
    """A file whose next reading fails."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file, self.fails = file, True

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)

    def readinto(self, buffer: memoryview) -> int:
        if self.fails:
            self.fails = False
            raise OSError("Input/output error")
        return self.file.readinto(buffer)


def test_after_a_reading_that_failed_no_tensor_lies_in_the_place_of_another() -> None:
    kept = FeatureFile(10 * NUM_BYTES)
    for key in range(3):
        kept.put(key, levels(key))
    kept._file = FailsOnce(kept._file)
    assert kept.get(0) is None
    for key in (3, 4):
        kept.put(key, levels(key))
    for key in range(5):
        found = kept.get(key)
        assert found is None or all(torch.equal(*pair) for pair in zip(found, levels(key), strict=True)), key
    assert kept.get(4) is not None


@torch.inference_mode()
def test_a_second_pass_encodes_no_whole_frame_again() -> None:
    video = np.random.default_rng(0).integers(0, 255, (4, 32, 32), np.uint8)
    features = FrameFeatures(tiny_predictor(TINY_HIERA), open_frames(video, 64), budget_bytes=0)
    window = View(3, 5, 16, 20)
    first = [[level.clone() for level in features.get(frame).vision_feats] for frame in range(4)]
    features.get(0, window)
    assert features.num_encoded == 5
    for frame in (2, 0, 3, 1):
        again = features.get(frame)
        for one, other in zip(again.vision_feats, first[frame], strict=True):
            assert torch.equal(one, other)
        assert again.feat_sizes == features.get(frame).feat_sizes
    assert features.num_encoded == 5
    features.get(0, window)
    assert features.num_encoded == 6
    features.clear()
    features.get(2)
    assert features.num_encoded == 7
