"""What the site makes from the code: the module that MkDocs calls is a script, and no package."""

from __future__ import annotations

import importlib.util
from pathlib import Path

_spec = importlib.util.spec_from_file_location("site_pages", Path(__file__).parents[1] / "scripts/site_pages.py")
assert _spec is not None
assert _spec.loader is not None
site_pages = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(site_pages)
GENERATED: dict[str, object] = site_pages.GENERATED
"""Pages of ``docs/`` that are not there until the site is built."""
