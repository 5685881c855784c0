"""The actor passes on what it is asked."""

from __future__ import annotations

import asyncio

import numpy as np

from napari_sam2.cluster.messages import Computed, Missing, PackedPrompt, Request, Video
from napari_sam2.cluster.model_actor import ModelActor
from napari_sam2.cluster.pixels import PackedPixels
from napari_sam2.predictors.any_tracker import Prompt
from served_here import ServedHere, served_here  # noqa: F401 - a fixture


def test_it_passes_on_what_it_is_asked(served_here: ServedHere) -> None:  # noqa: F811
    actor = ModelActor("micro", "cpu")
    assert actor.describe().config.name == "micro"
    assert actor.call(lambda model, factor: model.image_size * factor, factor=2) == 640
    assert actor.call_watched("a", lambda model, report: (model.image_size, report(1, 2))) == (320, True)
    assert asyncio.run(actor.progress("a", True)) == (0, 0)
    video = Video("v", (1, 32, 32), "uint8", ((0.0, 255.0),), "float32", 16)
    prompt = PackedPrompt.pack(Prompt(np.array([[100, 100]], np.float32), np.array([1], np.int32)))
    request = Request("segment", video, 0, views=[None], prompts=[prompt])
    assert actor.compute(request) == Missing([], True)
    request.pixels.append(PackedPixels.pack(np.full((32, 32), 9, np.uint8), video.whole))
    assert isinstance(actor.compute(request), Computed)
