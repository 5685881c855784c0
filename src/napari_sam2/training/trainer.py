"""Runs a recipe: every step is drawn and seeded by its number, so that a run that was interrupted goes on as if it had not been."""

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
from napari_sam2.training.batches import Batch, LessonBatches
from napari_sam2.training.calibration import calibrate_object_score
from napari_sam2.training.clips import ClipBatch
from napari_sam2.training.dense_targets import DenseHead
from napari_sam2.training.losses import MultiStepMultiMasksAndIous
from napari_sam2.training.low_rank import merge_low_rank_changes
from napari_sam2.training.optimization import freeze_all_but, parameter_groups, schedule
from napari_sam2.training.processes import Processes, start_processes
from napari_sam2.training.real_stacks import LabelledStack
from napari_sam2.training.recipe import Lesson, Recipe
from napari_sam2.training.run_log import RunLog
from napari_sam2.training.sam2_train import SAM2Train
from napari_sam2.weights.load import load_weights, save_checkpoint

logger = logging.getLogger(__name__)

STATE_NAME = "run.state"
"""Where a run is kept in its folder: no model, and not called like one."""

CALIBRATION_CLIPS = 60


@dataclass(frozen=True)
class Progress:
    """One finished step.

    Attributes
    ----------
    lesson : Lesson
        Its lesson.
    step : int
        Its number in the lesson, from 1.
    losses : dict of str to float
        ``core_loss`` and its parts, see :data:`~napari_sam2.training.run_log.LOSSES`.
    seconds : float
        How long it took, without waiting for its clips.
    validation : float or None
        The score of the averaged weights, if they were validated after it.
    """

    lesson: Lesson
    step: int
    losses: dict[str, float]
    seconds: float
    validation: float | None = None


class Cost(NamedTuple):
    """Seconds a step and a validation take."""

    step_seconds: float
    validation_seconds: float


@dataclass(frozen=True)
class Validation:
    """How the weights that are kept are chosen.

    Attributes
    ----------
    score : callable
        Takes the model in evaluation mode, with the averaged weights, and returns a number: the higher, the better.
    every_steps : int
        How often it is asked; it is asked before the first step and after the last one too.
    """

    score: Callable[[SAM2Train], float]
    every_steps: int


