"""What a click on the image is about: N objects are N clicks.

- A plain click where nothing is begins a new object. After it no object is in hand: the next click beside it begins another one.
- A plain click on an object takes that in hand, and adds no point. From then on plain clicks add points inside it, wherever nothing
  else is, until Esc, N, or a click on another object, which takes that one in hand.
- A right click, or a click with Alt or Ctrl, or a plain click after T, is a point outside: of the object in hand, or, with none in
  hand, of the one under the cursor.
- After N, or after a number without an object was chosen, the next click begins that object, also on top of another one.
- While the object in hand is kept, every plain click adds to it, and an object that was just begun is in hand.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import NamedTuple


class ClickEffect(Enum):
    """What a click does."""

    BEGIN = auto()
    """It begins a new object."""
    TAKE = auto()
    """It takes an object in hand."""
    ADD = auto()
    """It adds a point to an object."""
    NONE = auto()
    """There is no object that it could be about."""


class ClickDecision(NamedTuple):
    """What a click does, and to which object; None for a new one, or for none."""

    effect: ClickEffect
    object_id: int | None = None


class Hand(NamedTuple):
    """What is in hand.

    Attributes
    ----------
    object_id : int or None
        The object in hand, if one is.
    is_begun : bool
        It has a prompt already.
    is_kept : bool
        Clicks on other objects do not change it.
    """

    object_id: int | None = None
    is_begun: bool = True
    is_kept: bool = False


def decide(hand: Hand, under: int | None, is_inside: bool) -> ClickDecision:
    """Decide what a click does; the rule is that of this module.

    Parameters
    ----------
    hand : Hand
        What is in hand.
    under : int or None
        The object under the cursor, if there is one.
    is_inside : bool
        The click is a plain one.
    """
    if not is_inside:
        object_id = under if hand.object_id is None else hand.object_id
        return ClickDecision(ClickEffect.NONE if object_id is None else ClickEffect.ADD, object_id)
    if hand.object_id is None:
        return ClickDecision(ClickEffect.BEGIN) if under is None else ClickDecision(ClickEffect.TAKE, under)
    is_other = under is not None and under != hand.object_id
    if is_other and hand.is_begun and not hand.is_kept:
        return ClickDecision(ClickEffect.TAKE, under)
    return ClickDecision(ClickEffect.ADD, hand.object_id)
