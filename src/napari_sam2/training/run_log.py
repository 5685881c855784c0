"""The log of a training run: a table of all steps, a table of all validations, and both for TensorBoard."""

from __future__ import annotations

import contextlib
import csv
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from napari_sam2.files import atomic_path

LOSSES = ("core_loss", "loss_mask", "loss_dice", "loss_iou", "loss_class", "first_iou", "last_iou")
"""Loss columns of the table of steps; a step on dense targets has only the first."""


class RunLog:
    """``log.csv``, ``validation.csv`` and, where TensorBoard is installed, ``tensorboard/`` in the folder of a run.

    Parameters
    ----------
    folder : Path
        The folder of the run.
    steps_by_stage : mapping of str to int
        Steps of each stage up to the last checkpoint; rows of later steps, which will be repeated, are removed.

    Raises
    ------
    OSError
        If a file cannot be written, in the constructor or later.
    ValueError
        If ``log.csv`` or ``validation.csv`` exists and is not the log of a run.
    """

    def __init__(self, folder: Path, steps_by_stage: Mapping[str, int]) -> None:
        self.folder = folder
        with writing_to(folder):
            for name in ("log.csv", "validation.csv"):
                _cut(folder / name, steps_by_stage)
            self._events = _event_file(folder / "tensorboard", sum(steps_by_stage.values()))

    def step(self, stage: str, step: int, total_steps: int, seconds: float, losses: Mapping[str, float]) -> None:
        """Log a step.

        Parameters
        ----------
        stage : str
            Name of the training stage.
        step, total_steps : int
            Number of the step in the stage and in the run, from 1.
        seconds : float
            Duration.
        losses : mapping of str to float
            Those of :data:`LOSSES` that were computed.
        """
        values = {name: round(losses[name], 5) if name in losses else "" for name in LOSSES}
        row = {"stage": stage, "step": step, "seconds": round(seconds, 4), **values}
        self._write("log.csv", row, total_steps, {f"train/{name}": value for name, value in losses.items()})

    def validation(self, stage: str, step: int, total_steps: int, score: float) -> None:
        """Log a validation after a step, numbered as for :meth:`step`; ``score`` is a mean IoU, 0 .. 1."""
        row = {"stage": stage, "step": step, "mean_iou": round(score, 5)}
        self._write("validation.csv", row, total_steps, {"validation/mean_iou": score})

    def close(self) -> None:
        """Close the TensorBoard file."""
        if self._events is not None:
            self._events.close()

    def _write(self, name: str, row: Mapping[str, Any], total_steps: int, scalars: Mapping[str, float]) -> None:
        with writing_to(self.folder):
            _append(self.folder / name, row)
            if self._events is not None:
                self._events.add(total_steps, scalars)


@contextlib.contextmanager
def writing_to(folder: Path) -> Iterator[None]:
    """Replace errors of writing to the folder of a run, which may not name a file, by one sentence.

    Raises
    ------
    OSError
        In place of any other OSError.
    """
    try:
        yield
    except OSError as error:
        raise OSError(
            f"nothing can be written to {folder}, is the disk full? Make room; "
            "the same command then continues from the last checkpoint"
        ) from error


def _append(path: Path, row: Mapping[str, Any]) -> None:
    is_new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, list(row))
        if is_new:
            writer.writeheader()
        writer.writerow(row)


def read_table(path: Path) -> list[dict[str, str]]:
    """Read a table of a run; empty if there is no file."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def _cut(path: Path, steps_by_stage: Mapping[str, int]) -> None:
    """Remove the rows of steps that will be repeated, and a row that a full disk has cut off."""
    rows = read_table(path)
    if not rows:
        path.unlink(missing_ok=True)
        return
    if not {"stage", "step"} <= rows[0].keys():
        missing = next(column for column in ("stage", "step") if column not in rows[0])
        raise ValueError(f"{path} is not the log of a run, it has no column {missing!r}: give another folder, or move it away")
    whole = rows if path.read_bytes().endswith(b"\n") else rows[:-1]
    kept = [row for row in whole if int(row["step"]) <= steps_by_stage.get(row["stage"], -1)]
    if len(kept) == len(rows):
        return
    with atomic_path(path) as partial, partial.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(kept)


class _EventFile:
    """A TensorBoard file written without buffering: PyTorch's writer has a thread, which prints a traceback if the disk is full."""

    def __init__(self, folder: Path, first_step: int) -> None:
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.summary.writer.record_writer import RecordWriter

        self._event, self._summary = Event, Summary
        folder.mkdir(parents=True, exist_ok=True)
        self._records = RecordWriter((folder / f"events.out.tfevents.{time.time_ns()}").open("ab", buffering=0))
        self._add(step=first_step, file_version="brain.Event:2")
        # TensorBoard then hides events from this step on that an interrupted run logged after its last checkpoint.
        self._add(step=first_step, session_log=SessionLog(status=SessionLog.START))

    def add(self, step: int, scalars: Mapping[str, float]) -> None:
        values = [self._summary.Value(tag=tag, simple_value=value) for tag, value in scalars.items()]
        self._add(step=step, summary=self._summary(value=values))

    def close(self) -> None:
        self._records.close()

    def _add(self, **content: Any) -> None:
        self._records.write(self._event(wall_time=time.time(), **content).SerializeToString())


def _event_file(folder: Path, steps_done: int) -> _EventFile | None:
    try:
        return _EventFile(folder, steps_done + 1)
    except ImportError:
        return None
