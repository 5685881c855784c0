"""Runs a recipe: every step is drawn and seeded by its number, so that a run that was interrupted goes on as if it had not been.

V clips of a batch · S side of the image.
"""

from __future__ import annotations

import contextlib
import copy
import csv
import logging
import math
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from napari_sam2.model.assembly import build_model
from napari_sam2.model.config import ModelConfig
from napari_sam2.training.clips import Clip, ClipBatch, collate, normalise_frames
from napari_sam2.training.dense_targets import DenseHead, stack_dense_targets
from napari_sam2.training.losses import MultiStepMultiMasksAndIous
from napari_sam2.training.real_stacks import LabelledStack, sample_real_clip
from napari_sam2.training.recipe import Recipe, Stage
from napari_sam2.training.sam2_train import SAM2Train
from napari_sam2.training.synthetic import synthetic_clip
from napari_sam2.weights.load import save_checkpoint

logger = logging.getLogger(__name__)

Batch = ClipBatch | tuple[Tensor, Tensor] | None


class StageDataset(Dataset[Batch]):
    """The batches of a stage, by step number."""

    def __init__(self, stage: Stage, stage_index: int, seed: int, stacks: list[LabelledStack]) -> None:
        self.stage = stage
        self.stage_index = stage_index
        self.seed = seed
        self.stacks = stacks

    def __len__(self) -> int:
        return self.stage.steps

    def __getitem__(self, step: int) -> Batch:
        """Draw the batch of a step: a ClipBatch, or frames (V, 3, S, S) and dense targets (V, 4, S, S)."""
        rng, stage = np.random.default_rng([self.seed, self.stage_index, step]), self.stage
        num_frames, num_clips, max_objects = stage.num_frames, stage.clips_per_step, stage.objects_per_clip
        if stage.image_share and rng.random() < stage.image_share:
            num_frames, num_clips, max_objects = 1, stage.images_per_step, stage.objects_per_image
        clips = [self._clip(rng, num_frames) for _ in range(num_clips)]
        if stage.kind == "dense":
            return (
                torch.cat([normalise_frames(clip.frames) for clip in clips]),
                stack_dense_targets([clip.labels[0, 0] for clip in clips]),
            )
        return collate(clips, max_objects, rng)

    def _clip(self, rng: np.random.Generator, num_frames: int) -> Clip:
        size = self.stage.image_size
        if self.stacks and rng.random() < self.stage.real_share:
            return sample_real_clip(self.stacks[rng.integers(len(self.stacks))], rng, num_frames, size)
        return synthetic_clip(rng, num_frames, size)


@dataclass(frozen=True)
class Progress:
    """One finished step: stage, step within it, loss and its parts, seconds it took."""

    stage: Stage
    step: int
    losses: dict[str, float]
    seconds: float


