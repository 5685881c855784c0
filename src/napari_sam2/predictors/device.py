"""Where and in which precision to compute. PyTorch is imported by what needs it: names and memory do not."""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_sam2.torch_threads import torch

PRECISIONS = ("float32", "bfloat16")
AUTO = "auto"
"""Of devices and precisions: the one that suits."""


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
    from napari_sam2.torch_threads import torch

    if not isinstance(device, str | torch.device | None):
        raise ValueError(f"a device is a name, as 'cpu' or 'cuda', got {type(device).__name__}")
    if device is None or device == "auto":
        return torch.device(available_devices()[0])
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
        raise ValueError(f"precision must be one of {(AUTO, *PRECISIONS)}, got {' '.join(repr(precision).split()):.40}")
    return precision


def resolve_precision(precision: str, device: torch.device) -> str:
    """Choose a precision for a device.

    Parameters
    ----------
    precision : str
        One of :data:`PRECISIONS`; or "auto": bfloat16 on a CUDA GPU that computes in it natively, as official scripts use it, else
        float32.
    device : torch.device
        The device.

    Raises
    ------
    ValueError
        If ``precision`` is none of these.
    """
    from napari_sam2.torch_threads import torch

    if not (isinstance(precision, str) and precision == AUTO):
        return checked_precision(precision)
    is_native = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return "bfloat16" if is_native else "float32"


@contextlib.contextmanager
def inference(device: torch.device, precision: str = "float32") -> Iterator[None]:
    """Compute without gradients, in bfloat16 where asked for.

    Raises
    ------
    ValueError
        If ``precision`` is not one of :data:`PRECISIONS`.
    """
    from napari_sam2.torch_threads import torch

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


_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of glibc, malloc.h


def keep_freed_memory() -> None:
    """Let glibc keep memory for the next tensors, in a process that a worker of dask is.

    Dask sets ``MALLOC_TRIM_THRESHOLD_`` to 64 KiB for its workers. Each large tensor is then memory that the system gives and
    takes, page by page: a frame of ``micro`` took 1.5 times as long on a CPU.
    """
    if sys.platform == "linux":
        set_option = getattr(ctypes.CDLL(None), "mallopt", None)
        if set_option is not None:
            set_option(_M_TRIM_THRESHOLD, 128 * 2**20)
            set_option(_M_MMAP_THRESHOLD, 8 * 2**20)


@dataclass(frozen=True)
class DeviceFacts:
    """A device, and how fast it is.

    Attributes
    ----------
    kind : str
        As torch names it: ``cpu``, ``cuda``, ``mps``.
    name : str
        Of a GPU; of a CPU its architecture.
    memory_bytes : int
        What a model can use at most; 0 where that is not known.
    gflops : float
        Floating-point operations in float32, in 10⁹ a second, measured while whatever else runs on the machine goes on.
    """

    kind: str
    name: str
    memory_bytes: int
    gflops: float


def available_devices() -> tuple[str, ...]:
    """Return the kinds of devices that are here, the one that "auto" takes first."""
    from napari_sam2.torch_threads import torch

    kinds = [("cuda", torch.cuda.is_available()), ("mps", torch.backends.mps.is_available()), ("cpu", True)]
    return tuple(kind for kind, is_there in kinds if is_there)


def device_facts(device: str | torch.device | None = None) -> DeviceFacts:
    """Describe a device; its speed is measured, which takes about a tenth of a second.

    Raises
    ------
    ValueError
        As :func:`resolve_device`.
    """
    from napari_sam2.torch_threads import torch

    chosen = resolve_device(device)
    if chosen.type == "cuda":
        properties = torch.cuda.get_device_properties(chosen)
        return DeviceFacts("cuda", properties.name, properties.total_memory, _gflops(chosen, 4096))
    if chosen.type == "mps":
        return DeviceFacts("mps", platform.machine(), torch.mps.recommended_max_memory(), _gflops(chosen, 2048))
    return DeviceFacts(chosen.type, platform.machine(), _memory_bytes(), _gflops(chosen, 768))


def _gflops(device: torch.device, side: int) -> float:
    """Measure products of float32 matrices, by the library that the layers of a model use."""
    from napari_sam2.torch_threads import torch

    from napari_sam2.model.onednn import Linear

    layer = Linear(side, side, bias=False, device=device)
    matrix = torch.full((side, side), 0.5, dtype=torch.float32, device=device)
    shortest_s = float("inf")
    with torch.inference_mode():
        for _ in range(4):
            started = time.perf_counter()
            # reading one number waits for the device
            float(layer(matrix)[0, 0])
            shortest_s = min(shortest_s, time.perf_counter() - started)
    return 2 * side**3 / shortest_s / 1e9


def _memory_bytes() -> int:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # not on Windows
        return 0
