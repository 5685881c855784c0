"""Step budget: fits the number of steps of a recipe to the time available on this machine."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

from napari_sam2.model.config import ModelConfig
from napari_sam2.training.distributed import ProcessGroup
from napari_sam2.training.real_stacks import LabelledStack
from napari_sam2.training.recipe import Recipe
from napari_sam2.training.trainer import Trainer

PLANNED_SHARE = 0.93
"""Share of the time for which steps are planned; checkpoints and the start of each stage take the rest."""


def fit_to_time(
    config: ModelConfig, recipe: Recipe, stacks: list[LabelledStack], process_group: ProcessGroup, num_workers: int, seconds: float
) -> Recipe:
    """Scale the numbers of steps of a recipe, in the same proportions, to the time available.

    Parameters
    ----------
    config : ModelConfig
        The model.
    recipe : Recipe
        The training stages.
    stacks : list of LabelledStack
        Labelled stacks to train on.
    process_group : ProcessGroup
        The processes of the training run.
    num_workers : int
        Data-loading workers, which draw clips.
    seconds : float
        Time available, the measurement included.

    Returns
    -------
    Recipe
        The duration of a step of each stage is measured in a few steps that leave the weights unchanged.
    """
    started, step_seconds = time.monotonic(), []
    for stage in recipe.stages:
        # Nothing is written before a run begins: this folder is never created.
        probe = Trainer(config, replace(recipe, stages=(stage,)), Path("probe"), stacks, process_group, num_workers)
        step_seconds.append(probe.measure(num_steps=6).step_seconds)
    return recipe.fitted_to(PLANNED_SHARE * max(0.0, seconds - (time.monotonic() - started)), step_seconds)
