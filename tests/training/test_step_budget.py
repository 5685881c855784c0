"""Step budget: a recipe is fitted to the time available."""

from __future__ import annotations

import time

import pytest

from napari_sam2.training.distributed import SingleProcess
from napari_sam2.training.recipe import Recipe, Stage
from napari_sam2.training.step_budget import PLANNED_SHARE, fit_to_time
from napari_sam2.training.trainer import Cost, Trainer
from tiny_models import TINY


def test_the_measurement_is_part_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]

    def measure(self: Trainer, num_steps: int) -> Cost:
        now[0] += 20.0
        return Cost(0.5, 0.0)

    monkeypatch.setattr(Trainer, "measure", measure)
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    recipe = Recipe(tuple(Stage(name, "dense", steps=100, image_size=64) for name in ("a", "b")))
    for seconds, steps in ((140.0, round(PLANNED_SHARE * 100)), (30.0, 1)):
        fitted = fit_to_time(TINY, recipe, [], SingleProcess("cpu"), 0, seconds)
        assert [stage.steps for stage in fitted.stages] == [steps, steps]
