"""A layer whose array is written to, drawn again only as often as somebody can see it."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

_SHORTEST_PAUSE_S = 0.05
_SHORTEST_PAUSE_3D_S = 2.0
_MOST_LATE_S = 0.06
"""What a person does not notice."""
_PAUSE_FOR_LATENESS = 20.0
"""Where drawing takes so long that it is noticed, no more than a twentieth of the time goes to it."""
_LONGEST_PAUSE_S = 30.0
_AFTER_DRAWING_S = 0.5
"""The canvas draws a layer no later than that after it was refreshed."""


class Redraw:
    """Draws a Labels layer while its array is being written to."""

    def __init__(self, layer: Any) -> None:
        self.layer = layer
        self._is_stale = False
        self._drawn_at_s = -np.inf
        self._pause_s = 0.0

    def written(self, is_3d: bool) -> None:
        """Draw what was written, unless it was drawn only just now."""
        self._is_stale = True
        self.draw_if_due(is_3d)

    def draw_if_due(self, is_3d: bool) -> None:
        """Draw what was written before and not yet drawn, unless it was drawn only just now."""
        shortest_s = _SHORTEST_PAUSE_3D_S if is_3d else _SHORTEST_PAUSE_S
        if self._is_stale and time.monotonic() - self._drawn_at_s >= max(shortest_s, self._pause_s):
            self.finish()

    def was_late(self, late_s: float) -> None:
        """Draw less often after events were handled late: the canvas draws a layer some time after it was refreshed.

        Parameters
        ----------
        late_s : float
            How late, in seconds.
        """
        if late_s > _MOST_LATE_S:
            if time.monotonic() - self._drawn_at_s > late_s + _AFTER_DRAWING_S:
                return  # it was something else, such as a model that was loaded
            self._pause_s = min(_PAUSE_FOR_LATENESS * late_s, _LONGEST_PAUSE_S)
            self._drawn_at_s = time.monotonic()
        else:
            self._pause_s *= 0.9  # it may have been something else, and the display may be another one by now

    def finish(self, thumbnail: bool = False) -> None:
        """Draw what was written and not yet drawn."""
        if self._is_stale or thumbnail:
            self.layer.refresh(extent=False, thumbnail=thumbnail, highlight=False, data_displayed=self._is_stale)
            self._is_stale, self._drawn_at_s = False, time.monotonic()
