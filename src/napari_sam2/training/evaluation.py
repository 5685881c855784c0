"""How good a model is: prompts as a person would give them, from true masks, and a score for each object.

T frames · H, W height and width.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tifffile
from scipy import ndimage as ndi

from napari_sam2.predictors.video_predictor import SAM2VideoPredictor
from napari_sam2.session.prompts_file import PromptEntry, add_prompts
from napari_sam2.session.session import Session

MIN_FRAMES = 5
"""Objects seen on fewer frames of a stack are not scored."""


@dataclass(frozen=True)
class Dataset:
    """A folder with ``image.tif``, ``masks.tif`` and, for stacks, ``objects.csv``.

    Attributes
    ----------
    folder : Path
        The folder.
    truth : ndarray
        (T, H, W), labels.
    anchors : dict
        Object id to the frame on which it is prompted.
    """

    folder: Path
    truth: npt.NDArray[np.integer]
    anchors: dict[int, int]

    @classmethod
    def read(cls, folder: Path) -> Dataset:
        """Read a folder.

        Raises
        ------
        FileNotFoundError, ValueError
            If a file is missing, or there is no object.
        """
        for name in ("image.tif", "masks.tif"):
            if not (folder / name).exists():
                raise FileNotFoundError(f"{folder} is not a data set: there is no {name}")
        truth = tifffile.imread(folder / "masks.tif")
        planes = truth if truth.ndim == 3 else truth[None]
        table = folder / "objects.csv"
        anchors = (
            _listed_anchors(table, planes) if table.exists() and truth.ndim == 3 else {int(i): 0 for i in np.unique(planes[0]) if i}
        )
        if not anchors:
            raise ValueError(f"{folder} has no object to score")
        return cls(folder, planes, anchors)


def _listed_anchors(table: Path, truth: npt.NDArray[np.integer]) -> dict[int, int]:
    """In a time-lapse an object is prompted where it appears, in a volume where it is largest."""
    anchors = {}
    present = set(np.unique(truth).tolist())
    with table.open(newline="") as file:
        reader = csv.DictReader(file)
        missing = {"id", "n_frames", "contiguous"} - set(reader.fieldnames or ())
        if missing:
            raise ValueError(f"{table} has no column {sorted(missing)[0]!r}")
        for row in reader:
            i = int(row["id"])
            if i not in present:
                raise ValueError(f"{table} lists object {i}, which is not in the masks")
            if int(row["n_frames"]) >= MIN_FRAMES and row["contiguous"] == "1":
                anchors[i] = int(row["t_first"]) if "t_first" in row else int((truth == i).sum((1, 2)).argmax())
    return anchors


def simulated_prompts(dataset: Dataset, kind: str = "point") -> list[PromptEntry]:
    """Prompt each object once, unless the image border cuts it there.

    Parameters
    ----------
    dataset : Dataset
        The data.
    kind : {"point", "box", "mask"}
        One click where the object is deepest, its box, or its mask.

    Returns
    -------
    list of PromptEntry
    """
    entries = []
    for i, frame in dataset.anchors.items():
        inside = dataset.truth[frame] == i
        if inside[[0, -1]].any() or inside[:, [0, -1]].any():
            continue
        rows, cols = np.nonzero(inside)
        if kind == "point":
            depth = ndi.distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1]
            row, col = np.unravel_index(depth.argmax(), depth.shape)
            entries.append(PromptEntry(i, frame, [[float(row), float(col)]], [1]))
        elif kind == "box":
            box = [float(rows.min()), float(cols.min()), float(rows.max() + 1), float(cols.max() + 1)]
            entries.append(PromptEntry(i, frame, box_rc=box))
        else:
            entries.append(PromptEntry(i, frame, mask=inside))
    return entries


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


def evaluate(
    dataset: Dataset, model: SAM2VideoPredictor, kind: str = "point", channel: int | None = None, precision: str = "float32"
) -> Iterator[Evaluation | int]:
    """Prompt and propagate all objects of a data set.

    Yields
    ------
    int, then Evaluation
        Each frame that is done, and at the end the scores.
    """
    entries = simulated_prompts(dataset, kind)
    session = Session(dataset.folder / "image.tif", model=model, channel=channel, precision=precision)
    add_prompts(session, entries)
    for result in session.propagate():
        yield result.frame
    yield score(dataset, entries, session.labels)
