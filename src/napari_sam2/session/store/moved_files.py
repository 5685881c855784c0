"""Files that a session or a prompts file names, found again where they were moved to, or on another system."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from napari_sam2.images.file_names import named_path


def path_from(folder: Path, path: Path) -> str | None:
    """Write the way from a folder to a file as POSIX does; None where there is none, as from one drive of Windows to another."""
    try:
        return Path(os.path.relpath(path, folder)).as_posix()
    except ValueError:
        return None


def find_moved(text: str, folder: Path, way: str | None = None) -> Path | None:
    """Find a file: where it was, where it was as seen from a folder that was moved along with it, or in that folder.

    Parameters
    ----------
    text : str
        Its path, written on any system; one that is not full is meant from ``folder`` on.
    folder : Path
        The folder of the file that names it.
    way : str, optional
        From ``folder`` to it, as it was, see :func:`path_from`.

    Returns
    -------
    Path or None
        None where it is nowhere, or may not be looked at.
    """
    for path in _candidates(text, folder, way):
        with contextlib.suppress(OSError, ValueError):  # of a folder that may not be looked into, or of what is no path here
            if path.exists():
                return path
    return None


def _candidates(text: str, folder: Path, way: str | None) -> Iterator[Path]:
    yield folder / Path(text).expanduser()
    written = named_path(text)
    if not written.is_absolute() and not written.drive:
        yield folder.joinpath(*written.parts)
    if way is not None:
        yield Path(os.path.normpath(folder / way))
    if written.name:
        yield folder / written.name
