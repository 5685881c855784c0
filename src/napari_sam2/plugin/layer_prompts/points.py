"""Points of any Points layer as prompts. N points."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from napari_sam2.plugin.image.alignment import FramePlaces
from napari_sam2.plugin.layer_prompts.choices import Objects, read_object, read_side
from napari_sam2.plugin.prompts.clicks import Click
from napari_sam2.plugin.prompts.drawn_prompts import DrawnPrompts, FoundPrompts, LeftOut


def names_of(features: Any, objects: Objects | str, number: int) -> list[Hashable]:
    """Return what each of so many points or shapes calls its object, None where that is not said."""
    if objects is Objects.ALL:
        return [1] * number
    if isinstance(objects, Objects):
        return list(range(1, number + 1))
    return [read_object(value) for value in features[objects]]


def read_points(places: FramePlaces, names: list[Hashable], sides: list[Any] | None, only: int | None = None) -> FoundPrompts:
    """Read points as prompts.

    Parameters
    ----------
    places : FramePlaces
        Where they are, N of them.
    names : list
        (N,), what each calls its object; None where it calls none.
    sides : list, optional
        (N,), cells of a table that say whether each is inside; all are by default.
    only : int, optional
        Only this frame.

    Returns
    -------
    FoundPrompts
    """
    left_out, found = LeftOut(), dict[tuple[Hashable, int], list[Click]]()
    for index, name in enumerate(names):
        frame, is_inside = int(places.frames[index]), True if sides is None else read_side(sides[index])
        if only is not None and frame != only:
            continue
        if not places.has_frame[index]:
            left_out["point", "on frames that the image does not have"] += 1
        elif not places.is_inside[index]:
            left_out["point", "outside the image"] += 1
        elif name is None:
            left_out["point", "without an object"] += 1
        elif is_inside is None:
            left_out["point", "neither inside nor outside"] += 1
        else:
            row, col = places.points_rc[index].tolist()
            found.setdefault((name, frame), []).append(Click(row, col, is_inside))
    return FoundPrompts(tuple(DrawnPrompts(*key, tuple(clicks)) for key, clicks in found.items()), left_out)
