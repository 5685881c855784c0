"""Holds back the warnings of many files that are one image, and logs each kind once: one sentence for a thousand files."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator

_READERS = ("calibration_metadata", "picture_files", "tiff", "tiff_files", "tiff_images", "tiff_planes", "zarr_files")
"""Modules that read single files."""


class HeldWarnings:
    """Warnings of the readers of single files."""

    def __init__(self) -> None:
        self.records: list[logging.LogRecord] = []

    def log(self) -> None:
        """Log each kind of warning once, for the first file, with the number of other files with this warning."""
        kinds: dict[tuple[str, int], dict[str, logging.LogRecord]] = {}
        for record in self.records:
            kinds.setdefault((record.name, record.lineno), {}).setdefault(record.getMessage(), record)
        for (name, _), records in kinds.items():
            message, more = next(iter(records)), len(records) - 1
            holds = f"; the like holds of {more} more file{'s' if more > 1 else ''}" if more else ""
            logging.getLogger(name).warning("%s%s", message, holds)


@contextlib.contextmanager
def hold_warnings() -> Iterator[HeldWarnings]:
    """Hold back warnings of the readers of single files in this thread."""
    held, this_thread = HeldWarnings(), threading.get_ident()

    def hold(record: logging.LogRecord) -> bool:
        is_ours = record.thread == this_thread and record.levelno == logging.WARNING
        if is_ours:
            held.records.append(record)
        return not is_ours

    loggers = [logging.getLogger(f"napari_sam2.images.{name}") for name in _READERS]
    for logger in loggers:
        logger.addFilter(hold)
    try:
        yield held
    finally:
        for logger in loggers:
            logger.removeFilter(hold)
