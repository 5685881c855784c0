"""Fits a recipe to the time there is, on the machine there is."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

from napari_sam2.model.config import ModelConfig
from napari_sam2.training.processes import Processes
from napari_sam2.training.real_stacks import LabelledStack
from napari_sam2.training.recipe import Recipe
from napari_sam2.training.trainer import Trainer

RESERVE = 0.93
"""Share of the time that is planned: checkpoints and the start of each lesson take the rest."""


def fit_to_time(
    config: ModelConfig, recipe: Recipe, stacks: list[LabelledStack], processes: Processes, num_workers: int, seconds: float
) -> Recipe:
    """Give a recipe as many steps as fit, in the same proportions.

    Parameters
    ----------
    config : ModelConfig
        The model.
    recipe : Recipe
        The lessons.
    stacks : list of LabelledStack
        Real stacks to learn from.
    processes : Processes
        Where it will be trained.
    num_workers : int
        Processes that draw clips.
    seconds : float
        How long the whole may take, measuring included.

    Returns
    -------
    Recipe
        The time of a step of each lesson is measured in a few, in which nothing is learnt.
    """
    started, step_seconds = time.monotonic(), []
    for lesson in recipe.lessons:
        # Nothing is written before a run begins: the folder is never made.
        probe = Trainer(config, replace(recipe, lessons=(lesson,)), Path("probe"), stacks, processes, num_workers)
        step_seconds.append(probe.measure(num_steps=6).step_seconds)
    return recipe.lasting(RESERVE * max(0.0, seconds - (time.monotonic() - started)), step_seconds)
