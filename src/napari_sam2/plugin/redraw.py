"""A layer whose array is written to, drawn again only as often as somebody can see it."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

_SHORTEST_PAUSE_S = 0.05
_SHORTEST_PAUSE_3D_S = 1.0


class Redraw:
    """Draws a Labels layer while its array is being written to."""

    def __init__(self, layer: Any) -> None:
        self.layer = layer
        self._is_stale = False
        self._drawn_at_s = -np.inf

    def written(self, is_3d: bool) -> None:
        """Draw what was written, unless it was drawn only just now."""
        self._is_stale = True
        if time.monotonic() - self._drawn_at_s >= (_SHORTEST_PAUSE_3D_S if is_3d else _SHORTEST_PAUSE_S):
            self.finish()

    def finish(self, thumbnail: bool = False) -> None:
        """Draw what was written and not yet drawn."""
        if self._is_stale or thumbnail:
            self.layer.refresh(extent=False, thumbnail=thumbnail, highlight=False)
            self._is_stale, self._drawn_at_s = False, time.monotonic()
