"""Fine-tuning of a model on a user's labelled stacks: data, step budget, training, scores and pictures.

T frames · H, W height and width.
"""

from __future__ import annotations

import csv
import dataclasses
import logging
import math
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from napari_sam2.torch_threads import torch

import numpy as np
import numpy.typing as npt

from napari_sam2.files import atomic_path, check_writable
from napari_sam2.model.config import ModelConfig
from napari_sam2.predictors.build import load_model
from napari_sam2.training.contact_sheet import write_contact_sheet
from napari_sam2.training.distributed import ProcessGroup, start_process_group
from napari_sam2.training.held_out import HeldOutClips, ScoredStack, hold_out, stacks_to_score
from napari_sam2.training.labelled_files import count_objects, read_labelled_stack, without_unlabelled_frames
from napari_sam2.training.learning_rate import default_learning_rate
from napari_sam2.training.loss_curves import write_loss_curves
from napari_sam2.training.real_stacks import LabelledStack
from napari_sam2.training.recipe import Recipe, Stage
from napari_sam2.training.run_file import DataEntry, RunFile, read_run_file
from napari_sam2.training.run_log import writing_to
from napari_sam2.training.trainer import STATE_NAME, Cost, Progress, Trainer, Validation
from napari_sam2.weights.load import find_weights

logger = logging.getLogger(__name__)

NUM_VALIDATIONS = 8
MIN_STEPS = 10
USED_SHARE = 0.9
"""Share of ``minutes`` for which steps are planned; the speed of a machine varies."""

CHECKPOINT_SECONDS = 60
_SPARE_BYTES = 50_000_000


@dataclass(frozen=True)
class RunSummary:
    """Data, parameters and cost of a run, known before the training begins.

    Attributes
    ----------
    num_stacks, num_frames, num_objects, num_clips : int
        Size of the training data; clips are the frames at which a clip can begin.
    held_out : str
        Description of the held-out data.
    num_parameters, num_trainable : int
        Parameters of the model, and the trainable ones among them.
    num_steps, steps_done : int
        Steps in all, and those finished in earlier sittings.
    steps_per_epoch : int
        Steps in which ``num_clips`` clips are drawn.
    step_seconds, validations_seconds, memory_bytes : float or None
        Duration of a step, of all validations together, and memory in use, measured in a few steps; None if the run is resumed,
        or if the system has no measure of memory.
    notes : tuple of str
        Remarks on the data.
    """

    num_stacks: int
    num_frames: int
    num_objects: int
    num_clips: int
    held_out: str
    num_parameters: int
    num_trainable: int
    num_steps: int
    steps_done: int
    steps_per_epoch: int
    step_seconds: float | None
    validations_seconds: float | None
    memory_bytes: float | None
    notes: tuple[str, ...]


@dataclass(frozen=True)
class StackScores:
    """Mean IoU of a held-out stack after one click on each object: on the clicked frame, and over all frames."""

    name: str
    num_objects: int
    clicked_before: float
    clicked_after: float
    mean_before: float
    mean_after: float


