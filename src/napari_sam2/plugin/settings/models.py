"""The models one can choose, by name or as a checkpoint file; which of them are on this machine, and which is the best here."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sam2.plugin.tasks.runner import Report
from napari_sam2.weights.download import DownloadCancelled, checkpoint_path, download, find_checkpoint
from napari_sam2.weights.registry import LICENSE, RELEASED, SUFFIXES

if TYPE_CHECKING:
    from napari_sam2.predictors.device import DeviceFacts

EMBEDDED_NAME = "micro"
MODEL_NAMES = (EMBEDDED_NAME, *RELEASED)
BEST = "best"
"""In the settings: the default model is the one that :func:`best_model` chooses."""

BEARABLE_S = 2.0
"""A person waits no longer for a frame."""

_GFLOP = {"l": 1823, "b+": 647, "s": 360, "t": 292}
"""Operations of the image encoder on one frame, in 10⁹, as counted in the network, by size; the largest first."""
_OVERHEAD = 4.0
"""A frame takes so much longer than its encoder would at the rate of a large matrix product: not all of it is products, and the
memory of an object costs about as much again. Measured with sam2.1_hiera_t on two cores of an AMD EPYC 9005: 4.4 at 490 GFLOP/s,
by oneDNN, and 3.3 at 215, by MKL."""
_MEMORY_OF_SIZE = 4
"""Weights in float32 and what is computed from them need no more than so many times the file."""

_MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Downloaded:
    """So much of a file has come."""

    done_mb: int
    total_mb: int


def expected_frame_s(name: str, facts: DeviceFacts) -> float:
    """Return how long a released model will take for a frame with one object on a device, in seconds."""
    return _OVERHEAD * _GFLOP[name.split("_")[-1]] / facts.gflops


def best_model(here: Collection[str], facts: DeviceFacts) -> str:
    """Choose the best model on a machine.

    Parameters
    ----------
    here : collection of str
        Names of models whose weights are on this machine.
    facts : DeviceFacts
        Of the device on which it is to run.

    Returns
    -------
    str
        The largest released model that is here, fits into the memory of the device, and is expected to take no longer than
        :data:`BEARABLE_S` for a frame; of two of one size, the later release. Else ``micro``.
    """
    by_size = sorted(RELEASED, key=lambda name: list(_GFLOP).index(name.split("_")[-1]))  # in the registry, 2.1 comes before 2
    for name in by_size:
        needed_bytes = _MEMORY_OF_SIZE * RELEASED[name].size_bytes
        does_fit = not facts.memory_bytes or needed_bytes <= facts.memory_bytes
        if name in here and does_fit and expected_frame_s(name, facts) <= BEARABLE_S:
            return name
    return EMBEDDED_NAME


def model_to_begin_with(default_model: str) -> str:
    """Return the model of the settings; until the best one was chosen the embedded one."""
    return EMBEDDED_NAME if default_model == BEST else default_model


def models_here() -> tuple[str, ...]:
    """Return the released models whose weights are on this machine."""
    return tuple(name for name in RELEASED if is_on_this_machine(name))


def checked_file(path: str) -> str:
    """Return the path of a file that may be a checkpoint; what is in it is seen when it is loaded.

    Raises
    ------
    ValueError
        If it is none.
    """
    if not Path(path).is_file():
        raise ValueError(f"there is no file {path}")
    if Path(path).suffix.lower() not in SUFFIXES:
        raise ValueError(f"{Path(path).name} is not a checkpoint: these end in {', '.join(SUFFIXES)}")
    return str(Path(path).absolute())


def is_on_this_machine(name: str) -> bool:
    """Tell whether a model's weights need not be downloaded, or a checkpoint file is still there."""
    return find_checkpoint(name) is not None if name in MODEL_NAMES else Path(name).is_file()


def size_mb(name: str) -> int:
    """Tell how much would be downloaded."""
    return round(RELEASED[name].size_bytes / _MEGABYTE) if name in RELEASED else 0


def describe_model(name: str, models_there: Collection[str] | None = None) -> str:
    """Name a model as the list shows it, where another machine computes by the models that are there."""
    if name == EMBEDDED_NAME:
        return "micro (built in)"
    if name not in RELEASED:
        return Path(name).stem
    if models_there is not None:
        return name if name in models_there else f"{name} (not there)"
    return name if is_on_this_machine(name) else f"{name} (fetch {size_mb(name)} MB)"


def describe_download(name: str) -> tuple[str, Path]:
    """Say of a released model what would be fetched, under which licence; and where it would be."""
    return f"{size_mb(name)} MB, {LICENSE}", checkpoint_path(name)


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
