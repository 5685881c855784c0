"""What tifffile reports while it opens and reads, in its own words: what it means for the pixels, and kept from people."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator, Sequence

import tifffile

logger = logging.getLogger(__name__)


ENDS_EARLY = (
    "corrupted tag list",
    "offset to page",
    "invalid page offset",
    "circular reference",
)
IMAGEJ_INVALID = ("ImageJ series metadata invalid",)
DAMAGES_PIXELS = (
    "missing data",
    "missing ByteCounts",
    "incorrect Strip",
    "not supported",
    "<asarray>",
    "_load_pages",
    "virtual_frames",
)
CONTRADICTORY = ("OME series expected",)
_OF_PIXELS_MISSING = ("missing", "out of range", "failed to read", "TiffData index")
"""What tifffile reports of these kinds is found here from the pages themselves, and logged with more detail."""
OF_METADATA = (" series ", "metadata", "ome ", "TiffTag 270 ")


class _Listening:
    """The level of tifffile's log while something is read: that of people may keep out what has to be known here."""

    def __init__(self) -> None:
        self._lock, self._count, self._level, self.level_of_others = threading.Lock(), 0, 0, 0

    def begin(self, log: logging.Logger) -> None:
        with self._lock:
            if self._count == 0:
                self._level, self.level_of_others = log.level, log.getEffectiveLevel()
                if self.level_of_others > logging.WARNING:  # else nothing is kept out, and a level costs more to set than to read
                    log.setLevel(logging.WARNING)
            self._count += 1

    def end(self, log: logging.Logger) -> None:
        with self._lock:
            self._count -= 1
            if self._count == 0 and self.level_of_others > logging.WARNING:
                log.setLevel(self._level)


_listening = _Listening()


class TiffReports:
    """What tifffile reported, in its own words, which are kept from people."""

    def __init__(self) -> None:
        self.records: list[logging.LogRecord] = []

    @property
    def has_errors(self) -> bool:
        """Something was reported that makes pixels wrong."""
        return any(record.levelno >= logging.ERROR for record in self._serious())

    def any_of(self, words: Sequence[str]) -> bool:
        """Some report holds one of these words, and none that another rule is about."""
        texts = [record.getMessage() for record in self._serious()]
        if words is OF_METADATA:
            texts = [
                text for text in texts if not any(word in text for word in (*ENDS_EARLY, *IMAGEJ_INVALID, *_OF_PIXELS_MISSING))
            ]
        return any(word in text for text in texts for word in words)

    def _serious(self) -> list[logging.LogRecord]:
        # A tag that cannot be understood is most often a vendor's, of which nothing is needed, unless it is the description (270);
        # OME-XML is read for the calibration too, which warns of what is wrong with it.
        texts = [(record, record.getMessage()) for record in self.records]
        return [record for record, text in texts if "ParseError" not in text and ("TiffTag" not in text or "TiffTag 270 " in text)]


@contextlib.contextmanager
def tiff_reports() -> Iterator[TiffReports]:
    """Collect what tifffile reports in this thread; it logs much of what makes pixels wrong, and goes on."""
    reports, this_thread = TiffReports(), threading.get_ident()

    def hold(record: logging.LogRecord) -> bool:
        is_ours = record.thread == this_thread and record.levelno >= logging.WARNING
        if is_ours:
            reports.records.append(record)
            logger.debug("%s", record.getMessage())
        return not is_ours and record.levelno >= _listening.level_of_others

    log = tifffile.logger()
    log.addFilter(hold)
    _listening.begin(log)
    try:
        yield reports
    finally:
        _listening.end(log)
        log.removeFilter(hold)
