"""Appearance of scenes: contrast of each kind of image, photographs, blur along z, exposure and colour."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import numpy as np
import pytest
from scipy import ndimage as ndi

from napari_sam2.training import appearance
from napari_sam2.training.appearance import (
    PHOTOGRAPHS,
    Appearance,
    Style,
    add_nuclei,
    blur_along_z,
    draw_photograph,
    expose_scene,
    natural,
    tint,
)
from napari_sam2.training.scenes import Plane, Scene, make_scene

SIZE = 64
ALL = sorted(
    {*appearance.FREE_APPEARANCES, *appearance.SLICED_APPEARANCES, *appearance.TISSUE_APPEARANCES}, key=lambda f: f.__name__
)


def disc_scene(radius: float = 20.0) -> Scene:
    """One disc in the middle."""
    rows, columns = np.indices((SIZE, SIZE), np.float32) - SIZE // 2
    rho = np.hypot(rows, columns) / np.float32(radius)
    labels = (rho < 1).astype(np.uint16)
    gap = np.full((SIZE, SIZE), 9, np.float32)
    plane = Plane(labels, rho, gap, columns, rows, np.array([0, 1], np.float32), np.zeros(2, np.float32), frame=0)
    return Scene([plane], radius)


def style_of(scene: Scene, seed: int = 0) -> Style:
    style = Style(np.random.default_rng(seed), scene)
    style.contrast, style.amount, style.fill = 1.0, 0.0, 0.0  # no texture
    return style


def large_scene(seed: int = 0) -> Scene:
    return make_scene(np.random.default_rng(seed), 1, SIZE, tissue=False, sliced=False, large=True)


@pytest.mark.parametrize("render", ALL, ids=lambda render: render.__name__)
def test_an_image_is_finite_and_depends_on_its_style_alone(render: Appearance) -> None:
    scene = make_scene(np.random.default_rng(1), 1, SIZE, tissue=False, sliced=False)
    first, again, other = (render(scene.planes[0], Style(np.random.default_rng(seed), scene)) for seed in (3, 3, 4))
    assert first.shape == (SIZE, SIZE)
    assert np.isfinite(first).all()
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_stained_bodies_are_bright_and_domed() -> None:
    scene = disc_scene()
    image = appearance.filled(scene.planes[0], style_of(scene))
    np.testing.assert_allclose([image[32, 32], image[32, 42], image[32, 0]], [1, 1 - 0.5 * 0.25, 0], atol=1e-6)


def test_a_ring_is_brightest_at_the_outline() -> None:
    scene = disc_scene()
    image = appearance.rings(scene.planes[0], style_of(scene))
    assert image[32, 51] == pytest.approx(1.1)  # rim at 0.95 radii over a body of 0.1
    assert image[32, 32] == pytest.approx(0.1)
    assert image[32, 63] == pytest.approx(0, abs=1e-6)


def test_membranes_are_dark_on_grey() -> None:
    scene = disc_scene()
    style = style_of(scene)
    style.contrast, style.texture = 0.0, np.zeros_like(style.texture)
    image = appearance.membranes(scene.planes[0], style)
    np.testing.assert_allclose([image[32, 52], image[32, 32], image[32, 0]], [0.2, 0.7, 0.7], atol=1e-3)


def test_a_wall_is_where_two_objects_are_equally_near() -> None:
    scene = disc_scene()
    scene.planes[0].gap[:, 40] = 0
    style = style_of(scene)
    style.field_noise = np.zeros_like(style.field_noise)
    image = appearance.walls(scene.planes[0], style)
    np.testing.assert_allclose(image[:, 40], 1)
    assert image[:, :40].max() < 1e-6


def test_phase_contrast_has_a_halo() -> None:
    scene = disc_scene()
    style = style_of(scene)
    style.light = 0.0
    image = appearance.phase(scene.planes[0], style)
    assert image[32, 53] > image[32, 0] + 0.1 > image[32, 32]


def test_dic_is_lit_from_one_side() -> None:
    scene = disc_scene()
    style = style_of(scene)
    style.light = 0.0  # along the columns
    image = appearance.dic(scene.planes[0], style)
    assert image[32, 14] > 0.6
    assert image[32, 50] < 0.4
    np.testing.assert_allclose(image + image[:, (-np.arange(SIZE)) % SIZE], 1, atol=0.3)
    assert image[32, 32] == pytest.approx(0.5, abs=0.02)


def test_textured_objects_have_the_level_of_their_background_but_a_larger_contrast() -> None:
    scene = disc_scene()
    image = appearance.textured(scene.planes[0], Style(np.random.default_rng(0), scene))
    inside = scene.planes[0].labels > 0
    assert image[inside].std() > 3 * image[~inside].std()


# --- photographs ---------------------------------------------------------------------------------------------------


def test_photographs_are_cut_to_one_size_and_range() -> None:
    for seed in range(20):
        photograph = draw_photograph(np.random.default_rng(seed))
        assert photograph.shape == (256, 256)
        assert photograph.dtype == np.float32
        assert 0 <= photograph.min() < photograph.max() <= 1


def test_a_photograph_moves_with_its_object() -> None:
    plane = large_scene().planes[0]
    style = Style(np.random.default_rng(1), large_scene())
    photograph = draw_photograph(np.random.default_rng(2))
    on_objects = style.photograph_on_objects(plane, photograph)
    for axis in (0, 1):
        moved = {name: np.roll(getattr(plane, name), 5, axis) for name in ("u", "v", "labels")}
        plane = dataclasses.replace(plane, **moved)
        on_objects = np.roll(on_objects, 5, axis)
        np.testing.assert_array_equal(style.photograph_on_objects(plane, photograph), on_objects)


def test_the_background_moves_with_the_camera() -> None:
    styles = [Style(np.random.default_rng(seed), large_scene()) for seed in range(20)]
    still = [style for style in styles if not style.pan_px.any()]
    assert 1 <= len(still) <= 15
    background = np.random.default_rng(0).random((64, 64)).astype(np.float32)
    np.testing.assert_array_equal(still[0].panned_background(background, 7), still[0].panned_background(background, 0))
    style = styles[0]
    style.pan_px = np.array([3.0, -5.0])
    panned = [style.panned_background(background, frame) for frame in (0, 1)]
    np.testing.assert_array_equal(panned[1][:-3, 5:], panned[0][3:, :-5])


def test_photographs_need_no_download() -> None:
    code = (
        "import sys; sys.modules['pooch'] = None\n"
        "from skimage import data\n"
        "print(*(getattr(data, name)().ndim for name in sys.argv[1:]))"
    )
    run = subprocess.run([sys.executable, "-c", code, *PHOTOGRAPHS], capture_output=True, text=True, check=True)
    assert set(run.stdout.split()) <= {"2", "3"}
    assert len(run.stdout.split()) == len(PHOTOGRAPHS)


def test_natural_images_are_drawn_or_photographed() -> None:
    kinds = set()
    for seed in range(8):
        scene = large_scene(seed)
        style = Style(np.random.default_rng(seed), scene)
        assert natural(scene.planes[0], style).shape == (64, 64)
        kinds.add(style.photographs is None)
    assert kinds == {True, False}


# --- nuclei, optics and camera -------------------------------------------------------------------------------------


def test_a_nucleus_lies_inside_its_body() -> None:
    scene = disc_scene()
    frames = [np.zeros((SIZE, SIZE), np.float32)]
    (labels,) = add_nuclei(np.random.default_rng(0), scene, frames)
    assert 0 < (labels > 0).sum() < (scene.planes[0].labels > 0).sum()
    assert set(np.unique(labels)) == {0, 1}
    inside = ndi.binary_erosion(labels > 0, iterations=3)
    levels = frames[0][inside]
    assert np.ptp(levels) < 0.01
    assert 0.25 <= abs(levels.mean()) <= 0.6
    assert abs(frames[0][32, 0]) < 1e-6


def test_out_of_focus_slices_are_dim_and_wide() -> None:
    frames = [np.zeros((64, 64), np.float32) for _ in range(17)]
    frames[8][30:34, 30:34] = 1
    blurred = blur_along_z(frames, 1.5, spread_px=2.0)
    widths = [np.sqrt((np.arange(64) - 31.5) ** 2 @ frame.sum(0) / frame.sum()) for frame in (blurred[8], blurred[9], blurred[11])]
    assert widths[0] < widths[1] < widths[2]
    assert widths[0] == pytest.approx(np.sqrt(5 / 4), abs=1e-3), "the slice in focus is not blurred sideways"
    assert widths[2] > 4
    assert [frame.sum() for frame in blurred] == pytest.approx([frame.sum() for frame in blur_along_z(frames, 1.5)], abs=0.02)


def test_without_lateral_blur_each_pixel_is_blurred_along_z_alone() -> None:
    frames = [np.zeros((4, 4), np.float32) for _ in range(9)]
    frames[4][1, 2] = 1
    blurred = np.stack(blur_along_z(frames, 1.0))
    weights = np.exp(-0.5 * np.arange(-4.0, 5) ** 2)
    np.testing.assert_allclose(blurred[:, 1, 2], weights / weights.sum(), atol=1e-6)
    assert np.count_nonzero(blurred[:, 0]) == 0


def test_one_exposure_for_all_frames() -> None:
    """All frames of a clip have the same mapping to 8 bit: a constant object stays as bright, but for noise and bleaching."""
    scene = disc_scene()
    image = appearance.filled(scene.planes[0], style_of(scene))
    inside, outside = scene.planes[0].rho < 0.5, scene.planes[0].rho > 1.4
    is_bright = []
    for seed in range(20):
        exposed = expose_scene(np.random.default_rng(seed), [image, image, image / 2], scene.radius_px)
        assert (exposed.shape, exposed.dtype) == ((3, SIZE, SIZE), np.uint8)
        contrast = [float(np.median(frame[inside])) - float(np.median(frame[outside])) for frame in exposed]
        assert abs(contrast[0]) > abs(contrast[2])
        assert abs(contrast[1] - contrast[0]) < 0.25 * abs(contrast[0])
        is_bright.append(contrast[0] > 0)
    assert 0 < is_bright.count(False) < 10, "some clips are inverted"


def test_each_object_has_a_colour_of_its_own() -> None:
    frames = np.full((2, 4, 6), 100, np.uint8)
    labels = np.zeros((2, 4, 6), np.uint16)
    labels[:, :, 2:4], labels[:, :, 4:] = 1, 2
    coloured = tint(np.random.default_rng(0), frames, labels)
    assert (coloured.shape, coloured.dtype) == ((2, 4, 6, 3), np.uint8)
    colours = [np.unique(coloured[labels == label], axis=0) for label in (0, 1, 2)]
    assert [len(colour) for colour in colours] == [1, 1, 1]
    assert len({tuple(colour[0]) for colour in colours}) == 3
    assert all(20 <= value <= 160 for colour in colours for value in colour[0])
