"""Synthetic clips: what annotators do and what photographs give them."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import numpy as np
import pytest

from napari_sam2.training import looks, synthetic
from napari_sam2.training.clips import Clip, should_be_turned
from napari_sam2.training.looks import PHOTOGRAPHS, Style, blur_along_z, draw_photograph, natural
from napari_sam2.training.scenes import make_scene
from napari_sam2.training.synthetic import synthetic_clip


def test_the_same_state_draws_the_same_clip() -> None:
    first, second = (synthetic_clip(np.random.default_rng(3), 3, 64) for _ in range(2))
    np.testing.assert_array_equal(first.frames, second.frames)
    np.testing.assert_array_equal(first.labels, second.labels)


def clips_of(look: looks.Look, monkeypatch: pytest.MonkeyPatch, generosity: float) -> list[Clip]:
    for name in ("FREE_LOOKS", "SLICED_LOOKS", "TISSUE_LOOKS"):
        monkeypatch.setattr(synthetic, name, (look,))
    monkeypatch.setattr(synthetic, "GENEROSITY", generosity)
    return [synthetic_clip(np.random.default_rng(seed), 1, 128) for seed in range(16)]


def test_some_annotators_are_generous_where_things_glow(monkeypatch: pytest.MonkeyPatch) -> None:
    exact, generous = (clips_of(looks.filled, monkeypatch, share) for share in (0.0, 0.8))
    wider = 0
    for one, other in zip(exact, generous, strict=True):
        np.testing.assert_array_equal(one.frames, other.frames)
        inside = one.labels > 0
        np.testing.assert_array_equal(other.labels[inside], one.labels[inside])
        wider += (other.labels > 0).sum() > inside.sum()
    assert 0 < wider < 13


def test_a_body_is_seen_in_slices_above_and_below_it_but_not_on_a_single_image(monkeypatch: pytest.MonkeyPatch) -> None:
    blurred = []
    monkeypatch.setattr(synthetic, "blur_along_z", lambda frames, sigma, spread_px: blurred.append((len(frames), sigma)) or frames)
    for num_frames in (1, 3):
        for seed in range(20):
            clip = synthetic_clip(np.random.default_rng(seed), num_frames, 64)
            assert clip.labels.shape[1:] == (num_frames, 64, 64)
    assert len(blurred) > 3
    assert all(length == 3 + 2 * synthetic.AXIAL_MARGIN and 0.5 <= sigma <= 4.5 for length, sigma in blurred)


def test_an_outline_that_is_seen_is_where_the_label_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    exact, generous = (clips_of(looks.rings, monkeypatch, share) for share in (0.0, 0.8))
    for one, other in zip(exact, generous, strict=True):
        np.testing.assert_array_equal(one.labels, other.labels)


def test_photographs_are_cut_to_one_size_and_range() -> None:
    for seed in range(20):
        photograph = draw_photograph(np.random.default_rng(seed))
        assert photograph.shape == (256, 256)
        assert photograph.dtype == np.float32
        assert 0 <= photograph.min() < photograph.max() <= 1


def test_a_photograph_moves_with_the_thing_it_is_on() -> None:
    plane = make_scene(np.random.default_rng(0), 1, 64, tissue=False, sliced=False, large=True).planes[0]
    style = Style(np.random.default_rng(1), make_scene(np.random.default_rng(0), 1, 64, False, False, large=True))
    photograph = draw_photograph(np.random.default_rng(2))
    on_objects = style.photograph_on_objects(plane, photograph)
    for axis in (0, 1):
        moved = {name: np.roll(getattr(plane, name), 5, axis) for name in ("u", "v", "labels")}
        plane = dataclasses.replace(plane, **moved)
        on_objects = np.roll(on_objects, 5, axis)
        np.testing.assert_array_equal(style.photograph_on_objects(plane, photograph), on_objects)


def test_the_scenery_passes_by_when_the_camera_pans() -> None:
    scene = make_scene(np.random.default_rng(0), 1, 64, tissue=False, sliced=False, large=True)
    styles = [Style(np.random.default_rng(seed), scene) for seed in range(20)]
    still = [style for style in styles if not style.pan_px.any()]
    assert 1 <= len(still) <= 15
    scenery = np.random.default_rng(0).random((64, 64)).astype(np.float32)
    np.testing.assert_array_equal(still[0].scenery_at(scenery, 7), still[0].scenery_at(scenery, 0))
    style = styles[0]
    style.pan_px = np.array([3.0, -5.0])
    seen = [style.scenery_at(scenery, frame) for frame in (0, 1)]
    np.testing.assert_array_equal(seen[1][:-3, 5:], seen[0][3:, :-5])


def test_photographs_need_no_download() -> None:
    code = (
        "import sys; sys.modules['pooch'] = None\n"
        "import numpy as np\n"
        "from napari_sam2.training.looks import PHOTOGRAPHS, _read_photograph\n"
        "print(sum(_read_photograph(name).ndim == 2 for name in PHOTOGRAPHS))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == [str(len(PHOTOGRAPHS))]


def test_natural_scenes_are_drawn_or_photographed() -> None:
    kinds = set()
    for seed in range(8):
        scene = make_scene(np.random.default_rng(seed), 1, 64, tissue=False, sliced=False, large=True)
        style = Style(np.random.default_rng(seed), scene)
        assert natural(scene.planes[0], style).shape == (64, 64)
        kinds.add(style.photographs is None)
    assert kinds == {True, False}


def test_what_is_out_of_focus_is_dim_and_wide() -> None:
    frames = [np.zeros((64, 64), np.float32) for _ in range(17)]
    frames[8][30:34, 30:34] = 1
    blurred = blur_along_z(frames, 1.5, spread_px=2.0)
    widths = [np.sqrt((np.arange(64) - 31.5) ** 2 @ frame.sum(0) / frame.sum()) for frame in (blurred[8], blurred[9], blurred[11])]
    assert widths[0] < widths[1] < widths[2]
    assert widths[0] == pytest.approx(np.sqrt(5 / 4), abs=1e-3), "what is in focus is not blurred sideways"
    assert widths[2] > 4
    assert [frame.sum() for frame in blurred] == pytest.approx([frame.sum() for frame in blur_along_z(frames, 1.5)], abs=0.02)


def test_clips_begin_where_most_is_to_be_seen_mostly() -> None:
    rng, grows = np.random.default_rng(0), np.zeros((3, 4, 4), np.uint16)
    grows[1, 0, 0] = grows[2, :2, 0] = 1
    shares = [np.mean([should_be_turned(labels, rng) for _ in range(1000)]) for labels in (grows, grows[::-1])]
    assert shares == pytest.approx([0.85, 0.15], abs=0.03)


def test_only_what_is_cut_into_slices_is_turned(monkeypatch: pytest.MonkeyPatch) -> None:
    """A division that runs backward is none."""
    monkeypatch.setattr(synthetic, "should_be_turned", lambda labels, rng: True)
    turned = [synthetic_clip(np.random.default_rng(seed), 3, 32) for seed in range(40)]
    monkeypatch.setattr(synthetic, "should_be_turned", lambda labels, rng: False)
    same = [
        np.array_equal(clip.labels, synthetic_clip(np.random.default_rng(seed), 3, 32).labels) for seed, clip in enumerate(turned)
    ]
    assert 15 < sum(same) < 40
