"""A model on another machine, as a session has it: configuration and rules without weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from napari_sam2.torch_threads import torch

from torch import Tensor

from napari_sam2.cluster.messages import ModelDescription
from napari_sam2.cluster.remote_compute import RemoteCompute
from napari_sam2.predictors.video_predictor import SAM2VideoPredictor, build_sam2_video_predictor


class RemoteModel(SAM2VideoPredictor):
    """A predictor whose weights are elsewhere; made by :func:`remote_model`.

    Attributes
    ----------
    compute : RemoteCompute
        Where it computes.
    name, wanted_device : str
        By which it was asked for there.
    description : ModelDescription
        What it is.
    """

    compute: RemoteCompute
    name: str
    wanted_device: str
    description: ModelDescription

    @property
    def device(self) -> torch.device:
        """Where the records of a session lie: here."""
        return torch.device("cpu")

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

    def _mix_absent_pointer(self, obj_ptr: Tensor, object_score_logits: Tensor) -> Tensor:
        if self.description.absent_pointer is None:
            return obj_ptr
        absent = self.description.absent_pointer.unpack(obj_ptr.device)
        present = object_score_logits.sigmoid() if self.soft_no_obj_ptr else (object_score_logits > 0).to(obj_ptr.dtype)
        return (present * obj_ptr if self.fixed_no_obj_ptr else obj_ptr) + (1 - present) * absent


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
    description = compute.link(name, device).description
    model: RemoteModel = build_sam2_video_predictor(
        description.config, None, device="meta", add_all_frames_to_correct_as_cond=True, predictor_class=RemoteModel
    )
    model.compute, model.name, model.wanted_device, model.description = compute, name, device, description
    model.source = description.source
    return model
