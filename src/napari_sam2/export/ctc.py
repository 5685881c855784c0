"""Tracks in the format of the Cell Tracking Challenge: a label image for each frame, and a text file of tracks.

The file has a line ``L B E P`` for each track: label, first and last frame, and the label of its parent, or 0. A track is present
on every frame from its first to its last, and ends before its children begin.

An object is therefore several tracks where it is absent from some frames, or lives on after a child has begun (budding): the first
keeps its label, later ones get free labels, and each is the parent of the next.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tifffile

from napari_sam2.export.result import Result
from napari_sam2.export.tracks import find_tracks
from napari_sam2.files import atomic_folder
from napari_sam2.images.label_images import MAX_LABEL

TRACKS_NAME = "res_track.txt"


@dataclass(frozen=True)
class CtcTrack:
    """One line of the text file: a piece of an object without a gap.

    Attributes
    ----------
    label : int
        Of the track, its value in the label images.
    first, last : int
        Its first and its last frame, counted from 0.
    parent : int
        Label of the parent track; 0 for none.
    object_id : int
        The object that it is a piece of.
    """

    label: int
    first: int
    last: int
    parent: int
    object_id: int


def read_ctc_lineage(folder: Path) -> dict[int, int]:
    """Read the lineage from the text file of tracks in a folder; empty where there is no such file.

    Returns
    -------
    dict of int to int
        The parent of each child, by label.

    Raises
    ------
    ValueError
        If a line is not four whole numbers.
    """
    found = sorted(folder.glob("*_track.txt")) if folder.is_dir() else []
    lineage = {}
    for number, line in enumerate(found[0].read_text(encoding="utf-8").splitlines() if found else (), start=1):
        words = line.split()
        if len(words) != 4 or not all(word.isdecimal() for word in words):
            raise ValueError(f"{found[0]}, line {number}: expected label, first frame, last frame and parent, got {line!r}")
        label, _, _, parent = map(int, words)
        if parent:
            lineage[label] = parent
    return lineage


def ctc_tracks(frames: Mapping[int, Sequence[int]], lineage: Mapping[int, int]) -> list[CtcTrack]:
    """Cut objects into tracks by the rule above.

    Parameters
    ----------
    frames : mapping of int to sequence of int
        Frames of each object, in order; one at least.
    lineage : mapping of int to int
        The parent of each child. Both have frames, the parent an earlier one.

    Returns
    -------
    list of CtcTrack
        Ordered by label. The first track of an object has its id, later ones the lowest numbers that no object has.
    """
    births: dict[int, set[int]] = {}
    for child, parent in lineage.items():
        births.setdefault(parent, set()).add(frames[child][0])
    spans = {object_id: _spans(seen, births.get(object_id, set())) for object_id, seen in frames.items()}
    free = (label for label in itertools.count(1) if label not in frames)
    pieces: dict[int, list[CtcTrack]] = {}
    # Parents first: the line of a child names the last piece of its parent.
    for object_id in sorted(spans, key=lambda i: frames[i][0]):
        earlier = [piece for piece in pieces.get(lineage.get(object_id, 0), []) if piece.last < frames[object_id][0]]
        parent, own = (earlier[-1].label if earlier else 0), list[CtcTrack]()
        for first, last in spans[object_id]:
            label = next(free) if own else object_id
            own.append(CtcTrack(label, first, last, parent, object_id))
            parent = label
        pieces[object_id] = own
    return sorted((piece for own in pieces.values() for piece in own), key=lambda piece: piece.label)


def _spans(seen: Sequence[int], cuts: set[int]) -> list[tuple[int, int]]:
    spans: list[tuple[int, int]] = []
    for frame in seen:
        if spans and spans[-1][1] == frame - 1 and frame not in cuts:
            spans[-1] = (spans[-1][0], frame)
        else:
            spans.append((frame, frame))
    return spans


def is_ctc(folder: Path) -> bool:
    """Return whether a folder holds tracks in the format of the challenge, and nothing else."""
    return (folder / TRACKS_NAME).is_file() and all(
        path.name == TRACKS_NAME or path.match("mask*.tif") for path in folder.iterdir()
    )


def write_ctc(folder: Path, result: Result) -> None:
    """Write tracks for the Cell Tracking Challenge.

    Parameters
    ----------
    folder : Path
        Such as ``01_RES``.
    result : Result
        Labels with a time axis, one plane or a volume each time.

    Raises
    ------
    ValueError
        If there is no time axis, a parent begins after its child, a label is not between 0 and 65535, there are more tracks than
        that, or it cannot be written there.
    """
    tracks = find_tracks(result)
    pieces = ctc_tracks(tracks.frames(), tracks.lineage)
    if any(piece.label > MAX_LABEL for piece in pieces):
        raise ValueError(f"there are more than {MAX_LABEL} tracks, gaps divide objects into several: too many for 16 bit")
    digits = max(3, len(str(result.size("T") - 1)))
    with atomic_folder(folder, is_ctc) as partial:
        lines = [f"{piece.label} {piece.first} {piece.last} {piece.parent}\n" for piece in pieces]
        (partial / TRACKS_NAME).write_text("".join(lines), encoding="ascii")
        for time in range(result.size("T")):
            tifffile.imwrite(
                partial / f"mask{time:0{digits}d}.tif",
                _renamed(result, time, pieces),
                shape=result.shape[1:],
                dtype=np.uint16,
                compression="zlib",
                photometric="minisblack",
                metadata={"axes": result.space},
            )


def _renamed(result: Result, time: int, pieces: list[CtcTrack]) -> Iterator[npt.NDArray[np.uint16]]:
    """Read the planes of a time, with labels of tracks instead of objects."""
    label_of = np.arange(MAX_LABEL + 1, dtype=np.uint16)
    for piece in pieces:
        if piece.first <= time <= piece.last:
            label_of[piece.object_id] = piece.label
    return (label_of[result.cut({"T": time, "Z": z})] for z in range(result.size("Z")))
