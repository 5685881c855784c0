"""The one module where an exception becomes a napari notification: one sentence, for whoever can do something about it."""

from __future__ import annotations

import logging

from napari.utils.notifications import show_error, show_warning

from napari_sam2.weights.download import DownloadError

logger = logging.getLogger(__name__)


_DOCKS_SHOWN: set[int] = set()


def set_dock_shown(controller: object, is_shown: bool) -> None:
    """Take note whether the dock of a controller is to be seen, whose status line has the same sentences."""
    if is_shown:
        _DOCKS_SHOWN.add(id(controller))
    else:
        _DOCKS_SHOWN.discard(id(controller))


def status_warning(text: str) -> str:
    """Return a warning as a sentence for the status line; where no dock is to be seen, show it too."""
    return _sentence(text) if _DOCKS_SHOWN else notify_warning(text)


def notify_warning(text: str) -> str:
    """Show a warning; return it as a sentence."""
    sentence = _sentence(text)
    show_warning(sentence)
    return sentence


def notify_error(error: BaseException) -> str:
    """Show why something failed; return it as a sentence. What a person can mend is shown as :func:`status_warning` shows it."""
    is_sentence = isinstance(error, OSError) and error.strerror is None  # see napari_sam2.file_errors
    if is_sentence or isinstance(error, ValueError | FileNotFoundError | DownloadError):
        return status_warning(str(error))
    logger.error("a task of the plugin failed", exc_info=error)
    sentence = _sentence(f"{type(error).__name__}: {error}") + " Your clicks are kept."
    show_error(sentence)
    return sentence


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")
