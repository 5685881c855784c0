"""``--frames``: which frames of a stack, as Python counts them."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from dataclasses import dataclass

from napari_sam2.session.prompts_file import PromptEntry

_PART = re.compile(r"(\d+)|(\d*):(\d*)")


@dataclass(frozen=True)
class FrameRanges:
    """Frames that a person named.

    Attributes
    ----------
    text : str
        As it was written.
    parts : tuple of tuple of int or None
        First frame, and the one after the last; None for the end of the stack.
    """

    text: str
    parts: tuple[tuple[int, int | None], ...]

    @classmethod
    def parse(cls, text: str) -> FrameRanges:
        """Read ``A:B``, which ends before B, ``A:``, ``:B``, a single number, or several of them with commas.

        Raises
        ------
        argparse.ArgumentTypeError
            If it is something else.
        """
        parts: list[tuple[int, int | None]] = []
        for part in text.split(","):
            match = _PART.fullmatch(part.strip())
            if match is None:
                raise argparse.ArgumentTypeError(f"expected frames as 0:6, 3:, :6, 4 or 0:3,5, counted from 0, got {text!r}")
            single, first, after = match.groups()
            parts.append((int(single), int(single) + 1) if single else (int(first or 0), int(after) if after else None))
        return cls(text, tuple(parts))

    def frames(self, length: int) -> list[int]:
        """Return the frames, in order, of a stack of so many.

        Raises
        ------
        ValueError
            If there are fewer frames, or a range holds none.
        """
        chosen: set[int] = set()
        for first, after in self.parts:
            stop = length if after is None else after
            if max(first + 1, stop) > length:
                raise ValueError(f"--frames {self.text} reaches beyond the stack, which has {length} frames, counted from 0")
            if first >= stop:
                raise ValueError(f"--frames {self.text}: from {first} to before {stop} there is no frame")
            chosen |= set(range(first, stop))
        return sorted(chosen)

    def check_prompts(self, entries: Sequence[PromptEntry], chosen: Sequence[int]) -> None:
        """Refuse prompts on frames that were not chosen.

        Raises
        ------
        ValueError
            If there is one.
        """
        for entry in entries:
            if entry.frame not in chosen:
                raise ValueError(
                    f"object {entry.object_id} is prompted on frame {entry.frame}, which --frames {self.text} leaves out"
                )