class Trainer:
    """Trains a model by a recipe in a folder of its own.

    Parameters
    ----------
    config : ModelConfig
        The model.
    recipe : Recipe
        The lessons.
    folder : Path
        Receives the log and ``run.state``; a run found there is continued.
    stacks : list of LabelledStack
        Real stacks to learn from beside the synthetic clips.
    processes : Processes, optional
        Where to train, in which precision, and with which other processes; this one by default, on a GPU if there is one.
    num_workers : int
        Processes that draw clips.
    initial : Path, optional
        Checkpoint to start from; otherwise from nothing.
    trained : str
        What learns: one of :data:`~napari_sam2.training.optimization.TRAINED_PARTS`.
    validation : Validation, optional
        Choose the weights by it; otherwise those at the end are the ones.
    checkpoint_seconds : float
        Time between checkpoints.

    Raises
    ------
    ValueError
        If ``initial`` is the checkpoint of another model, or the folder holds a run of another one, or a damaged one.
    """

    def __init__(
        self,
        config: ModelConfig,
        recipe: Recipe,
        folder: Path,
        stacks: list[LabelledStack],
        processes: Processes | None = None,
        num_workers: int = 1,
        initial: Path | None = None,
        trained: str = "everything",
        validation: Validation | None = None,
        checkpoint_seconds: float = 60,
    ) -> None:
        self.config = config
        self.recipe = recipe
        self.folder = folder
        self.stacks = stacks
        self.processes = processes or start_processes()
        self.num_workers = num_workers
        self.trained = trained
        self.validation = validation
        self.checkpoint_seconds = checkpoint_seconds
        self.lesson_index, self.step = 0, 0
        self.seconds = 0.0
        """Spent on training, waiting for clips and validation, in all sittings."""
        self.best_score = -math.inf
        self._is_asked_to_stop = False
        torch.manual_seed(recipe.seed)
        self._build(recipe.lessons[0].image_size, initial)
        self._start_lesson()
        if self.state_path.exists():
            self._resume()

    @property
    def state_path(self) -> Path:
        """Where the run is kept."""
        return self.folder / STATE_NAME

    @property
    def best_path(self) -> Path:
        """Where the best weights so far are kept, as a checkpoint that ``load_model`` takes, if there is a validation."""
        return self.folder / f"{self.config.name}.safetensors"

    @property
    def _model_and_parts(self) -> str:
        return f"{to_json(self.config)} {self.trained}"

    @property
    def device(self) -> torch.device:
        """Where this process computes."""
        return self.processes.device

    @property
    def is_first_process(self) -> bool:
        """Whether this process is the one that writes."""
        return self.processes.rank == 0

    def _build(self, image_size: int, initial: Path | None = None) -> None:
        self.model = build_model(
            self.config,
            SAM2Train,
            image_size=image_size,
            supervise_low_res_masks=True,
            learn_masks_of_missed_objects=True,
            rand_frames_to_correct_for_train=True,
            add_all_frames_to_correct_as_cond=True,
            prob_to_sample_from_gt_for_train=0.1,
            prob_to_use_pt_input_for_eval=1.0,
        )
        if initial is not None:
            load_weights(self.model, initial)
        freeze_all_but(self.model, self.trained)
        self.model.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.head = DenseHead(self.config.d_model).to(self.device)
        self.averaged = copy.deepcopy(self.model.state_dict())

    def _start_lesson(self) -> None:
        """Fit model and optimiser to the current lesson; weights stay."""
        lesson = self.recipe.lessons[self.lesson_index]
        if self.model.image_size != lesson.image_size:
            weights, averaged, head = self.model.state_dict(), self.averaged, self.head.state_dict()
            self._build(lesson.image_size)
            self.model.load_state_dict(weights)
            self.averaged = averaged
            self.head.load_state_dict(head)
        model = self.model
        model.prob_to_use_pt_input[True] = 1 - lesson.mask_share
        model.prob_to_use_box_input[True] = lesson.box_share
        model.num_frames_to_correct[True] = lesson.frames_to_correct
        model.num_correction_pt_per_frame = lesson.corrections
        model.num_frames_to_learn = lesson.frames_to_learn
        loss = MultiStepMultiMasksAndIous(
            self.recipe.loss_weights,
            # By the official 0.25 a missed pixel counts a third of one too many: a small model draws outlines inside the true ones.
            focal_alpha=0.5,
            supervise_all_iou=True,
            iou_use_l1_loss=True,
            pred_obj_scores=True,
        )
        self.batch_losses = self.processes.wrap(BatchLosses(model, self.head, loss))
        groups = parameter_groups(model, self.head, lesson, self.recipe.weight_decay)
        self.optimizer = torch.optim.AdamW(groups, lr=lesson.learning_rate, betas=(0.9, 0.98))

    # --- one run ---------------------------------------------------------------------------------------------------

    def run(self, max_seconds: float = math.inf) -> Iterator[Progress]:
        """Train until the recipe ends, the time is up, :meth:`stop` is called or nobody asks for more; a checkpoint is left always.

        Raises
        ------
        OSError
            If a file cannot be written; the last checkpoint stays.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        # Without a checkpoint the run begins anew, its first validation too.
        logged = self._lessons_done() if self.state_path.exists() else {}
        log = RunLog(self.folder, logged) if self.is_first_process else None
        mark = saved = time.monotonic()
        seconds_before = self.seconds
        try:
            if self.validation is not None and self.best_score == -math.inf and self.steps_left:
                self._validate(log)
            while self.lesson_index < len(self.recipe.lessons):
                lesson = self.recipe.lessons[self.lesson_index]
                for batch in self._batches(lesson):
                    progress = self._take_step(lesson, batch, log)
                    self.seconds += time.monotonic() - mark
                    # All processes stop after the same step, or those left would wait for the others' gradients for ever.
                    is_late = self.processes.mean(self.seconds - seconds_before > max_seconds) > 0
                    is_over = self.processes.mean(self._is_asked_to_stop) > 0 or is_late
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
                self.lesson_index, self.step = self.lesson_index + 1, 0
                if self.lesson_index < len(self.recipe.lessons):
                    self._start_lesson()
            self.save()
        except GeneratorExit:  # nobody asks for more; between two steps everything is in order
            self.save()
            raise
        finally:
            if log is not None:
                log.close()

    def stop(self) -> None:
        """Let :meth:`run` end after the step in work."""
        self._is_asked_to_stop = True

    def _take_step(self, lesson: Lesson, batch: Batch, log: RunLog | None) -> Progress:
        started = time.monotonic()
        losses = self._train_step(lesson, batch)
        self.step += 1
        seconds = time.monotonic() - started
        if log is not None:
            log.step(lesson.name, self.step, self.steps_done, seconds, losses)
        score = None
        if self.validation is not None and (self.step % self.validation.every_steps == 0 or self.step == lesson.steps):
            score = self._validate(log)
        return Progress(lesson, self.step, losses, seconds, score)

    def _batches(self, lesson: Lesson) -> DataLoader[Batch]:
        dataset = LessonBatches(lesson, self.lesson_index, self.recipe.seed, self.stacks, self.processes.rank)
        workers = self.num_workers
        return DataLoader(
            dataset,
            sampler=range(self.step, lesson.steps),
            batch_size=None,
            num_workers=workers,
            prefetch_factor=4 if workers else None,
            collate_fn=_as_it_is,
            worker_init_fn=_quiet_worker,
        )

    def _train_step(self, lesson: Lesson, batch: Batch) -> dict[str, float]:
        losses = self._backward(batch, self.step)
        norm = nn.utils.clip_grad_norm_(self.batch_losses.parameters(), self.recipe.clip_gradient_norm)
        rate = lesson.learning_rate * schedule(self.step, lesson.steps)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["rate"]
        if torch.isfinite(norm):
            self.optimizer.step()
            self._average()
        else:
            logger.warning("the gradient of step %d is not finite: nothing was learnt from it", self.step + 1)
        return losses

    def _backward(self, batch: Batch, step: int) -> dict[str, float]:
        """Compute losses and gradients of a step."""
        self.model.train()
        place = (self.recipe.seed, self.lesson_index, step)
        torch.manual_seed(hash((*place, self.processes.rank)))
        # The same for all processes, so that each has as many clicks to work on as the others.
        self.model.rng = np.random.default_rng([*place, 0, 1])
        num_objects = 0 if isinstance(batch, tuple) else len(batch.clip_of_object)
        on_device = (batch[0].to(self.device), batch[1].to(self.device)) if isinstance(batch, tuple) else batch.to(self.device)
        losses = self.batch_losses(on_device, self.processes.mean(num_objects))
        self.optimizer.zero_grad(set_to_none=True)
        self.processes.backward(losses["core_loss"])
        return {name: float(value.detach()) for name, value in losses.items()}

    def measure(self, num_steps: int = 3) -> Cost:
        """Take the time of a few steps, but for the first, which is slow, and of a validation; nothing is learnt."""
        lesson = self.recipe.lessons[self.lesson_index]
        dataset = LessonBatches(lesson, self.lesson_index, self.recipe.seed, self.stacks, self.processes.rank)
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
        # Clips are drawn while the step before is learnt from, so that only the slower of the two counts.
        step_seconds = max(learn, draw / self.num_workers) if self.num_workers else learn + draw
        started = time.monotonic()
        if self.validation is not None:
            self._score()
        return Cost(self.processes.mean(step_seconds), self.processes.mean(time.monotonic() - started))

    @torch.no_grad()
    def _average(self) -> None:
        """Follow the weights slowly: the average is what is kept in the end."""
        decay = self.recipe.ema_decay
        for name, value in self.model.state_dict().items():
            self.averaged[name].lerp_(value, 1 - decay)

    def _lessons_done(self) -> dict[str, int]:
        """Steps that are done of each lesson that was begun."""
        done = {lesson.name: lesson.steps for lesson in self.recipe.lessons[: self.lesson_index]}
        if self.lesson_index < len(self.recipe.lessons):
            done[self.recipe.lessons[self.lesson_index].name] = self.step
        return done

    @property
    def steps_done(self) -> int:
        """Steps since the recipe began."""
        return sum(self._lessons_done().values())

    @property
    def steps_left(self) -> int:
        """Steps until the recipe ends."""
        return sum(lesson.steps for lesson in self.recipe.lessons) - self.steps_done

    # --- validation ------------------------------------------------------------------------------------------------

    def _validate(self, log: RunLog | None) -> float:
        """Score the averaged weights and keep them if they are the best so far."""
        # The first process decides; the mean tells the others, who add nothing.
        score = self.processes.mean(self._score() * self.processes.world_size if self.is_first_process else 0.0)
        if score > self.best_score:
            self.best_score = score
            if self.is_first_process:
                save_checkpoint(self.best_path, merge_low_rank_changes(self.averaged), self.config)
        if log is not None:
            log.validation(self.recipe.lessons[self.lesson_index].name, self.step, self.steps_done, score)
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
        """Write the run: whatever happens meanwhile, the checkpoint is the one before or the new one, and whole.

        Raises
        ------
        OSError
            If it cannot be written; the checkpoint before it stays.
        """
        if not self.is_first_process:
            return
        state = {
            "model_and_parts": self._model_and_parts,
            "lesson_index": self.lesson_index,
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
        except (OSError, RuntimeError) as error:  # torch.save says RuntimeError when the disk is full
            raise OSError(
                f"{self.state_path} cannot be written, is the disk full? Make room; the same command then goes on "
                "from the last checkpoint"
            ) from error

    def export(self) -> Path:
        """Write the averaged weights, in half precision, as a checkpoint that ``load_model`` takes; return its path.

        Where the recipe ends with clips, the object score is calibrated by further ones.
        """
        path, lesson = self.folder / f"{self.config.name}.safetensors", self.recipe.lessons[-1]
        weights = merge_low_rank_changes(self.averaged)
        if lesson.num_frames > 1:
            model = build_model(self.config, SAM2Train, image_size=lesson.image_size, prob_to_use_pt_input_for_eval=1.0)
            model.load_state_dict(weights)
            model.to(self.device)
            # No lesson has this index: these clips are new.
            further = LessonBatches(replace(lesson, image_share=0), len(self.recipe.lessons), self.recipe.seed, self.stacks)
            drawn = (further[i] for i in range(CALIBRATION_CLIPS))
            calibrate_object_score(model, (batch.to(self.device) for batch in drawn if isinstance(batch, ClipBatch)))
            weights = model.state_dict()
        # it is looked through at the size it learnt at last
        save_checkpoint(path, weights, replace(self.config, image_size=lesson.image_size), half=True)
        return path

    def _resume(self) -> None:
        try:
            state = torch.load(self.state_path, map_location=self.device, weights_only=True)
        except (RuntimeError, EOFError, pickle.UnpicklingError) as error:  # what torch.load says of damaged files
            raise ValueError(
                f"{self.state_path} is damaged, copy it again if there is another; the run begins anew in another folder"
            ) from error
        if state.get("model_and_parts") != self._model_and_parts:
            raise ValueError(f"{self.folder} holds a run of another model, or of other parts of it: give another folder")
        self.lesson_index, self.step = state["lesson_index"], state["step"]
        self.seconds, self.best_score = state["seconds"], state["best_score"]
        if self.lesson_index < len(self.recipe.lessons):
            self._start_lesson()
        self.model.load_state_dict(state["model"])
        self.averaged = state["averaged"]
        self.head.load_state_dict(state["head"])
        if self.lesson_index < len(self.recipe.lessons):
            self.optimizer.load_state_dict(state["optimizer"])
        logger.info("continuing %s at lesson %d, step %d", self.folder, self.lesson_index, self.step)


def _quiet_worker(_worker: int) -> None:
    """Leave the processor to the training, and what Ctrl-C means too."""
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _as_it_is(batch: Any) -> Any:
    return batch
