"""Trains by a recipe; every step is seeded by its number, so that a resumed run gives the same weights as an uninterrupted one."""

from __future__ import annotations

import copy
import logging
import math
import pickle
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from napari_sam2.torch_threads import torch

import numpy as np
from torch import nn
from torch.utils.data import DataLoader

from napari_sam2.files import atomic_path
from napari_sam2.model.assembly import build_model
from napari_sam2.model.config import ModelConfig
from napari_sam2.structured import to_json
from napari_sam2.training.batch_losses import BatchLosses
from napari_sam2.training.batches import Batch, StageBatches
from napari_sam2.training.clips import ClipBatch
from napari_sam2.training.dense_targets import DenseHead
from napari_sam2.training.distributed import ProcessGroup, start_process_group
from napari_sam2.training.learning_rate import schedule
from napari_sam2.training.lora import merge_lora
from napari_sam2.training.losses import MultiStepMultiMasksAndIous
from napari_sam2.training.optimization import freeze_all_but, parameter_groups
from napari_sam2.training.real_stacks import LabelledStack
from napari_sam2.training.recipe import Recipe, Stage
from napari_sam2.training.run_log import RunLog
from napari_sam2.training.sam2_train import SAM2Train
from napari_sam2.training.score_calibration import calibrate_object_score
from napari_sam2.weights.load import load_weights, save_checkpoint

logger = logging.getLogger(__name__)

STATE_NAME = "run.state"
"""Checkpoint of a run in its folder, with the state of the optimiser; not a model file, as its suffix shows."""

SCORE_CALIBRATION_CLIPS = 60
"""Number of new clips for the score calibration at the end of a run."""


@dataclass(frozen=True)
class Progress:
    """One finished step.

    Attributes
    ----------
    stage : Stage
        Its training stage.
    step : int
        Its number in the stage, from 1.
    losses : dict of str to float
        ``core_loss`` and its parts, see :data:`~napari_sam2.training.run_log.LOSSES`.
    seconds : float
        Duration, without waiting for its batch.
    validation : float or None
        Score of the averaged weights, if they were validated after this step.
    """

    stage: Stage
    step: int
    losses: dict[str, float]
    seconds: float
    validation: float | None = None


class Cost(NamedTuple):
    """Duration of a step and of a validation, in seconds."""

    step_seconds: float
    validation_seconds: float


@dataclass(frozen=True)
class Validation:
    """Validation, which selects the weights to keep.

    Attributes
    ----------
    score : callable
        Function of the model in evaluation mode, with the averaged weights; returns a number, the higher the better.
    every_steps : int
        Interval; there is also a validation before the first and after the last step.
    """

    score: Callable[[SAM2Train], float]
    every_steps: int


