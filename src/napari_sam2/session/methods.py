"""A paragraph for the methods section of a paper: how the objects of a session were found."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from pathlib import Path

import numpy as np
import torch

from napari_sam2 import __version__
from napari_sam2.session.files import atomic_path
from napari_sam2.session.prompts import FramePrompts
from napari_sam2.session.session import Session

CITATION = "Ravi et al. 2024, arXiv:2408.00714"
_HOW = {"T": "followed through time", "Z": "followed from plane to plane", "": "segmented"}


def methods_paragraph(session: Session, checkpoint: Path | None = None) -> str:
    """Say how the objects of a session were found, in English, ready to paste.

    Parameters
    ----------
    session : Session
        The session.
    checkpoint : Path, optional
        The file its model was loaded from, of which the SHA-256 is told.

    Returns
    -------
    str
        The model with hash and versions; objects and prompts; how many frames were corrected, that is, prompted beyond the first
        of an object, or approved.

    Raises
    ------
    ValueError
        If nothing was prompted yet.
    FileNotFoundError
        If there is no such file.
    """
    said = [prompts for item in session.objects.values() for prompts in item.prompts.values()]
    prompted = [[prompts for prompts in item.prompts.values() if _count(prompts)] for item in session.objects.values()]
    prompted = [frames for frames in prompted if frames]
    if not prompted:
        raise ValueError("there are no methods to tell: no object was prompted")
    numbers = [sum(map(_count, frames)) for frames in prompted]
    corrected = sum(len(frames) - 1 for frames in prompted)
    approved = sum(prompts.is_approved for prompts in said)
    stack = session.stack
    where = f"{_plural(len(stack), 'frame')} of {stack.height} x {stack.width} pixels" if stack.along else "an image"
    weights = "" if checkpoint is None else f" (weights with SHA-256 {_sha256(checkpoint)})"
    each = f" (prompts per object: {np.mean(numbers):.3g} on average, {min(numbers)} to {max(numbers)})" if len(numbers) > 1 else ""
    subject = "Objects were" if len(numbers) > 1 else "It was"
    follow_up = (
        f"Prompts were added on {_plural(corrected, 'further frame')} to correct the result, counted for each object. "
        if corrected
        else "No frame was corrected. "
    ) + (f"{_plural(approved, 'frame')} {'was' if approved == 1 else 'were'} approved as shown. " if approved else "")
    return (
        f"{_plural(len(prompted), 'object')} in {where} {'was' if len(prompted) == 1 else 'were'} "
        f"{_HOW.get(stack.along, 'followed from frame to frame')} with the SAM 2 architecture ({CITATION}), model "
        f"{session.model.config.name}{weights}, in napari-sam2 {__version__} with PyTorch {torch.__version__}. "
        f"{subject} marked by {_kinds(said)}{each}. {follow_up}"
        "Where objects overlapped, a pixel was given to the one prompted on that frame, else to the one with the higher logit, "
        "weighted by nearness to a prompted frame."
    )


def write_methods(path: Path, session: Session, checkpoint: Path | None = None) -> None:
    """Write the paragraph to a text file; see :func:`methods_paragraph`."""
    text = methods_paragraph(session, checkpoint)
    with atomic_path(path) as partial:
        partial.write_text(text + "\n", encoding="utf-8")


def _count(prompts: FramePrompts) -> int:
    return len(prompts.points_rc) + (prompts.box_rc is not None) + (prompts.packed_mask is not None)


def _kinds(said: Collection[FramePrompts]) -> str:
    """Name the kinds of prompts that were used, and how many of each."""
    numbers = {
        "click": sum(len(prompts.points_rc) for prompts in said),
        "box": sum(prompts.box_rc is not None for prompts in said),
        "mask": sum(prompts.packed_mask is not None for prompts in said),
    }
    names = [_plural(number, kind) for kind, number in numbers.items() if number]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _plural(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}{'es' if noun.endswith('x') else 's'}"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
