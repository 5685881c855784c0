"""Scores of several models on several labelled stacks, without names and paths of a person's files."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from napari_sam2.data.samples import SAMPLES
from napari_sam2.evaluation.dataset import Dataset, read_datasets
from napari_sam2.evaluation.evaluate import prompt_and_score
from napari_sam2.evaluation.scores import Evaluation
from napari_sam2.evaluation.simulated_prompts import promptable, with_promptable_objects
from napari_sam2.evaluation.worst_objects import Scored, draw_worst_objects
from napari_sam2.images.intensity import choose_range
from napari_sam2.predictors.device import AUTO
from napari_sam2.predictors.video_predictor import SAM2VideoPredictor
from napari_sam2.session.session import Session
from napari_sam2.session.state.identity import ModelIdentity, weights_sha256
from napari_sam2.wording import counted

HASH_DIGITS = 12


@dataclass(frozen=True)
class LabelledStack:
    """A labelled stack, under a name that tells nothing of whose it is.

    Attributes
    ----------
    name : str
        Of a bundled one its own, of a person's ``own stack 1``.
    datasets : tuple of Dataset
        One, or one for each image of a collection.
    credit : str
        Whose a bundled one is; empty for a person's own.
    has_pictures : bool
        Pictures of it may be shown.
    """

    name: str
    datasets: tuple[Dataset, ...]
    credit: str = ""
    has_pictures: bool = False

    @property
    def description(self) -> str:
        """Shape, axes, type and how many objects are scored, in words."""
        first = self.datasets[0]
        stack = first.stack()
        shape = " × ".join(str(side) for side in (stack.image.shape if first.number is None else first.truth.shape[1:]))
        number = sum(len(promptable(dataset)) for dataset in self.datasets)
        images = "" if first.number is None else f"{counted(len(self.datasets), 'image')} of "
        return f"{images}{shape}, {stack.axes}, {stack.image.dtype}, {counted(number, 'object')}"


def bundled_stacks() -> list[LabelledStack]:
    """Return the stacks that come with the package, which anybody may see."""
    return [LabelledStack(one.folder.name, tuple(read_datasets(one.folder)), one.credit, has_pictures=True) for one in SAMPLES]


def own_stack(number: int, datasets: Sequence[Dataset], has_pictures: bool) -> LabelledStack:
    """Return a person's stack.

    Parameters
    ----------
    number : int
        Its number, which becomes its name.
    datasets : sequence of Dataset
        As :func:`~napari_sam2.evaluation.dataset.read_datasets` returns them.
    has_pictures : bool
        Its pictures may be shown.

    Raises
    ------
    ValueError
        If the image border cuts every object.
    """
    return LabelledStack(f"own stack {number}", tuple(with_promptable_objects(datasets)), has_pictures=has_pictures)


@dataclass(frozen=True)
class ReportedModel:
    """A model, without the path of its file.

    Attributes
    ----------
    name : str
        The name of a released or embedded model; ``own checkpoint 1`` where it is a person's file.
    architecture, sha256 : str
        Its configuration, and the beginning of the SHA-256 of its parameters.
    device : str
        Where it ran.
    load_s : float
        How long it took to load, in seconds.
    """

    name: str
    architecture: str
    sha256: str
    device: str
    load_s: float

    @classmethod
    def of(cls, model: SAM2VideoPredictor, own_number: int | None, load_s: float) -> ReportedModel:
        """Describe a loaded model; ``own_number`` is that of a person's checkpoint file, None for a model with a name."""
        identity = ModelIdentity.of(model)
        name = identity.name if own_number is None else f"own checkpoint {own_number}"
        return cls(name, identity.architecture, weights_sha256(model)[:HASH_DIGITS], model.device.type, load_s)


@dataclass(frozen=True)
class StackScores:
    """Scores of one model on one stack.

    Attributes
    ----------
    model, stack : str
        Their names.
    summary : dict
        Means over objects, see :meth:`~napari_sam2.evaluation.scores.Evaluation.summary`.
    rows : tuple of dict
        The scores of each object.
    seconds : float
        Time for prompts and propagation.
    ms_per_mask : float
        The same in milliseconds, for each object on each frame.
    picture : bytes or None
        The worst objects, PNG.
    """

    model: str
    stack: str
    summary: dict[str, Any]
    rows: tuple[dict[str, Any], ...]
    seconds: float
    ms_per_mask: float
    picture: bytes | None = None


def score_stack(
    model: SAM2VideoPredictor, name: str, stack: LabelledStack, kind: str = "point", precision: str = AUTO
) -> Iterator[int | StackScores]:
    """Score a model on a stack.

    Parameters
    ----------
    model : SAM2VideoPredictor
        The model.
    name : str
        By which it is shown.
    stack : LabelledStack
        What it is scored on.
    kind : {"point", "box", "mask"}
        How each object is prompted.
    precision : str
        Of the network, as for :class:`~napari_sam2.session.session.Session`.

    Yields
    ------
    int, then StackScores
        Each frame that is done, and at the end the scores.
    """
    parts, seconds, num_masks = list[Scored](), 0.0, 0
    for dataset in stack.datasets:
        with Session(dataset.stack(), model=model, precision=precision) as session:
            started = done = time.perf_counter()
            for step in prompt_and_score(session, dataset, kind):
                if isinstance(step, Evaluation):
                    evaluation = step
                else:
                    done = time.perf_counter()
                    yield step
            if done == started:  # of a single image no frame is propagated
                done = time.perf_counter()
            seconds += done - started
            num_masks += len(evaluation.objects) * len(session.stack)
            black_and_white = choose_range(session.stack.frames) if stack.has_pictures else (0.0, 1.0)
            parts.append(Scored(session.stack, dataset, evaluation, np.array(session.labels), black_and_white))
    whole = Evaluation.joined([part.evaluation for part in parts])
    yield StackScores(
        name,
        stack.name,
        whole.summary() | {"dataset": stack.name},
        tuple(asdict(row) for row in whole.objects),
        seconds,
        1e3 * seconds / num_masks,
        _png(parts, stack.name) if stack.has_pictures else None,
    )


def _png(parts: Sequence[Scored], title: str) -> bytes:
    file = io.BytesIO()
    draw_worst_objects(parts, title).save(file, format="PNG", optimize=True)
    return file.getvalue()
