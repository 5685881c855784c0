"""Each frame is encoded once, within a budget."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_sam2.predictors.frame_features import EncodedFrame, FrameFeatures
from napari_sam2.predictors.frames import open_frames
from napari_sam2.predictors.zoom import View
from tiny_models import TINY_HIERA, tiny_predictor

T = 4


@pytest.fixture(scope="module")
def features() -> FrameFeatures:
    video = np.random.default_rng(0).integers(0, 255, (T, 32, 32), np.uint8)
    return FrameFeatures(tiny_predictor(TINY_HIERA), open_frames(video, 64))


def test_each_frame_is_encoded_once_while_the_budget_lasts() -> None:
    model = tiny_predictor(TINY_HIERA)
    frames = open_frames(np.zeros((4, 32, 32), np.uint8), 64)
    with torch.inference_mode():
        plenty = FrameFeatures(model, frames)
        for frame in (0, 1, 2, 1, 0):
            plenty.get(frame)
        assert plenty.num_encoded == 3
        one_frame = FrameFeatures(model, frames, budget_bytes=0, file_bytes=0)
        for frame in (0, 0, 1, 0):
            one_frame.get(frame)
        assert one_frame.num_encoded == 3


def test_a_frame_that_is_not_there_is_an_index_error(features: FrameFeatures) -> None:
    for frame in (-1, T):
        with pytest.raises(IndexError, match=f"there are {T}"):
            features.get(frame)


@torch.inference_mode()
def test_the_least_recently_used_frame_is_dropped_first() -> None:
    frames = open_frames(np.zeros((4, 32, 32), np.uint8), 64)
    model = tiny_predictor(TINY_HIERA)
    of_one = FrameFeatures(model, frames).get(0).num_bytes
    two = FrameFeatures(model, frames, budget_bytes=2 * of_one, file_bytes=0)
    for frame, encoded in ((0, 1), (1, 2), (0, 2), (2, 3), (0, 3), (1, 4)):
        two.get(frame)
        assert two.num_encoded == encoded, frame
    two.clear()
    two.get(1)
    assert two.num_encoded == 5


@torch.inference_mode()
def test_a_batch_of_views_equals_views_one_by_one(features: FrameFeatures) -> None:
    views = [None, View(3, 5, 16, 20), None]
    batch, whole, part = features.get_batch(2, views), features.get(2), features.get(2, views[1])
    for level, of_whole, of_part in zip(batch.vision_feats, whole.vision_feats, part.vision_feats, strict=True):
        assert torch.equal(level, torch.cat([of_whole, of_part, of_whole], 1))
        assert not torch.equal(of_whole, of_part)
    assert (batch.vision_pos is whole.vision_pos, batch.feat_sizes) == (True, whole.feat_sizes)


@torch.inference_mode()
def test_where_it_pays_windows_are_encoded_in_one_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    model, video = tiny_predictor(TINY_HIERA), np.random.default_rng(0).integers(0, 255, (T, 32, 32), np.uint8)
    one_by_one, together = (FrameFeatures(model, open_frames(video, 64)) for _ in range(2))
    assert not one_by_one.encodes_together, "on a CPU"
    together.encodes_together = True
    views = [None, View(3, 5, 16, 20), View(0, 0, 16, 16), None]
    expected = one_by_one.get_batch(2, views)
    sizes, forward_image = [], model.forward_image
    monkeypatch.setattr(model, "forward_image", lambda images: sizes.append(len(images)) or forward_image(images))
    together.get(2, views[2])
    for _ in range(2):
        found = together.get_batch(2, views)
        for level, other in zip(expected.vision_feats, found.vision_feats, strict=True):
            torch.testing.assert_close(level, other, rtol=0, atol=1e-5)
    assert sizes == [1, 2], "what is there is not encoded again"
    assert together.num_encoded == 3


def encoded(value: float, sizes: tuple[tuple[int, int], ...] = ((4, 6), (2, 3))) -> EncodedFrame:
    levels = [torch.arange(h * w * 2, dtype=torch.float32).reshape(h * w, 1, 2) + value for h, w in sizes]
    return EncodedFrame(levels, torch.zeros(6, 1, 2), list(sizes))


def test_equal_views_take_no_memory_of_their_own() -> None:
    one = encoded(0)
    joined = EncodedFrame.join([one, one, one])
    assert [tuple(level.shape) for level in joined.vision_feats] == [(24, 3, 2), (6, 3, 2)]
    assert all(a.data_ptr() == b.data_ptr() for a, b in zip(joined.vision_feats, one.vision_feats, strict=True))
    assert one.num_bytes == 4 * 2 * (24 + 6)


def test_finer_levels_are_shown_as_maps() -> None:
    (finest,) = EncodedFrame.join([encoded(0), encoded(100)]).high_res_maps
    assert finest.shape == (2, 2, 4, 6)
    for b in range(2):
        for c in range(2):
            rows = [[100 * b + 2 * (6 * row + column) + c for column in range(6)] for row in range(4)]
            assert finest[b, c].tolist() == rows


def test_only_an_array_has_windows() -> None:
    features = FrameFeatures(tiny_predictor(TINY_HIERA), open_frames(torch.zeros(1, 3, 64, 64), 64))
    with pytest.raises(TypeError, match="only frames of an array can be cut to a window"):
        features.get(0, View(0, 0, 8, 8))
