"""SEG, DET and TRA of the Cell Tracking Challenge, by ``py-ctcmetrics`` (extra ``evaluate``); divisions.

T frames · H, W height and width.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from napari_sam2.export.ctc import ctc_tracks

Labels = npt.NDArray[np.integer]


@dataclass(frozen=True)
class TrackScores:
    """Scores of the Cell Tracking Challenge, 0 .. 1.

    Attributes
    ----------
    seg : float
        Mean IoU over all true objects of all frames; one that is less than half covered by a label counts 0.
    det : float
        Detection accuracy, by the work to correct all detections: missed ones cost most, then merged ones, then surplus ones.
    tra : float
        The same with links from frame to frame, and from parent to child.
    """

    seg: float
    det: float
    tra: float


@dataclass(frozen=True)
class DivisionScores:
    """Numbers of divisions, and precision, recall and F1 of those that were found, 0 .. 1.

    Attributes
    ----------
    num_true, num_found, num_right : int
        Divisions that are true, that were found, and that are both.
    """

    num_true: int
    num_found: int
    num_right: int

    @property
    def precision(self) -> float:
        """The share of found divisions that are right; 1 where none was found."""
        return self.num_right / self.num_found if self.num_found else 1.0

    @property
    def recall(self) -> float:
        """The share of true divisions that were found; 1 where there is none."""
        return self.num_right / self.num_true if self.num_true else 1.0

    @property
    def f1(self) -> float:
        """Twice the right ones in all true and all found ones; 1 where there are neither."""
        count = self.num_true + self.num_found
        return 2 * self.num_right / count if count else 1.0


def check_installed() -> None:
    """Check before long work that the extra is installed.

    Raises
    ------
    ImportError
        If py-ctcmetrics is not installed.
    """
    try:
        import ctc_metrics  # noqa: F401
    except ImportError as error:
        raise ImportError("SEG, DET and TRA need an extra: pip install 'napari-sam2[evaluate]'") from error


def track_scores(
    truth: Labels,
    found: Labels,
    objects: Iterable[int],
    lineage: Mapping[int, int] | None = None,
    found_lineage: Mapping[int, int] | None = None,
) -> TrackScores:
    """Score labels as tracks.

    Parameters
    ----------
    truth, found : ndarray
        (T, H, W), labels.
    objects : iterable of int
        True objects that are scored: those that were prompted, or all.
    lineage, found_lineage : mapping, optional
        The parent of each child, of true objects and of those that were found.

    Returns
    -------
    TrackScores

    Raises
    ------
    ImportError
        If py-ctcmetrics is not installed.
    ValueError
        If there is a single frame.

    Notes
    -----
    Matula et al. 2015 (AOGM, weights 5, 10, 1, 1, 1.5 and 1) and Maška et al. 2014 (SEG). Objects are cut into tracks as the
    challenge asks, see :mod:`napari_sam2.export.ctc`: one that is absent from some frames is two, the later linked to the
    earlier. A parent that does not begin before its child is ignored.
    """
    check_installed()
    from ctc_metrics.metrics import det, seg, tra
    from ctc_metrics.utils.representations import count_acyclic_graph_correction_operations

    if len(truth) < 2:
        raise ValueError("SEG, DET and TRA score tracks: a stack of at least two frames is needed, got a single image")
    truth = np.where(np.isin(truth, list(objects)), truth, 0)
    reference, result = _Tracks(truth, lineage or {}), _Tracks(found, found_lineage or {})
    if not result.table.size:
        return TrackScores(0.0, 0.0, 0.0)
    matches = [_match(*planes) for planes in zip(truth, found, strict=True)]
    work = count_acyclic_graph_correction_operations(
        reference.table,
        result.table,
        reference.by_frame,
        result.by_frame,
        [reference.numbers(frame, match.truth) for frame, match in enumerate(matches)],
        [result.numbers(frame, match.found) for frame, match in enumerate(matches)],
    )
    return TrackScores(seg(reference.by_frame, [match.ious for match in matches]), det(**work), tra(**work)[0])


def division_scores(
    truth: Labels, found: Labels, lineage: Mapping[int, int], found_lineage: Mapping[int, int], tolerance_frames: int = 1
) -> DivisionScores:
    """Score divisions: of a parent into two children or more.

    A division was found if a division among what was found has the right parent and the right children, nearly at the same time.

    Parameters
    ----------
    truth, found : ndarray
        (T, H, W), labels.
    lineage, found_lineage : mapping
        The parent of each child, of true objects and of those that were found.
    tolerance_frames : int
        The first frame of the children may be as many frames earlier or later.

    Returns
    -------
    DivisionScores
        What was found counts as the true object on which it has more than half of its pixels, over all of its frames.

    Raises
    ------
    ValueError
        If the label images have different shapes.
    """
    if truth.shape != found.shape:
        raise ValueError(f"labels and truth must have one shape, got {found.shape} and {truth.shape}")
    true_ones, found_ones = _divisions(truth, lineage), _divisions(found, found_lineage)
    true_of = {i: _majority(truth, found, i) for one in found_ones for i in (one.parent, *one.children)}
    left, num_right = list(true_ones), 0
    for one in found_ones:
        for true in left:
            is_near = abs(one.frame - true.frame) <= tolerance_frames
            children = {true_of[i] for i in one.children}
            is_same = true_of[one.parent] == true.parent and children == set(true.children)
            if is_near and is_same and len(one.children) == len(true.children):
                left.remove(true)
                num_right += 1
                break
    return DivisionScores(len(true_ones), len(found_ones), num_right)


class _Division(NamedTuple):
    """A parent, its children, and the first frame of these."""

    parent: int
    children: tuple[int, ...]
    frame: int


def _divisions(labels: Labels, lineage: Mapping[int, int]) -> list[_Division]:
    """List the divisions of objects that are there; one child alone is none."""
    children: dict[int, list[int]] = {}
    there = set(np.unique(labels).tolist()) - {0}
    for child, parent in sorted(lineage.items()):
        if {child, parent} <= there:
            children.setdefault(parent, []).append(child)
    first = {i: int(np.flatnonzero((labels == i).any((1, 2)))[0]) for ids in children.values() for i in ids}
    return [_Division(i, tuple(ids), min(first[j] for j in ids)) for i, ids in children.items() if len(ids) > 1]


def _majority(truth: Labels, found: Labels, object_id: int) -> int:
    """Return the true object that has most pixels of one that was found; 0 where these are half of it or less."""
    counts = np.bincount(truth[found == object_id])
    true = int(counts.argmax())
    return true if 2 * counts[true] > counts.sum() else 0


class _Tracks:
    """Labels as tracks of the challenge.

    ``by_frame`` are the numbers of the tracks on each frame; ``table`` has a row for each track: its number, first and last frame,
    and the number of its parent track, or 0.
    """

    def __init__(self, labels: Labels, lineage: Mapping[int, int]) -> None:
        seen: dict[int, list[int]] = {}
        for frame, plane in enumerate(labels):
            for i in np.unique(plane[plane > 0]).tolist():
                seen.setdefault(i, []).append(frame)
        known = {
            child: parent for child, parent in lineage.items() if {child, parent} <= set(seen) and seen[parent][0] < seen[child][0]
        }
        tracks = ctc_tracks(seen, known)
        self.table = np.array([(track.label, track.first, track.last, track.parent) for track in tracks], int).reshape(-1, 4)
        self._numbers: list[dict[int, int]] = [{} for _ in labels]
        for track in tracks:
            for frame in range(track.first, track.last + 1):
                self._numbers[frame][track.object_id] = track.label
        # The package expects them in order.
        self.by_frame = [np.array(sorted(numbers.values()), np.int64) for numbers in self._numbers]

    def numbers(self, frame: int, labels: Iterable[int]) -> npt.NDArray[np.int64]:
        return np.array([self._numbers[frame][int(i)] for i in labels], np.int64)


class _Match(NamedTuple):
    """On a frame: true labels, the labels that cover more than half of each, and their IoU."""

    truth: list[int]
    found: list[int]
    ious: list[float]


def _match(truth: Labels, found: Labels) -> _Match:
    # Not by the package: its own matching reads files, and takes the first label for background where every pixel has one.
    match = _Match([], [], [])
    for i in np.unique(truth[truth > 0]):
        inside = truth == i
        j = np.bincount(found[inside]).argmax()
        overlap = int((found[inside] == j).sum())
        if j and 2 * overlap > inside.sum():
            match.truth.append(int(i))
            match.found.append(int(j))
            match.ious.append(overlap / int((inside | (found == j)).sum()))
    return match
