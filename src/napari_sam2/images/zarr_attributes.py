"""Attributes of a zarr group read from its file, for what has to do without zarr, which is an extra."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def zarr_attributes(folder: Path) -> dict[str, Any]:
    """Read the attributes of a zarr group as they stand in its file; none where it is no zarr group."""
    for name, key in (("zarr.json", "attributes"), (".zattrs", None)):
        try:
            content = json.loads((folder / name).read_text(encoding="utf-8"))
            return dict(content[key] if key else content)
        except (OSError, ValueError, LookupError, TypeError):
            continue
    return {}