class FineTuning:
    """A fine-tuning run, from the run file to the results.

    The constructor checks all settings and data, before any training. Then iterate over :meth:`train`, and afterwards over
    :meth:`finish`. If the folder of the run exists, the run is resumed.

    Parameters
    ----------
    run : RunFile
        The settings.
    process_group : ProcessGroup, optional
        Device, precision and processes; by default this process alone, on a GPU if there is one.
    num_workers : int
        Data-loading workers, which draw clips.

    Raises
    ------
    FileNotFoundError
        If a file or the initial checkpoint is missing.
    ValueError
        If files, data or settings do not fit, or the disk is too full; the message is one sentence.

    Examples
    --------
    >>> run = RunFile(out="runs/cells", data=[DataEntry("movie.tif", "labels.tif", "TYX")], minutes=20)  # doctest: +SKIP
    >>> tuning = FineTuning(run)  # doctest: +SKIP
    >>> for progress in tuning.train():  # doctest: +SKIP
    ...     print(progress.step, progress.losses["core_loss"])
    >>> for frame in tuning.finish():  # doctest: +SKIP
    ...     pass
    >>> session = Session("another_movie.tif", model=tuning.checkpoint)  # doctest: +SKIP
    """

    def __init__(self, run: RunFile, process_group: ProcessGroup | None = None, num_workers: int = 1) -> None:
        self.process_group = process_group or start_process_group()
        self.num_workers = num_workers
        self.run = _continued(run)
        config, self._init_checkpoint = find_weights(run.init_checkpoint)
        self.config = dataclasses.replace(config, name=run.out.name)
        self._read(run)
        self._num_frames = min(run.frames_per_clip, max((len(s.image) for s in self._training if s.is_sequence), default=1))
        notes = (*self._check_sequences(), *self._left_out)
        self._validation_clips = HeldOutClips(self._held_out, self._num_frames, config.image_size, run.seed)
        cost, memory = (None, None) if self._is_begun else self._plan()
        self.trainer = self._make_trainer(self._recipe(self.run.steps or 1))
        stage = self.trainer.recipe.stages[0]
        num_clips = sum(_num_clips(stack, self._num_frames) for stack in self._training)
        trainable = [parameter.numel() for parameter in self.trainer.model.parameters() if parameter.requires_grad]
        self.summary = RunSummary(
            num_stacks=len(self._training),
            num_frames=sum(len(stack.image) for stack in self._training),
            num_objects=sum(count_objects(stack) for stack in self._training),
            num_clips=num_clips,
            held_out=self._describe_held_out(run),
            num_parameters=sum(parameter.numel() for parameter in self.trainer.model.parameters()),
            num_trainable=sum(trainable),
            num_steps=stage.steps,
            steps_done=self.trainer.steps_done,
            steps_per_epoch=math.ceil(num_clips / _clips_per_step(stage)),
            step_seconds=None if cost is None else cost.step_seconds,
            validations_seconds=None if cost is None else _num_validations(stage.steps) * cost.validation_seconds,
            memory_bytes=None if memory is None else memory + 8.0 * sum(trainable),  # AdamW has two numbers per parameter
            notes=notes,
        )

    @property
    def checkpoint(self) -> Path:
        """Path of the model: the best weights by validation so far."""
        return self.trainer.best_path

    @property
    def is_trained(self) -> bool:
        """Whether all steps are done, or all minutes are used."""
        return self.trainer.steps_left == 0 or self._seconds_left <= 0

    @property
    def _seconds_left(self) -> float:
        return math.inf if self.run.minutes is None else 60 * self.run.minutes - self.trainer.seconds

    @property
    def _is_begun(self) -> bool:
        return _as_run(self.run.out).exists()

    # --- before ----------------------------------------------------------------------------------------------------

    def _read(self, run: RunFile) -> None:
        """Read all stacks, and hold out a part of each if there are no validation stacks."""
        self._training, self._held_out = [], []
        self._left_out: list[str] = []
        named: list[tuple[str, LabelledStack]] = []
        for entry in run.data:
            stack = self._read_entry(entry)
            if run.validation:
                self._training.append(stack)
                continue
            training, held_out = hold_out(stack, run.validation_share)
            if not training.labels.any():
                raise ValueError(
                    f"{entry.labels}: all objects are in the part held out for validation: "
                    "name separate stacks under [[validation]], or change validation_share"
                )
            self._training.append(training)
            named.append((entry.name, held_out))
        parts = ([stack for _, stack in named], self._training)
        held_out_px, training_px = (sum(stack.image.size for stack in part) for part in parts)
        self._held_out_share = held_out_px / (held_out_px + training_px)
        named += [(entry.name, self._read_entry(entry)) for entry in run.validation]
        self._held_out = [stack for _, stack in named if stack.labels.any()]
        self._scored = [scored for name, stack in named for scored in stacks_to_score(name, stack)]
        if not self._scored:
            raise ValueError(
                "the part held out for validation has no whole object: "
                "name separate stacks under [[validation]], or change validation_share"
            )

    def _read_entry(self, entry: DataEntry) -> LabelledStack:
        whole = read_labelled_stack(entry)
        stack = without_unlabelled_frames(whole)
        if left_out := len(whole.image) - len(stack.image):
            self._left_out.append(f"{entry.labels}: {left_out} frames between labelled ones have no label and are left out")
        return stack

    def _check_sequences(self) -> tuple[str, ...]:
        if self._num_frames > 1:
            return ()
        if self.run.trainable == "decoder and memory":
            raise ValueError(
                'trainable = "decoder and memory" needs sequences of frames, and there are only single images: '
                'use "decoder", or add a time-lapse or a volume'
            )
        return ("only single images: the model is trained on clicks, but not on tracking",)

    def _describe_held_out(self, run: RunFile) -> str:
        objects, frames = sum(len(stack.dataset.anchors) for stack in self._scored), sum(len(stack) for stack in self._scored)
        source = "the [[validation]] stacks" if run.validation else f"{self._held_out_share:.0%} of the stacks"
        return f"{source}; {objects} objects on {frames} frames of it are scored"

    def _plan(self) -> tuple[Cost, float | None]:
        """Measure a few steps, set the number of steps, check the disk space, and write ``run.toml``."""
        probe = self._make_trainer(self._recipe(1))
        _check_disk(probe, self.run.out)
        cost = probe.measure()
        memory = _peak_memory(self.process_group.device)
        if self.run.minutes is not None:
            seconds = 60 * USED_SHARE * self.run.minutes - (NUM_VALIDATIONS + 1) * cost.validation_seconds
            steps, fewest = int(seconds / cost.step_seconds), min(MIN_STEPS, self.run.steps or MIN_STEPS)
            if steps < fewest:
                needed = (fewest * cost.step_seconds + (NUM_VALIDATIONS + 1) * cost.validation_seconds) / 60 / USED_SHARE
                raise ValueError(
                    f"minutes = {self.run.minutes} is too short: a step takes {cost.step_seconds:.1f} s and a validation "
                    f"{cost.validation_seconds:.1f} s here, so {fewest} steps take {math.ceil(10 * needed) / 10} minutes"
                )
            self.run = dataclasses.replace(self.run, steps=min(steps, self.run.steps or steps))
        if self.process_group.rank == 0:
            self.run.out.mkdir(parents=True, exist_ok=True)
            self.run.write(_as_run(self.run.out))
        return cost, memory

    def _make_trainer(self, recipe: Recipe) -> Trainer:
        steps = recipe.stages[0].steps
        return Trainer(
            self.config,
            recipe,
            self.run.out,
            self._training,
            self.process_group,
            self.num_workers,
            init_checkpoint=self._init_checkpoint,
            trainable=self.run.trainable,
            validation=Validation(self._validation_clips.mean_iou, every_steps=_validation_interval(steps)),
            checkpoint_seconds=CHECKPOINT_SECONDS,
        )

    def _recipe(self, steps: int) -> Recipe:
        rate = self.run.learning_rate or default_learning_rate(self.config, self.run.trainable)
        return fine_tuning_recipe(self.config, steps, self._num_frames, rate, self.run.seed)

    # --- the training, and after it --------------------------------------------------------------------------------

    def train(self) -> Iterator[Progress]:
        """Start or resume the training; after :meth:`stop`, or an early end of the iteration, the same run can be resumed."""
        if not self.is_trained:
            yield from self.trainer.run(self._seconds_left)

    def stop(self) -> None:
        """End :meth:`train` after the current step, with a checkpoint."""
        self.trainer.stop()

    @property
    def frames_to_score(self) -> int:
        """Upper limit of the number of frames that :meth:`finish` yields."""
        return sum(4 * len(stack) for stack in self._scored)

    def finish(self) -> Iterator[int]:
        """Score the model before and after training, and write scores, curves and pictures; yields each finished frame.

        Raises
        ------
        RuntimeError
            If there is no model yet.
        OSError
            If a file cannot be written.
        """
        if not self.checkpoint.exists():
            raise RuntimeError(f"there is no model in {self.run.out} yet: train first")
        before, after = (load_model(model, self.process_group.device) for model in (self.run.init_checkpoint, self.checkpoint))
        self.scores: list[StackScores] = []
        for number, stack in enumerate(self._scored, start=1):
            found = []
            for model in (before, after):
                for item in stack.score(model):
                    if isinstance(item, int):
                        yield item
                    else:
                        found.append(item)
            (first, first_labels), (second, second_labels) = found
            old, new = first.summary(), second.summary()
            self.scores.append(
                StackScores(
                    stack.name,
                    len(first.objects),
                    float(old["prompted_iou"]),
                    float(new["prompted_iou"]),
                    float(old["mean_iou"]),
                    float(new["mean_iou"]),
                )
            )
            with writing_to(self.run.out):
                self._draw(number, stack, first_labels, second_labels)
        with writing_to(self.run.out):
            _write_scores(self.run.out / "scores.csv", self.scores)
            write_loss_curves(self.run.out, self.run.out / "curves.png")

    def _draw(self, number: int, stack: ScoredStack, before: npt.NDArray[np.uint16], after: npt.NDArray[np.uint16]) -> None:
        truth = stack.dataset.truth
        scored = np.where(np.isin(truth, list(stack.dataset.anchors)), truth, 0)
        labels = [scored, before.reshape(truth.shape), after.reshape(truth.shape)]
        write_contact_sheet(self.run.out / f"pictures_{number}.png", stack.image, labels, ("truth", "before", "after"))


