"""Words of sentences that people read."""

from __future__ import annotations


def counted(number: int, what: str) -> str:
    """Write a number of things: 1 box, 2 boxes, 3 frames."""
    return f"{number} {what}" if number == 1 else f"{number} {what}{'es' if what.endswith('x') else 's'}"
