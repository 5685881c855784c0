"""What came of a stack, in a file beside its results, which is written last: where it is, the results are whole."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from napari_sam2.batch.input_state import InputState
from napari_sam2.files import atomic_path, read_json
from napari_sam2.structured import parse, to_json

ENDING = ".outcome.json"


@dataclass(frozen=True)
class StackOutcome:
    """What came of a stack.

    Attributes
    ----------
    name, image, series
        See :class:`~napari_sam2.batch.stacks.StackFile`.
    outcome : {"done", "partly done", "failed"}
        Partly done: some frames could not be read; what could be is written.
    sentence : str
        Why it is not done; empty where it is.
    key : str
        The hash of input, settings and weights, see :meth:`~napari_sam2.batch.settings.BatchSettings.key`.
    inputs : list of InputState
        The image and its prompts.
    outputs : list of str
        Names of the written files, from the folder of the results on.
    session_stamp : str
        Of the session file as it was written.
    objects, frames : int
        How many.
    frames_tracked, frames_kept : int
        Frames that the last attempt tracked, and those that it found in the session file of an earlier attempt.
    mean_uncertainty, max_uncertainty : float
        Of all masks that are no anchors, 0 .. 3.
    seconds : float
        That the last attempt took.
    worker, device, precision, software : str
        Who did it, and in what: address, kind of device, precision of the network, version.
    """

    name: str
    image: str
    series: int | None
    outcome: Literal["done", "partly done", "failed"]
    sentence: str = ""
    key: str = ""
    inputs: list[InputState] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    session_stamp: str = ""
    objects: int = 0
    frames: int = 0
    frames_tracked: int = 0
    frames_kept: int = 0
    mean_uncertainty: float = 0.0
    max_uncertainty: float = 0.0
    seconds: float = 0.0
    worker: str = ""
    device: str = ""
    precision: str = ""
    software: str = ""

    def is_whole(self, key: str, results: Path, outputs: Sequence[str]) -> bool:
        """Return whether the stack is done with this key, and all of these outputs are there."""
        return self.outcome == "done" and self.key == key and all((results / name).exists() for name in outputs)


def outcome_path(results: Path, name: str) -> Path:
    """Return the file of the outcome of a stack."""
    return results / f"{name}{ENDING}"


def read_outcome(results: Path, name: str) -> StackOutcome | None:
    """Read what came of a stack; None where nothing is known, or the file is of no use."""
    path = outcome_path(results, name)
    with contextlib.suppress(OSError, ValueError):
        if path.exists():
            return parse(StackOutcome, read_json(path), str(path))
    return None


def write_outcome(results: Path, outcome: StackOutcome) -> None:
    """Write what came of a stack.

    Raises
    ------
    ValueError, OSError
        If it cannot be written.
    """
    path = outcome_path(results, outcome.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as partial:
        partial.write_text(to_json(outcome, indent=1) + "\n", encoding="utf-8")
