"""Why a cluster cannot be used, in one sentence; and the extra that it needs."""

from __future__ import annotations

import importlib.util


class ClusterError(ValueError):
    """A scheduler or its workers cannot be used; the sentence names the address and what is wrong."""


class WorkerLostError(ConnectionError):
    """The worker, or the connection to it, was lost; nothing of the session has changed."""


def check_extra(what: str, *modules: str) -> None:
    """Check that the packages of the extra are installed.

    Parameters
    ----------
    what : str
        What needs them, such as ``batch``; it begins the sentence.
    *modules : str
        Names of modules besides ``distributed``.

    Raises
    ------
    ImportError
        If one is missing.
    """
    if any(importlib.util.find_spec(module) is None for module in ("distributed", *modules)):
        raise ImportError(f"{what} needs an extra: pip install 'napari-sam2[distributed]'")
