"""What a session writes of how its results were made, by the end of a file name: methods, script, log."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from napari_sam2.files import atomic_path
from napari_sam2.session.log.document import Document
from napari_sam2.session.log.script import script
from napari_sam2.session.methods import write_methods


@dataclass(frozen=True)
class DocumentFormat:
    """One format.

    Attributes
    ----------
    ending : str
        How names end.
    what : str
        Its description.
    write : callable
        Writes the log of a session.
    """

    ending: str
    what: str
    write: Callable[[Path, Document], None]


def write_script(path: Path, document: Document) -> None:
    """Write a Python script that makes the same labels; see :func:`~napari_sam2.session.log.script.script`.

    Raises
    ------
    ValueError, OSError
        If it cannot be written there.
    """
    _write(path, script(document))


def write_log(path: Path, document: Document) -> None:
    """Write the log as JSON, which ``napari-sam2 replay`` takes.

    Raises
    ------
    ValueError, OSError
        If it cannot be written there.
    """
    _write(path, document.to_json())


def _write(path: Path, text: str) -> None:
    with atomic_path(path) as partial:
        partial.write_text(text, encoding="utf-8")


DOCUMENT_FORMATS = (
    DocumentFormat(".txt", "the methods paragraph for a paper", write_methods),
    DocumentFormat(".py", "a Python script that makes the same labels", write_script),
    DocumentFormat(".json", "the log of all actions, for napari-sam2 replay", write_log),
)
