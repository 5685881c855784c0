"""Where and in which precision to compute."""

from __future__ import annotations

import contextlib
import ctypes
import sys
from collections.abc import Iterator

from napari_sam2.torch_threads import torch

PRECISIONS = ("float32", "bfloat16")


def resolve_device(device: str | torch.device | None = None) -> torch.device:
    """Choose a device.

    Parameters
    ----------
    device : str or torch.device, optional
        As torch names it; "auto" or None takes CUDA, else Apple's GPU, else the CPU.

    Returns
    -------
    torch.device

    Raises
    ------
    ValueError
        If the name is unknown, or the device is not there.
    """
    if not isinstance(device, str | torch.device | None):
        raise ValueError(f"a device is a name, as 'cpu' or 'cuda', got {type(device).__name__}")
    if device is None or device == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        chosen = torch.device(device)
        torch.empty(0, dtype=torch.float32, device=chosen)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"device {str(device)!r} is not available here; use 'cpu', or 'auto' to have one chosen") from error
    return chosen


def checked_precision(precision: str) -> str:
    """Return a precision.

    Raises
    ------
    ValueError
        If it is not one of :data:`PRECISIONS`.
    """
    if not isinstance(precision, str) or precision not in PRECISIONS:
        raise ValueError(f"precision must be one of {PRECISIONS}, got {' '.join(repr(precision).split()):.40}")
    return precision


@contextlib.contextmanager
def inference(device: torch.device, precision: str = "float32") -> Iterator[None]:
    """Compute without gradients, in bfloat16 where asked for.

    Raises
    ------
    ValueError
        If ``precision`` is not one of :data:`PRECISIONS`.
    """
    enabled = checked_precision(precision) == "bfloat16"
    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=enabled):
        yield


def return_free_memory() -> None:
    """Give memory that nothing uses any more back to the system, where glibc would keep it.

    Small records that stay and large tensors that go, frame after frame, leave its heap full of gaps: on a long stack the process
    would grow by about a megabyte a frame although nothing holds on to it.
    """
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
