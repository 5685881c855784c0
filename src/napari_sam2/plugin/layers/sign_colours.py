"""The colours of signs: what is inside an object is green, what is outside it is red, in markers, strokes, icons and the cursor."""

from __future__ import annotations

SIGN_COLOURS = {True: "#19e05a", False: "#ff3b6b"}
"""By whether it is inside."""
