"""A paragraph for the methods section of a paper: how the objects of a session were segmented and tracked."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from napari_sam2.file_errors import reading
from napari_sam2.files import atomic_path
from napari_sam2.images.axes import SPACE
from napari_sam2.images.intensity import window_name
from napari_sam2.model.config import MODEL_CONFIGS
from napari_sam2.session.labels.overlaps import COVERED_SHARE
from napari_sam2.session.log.document import Document, SavedObject
from napari_sam2.session.state.calls import decode
from napari_sam2.session.state.stop_rules import StopRules
from napari_sam2.session.store.values import SavedPrompts
from napari_sam2.session.tracking.slice_masks import LOGIT_BIAS
from napari_sam2.session.volumes.fuse_axes import MAX_LOGIT
from napari_sam2.wording import counted

CITATION = "Ravi et al. 2024, arXiv:2408.00714"
_HOW = {"T": "tracked through time", "Z": "tracked from plane to plane", "N": "segmented", "": "segmented"}


def methods_paragraph(document: Document, checkpoint: Path | None = None) -> str:
    """Describe how the objects of a session were segmented and tracked, in English, ready to paste.

    Parameters
    ----------
    document : Document
        The log of the session. Hidden objects, which are not in its labels, are not counted.
    checkpoint : Path, optional
        The file of the model, whose SHA-256 is given; by default the SHA-256 of the weights themselves is.

    Returns
    -------
    str
        The model with hash and versions; its input; objects and prompts; how many frames were corrected, that is, prompted beyond
        the first of an object, or approved; the rate of wrong masks, if that was measured; and everything else that the result
        depends on.

    Raises
    ------
    ValueError
        If no object was prompted yet.
    FileNotFoundError
        If there is no such file.
    """
    prompted = [item for item in document.objects.values() if any(map(_count, item.prompts.values()))]
    shown = [item for item in prompted if not item.info.is_hidden]
    if not shown:
        raise ValueError("there are no methods to describe: no object was prompted")
    sentences = [
        _task(document, len(shown), checkpoint),
        _intensities(document),
        _model_input(document),
        _prompts(shown),
        _automatic(document),
        _memory(document),
        _edges(document),
        _slices(document),
        *_stops(document),
        _corrections(shown),
        _error_rate(document),
        _divisions(document),
        _fusion(document),
        _positions(document),
        "Where objects overlapped, a pixel was given to the one prompted on that frame, else to the one with the higher logit, "
        "weighted by nearness to a prompted frame, in time-lapses with forward tracking before backward tracking, in volumes by "
        "one over the area of a mask that was tracked along one axis; where they shared more than "
        f"{COVERED_SHARE:.0%} of the smaller mask, and in volumes were of similar size, all shared "
        "pixels were given to one of them, by the same weights, in volumes by the weighted mean logit, of "
        "equal ones to the smaller mask.",
        _hidden(len(prompted) - len(shown)),
    ]
    return " ".join(filter(None, sentences))


def write_methods(path: Path, document: Document, checkpoint: Path | None = None) -> None:
    """Write the paragraph to a text file; see :func:`methods_paragraph`."""
    text = methods_paragraph(document, checkpoint)
    with atomic_path(path) as partial:
        partial.write_text(text + "\n", encoding="utf-8")


# --- sentences, empty where they do not apply ------------------------------------------------------------------------


def _task(document: Document, number: int, checkpoint: Path | None) -> str:
    stack = document.header.blank_stack()
    noun = "separate image" if stack.is_collection else "frame"
    where = f"{counted(len(stack), noun)} of {stack.height} x {stack.width} pixels" if stack.along else "an image"
    each = _latest(document, "propagate_each")
    for axis, position in stack.at.items():
        positions = {position, *each["positions"]} if each.get("over") == axis else {position}
        where += (
            f", at {len(positions)} positions on {axis}," if len(positions) > 1 else f", at {axis} = {position} counted from 0,"
        )
    axes = _fused_axes(document)
    how = f"tracked along {_listed(list(axes))}" if axes else _HOW.get(stack.along, "tracked from frame to frame")
    weights = (
        f"parameters with SHA-256 {document.model.sha256}" if checkpoint is None else f"weights with SHA-256 {_sha256(checkpoint)}"
    )
    precision = document.header.settings.precision
    computed = "" if precision == "float32" else f", computed in {precision}"
    return (
        f"{counted(number, 'object')} in {where} {_were(number)} {how} with the SAM 2 architecture ({CITATION}), model "
        f"{document.model.architecture} ({weights}), in napari-sam2 {document.header.software} with PyTorch "
        f"{document.header.torch}{computed}."
    )


def _intensities(document: Document) -> str:
    stack, ranges = document.header.blank_stack(), document.header.settings.intensity_ranges
    if ranges is None:
        return "Colours were shown to the model as they are."
    if stack.is_composed:
        # of two channels the first is both red and blue
        names = ("magenta", "green") if len(set(stack.channels)) == 2 else ("red", "green", "blue")
        parts = zip(stack.channels, names, ranges, strict=False)
        shown = [f"channel {channel} in {name} (intensities {low:.6g} to {high:.6g})" for channel, name, (low, high) in parts]
        return f"The model was shown {_listed(shown)}."
    ((low, high),) = ranges
    of = f" of channel {stack.channels[0]}" if stack.channels else ""
    name = window_name(ranges)
    window = "" if name is None else f" (the {name} window for CT)"
    return f"Intensities{of} from {low:.6g} to {high:.6g}{window} were shown to the model as black to white."


def _model_input(document: Document) -> str:
    side, zoom = document.model.image_size, document.header.settings.zoom
    known = MODEL_CONFIGS.get(document.model.architecture)
    approximate = f" (as an approximation, not to {known.image_size})" if known is not None and known.image_size != side else ""
    if zoom is None:
        return f"Its input was whole frames, resized to {side} x {side} pixels{approximate}."
    around = f"a window around each object, {zoom:.3g} times as large as that"
    return f"Its input was {around}, resized to {side} x {side} pixels{approximate}."


def _prompts(items: Sequence[SavedObject]) -> str:
    given = [prompts for item in items for prompts in item.prompts.values()]
    kinds = {
        "click": sum(len(prompts.points) for prompts in given),
        "box": sum(prompts.box is not None for prompts in given),
        "mask": sum(prompts.mask is not None for prompts in given),
    }
    used = _listed([counted(number, kind) for kind, number in kinds.items() if number])
    if len(items) == 1:
        return f"The object was marked by {used}."
    numbers = [sum(map(_count, item.prompts.values())) for item in items]
    spread = "" if min(numbers) == max(numbers) else f" on average, {min(numbers)} to {max(numbers)}"
    return f"Objects were marked by {used} (prompts per object: {np.mean(numbers):.3g}{spread})."


def _automatic(document: Document) -> str:
    """Describe masks that were not drawn or clicked."""
    frames = sorted({arguments["frame"] for arguments in _calls(document, "segment_everything")})
    sentences = []
    if frames:
        where = f" on {'frame' if len(frames) == 1 else 'frames'} {_listed(list(map(str, frames)))}"
        where = where if document.header.blank_stack().along else ""
        sentences.append(f"Masks were found automatically{where}, by a grid of clicks.")
    if any(_calls(document, "track_everything")):
        sentences.append("Objects were found and tracked automatically, without prompts: masks that mark them were found as well.")
    if any(_calls(document, "add_labels")):
        sentences.append("Masks were taken over from a label image.")
    return " ".join(sentences)


def _edges(document: Document) -> str:
    """Describe what :class:`~napari_sam2.session.tracking.tracked_masks.TrackedMasks` does to masks that nobody drew."""
    has_windows = document.header.settings.zoom is not None
    if document.header.blank_stack().along != "T" or not (has_windows or any(_calls(document, "track_everything"))):
        return ""
    which = "masks that were found or tracked" if has_windows else "masks of objects that were found automatically"
    return (
        f"In {which}, where an object was brighter or darker than what was around it throughout, its edge was placed where the "
        "brightness was halfway between the two, moved by at most one pixel of the image or of the model's mask."
    )


def _slices(document: Document) -> str:
    """Describe what :class:`~napari_sam2.session.tracking.slice_masks.SliceMasks` and the propagator do to masks in a volume."""
    along, zoom = document.header.blank_stack().along, document.header.settings.zoom
    if not along or along not in SPACE or zoom is None or not any(_calls(document, "propagate")):
        return ""
    return (
        "Masks of marked objects that were tracked from slice to slice were corrected by how much more frequent the intensity of "
        "each pixel was inside of the object than around it on the nearest slice on which it was marked, and by its shape: between "
        "two such slices the one interpolated between them, elsewhere that on the slice before, moved to the centre of the mask. "
        f"Of their logits {-LOGIT_BIAS} was subtracted."
    )


def _memory(document: Document) -> str:
    gate, memories = document.header.settings.memory_gate, document.header.settings.memories
    recalled = "" if memories is None else f"As an approximation, memories of at most {counted(memories, 'frame')} were recalled."
    if gate is None:
        return recalled
    held = (
        "The memory of an object held only prompted frames and those on which its object score was above "
        f"{gate.min_object_score:g} and its predicted IoU above {gate.min_predicted_iou:g}."
    )
    return f"{held} {recalled}".strip()


def _stops(document: Document) -> list[str]:
    """Describe each set of rules once, in the order in which they were used."""
    used = dict.fromkeys(decode(arguments["stop"]) for arguments in _calls(document, "propagate") if arguments.get("stop"))
    return [f"Objects were not propagated beyond a frame on which they {_reasons(rules)}." for rules in used if _reasons(rules)]


def _reasons(rules: StopRules) -> str:
    reasons = []
    if rules.max_absent_frames is not None:
        reasons.append(
            "were absent" if rules.max_absent_frames == 1 else f"had been absent for {rules.max_absent_frames} frames in a row"
        )
    if rules.area_px is not None:
        reasons.append(f"had an area outside {rules.area_px[0]:g} to {rules.area_px[1]:g} pixels")
    if rules.at_border:
        reasons.append("touched the border")
    return _listed(reasons, "or")


def _corrections(items: Sequence[SavedObject]) -> str:
    prompted = [sum(map(bool, map(_count, item.prompts.values()))) for item in items]
    corrected = sum(prompted) - len(prompted)
    approved = sum(prompts.is_approved for item in items for prompts in item.prompts.values())
    corrections = (
        f"Prompts were added on {counted(corrected, 'further frame')} to correct the result, counted for each object."
        if corrected
        else "No frame was corrected."
    )
    return f"{corrections} {counted(approved, 'frame')} {_were(approved)} approved as shown." if approved else corrections


_WITHOUT_MASKS = ("rename_object", "set_colour", "lock_object", "hide_object")


def _error_rate(document: Document) -> str:
    sample = document.error_sample
    if sample is None or not sample.num_judged:
        return ""
    changed = any(call.method not in _WITHOUT_MASKS for call in document.calls[sample.num_calls :])
    low, high = (f"{100 * end:.3g}" for end in sample.interval)
    judged, wrong = sample.num_judged, sample.num_wrong
    return (
        f"Of {counted(sample.num_masks, 'mask')} on frames without prompts, {judged} chosen at random (seed {sample.seed}) "
        f"{_were(judged)} judged by eye{', before the last changes' if changed else ''}: {wrong} {_were(wrong)} wrong "
        f"({100 * sample.rate:.3g} %, 95 % interval {low} to {high} %, Wilson)."
    )


def _divisions(document: Document) -> str:
    infos = [item.info for item in document.objects.values()]
    parents = {info.parent for info in infos if info.parent is not None and not info.is_hidden}
    return f"{counted(len(parents), 'division')} {_were(len(parents))} marked by hand." if parents else ""


def _fusion(document: Document) -> str:
    axes = _fused_axes(document)
    if not axes:
        return ""
    return (
        f"An object was taken to be where the mean of its logits along {_listed(list(axes))}, each clipped to -{MAX_LOGIT:g} to "
        f"{MAX_LOGIT:g}, was above 0."
    )


def _positions(document: Document) -> str:
    axis = _latest(document, "propagate_each").get("over")
    if axis is None:
        return ""
    return (
        f"Prompts were given at one position on {axis}; the prompted frames were propagated along {axis}, and the resulting masks "
        "were the prompts of each other position."
    )


def _hidden(number: int) -> str:
    return f"{counted(number, 'further object')} {_were(number)} tracked and left out of the result." if number else ""


# --- pieces ----------------------------------------------------------------------------------------------------------


def _calls(document: Document, method: str) -> list[dict[str, Any]]:
    """Arguments of the calls of a method that were not undone."""
    return [call.arguments for call in document.calls if call.method == method]


def _latest(document: Document, method: str) -> dict[str, Any]:
    """Arguments of the latest of these calls, empty where there was none."""
    return next(reversed(_calls(document, method)), {})


def _fused_axes(document: Document) -> str:
    """Axes that were fused; empty where none were."""
    return str(_latest(document, "propagate_each").get("fuse") or _latest(document, "fuse_axes").get("axes", ""))


def _count(prompts: SavedPrompts) -> int:
    return len(prompts.points) + (prompts.box is not None) + (prompts.mask is not None)


def _listed(words: Sequence[str], last: str = "and") -> str:
    return f"{', '.join(words[:-1])} {last} {words[-1]}" if len(words) > 1 else "".join(words)


def _were(number: int) -> str:
    return "was" if number == 1 else "were"


def _sha256(path: Path) -> str:
    with reading(path, "the checkpoint file"), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
