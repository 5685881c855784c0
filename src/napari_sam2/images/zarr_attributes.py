"""Attributes of a zarr group read from its file, for what has to do without zarr, which is an extra."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from napari_sam2.structured import json_content


def zarr_attributes(folder: Path) -> dict[str, Any]:
    """Read the attributes of a zarr group as they stand in its file; none where it is no zarr group."""
    for name, key in (("zarr.json", "attributes"), (".zattrs", None)):
        try:
            content = json_content((folder / name).read_bytes(), name)
            return dict(content[key] if key else content)
        except (OSError, ValueError, LookupError, TypeError):
            continue
    return {}
