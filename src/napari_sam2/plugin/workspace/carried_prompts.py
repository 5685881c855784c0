"""Prompts that are carried over, where an image is cut into other frames."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from napari_sam2.plugin.image.image_stack import ImageStack, Pixel, Position
from napari_sam2.plugin.layers.boxes_layer import Drawing, is_outline
from napari_sam2.plugin.prompts.clicks import Click, ObjectFrame

if TYPE_CHECKING:
    from napari_sam2.plugin.layers.boxes_layer import ShownBox


@dataclass
class CarriedPrompts:
    """Prompts at one position of an image, for other frames than those on which they were given.

    Attributes
    ----------
    clicks : dict
        Clicks by object and frame, in the order in which they were given.
    boxes : dict
        Boxes by object and frame.
    """

    clicks: dict[ObjectFrame, list[Click]] = field(default_factory=dict)
    boxes: dict[ObjectFrame, Drawing] = field(default_factory=dict)


class GivenPrompts(NamedTuple):
    """Prompts on the frames of a stack."""

    stack: ImageStack
    clicks: Sequence[tuple[ObjectFrame, Click]]
    boxes: Sequence[ShownBox]


def carried_to(stack: ImageStack, sources: Iterable[GivenPrompts]) -> dict[Position, CarriedPrompts]:
    """Find where clicks and boxes lie if the image is cut into the frames of another stack; what lies on none is left out.

    Returns
    -------
    dict of Position to CarriedPrompts
        By position of that stack.
    """
    found: dict[Position, CarriedPrompts] = {}
    for source in sources:
        for key, click in source.clicks:
            if (place := _carried(stack, source.stack, Pixel(key.frame, click.row, click.col))) is not None:
                at, there = place
                of_key = found.setdefault(at, CarriedPrompts()).clicks.setdefault(ObjectFrame(key.object_id, there.frame), [])
                of_key.append(Click(there.row, there.col, click.is_inside))
        for one in source.boxes:
            if is_outline(one.box):
                _carry_outline(found, stack, source.stack, one)
                continue
            first, last = (Pixel(one.key.frame, row - 0.5, col - 0.5) for row, col in (one.box[:2], one.box[2:]))  # type: ignore[operator]
            middle = _carried(stack, source.stack, Pixel(one.key.frame, (first.row + last.row) / 2, (first.col + last.col) / 2))
            if middle is not None:
                at, there = middle
                _, box = stack.moved_to(at).box_between(*(_position(stack, source.stack, end) for end in (first, last)))
                found.setdefault(at, CarriedPrompts()).boxes[ObjectFrame(one.key.object_id, there.frame)] = box
    return found


def _carry_outline(found: dict[Position, CarriedPrompts], stack: ImageStack, source: ImageStack, one: ShownBox) -> None:
    places = [_carried(stack, source, Pixel(one.key.frame, *vertex)) for vertex in one.box]  # type: ignore[misc]
    kept = [place for place in places if place is not None]
    if len(kept) == len(places) and len({(at, pixel.frame) for at, pixel in kept}) == 1:
        at, pixel = kept[0]
        outline = tuple((there.row, there.col) for _, there in kept)
        found.setdefault(at, CarriedPrompts()).boxes[ObjectFrame(one.key.object_id, pixel.frame)] = outline


def _position(stack: ImageStack, source: ImageStack, pixel: Pixel) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return the data coordinates of a pixel of one stack in layers of another."""
    found: np.ndarray[tuple[int], np.dtype[np.float64]] = stack.from_image(source.to_image(source.position(pixel)))
    return found


def _carried(stack: ImageStack, source: ImageStack, pixel: Pixel) -> tuple[Position, Pixel] | None:
    position = _position(stack, source, pixel)
    at = stack.position_at(position)
    try:
        return None if at is None else (at, stack.moved_to(at).pixel(position))
    except ValueError:
        return None
