"""A model on another machine, as a session has it: configuration and rules without weights, and without PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from napari_sam2.cluster.messages import ModelDescription
from napari_sam2.cluster.remote_compute import RemoteCompute
from napari_sam2.model.config import ModelConfig
from napari_sam2.model.memory_recall import OfficialRecall


class RemoteModel:
    """A model whose weights are elsewhere; made by :func:`remote_model`.

    Parameters
    ----------
    compute : RemoteCompute
        Where it computes.
    name, wanted_device : str
        By which it was asked for there.
    description : ModelDescription
        What it is.
    """

    def __init__(self, compute: RemoteCompute, name: str, wanted_device: str, description: ModelDescription) -> None:
        self.compute, self.name, self.wanted_device, self.description = compute, name, wanted_device, description

    @property
    def config(self) -> ModelConfig:
        """Its configuration."""
        return self.description.config

    @property
    def source(self) -> str:
        """Name or file by which it was loaded there."""
        return self.description.source

    @property
    def image_size(self) -> int:
        """Side of its input."""
        return self.description.config.image_size

    @property
    def recall(self) -> OfficialRecall:
        """The rule by which a frame chooses among remembered frames."""
        return self.description.recall

    @property
    def device_kind(self) -> str:
        """Kind of the device that computes."""
        return self.description.device

    @property
    def best_precision(self) -> str:
        """The precision that suits the device that computes."""
        return self.description.best_precision

    @property
    def computes_on(self) -> str:
        """Kind of the device that computes, and where it is."""
        return f"{self.device_kind} at {self.compute.address}"

    def call(self, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """Call a function of the package with the model that has the weights.

        Raises
        ------
        ClusterError, WorkerLostError
            If it cannot be reached; and whatever the function raises.
        """
        return self.compute.call(self.name, self.wanted_device, function, *arguments, **named)

    def call_watched(self, watcher: Callable[[int, int], bool], function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """Call a function of the package with the model that has the weights, and tell how far it is.

        Parameters and errors are those of :meth:`~napari_sam2.cluster.remote_compute.RemoteCompute.call_watched`.
        """
        return self.compute.call_watched(self.name, self.wanted_device, watcher, function, *arguments, **named)


def remote_model(compute: RemoteCompute, name: str, device: str = "auto") -> RemoteModel:
    """Let a worker load a model, and return it as a session has it; it takes no memory here.

    Parameters
    ----------
    compute : RemoteCompute
        Where.
    name : str
        A name, or a file there.
    device : str
        There.

    Raises
    ------
    ClusterError, WorkerLostError
        As :meth:`~napari_sam2.cluster.remote_compute.RemoteCompute.link`.
    """
    return RemoteModel(compute, name, device, compute.link(name, device).description)