class Trainer:
    """Trains a model by a recipe; each run has its own folder.

    Parameters
    ----------
    config : ModelConfig
        The model.
    recipe : Recipe
        The training stages.
    folder : Path
        Folder for the log and ``run.state``; a run found there is resumed.
    stacks : list of LabelledStack
        Labelled stacks to train on, beside synthetic clips.
    process_group : ProcessGroup, optional
        Device, precision and processes; by default this process alone, on a GPU if there is one.
    num_workers : int
        Data-loading workers, which draw clips.
    init_checkpoint : Path, optional
        Weights to start from; random weights by default.
    trainable : str
        Parts to train: one of :data:`~napari_sam2.training.optimization.TRAINABLE_PARTS`.
    validation : Validation, optional
        Selects the weights to keep; by default the last ones are kept.
    checkpoint_seconds : float
        Time between checkpoints.

    Raises
    ------
    ValueError
        If ``init_checkpoint`` is of another model, or the folder holds a run of another model or version, or a damaged one.
    """

    def __init__(
        self,
        config: ModelConfig,
        recipe: Recipe,
        folder: Path,
        stacks: list[LabelledStack],
        process_group: ProcessGroup | None = None,
        num_workers: int = 1,
        init_checkpoint: Path | None = None,
        trainable: str = "everything",
        validation: Validation | None = None,
        checkpoint_seconds: float = 60,
    ) -> None:
        self.config = config
        self.recipe = recipe
        self.folder = folder
        self.stacks = stacks
        self.process_group = process_group or start_process_group()
        self.num_workers = num_workers
        self.trainable = trainable
        self.validation = validation
        self.checkpoint_seconds = checkpoint_seconds
        self.stage_index, self.step = 0, 0
        self.seconds = 0.0
        """Duration of training and validation, waiting for batches included, over all sittings."""
        self.best_score = -math.inf
        self._is_asked_to_stop = False
        torch.manual_seed(recipe.seed)
        self._build(recipe.stages[0].image_size, init_checkpoint)
        self._start_stage()
        if self.state_path.exists():
            self._resume()

    @property
    def state_path(self) -> Path:
        """Path of the checkpoint of the run."""
        return self.folder / STATE_NAME

    @property
    def best_path(self) -> Path:
        """Path of the best weights so far, a checkpoint for ``load_model``; written if there is a validation."""
        return self.folder / f"{self.config.name}.safetensors"

    @property
    def _model_and_parts(self) -> str:
        return f"{to_json(self.config)} {self.trainable}"

    @property
    def device(self) -> torch.device:
        """Device of this process."""
        return self.process_group.device

    @property
    def is_first_process(self) -> bool:
        """Whether this is process 0, which writes the files."""
        return self.process_group.rank == 0

    def _build(self, image_size: int, init_checkpoint: Path | None = None) -> None:
        self.model = build_model(
            self.config,
            SAM2Train,
            image_size=image_size,
            supervise_low_res_masks=True,
            supervise_masks_of_missed_objects=True,
            rand_frames_to_correct_for_train=True,
            add_all_frames_to_correct_as_cond=True,
            prob_to_sample_from_gt_for_train=0.1,
            prob_to_use_pt_input_for_eval=1.0,
        )
        if init_checkpoint is not None:
            load_weights(self.model, init_checkpoint)
        freeze_all_but(self.model, self.trainable)
        self.model.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.head = DenseHead(self.config.d_model).to(self.device)
        self.averaged = copy.deepcopy(self.model.state_dict())

    def _start_stage(self) -> None:
        """Configure model and optimiser for the current stage; the weights stay."""
        stage = self.recipe.stages[self.stage_index]
        if self.model.image_size != stage.image_size:
            weights, averaged, head = self.model.state_dict(), self.averaged, self.head.state_dict()
            self._build(stage.image_size)
            self.model.load_state_dict(weights)
            self.averaged = averaged
            self.head.load_state_dict(head)
        model = self.model
        model.prob_to_use_pt_input[True] = 1 - stage.mask_share
        model.prob_to_use_box_input[True] = stage.box_share
        model.num_frames_to_correct[True] = stage.frames_to_correct
        model.num_correction_pt_per_frame = stage.corrections
        model.num_supervised_frames = stage.supervised_frames
        loss = MultiStepMultiMasksAndIous(
            self.recipe.loss_weights,
            # With the official 0.25 a false negative costs a third of a false positive: masks of a small model come out too small.
            focal_alpha=0.5,
            supervise_all_iou=True,
            iou_use_l1_loss=True,
            pred_obj_scores=True,
        )
        self.batch_losses = self.process_group.wrap(BatchLosses(model, self.head, loss))
        groups = parameter_groups(model, self.head, stage, self.recipe.weight_decay)
        self.optimizer = torch.optim.AdamW(groups, lr=stage.learning_rate, betas=(0.9, 0.98))

    # --- one run ---------------------------------------------------------------------------------------------------

    def run(self, max_seconds: float = math.inf) -> Iterator[Progress]:
        """Train until the recipe or the time ends, :meth:`stop` is called, or the iteration stops; the state is saved in each case.

        Raises
        ------
        OSError
            If a file cannot be written; the last checkpoint stays.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        # Without a checkpoint the run begins again, with its first validation.
        logged = self._steps_by_stage() if self.state_path.exists() else {}
        log = RunLog(self.folder, logged) if self.is_first_process else None
        mark = saved = time.monotonic()
        seconds_before = self.seconds
        try:
            if self.validation is not None and self.best_score == -math.inf and self.steps_left:
                self._validate(log)
            while self.stage_index < len(self.recipe.stages):
                stage = self.recipe.stages[self.stage_index]
                for batch in self._batches(stage):
                    progress = self._take_step(stage, batch, log)
                    self.seconds += time.monotonic() - mark
                    # All processes stop after the same step; otherwise the others would wait for gradients for ever.
                    is_late = self.process_group.mean(self.seconds - seconds_before > max_seconds) > 0
                    is_over = self.process_group.mean(self._is_asked_to_stop) > 0 or is_late
                    if is_late and self.validation is not None and progress.validation is None:
                        progress = replace(progress, validation=self._validate(log))
                    if is_over or time.monotonic() - saved > self.checkpoint_seconds:
                        self.save()
                        saved = time.monotonic()
                    yield progress
                    if is_over:
                        self._is_asked_to_stop = False
                        return
                    mark = time.monotonic()
                self.stage_index, self.step = self.stage_index + 1, 0
                if self.stage_index < len(self.recipe.stages):
                    self._start_stage()
            self.save()
        except GeneratorExit:  # the iteration has been stopped between two steps, where the state is consistent
            self.save()
            raise
        finally:
            if log is not None:
                log.close()

    def stop(self) -> None:
        """End :meth:`run` after the current step."""
        self._is_asked_to_stop = True

    def _take_step(self, stage: Stage, batch: Batch, log: RunLog | None) -> Progress:
        started = time.monotonic()
        losses = self._train_step(stage, batch)
        self.step += 1
        seconds = time.monotonic() - started
        if log is not None:
            log.step(stage.name, self.step, self.steps_done, seconds, losses)
        score = None
        if self.validation is not None and (self.step % self.validation.every_steps == 0 or self.step == stage.steps):
            score = self._validate(log)
        return Progress(stage, self.step, losses, seconds, score)

    def _batches(self, stage: Stage) -> DataLoader[Batch]:
        dataset = StageBatches(stage, self.stage_index, self.recipe.seed, self.stacks, self.process_group.rank)
        workers = self.num_workers
        return DataLoader(
            dataset,
            sampler=range(self.step, stage.steps),
            batch_size=None,
            num_workers=workers,
            prefetch_factor=4 if workers else None,
            collate_fn=_as_it_is,
            worker_init_fn=_quiet_worker,
        )

    def _train_step(self, stage: Stage, batch: Batch) -> dict[str, float]:
        losses = self._backward(batch, self.step)
        norm = nn.utils.clip_grad_norm_(self.batch_losses.parameters(), self.recipe.clip_gradient_norm)
        rate = stage.learning_rate * schedule(self.step, stage.steps)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["rate"]
        if torch.isfinite(norm):
            self.optimizer.step()
            self._average()
        else:
            logger.warning("the gradient of step %d is not finite: the step was skipped", self.step + 1)
        return losses

    def _backward(self, batch: Batch, step: int) -> dict[str, float]:
        """Compute losses and gradients of a step."""
        self.model.train()
        seeds = (self.recipe.seed, self.stage_index, step)
        torch.manual_seed(hash((*seeds, self.process_group.rank)))
        # The same in all processes, so that all have the same number of clicks.
        self.model.rng = np.random.default_rng([*seeds, 0, 1])
        num_objects = 0 if isinstance(batch, tuple) else len(batch.clip_of_object)
        on_device = (batch[0].to(self.device), batch[1].to(self.device)) if isinstance(batch, tuple) else batch.to(self.device)
        losses = self.batch_losses(on_device, self.process_group.mean(num_objects))
        self.optimizer.zero_grad(set_to_none=True)
        self.process_group.backward(losses["core_loss"])
        return {name: float(value.detach()) for name, value in losses.items()}

    def measure(self, num_steps: int = 3) -> Cost:
        """Measure a few steps, without the slow first one, and a validation; the weights stay."""
        stage = self.recipe.stages[self.stage_index]
        dataset = StageBatches(stage, self.stage_index, self.recipe.seed, self.stacks, self.process_group.rank)
        drawing, learning = [], []
        for step in range(num_steps + 1):
            started = time.monotonic()
            batch = dataset[step]
            drawn = time.monotonic()
            self._backward(batch, step)
            drawing.append(drawn - started)
            learning.append(time.monotonic() - drawn)
        self.optimizer.zero_grad(set_to_none=True)
        draw, learn = float(np.mean(drawing[1:])), float(np.mean(learning[1:]))
        # Workers draw batches during the steps before, so that only the slower of the two counts.
        step_seconds = max(learn, draw / self.num_workers) if self.num_workers else learn + draw
        started = time.monotonic()
        if self.validation is not None:
            self._score()
        return Cost(self.process_group.mean(step_seconds), self.process_group.mean(time.monotonic() - started))

    @torch.no_grad()
    def _average(self) -> None:
        """Update the exponential moving average of the weights, which is exported at the end."""
        decay = self.recipe.ema_decay
        for name, value in self.model.state_dict().items():
            self.averaged[name].lerp_(value, 1 - decay)

    def _steps_by_stage(self) -> dict[str, int]:
        """Number of finished steps of each stage that has begun."""
        done = {stage.name: stage.steps for stage in self.recipe.stages[: self.stage_index]}
        if self.stage_index < len(self.recipe.stages):
            done[self.recipe.stages[self.stage_index].name] = self.step
        return done

    @property
    def steps_done(self) -> int:
        """Number of finished steps of the recipe."""
        return sum(self._steps_by_stage().values())

    @property
    def steps_left(self) -> int:
        """Number of steps until the recipe ends."""
        return sum(stage.steps for stage in self.recipe.stages) - self.steps_done

    # --- validation ------------------------------------------------------------------------------------------------

    def _validate(self, log: RunLog | None) -> float:
        """Score the averaged weights and keep them if they are the best so far."""
        # Process 0 computes the score; the mean broadcasts it to the others, which contribute 0.
        score = self.process_group.mean(self._score() * self.process_group.world_size if self.is_first_process else 0.0)
        if score > self.best_score:
            self.best_score = score
            if self.is_first_process:
                save_checkpoint(self.best_path, merge_lora(self.averaged), self.config)
        if log is not None:
            log.validation(self.recipe.stages[self.stage_index].name, self.step, self.steps_done, score)
        return score

    def _score(self) -> float:
        assert self.validation is not None
        weights = {name: value.clone() for name, value in self.model.state_dict().items()}
        corrections = self.model.num_correction_pt_per_frame
        self.model.load_state_dict(self.averaged)
        self.model.eval()
        self.model.num_correction_pt_per_frame = 0
        try:
            with torch.no_grad():
                return self.validation.score(self.model)
        finally:
            self.model.load_state_dict(weights)
            self.model.num_correction_pt_per_frame = corrections

    # --- files -----------------------------------------------------------------------------------------------------

    def save(self) -> None:
        """Save the run atomically: after a failure the checkpoint before it is intact.

        Raises
        ------
        OSError
            If the file cannot be written; the checkpoint before it stays.
        """
        if not self.is_first_process:
            return
        state = {
            "model_and_parts": self._model_and_parts,
            "stage_index": self.stage_index,
            "step": self.step,
            "seconds": self.seconds,
            "best_score": self.best_score,
            "model": self.model.state_dict(),
            "averaged": self.averaged,
            "head": self.head.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        try:
            with atomic_path(self.state_path) as partial:
                torch.save(state, partial)
        except (OSError, RuntimeError) as error:  # torch.save raises RuntimeError if the disk is full
            raise OSError(
                f"{self.state_path} cannot be written, is the disk full? Make room; the same command then continues "
                "from the last checkpoint"
            ) from error

    def export(self) -> Path:
        """Write the averaged weights, in half precision, as a checkpoint for ``load_model``; return its path.

        If the last stage is on clips, the object score is calibrated on new ones.
        """
        path, stage = self.folder / f"{self.config.name}.safetensors", self.recipe.stages[-1]
        weights = merge_lora(self.averaged)
        if stage.num_frames > 1:
            model = build_model(self.config, SAM2Train, image_size=stage.image_size, prob_to_use_pt_input_for_eval=1.0)
            model.load_state_dict(weights)
            model.to(self.device)
            # No stage has this index, so that the clips are new.
            new = StageBatches(replace(stage, image_share=0), len(self.recipe.stages), self.recipe.seed, self.stacks)
            drawn = (new[i] for i in range(SCORE_CALIBRATION_CLIPS))
            calibrate_object_score(model, (batch.to(self.device) for batch in drawn if isinstance(batch, ClipBatch)))
            weights = model.state_dict()
        # inference is at the image size of the last stage
        save_checkpoint(path, weights, replace(self.config, image_size=stage.image_size), half=True)
        return path

    def _resume(self) -> None:
        try:
            state = torch.load(self.state_path, map_location=self.device, weights_only=True)
        except (RuntimeError, EOFError, pickle.UnpicklingError) as error:  # raised by torch.load for damaged files
            raise ValueError(
                f"{self.state_path} is damaged: copy it again if there is another copy, or begin the run again in another folder"
            ) from error
        if "stage_index" not in state:
            raise ValueError(
                f"{self.state_path} is of another version of napari-sam2, it has no 'stage_index': give another folder"
            )
        if state.get("model_and_parts") != self._model_and_parts:
            raise ValueError(f"{self.folder} holds a run of another model, or of other parts of it: give another folder")
        self.stage_index, self.step = state["stage_index"], state["step"]
        self.seconds, self.best_score = state["seconds"], state["best_score"]
        if self.stage_index < len(self.recipe.stages):
            self._start_stage()
        self.model.load_state_dict(state["model"])
        self.averaged = state["averaged"]
        self.head.load_state_dict(state["head"])
        if self.stage_index < len(self.recipe.stages):
            self.optimizer.load_state_dict(state["optimizer"])
        logger.info("continuing %s at stage %d, step %d", self.folder, self.stage_index, self.step)


def _quiet_worker(_worker: int) -> None:
    """Limit a data-loading worker to one thread, and leave Ctrl-C to the main process."""
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _as_it_is(batch: Any) -> Any:
    return batch
