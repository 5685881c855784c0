"""Data type and device of new tensors where none is given: the same for our modules, whatever else the process has set."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from napari_sam2.torch_threads import torch

from torch.overrides import TorchFunctionMode

_FACTORIES = frozenset({torch.empty, torch.ones, torch.rand, torch.randn, torch.zeros})
"""All that the modules of torch and of the network make parameters and buffers with."""


class _Defaults(TorchFunctionMode):
    """Gives factories the dtype and the device that a call leaves open."""

    def __init__(self, device: torch.device) -> None:
        super().__init__()
        self._defaults = {"dtype": torch.float32, "device": device}

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        given = kwargs or {}
        if func in _FACTORIES:
            given = self._defaults | {name: value for name, value in given.items() if value is not None}
        return func(*args, **given)


@contextlib.contextmanager
def tensor_defaults(device: str | torch.device = "cpu") -> Iterator[None]:
    """Make modules in float32, on one device, of ordinary tensors: those of inference mode could never be loaded or trained again.

    Parameters
    ----------
    device : str or torch.device
        Where.

    Notes
    -----
    The default dtype belongs to the process, not to a thread. It is left as it is: to set it for a moment, and back, would change
    what another thread makes meanwhile. What is entered here holds for this thread alone.
    """
    with torch.inference_mode(False), _Defaults(torch.device(device)):
        yield
