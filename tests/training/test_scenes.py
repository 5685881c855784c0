"""Geometry of scenes: divisions as under a microscope, and tracked objects that are not too small."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np

from napari_sam2.training.scenes import Blob, Mitosis, Scene, make_scene

MITOSIS = Mitosis(shrinkage=0.3, flattening=0.5, brightening=1.0, relaxation_frames=2.0, parting=0.4, spin=0.2)


def blob(**fields: object) -> Blob:
    still = Blob(
        centre=np.array([32.0, 32.0]),
        velocity=np.zeros(2),
        radius_px=10,
        elongation=1,
        angle=0,
        spin=0,
        amplitudes=np.zeros(2),
        phases=np.zeros(2),
        phase_rates=np.zeros(2),
        growth=0,
        brightness=0.5,
        arms=np.empty((0, 3)),
        mitosis=MITOSIS,
    )
    return dataclasses.replace(still, **fields)  # type: ignore[arg-type]


def test_a_child_is_born_small_flat_and_bright_and_relaxes() -> None:
    child = blob(first_frame=3, born_frame=3)
    assert child.radius_at(2) == 0
    assert (child.radius_at(3), child.elongation_at(3), child.brightness_at(3)) == (7, 1.5, 1)
    radii = [child.radius_at(t) for t in range(3, 12)]
    assert radii == sorted(radii)
    assert abs(child.radius_at(40) - 10) < 1e-3
    assert abs(child.brightness_at(40) - 0.5) < 1e-3


def test_a_parent_condenses_before_its_end() -> None:
    parent = blob(last_frame=9, divides=True)
    assert parent.condensation_at(0) < 0.01 < 0.5 < parent.condensation_at(9) < 1
    assert parent.elongation_at(9) == 1
    assert parent.radius_at(10) == 0


def test_an_object_without_a_division_is_constant() -> None:
    for still in (blob(), blob(mitosis=None), blob(last_frame=4)):
        assert (still.radius_at(4), still.elongation_at(4), still.brightness_at(4)) == (10, 1, 0.5)


def test_a_child_moves_apart_quickly_and_comes_to_rest() -> None:
    child, rng = blob(parting_velocity=np.array([4.0, 0.0]), parting_spin=0.2), np.random.default_rng(0)
    rows, angles = [], []
    for _ in range(3):
        child.step(rng, jitter_px=0)
        rows.append(child.centre[0])
        angles.append(child.angle)
    assert rows == [36, 38, 39]
    np.testing.assert_allclose(angles, [0.2, 0.3, 0.35])


def test_siblings_move_apart_in_opposite_directions() -> None:
    parent, rng = blob(angle=0.5), np.random.default_rng(0)
    first, second = parent.divide(3, rng)
    before = np.hypot(*(first.centre - second.centre))
    for child in (first, second):
        child.step(rng, jitter_px=0)
    assert np.hypot(*(first.centre - second.centre)) - before > 2 * 0.4 * 10
    np.testing.assert_allclose((first.centre + second.centre) / 2, parent.centre)
    assert (parent.last_frame, first.first_frame, second.born_frame) == (2, 3, 3)


def test_a_sectioned_body_fades_towards_its_ends() -> None:
    body = blob(section=(5.0, 4.0), fading=0.8, mitosis=None)
    np.testing.assert_allclose([body.brightness_at(z) for z in (1, 3, 5, 7, 9, 20)], [0.1, 0.4, 0.5, 0.4, 0.1, 0.1])


def test_some_scenes_begin_just_after_a_division() -> None:
    scenes = [make_scene(np.random.default_rng(seed), 2, 64, tissue=False, sliced=False) for seed in range(40)]
    newborn = [scene for scene in scenes if scene.planes[0].condensation.max() > 0.3]
    assert 5 < len(newborn) < 30
    for scene in newborn:
        first, second = (plane.condensation for plane in scene.planes)
        born = first > 0.3
        assert (second[: len(first)][born] < first[born]).any()


def test_tracked_objects_are_larger_than_those_of_single_images() -> None:
    sizes = {
        num_frames: min(make_scene(np.random.default_rng(seed), num_frames, 64, False, False).radius_px for seed in range(60))
        for num_frames in (1, 2)
    }
    assert sizes[1] < 0.05 * 64 <= sizes[2]


def test_sections_of_tilted_bodies_shift_from_slice_to_slice() -> None:
    scenes = [make_scene(np.random.default_rng(seed), 6, 64, tissue=False, sliced=True) for seed in range(40)]
    shifts = [shift for scene in scenes if (shift := largest_shift(scene)) is not None]
    upright = sum(shift < 1.5 for shift in shifts)
    assert 5 < upright < len(shifts) - 5, "some scenes have upright bodies, some tilted ones"


def largest_shift(scene: Scene) -> float | None:
    """Largest shift of a section between two slices, in pixels; None if no section is whole on two neighbouring slices."""
    shifts = [0.0]
    for before, after in itertools.pairwise(scene.planes):
        for label in np.intersect1d(before.labels, after.labels)[1:]:
            masks = [plane.labels == label for plane in (before, after)]
            if not any(np.concatenate([mask[[0, -1]].ravel(), mask[:, [0, -1]].ravel()]).any() for mask in masks):
                centres = [np.argwhere(mask).mean(0) for mask in masks]
                shifts.append(float(np.hypot(*(centres[1] - centres[0]))))
    return max(shifts) if len(shifts) > 1 else None


def test_large_objects_do_not_divide() -> None:
    for seed in range(40):
        scene = make_scene(np.random.default_rng(seed), 8, 64, tissue=False, sliced=False, large=True)
        assert all(len(plane.brightness) == len(scene.planes[0].brightness) for plane in scene.planes)
        assert all(plane.condensation.max() == 0 for plane in scene.planes)
