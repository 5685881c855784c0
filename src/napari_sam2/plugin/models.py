"""The models one can choose, by name or as a checkpoint file, and whether their weights are on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_sam2.plugin.runner import Report
from napari_sam2.weights.download import DownloadCancelled, download, find_checkpoint
from napari_sam2.weights.registry import RELEASED

EMBEDDED_NAME = "micro"
MODEL_NAMES = (EMBEDDED_NAME, *RELEASED)
_MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Downloaded:
    """So much of a file has come."""

    done_mb: int
    total_mb: int


def is_on_this_machine(name: str) -> bool:
    """Tell whether a model's weights need not be downloaded, or a checkpoint file is still there."""
    return find_checkpoint(name) is not None if name in MODEL_NAMES else Path(name).is_file()


def size_mb(name: str) -> int:
    """Tell how much would be downloaded."""
    return round(RELEASED[name].size_bytes / _MEGABYTE) if name in RELEASED else 0


def describe_model(name: str) -> str:
    """Name a model as the list shows it."""
    if name == EMBEDDED_NAME:
        return "micro (built in)"
    if name not in RELEASED:
        return Path(name).stem
    return name if is_on_this_machine(name) else f"{name} ⭳ {size_mb(name)} MB"


class _Counter:
    """Reports bytes as they come, a megabyte at a time."""

    total: float | None = None

    def __init__(self, report: Report) -> None:
        self._report = report
        self._received = 0

    def update(self, n: int, /) -> None:
        before = self._received // _MEGABYTE
        self._received += n
        done = self._received // _MEGABYTE
        if done > before and not self._report(Downloaded(done, round((self.total or 0) / _MEGABYTE))):
            raise DownloadCancelled

    def reset(self) -> None:
        self._received = 0

    def close(self) -> None:
        """Nothing is open."""


def download_model(name: str, report: Report, **kwargs: Any) -> bool:
    """Fetch a model's weights; return whether they have come. Stopping leaves nothing behind.

    Raises
    ------
    DownloadError
        If they could not be fetched; the message says why.
    """
    try:
        download(name, progress=_Counter(report), **kwargs)
    except DownloadCancelled:
        return False
    return True
