"""Segment and track objects in image stacks, volumes and time-lapses with SAM 2.

The public names are loaded when they are first used: importing the package costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from napari_sam2.version import __version__

_HOME_OF = {
    "Calibration": "napari_sam2.images.calibration",
    "FramePrompts": "napari_sam2.session.state.prompts",
    "FrameResult": "napari_sam2.session.propagation.propagator",
    "ModelIdentity": "napari_sam2.session.state.identity",
    "ObjectInfo": "napari_sam2.session.state.objects",
    "ObjectScore": "napari_sam2.predictors.object_score",
    "ReviewItem": "napari_sam2.session.review.queue",
    "ReviewReason": "napari_sam2.session.review.track_measurements",
    "SAM2AutomaticMaskGenerator": "napari_sam2.predictors.automatic_mask_generator",
    "SAM2ImagePredictor": "napari_sam2.predictors.image_predictor",
    "SAM2VideoPredictor": "napari_sam2.predictors.video_predictor",
    "Session": "napari_sam2.session.session",
    "SessionBusyError": "napari_sam2.session.state.history",
    "SessionObject": "napari_sam2.session.state.objects",
    "Stack": "napari_sam2.images.stack",
    "StateChange": "napari_sam2.session.state.session_state",
    "StopRules": "napari_sam2.session.state.stop_rules",
    "build_sam2": "napari_sam2.predictors.build",
    "build_sam2_hf": "napari_sam2.predictors.build",
    "build_sam2_video_predictor": "napari_sam2.predictors.video_predictor",
    "build_sam2_video_predictor_hf": "napari_sam2.predictors.build",
    "fuse_axes": "napari_sam2.session.volumes.fuse_axes",
    "load_model": "napari_sam2.predictors.build",
    "propagate_each": "napari_sam2.session.volumes.propagate_each",
    "replay": "napari_sam2.session.replay",
}

__all__ = [
    "Calibration",
    "FramePrompts",
    "FrameResult",
    "ModelIdentity",
    "ObjectInfo",
    "ObjectScore",
    "ReviewItem",
    "ReviewReason",
    "SAM2AutomaticMaskGenerator",
    "SAM2ImagePredictor",
    "SAM2VideoPredictor",
    "Session",
    "SessionBusyError",
    "SessionObject",
    "Stack",
    "StateChange",
    "StopRules",
    "__version__",
    "build_sam2",
    "build_sam2_hf",
    "build_sam2_video_predictor",
    "build_sam2_video_predictor_hf",
    "fuse_axes",
    "load_model",
    "propagate_each",
    "replay",
]

if TYPE_CHECKING:
    from napari_sam2.images.calibration import Calibration
    from napari_sam2.images.stack import Stack
    from napari_sam2.predictors.automatic_mask_generator import SAM2AutomaticMaskGenerator
    from napari_sam2.predictors.build import build_sam2, build_sam2_hf, build_sam2_video_predictor_hf, load_model
    from napari_sam2.predictors.image_predictor import SAM2ImagePredictor
    from napari_sam2.predictors.object_score import ObjectScore
    from napari_sam2.predictors.video_predictor import SAM2VideoPredictor, build_sam2_video_predictor
    from napari_sam2.session.propagation.propagator import FrameResult
    from napari_sam2.session.replay import replay
    from napari_sam2.session.review.queue import ReviewItem
    from napari_sam2.session.review.track_measurements import ReviewReason
    from napari_sam2.session.session import Session
    from napari_sam2.session.state.history import SessionBusyError
    from napari_sam2.session.state.identity import ModelIdentity
    from napari_sam2.session.state.objects import ObjectInfo, SessionObject
    from napari_sam2.session.state.prompts import FramePrompts
    from napari_sam2.session.state.session_state import StateChange
    from napari_sam2.session.state.stop_rules import StopRules
    from napari_sam2.session.volumes.fuse_axes import fuse_axes
    from napari_sam2.session.volumes.propagate_each import propagate_each


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME_OF[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
