"""Recipes fitted to a machine and to the time there is."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_sam2.model.config import MICRO
from napari_sam2.training.recipe import MICRO_RECIPE, Lesson, Recipe

TWO = Recipe((Lesson("a", "dense", steps=300, image_size=64), Lesson("b", "prompts", steps=100, image_size=64, images_per_step=3)))


@given(st.floats(10, 1e6), st.floats(0.01, 10), st.floats(0.01, 10))
def test_steps_fit_into_the_time_in_the_same_proportions(seconds: float, a: float, b: float) -> None:
    fitted = TWO.lasting(seconds, [a, b])
    steps = [lesson.steps for lesson in fitted.lessons]
    assert min(steps) >= 1
    assert sum(n * each for n, each in zip(steps, [a, b], strict=True)) <= seconds + a + b
    if min(steps) > 20:
        assert steps[0] / steps[1] == pytest.approx(3, rel=0.06)
    assert [lesson.name for lesson in fitted.lessons] == ["a", "b"]


def test_larger_batches_learn_faster() -> None:
    larger = TWO.with_batches(4)
    assert [lesson.clips_per_step for lesson in larger.lessons] == [16, 16]
    assert [lesson.images_per_step for lesson in larger.lessons] == [8, 12]
    assert larger.lessons[0].learning_rate == pytest.approx(2 * TWO.lessons[0].learning_rate)
    assert [lesson.steps for lesson in larger.lessons] == [300, 100]
    assert TWO.with_batches(1) == TWO


def test_more_processes_are_a_larger_batch_too() -> None:
    shared = TWO.with_batches(1, num_processes=4)
    assert [lesson.clips_per_step for lesson in shared.lessons] == [lesson.clips_per_step for lesson in TWO.lessons]
    assert shared.lessons[0].learning_rate == pytest.approx(2 * TWO.lessons[0].learning_rate)


def test_lessons_are_chosen_by_name() -> None:
    assert TWO.only(["b"]).lessons == TWO.lessons[1:]
    assert TWO.only(["b", "a"]) == TWO
    with pytest.raises(ValueError, match="there is no lesson 'c': choose among a, b"):
        TWO.only(["a", "c"])


def test_a_recipe_is_kept_beside_its_run() -> None:
    recipe = MICRO_RECIPE.with_batches(8).lasting(600, [0.1] * len(MICRO_RECIPE.lessons))
    assert Recipe.from_json(recipe.to_json()) == recipe


def test_the_recipe_of_the_embedded_weights_makes_sense() -> None:
    assert MICRO_RECIPE.lessons[0].kind == "dense"
    # Longer than the memory, or the slots of older frames are never learnt.
    assert max(lesson.num_frames for lesson in MICRO_RECIPE.lessons) > MICRO.num_maskmem
    for lesson in MICRO_RECIPE.lessons:
        assert lesson.image_size % 32 == 0
        assert math.isfinite(lesson.learning_rate)
        assert lesson.num_frames == 1 or lesson.image_share > 0
