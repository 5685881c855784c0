"""The actor of dask that has a model: where the session is, only this is imported, and no PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from napari_sam2.cluster.messages import Computed, Missing, ModelDescription, Request


class ModelActor:
    """A :class:`~napari_sam2.cluster.model_server.ModelServer` on a worker.

    Parameters
    ----------
    model, device : str
        See there.

    Raises
    ------
    FileNotFoundError, ValueError
        If the worker has no such model or device.
    """

    def __init__(self, model: str, device: str) -> None:
        from napari_sam2.cluster.model_server import ModelServer

        self._server = ModelServer(model, device)

    def describe(self) -> ModelDescription:
        """Describe the model."""
        return self._server.describe()

    def call(self, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """Call a function of the package with the model."""
        return self._server.call(function, *arguments, **named)

    def call_watched(self, name: str, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """Call a function of the package with the model and what it reports to."""
        return self._server.call_watched(name, function, *arguments, **named)

    async def progress(self, name: str, goes_on: bool) -> tuple[int, int]:
        """Return how far such a call is, and tell it whether to go on; dask calls it meanwhile, since it is a coroutine."""
        return await self._server.progress(name, goes_on)

    def compute(self, request: Request) -> Computed | Missing:
        """Do a step of a tracker, or return what is missing for it."""
        return self._server.compute(request)