def overall(scores: list[StackScores]) -> StackScores:
    """Average over all objects of all stacks."""
    weights = [row.num_objects for row in scores]
    names = ("clicked_before", "clicked_after", "mean_before", "mean_after")
    means = {name: float(np.average([getattr(row, name) for row in scores], weights=weights)) for name in names}
    return StackScores("all", sum(weights), **means)


def fine_tuning_recipe(config: ModelConfig, steps: int, num_frames: int, learning_rate: float, seed: int) -> Recipe:
    """Compose one training stage of clips and single images, all cropped from the user's stacks.

    Parameters
    ----------
    config : ModelConfig
        The model; the training has its image size.
    steps, num_frames, seed : int
        Number of steps, length of a clip, and seed of all random numbers.
    learning_rate : float
        Peak.
    """
    images = {"images_per_step": 2, "objects_per_image": 14}
    batch = (
        {"clips_per_step": 1, "objects_per_clip": 6, "image_share": 0.5}
        if num_frames > 1
        else {"clips_per_step": images["images_per_step"], "objects_per_clip": images["objects_per_image"]}
    )
    stage = Stage(
        "fine-tuning",
        "prompts",
        steps,
        config.image_size,
        num_frames,
        learning_rate=learning_rate,
        real_share=1.0,
        box_share=0.25,
        mask_share=0.15,
        frames_to_correct=2,
        encoder_rate=0.6,
        layer_decay=0.9,
        **batch,
        **images,
    )
    # The moving average spans a twentieth of the run: a shorter one is noisy, a longer one contains the initial weights.
    return Recipe((stage,), seed=seed, ema_decay=1 - 1 / min(max(steps / 20, 5), 500))


