"""Prompts of a session given to another one, where an image was given other data of the same shape."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_sam2.plugin.prompts.clicks import Click, ObjectFrame, clicks_of, points_and_labels

if TYPE_CHECKING:
    from napari_sam2.session.session import Session
    from napari_sam2.session.state.prompts import FramePrompts


def carry_prompts(source: Session, target: Session) -> dict[ObjectFrame, tuple[Click, ...]]:
    """Prompt the objects of a session in another one, which has none yet, on images of the same shape.

    Names and colours are those of the source. What was found is not carried over, since it is of other pixels.

    Returns
    -------
    dict of ObjectFrame to tuple of Click
        Clicks that the target refuses, such as those that only corrected a tracked mask.
    """
    refused: dict[ObjectFrame, tuple[Click, ...]] = {}
    for object_id, item in sorted(source.objects.items()):
        target.add_object(item.info.name, object_id, item.info.colour)
        for frame, prompts in sorted(item.prompts.items()):
            try:
                _prompt(target, object_id, frame, prompts)
            except (ValueError, OSError):
                refused[ObjectFrame(object_id, frame)] = clicks_of(prompts)
    return {key: clicks for key, clicks in refused.items() if clicks}


def _prompt(target: Session, object_id: int, frame: int, prompts: FramePrompts) -> None:
    if prompts.mask is not None:
        target.add_mask(object_id, frame, prompts.mask)
    if prompts.box_rc is not None:
        target.add_box(object_id, frame, prompts.box_rc)
    if prompts.points_rc:
        target.add_points(object_id, frame, *points_and_labels(clicks_of(prompts)))
