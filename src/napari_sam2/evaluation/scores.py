"""How well labels agree with the truth, object by object. T frames · H, W height and width."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_sam2.evaluation.dataset import Dataset
from napari_sam2.session.prompts_file import PromptEntry


@dataclass(frozen=True)
class ObjectIoU:
    """Scores of one object: on the prompted frame, and the mean from its first to its last true frame."""

    object_id: int
    prompted: float
    mean: float


@dataclass(frozen=True)
class Evaluation:
    """Scores of a data set."""

    dataset: str
    objects: tuple[ObjectIoU, ...]

    def summary(self) -> dict[str, str | int | float]:
        """Return objects, prompted-frame IoU, mean IoU, and the share of objects whose mean IoU is above 0.75."""
        means = np.array([item.mean for item in self.objects])
        return {
            "dataset": self.dataset,
            "objects": len(self.objects),
            "prompted_iou": round(float(np.mean([item.prompted for item in self.objects])), 4),
            "mean_iou": round(float(means.mean()), 4),
            "hits_0.75": round(float((means > 0.75).mean()), 4),
        }


def score(dataset: Dataset, entries: list[PromptEntry], labels: npt.NDArray[np.integer]) -> Evaluation:
    """Score labels (T, H, W) or (H, W) by the IoU of each prompted object; a frame on which both are empty counts 1."""
    found = labels if labels.ndim == 3 else labels[None]
    rows = []
    for entry in entries:
        seen = np.flatnonzero((dataset.truth == entry.object_id).any((1, 2)))
        frames = range(seen.min(), seen.max() + 1)
        ious = {t: _iou(dataset.truth[t] == entry.object_id, found[t] == entry.object_id) for t in frames}
        rows.append(ObjectIoU(entry.object_id, ious[entry.frame], float(np.mean(list(ious.values())))))
    return Evaluation(dataset.folder.name, tuple(rows))


def _iou(a: npt.NDArray[np.bool_], b: npt.NDArray[np.bool_]) -> float:
    union = int((a | b).sum())
    return 1.0 if union == 0 else int((a & b).sum()) / union