# --- files and costs ------------------------------------------------------------------------------------------------


def _as_run(out: Path) -> Path:
    return out / "run.toml"


def _continued(run: RunFile) -> RunFile:
    """Take the number of steps from the run in the folder, if its settings are the same."""
    if not _as_run(run.out).exists():
        if (run.out / STATE_NAME).exists():
            raise ValueError(f"{run.out} holds a run that is not a fine-tuning run: give another out")
        return run
    old = read_run_file(_as_run(run.out))
    for field in dataclasses.fields(RunFile):
        # with minutes, the planned number of steps may be below the requested one
        is_planned = field.name == "steps" and run.minutes is not None and (run.steps is None or run.steps >= (old.steps or 0))
        new_value, old_value = (getattr(each, field.name) for each in (run, old))
        if field.name != "out" and not is_planned and new_value != old_value:
            raise ValueError(
                f"{run.out} holds another run, its {field.name} is {_short(old_value)} and not {_short(new_value)}: "
                "give another out, or the file it was begun with"
            )
    return dataclasses.replace(run, steps=old.steps)


def _short(value: object) -> str:
    return ", ".join(entry.name for entry in value) or "none" if isinstance(value, tuple) else repr(value)


def _num_clips(stack: LabelledStack, num_frames: int) -> int:
    """Number of frames at which a clip can begin; each single image counts as one."""
    return len(stack.image) - num_frames + 1 if stack.has_clips_of(num_frames) else len(stack.image)


def _clips_per_step(stage: Stage) -> float:
    """Mean number of clips and images per step."""
    return (1 - stage.image_share) * stage.clips_per_step + stage.image_share * stage.images_per_step


def _validation_interval(steps: int) -> int:
    return math.ceil(steps / NUM_VALIDATIONS)


def _num_validations(steps: int) -> int:
    """Number of validations: before the first step, at intervals, and after the last step."""
    return 1 + math.ceil(steps / _validation_interval(steps))


def _check_disk(trainer: Trainer, out: Path) -> None:
    """Check the disk space for two checkpoints (weights, moving average, optimiser) and the best weights."""
    weights = sum(4 * value.numel() for value in trainer.averaged.values())
    trained = sum(4 * parameter.numel() for parameter in trainer.model.parameters() if parameter.requires_grad)
    needed = 2 * (2 * weights + 2 * trained) + 2 * weights + _SPARE_BYTES
    if out.exists() and not out.is_dir():
        raise ValueError(f"{out} is a file: give the name of a folder as out")
    existing = next(folder for folder in (out, *out.absolute().parents) if folder.is_dir())
    check_writable(existing / "run.toml")
    free = shutil.disk_usage(existing).free
    if free < needed:
        raise ValueError(f"{out} needs {needed / 1e6:.0f} MB of disk for its checkpoints, and {free / 1e6:.0f} MB are free")


def _peak_memory(device: torch.device) -> float | None:
    """Peak memory in bytes, of the GPU or of this process; None if the system has no measure of it."""
    if device.type == "cuda":
        return float(torch.cuda.max_memory_allocated(device))
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(peak if sys.platform == "darwin" else 1024 * peak)


def _write_scores(path: Path, scores: list[StackScores]) -> None:
    with atomic_path(path) as partial, partial.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([field.name for field in dataclasses.fields(StackScores)])
        for row in [*scores, overall(scores)]:
            writer.writerow([round(value, 4) if isinstance(value, float) else value for value in dataclasses.astuple(row)])
