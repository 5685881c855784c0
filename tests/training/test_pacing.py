"""A recipe fits into the time there is, measuring included."""

from __future__ import annotations

import time

import pytest

from napari_sam2.training.pacing import RESERVE, fit_to_time
from napari_sam2.training.processes import OneProcess
from napari_sam2.training.recipe import Lesson, Recipe
from napari_sam2.training.trainer import Cost, Trainer
from tiny_models import TINY


def test_measuring_is_part_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]

    def measure(self: Trainer, num_steps: int) -> Cost:
        now[0] += 20.0
        return Cost(0.5, 0.0)

    monkeypatch.setattr(Trainer, "measure", measure)
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    recipe = Recipe(tuple(Lesson(name, "dense", steps=100, image_size=64) for name in ("a", "b")))
    for seconds, steps in ((140.0, round(RESERVE * 100)), (30.0, 1)):
        fitted = fit_to_time(TINY, recipe, [], OneProcess("cpu"), 0, seconds)
        assert [lesson.steps for lesson in fitted.lessons] == [steps, steps]
