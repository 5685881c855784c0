"""Labelled stacks to score a model on. T frames · H, W height and width."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tifffile

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
