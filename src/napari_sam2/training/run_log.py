"""What a run writes down as it goes: a table of every step, a table of every validation, and both again for TensorBoard."""

from __future__ import annotations

import contextlib
import csv
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from napari_sam2.files import atomic_path

LOSSES = ("core_loss", "loss_mask", "loss_dice", "loss_iou", "loss_class", "first_iou", "last_iou")
"""Columns of the table of steps; a step on dense targets has only the first."""


class RunLog:
    """``log.csv``, ``validation.csv`` and, where TensorBoard is installed, ``tensorboard/`` in the folder of a run.

    Parameters
    ----------
    folder : Path
        The folder of the run.
    lessons_done : mapping of str to int
        Steps that are done of each lesson; what was logged after them, before the power went, is taken out.

    Raises
    ------
    OSError
        If something cannot be written, here and later.
    ValueError
        If one of the tables is there and is something else.
    """

    def __init__(self, folder: Path, lessons_done: Mapping[str, int]) -> None:
        self.folder = folder
        with full_disk_is_said(folder):
            for name in ("log.csv", "validation.csv"):
                _cut(folder / name, lessons_done)
            self._events = _event_file(folder / "tensorboard", sum(lessons_done.values()))

    def step(self, lesson: str, step: int, total_steps: int, seconds: float, losses: Mapping[str, float]) -> None:
        """Write down a step.

        Parameters
        ----------
        lesson : str
            Its lesson.
        step, total_steps : int
            Its number in the lesson and in the run, from 1.
        seconds : float
            How long it took.
        losses : mapping of str to float
            Of :data:`LOSSES` those it has.
        """
        values = {name: round(losses[name], 5) if name in losses else "" for name in LOSSES}
        row = {"lesson": lesson, "step": step, "seconds": round(seconds, 4), **values}
        self._write("log.csv", row, total_steps, {f"train/{name}": value for name, value in losses.items()})

    def validation(self, lesson: str, step: int, total_steps: int, score: float) -> None:
        """Write down a validation after a step, numbered as for :meth:`step`; ``score`` is a mean IoU, 0 .. 1."""
        row = {"lesson": lesson, "step": step, "mean_iou": round(score, 5)}
        self._write("validation.csv", row, total_steps, {"validation/mean_iou": score})

    def close(self) -> None:
        """Close TensorBoard's file."""
        if self._events is not None:
            self._events.close()

    def _write(self, name: str, row: Mapping[str, Any], total_steps: int, scalars: Mapping[str, float]) -> None:
        with full_disk_is_said(self.folder):
            _append(self.folder / name, row)
            if self._events is not None:
                self._events.add(total_steps, scalars)


@contextlib.contextmanager
def full_disk_is_said(folder: Path) -> Iterator[None]:
    """Turn what the system says of a full disk, which names no file, into a sentence.

    Raises
    ------
    OSError
        In place of any other.
    """
    try:
        yield
    except OSError as error:
        raise OSError(
            f"nothing can be written to {folder}, is the disk full? Make room; "
            "the same command then goes on from the last checkpoint"
        ) from error


def _append(path: Path, row: Mapping[str, Any]) -> None:
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


def _cut(path: Path, lessons_done: Mapping[str, int]) -> None:
    """Take out the rows of steps that will be made again, and what a full disk left of one."""
    rows = read_table(path)
    if not rows:
        path.unlink(missing_ok=True)
        return
    if not {"lesson", "step"} <= rows[0].keys():
        raise ValueError(f"{path} is not the log of a run: give another folder, or move it away")
    whole = rows if path.read_bytes().endswith(b"\n") else rows[:-1]
    kept = [row for row in whole if int(row["step"]) <= lessons_done.get(row["lesson"], -1)]
    if len(kept) == len(rows):
        return
    with atomic_path(path) as partial, partial.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(kept)


class _EventFile:
    """A file for TensorBoard that is written at once: PyTorch's writer has a thread, which tells of a full disk by a traceback."""

    def __init__(self, folder: Path, first_step: int) -> None:
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.summary.writer.record_writer import RecordWriter

        self._event, self._summary = Event, Summary
        folder.mkdir(parents=True, exist_ok=True)
        self._records = RecordWriter((folder / f"events.out.tfevents.{time.time_ns()}").open("ab", buffering=0))
        self._add(step=first_step, file_version="brain.Event:2")
        # What was logged from this step on, before the power went, is not shown.
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
