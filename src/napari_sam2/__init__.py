"""Follow objects through image stacks, volumes and time-lapses with SAM 2.

The public names are loaded when they are first used: importing the package costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from napari_sam2.version import __version__

_HOME_OF = {
    "Calibration": "napari_sam2.images.calibration",
    "FrameResult": "napari_sam2.session.following",
    "ObjectScore": "napari_sam2.predictors.object_score",
    "Session": "napari_sam2.session.session",
    "SessionObject": "napari_sam2.session.objects",
    "Stack": "napari_sam2.images.stack",
    "StopRules": "napari_sam2.session.stop_rules",
    "SAM2AutomaticMaskGenerator": "napari_sam2.predictors.automatic_mask_generator",
    "SAM2ImagePredictor": "napari_sam2.predictors.image_predictor",
    "SAM2VideoPredictor": "napari_sam2.predictors.video_predictor",
    "build_sam2": "napari_sam2.predictors.build",
    "build_sam2_hf": "napari_sam2.predictors.build",
    "build_sam2_video_predictor": "napari_sam2.predictors.build",
    "build_sam2_video_predictor_hf": "napari_sam2.predictors.build",
    "load_model": "napari_sam2.predictors.build",
}

__all__ = [
    "Calibration",
    "FrameResult",
    "ObjectScore",
    "SAM2AutomaticMaskGenerator",
    "SAM2ImagePredictor",
    "SAM2VideoPredictor",
    "Session",
    "SessionObject",
    "Stack",
    "StopRules",
    "__version__",
    "build_sam2",
    "build_sam2_hf",
    "build_sam2_video_predictor",
    "build_sam2_video_predictor_hf",
    "load_model",
]

if TYPE_CHECKING:
    from napari_sam2.images.calibration import Calibration
    from napari_sam2.images.stack import Stack
    from napari_sam2.predictors.automatic_mask_generator import SAM2AutomaticMaskGenerator
    from napari_sam2.predictors.build import (
        build_sam2,
        build_sam2_hf,
        build_sam2_video_predictor,
        build_sam2_video_predictor_hf,
        load_model,
    )
    from napari_sam2.predictors.image_predictor import SAM2ImagePredictor
    from napari_sam2.predictors.object_score import ObjectScore
    from napari_sam2.predictors.video_predictor import SAM2VideoPredictor
    from napari_sam2.session.following import FrameResult
    from napari_sam2.session.objects import SessionObject
    from napari_sam2.session.session import Session
    from napari_sam2.session.stop_rules import StopRules


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME_OF[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
