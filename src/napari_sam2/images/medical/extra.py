"""Packages of the extra ``medical``, imported when a file needs them."""

from __future__ import annotations

import importlib
from typing import Any


def needed(module: str, what: str) -> Any:
    """Import a package of the extra.

    Parameters
    ----------
    module : str
        Its name.
    what : str
        What needs it, which begins the message, as ``reading NIfTI files``.

    Raises
    ------
    ImportError
        If it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(f"{what} needs the extra: pip install 'napari-sam2[medical]'") from error
