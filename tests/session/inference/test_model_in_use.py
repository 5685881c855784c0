"""The model of a session sees frames at the size of its input, through windows or whole, and can be replaced by another."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from blob_tracker import blob_session
from napari_sam2.images.stack import Stack
from napari_sam2.predictors.memory_bank import MaskOrigin, MemoryGate, ObjectMemory
from napari_sam2.predictors.zoom import View
from napari_sam2.session.inference.model_in_use import ModelInUse
from packed_records import record_of
from tiny_models import TINY, tiny_predictor

SHAPE = (40, 80)
MOVIE = np.random.default_rng(0).integers(0, 1000, (3, *SHAPE), np.uint16)
RANGES = ((100.0, 900.0),)
MODEL, ZOOMED = tiny_predictor(), tiny_predictor(replace(TINY, name="zoomed", zoom=3.0))


def in_use(zoom: Any = "auto", model: Any = MODEL, image: Any = MOVIE, ranges: Any = RANGES, gate: Any = None) -> ModelInUse:
    return ModelInUse(model, Stack.open(image), ranges, "float32", zoom, gate)


@pytest.mark.parametrize(
    ("zoom", "model", "object_sizes"),
    [("auto", MODEL, None), ("auto", ZOOMED, 3.0), (None, ZOOMED, None), (2, MODEL, 2.0), (5.5, ZOOMED, 5.5)],
)
def test_windows_are_as_asked_for_or_as_the_model_was_trained(zoom: Any, model: Any, object_sizes: float | None) -> None:
    chosen = in_use(zoom, model)
    assert chosen.object_sizes == object_sizes
    assert (chosen.zoom is None) == (object_sizes is None)
    assert chosen.zoom is None or chosen.zoom.frame_shape == SHAPE
    assert chosen.tracker.zoom is chosen.zoom


@pytest.mark.parametrize("zoom", [0.5, 1, -3, np.inf, np.nan, "near", "4", True, [2]])
def test_a_zoom_that_is_none_is_refused(zoom: Any) -> None:
    with pytest.raises(ValueError, match="zoom is the side of a window in object sizes, above 1, or None for whole frames, got "):
        in_use(zoom)


def test_with_another_model_all_that_depends_on_it_is_another() -> None:
    """But for the windows, where somebody asked for them."""
    auto, asked = in_use(), in_use(4)
    small = tiny_predictor(replace(TINY, name="small", image_size=32, zoom=3.0))
    for chosen, object_sizes in ((auto, 3.0), (asked, 4.0)):
        before = chosen.tracker
        chosen.use(small)
        assert chosen.model is small is chosen.tracker.model
        assert chosen.tracker is not before
        assert (chosen.object_sizes, chosen.frame_shape, chosen.whole) == (object_sizes, SHAPE, View(0, 0, *SHAPE))
        assert chosen.preview(0, None).shape == (32, 32, 3)
        chosen.use(MODEL)
    assert (auto.object_sizes, asked.object_sizes) == (None, 4.0)
    assert auto.preview(0, None).shape == (64, 64, 3)


def test_a_gate_reaches_as_far_as_it_looks_back() -> None:
    official = in_use().reach
    assert in_use(gate=MemoryGate(look_back=official + 5)).reach == official + 5
    assert in_use(gate=MemoryGate(look_back=1)).reach == official


# --- what it sees ------------------------------------------------------------------------------------------------------


def grey(frame: Any) -> np.ndarray:
    return np.rint(255 * np.clip((frame.astype(float) - 100) / 800, 0, 1)).astype(np.uint8)


def test_a_frame_at_the_resolution_of_the_data() -> None:
    np.testing.assert_array_equal(in_use().as_seen(1), grey(MOVIE[1]))
    colours = np.random.default_rng(1).integers(0, 256, (*SHAPE, 3), np.uint8)
    np.testing.assert_array_equal(in_use(image=colours, ranges=None).as_seen(0), colours)


def test_the_window_of_a_record_or_all_of_the_frame() -> None:
    image = np.zeros((2, 64, 64), np.uint16)
    image[1, 8:24, 40:56] = 900
    image[1, 8:24, 40:48] = 420
    seen = in_use(image=image)
    record = record_of(torch.zeros(4, 4), torch.zeros(1), 0.0, 0.0, view=View(8, 40, 16, 16))
    whole = seen.preview(1, None)
    assert (whole.shape, whole.dtype) == ((64, 64, 3), np.uint8)
    np.testing.assert_array_equal(whole, np.repeat(grey(image[1])[..., None], 3, axis=2))
    np.testing.assert_array_equal(seen.preview(1, replace(record, view=None)), whole)
    window = seen.preview(1, record)
    assert window.shape == (64, 64, 3)
    # It is enlarged smoothly: the border in the middle is not sharp.
    assert np.unique(window[:, :20]).tolist() == [102]
    assert np.unique(window[:, 44:]).tolist() == [255]


def test_preview_is_what_the_model_sees() -> None:
    image = np.zeros((2, 64, 64), np.uint16)
    image[1, :32] = 1000
    image[1, 0, 0] = 500
    expected = np.zeros((64, 64), np.uint8)
    expected[:32] = 255
    expected[0, 0] = 128
    np.testing.assert_array_equal(blob_session(image).preview(1), np.repeat(expected[..., None], 3, axis=2))
    np.testing.assert_array_equal(blob_session(image).preview(0), np.zeros((64, 64, 3), np.uint8))
    halved = blob_session(image, intensity_range=(0, 2000)).preview(1)
    assert np.unique(halved[:32]).tolist() == [64, 128]


def test_preview_of_uint8_is_the_image_itself() -> None:
    image = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3), np.uint8)
    np.testing.assert_array_equal(blob_session(image, "TYXC").preview(0), image[0])


def test_fewer_memories_are_recalled_with_whatever_model() -> None:
    chosen = ModelInUse(MODEL, Stack.open(MOVIE), RANGES, "float32", None, None, memories=2)
    record = record_of(torch.zeros(4, 4), torch.zeros(1), 1.0, 0.5)
    memory = ObjectMemory({0: record}, dict.fromkeys(range(1, 5), record))
    for model in (MODEL, ZOOMED):
        chosen.use(model)
        assert [(slot.frame, slot.offset) for slot in chosen.policy(5, memory, 9, False).memories] == [(0, 0), (4, 1)]
        assert chosen.tracker.policy is chosen.policy
    with pytest.raises(ValueError, match=r"^memories is 1 to 7 with this model, got 8$"):
        ModelInUse(MODEL, Stack.open(MOVIE), RANGES, "float32", None, None, memories=8)


# --- records of another model ------------------------------------------------------------------------------------------


def test_a_record_of_a_model_with_an_input_of_the_same_size_is_shown_as_it_is_and_never_recalled() -> None:
    record = record_of(torch.randn(16, 16), torch.ones(3), 2.0, 0.5, torch.ones(1), View(1, 2, 8, 8), 4)
    found = in_use().foreign(record, 64)
    assert found == replace(record, memory=None, origin=MaskOrigin.OTHER)
    assert found.mask_logits is record.mask_logits


@pytest.mark.parametrize(("size", "cells"), [(128, 32), (32, 8), (1024, 256)])
def test_one_of_another_size_is_shown_at_the_size_of_this_one(size: int, cells: int) -> None:
    logits = torch.full((cells, cells), -4.0)
    logits[: cells // 2] = 4.0
    found = in_use().foreign(record_of(logits, torch.ones(3), 2.0, 0.5, torch.ones(1), View(1, 2, 8, 8), 4), size)
    assert (found.mask_logits.shape, found.mask_logits.dtype) == ((16, 16), np.float32)
    np.testing.assert_array_equal(found.mask_logits > 0, np.arange(16)[:, None].repeat(16, 1) < 8)
    assert (found.memory, found.view, found.anchor_distance, found.object_score) == (None, View(1, 2, 8, 8), 4, 2.0)