class Trainer:
    """Trains a model by a recipe in a folder of its own.

    Parameters
    ----------
    config : ModelConfig
        The model.
    recipe : Recipe
        The lessons.
    folder : Path
        Receives ``log.csv`` and ``checkpoint.pt``; a run found there is continued.
    stacks : list of LabelledStack
        Real stacks to learn from beside the synthetic clips.
    device : str
        Where to train.
    num_workers : int
        Processes that draw clips.
    autocast : bool
        Compute in bfloat16.
    checkpoint_every : int
        Steps between checkpoints.
    """

    def __init__(
        self,
        config: ModelConfig,
        recipe: Recipe,
        folder: Path,
        stacks: list[LabelledStack],
        device: str = "cpu",
        num_workers: int = 1,
        autocast: bool = False,
        checkpoint_every: int = 200,
    ) -> None:
        self.config = config
        self.recipe = recipe
        self.folder = folder
        self.stacks = stacks
        self.device = torch.device(device)
        self.num_workers = num_workers
        self.autocast = autocast
        self.checkpoint_every = checkpoint_every
        self.loss = MultiStepMultiMasksAndIous(
            recipe.loss_weights, supervise_all_iou=True, iou_use_l1_loss=True, pred_obj_scores=True
        )
        self.stage_index, self.step = 0, 0
        torch.manual_seed(recipe.seed)
        self._build(recipe.stages[0].image_size)
        folder.mkdir(parents=True, exist_ok=True)
        if self.checkpoint_path.exists():
            self._resume()

    @property
    def checkpoint_path(self) -> Path:
        """Where the run is kept."""
        return self.folder / "checkpoint.pt"

    def _build(self, image_size: int) -> None:
        self.model = build_model(
            self.config,
            SAM2Train,
            image_size=image_size,
            supervise_low_res_masks=True,
            rand_frames_to_correct_for_train=True,
            add_all_frames_to_correct_as_cond=True,
            prob_to_sample_from_gt_for_train=0.1,
        ).to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.head = DenseHead(self.config.d_model).to(self.device)
        self.averaged = copy.deepcopy(self.model.state_dict())
        self._start_stage()

    def _start_stage(self) -> None:
        """Fit model and optimiser to the current stage; weights stay."""
        stage = self.recipe.stages[self.stage_index]
        if self.model.image_size != stage.image_size:
            weights, averaged, head = self.model.state_dict(), self.averaged, self.head
            self._build(stage.image_size)
            self.model.load_state_dict(weights)
            self.averaged, self.head = averaged, head
        model = self.model
        model.prob_to_use_pt_input[True] = 1 - stage.mask_share
        model.prob_to_use_box_input[True] = stage.box_share
        model.num_frames_to_correct[True] = stage.frames_to_correct
        model.num_correction_pt_per_frame = stage.corrections
        self.optimizer = torch.optim.AdamW(self._parameter_groups(stage), lr=stage.learning_rate, betas=(0.9, 0.98))

    def _parameter_groups(self, stage: Stage) -> list[dict[str, Any]]:
        """No decay on biases, norms and embeddings; a rate of its own for the image encoder."""
        groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
        for owner in (self.model, self.head):
            for name, parameter in owner.named_parameters():
                in_encoder = name.startswith("image_encoder")
                decays = parameter.ndim > 1 and "embed" not in name and "token" not in name
                groups.setdefault((in_encoder, decays), []).append(parameter)
        return [
            {
                "params": parameters,
                "weight_decay": self.recipe.weight_decay if decays else 0.0,
                "rate": stage.encoder_rate if in_encoder else 1.0,
            }
            for (in_encoder, decays), parameters in groups.items()
        ]

    # --- one run ---------------------------------------------------------------------------------------------------

    def run(self, max_seconds: float = math.inf) -> Iterator[Progress]:
        """Train; stop asking to stop. Ends when the recipe does or the time is up, with a checkpoint written."""
        begin = time.monotonic()
        while self.stage_index < len(self.recipe.stages):
            stage = self.recipe.stages[self.stage_index]
            for batch in self._batches(stage):
                started = time.monotonic()
                losses = self._train_step(stage, batch)
                self.step += 1
                progress = Progress(stage, self.step, losses, time.monotonic() - started)
                self._log(progress)
                if self.step % self.checkpoint_every == 0:
                    self.save()
                yield progress
                if time.monotonic() - begin > max_seconds:
                    self.save()
                    return
            self.stage_index, self.step = self.stage_index + 1, 0
            if self.stage_index < len(self.recipe.stages):
                self._start_stage()
            self.save()

    def _batches(self, stage: Stage) -> DataLoader[Batch]:
        dataset = StageDataset(stage, self.stage_index, self.recipe.seed, self.stacks)
        workers = self.num_workers
        return DataLoader(
            dataset,
            sampler=range(self.step, stage.steps),
            batch_size=None,
            num_workers=workers,
            prefetch_factor=4 if workers else None,
            collate_fn=_as_it_is,
            worker_init_fn=_one_thread,
        )

    def _train_step(self, stage: Stage, batch: Batch) -> dict[str, float]:
        if batch is None:
            return {}
        self.model.train()
        torch.manual_seed(hash((self.recipe.seed, self.stage_index, self.step)))
        self.model.rng = np.random.default_rng([self.recipe.seed, self.stage_index, self.step, 1])
        autocast = torch.autocast(self.device.type, torch.bfloat16) if self.autocast else contextlib.nullcontext()
        with autocast:
            losses = self._dense_losses(*batch) if isinstance(batch, tuple) else self._prompt_losses(batch)
        self.optimizer.zero_grad(set_to_none=True)
        losses["core_loss"].backward()
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip_gradient_norm)
        rate = stage.learning_rate * _schedule(self.step, stage.steps)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["rate"]
        if torch.isfinite(norm):
            self.optimizer.step()
            self._average()
        return {name: float(value.detach()) for name, value in losses.items()}

    def _dense_losses(self, frames: Tensor, targets: Tensor) -> dict[str, Tensor]:
        frames = frames.to(self.device).contiguous(memory_format=torch.channels_last)
        features = self.model.image_encoder(frames)["backbone_fpn"]
        return {"core_loss": self.head(features, targets.to(self.device))}

    def _prompt_losses(self, batch: ClipBatch) -> dict[str, Tensor]:
        batch = batch.to(self.device)
        frames = self.model(batch)
        losses: dict[str, Tensor] = self.loss(frames, batch.masks)
        with torch.no_grad():
            # What a person would see after the first prompt and at the end of the clip.
            first, last = frames[0][0], frames[-1][-1]
            losses["first_iou"] = _best_guess_iou(first.multimasks, first.ious, batch.masks[0])
            losses["last_iou"] = _best_guess_iou(last.multimasks, last.ious, batch.masks[-1])
        return losses

    @torch.no_grad()
    def _average(self) -> None:
        """Follow the weights slowly: the average is what is kept in the end."""
        decay = self.recipe.ema_decay
        for name, value in self.model.state_dict().items():
            self.averaged[name].lerp_(value, 1 - decay)

    @property
    def steps_left(self) -> int:
        """Steps until the recipe ends."""
        return sum(stage.steps for stage in self.recipe.stages[self.stage_index :]) - self.step

    # --- files -----------------------------------------------------------------------------------------------------

    def save(self) -> None:
        """Write the run, atomically."""
        state = {
            "stage_index": self.stage_index,
            "step": self.step,
            "image_size": self.model.image_size,
            "model": self.model.state_dict(),
            "averaged": self.averaged,
            "head": self.head.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        partial = self.checkpoint_path.with_suffix(".partial")
        torch.save(state, partial)
        os.replace(partial, self.checkpoint_path)

    def export(self) -> Path:
        """Write the averaged weights, in half precision, as a checkpoint that ``load_model`` takes; return its path."""
        path = self.folder / f"{self.config.name}.safetensors"
        save_checkpoint(path, self.averaged, self.config, half=True)
        return path

    def _resume(self) -> None:
        state = torch.load(self.checkpoint_path, map_location=self.device, weights_only=True)
        self.stage_index, self.step = state["stage_index"], state["step"]
        self.model.load_state_dict(state["model"])
        self.averaged = state["averaged"]
        self.head.load_state_dict(state["head"])
        if self.stage_index < len(self.recipe.stages):
            self._start_stage()
            self.optimizer.load_state_dict(state["optimizer"])
        logger.info("continuing %s at stage %d, step %d", self.folder, self.stage_index, self.step)

    def _log(self, progress: Progress) -> None:
        path = self.folder / "log.csv"
        row = {"stage": progress.stage.name, "step": progress.step, "seconds": round(progress.seconds, 4)}
        names = ("core_loss", "loss_mask", "loss_dice", "loss_iou", "loss_class", "first_iou", "last_iou")
        values = {name: round(progress.losses[name], 5) if name in progress.losses else "" for name in names}
        is_new = not path.exists()
        with path.open("a", newline="") as file:
            writer = csv.DictWriter(file, [*row, *values])
            if is_new:
                writer.writeheader()
            writer.writerow(row | values)


def _schedule(step: int, steps: int, warmup: int = 50, floor: float = 0.05) -> float:
    """Share of the peak learning rate: a linear warm-up, then a cosine."""
    cosine = 0.5 * (1 + math.cos(math.pi * step / steps))
    return min(1.0, (step + 1) / warmup) * (floor + (1 - floor) * cosine)


def _best_guess_iou(multimasks: Tensor, ious: Tensor, truth: Tensor) -> Tensor:
    """Mean IoU of the masks the model believes in."""
    chosen = multimasks[torch.arange(len(ious)), ious.argmax(1)] > 0
    small = nn.functional.interpolate(truth[:, None].float(), chosen.shape[-2:], mode="area")[:, 0] > 0.5
    union = (chosen | small).flatten(1).sum(1)
    return torch.where(union > 0, (chosen & small).flatten(1).sum(1) / union.clamp(min=1), 1.0).mean()


def _one_thread(_worker: int) -> None:
    torch.set_num_threads(1)


def _as_it_is(batch: Any) -> Any:
    return batch
