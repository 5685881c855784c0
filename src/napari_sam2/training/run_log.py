"""What a run writes down as it goes: a table of every step, a table of every validation, and both again for TensorBoard."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

LOSSES = ("core_loss", "loss_mask", "loss_dice", "loss_iou", "loss_class", "first_iou", "last_iou")
"""Columns of the table of steps; a step on dense targets has only the first."""


class RunLog:
    """``log.csv``, ``validation.csv`` and, where TensorBoard is installed, ``tensorboard/`` in the folder of a run.

    Parameters
    ----------
    folder : Path
        The folder of the run.
    stages_done : mapping of str to int
        Steps that are done of each stage; what was logged after them, before the power went, is taken out.
    """

    def __init__(self, folder: Path, stages_done: Mapping[str, int]) -> None:
        self.folder = folder
        self._writer = _summary_writer(folder / "tensorboard", sum(stages_done.values()))
        for name in ("log.csv", "validation.csv"):
            _cut(folder / name, stages_done)

    def step(self, stage: str, step: int, total_steps: int, seconds: float, losses: Mapping[str, float]) -> None:
        """Write down a step: its number in the stage and in the run, how long it took, and its losses."""
        values = {name: round(losses[name], 5) if name in losses else "" for name in LOSSES}
        self._append("log.csv", {"stage": stage, "step": step, "seconds": round(seconds, 4), **values})
        if self._writer is not None:
            for name, value in losses.items():
                self._writer.add_scalar(f"train/{name}", value, total_steps)

    def validation(self, stage: str, step: int, total_steps: int, score: float) -> None:
        """Write down a validation."""
        self._append("validation.csv", {"stage": stage, "step": step, "mean_iou": round(score, 5)})
        if self._writer is not None:
            self._writer.add_scalar("validation/mean_iou", score, total_steps)

    def close(self) -> None:
        """Write what TensorBoard's writer still holds."""
        if self._writer is not None:
            self._writer.close()

    def _append(self, name: str, row: Mapping[str, Any]) -> None:
        path = self.folder / name
        is_new = not path.exists()
        with path.open("a", newline="") as file:
            writer = csv.DictWriter(file, list(row))
            if is_new:
                writer.writeheader()
            writer.writerow(row)


def read_table(path: Path) -> list[dict[str, str]]:
    """Read a table of a run; empty if there is none."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def _cut(path: Path, stages_done: Mapping[str, int]) -> None:
    """Take out the rows of steps that will be made again."""
    rows = read_table(path)
    kept = [row for row in rows if int(row["step"] or 0) <= stages_done.get(row["stage"], -1)]
    if len(kept) == len(rows):
        return
    partial = path.with_suffix(".partial")
    with partial.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(kept)
    os.replace(partial, path)


def _summary_writer(folder: Path, first_step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder), purge_step=first_step + 1)
