"""The one module where an exception becomes a napari notification: one sentence, for whoever can do something about it."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator

from napari.utils.notifications import show_error, show_warning

from napari_sam2.cli.errors import is_out_of_memory
from napari_sam2.file_errors import reason_of
from napari_sam2.weights.download import DownloadError

logger = logging.getLogger(__name__)

_NO_MEMORY = "there is not enough memory: choose a smaller model or another device, or close other images; what was done is kept"


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


@contextlib.contextmanager
def warnings_shown() -> Iterator[None]:
    """Show what is logged as a warning about images in this thread: whoever drops a file on napari sees no log."""
    texts, this_thread = list[str](), threading.get_ident()

    class Shown(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.thread == this_thread:
                texts.append(record.getMessage())

    images, handler = logging.getLogger("napari_sam2.images"), Shown(logging.WARNING)
    images.addHandler(handler)
    try:
        yield
    finally:
        images.removeHandler(handler)
    for text in texts:
        notify_warning(text)


def notify_error(error: BaseException) -> str:
    """Show why something failed; return it as a sentence. What nobody expected is logged, and shown as an error."""
    if is_out_of_memory(error):
        logger.warning("memory did not suffice", exc_info=error)
        return status_warning(_NO_MEMORY)
    if isinstance(error, OSError) and error.errno is not None and error.strerror is not None:  # the system's own
        name = "" if error.filename is None else f"{error.filename}: "
        return status_warning(f"{name}{reason_of(error)}")
    if isinstance(error, ModuleNotFoundError):
        return status_warning(f"the package {error.name} is missing: pip install 'napari-sam2[all]'")
    if isinstance(error, ValueError | OSError | MemoryError | DownloadError) and str(error):
        return status_warning(" ".join(str(error).split()))
    logger.error("a task of the plugin failed", exc_info=error)
    sentence = _sentence(f"{type(error).__name__}: {' '.join(str(error).split())}") + " Your clicks are kept."
    show_error(sentence)
    return sentence


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")
