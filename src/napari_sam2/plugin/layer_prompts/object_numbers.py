"""Which ids the objects of a layer get in a session that has objects already."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping

from napari_sam2.plugin.prompts.clicks import MAX_OBJECT_ID


def number_objects(wanted: Iterable[Hashable], taken: Collection[int]) -> dict[Hashable, int]:
    """Give each object of a layer an id.

    A whole number from 1 to 65535 that is free is kept. Other numbers are offset by the highest number that is taken or wanted, and
    what is no such number is counted on from the highest id; where that is too high, the lowest free ids are given.

    Parameters
    ----------
    wanted : iterable
        What the layer calls its objects: numbers, texts.
    taken : collection of int
        Ids of the session.

    Returns
    -------
    dict
        The id of each, in the order in which they were given.

    Raises
    ------
    ValueError
        If there are more objects than ids.
    """
    names = list(dict.fromkeys(wanted))
    numbers = {name: name for name in names if isinstance(name, int) and 1 <= name <= MAX_OBJECT_ID}
    found: dict[Hashable, int] = {name: number for name, number in numbers.items() if number not in taken}
    used = {*taken, *found.values()}
    if len(used) + len(names) - len(found) > MAX_OBJECT_ID:
        raise ValueError(f"there would be more than {MAX_OBJECT_ID} objects, as many as a label image can hold")
    offset = max((*taken, *numbers.values()), default=0)
    highest = max(used, default=0)
    lowest = iter(range(1, MAX_OBJECT_ID + 1))
    for name in (*numbers, *(name for name in names if name not in numbers)):
        if name not in found:
            number = numbers[name] + offset if name in numbers else highest + 1
            found[name] = number if number <= MAX_OBJECT_ID else next(free for free in lowest if free not in used)
            used.add(found[name])
            highest = max(highest, found[name])
    return {name: found[name] for name in names}


def describe_renumbered(ids: Mapping[Hashable, int]) -> str:
    """Say which numbers were not kept; empty where all were."""
    moved = [(name, number) for name, number in ids.items() if isinstance(name, int) and name != number]
    if not moved:
        return ""
    shown = ", ".join(f"{name} → {number}" for name, number in moved[:3])
    more = f" and {len(moved) - 3} more" if len(moved) > 3 else ""
    return f"New numbers, since theirs are taken: {shown}{more}."
