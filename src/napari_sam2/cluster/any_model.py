"""A model that is loaded, whether it is here or on another machine."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, TypeAlias, TypeGuard

from napari_sam2.cluster.remote_model import RemoteModel

if TYPE_CHECKING:
    from napari_sam2.predictors.video_predictor import SAM2VideoPredictor

    AnyModel: TypeAlias = SAM2VideoPredictor | RemoteModel


def computes_on(model: AnyModel) -> str:
    """Return on which device a model computes, and where that is."""
    return model.computes_on if isinstance(model, RemoteModel) else str(model.device)


def torch_version(model: AnyModel) -> str:
    """Return the version of PyTorch that computes."""
    if isinstance(model, RemoteModel):
        return model.description.torch
    from napari_sam2.torch_threads import torch

    return str(torch.__version__)


def is_loaded(model: Any) -> TypeGuard[AnyModel]:
    """Return whether something is a model that is loaded; a process that has none need not have PyTorch."""
    module = sys.modules.get("napari_sam2.predictors.video_predictor")  # nobody has a predictor without it
    return isinstance(model, RemoteModel) or (module is not None and isinstance(model, module.SAM2VideoPredictor))
