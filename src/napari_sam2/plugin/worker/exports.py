"""Exports of a session: all formats of results and of the log, written on the worker."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sam2.images.calibration import Calibration
from napari_sam2.plugin.tasks.runner import Report

if TYPE_CHECKING:
    from napari_sam2.export.formats import Format
    from napari_sam2.session.document_formats import DocumentFormat
    from napari_sam2.session.session import Session

_REPORTED_EACH_S = 0.05


@dataclass(frozen=True)
class ExportProgress:
    """An export did so many steps of so many."""

    done: int
    total: int


@dataclass(frozen=True)
class Exported:
    """An export is written.

    Attributes
    ----------
    path : Path
        The file or folder.
    shortfall : str
        A sentence on what could not be read of the image, or is not held by the format; empty where there is nothing of that.
    """

    path: Path
    shortfall: str = ""


class _Stopped(Exception):  # noqa: N818
    """A person stopped the export."""


def result_formats() -> tuple[Format, ...]:
    """Return the formats of results. PyTorch is imported for it."""
    from napari_sam2.export.formats import FORMATS

    return FORMATS


def document_formats() -> tuple[DocumentFormat, ...]:
    """Return the formats of the log."""
    from napari_sam2.session.document_formats import DOCUMENT_FORMATS

    return DOCUMENT_FORMATS


def shown_ending(item: Format | DocumentFormat) -> str:
    """Return the end of names as people write it."""
    return item.ending.replace("_res", "_RES")


def with_ending(path: Path, item: Format | DocumentFormat) -> Path:
    """Let a name end as that of the format does."""
    is_right = path.name.lower().replace(".tiff", ".tif").endswith(item.ending)
    return path if is_right else path.with_name(path.name + shown_ending(item))


@dataclass(frozen=True)
class ResultExport:
    """Writes the results of a session.

    Attributes
    ----------
    path : Path
        The output; the end of its name chooses the format.
    calibration : Calibration
        Size of pixels and time between frames.
    options : mapping
        Those of the format.
    """

    path: Path
    calibration: Calibration
    options: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self, session: Session, report: Report) -> None:
        """Write it, and report an :class:`ExportProgress` now and then, at the end an :class:`Exported`; stopped, nothing is left.

        Raises
        ------
        ValueError, OSError
            If it cannot be written: one sentence.
        """
        from napari_sam2.export.formats import check_outputs, find_format, write_result

        result = session.result(self.calibration)
        try:
            check_outputs([self.path], [session.image_path, session.saved_to, *session.stack.files], result.has_time, True)
        except ImportError as error:
            raise ValueError(str(error)) from error
        total = result.size("T") * result.size("Z") * find_format(self.path).num_readings
        steps = _Steps(total, report)
        try:
            write_result(self.path, replace(result, before_plane=steps.next), **self.options)
        except _Stopped:
            return
        shortfalls = result.unreadable_frames(), find_format(self.path).missing_place(self.path.name, result)
        report(Exported(self.path, "; ".join(filter(None, shortfalls))))


class _Steps:
    """Counts and reports the steps of an export."""

    def __init__(self, total: int, report: Report) -> None:
        self._done, self._total, self._report = 0, total, report
        self._reported_s = time.monotonic()

    def next(self) -> None:
        if time.monotonic() - self._reported_s >= _REPORTED_EACH_S or self._done == 0:
            self._reported_s = time.monotonic()
            if not self._report(ExportProgress(min(self._done, self._total), self._total)):
                raise _Stopped
        self._done += 1


@dataclass(frozen=True)
class DocumentExport:
    """Writes the log of a session.

    Attributes
    ----------
    path : Path
        The output.
    item : DocumentFormat
        Its format.
    """

    path: Path
    item: DocumentFormat

    def __call__(self, session: Session, report: Report) -> None:
        """Write it, and report an :class:`Exported`.

        Raises
        ------
        ValueError, OSError
            If it cannot be written: one sentence.
        """
        self.item.write(self.path, session.document())
        report(Exported(self.path))


@dataclass(frozen=True)
class Script:
    """The script of a session.

    Attributes
    ----------
    text : str
        The script.
    """

    text: str


def read_script(session: Session, report: Report) -> None:
    """Report the script of a session, as a :class:`Script`."""
    report(Script(session.to_script()))
