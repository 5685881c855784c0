"""How well labels agree with the truth, object by object. T frames · H, W height and width."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_sam2.evaluation.agreement import boundary_f, iou
from napari_sam2.evaluation.dataset import Dataset
from napari_sam2.session.prompts_file import PromptEntry


@dataclass(frozen=True)
class ObjectScores:
    """Scores of one object.

    Attributes
    ----------
    object_id : int
        The object.
    prompted : float
        IoU on the prompted frame.
    mean : float
        IoU, the J of DAVIS: mean from the object's first to its last true frame.
    boundary_f : float
        Boundary F of DAVIS, mean over the same frames.
    """

    object_id: int
    prompted: float
    mean: float
    boundary_f: float

    @property
    def j_and_f(self) -> float:
        """Mean of J and F."""
        return (self.mean + self.boundary_f) / 2


@dataclass(frozen=True)
class Evaluation:
    """Scores of a data set."""

    dataset: str
    objects: tuple[ObjectScores, ...]

    @classmethod
    def joined(cls, parts: Sequence[Evaluation]) -> Evaluation:
        """Return the scores of all images of a collection as one; each object counts once."""
        return cls(parts[0].dataset, tuple(item for part in parts for item in part.objects))

    @property
    def mean_iou(self) -> float:
        """Mean over objects."""
        return float(np.mean([item.mean for item in self.objects]))

    def summary(self) -> dict[str, str | int | float]:
        """Return means over objects.

        Returns
        -------
        dict
            ``dataset``, its name; ``objects``, how many; ``prompted_iou``, ``mean_iou``, ``boundary_f`` and ``j_and_f``, means of
            their scores, rounded to four digits; ``hits_0.75``, the share of objects whose mean IoU is above 0.75.
        """
        return {
            "dataset": self.dataset,
            "objects": len(self.objects),
            "prompted_iou": _mean([item.prompted for item in self.objects]),
            "mean_iou": round(self.mean_iou, 4),
            "boundary_f": _mean([item.boundary_f for item in self.objects]),
            "j_and_f": _mean([item.j_and_f for item in self.objects]),
            "hits_0.75": _mean([item.mean > 0.75 for item in self.objects]),
        }


def _mean(values: list[float]) -> float:
    return round(float(np.mean(values)), 4)


def score(dataset: Dataset, entries: list[PromptEntry], labels: npt.NDArray[np.integer]) -> Evaluation:
    """Score labels for each prompted object.

    Parameters
    ----------
    dataset : Dataset
        The truth.
    entries : list of PromptEntry
        Which objects, and on which frame each was prompted.
    labels : ndarray
        (T, H, W) or (H, W): what was found, under the ids of the truth.

    Returns
    -------
    Evaluation
        In the order of ``entries``. A frame where truth and labels both lack the object counts 1.
    """
    found = labels if labels.ndim == 3 else labels[None]
    rows = []
    for entry in entries:
        i = entry.object_id
        pairs = {t: (dataset.mask(i, t), found[t] == i) for t in dataset.span(i)}
        ious = {t: iou(*pair) for t, pair in pairs.items()}
        fs = [boundary_f(*pair) for pair in pairs.values()]
        rows.append(ObjectScores(i, ious[entry.frame], float(np.mean(list(ious.values()))), float(np.mean(fs))))
    return Evaluation(dataset.name, tuple(rows))
