"""Prompts as a JSON file, one entry per object and frame, all coordinates in data pixels, row before column.

The format::

    {"axes": "TYX", "prompts": [
      {"object": 1, "frame": 0, "points": [[row, col], ...], "labels": [1, 0, ...]},
      {"object": 2, "frame": 0, "box": [row0, col0, row1, col1]},
      {"object": 3, "frame": 7, "mask": "masks.tif", "mask_label": 3},
      {"object": 4, "frame": 0, "polygon": [[row, col], ...], "scribble": [[row, col], ...]}
    ]}

``axes`` are those of the image, and may be left out. A mask is a label image beside the file: one plane, or a stack of which the
prompted frame is taken. A polygon counts as a mask, and a scribble as points inside along a stroke; see
:meth:`~napari_sam2.session.session.Session.add_scribble`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_sam2.file_errors import reading
from napari_sam2.files import read_json
from napari_sam2.images.errors import FrameReadError
from napari_sam2.images.label_images import open_labels
from napari_sam2.images.stack import Stack
from napari_sam2.session.session import Session
from napari_sam2.session.store.moved_files import find_moved
from napari_sam2.structured import parse

_COLOUR_AXES = "CS"
_Number = int | float  # whole numbers are shown as they were written
OUTLINES = ("box", "mask", "polygon")
"""An entry has at most one of these."""


@dataclass(frozen=True)
class PromptEntry:
    """One entry: at least one of points, scribble, box, mask and polygon.

    Attributes
    ----------
    object_id, frame : int
        The object's label value, and the frame.
    points_rc : sequence or None
        (P, 2).
    labels : sequence or None
        (P,), 1 inside, 0 outside.
    box_rc : sequence or None
        Outer edges row0, col0, row1, col1.
    mask : ndarray or None
        (H, W), bool.
    polygon_rc : sequence or None
        (V, 2), vertices.
    scribble_rc : sequence or None
        (N, 2), vertices of a stroke.
    """

    object_id: int
    frame: int
    points_rc: Sequence[Sequence[float]] | None = None
    labels: Sequence[int] | None = None
    box_rc: Sequence[float] | None = None
    mask: npt.NDArray[np.bool_] | None = None
    polygon_rc: Sequence[Sequence[float]] | None = None
    scribble_rc: Sequence[Sequence[float]] | None = None


@dataclass(frozen=True)
class _WrittenEntry:
    """An entry as it is written."""

    object: int
    frame: int = 0
    points: list[tuple[_Number, _Number]] | None = None
    labels: list[int] | None = None
    box: tuple[_Number, _Number, _Number, _Number] | None = None
    mask: str | None = None
    mask_label: int | None = None
    polygon: list[tuple[_Number, _Number]] | None = None
    scribble: list[tuple[_Number, _Number]] | None = None


@dataclass(frozen=True)
class _WrittenFile:
    """A prompts file as it is written; its entries are read one after another."""

    prompts: list[Any]
    axes: str | None = None


KEYS = tuple(field.name for field in fields(_WrittenEntry))
"""The keys that an entry may have."""


def files_of_prompts(path: Path) -> list[Path]:
    """Return a prompts file and the masks that it names, of which none need be there.

    Raises
    ------
    FileNotFoundError, ValueError, OSError
        As :func:`read_prompts`.
    """
    written = _read_written(path)
    names = [entry["mask"] for entry in written.prompts if isinstance(entry, dict) and isinstance(entry.get("mask"), str)]
    return [path, *dict.fromkeys(_mask_path(path.parent, name) for name in names)]


def read_prompts(path: Path, stack: Stack | None = None) -> list[PromptEntry]:
    """Read a prompts file.

    Parameters
    ----------
    path : Path
        The file.
    stack : Stack, optional
        The image of the prompts; without it, the axes of the file are not checked.

    Raises
    ------
    FileNotFoundError
        If it, or a mask it names, is not there.
    ValueError
        If it is not JSON, has another form, an unknown key, axes of another image, or no prompt; the entry is named.
    OSError
        If it, or a mask it names, cannot be read.
    """
    written = _read_written(path)
    if stack is not None and written.axes is not None:
        _check_axes(written.axes, stack, path)
    if not written.prompts:
        raise ValueError(f"{path} has no prompts")
    return [_read_entry(entry, f"{path}, prompt {number}: ", path.parent) for number, entry in enumerate(written.prompts, start=1)]


def _read_written(path: Path) -> _WrittenFile:
    with reading(path, "the prompts file"):
        if not path.exists():
            raise FileNotFoundError(f"there is no prompts file {path}")
    return parse(_WrittenFile, read_json(path, "the prompts file"), f"{path}: ")


def _mask_path(folder: Path, name: str) -> Path:
    return find_moved(name, folder) or folder / name


def _check_axes(axes: str, stack: Stack, path: Path) -> None:
    layout, given = stack.layout, set(axes.upper())
    fits = {layout.rows, layout.columns} <= given
    # More can be checked only if the axis of the frames is known for both, and it is no single image.
    if layout.along and {layout.along, *given} <= {*"TZYX", *_COLOUR_AXES}:
        fits = {layout.along, layout.rows, layout.columns} <= given <= {*layout.axes, *_COLOUR_AXES}
    if fits and not layout.along and given & {"T", "Z"} and stack.has_many_channels:
        raise ValueError(f"{path} is for an image with axes {axes}, and this one has {layout.axes}: {stack.more_frames_hint}")
    if not fits:
        raise ValueError(
            f"{path} is for an image with axes {axes}, and this one has {layout.axes}, with frames along {layout.along or 'none'}: "
            "leave axes out of the file if its frames, rows and columns are those of this image"
        )


def _read_entry(content: Any, where: str, folder: Path) -> PromptEntry:
    entry = parse(_WrittenEntry, content, where)
    given = {key for key in KEYS if getattr(entry, key) is not None}
    if not {"points", "scribble", *OUTLINES} & given:
        raise ValueError(f"{where}points, a scribble, a box, a mask or a polygon is needed")
    if len({*OUTLINES} & given) > 1:
        raise ValueError(f"{where}a box or a mask or a polygon, not two of them")
    for key, owner in (("labels", "points"), ("mask_label", "mask")):
        if key in given and owner not in given:
            raise ValueError(f"{where}{key} without {owner}")
    mask = None if entry.mask is None else _read_mask(folder, entry.mask, entry.frame, entry.mask_label, where)
    box = None if entry.box is None else list(entry.box)
    return PromptEntry(entry.object, entry.frame, entry.points, entry.labels, box, mask, entry.polygon, entry.scribble)


def _read_mask(folder: Path, name: str, frame: int, label: int | None, where: str) -> npt.NDArray[np.bool_]:
    path = _mask_path(folder, name)
    stack = open_labels(path)
    if len(stack) > 1 and not 0 <= frame < len(stack):
        raise ValueError(f"{where}{path.name} has no frame {frame}")
    plane = np.asarray(stack.frames[frame if len(stack) > 1 else 0])
    mask = plane != 0 if label is None else plane == label
    if not mask.any():
        what = "nothing" if label is None else f"no label {label}"
        raise ValueError(f"{where}there is {what} on frame {frame} of {path.name}")
    return mask


def add_prompts(session: Session, entries: list[PromptEntry]) -> None:
    """Add the objects and prompts of a file to a session.

    Raises
    ------
    ValueError
        If a prompt does not fit the stack; the object is named.
    FrameReadError
        If a prompted frame cannot be read. All other prompts are added before that, and objects without prompts are removed.
    """
    unreadable: dict[int, list[int]] = {}
    errors = list[FrameReadError]()
    for entry in entries:
        is_new = entry.object_id not in session.objects
        if is_new:
            session.add_object(object_id=entry.object_id)
        try:
            _add_entry(session, entry)
        except ValueError as error:
            raise ValueError(f"object {entry.object_id}: {error}") from error
        except FrameReadError as error:
            if is_new:
                session.remove_object(entry.object_id)
            unreadable.setdefault(entry.object_id, []).append(entry.frame)
            errors.append(error)
    if errors:
        without = [object_id for object_id in unreadable if object_id not in session.objects]
        left_out = "; ".join(f"object {i} on frame {', '.join(map(str, frames))}" for i, frames in unreadable.items())
        lost = f"; object {', '.join(map(str, without))} has no other prompts" if without else ""
        raise FrameReadError(f"{errors[0]}, so prompts are left out, of {left_out}{lost}") from errors[0]


def _add_entry(session: Session, entry: PromptEntry) -> None:
    if entry.mask is not None:
        session.add_mask(entry.object_id, entry.frame, entry.mask)
    if entry.polygon_rc is not None:
        session.add_polygon(entry.object_id, entry.frame, entry.polygon_rc)
    if entry.box_rc is not None:
        session.add_box(entry.object_id, entry.frame, entry.box_rc)
    if entry.points_rc is not None:
        session.add_points(entry.object_id, entry.frame, entry.points_rc, entry.labels)
    if entry.scribble_rc is not None:
        session.add_scribble(entry.object_id, entry.frame, entry.scribble_rc)
