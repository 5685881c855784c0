"""Recipes fitted to a machine and to the time available."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_sam2.model.config import MICRO
from napari_sam2.training.recipe import MICRO_RECIPE, Recipe, Stage

TWO = Recipe((Stage("a", "dense", steps=300, image_size=64), Stage("b", "prompts", steps=100, image_size=64, images_per_step=3)))


@given(st.floats(10, 1e6), st.floats(0.01, 10), st.floats(0.01, 10))
def test_steps_fit_into_the_time_in_the_same_proportions(seconds: float, a: float, b: float) -> None:
    fitted = TWO.fitted_to(seconds, [a, b])
    steps = [stage.steps for stage in fitted.stages]
    assert min(steps) >= 1
    assert sum(n * each for n, each in zip(steps, [a, b], strict=True)) <= seconds + a + b
    if min(steps) > 20:
        assert steps[0] / steps[1] == pytest.approx(3, rel=0.06)
    assert [stage.name for stage in fitted.stages] == ["a", "b"]


def test_larger_batches_have_higher_learning_rates() -> None:
    larger = TWO.with_batches(4)
    assert [stage.clips_per_step for stage in larger.stages] == [16, 16]
    assert [stage.images_per_step for stage in larger.stages] == [8, 12]
    assert larger.stages[0].learning_rate == pytest.approx(2 * TWO.stages[0].learning_rate)
    assert [stage.steps for stage in larger.stages] == [300, 100]
    assert TWO.with_batches(1) == TWO


def test_more_processes_are_a_larger_batch_too() -> None:
    shared = TWO.with_batches(1, num_processes=4)
    assert [stage.clips_per_step for stage in shared.stages] == [stage.clips_per_step for stage in TWO.stages]
    assert shared.stages[0].learning_rate == pytest.approx(2 * TWO.stages[0].learning_rate)


def test_stages_are_selected_by_name() -> None:
    assert TWO.with_stages(["b"]).stages == TWO.stages[1:]
    assert TWO.with_stages(["b", "a"]) == TWO
    with pytest.raises(ValueError, match="there is no stage 'c': choose among a, b"):
        TWO.with_stages(["a", "c"])


def test_a_recipe_is_the_same_from_json() -> None:
    recipe = MICRO_RECIPE.with_batches(8).fitted_to(600, [0.1] * len(MICRO_RECIPE.stages))
    assert Recipe.from_json(recipe.to_json()) == recipe


def test_the_recipe_of_the_embedded_weights_is_consistent() -> None:
    assert MICRO_RECIPE.stages[0].kind == "dense"
    # Longer than the memory, or the embeddings of older frames are not trained.
    assert max(stage.num_frames for stage in MICRO_RECIPE.stages) > MICRO.num_maskmem
    for stage in MICRO_RECIPE.stages:
        assert stage.image_size % 32 == 0
        assert math.isfinite(stage.learning_rate)
        assert stage.num_frames == 1 or stage.image_share > 0
